"""One configuration in, one generation out: modules made, configured, put in order and wired.

Everything that can be wrong with a configuration comes out as a list of faults with file and line,
all at once.  Nothing here opens a socket or a file of the server.
"""

from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import implementer

from sipproxy.config.loader import Configuration, load
from sipproxy.config.reader import read_from_disk
from sipproxy.config.tree import Fault, Position
from sipproxy.core.domains import Domains
from sipproxy.core.generation import Generation, Options
from sipproxy.core.module import ConfigurationRefused, NotConfigured
from sipproxy.core.pipeline import choose_hooks
from sipproxy.interfaces import (
    INTERFACE_VERSION,
    IFlows,
    IHost,
    IModule,
    IRegistry,
    ITransactions,
)
from sipproxy.log import get_logger
from sipproxy.modules import always_loaded, class_of, directives_of, known_modules, maker_of

_log = get_logger("assembly")


class ConfigurationFaults(Exception):
    """A configuration that cannot be used; ``faults`` say why, each with file and line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = list(faults)


@implementer(IHost)
class Host:
    """What modules are offered."""

    def __init__(
        self,
        registry: IRegistry,
        flows: IFlows,
        transactions: ITransactions,
        domains: Domains,
        settings: Any,
        wall_clock: Callable[[], float],
        new_tag: Callable[[], bytes],
    ) -> None:
        self.registry = registry
        self.flows = flows
        self.transactions = transactions
        self.domains = domains
        self.settings = settings
        self.wall_clock = wall_clock
        self.new_tag = new_tag


def read_configuration(
    path: str,
    defines: frozenset[str] = frozenset(),
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    working_directory: str = "",
) -> Configuration:
    """Read and check a file against the rows of all modules it loads.

    Raises `ConfigurationFaults` when anything in it is wrong.
    """
    configuration = load(
        path,
        read_from_disk,
        directives_of,
        defines,
        always_loaded(),
        known=known_modules(),
        before=before,
        after=after,
        working_directory=working_directory,
    )
    if configuration.errors:
        raise ConfigurationFaults(configuration.faults)
    return configuration


def build_modules(configuration: Configuration, host: IHost) -> list[Any]:
    """Make and configure the modules that the configuration loads, in run order.

    Raises `ConfigurationFaults` with everything that modules refuse.
    """
    faults: list[Fault] = []
    modules: list[Any] = []
    for name in in_run_order(configuration.modules):
        try:
            module = _made(name)
            settings = configuration.settings(name)
            module.configure(settings, host)
        except NotConfigured as reason:
            _log.notice("module.not_configured", str(reason), module=name)
        except ConfigurationRefused as refused:
            place = _position_of(configuration, name, refused.directive)
            faults.append(Fault(*place, f"{refused.directive}: {refused.detail}"))
        except ModuleFault as problem:
            faults.append(Fault(configuration.path, 0, str(problem)))
        except Exception as error:
            text = f"{name}: it failed when it was configured ({type(error).__name__}: {error})"
            faults.append(Fault(configuration.path, 0, text))
        else:
            modules.append(module)
    ordered, order_faults = _sorted(modules, configuration.path)
    faults.extend(order_faults)
    if faults:
        raise ConfigurationFaults(faults)
    return ordered


def _position_of(configuration: Configuration, module: str, directive: str) -> Position:
    """Find where a directive was given: one of the module's own, or one of the server's."""
    for settings in (configuration.settings(module), configuration.server):
        if directive in settings:
            return settings.position(directive) or Position(configuration.path, 0)
    return Position(configuration.path, 0)


class ModuleFault(Exception):
    """A module cannot be loaded; the text says why."""


def _made(name: str) -> Any:
    maker = maker_of(name)
    if maker is None:
        raise ModuleFault(f"{name}: no such module")
    if maker.interface_version != INTERFACE_VERSION:
        raise ModuleFault(
            f"{name}: it was written for version {maker.interface_version} of the module "
            f"interface, this server has version {INTERFACE_VERSION}"
        )
    try:
        module = class_of(maker)()
    except Exception as error:
        raise ModuleFault(
            f"{name}: it cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    if not IModule.providedBy(module):
        raise ModuleFault(f"{name}: {maker.dotted} is no module")
    return module


def in_run_order(names: Sequence[str]) -> list[str]:
    """Put loaded modules in run order: the standard ones as listed, then others as loaded."""
    standard = [name for name in known_modules() if name in names]
    return standard + [name for name in names if name not in standard]


def _sorted(modules: list[Any], path: str) -> tuple[list[Any], list[Fault]]:
    """Honour ``before`` and ``after`` with as few moves as possible; a circle is a fault."""
    by_name = {module.name: module for module in modules}
    earlier: dict[str, list[str]] = {
        module.name: [name for name in module.after if name in by_name] for module in modules
    }
    for module in modules:
        for name in module.before:
            if name in by_name:
                earlier[name].append(module.name)
    placed: dict[str, Any] = {}
    on_the_way: list[str] = []

    def place(name: str) -> bool:
        """Place what must run before a module, then the module; False in a circle."""
        if name in placed:
            return True
        on_the_way.append(name)
        if name in on_the_way[:-1] or not all(map(place, earlier[name])):
            return False
        on_the_way.pop()
        placed[name] = by_name[name]
        return True

    if all(place(module.name) for module in modules):
        return list(placed.values()), []
    circle = ", ".join(on_the_way[on_the_way.index(on_the_way[-1]) :][:-1])
    text = f"these modules want to run before and after each other: {circle}"
    return modules, [Fault(path, 0, text)]


def build_domains(configuration: Configuration, flows: IFlows) -> Domains:
    """Make the table of hosts that are ours."""
    server = configuration.server
    ports = {spec.port for spec in server["Listen"]}
    ports |= {spec.advertised[1] for spec in server["Listen"] if spec.advertised}
    return Domains(server["ProxyDomain"], ports, flows)


def build_options(configuration: Configuration) -> Options:
    """Take the core's own settings out of the directives."""
    server = configuration.server
    signature = server["ServerSignature"]
    return Options(
        record_route=server["AddRecordRoute"],
        recursive=server["Recursive"],
        redirect=server["ServerType"] == "Redirect",
        group_timer=server["GroupNoAnswerTimer"] / 1000,
        max_forks=server["MaxForks"],
        timer_c=server["InviteExpiration"] / 1000,
        prefer_tcp_above=server["PreferTcpAbove"],
        signature=signature.encode() if signature else b"",
    )


def build_generation(
    number: int, configuration: Configuration, modules: Sequence[Any], domains: Domains
) -> Generation:
    """Put it all together."""
    return Generation(number, choose_hooks(modules), domains, build_options(configuration))
