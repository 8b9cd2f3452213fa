"""The garbage collector runs by the clock, and is left as it was found."""

import gc
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from sipproxy.collector import FREEZE_EVERY, FULL_AFTER, QUIET, Collector
from sipproxy.testing.core import log_lines


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    """Leave the process as it was, whatever a test does."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Running:
    """A collector on a clock, with so many live transactions."""

    def __init__(self, busy: int = 0) -> None:
        self.clock = Clock()
        self.busy = busy
        self.collector = Collector(self.clock, lambda: self.busy)
        self.collector.startService()

    def full_collections(self, looks: int) -> int:
        """Let the clock tick so many times; how many full collections that took."""
        with log_lines("debug") as lines:
            for _ in range(looks):
                self.clock.advance(FREEZE_EVERY)
            return sum("collector.full" in line for line in lines())


class ServiceTests:
    """Start and stop."""

    def test_start(self) -> None:
        """What start-up left is collected and put out of sight; the oldest generation rests."""
        running = Running()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[2] >= 1_000_000
        running.collector.stopService()

    def test_stop(self) -> None:
        """Everything is as it was, and nothing is left on the clock."""
        before = gc.get_threshold()
        running = Running()
        running.clock.advance(FREEZE_EVERY)
        running.collector.stopService()
        assert gc.get_threshold() == before and gc.get_freeze_count() == 0
        assert not running.clock.getDelayedCalls()


class LookTests:
    """While the server runs."""

    def test_survivors_are_frozen(self) -> None:
        """What lives at a look is out of the collector's sight afterwards."""
        running = Running()
        before = gc.get_freeze_count()
        kept = [[number] for number in range(1000)]
        running.clock.advance(FREEZE_EVERY)
        assert gc.get_freeze_count() >= before + len(kept)
        assert running.collector.longest > 0.0
        running.collector.stopService()

    def test_young_circles_are_freed(self) -> None:
        """Circles that were made since the last look are found at the next."""

        class Circle:
            freed = 0

            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                Circle.freed += 1

        running = Running()
        Circle()
        running.clock.advance(FREEZE_EVERY)
        assert Circle.freed == 1
        running.collector.stopService()

    def test_full_when_quiet(self) -> None:
        """A quiet server is collected in full every so often, and only then."""
        running = Running()
        assert running.full_collections(FULL_AFTER - 1) == 0
        assert running.full_collections(1) == 1
        assert running.full_collections(FULL_AFTER - 1) == 0
        running.collector.stopService()

    def test_not_when_busy(self) -> None:
        """A busy one waits for its rest."""
        running = Running(QUIET + 1)
        assert running.full_collections(FULL_AFTER + 10) == 0
        running.busy = QUIET
        assert running.full_collections(1) == 1
        running.collector.stopService()
