"""The table of connections: reuse, opening, limits, idleness, and where lost answers go."""

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock

from sipproxy.transaction.peer import Peer
from sipproxy.transport.connections import CLOSING, SWEEP, Connections, StreamLimits
from sipproxy.transport.counters import Counters
from sipproxy.transport.tcp import Accepting
from sipproxy.transport.throttle import Throttle
from tests.transport.fakes import (
    OPTIONS,
    Pipe,
    RecordingInbox,
    connect,
    failure,
    listener,
    response,
)

BOB = Peer("tcp", "192.0.2.2", 5062, 1)


class ConnectionsTestCase:
    """A table with one UDP and two TCP listeners."""

    limits = StreamLimits(
        connections=5, per_source=3, dialling=2, idle=100.0, first_message=20.0, stalled=30.0,
        waiting=3, waiting_size=5000,
    )  # fmt: skip

    def setup_method(self) -> None:
        """Make it."""
        self.reactor: Any = MemoryReactorClock()
        self.inbox = RecordingInbox()
        self.counters = Counters()
        throttle = Throttle(self.reactor.seconds)
        self.table = Connections(self.reactor, self.inbox, self.counters, throttle, self.limits)
        self.table.listeners = [
            listener(0, "udp", "192.0.2.9"),
            listener(1, "tcp", "192.0.2.9"),
            listener(2, "tcp", "::"),
        ]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, for the driver too."""
        for _ in range(int(seconds / SWEEP)):
            self.inbox.now += SWEEP
            self.reactor.advance(SWEEP)

    def knock(self, host: str = "192.0.2.2", port: int = 40000, lingers: bool = False) -> Any:
        """Have somebody connect; give the transport, or None when refused."""
        factory = Accepting(self.table, 1)
        connection = factory.buildProtocol(IPv4Address("TCP", host, port))
        if connection is None:
            return None
        pipe = Pipe(connection, lingers)
        connect(connection, pipe)
        return pipe

    def send(self, peer: Peer = BOB, data: bytes = OPTIONS, transaction: object = None) -> None:
        """Send."""
        known: Any = transaction
        self.table.send(data, peer, known)

    def dials(self) -> list[tuple[Any, ...]]:
        """Give where connections were asked for: host, port, time-out, own address."""
        return [(host, port, time, own) for host, port, _, time, own in self.reactor.tcpClients]

    def connected(self, number: int = 0) -> Pipe:
        """Have an attempt succeed."""
        factory: Any = self.reactor.tcpClients[number][2]
        connection = factory.buildProtocol(None)
        pipe = Pipe(connection)
        connect(connection, pipe)
        return pipe

    def refused(self, number: int = 0) -> None:
        """Have an attempt fail."""
        factory: Any = self.reactor.tcpClients[number][2]
        error: Any = ConnectionRefusedError
        factory.clientConnectionFailed(None, failure(error()))


class OpeningTests(ConnectionsTestCase):
    """Connections that we open."""

    def test_opened_when_needed(self) -> None:
        """What is sent first waits for the connection and leaves in order."""
        self.send(data=b"one")
        self.send(data=b"two")
        assert self.dials() == [("192.0.2.2", 5062, 5.0, ("192.0.2.9", 0))]
        pipe = self.connected()
        self.send(data=b"three")
        assert pipe.value() == b"onetwothree"
        assert self.counters.tcp_opened == 1
        assert self.counters.sent == 3

    def test_own_address(self) -> None:
        """A listener on all addresses leaves the choice of the source to the kernel."""
        self.send(Peer("tcp", "2001:db8::2", 5060, 2))
        assert self.dials() == [("2001:db8::2", 5060, 5.0, None)]

    def test_link_local(self) -> None:
        """A link-local target is reached through its interface."""
        self.send(Peer("tcp", "fe80::2", 5060, 2, 0, b"", ("fe80::2", 5060, 0, 3)))
        assert self.dials()[0][0] == "fe80::2%3"

    def test_refused(self) -> None:
        """A refused connection fails at once every transaction that waited for it."""
        one, two = object(), object()
        self.send(transaction=one)
        self.send(transaction=two)
        self.refused()
        reason = "connection refused"
        assert self.inbox.failed == [(one, reason), (two, reason)]
        assert self.inbox.turns == 1
        assert self.counters.tcp_failed == 1

    def test_tried_again(self) -> None:
        """After a failure the next message tries anew."""
        self.send()
        self.refused()
        self.send()
        assert len(self.dials()) == 2

    def test_answers_come_back(self) -> None:
        """What arrives on it names the connection, so that answers go there."""
        self.send()
        self.connected().connection.dataReceived(OPTIONS)
        _, peer = self.inbox.messages[0]
        assert (peer.host, peer.port, peer.listener) == ("192.0.2.2", 5062, 1)
        assert self.table.get(peer.connection) is not None

    def test_waiting_is_bounded(self) -> None:
        """A connection that takes long to open gathers no endless queue."""
        for number in range(5):
            self.send(transaction=number)
        assert [who for who, _ in self.inbox.failed] == [3, 4]
        self.send(Peer("tcp", "192.0.2.3", 5060, 1), b"x" * 6000)
        self.send(Peer("tcp", "192.0.2.3", 5060, 1), transaction="late")
        assert self.inbox.failed[-1][0] == "late"

    def test_attempts_are_bounded(self) -> None:
        """Only so many are under way at a time."""
        for number in range(3):
            self.send(Peer("tcp", f"192.0.2.{number + 10}", 5060, 1), transaction=number)
        assert len(self.dials()) == 2
        assert self.inbox.failed == [(2, "too many connections")]


class ReuseTests(ConnectionsTestCase):
    """Which connection a message takes."""

    def test_opened_by_them(self) -> None:
        """A connection they opened carries requests to the address that it came from."""
        pipe = self.knock(port=40000)
        self.send(Peer("tcp", "192.0.2.2", 40000, 1), b"request")
        assert pipe.value() == b"request"
        assert self.dials() == []

    def test_by_number(self) -> None:
        """A message for a connection takes that one, whatever else leads there."""
        one, two = self.knock(port=40000), self.knock(port=40001)
        self.send(two.connection.peer, b"answer")
        assert (one.value(), two.value()) == (b"", b"answer")

    def test_request_for_a_connection_that_is_gone(self) -> None:
        """It fails: no other connection reaches the phone behind its translator."""
        pipe = self.knock()
        pipe.end()
        self.send(pipe.connection.peer, OPTIONS, "transaction")
        assert self.inbox.failed == [("transaction", "the connection is gone")]
        assert self.dials() == []

    def test_response_for_a_connection_that_is_gone(self) -> None:
        """It goes to the source's address at the port of the Via (RFC 3261 section 18.2.2)."""
        pipe = self.knock(port=40000)
        pipe.end()
        data = response(b"200 OK").replace(b"192.0.2.1:5060", b"phone.invalid:5077")
        self.send(pipe.connection.peer, data)
        assert [dial[:2] for dial in self.dials()] == [("192.0.2.2", 5077)]
        assert self.connected().value() == data

    def test_response_without_port(self) -> None:
        """Without a port in the Via it is 5060."""
        pipe = self.knock(port=40000)
        pipe.end()
        self.send(pipe.connection.peer, response(b"200 OK").replace(b"192.0.2.1:5060", b"phone"))
        assert [dial[:2] for dial in self.dials()] == [("192.0.2.2", 5060)]

    def test_unreadable_response(self) -> None:
        """One whose Via cannot be read goes nowhere."""
        pipe = self.knock()
        pipe.end()
        self.send(pipe.connection.peer, b"SIP/2.0 200 OK\r\n\r\n", "transaction")
        assert self.inbox.failed == [("transaction", "the connection is gone")]

    def test_closing_one_is_not_used(self) -> None:
        """Nothing is written to a connection that is being closed."""
        pipe = self.knock(port=40000, lingers=True)
        pipe.connection.close()
        self.send(Peer("tcp", "192.0.2.2", 40000, 1), b"request")
        assert pipe.value() == b""
        assert len(self.dials()) == 1

    def test_newer_one_stays(self) -> None:
        """The end of an older connection does not hide a newer one from the same address."""
        older = self.knock(port=40000, lingers=True)
        newer = self.knock(port=40000)
        older.end()
        self.send(Peer("tcp", "192.0.2.2", 40000, 1), b"request")
        assert newer.value() == b"request"


