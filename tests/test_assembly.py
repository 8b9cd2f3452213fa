"""From a configuration to modules in order: ours and other people's, and every fault at once."""

import sys
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from zope.interface import implementedBy, providedBy
from zope.interface.verify import verifyClass, verifyObject

import twisted.plugins
from sipproxy.assembly import (
    ConfigurationFaults,
    build_domains,
    build_generation,
    build_modules,
    build_options,
    in_run_order,
    read_configuration,
)
from sipproxy.core.phases import METHODS, PHASES
from sipproxy.core.server import ProxyCore
from sipproxy.interfaces import (
    INTERFACE_VERSION,
    IFlows,
    IHost,
    ILocator,
    IModule,
    IModuleMaker,
    IRegistry,
    ITransactions,
    ITransactionUser,
)
from sipproxy.modules import (
    STANDARD_MODULES,
    always_loaded,
    class_of,
    directives_of,
    known_modules,
    maker_of,
)
from sipproxy.resolve.locator import Locator
from sipproxy.stores.registry import Registry
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.core import RecordingFlows, log_lines
from sipproxy.testing.network import Network
from sipproxy.testing.server import SimulatedServer, configuration_of
from sipproxy.transport.driver import Driver
from sipproxy.transport.flow import Flows

_SERIAL: Final = count(1)

MAKER: Final = """
@implementer(IPlugin, IModuleMaker)
class Maker{name}:
    name = {name!r}
    dotted = {dotted!r}
    help = "A module of somebody else."
    interface_version = {version}

{name}_maker = Maker{name}()
"""

MAKERS_HEAD: Final = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from sipproxy.interfaces import IModuleMaker
"""

MODULES_HEAD: Final = """
from zope.interface import implementer
from sipproxy.config.directive import Directive, Take, word
from sipproxy.core.module import ConfigurationRefused, Module, NotConfigured
from sipproxy.core.outcomes import Refusal
from sipproxy.interfaces import IAuthorizer
"""

MODULE: Final = """
@implementer(IAuthorizer)
class {name}(Module):
    name = {name!r}
    before = {before!r}
    after = {after!r}

    def configured(self):
        {configured}

    def authorize(self, context):
        return Refusal(499, "theirs")
"""


class Others:
    """A folder on the path of Python with somebody else's modules and their makers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._plugins = folder / "twisted" / "plugins"
        self._plugins.mkdir(parents=True)
        monkeypatch.syspath_prepend(str(folder))
        path = [str(self._plugins), *twisted.plugins.__path__]
        monkeypatch.setattr(twisted.plugins, "__path__", path)
        self._serial = next(_SERIAL)
        self._makers = MAKERS_HEAD

    def package(self, name: str) -> str:
        """Give the name that a module is imported by."""
        return f"theirs_{self._serial}_{name}"

    def add(
        self,
        name: str,
        *,
        before: Iterable[str] = (),
        after: Iterable[str] = (),
        configured: str = "pass",
        version: int = INTERFACE_VERSION,
        dotted: str = "",
        code: str = "",
    ) -> None:
        """Add a module and its maker; ``configured`` is a statement, ``code`` stands behind."""
        text = MODULE.format(
            name=name, before=tuple(before), after=tuple(after), configured=configured
        )
        package = self.package(name)
        (self.folder / f"{package}.py").write_text(MODULES_HEAD + text + code)
        dotted = dotted or f"{package}:{name}"
        self._makers += MAKER.format(name=name, dotted=dotted, version=version)
        (self._plugins / f"theirs_{self._serial}_plugin.py").write_text(self._makers)


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Others:
    """Give such a folder."""
    return Others(tmp_path, monkeypatch)


def server_with(*lines: str) -> SimulatedServer:
    """Give a whole server in memory."""
    text = "\n".join(("Listen 10.0.0.1:5060", "ProxyDomain example.com", "CustomLog Off", *lines))
    return SimulatedServer(Network(VirtualClock()), text)


def loading(*names: str) -> list[str]:
    """Give the names of the modules of a server that loads these as well, in run order."""
    modules = server_with(*(f"LoadModule {name}" for name in names)).modules
    return [module.name for module in modules]


def faults_of(make: Callable[[], object]) -> list[str]:
    """Give the faults of a configuration, a line each."""
    with pytest.raises(ConfigurationFaults) as caught:
        make()
    assert str(caught.value) == "\n".join(str(fault) for fault in caught.value.faults)
    return [str(fault) for fault in caught.value.faults]


