"""A short way from the kernel to a UDP port, past what Twisted does around every wake-up.

At a few hundred calls a second nearly every datagram wakes the process on its own.  Twisted's loop
then looks after its timers, sets up a logging context and asks the descriptor for its name, which
together cost more than taking the datagram.  `DirectPoll` stands in for the epoll object of the
reactor: a descriptor that was added here is read at once, and as long as nothing else wants to be
looked after the next wake-up is waited for right there, with what is left of the time.

Nothing else changes: all other descriptors, errors on ours, timers, threads and signals take
Twisted's own way, and so does everything where the reactor is not the epoll reactor as known here.
"""

import select
from collections.abc import Callable
from typing import Any, Final

from sipproxy.log import get_logger

log = get_logger("transport")

#: Wake-ups handled here in a row at the most, before Twisted's loop has its turn.
ROUNDS: Final = 64

_READABLE: Final = getattr(select, "EPOLLIN", 1)

#: What of the epoll reactor is relied on; without any of it the long way is taken.
_NEEDED: Final = ("_poller", "_newDelayedCalls", "_justStopped", "_selectables")

Events = list[tuple[int, int]]


class DirectPoll:
    """The reactor's epoll object, with a short way for some descriptors."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._poller = reactor._poller
        self._seconds: Callable[[], float] = reactor.seconds
        self._direct: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, read: Callable[[], None]) -> None:
        """Call ``read`` when a descriptor that the reactor watches becomes readable."""
        self._direct[descriptor] = read

    def remove(self, descriptor: int) -> None:
        """Take the short way from a descriptor, before it is closed."""
        self._direct.pop(descriptor, None)

    def poll(self, timeout: float = -1, maxevents: int = -1) -> Events:
        """Wait as epoll does; give the events that are Twisted's to handle."""
        reactor, direct, poll = self._reactor, self._direct, self._poller.poll
        until = self._seconds() + timeout if timeout > 0 else 0.0
        others: Events = []
        for _ in range(ROUNDS):
            events = poll(timeout, maxevents)
            for event in events:
                read = direct.get(event[0]) if event[1] == _READABLE else None
                if read is None:
                    others.append(event)
                else:
                    try:
                        read()
                    except Exception as error:
                        log.failure("udp.read_failed", "reading from a port failed", error)
            if others or not events or reactor._newDelayedCalls or reactor._justStopped:
                break
            if timeout >= 0:
                timeout = until - self._seconds()
                if timeout <= 0:
                    break
        return others

    # The rest of an epoll object.

    def register(self, descriptor: int, events: int) -> None:
        """Watch a descriptor."""
        self._poller.register(descriptor, events)

    def modify(self, descriptor: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._poller.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Watch a descriptor no more."""
        self._poller.unregister(descriptor)

    def close(self) -> None:
        """Close the epoll object."""
        self._poller.close()


def direct_poll(reactor: Any) -> DirectPoll | None:
    """Put a `DirectPoll` into an epoll reactor, once; None for any other reactor."""
    if not all(hasattr(reactor, name) for name in _NEEDED):
        return None
    poller = reactor._poller
    if isinstance(poller, DirectPoll):
        return poller
    if not isinstance(poller, getattr(select, "epoll", ())):
        return None
    reactor._poller = direct = DirectPoll(reactor)
    return direct
