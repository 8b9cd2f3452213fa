"""Rows of deadlines: how forty thousand timers wait without costing anything.

Nearly every timer of section 17 lasts a fixed time, so that deadlines set one after the other
are already sorted: a `Lane` is a queue for one duration, and setting a timer is an append. The
intervals that double after a loss, and the times the core asks for, wait in heaps.

Nothing is ever taken out early. A lane holds pairs of a time and a transaction's key, not the
transaction, so a forgotten deadline keeps nothing alive; and a deadline counts only while the
transaction found under that key still names exactly this time as its own. Cancelling a timer
is one assignment in the machine.
"""

from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sipproxy.transaction.machine import Transaction

#: No timer runs. Clocks count from zero upwards, so no real deadline is below it.
NEVER: Final = -1.0

#: Later than anything.
FOREVER: Final = float("inf")

#: `Alarms` rebuilds its heap when it is larger than this and mostly dead.
SMALL_HEAP: Final = 256


class Lane:
    """Deadlines that all last `duration` seconds, in the order in which they were set.

    `table` is where the keys lead. `retry` says which of its two deadlines a transaction is asked
    for: `retry_at`, else `ends_at`. `slack` is how much later than due the lane may be looked
    after: the timers that only forget a machine (D, I, J, K, L, M) have some, so that hundreds of
    them cost one wake-up.
    """

    __slots__ = ("duration", "table", "retry", "slack", "times", "keys")

    def __init__(
        self,
        duration: float,
        table: "Mapping[bytes, Transaction]",
        retry: bool = False,
        slack: float = 0.0,
    ) -> None:
        self.duration: float = duration
        self.table: Mapping[bytes, Transaction] = table
        self.retry: bool = retry
        self.slack: float = slack
        self.times: deque[float] = deque()
        self.keys: deque[bytes] = deque()

    def first(self) -> float:
        """When to look after the earliest deadline that counts, or FOREVER.

        Dead ones in front of it are thrown away.
        """
        times, keys, table = self.times, self.keys, self.table
        while times:
            transaction = table.get(keys[0])
            if transaction is not None:
                when = transaction.retry_at if self.retry else transaction.ends_at
                if when == times[0]:
                    return when + self.slack
            times.popleft()
            keys.popleft()
        return FOREVER


class Alarms:
    """Arbitrary times with a token each: what the core sets with `TransactionLayer.schedule`.

    An entry is a number. Dropping one releases its token at once; the heap keeps a pair of
    plain numbers, and is rebuilt when more than half of them are dead.
    """

    __slots__ = ("_heap", "_tokens", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._tokens: dict[int, object] = {}
        self._serial: int = 0

    def __len__(self) -> int:
        return len(self._tokens)

    def heap_size(self) -> int:
        """How many times wait, the dropped ones included."""
        return len(self._heap)

    def add(self, when: float, token: object) -> int:
        """Remember `token` until `when`; the number to drop it by."""
        self._serial = entry = self._serial + 1
        self._tokens[entry] = token
        heappush(self._heap, (when, entry))
        return entry

    def drop(self, entry: int) -> bool:
        """Forget an entry; False when it has fired or was dropped before."""
        tokens = self._tokens
        if entry not in tokens:
            return False
        del tokens[entry]
        heap = self._heap
        if len(heap) > SMALL_HEAP and len(heap) > 2 * len(tokens):
            self._heap = [item for item in heap if item[1] in tokens]
            heapify(self._heap)
        return True

    def due(self, now: float) -> list[object]:
        """Take out the tokens whose time has come, earliest first."""
        heap, tokens = self._heap, self._tokens
        fired: list[object] = []
        while heap and heap[0][0] <= now:
            entry = heappop(heap)[1]
            if entry in tokens:
                fired.append(tokens.pop(entry))
        return fired

    def first(self) -> float:
        """The earliest living time, or FOREVER."""
        heap, tokens = self._heap, self._tokens
        while heap and heap[0][1] not in tokens:
            heappop(heap)
        return heap[0][0] if heap else FOREVER
