"""Stand-ins for what is around a socket: the reactor's descriptors, the driver, the socket."""

import socket
from collections import deque
from typing import Any, cast

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sipproxy.message.errors import ParseError
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Peer
from sipproxy.transport.sockets import ListenAddress, Listener
from sipproxy.transport.tcp import Connection

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfirst;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:alice@example.com>;tag=a1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: c1@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.1>\r\n"
    b"Content-Length: 0\r\n\r\n"
)

OPTIONS = INVITE.replace(b"INVITE", b"OPTIONS")


def response(status: bytes, cseq: bytes = b"1 INVITE", branch: bytes = b"z9hG4bKfirst") -> bytes:
    """Write a response as the next hop would send it."""
    return (
        b"SIP/2.0 " + status + b"\r\n"
        b"Via: SIP/2.0/TCP 192.0.2.1:5060;branch=" + branch + b"\r\n"
        b"From: <sip:alice@example.com>;tag=a1\r\n"
        b"To: <sip:bob@example.com>;tag=b1\r\n"
        b"Call-ID: c1@192.0.2.1\r\n"
        b"CSeq: " + cseq + b"\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def failure(error: Exception) -> Failure:
    """Wrap an exception as Twisted does."""
    return Failure(error)


def connect(connection: Connection, transport: "Pipe") -> None:
    """Connect the two as Twisted does."""
    connection.makeConnection(transport)


class Pipe:
    """A connection's transport: keeps what is written, and ends it when asked to."""

    def __init__(self, connection: Connection, lingers: bool = False) -> None:
        """One that ``lingers`` has not written everything yet, and so does not close."""
        self.connection = connection
        self.producer: object = None
        self.dropped = 0
        self.closing = False
        self.gone = False
        self._lingers = lingers
        self._written: list[bytes] = []

    def value(self) -> bytes:
        """Give all that was written."""
        return b"".join(self._written)

    def write(self, data: bytes) -> None:
        """Keep it."""
        self._written.append(data)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Know whom to tell."""
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Tell nobody."""
        self.producer = None

    def loseConnection(self) -> None:
        """Close when all is written; as in life not before the producer has let go."""
        assert self.producer is None
        self.closing = True
        if not self._lingers:
            self.end()

    def abortConnection(self) -> None:
        """Drop."""
        self.dropped += 1
        self.end()

    def end(self) -> None:
        """Tell the connection that it is over."""
        if not self.gone:
            self.gone = True
            self.connection.connectionLost(failure(ConnectionLost()))


class Descriptors(Clock):
    """A clock that also remembers who wants to read, as a reactor does."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        """Watch."""
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Watch no longer."""
        if reader in self.readers:
            self.readers.remove(reader)


class RecordingInbox:
    """Writes down what a socket tells."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.messages: list[tuple[bytes, Peer]] = []
        self.refused: list[tuple[int, Peer]] = []
        self.lost: list[tuple[Peer, str, bytes]] = []
        self.failed: list[tuple[Any, str]] = []
        self.turns = 0

    def received(self, data: bytes, peer: Peer) -> None:
        """Take a message."""
        self.messages.append((data, peer))

    def refuse(self, error: ParseError, peer: Peer) -> None:
        """Take what is no message."""
        self.refused.append((error.status, peer))

    def unreachable(self, peer: Peer, reason: str, quoted: bytes = b"") -> None:
        """Take a report."""
        self.lost.append((peer, reason, quoted))

    def transport_failed(self, transaction: Transaction | None, reason: str) -> None:
        """Take a failure."""
        self.failed.append((transaction, reason))

    def end_of_turn(self) -> None:
        """Count a turn."""
        self.turns += 1


class FakeSocket:
    """A UDP socket that plays what it was told to: each entry is a result, or an error to raise."""

    def __init__(self, family: int = socket.AF_INET, name: tuple[Any, ...] | None = None) -> None:
        self.family = family
        self.name = name or ("192.0.2.9", 5060)
        self.incoming: deque[Any] = deque()
        self.errors: deque[Any] = deque()
        self.send_results: deque[Any] = deque()
        self.sent: list[tuple[bytes, tuple[Any, ...]]] = []
        self.options: dict[tuple[int, int], int] = {}
        self.refused_options: set[int] = set()
        self.closed = False

    def recvfrom(self, size: int) -> tuple[bytes, tuple[Any, ...]]:
        """Give the next datagram."""
        if not self.incoming:
            raise BlockingIOError
        return cast("tuple[bytes, tuple[Any, ...]]", _played(self.incoming.popleft()))

    def recvmsg(self, size: int, ancillary: int, flags: int) -> Any:
        """Give the next entry of the error queue."""
        if not self.errors:
            raise BlockingIOError
        return _played(self.errors.popleft())

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> int:
        """Send, or fail as told."""
        if self.send_results:
            _played(self.send_results.popleft())
        self.sent.append((data, address))
        return len(data)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Remember an option."""
        if option in self.refused_options:
            raise OSError("not here")
        self.options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """Give an option; a structure of ascending numbers where a size is asked for."""
        if size:
            return b"".join(number.to_bytes(4, "little") for number in range(size // 4))
        return 0

    def getsockname(self) -> tuple[Any, ...]:
        """Give the address it is bound to."""
        return self.name

    def setblocking(self, flag: bool) -> None:
        """Nothing blocks here."""

    def fileno(self) -> int:
        """Give some number."""
        return -1 if self.closed else 77

    def close(self) -> None:
        """Close."""
        self.closed = True


def _played(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result


def listener(
    index: int,
    transport: str,
    host: str,
    port: int = 5060,
    advertised: tuple[str, int] | None = None,
    scope: int = 0,
) -> Listener:
    """Make a listener on a fake socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    name = (host, port, 0, scope) if ":" in host else (host, port)
    sock: Any = FakeSocket(family, name)
    return Listener(index, ListenAddress(transport, host, port, advertised), sock)