class StandardTests:
    """The modules that come with the server."""

    def test_always_loaded(self) -> None:
        """Some need no LoadModule, and run in the order of the list."""
        assert loading() == [name for name in known_modules() if name in always_loaded()]

    def test_order_of_the_list(self) -> None:
        """LoadModule lines do not change the order of ours."""
        assert loading("mod_sip_example", "mod_sip_trace") == list(known_modules())

    @pytest.mark.parametrize("maker", STANDARD_MODULES, ids=lambda maker: maker.name)
    def test_maker(self, maker: Any) -> None:
        """Each maker tells the truth about its module."""
        assert verifyObject(IModuleMaker, maker)
        assert class_of(maker).name == maker.name
        found: Any = maker_of(maker.name)
        assert found is maker
        assert maker.interface_version == INTERFACE_VERSION
        assert maker.help.endswith(".")
        assert directives_of(maker.name) is not None

    def test_unknown(self) -> None:
        """What nobody makes has no maker and no directives."""
        assert maker_of("mod_sip_nothing") is None and directives_of("mod_sip_nothing") is None


class OthersTests:
    """Modules of other people, out of a twisted/plugins folder."""

    def test_loaded(self, others: Others) -> None:
        """LoadModule finds one, and its hooks run after ours."""
        others.add("mod_sip_theirs")
        server = server_with("LoadModule mod_sip_theirs")
        assert server.modules[-1].name == "mod_sip_theirs"
        hooks = server.core.generation.hooks_for("INVITE", False).authorize
        assert [hook.module for hook in hooks] == ["mod_sip_relay", "mod_sip_theirs"]

    def test_not_loaded_unless_asked_for(self, others: Others) -> None:
        """One that no line loads is not even imported."""
        others.add("mod_sip_theirs")
        loading()
        assert others.package("mod_sip_theirs") not in sys.modules

    def test_directives(self, others: Others) -> None:
        """Its directives are in force, and checked, like ours."""
        row = 'DIRECTIVES = (Directive("TheirWord", Take.ONE, word, "none", "A word."),)\n'
        others.add("mod_sip_theirs", code=row)
        server = server_with("LoadModule mod_sip_theirs", "TheirWord hello")
        assert server.modules[-1].settings["TheirWord"] == "hello"
        (fault,) = faults_of(lambda: configuration_of("LoadModule mod_sip_theirs\nTheirWord"))
        assert "sipd.conf:2" in fault

    @pytest.mark.parametrize("version", [INTERFACE_VERSION - 1, INTERFACE_VERSION + 1])
    def test_other_interface(self, others: Others, version: int) -> None:
        """One that was written for another version of the interface is refused by name."""
        others.add("mod_sip_theirs", version=version)
        (fault,) = faults_of(lambda: server_with("LoadModule mod_sip_theirs"))
        assert f"mod_sip_theirs: it was written for version {version}" in fault
        assert f"this server has version {INTERFACE_VERSION}" in fault

    def test_constructor_fails(self, others: Others) -> None:
        """One that cannot be made is a fault that says why."""
        bad = "\nclass mod_sip_bad:\n    def __init__(self):\n        raise ValueError('no')\n"
        others.add("mod_sip_bad", code=bad)
        (fault,) = faults_of(lambda: server_with("LoadModule mod_sip_bad"))
        assert "mod_sip_bad: it cannot be loaded (ValueError: no)" in fault

    def test_no_such_class(self, others: Others) -> None:
        """A maker that names a class that is not there is a fault too."""
        others.add("mod_sip_bad", dotted=f"{others.package('mod_sip_bad')}:Missing")
        (fault,) = faults_of(lambda: server_with("LoadModule mod_sip_bad"))
        assert "mod_sip_bad: it cannot be loaded" in fault

    def test_no_module(self, others: Others) -> None:
        """Something that provides no IModule is none."""
        others.add("mod_sip_bad", dotted="builtins:dict")
        (fault,) = faults_of(lambda: server_with("LoadModule mod_sip_bad"))
        assert "mod_sip_bad: builtins:dict is no module" in fault

    @pytest.mark.parametrize("dotted", ["no_such_package_anywhere:Bad", "", "broken"])
    def test_cannot_be_imported(self, others: Others, dotted: str) -> None:
        """One whose file is missing or broken is a fault, not a traceback."""
        others.add("mod_sip_bad", dotted=dotted, code="" if dotted else "\n1 +\n")
        faults = faults_of(lambda: server_with("LoadModule mod_sip_bad"))
        assert "mod_sip_bad" in faults[0]

    def test_configure_fails(self, others: Others) -> None:
        """One that raises something unexpected when it is configured is a fault with its name."""
        others.add("mod_sip_bad", configured="raise KeyError('oops')")
        (fault,) = faults_of(lambda: server_with("LoadModule mod_sip_bad"))
        assert "mod_sip_bad" in fault and "KeyError" in fault


