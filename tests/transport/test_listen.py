"""The listeners together: started as one, described in one line, stopped as one."""

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.timers import Timers
from sipproxy.transport import listen
from sipproxy.transport.connections import CLOSING
from sipproxy.transport.driver import Driver
from sipproxy.transport.flow import Flows
from sipproxy.transport.listen import ListenAddress, Listener, ListenError, Listeners
from sipproxy.transport.tcp import Accepting
from tests.transport.fakes import INVITE, Descriptors, Pipe, connect, listener

ADDRESSES = [
    ListenAddress("udp", "192.0.2.9", 5060),
    ListenAddress("tcp", "192.0.2.9", 5060),
    ListenAddress("udp", "2001:db8::9", 5070),
]


class AcceptingPort:
    """A TCP port of the reactor."""

    def __init__(self) -> None:
        self.stopped = False

    def stopListening(self) -> Deferred[None]:
        """Stop."""
        self.stopped = True
        return succeed(None)


class Reactor(Descriptors):
    """A reactor that can be given a listening socket."""

    def __init__(self) -> None:
        super().__init__()
        self.adopted: list[tuple[int, int, Accepting]] = []
        self.ports: list[AcceptingPort] = []

    def adoptStreamPort(self, number: int, family: int, factory: Accepting) -> AcceptingPort:
        """Take it."""
        self.adopted.append((number, family, factory))
        self.ports.append(AcceptingPort())
        return self.ports[-1]


class ListenersTests:
    """From Listen lines to a running server."""

    @pytest.fixture(autouse=True)
    def _assemble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused = ""
        monkeypatch.setattr(listen, "bind_all", self.bind)
        monkeypatch.setattr(listen, "room_for", lambda wanted: wanted)
        self.reactor = Reactor()
        clock: Clock = self.reactor
        self.driver = Driver(clock, TransactionLayer(Timers()))
        self.flows = Flows(clock.seconds, lambda host, local: local or "192.0.2.9", 1)
        self.listeners = Listeners(self.reactor, ADDRESSES, self.driver, self.flows)

    def bind(self, addresses: list[ListenAddress]) -> list[Listener]:
        """Bind fake sockets."""
        if self.refused:
            raise ListenError(self.refused)
        return [
            listener(index, it.transport, it.host, it.port) for index, it in enumerate(addresses)
        ]

    def sockets(self) -> list[Any]:
        """Give the fake sockets."""
        return [it.sock for it in self.listeners.bound]

    def test_bound_is_not_started(self) -> None:
        """Binding comes first, while there is the right to; nothing is received yet."""
        self.listeners.bind()
        assert self.listeners.describe() == "192.0.2.9:5060 udp, tcp; [2001:db8::9]:5070 udp"
        assert self.reactor.readers == []
        assert self.reactor.adopted == []

    def test_start(self) -> None:
        """Every UDP socket is read, every TCP socket accepts, and flows and driver know of them."""
        self.listeners.start()
        assert self.reactor.readers == self.listeners.udp_ports
        assert len(self.listeners.udp_ports) == 2
        assert len(self.reactor.adopted) == 1
        assert self.driver.outlets == [
            self.listeners.udp_ports[0],
            self.listeners.connections,
            self.listeners.udp_ports[1],
        ]
        peer = self.flows.peer_for("udp", "2001:db8::1", 5060)
        assert peer is not None and peer.listener == 2

    def test_datagram_in_and_out(self) -> None:
        """What a socket receives gets its answer through the same socket."""
        self.listeners.start()
        first, _, third = self.sockets()
        source = ("2001:db8::1", 5060, 0, 0)
        third.incoming.append((INVITE.replace(b"SIP/2.0\r\nVia", b"SIP/9.9\r\nVia"), source))
        self.listeners.udp_ports[1].doRead()
        assert first.sent == []
        ((answer, target),) = third.sent
        assert answer.startswith(b"SIP/2.0 505")
        assert target == source

    def test_cannot_bind(self) -> None:
        """One sentence comes out, and nothing has begun."""
        self.refused = "cannot listen on 192.0.2.9:5060 udp: the port is in use"
        with pytest.raises(ListenError, match="in use"):
            self.listeners.start()
        assert self.reactor.readers == []
        assert self.driver.outlets == ()

    def test_stop(self) -> None:
        """Sockets close, ports stop, connections end; then the result comes."""
        self.listeners.start()
        factory = self.reactor.adopted[0][2]
        connection = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 9))
        assert connection is not None
        pipe = Pipe(connection, lingers=True)
        connect(connection, pipe)
        done = self.listeners.stop()
        assert not done.called
        self.reactor.advance(CLOSING)
        assert done.called
        assert pipe.gone
        assert [sock.closed for sock in self.sockets()] == [True, True, True]
        assert self.reactor.ports[0].stopped
        assert self.reactor.readers == []

    def test_stop_before_start(self) -> None:
        """A server that fails between binding and starting lets go of its ports."""
        self.listeners.bind()
        assert self.listeners.stop().called
        assert [sock.closed for sock in self.sockets()] == [True, True, True]

    def test_few_descriptors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the system gives few descriptors, fewer connections are let in."""
        monkeypatch.setattr(listen, "room_for", lambda wanted: 42)
        self.listeners.start()
        assert self.listeners.connections.limits.connections == 42

    def test_kernel_drops(self) -> None:
        """The drops of all UDP sockets are added up."""
        self.listeners.start()
        assert self.listeners.kernel_drops() == 16
