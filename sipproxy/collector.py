"""Keeps Python's cyclic garbage collector from stopping the server.

Nearly everything here is freed by reference counting; only failures and their tracebacks make
circles.  A full collection looks at every container there is, and with the transactions of a busy
half minute that takes longer than SIP should ever wait.  So the young generations are collected as
usual, what survives them is put out of the collector's sight (``gc.freeze``) every few seconds,
and a full collection is made only when the server is quiet, at start, and now and then in
between.
"""

import gc
from collections.abc import Callable
from time import perf_counter
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sipproxy.log import get_logger

_log = get_logger("collector")

#: Allocations before the youngest generation is looked at, and how many of those before the middle
#: one is; the oldest is never looked at by itself.
_THRESHOLDS: Final = (10_000, 20, 1_000_000)

#: Seconds between two times of putting the survivors out of sight.
FREEZE_EVERY: Final = 2.0

#: A quiet server is collected in full after so many freezes.
FULL_AFTER: Final = 150

#: As many live transactions are quiet enough: then a full collection takes some twenty
#: milliseconds.
QUIET: Final = 500


class Collector(Service):
    """Runs the collector by the clock.  ``busy`` gives the number of live transactions."""

    def __init__(self, clock: IReactorTime, busy: Callable[[], int]) -> None:
        self._clock = clock
        self._busy = busy
        self._call: IDelayedCall | None = None
        self._thresholds = gc.get_threshold()
        self._freezes = 0
        self.longest = 0.0

    def startService(self) -> None:
        """Collect what start-up left behind, put the rest out of sight."""
        super().startService()
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*_THRESHOLDS)
        self._full()
        self._again()

    def stopService(self) -> None:
        """Leave the collector as it was found."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()
        gc.unfreeze()
        gc.set_threshold(*self._thresholds)

    def _again(self) -> None:
        self._call = self._clock.callLater(FREEZE_EVERY, self._look)

    def _look(self) -> None:
        self._freezes += 1
        if self._freezes >= FULL_AFTER and self._busy() <= QUIET:
            self._full()
        else:
            began = perf_counter()
            gc.collect(1)
            gc.freeze()
            self.longest = max(self.longest, perf_counter() - began)
        self._again()

    def _full(self) -> None:
        self._freezes = 0
        gc.unfreeze()
        found = gc.collect()
        gc.freeze()
        _log.debug("collector.full", "a full collection", found=found)
