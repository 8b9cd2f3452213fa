"""The system's own name service: the hosts file, NIS, the search list of resolv.conf.

``getaddrinfo`` blocks for as long as it likes, so it runs in the reactor's threads, and never in
many of them: whoever else needs those threads must not wait for a dead name service.  The hosts
file is read by ourselves as well, because its names must work, and at once, while every name server
is down.
"""

import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from sipproxy.resolve.answer import Reply

Result = TypeVar("Result")

#: Runs something that blocks in a thread.
InThread = Callable[..., "Deferred[Any]"]

#: Threads in use at a time, and names that may wait for one.
MAX_THREADS: Final = 4
MAX_WAITING: Final = 200

#: Seconds that an answer of the system, which has no time to live, and a "no such name" hold.
ANSWER_SECONDS: Final = 60.0
NEGATIVE_SECONDS: Final = 10.0

#: Seconds between two looks at the hosts file.
_LOOK_EVERY: Final = 10.0

HOSTS_FILE: Final = "/etc/hosts"

#: What getaddrinfo says when it could not find out.
_TROUBLE: Final = (socket.EAI_AGAIN, socket.EAI_FAIL)


class TooManyNames(Exception):
    """So many names wait for the system's name service that no more are taken."""


class SystemNames:
    """Asks the system's name service, a few names at a time."""

    def __init__(
        self, in_thread: InThread, look_up: Callable[[str], list[str]] | None = None
    ) -> None:
        """``look_up`` blocks; it runs by ``in_thread(look_up, name)``."""
        self._in_thread = in_thread
        self._look_up = look_up or system_addresses
        self._running = 0
        self._waiting: deque[tuple[str, Deferred[list[str]]]] = deque()

    def resolve(self, name: str) -> "Deferred[list[str]]":
        """Give the addresses of a name.  Fails with OSError or TooManyNames."""
        if self._running < MAX_THREADS:
            return self._run(name)
        if len(self._waiting) >= MAX_WAITING:
            return fail(TooManyNames(f"{MAX_WAITING} names wait for the system's name service"))
        waiting: Deferred[list[str]] = Deferred()
        self._waiting.append((name, waiting))
        return waiting

    def _run(self, name: str) -> "Deferred[list[str]]":
        self._running += 1
        asking: Deferred[list[str]] = self._in_thread(self._look_up, name)
        return asking.addBoth(self._done)

    def _done(self, result: Result) -> Result:
        self._running -= 1
        if self._waiting:
            name, waiting = self._waiting.popleft()
            self._run(name).chainDeferred(waiting)
        return result


class Hosts:
    """The hosts file, read at the start, and in a thread whenever it has changed since."""

    def __init__(self, clock: IReactorTime, in_thread: InThread, path: str = HOSTS_FILE) -> None:
        self._clock = clock
        self._in_thread = in_thread
        self._path = path
        self._next_look = clock.seconds() + _LOOK_EVERY
        self._text = _text_of(path)
        self._names = hosts_of(self._text)

    def addresses(self, name: str) -> tuple[str, ...]:
        """Give the addresses of a name (lower case); none for one that the file does not name."""
        now = self._clock.seconds()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._in_thread(self._read).addCallback(self._take)
        return self._names.get(name, ())

    def _read(self) -> tuple[str, dict[str, tuple[str, ...]]] | None:
        """Read the file again; runs in a thread.  None when nothing has changed."""
        text = _text_of(self._path)
        return None if text == self._text else (text, hosts_of(text))

    def _take(self, found: tuple[str, dict[str, tuple[str, ...]]] | None) -> None:
        if found is not None:
            self._text, self._names = found


def hosts_of(text: str) -> dict[str, tuple[str, ...]]:
    """Read the text of a hosts file, hosts(5): names in lower case, and their addresses."""
    names: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *aliases = line.partition("#")[0].split() or [""]
        if address and _is_numeric(address):
            for alias in aliases:
                name = alias.lower()
                names[name] = (*names.get(name, ()), address)
    return names


def reply_of(result: "list[str] | Failure") -> "Reply | Failure":
    """Make what the system said the `Reply` that `Remembered` takes.

    "No such name" is an answer; "try again" and anything unforeseen is none.
    """
    if not isinstance(result, Failure):
        return Reply(tuple(result), ANSWER_SECONDS if result else NEGATIVE_SECONDS)
    error = result.value
    trouble = isinstance(error, socket.gaierror) and error.errno in _TROUBLE
    if trouble or not isinstance(error, OSError):
        return result
    return Reply((), NEGATIVE_SECONDS)


def in_threads_of(reactor: Any) -> InThread:
    """Give what runs a call that blocks in one of the reactor's threads."""

    def run(call: Callable[..., Result], *arguments: Any) -> "Deferred[Result]":
        return deferToThreadPool(reactor, reactor.getThreadPool(), call, *arguments)

    return run


def system_addresses(name: str) -> list[str]:
    """Ask the system's name service; blocks.  Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _is_numeric(address: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
            return True
        except OSError:
            continue
    return False
