"""The decision trail in the error log."""

from sipproxy.core.decisions import PASSED, REFUSED
from sipproxy.core.phases import METHODS
from sipproxy.testing.core import log_lines
from sipproxy.testing.modules import ModuleContext


class TraceTests:
    """What is written."""

    def test_trail(self) -> None:
        """A line for the request, then one for each decision, all at info."""
        kit = ModuleContext("mod_sip_trace")
        context = kit.request()
        context.decide("check", "mod_a", PASSED)
        context.because(("not from %s", "there"), "sipd.conf:4")
        context.decide("authorize", "mod_b", REFUSED)
        context.status = 403
        with log_lines("info") as lines:
            kit.call("log", context)
        first, second, third = lines()
        assert "trace.request: INVITE status=403" in first
        assert "mod_a" in second and "passed" in second
        assert "not from there  [sipd.conf:4]" in third
        assert all("[info] [mod_sip_trace]" in line for line in lines())

    def test_quiet_by_default(self) -> None:
        """Nothing is written unless the level of the module asks for it."""
        kit = ModuleContext("mod_sip_trace")
        with log_lines("notice") as lines:
            kit.call("log", kit.request())
        assert lines() == []

    def test_applies(self) -> None:
        """Everything is traced, inside dialogs too."""
        module = ModuleContext("mod_sip_trace").module
        assert all(
            module.applies("log", method, inside) for method in METHODS for inside in (True, False)
        )