class ConfigureTests:
    """What modules say to their configuration."""

    def test_refused(self, others: Others) -> None:
        """A refusal is a fault at the line of the directive; all of them are shown."""
        row = 'DIRECTIVES = (Directive("TheirWord", Take.ONE, word, "none", "A word."),)\n'
        others.add(
            "mod_sip_a", configured='raise ConfigurationRefused("TheirWord", "too short")', code=row
        )
        others.add("mod_sip_b", configured='raise ConfigurationRefused("Other", "not there")')
        first, second = faults_of(
            lambda: server_with("LoadModule mod_sip_a", "TheirWord x", "LoadModule mod_sip_b")
        )
        assert "sipd.conf:5" in first and "TheirWord: too short" in first
        assert "Other: not there" in second

    def test_bows_out(self, others: Others) -> None:
        """A module that has nothing to do is left out, with a line in the log."""
        others.add("mod_sip_theirs", configured='raise NotConfigured("no gateway is named")')
        with log_lines("notice") as lines:
            names = loading("mod_sip_theirs")
        assert "mod_sip_theirs" not in names
        (line,) = (line for line in lines() if "module.not_configured" in line)
        assert "no gateway is named" in line and "module=mod_sip_theirs" in line


class OrderTests:
    """Who runs before whom."""

    def test_as_loaded(self, others: Others) -> None:
        """Others run in the order of their LoadModule lines, after ours."""
        others.add("mod_sip_b")
        others.add("mod_sip_a")
        assert loading("mod_sip_b", "mod_sip_a")[-2:] == ["mod_sip_b", "mod_sip_a"]
        assert loading("mod_sip_a", "mod_sip_b")[-2:] == ["mod_sip_a", "mod_sip_b"]

    def test_before(self, others: Others) -> None:
        """One may stand before one of ours."""
        others.add("mod_sip_first", before=["mod_sip_relay"])
        names = loading("mod_sip_first")
        assert names.index("mod_sip_first") < names.index("mod_sip_relay")

    def test_before_moves_nobody_else(self, others: Others) -> None:
        """It is the one with the wish that moves; ours stay in their order."""
        others.add("mod_sip_first", before=["mod_sip_relay"])
        usual = loading()
        at = usual.index("mod_sip_relay")
        assert loading("mod_sip_first") == [*usual[:at], "mod_sip_first", *usual[at:]]

    def test_after(self, others: Others) -> None:
        """One may stand after another that is loaded later."""
        others.add("mod_sip_a", after=["mod_sip_b"])
        others.add("mod_sip_b")
        assert loading("mod_sip_a", "mod_sip_b")[-2:] == ["mod_sip_b", "mod_sip_a"]

    def test_absent(self, others: Others) -> None:
        """A wish about a module that is not loaded is no fault."""
        others.add("mod_sip_a", before=["mod_sip_nowhere"], after=["mod_sip_trace"])
        assert loading("mod_sip_a")[-1] == "mod_sip_a"

    def test_chain(self, others: Others) -> None:
        """Wishes add up over several modules."""
        others.add("mod_sip_a", after=["mod_sip_b"])
        others.add("mod_sip_b", after=["mod_sip_c"])
        others.add("mod_sip_c", before=["mod_sip_registry"])
        names = loading("mod_sip_a", "mod_sip_b", "mod_sip_c")
        places = [names.index(f"mod_sip_{name}") for name in ("c", "b", "a")]
        assert places == sorted(places)
        assert names.index("mod_sip_c") < names.index("mod_sip_registry")

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_circle(self, others: Others, size: int) -> None:
        """Modules that want to run before and after each other are a fault that names them."""
        names = [f"mod_sip_circle{number}" for number in range(size)]
        for number, name in enumerate(names):
            others.add(name, before=[names[(number + 1) % size]])
        (fault,) = faults_of(lambda: loading(*names))
        assert "before and after each other" in fault
        assert all(name in fault for name in names)

    def test_circle_names_nobody_else(self, others: Others) -> None:
        """Modules that have nothing to do with the circle are not in the fault."""
        others.add("mod_sip_a", before=["mod_sip_b"], after=["mod_sip_b"])
        others.add("mod_sip_b")
        (fault,) = faults_of(lambda: loading("mod_sip_a", "mod_sip_b"))
        assert "mod_sip_relay" not in fault

    def test_run_order(self) -> None:
        """Ours as the list has them, then the others as they were loaded."""
        names = ["mod_sip_z", "mod_sip_trace", "mod_sip_a", "mod_sip_relay"]
        expected = ["mod_sip_relay", "mod_sip_trace", "mod_sip_z", "mod_sip_a"]
        assert in_run_order(names) == expected


