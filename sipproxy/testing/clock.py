"""Virtual time: a clock that stands still until a test moves it, and then misses no moment.

    clock = VirtualClock()
    clock.callLater(2.5, print, "now")
    clock.run(10)              # the call happens at 2.5, and the clock then shows 10

`twisted.internet.task.Clock` jumps to the end first and then makes all calls that are due, so that
each of them sees the time of the end.  Here every call happens exactly at its own time, those of
one moment in the order in which they were asked for; whatever a call asks for within the time that
is run happens as well.  Calls wait in a heap: a day of a busy server takes seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock


class VirtualClock(Clock):
    """Passes for the reactor's time.  ``start`` is what it shows first, in seconds."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.rightNow = start
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._serial = 0

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> DelayedCall:
        """Have something called after ``delay`` seconds."""
        call: Any = DelayedCall(
            self.rightNow + delay, callable, args, kw, _nothing, self._put, self.seconds
        )
        self._put(call)
        return call  # type: ignore[no-any-return]

    def getDelayedCalls(self) -> Sequence[DelayedCall]:
        """Give the calls that are still to come, the next one first."""
        self._drop_dead()
        return [entry[2] for entry in sorted(self._heap) if entry[2].active()]

    def advance(self, amount: float) -> None:
        """Do as `run` does: for code written for Twisted's clock."""
        self.run(amount)

    def pump(self, timings: Iterable[float]) -> None:
        """Run for each of these times, one after the other."""
        for amount in timings:
            self.run(amount)

    def run(self, seconds: float) -> None:
        """Let time pass; every call that is due in it is made at its time."""
        self.run_to(self.rightNow + seconds)

    def run_to(self, end: float) -> None:
        """Let time pass until the clock shows ``end``."""
        while True:
            self._drop_dead()
            if not self._heap or self._heap[0][0] > end:
                break
            self._make_next()
        self.rightNow = max(self.rightNow, end)

    def run_until(self, done: Callable[[], bool], limit: float) -> bool:
        """Run call after call until ``done()``; False when ``limit`` seconds did not do."""
        end = self.rightNow + limit
        while not done():
            self._drop_dead()
            if not self._heap or self._heap[0][0] > end:
                self.rightNow = end
                return done()
            self._make_next()
        return True

    def _make_next(self) -> None:
        when, _, call = heappop(self._heap)
        self.rightNow = max(self.rightNow, when)
        call.called = 1
        call.func(*call.args, **call.kw)

    def _put(self, call: DelayedCall) -> None:
        self._serial += 1
        heappush(self._heap, (call.getTime(), self._serial, call))

    def _drop_dead(self) -> None:
        """Take from the top what was cancelled or has been made; put back what was put off."""
        heap = self._heap
        while heap:
            when, _, call = heap[0]
            if call.active() and call.getTime() <= when:
                return
            heappop(heap)
            if call.active():
                self._put(call)


def _nothing(call: DelayedCall) -> None:
    """A call was cancelled: it leaves the heap when its time comes."""
