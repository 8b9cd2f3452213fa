"""The table of phases and the interfaces say the same."""

import pytest
from zope.interface.interface import InterfaceClass

from sipproxy import interfaces
from sipproxy.core.phases import METHODS, PHASES, Phase
from sipproxy.core.pipeline import MethodHooks

OTHERS = {
    "IModule",
    "IModuleMaker",
    "IHost",
    "IRegistry",
    "IFlows",
    "ITransactions",
    "ITransactionUser",
    "ILocator",
}


class TableTests:
    """Each row, and all of them."""

    @pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
    def test_hook_is_in_the_interface(self, phase: Phase) -> None:
        """The method that the pipeline calls is the one that the interface asks for."""
        assert list(phase.interface) == [phase.hook]
        assert phase.interface[phase.hook].getSignatureInfo()["positional"][0] == "context"

    @pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
    def test_row_is_complete(self, phase: Phase) -> None:
        """Each says how it is run, in a known way, and what it is for."""
        assert phase.run in ("all", "first", "tell")
        assert phase.help.endswith((".", "?"))

    def test_names_differ(self) -> None:
        """No name, method or interface stands twice."""
        for column in ("name", "hook", "interface"):
            values = [getattr(phase, column) for phase in PHASES]
            assert len(set(values)) == len(values)

    def test_every_hook_interface_has_a_phase(self) -> None:
        """An interface of a hook that no phase runs would never be called."""
        declared = {
            name
            for name, value in vars(interfaces).items()
            if isinstance(value, InterfaceClass) and name.startswith("I") and name != "Interface"
        }
        assert declared - OTHERS == {phase.interface.__name__ for phase in PHASES}

    def test_order(self) -> None:
        """A request walks them in this order."""
        assert [phase.name for phase in PHASES] == (
            "check authenticate authorize serve normalize translate next_hop fixup response "
            "account log"
        ).split()

    def test_slots(self) -> None:
        """The hooks of a method have a slot for each."""
        assert {phase.name for phase in PHASES} <= set(MethodHooks.__slots__)


class MethodTests:
    """The methods that hooks are chosen for."""

    def test_rest(self) -> None:
        """There is a row for whatever is not in the table, and no method stands twice."""
        assert METHODS[-1] == "*" and len(set(METHODS)) == len(METHODS)
