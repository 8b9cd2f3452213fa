"""One stream connection: bytes in, whole messages out, and a bound on what waits to be written.

Twisted keeps what the peer has not taken yet.  As a streaming producer the connection is told when
that is more than 64 KiB, and when all of it has gone; what is written in between is counted, and a
peer that lets too much gather, or takes nothing for too long, is dropped.
"""

import socket
from typing import TYPE_CHECKING, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IPushProducer,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.message.errors import ParseError
from sipproxy.message.stream import PING, StreamFramer
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Peer

if TYPE_CHECKING:
    from sipproxy.transport.connections import Connections

#: RFC 5626 section 4.4.1: the answer to a ping of two CRLFs.
PONG: Final = b"\r\n"

#: Seconds of silence before TCP asks whether the peer is still there, between askings, and how
#: often it asks: a phone that lost its power is noticed in about two minutes.
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 75), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


@implementer(IPushProducer)
class Connection(Protocol):
    """A connection, whoever opened it.  ``peer.connection`` is its number in the table."""

    transport: ITransport

    def __init__(self, table: "Connections", peer: Peer, opened_by_us: bool) -> None:
        self.peer = peer
        self.opened_by_us = opened_by_us
        #: How many bindings rely on it.
        self.pins = 0
        #: When the last whole message or keep-alive went in or out.
        self.last_used = 0.0
        #: When the last request was sent; how `Connections` knows that nothing waits for answers.
        self.last_request = float("-inf")
        #: Whether a whole message ever came; one who says nothing gets less patience.
        self.spoke = False
        #: When the peer stopped taking what was written, or None.
        self.stalled_since: float | None = None
        #: When closing began, or None.
        self.closing_since: float | None = None
        self._behind = 0
        self._table = table
        self._framer = StreamFramer()

    # What the reactor calls.

    def connectionMade(self) -> None:
        """Set the socket's options and enter the table."""
        _tune(self.transport)
        self.transport.registerProducer(self, True)  # type: ignore[attr-defined]
        self._table.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Take what came; every whole message in it goes on at once."""
        if self.closing_since is not None:
            return
        inbox = self._table.inbox
        try:
            frames = self._framer.feed(data)
        except ParseError as error:
            # The end of this message cannot be told, so neither can the beginning of the next.
            self._table.counters.tcp_garbage += 1
            for frame in self._framer.unread:  # what came before it is as good as ever
                if frame != PING:
                    inbox.received(frame, self.peer)
            inbox.refuse(error, self.peer)
            inbox.end_of_turn()
            self.close()
            return
        if not frames:
            return
        self.last_used = inbox.now
        for frame in frames:
            if frame is PING:
                self._table.counters.keepalives += 1
                self.write(PONG)
            else:
                self.spoke = True
                inbox.received(frame, self.peer)
            if self.closing_since is not None:
                break
        inbox.end_of_turn()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the table."""
        self._retire()
        self._table.lost(self, _why(reason))

    # What the table calls.

    def write(self, data: bytes) -> None:
        """Write one message; drops the connection when too much waits already."""
        if self.closing_since is not None:
            return
        if self.stalled_since is not None:
            self._behind += len(data)
            if self._behind > self._table.limits.unsent:
                self.drop_slow()
                return
        self.transport.write(data)

    def drop_slow(self) -> None:
        """Give up on a peer that does not read: what is buffered for it goes too."""
        self._table.counters.tcp_slow += 1
        self.abort()

    def close(self) -> None:
        """Close when what was written has gone; nothing more is taken from it or sent on it."""
        if self._retire():
            self.transport.unregisterProducer()  # type: ignore[attr-defined]
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close at once."""
        self._retire()
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def _retire(self) -> bool:
        """Leave the table for good; False when that was done before."""
        if self.closing_since is not None:
            return False
        self.closing_since = self._table.inbox.now
        self._table.leaving(self)
        return True

    # IPushProducer: how Twisted says that its buffer is full, and empty again.

    def pauseProducing(self) -> None:
        """Hear that the peer does not keep up."""
        if self.stalled_since is None:
            self.stalled_since = self._table.inbox.now

    def resumeProducing(self) -> None:
        """Hear that everything has been taken."""
        self.stalled_since = None
        self._behind = 0

    def stopProducing(self) -> None:
        """Nothing is produced here: `connectionLost` says all."""


class Accepting(Factory):
    """Makes connections of what others open to one listener."""

    noisy = False

    def __init__(self, table: "Connections", listener: int) -> None:
        self._table = table
        self._listener = listener

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:
        """Give the connection, or None to have it closed: there are too many."""
        if not isinstance(addr, IPv4Address | IPv6Address):
            return None
        return self._table.accept(self._listener, addr.host.partition("%")[0], addr.port)


class Dial(ClientFactory):
    """One attempt to connect, and the messages that wait for it."""

    noisy = False

    def __init__(self, table: "Connections", peer: Peer) -> None:
        self.peer = peer
        self.waiting: list[tuple[bytes, Transaction | None]] = []
        self.size = 0
        self.connector: IConnector | None = None
        self._table = table

    def add(self, data: bytes, transaction: Transaction | None) -> None:
        """Have one message wait."""
        self.waiting.append((data, transaction))
        self.size += len(data)

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """Give the connection that was made."""
        return self._table.connected(self)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Tell everybody who waited."""
        self._table.dial_failed(self, _why(reason))


def _why(reason: Failure) -> str:
    """Say in lower-case words what ended a connection or an attempt."""
    error = reason.value
    name = type(error).__name__
    words = {
        "ConnectionRefusedError": "connection refused",
        "TCPTimedOutError": "connecting timed out",
        "TimeoutError": "connecting timed out",
        "NoRouteError": "no route to the host",
        "ConnectionDone": "connection closed",
        "ConnectionLost": "connection lost",
        "ConnectionAborted": "connection dropped",
    }
    return words.get(name) or f"connection failed ({error})"


def _tune(transport: ITransport) -> None:
    """Send at once, and notice a peer that vanished.  What the system lacks is left out."""
    if not ITCPTransport.providedBy(transport):
        return
    transport.setTcpNoDelay(True)
    transport.setTcpKeepAlive(True)
    get_handle = getattr(transport, "getHandle", None)
    handle = get_handle() if get_handle is not None else None
    if not isinstance(handle, socket.socket):
        return
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            handle.setsockopt(socket.IPPROTO_TCP, option, value)
