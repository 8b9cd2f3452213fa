"""Keeps a flood of the same event from flooding the log."""

from collections.abc import Callable
from typing import Final

#: Lines of one event within one `PERIOD` of seconds.
LINES: Final = 5
PERIOD: Final = 10.0


class Throttle:
    """Lets a few lines of each event through per period.  Events are a fixed, small set."""

    __slots__ = ("_events", "_seconds", "held_back")

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._events: dict[str, tuple[float, int]] = {}
        #: Lines that were not written, in all.
        self.held_back: int = 0

    def allows(self, event: str) -> bool:
        """Say whether a line of this event may be written now."""
        now = self._seconds()
        began, lines = self._events.get(event, (now, 0))
        if not began <= now < began + PERIOD:
            began, lines = now, 0
        self._events[event] = (began, lines + 1)
        if lines < LINES:
            return True
        self.held_back += 1
        return False
