"""Hops that failed are tried last for a while."""

import pytest
from twisted.internet.task import Clock

from sipproxy.resolve.health import (
    TIMED_OUT,
    UNAVAILABLE,
    UNREACHABLE,
    Health,
    retry_after_of,
)
from sipproxy.resolve.hop import Hop

A, B, C = (Hop("udp", f"192.0.2.{number}", 5060) for number in (1, 2, 3))


class HealthTests:
    """`Health` as the core and the locator use it."""

    clock: Clock
    health: Health

    @pytest.fixture(autouse=True)
    def _make(self) -> None:
        self.clock = Clock()
        self.health = Health(self.clock.seconds, skip_for=30, longest=600, size=5)

    def order(self, *hops: Hop) -> list[Hop]:
        """Order hops."""
        return list(self.health.order(hops))

    @pytest.mark.parametrize("kind", [TIMED_OUT, UNREACHABLE])
    def test_failed_goes_last(self, kind: str) -> None:
        """A hop that gave no answer is tried after the others, and still tried."""
        self.health.failed(A, kind)
        assert self.order(A, B, C) == [B, C, A]
        assert self.order(A) == [A]

    def test_transport_is_part_of_it(self) -> None:
        """Another transport or port of the same host is another hop."""
        self.health.failed(A, TIMED_OUT)
        tcp = Hop("tcp", A.host, A.port)
        assert self.order(A, tcp) == [tcp, A]

    def test_worked_takes_it_back(self) -> None:
        """An answer makes it good again at once."""
        self.health.failed(A, TIMED_OUT)
        self.health.worked(A)
        assert self.order(A, B) == [A, B]
        assert len(self.health) == 0

    def test_503_with_retry_after(self) -> None:
        """A server that asks for a pause gets it."""
        self.health.failed(A, UNAVAILABLE, 100.0)
        self.clock.advance(99)
        assert self.order(A, B) == [B, A]
        self.clock.advance(1)
        assert self.order(A, B) == [A, B]

    def test_503_without_retry_after(self) -> None:
        """A 503 alone is about one request (RFC 3261 section 21.5.4)."""
        self.health.failed(A, UNAVAILABLE)
        self.health.failed(A, UNAVAILABLE, 0.0)
        assert self.order(A, B) == [A, B]

    def test_endless_retry_after(self) -> None:
        """Nobody can have themselves skipped for ever."""
        self.health.failed(A, UNAVAILABLE, 1e10)
        self.clock.advance(600)
        assert self.order(A, B) == [A, B]

    def test_one_request_probes(self) -> None:
        """When the while is over one request tries it first; the others wait for its outcome."""
        self.health.failed(A, TIMED_OUT)
        self.clock.advance(30)
        assert self.order(A, B) == [A, B]
        assert self.order(A, B) == [B, A]
        self.health.worked(A)
        assert self.order(A, B) == [A, B]

    def test_probe_whose_outcome_nobody_tells(self) -> None:
        """When a probe ends without a word there is another one later."""
        self.health.failed(A, TIMED_OUT)
        self.clock.advance(30)
        self.order(A, B)
        self.clock.advance(35)
        assert self.order(A, B) == [A, B]

    def test_one_probe_a_request(self) -> None:
        """No request is made to try several hops that may be dead."""
        self.health.failed(A, TIMED_OUT)
        self.health.failed(B, TIMED_OUT)
        self.clock.advance(30)
        assert self.order(A, B, C) == [A, C, B]

    def test_longer_and_longer(self) -> None:
        """Each failed probe doubles the while, up to the longest."""
        whiles = []
        for _ in range(7):
            self.health.failed(A, TIMED_OUT)
            (row,) = self.health.snapshot()
            whiles.append(row["seconds_left"])
            self.clock.advance(row["seconds_left"])
            self.order(A, B)
        assert whiles == [30, 60, 120, 240, 480, 480, 480]

    def test_many_failures_at_once_are_one(self) -> None:
        """Requests that were on their way together do not lengthen the while."""
        for _ in range(50):
            self.health.failed(A, TIMED_OUT)
        assert self.health.snapshot()[0]["seconds_left"] == 30

    def test_free_soonest_first(self) -> None:
        """Among those to avoid, the one that is free again soonest comes first."""
        self.health.failed(A, UNAVAILABLE, 500.0)
        self.health.failed(B, UNAVAILABLE, 50.0)
        assert self.order(A, B, C) == [C, B, A]

    def test_switched_off(self) -> None:
        """With no while nothing is ever skipped."""
        health = Health(self.clock.seconds, skip_for=0)
        health.failed(A, TIMED_OUT)
        assert list(health.order([A, B])) == [A, B]

    def test_bounded(self) -> None:
        """Only so many are remembered; the oldest go."""
        for number in range(20):
            self.health.failed(Hop("udp", f"10.0.0.{number}", 5060), TIMED_OUT)
        assert len(self.health) == 5
        assert {row["hop"] for row in self.health.snapshot()} == {
            f"udp:10.0.0.{number}:5060" for number in range(15, 20)
        }

    def test_snapshot(self) -> None:
        """The status display is told what is skipped and why."""
        self.health.failed(A, UNREACHABLE)
        self.clock.advance(10)
        assert self.health.snapshot() == [
            {
                "hop": "udp:192.0.2.1:5060",
                "why": "unreachable",
                "failures": 1,
                "probing": False,
                "seconds_left": 20.0,
            }
        ]


class RetryAfterTests:
    """RFC 3261 section 20.33."""

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (b"18000;duration=3600", 18000.0),
            (b" 120 (I'm in a meeting)", 120.0),
            (b"soon", None),
            (b"", None),
            (None, None),
        ],
    )
    def test_read(self, value: bytes | None, seconds: float | None) -> None:
        """The seconds count; comment and duration don't."""
        assert retry_after_of(value) == seconds
