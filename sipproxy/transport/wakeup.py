"""The one reactor timer that all timers of SIP hang on."""

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall

_NEVER: Final = float("inf")


class DriverReactor(Protocol):
    """What of a reactor is needed here."""

    def seconds(self) -> float:
        """Give the time."""

    def callLater(self, delay: float, callable: Callable[[], object]) -> IDelayedCall:
        """Call once, later."""


class Wakeup:
    """Calls ``call`` once, at the earliest time it was asked for; ``due_at`` says when that is."""

    __slots__ = ("_call", "_delayed", "_reactor", "due_at")

    def __init__(self, reactor: DriverReactor, call: Callable[[], object]) -> None:
        self._reactor = reactor
        self._call = call
        self._delayed: IDelayedCall | None = None
        self.due_at = _NEVER

    def at(self, when: float) -> None:
        """See that the call comes at ``when``, if it would not come sooner."""
        if when < self.due_at:
            if self._delayed is not None:
                self._delayed.cancel()
            self.due_at = when
            delay = max(0.0, when - self._reactor.seconds())
            self._delayed = self._reactor.callLater(delay, self._fire)

    def stop(self) -> None:
        """Never call again."""
        if self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None
        self.due_at = -_NEVER  # nothing is earlier

    def _fire(self) -> None:
        self._delayed = None
        self.due_at = _NEVER
        self._call()