class ReadTests:
    """A file from the disk."""

    def test_good(self, tmp_path: Path) -> None:
        """It comes with the modules it loads, and what options add."""
        path = tmp_path / "sipd.conf"
        path.write_text("<IfDefine Loud>\nLoadModule mod_sip_trace\n</IfDefine>\nMaxForks 2\n")
        plain = read_configuration(str(path))
        assert plain.modules == list(always_loaded()) and plain.server["MaxForks"] == 2
        loud = read_configuration(str(path), frozenset(["Loud"]), after=["MaxForks 3"])
        assert "mod_sip_trace" in loud.modules and loud.server["MaxForks"] == 3

    def test_every_fault(self, tmp_path: Path) -> None:
        """All faults come at once, each with its line."""
        path = tmp_path / "sipd.conf"
        path.write_text("MaxForks none\nLoadModule mod_sip_nothing\nNonsense 1\n")
        faults = faults_of(lambda: read_configuration(str(path)))
        assert [f"sipd.conf:{number}" in fault for number, fault in enumerate(faults, 1)] == [
            True
        ] * 3

    def test_missing(self, tmp_path: Path) -> None:
        """A file that is not there is one fault."""
        (fault,) = faults_of(lambda: read_configuration(str(tmp_path / "no.conf")))
        assert "no.conf" in fault

    def test_module_that_is_gone(self, others: Others) -> None:
        """A module that vanished between reading and building is a fault."""
        others.add("mod_sip_theirs")
        configuration = configuration_of("LoadModule mod_sip_trace")
        configuration.modules.append("mod_sip_gone")
        host = server_with().host
        (fault,) = faults_of(lambda: build_modules(configuration, host))
        assert "mod_sip_gone: no such module" in fault


class OptionsTests:
    """The core's own settings and the domains."""

    def test_options(self) -> None:
        """Each directive reaches its setting, in the core's units."""
        options = build_options(
            configuration_of(
                "AddRecordRoute Off\nRecursive On\nMaxForks 3\nInviteExpiration 60000\n"
                "PreferTcpAbove 0\nServerSignature Off"
            )
        )
        assert (options.record_route, options.recursive, options.max_forks) == (False, True, 3)
        assert (options.timer_c, options.prefer_tcp_above, options.signature) == (60.0, 0, b"")

    def test_signature(self) -> None:
        """The server's name goes out as it is written."""
        options = build_options(configuration_of('ServerSignature "the house"'))
        assert options.signature == b"the house"

    def test_domains(self) -> None:
        """Ports of Listen and of advertise are ours, besides the usual one."""
        text = "ProxyDomain a.org b.org\nListen 10.0.0.1:5070 udp advertise sip.a.org:5090"
        domains = build_domains(configuration_of(text), RecordingFlows([]))
        assert domains.names == ("a.org", "b.org")
        assert all(domains.is_own("b.org", port) for port in (None, 5060, 5070, 5090))
        assert not domains.is_own("b.org", 5080)

    def test_generation(self) -> None:
        """All of it together."""
        server = server_with()
        generation = build_generation(7, server.configuration, server.modules, server.domains)
        assert generation.number == 7 and generation.domains is server.domains
        assert len(generation.outside) == len(METHODS)


class InterfaceTests:
    """Whoever says that it provides an interface does (see `sipproxy.interfaces`)."""

    @pytest.mark.parametrize(
        ("interface", "implementer"),
        [
            (ITransactions, Driver),
            (IFlows, Flows),
            (IRegistry, Registry),
            (ILocator, Locator),
            (ITransactionUser, ProxyCore),
        ],
    )
    def test_class(self, interface: Any, implementer: Any) -> None:
        """Methods and their arguments are those of the interface."""
        assert verifyClass(interface, implementer, tentative=True)
        assert interface.implementedBy(implementer)

    def test_objects_of_a_server(self) -> None:
        """So they are on the objects that a server is made of."""
        server = server_with()
        assert verifyObject(ITransactions, server.driver)
        assert verifyObject(IFlows, server.flows)
        assert verifyObject(IRegistry, server.registry)
        assert verifyObject(ILocator, server.locator)
        assert verifyObject(ITransactionUser, server.core)
        assert verifyObject(IHost, server.host)

    @pytest.mark.parametrize("name", known_modules())
    def test_modules(self, name: str) -> None:
        """Each module provides what it declares, and hooks that it has are declared."""
        modules = server_with(f"LoadModule {name}").modules
        module = next(module for module in modules if module.name == name)
        assert verifyObject(IModule, module)
        declared = [phase for phase in PHASES if phase.interface in providedBy(module)]
        for phase in declared:
            assert verifyObject(phase.interface, module)
        assert declared, f"{name} has no hook at all"
        hooks = {phase.hook for phase in PHASES if hasattr(module, phase.hook)}
        assert hooks == {phase.hook for phase in declared}

    @pytest.mark.parametrize("name", known_modules())
    def test_hooks_are_declared_on_the_class(self, name: str) -> None:
        """The reference can be written from the class, without a server."""
        made = class_of(maker_of(name))
        assert any(phase.interface in implementedBy(made) for phase in PHASES)
