"""The trail is kept cheaply and read in full."""

import re

from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import DECLINED, REFUSED, Decision, reason_text, trail_lines
from sipproxy.testing.core import ALICE, CoreStand, make_request


class Loud(str):
    """An argument that notices being printed."""

    printed = 0

    def __str__(self) -> str:
        Loud.printed += 1
        return "loud"


class ReasonTests:
    """Why a module did what it did."""

    def test_forms(self) -> None:
        """A text is itself, a tuple a format and its arguments."""
        assert reason_text("50% of it") == "50% of it"
        assert reason_text(("%d bindings of %s", 2, "bob")) == "2 bindings of bob"
        assert reason_text("") == ""

    def test_formatted_when_read(self) -> None:
        """Nothing is formatted until somebody reads the trail."""
        context = RequestContext(make_request(), ALICE, None, CoreStand().generation, 0.0)
        context.because(("because of %s", Loud()))
        context.decide("check", "mod_a", REFUSED)
        assert Loud.printed == 0
        assert "because of loud" in trail_lines(context.trail)[0]
        assert Loud.printed == 1


class LineTests:
    """A trail as text."""

    def test_one_line_each(self) -> None:
        """Phase, module, outcome, reason, place and microseconds, in the order of asking."""
        trail: list[Decision] = [
            ("check", "mod_a", DECLINED, "", "", 0.000_001),
            ("authorize", "mod_b", REFUSED, ("not %s", "here"), "sipd.conf:7", 0.002),
        ]
        first, second = trail_lines(trail)
        assert re.fullmatch(r"check +mod_a +declined +1 us", first)
        assert re.fullmatch(
            r"authorize +mod_b +refused +not here +\[sipd.conf:7\] +2000 us", second
        )

    def test_empty(self) -> None:
        """A request that nobody was asked about has no lines."""
        assert trail_lines([]) == []