class LossTests(ConnectionsTestCase):
    """A connection ends while something waits."""

    def test_waiting_requests_are_told(self) -> None:
        """After a recent request its end is reported."""
        pipe = self.knock()
        self.send(pipe.connection.peer, OPTIONS)
        pipe.end()
        assert self.inbox.lost == [(pipe.connection.peer, "connection lost", b"")]
        assert self.inbox.turns == 1

    def test_quiet_end(self) -> None:
        """Where no request was sent, nobody needs to look for one."""
        pipe = self.knock()
        self.send(pipe.connection.peer, response(b"200 OK"))
        pipe.end()
        assert self.inbox.lost == []


class LimitTests(ConnectionsTestCase):
    """Too many."""

    def test_from_one_source(self) -> None:
        """One address gets so many, others still get theirs, and a closed one makes room."""
        pipes = [self.knock(port=port) for port in (1, 2, 3, 4)]
        assert [pipe is not None for pipe in pipes] == [True, True, True, False]
        assert self.knock("192.0.2.3") is not None
        pipes[0].end()
        assert self.knock(port=5) is not None
        assert self.counters.tcp_refused == 1

    def test_in_all(self) -> None:
        """The table has a size, also for those that we would open."""
        for number in range(5):
            assert self.knock(f"192.0.2.{number + 10}") is not None
        assert self.knock("192.0.2.77") is None
        self.send(transaction="t")
        assert self.inbox.failed == [("t", "too many connections")]

    def test_closing_ones_count(self) -> None:
        """One that is being closed still holds a descriptor."""
        for port in (1, 2, 3):
            self.knock(port=port, lingers=True).connection.close()
        assert self.knock(port=4) is None

    def test_scope_is_no_other_source(self) -> None:
        """The interface is not part of the address."""
        factory = Accepting(self.table, 2)
        connection = factory.buildProtocol(IPv6Address("TCP", "fe80::1%eth0", 1))
        assert connection is not None
        assert connection.peer.host == "fe80::1"

    def test_no_address(self) -> None:
        """What is not an internet address is refused."""
        assert Accepting(self.table, 1).buildProtocol(None) is None


