"""Steps that ask and go on."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock

from sipproxy.resolve.hop import Hop
from sipproxy.resolve.search import NoAddress, NotLocated, NoTransport, Search, Steps


def steps(*rounds: list[Any], error: Exception | None = None) -> Steps:
    """Ask these; give a hop for each answer."""
    hosts: list[str] = []
    for asked in rounds:
        hosts += yield list(asked)
    if error is not None:
        raise error
    return [Hop("udp", host, 5060) for host in hosts]


def hosts_of(hops: Sequence[Hop]) -> list[str]:
    """Give the hosts of hops."""
    return [hop.host for hop in hops]


class SearchTests:
    """`Search`."""

    def run(self, found: Steps, clock: Clock | None = None) -> list[Any]:
        """Search; give a list that will hold the hosts or the failure."""
        outcome: list[Any] = []
        result = Search(found).run(clock or Clock(), 5, "h.test")
        assert isinstance(result, Deferred)
        result.addCallback(hosts_of).addBoth(outcome.append)
        return outcome

    def test_all_known(self) -> None:
        """With every answer there already, hops come at once."""
        result = Search(steps(["a", succeed("b")], ["c"])).run(Clock(), 5, "h.test")
        assert not isinstance(result, Deferred)
        assert hosts_of(result) == ["a", "b", "c"]

    def test_waits_for_all(self) -> None:
        """A round goes on when its last answer is there; answers keep their places."""
        one: Deferred[str] = Deferred()
        two: Deferred[str] = Deferred()
        three: Deferred[str] = Deferred()
        clock = Clock()
        outcome = self.run(steps([one, "b", two], [three]), clock)
        two.callback("c")
        assert outcome == []
        one.callback("a")
        three.callback("d")
        assert outcome == [["a", "b", "c", "d"]]
        assert not clock.getDelayedCalls()

    def test_too_late(self) -> None:
        """At the deadline it fails; an answer after that hurts nobody."""
        waiting: Deferred[str] = Deferred()
        clock = Clock()
        outcome = self.run(steps([waiting], ["b"]), clock)
        clock.advance(5)
        (failure,) = outcome
        assert failure.check(NoAddress) and "h.test" in failure.getErrorMessage()
        waiting.callback("a")
        assert len(outcome) == 1

    def test_cancelled(self) -> None:
        """Whoever no longer wants to know cancels."""
        waiting: Deferred[str] = Deferred()
        clock = Clock()
        result = Search(steps([waiting])).run(clock, 5, "h.test")
        assert isinstance(result, Deferred)
        outcome: list[Any] = []
        result.addBoth(outcome.append)
        result.cancel()
        assert outcome[0].check(CancelledError)
        waiting.callback("a")
        assert not clock.getDelayedCalls()

    def test_fails_at_once(self) -> None:
        """What is known at once is raised."""
        with pytest.raises(NoTransport, match="no way"):
            Search(steps(["a"], error=NoTransport("no way"))).run(Clock(), 5, "h.test")

    @pytest.mark.parametrize("error", [NotLocated("x"), RuntimeError("a fault of ours")])
    def test_fails_later(self, error: Exception) -> None:
        """What goes wrong later fails the result, and leaves no timer."""
        waiting: Deferred[str] = Deferred()
        clock = Clock()
        outcome = self.run(steps([waiting], error=error), clock)
        waiting.callback("a")
        assert outcome[0].check(type(error))
        assert not clock.getDelayedCalls()
