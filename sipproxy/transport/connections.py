"""All stream connections: by number, by the address at the far end, and those being opened.

A request goes over the connection that leads to its address, whoever opened it, or over a new one;
a request meant for a certain connection never goes over another.  A response goes back over the
connection that its request came by; when that is gone, RFC 3261 section 18.2.2 has a new one opened
to the address the request came from, at the port of the Via's sent-by.

Connections that nothing needs are closed by one periodic sweep, so that an idle one costs no timer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IDelayedCall
from twisted.internet.protocol import ClientFactory

from sipproxy.log import get_logger
from sipproxy.message.errors import ParseError
from sipproxy.message.parser import parse
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import DEFAULT_PORT, DEFAULT_TLS_PORT, Peer
from sipproxy.transport.counters import Counters
from sipproxy.transport.ends import Inbox
from sipproxy.transport.sockets import Listener
from sipproxy.transport.tcp import Connection, Dial
from sipproxy.transport.throttle import Throttle

log = get_logger("transport")

#: Seconds between two looks at all connections.
SWEEP: Final = 5.0

#: Seconds that closing may take when the server stops, before the rest is dropped.
CLOSING: Final = 2.0

#: Longer than any client transaction waits for its answer (64*T1).
_ANSWER_TIME: Final = 64.0

RESPONSE: Final = b"SIP/2.0 "

Key = tuple[str, str, int]


class StreamReactor(Protocol):
    """What of a reactor is needed here."""

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float,
        bindAddress: tuple[str, int] | None,
    ) -> IConnector:
        """Begin to connect."""

    def callLater(self, delay: float, callable: Callable[[], object]) -> IDelayedCall:
        """Call once, later."""


@dataclass(frozen=True)
class StreamLimits:
    """How much a server gives to streams.  Times in seconds, sizes in octets."""

    connections: int = 10_000
    per_source: int = 1_000
    #: Attempts under way at the same time.
    dialling: int = 500
    connect_timeout: float = 5.0
    #: Without a message; RFC 3261 section 18 asks for 64*T1 at least.
    idle: float = 180.0
    #: For the first whole message on an accepted connection.
    first_message: float = 32.0
    #: Written and not taken by the peer, beyond the 64 KiB that Twisted holds.
    unsent: int = 512 * 1024
    #: How long a peer may take nothing while its buffer is full.
    stalled: float = 32.0
    #: Messages, and octets, that may wait for one attempt to connect.
    waiting: int = 256
    waiting_size: int = 512 * 1024


class Connections:
    """The table.  Provides the `Outlet` of every stream listener."""

    def __init__(
        self,
        reactor: StreamReactor,
        inbox: Inbox,
        counters: Counters,
        throttle: Throttle,
        limits: StreamLimits | None = None,
    ) -> None:
        self.inbox = inbox
        self.counters = counters
        self.limits = limits or StreamLimits()
        #: The listeners by index: where a connection opened by us is to come from.
        self.listeners: Sequence[Listener] = ()
        self._reactor = reactor
        self._throttle = throttle
        self._serial = 0
        self._by_number: dict[int, Connection] = {}
        self._by_address: dict[Key, Connection] = {}
        self._open: dict[int, Connection] = {}
        self._per_source: dict[str, int] = {}
        self._dials: dict[Key, Dial] = {}
        self._sweep: IDelayedCall | None = None
        self._stopping: Deferred[None] | None = None

    def __len__(self) -> int:
        """Give the number of connections, also of those that are being closed."""
        return len(self._open)

    def get(self, number: int) -> Connection | None:
        """Give a usable connection by its number."""
        return self._by_number.get(number)

    def pin(self, number: int) -> None:
        """Keep a connection open however idle it is; counts."""
        connection = self._by_number.get(number)
        if connection is not None:
            connection.pins += 1

    def unpin(self, number: int) -> None:
        """Take one `pin` back."""
        connection = self._by_number.get(number)
        if connection is not None and connection.pins:
            connection.pins -= 1

    # Sending: the Outlet.

    def send(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        """Write to the connection that leads to ``peer``, or open one."""
        number = peer.connection
        if number:
            connection = self._by_number.get(number)
        else:
            connection = self._by_address.get((peer.transport, peer.host, peer.port))
        if connection is not None:
            self._write(connection, data)
        elif not number:
            self._dial(data, peer, transaction)
        elif data.startswith(RESPONSE):
            self._answer_anew(data, peer, transaction)
        else:
            self._fail(transaction, "the connection is gone")

    def _write(self, connection: Connection, data: bytes) -> None:
        connection.last_used = now = self.inbox.now
        if not data.startswith(RESPONSE):
            connection.last_request = now
        self.counters.sent += 1
        connection.write(data)

    def _answer_anew(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        """Open a connection for a response whose own is gone (RFC 3261 section 18.2.2)."""
        default = DEFAULT_TLS_PORT if peer.transport == "tls" else DEFAULT_PORT
        try:
            port = parse(data).top_via.port or default
        except ParseError:
            self._fail(transaction, "the connection is gone")
            return
        self.send(data, Peer(peer.transport, peer.host, port, peer.listener), transaction)

    def _fail(self, transaction: Transaction | None, reason: str) -> None:
        self.counters.dropped += 1
        self.inbox.transport_failed(transaction, reason)

    # Connections that others open.

    def accept(self, listener: int, host: str, port: int) -> Connection | None:
        """Make the connection of somebody who knocks; None when there are too many."""
        limits = self.limits
        mine = self._per_source.get(host, 0)
        if self._stopping is not None:
            return None
        if len(self._open) >= limits.connections or mine >= limits.per_source:
            self.counters.tcp_refused += 1
            if self._throttle.allows("tcp.refused"):
                words = "from there" if mine >= limits.per_source else "in all"
                log.warn("tcp.refused", f"too many connections {words}", source=host)
            return None
        transport = self.listeners[listener].transport
        return Connection(self, Peer(transport, host, port, listener, self._next()), False)

    # Connections that we open.

    def _dial(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        key = (peer.transport, peer.host, peer.port)
        limits = self.limits
        dial = self._dials.get(key)
        if dial is None:
            crowded = len(self._dials) >= limits.dialling
            if crowded or len(self._open) >= limits.connections or self._stopping is not None:
                self.counters.tcp_refused += 1
                self._fail(transaction, "too many connections")
                return
            dial = self._dials[key] = Dial(self, peer)
            dial.add(data, transaction)
            self._connect(dial)
        elif len(dial.waiting) >= limits.waiting or dial.size > limits.waiting_size:
            self._fail(transaction, "too much waits for that connection")
        else:
            dial.add(data, transaction)

    def _connect(self, dial: Dial) -> None:
        peer = dial.peer
        listener = self.listeners[peer.listener]
        scope = peer.address[3] if len(peer.address) == 4 else 0
        host = f"{peer.host}%{scope}" if scope else peer.host
        bind = None if listener.wildcard else (listener.bindable, 0)
        timeout = self.limits.connect_timeout
        dial.connector = self._reactor.connectTCP(host, peer.port, dial, timeout, bind)

    def connected(self, dial: Dial) -> Connection:
        """Make the connection that an attempt led to."""
        peer = dial.peer
        own = Peer(
            peer.transport, peer.host, peer.port, peer.listener, self._next(),
            peer.sent_by, peer.address,
        )  # fmt: skip
        return Connection(self, own, True)

    def dial_failed(self, dial: Dial, reason: str) -> None:
        """Tell everybody who waited for the connection."""
        peer = dial.peer
        self._dials.pop((peer.transport, peer.host, peer.port), None)
        self.counters.tcp_failed += 1
        if self._throttle.allows("tcp.connect_failed"):
            log.info("tcp.connect_failed", reason, to=str(peer))
        for _, transaction in dial.waiting:
            self.inbox.transport_failed(transaction, reason)
        self.inbox.end_of_turn()

    # What a connection tells.

    def opened(self, connection: Connection) -> None:
        """Enter a connection, and send what waited for it."""
        peer = connection.peer
        key = (peer.transport, peer.host, peer.port)
        number = peer.connection
        connection.last_used = self.inbox.now
        self._open[number] = self._by_number[number] = self._by_address[key] = connection
        if connection.opened_by_us:
            self.counters.tcp_opened += 1
            dial = self._dials.pop(key, None)
            for data, _ in dial.waiting if dial is not None else ():
                self._write(connection, data)
        else:
            self.counters.tcp_accepted += 1
            self._per_source[peer.host] = self._per_source.get(peer.host, 0) + 1
        if self._sweep is None:
            self._sweep = self._reactor.callLater(SWEEP, self._look_around)

    def leaving(self, connection: Connection) -> None:
        """Use a connection no longer: it is being closed."""
        peer = connection.peer
        self._by_number.pop(peer.connection, None)
        key = (peer.transport, peer.host, peer.port)
        if self._by_address.get(key) is connection:
            del self._by_address[key]

    def lost(self, connection: Connection, reason: str) -> None:
        """Forget a connection, and fail what waits for an answer on it."""
        self.leaving(connection)
        peer = connection.peer
        if self._open.pop(peer.connection, None) is None:
            return
        if not connection.opened_by_us:
            left = self._per_source[peer.host] - 1
            if left:
                self._per_source[peer.host] = left
            else:
                del self._per_source[peer.host]
        if self.inbox.now - connection.last_request < _ANSWER_TIME:
            self.inbox.unreachable(peer, reason)
            self.inbox.end_of_turn()
        if self._stopping is not None and not self._open:
            self._stopped()

    # What time brings.

    def _look_around(self) -> None:
        """Close what is idle, drop what does not move, and come back while there is anything."""
        self._sweep = None
        now = self.inbox.now
        for connection in list(self._open.values()):
            self._judge(connection, now)
        if self._open:
            self._sweep = self._reactor.callLater(SWEEP, self._look_around)

    def _judge(self, connection: Connection, now: float) -> None:
        limits = self.limits
        if connection.closing_since is not None:
            if now - connection.closing_since > limits.stalled:
                connection.abort()
        elif connection.stalled_since is not None:
            if now - connection.stalled_since > limits.stalled:
                connection.drop_slow()
        elif not connection.pins:
            known = connection.spoke or connection.opened_by_us
            if now - connection.last_used > (limits.idle if known else limits.first_message):
                self.counters.tcp_idle += 1
                connection.close()

    # Stopping.

    def stop(self) -> Deferred[None]:
        """Close all; the result comes when the last one is gone, or was dropped."""
        if self._stopping is None:
            self._stopping = Deferred()
            for dial in list(self._dials.values()):
                if dial.connector is not None:
                    dial.connector.stopConnecting()
            for connection in list(self._open.values()):
                connection.close()
            if self._open:
                self._cancel_sweep()
                self._sweep = self._reactor.callLater(CLOSING, self._drop_all)
            else:
                self._stopped()
        return self._stopping

    def _drop_all(self) -> None:
        self._sweep = None
        for connection in list(self._open.values()):
            connection.abort()

    def _stopped(self) -> None:
        self._cancel_sweep()
        if self._stopping is not None and not self._stopping.called:
            self._stopping.callback(None)

    def _cancel_sweep(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _next(self) -> int:
        self._serial += 1
        return self._serial
