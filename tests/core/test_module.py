"""The base that every module starts from."""

import pytest
from zope.interface.verify import verifyObject

from sipproxy.core.module import ConfigurationRefused, Module, NotConfigured
from sipproxy.core.phases import METHODS, PHASES
from sipproxy.interfaces import IModule
from sipproxy.testing.modules import ModuleContext
from sipproxy.testing.server import configuration_of


class Plain(Module):
    """A module with a name and nothing else."""

    name = "mod_plain"


class BaseTests:
    """What a module has that overrides nothing."""

    def test_interface(self) -> None:
        """It is a module."""
        assert verifyObject(IModule, Plain())

    def test_defaults(self) -> None:
        """Five seconds, no wishes for an order, no side effect of being made."""
        module = Plain()
        assert (module.deadline, module.before, module.after) == (5.0, (), ())
        assert not hasattr(module, "settings") and not module.running

    @pytest.mark.parametrize("method", METHODS)
    def test_applies(self, method: str) -> None:
        """It wants everything outside dialogs but ACK."""
        for phase in PHASES:
            assert Plain().applies(phase.name, method, False) is (method != "ACK")
            assert not Plain().applies(phase.name, method, True)

    def test_configure(self) -> None:
        """It keeps its settings and the host, has a voice of its own, and looks at them once."""
        looked: list[object] = []

        class Looking(Plain):
            def configured(self) -> None:
                looked.append((self.settings, self.host))

        module = Looking()
        settings = configuration_of("").server
        host = ModuleContext("mod_sip_trace").host
        module.configure(settings, host)
        assert looked == [(settings, host)]
        assert module.log.name == "mod_plain"

    def test_reopen(self) -> None:
        """One without files has nothing to open again."""
        Plain().reopen()


class RefusalTests:
    """How a module says no to a configuration."""

    def test_refused(self) -> None:
        """With the directive to look at."""
        refused = ConfigurationRefused("MaxThings", "too many")
        assert (refused.directive, refused.detail, str(refused)) == (
            "MaxThings",
            "too many",
            "too many",
        )

    def test_bows_out(self) -> None:
        """Or with a reason why it has nothing to do."""
        assert str(NotConfigured("no Gateway is named")) == "no Gateway is named"
