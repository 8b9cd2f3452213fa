"""The rows in which timers wait."""

import gc
import weakref
from random import Random

import pytest

from sipproxy.transaction.deadlines import FOREVER, NEVER, SMALL_HEAP, Alarms, Lane
from sipproxy.transaction.machine import Transaction


class Token:
    """Something a weak reference can watch."""


class LaneTests:
    """A queue of deadlines."""

    def lane(self, retry: bool = False) -> tuple[Lane, dict[bytes, Transaction]]:
        """A lane with deadlines at 1, 2 and 3, and transactions that name the last two."""
        table: dict[bytes, Transaction] = {b"a": Transaction(), b"b": Transaction()}
        for when, transaction in zip((2.0, 3.0), table.values(), strict=True):
            transaction.retry_at = when if retry else NEVER
            transaction.ends_at = NEVER if retry else when
        lane = Lane(32.0, table, retry, slack=0.25)
        for when, key in ((1.0, b"gone"), (2.0, b"a"), (3.0, b"b")):
            lane.times.append(when)
            lane.keys.append(key)
        return lane, table

    @pytest.mark.parametrize("retry", [False, True])
    def test_first_passes_over_the_dead(self, retry: bool) -> None:
        """A deadline counts while its transaction lives and names it; the slack is added."""
        lane, table = self.lane(retry)
        assert lane.first() == 2.25
        assert len(lane.times) == len(lane.keys) == 2
        table[b"a"].retry_at = table[b"a"].ends_at = NEVER
        assert lane.first() == 3.25
        del table[b"b"]
        assert lane.first() == FOREVER
        assert not lane.times and not lane.keys

    def test_the_other_deadline_does_not_count(self) -> None:
        """A lane of retransmissions does not look at what ends a machine."""
        lane, table = self.lane(retry=False)
        lane.retry = True
        assert lane.first() == FOREVER
        assert table


class AlarmsTests:
    """Times the core asked for."""

    def test_due_in_order_of_time(self) -> None:
        """Earliest first, whatever the order of asking; equal times in the order of asking."""
        alarms = Alarms()
        for when, token in ((3.0, "c"), (1.0, "a"), (2.0, "b1"), (2.0, "b2")):
            alarms.add(when, token)
        assert alarms.first() == 1.0
        assert alarms.due(0.9) == []
        assert alarms.due(2.0) == ["a", "b1", "b2"]
        assert alarms.due(9.0) == ["c"]
        assert alarms.first() == FOREVER and len(alarms) == 0

    def test_dropped_never_fires(self) -> None:
        """And no longer counts as the first deadline."""
        alarms = Alarms()
        entry = alarms.add(1.0, "a")
        alarms.add(2.0, "b")
        assert alarms.drop(entry)
        assert alarms.first() == 2.0
        assert alarms.due(5.0) == ["b"]

    def test_dropping_twice_or_too_late_is_harmless(self) -> None:
        """The core need not remember which of its timers have fired."""
        alarms = Alarms()
        entry = alarms.add(1.0, "a")
        assert alarms.due(1.0) == ["a"]
        assert not alarms.drop(entry)
        assert not alarms.drop(12345)

    def test_dropping_frees_the_token_at_once(self) -> None:
        """Timer C lasts three minutes, a call that is answered must not."""
        gc.disable()
        try:
            alarms = Alarms()
            token = Token()
            watch = weakref.ref(token)
            entry = alarms.add(180.0, token)
            del token
            assert watch() is not None
            alarms.drop(entry)
            assert watch() is None
        finally:
            gc.enable()

    def test_dropped_times_do_not_pile_up(self) -> None:
        """A hundred thousand cancelled timer Cs leave a small heap, and the living still fire."""
        alarms = Alarms()
        kept = [alarms.add(1000.0 + n, n) for n in range(10)]
        for n in range(100_000):
            alarms.drop(alarms.add(180.0 + n / 300, "dead"))
        assert len(alarms) == len(kept)
        assert alarms.heap_size() <= SMALL_HEAP + 1
        assert alarms.due(FOREVER) == list(range(10))

    def test_order_survives_the_clearing_out(self) -> None:
        """Whatever was set and dropped in between, the living fire by time."""
        random = Random(1)
        alarms = Alarms()
        entries = {alarms.add(when, when): when for when in random.choices(range(10_000), k=2000)}
        for entry in random.sample(sorted(entries), k=1800):
            alarms.drop(entry)
            del entries[entry]
        assert alarms.due(FOREVER) == sorted(entries.values())