class IdleTests(ConnectionsTestCase):
    """What the sweep does."""

    def test_idle_is_closed(self) -> None:
        """After the idle time without a message, not before."""
        pipe = self.knock()
        pipe.connection.dataReceived(OPTIONS)
        self.pass_time(100)
        assert not pipe.gone
        self.pass_time(SWEEP)
        assert pipe.gone
        assert self.counters.tcp_idle == 1

    def test_pinned_stays(self) -> None:
        """A connection that a binding uses stays, until the last one lets go."""
        pipe = self.knock()
        number = pipe.connection.peer.connection
        self.table.pin(number)
        self.table.pin(number)
        self.table.unpin(number)
        self.pass_time(1000)
        assert not pipe.gone
        self.table.unpin(number)
        self.table.unpin(number)
        self.pass_time(SWEEP)
        assert pipe.gone

    def test_pin_of_nothing(self) -> None:
        """Pins of connections that are gone are no error."""
        self.table.pin(99)
        self.table.unpin(99)
        assert self.table.get(99) is None

    def test_sending_is_life(self) -> None:
        """Being written to keeps it as well."""
        pipe = self.knock()
        for _ in range(10):
            self.pass_time(15)
            self.send(pipe.connection.peer, OPTIONS)
        assert not pipe.gone

    def test_silent_one_gets_less_patience(self) -> None:
        """Who connects and says nothing whole is gone soon, though it drips bytes."""
        pipe = self.knock()
        for octet in OPTIONS[:5]:
            pipe.connection.dataReceived(bytes([octet]))
            self.pass_time(SWEEP)
        assert pipe.gone

    def test_stalled_is_dropped(self) -> None:
        """A full buffer that does not move, though below the limit, ends it; pinned or not."""
        pipe = self.knock()
        self.table.pin(pipe.connection.peer.connection)
        pipe.connection.pauseProducing()
        self.pass_time(30)
        assert not pipe.gone
        self.pass_time(SWEEP)
        assert pipe.gone
        assert self.counters.tcp_slow == 1

    def test_close_that_does_not_end(self) -> None:
        """One that never takes the last bytes is cut off."""
        pipe = self.knock(lingers=True)
        pipe.connection.close()
        self.pass_time(30 + SWEEP)
        assert pipe.gone

    def test_one_timer_or_none(self) -> None:
        """One timer for all connections, and none when there are no more."""
        pipes = [self.knock(port=port) for port in (1, 2, 3)]
        assert len(self.reactor.getDelayedCalls()) == 1
        for pipe in pipes:
            pipe.end()
        self.pass_time(SWEEP)
        assert self.reactor.getDelayedCalls() == []


class StopTests(ConnectionsTestCase):
    """The end of the service."""

    def test_nothing_open(self) -> None:
        """Without connections it is over at once."""
        assert self.table.stop().called

    @pytest.mark.parametrize("lingers", [False, True])
    def test_closes_all(self, lingers: bool) -> None:
        """All are closed, those that linger dropped after a while; then the result comes."""
        pipes = [self.knock(port=port, lingers=lingers) for port in (1, 2)]
        done = self.table.stop()
        assert done.called is not lingers
        self.reactor.advance(CLOSING)
        assert done.called
        assert all(pipe.gone for pipe in pipes)
        assert self.reactor.getDelayedCalls() == []
        assert self.table.stop() is done

    def test_nothing_new(self) -> None:
        """Nobody gets in any more, and nothing is opened."""
        self.table.stop()
        assert self.knock() is None
        self.send(transaction="t")
        assert self.inbox.failed == [("t", "too many connections")]

    def test_attempts_end(self) -> None:
        """An attempt under way is called off."""
        self.send()
        self.table.stop()
        assert self.reactor.connectors[0].stoppedConnecting
