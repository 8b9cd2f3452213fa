"""One question to one name server: over UDP, and over TCP when the answer was cut (RFC 1035, 7766).

Messages are written and read by twisted.names.  Its own client is not used: it has every question
wait for servers known to be dead, cannot be told to stop asking, and never hears that a port is
closed.  Each question has a socket of its own, connected to the server: the kernel picks a port
nobody can guess and drops what comes from elsewhere (RFC 5452), and a closed port is known at once.
"""

import secrets
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ClientFactory, DatagramProtocol, connectionDone
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

from sipproxy.resolve.answer import TYPES, Kind, text_of

Address: TypeAlias = tuple[str, int]

#: Seconds for a TCP connection to open.  What comes after is bounded by whoever asks.
_CONNECT_SECONDS: Final = 2.0


class Unreachable(Exception):
    """Nobody listens there, or there is no way to it."""


class NoSocket(Exception):
    """This machine has no socket left to ask with; the server may be well."""


def exchange(reactor: Any, server: Address, name: str, kind: Kind) -> "Deferred[dns.Message]":
    """Ask, and give the answer.  Fails with Unreachable or NoSocket.

    Waits for ever: cancel it when it takes too long.
    """
    return _Exchange(reactor, server, name, kind).answer


class _Exchange(DatagramProtocol):
    """One question on its way."""

    noisy = False

    def __init__(self, reactor: Any, server: Address, name: str, kind: Kind) -> None:
        self._reactor = reactor
        self._server = server
        self._name = name
        self._type = TYPES[kind]
        self._id = secrets.randbelow(1 << 16)
        self._connector: Any = None
        self._closed = False
        self.answer: Deferred[dns.Message] = Deferred(lambda _: self._close())
        try:
            reactor.listenUDP(0, self, interface="::" if ":" in server[0] else "")
        except (CannotListenError, OSError) as error:
            self.answer.errback(NoSocket(str(error)))

    def startProtocol(self) -> None:
        """Send the question."""
        message = dns.Message(id=self._id, recDes=1)
        message.addQuery(self._name.encode("ascii"), self._type)
        self._question = message.toStr()
        port: Any = self.transport
        try:
            port.connect(*self._server)
            port.write(self._question)
        except OSError as error:
            self._reactor.callLater(0, self._fail, Unreachable(str(error)))

    def datagramReceived(self, data: bytes, _: Any) -> None:
        """Take the answer; ignore anything else."""
        message = self._read(data)
        if message is None:
            return
        if message.trunc:
            self._close()
            self._ask_by_stream()
        else:
            self._done(message)

    def connectionRefused(self) -> None:
        """Hear that nobody listens at the server's port."""
        self._fail(Unreachable("nobody listens there"))

    def stopProtocol(self) -> None:
        """Hear that the socket is closed.

        When not by us, then by the reactor: the poll and epoll reactors say so instead of
        `connectionRefused`, because the socket is not readable then.
        """
        if not self._closed:
            self._fail(Unreachable("nobody listens there"))

    def _ask_by_stream(self) -> None:
        factory = _StreamFactory(self)
        self._connector = self._reactor.connectTCP(*self._server, factory, _CONNECT_SECONDS)

    def stream_opened(self, stream: "_Stream") -> None:
        """Ask again over TCP."""
        stream.sendString(self._question)

    def stream_received(self, data: bytes) -> None:
        """Take the whole answer."""
        message = self._read(data)
        if message is not None:
            self._done(message)

    def stream_failed(self, reason: Failure) -> None:
        """Hear that there is no connection, or no more."""
        self._fail(Unreachable(reason.getErrorMessage()))

    def _read(self, data: bytes) -> dns.Message | None:
        """Give the answer to our question; None for nonsense, and for answers to other questions.

        A server that could not even read the question may leave it out.
        """
        message = dns.Message()
        try:
            message.fromStr(data)
        except Exception:  # there is no list of what twisted.names raises for garbage
            return None
        # twisted.names takes a message that breaks off for one with fewer records.
        if _count(data, 6) != len(message.answers) or _count(data, 8) != len(message.authority):
            return None
        asked = [(text_of(query.name), query.type) for query in message.queries]
        fits = asked == [(self._name, self._type)] or (not asked and message.rCode != dns.OK)
        return message if message.answer and message.id == self._id and fits else None

    def _done(self, message: dns.Message) -> None:
        self._close()
        if not self.answer.called:
            self.answer.callback(message)

    def _fail(self, error: Exception) -> None:
        self._close()
        if not self.answer.called:
            self.answer.errback(error)

    def _close(self) -> None:
        self._closed = True
        if self.transport is not None:
            port, self.transport = self.transport, None
            port.stopListening()
        if self._connector is not None:
            connector, self._connector = self._connector, None
            connector.disconnect()


def _count(data: bytes, offset: int) -> int:
    """Read one of the counts in the head of a message (RFC 1035 section 4.1.1)."""
    return int.from_bytes(data[offset : offset + 2], "big")


class _Stream(Int16StringReceiver):
    """A connection for one question: messages with their length in front."""

    def __init__(self, asking: _Exchange) -> None:
        self._asking = asking

    def connectionMade(self) -> None:
        """Ask."""
        self._asking.stream_opened(self)

    def stringReceived(self, string: bytes) -> None:
        """Take a message."""
        self._asking.stream_received(string)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hear that it is closed."""
        self._asking.stream_failed(reason)


class _StreamFactory(ClientFactory):
    noisy = False

    def __init__(self, asking: _Exchange) -> None:
        self.asking = asking

    def buildProtocol(self, addr: Any) -> _Stream:
        """Make the connection's protocol."""
        return _Stream(self.asking)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Hear that it did not open."""
        self.asking.stream_failed(reason)
