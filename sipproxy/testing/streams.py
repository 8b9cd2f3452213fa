"""Stream connections in the simulated network: in order, without loss, refused or never answered.

The server's own table of connections runs on them (`sipproxy.transport.connections`): a
`HostReactor` is what it takes for a reactor, and `StreamNetwork.listen` gives it what others open.
Twisted's buffers are not imitated: whoever writes is never told to wait.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet.address import IPv4Address
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    TCPTimedOutError,
    UserError,
)
from twisted.internet.interfaces import IConnector
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

Address: TypeAlias = tuple[str, int]

#: While a host is cut off, what was written is tried again after so many seconds, and the stream
#: is given up after so many tries.
RETRY: Final = 1.0
TRIES: Final = 120

#: The first port that a connection is opened from.
_FIRST_PORT: Final = 40_000

_FIN: Final = b""


class StreamNetwork:
    """The listeners and the connections between them."""

    def __init__(
        self,
        clock: Any,
        delay: float,
        is_cut: Callable[[Address, Address], bool],
        passed: Callable[[Address, Address, bytes], None],
    ) -> None:
        """``passed(source, target, data)`` is told of everything that is written."""
        self.clock = clock
        self.delay = delay
        self.is_cut = is_cut
        self.passed = passed
        #: Connections opened so far.
        self.opened = 0
        self._listening: dict[Address, Any] = {}
        self._next_port = _FIRST_PORT

    def listen(self, address: Address, factory: Any) -> None:
        """Have ``factory`` make a protocol for each connection that is opened to an address."""
        self._listening[address] = factory

    def unlisten(self, address: Address) -> None:
        """Refuse connections to an address."""
        self._listening.pop(address, None)

    def connect(
        self, host: str, target: Address, factory: Any, timeout: float = 30.0
    ) -> "Connector":
        """Open a connection from a host; ``factory`` hears how that went, as with a reactor."""
        self._next_port += 1
        connector = Connector(self, (host, self._next_port), target, factory, timeout)
        connector.begin()
        return connector

    def accept(self, source: Address, target: Address) -> Any:
        """Let a listener make its protocol; None when there is no listener or it does not want."""
        factory = self._listening.get(target)
        if factory is None:
            return None
        return factory.buildProtocol(IPv4Address("TCP", *source))


@implementer(IConnector)
class Connector:
    """One attempt to connect."""

    def __init__(
        self, network: StreamNetwork, source: Address, target: Address, factory: Any, timeout: float
    ) -> None:
        self.source = source
        self.target = target
        self._network = network
        self._factory = factory
        self._timeout = timeout
        self._over = False

    def begin(self) -> None:
        """Send the first packet of it."""
        self._factory.doStart()
        clock = self._network.clock
        if self._network.is_cut(self.source, self.target):
            clock.callLater(self._timeout, self._failed, TCPTimedOutError())
        else:
            clock.callLater(2 * self._network.delay, self._arrived)

    def stopConnecting(self) -> None:
        """Give up."""
        self._failed(UserError())

    def connect(self) -> None:
        """Try again: nobody here does."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """Give up, or close: use the transport."""
        self.stopConnecting()

    def getDestination(self) -> IPv4Address:
        """Say where to."""
        return IPv4Address("TCP", *self.target)

    def _arrived(self) -> None:
        if self._over:
            return
        theirs = self._network.accept(self.source, self.target)
        if theirs is None:
            self._failed(ConnectionRefusedError())
            return
        self._over = True
        self._network.opened += 1
        ours = self._factory.buildProtocol(IPv4Address("TCP", *self.target))
        near = StreamEnd(self._network, self.source, self.target, ours)
        far = StreamEnd(self._network, self.target, self.source, theirs)
        near.other, far.other = far, near
        theirs.makeConnection(far)
        ours.makeConnection(near)

    def _failed(self, error: Exception) -> None:
        if not self._over:
            self._over = True
            self._factory.clientConnectionFailed(self, _failure(error))


class StreamEnd:
    """One end of a connection: what a protocol takes for its transport."""

    disconnecting = False

    def __init__(
        self, network: StreamNetwork, local: Address, remote: Address, protocol: Any
    ) -> None:
        self.local = local
        self.remote = remote
        self.protocol = protocol
        self.other: StreamEnd | None = None
        self._network = network
        self._gone = False
        self._pieces: deque[bytes] = deque()
        self._moving = False
        self._tries = 0

    def write(self, data: bytes) -> None:
        """Send; it arrives whole and in order."""
        if not self._gone and not self.disconnecting and data:
            self._network.passed(self.local, self.remote, data)
            self._put(data)

    def loseConnection(self) -> None:
        """Close when everything written has arrived."""
        if not self._gone and not self.disconnecting:
            self.disconnecting = True
            self._put(_FIN)

    def abortConnection(self) -> None:
        """Close at once; the other side notices."""
        self._end(ConnectionAborted())
        if self.other is not None:
            other = self.other
            self._network.clock.callLater(self._network.delay, other._end, ConnectionLost())

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Never tell it to wait."""

    def unregisterProducer(self) -> None:
        """Let go of it."""

    def getPeer(self) -> IPv4Address:
        """Give the address at the far end."""
        return IPv4Address("TCP", *self.remote)

    def getHost(self) -> IPv4Address:
        """Give the address of this end."""
        return IPv4Address("TCP", *self.local)

    def _put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        if not self._moving:
            self._moving = True
            self._network.clock.callLater(self._network.delay, self._move)

    def _move(self) -> None:
        """Hand over what is on the way, unless the line is cut: then try again later."""
        self._moving = False
        if self._gone:
            return
        if self._network.is_cut(self.local, self.remote):
            self._tries += 1
            if self._tries < TRIES:
                self._moving = True
                self._network.clock.callLater(RETRY, self._move)
            else:
                self._end(TCPTimedOutError())
            return
        self._tries = 0
        pieces, self._pieces = self._pieces, deque()
        for piece in pieces:
            if piece is _FIN:
                self._end(ConnectionDone())
                if self.other is not None:
                    self.other._end(ConnectionDone())
            elif self.other is not None and not self.other._gone:
                self.other.protocol.dataReceived(piece)

    def _end(self, error: Exception) -> None:
        if not self._gone:
            self._gone = True
            self._pieces.clear()
            self._network.clock.callLater(0, self.protocol.connectionLost, _failure(error))


class HostReactor:
    """What a host of the network takes for a reactor: clock and connections."""

    def __init__(self, network: StreamNetwork, host: str) -> None:
        self._network = network
        self._host = host

    def seconds(self) -> float:
        """Give the time."""
        return float(self._network.clock.seconds())

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Any:
        """Call once, later."""
        return self._network.clock.callLater(delay, callable, *args)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30.0,
        bindAddress: tuple[str, int] | None = None,
    ) -> Connector:
        """Begin to connect, from ``bindAddress`` where one is given."""
        source = bindAddress[0] if bindAddress else self._host
        return self._network.connect(source, (host, port), factory, timeout)


def _failure(error: Exception) -> Failure:
    return Failure(error)
