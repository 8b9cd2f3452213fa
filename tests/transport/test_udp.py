"""The UDP port: what it takes, what it survives, and what it makes of errors."""

import socket
import struct
from errno import ECONNREFUSED, ENETUNREACH, ENOBUFS
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReadDescriptor
from zope.interface.verify import verifyObject

from sipproxy.transaction.peer import Peer
from sipproxy.transport import errqueue, udp
from sipproxy.transport.counters import Counters
from sipproxy.transport.throttle import Throttle
from sipproxy.transport.udp import BATCH, UdpPort
from tests.transport.fakes import (
    OPTIONS,
    Descriptors,
    FakeSocket,
    RecordingInbox,
    failure,
)

ALICE = ("192.0.2.1", 5060)
BOB = Peer("udp", "192.0.2.2", 5062, 3)


def bounced(address: tuple[str, int], quoted: bytes = b"") -> Any:
    """Write an entry of the error queue: an ICMP port unreachable."""
    detail = struct.pack("=IBBBxII", ECONNREFUSED, 2, 3, 3, 0, 0)
    return quoted, [(socket.IPPROTO_IP, errqueue.IP_RECVERR, detail)], 0, address


class Port:
    """A port with everything around it."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.reactor = Descriptors()
        self.socket = FakeSocket(family)
        self.inbox = RecordingInbox()
        self.counters = Counters()
        sock: Any = self.socket
        reactor: Any = self.reactor
        throttle = Throttle(self.reactor.seconds)
        self.port = UdpPort(reactor, sock, 3, self.inbox, self.counters, throttle)
        self.port.start()


class ReceivingTests:
    """From the socket to the driver."""

    def test_is_what_a_reactor_wants(self) -> None:
        """The reactor can register it."""
        assert verifyObject(IReadDescriptor, Port().port)

    def test_one_wake_up_is_one_turn(self) -> None:
        """All that waits is taken, in order, and sent answers leave together at the end."""
        it = Port()
        it.socket.incoming.extend([(b"one", ALICE), (b"two", ("192.0.2.7", 9)), (b"three", ALICE)])
        it.port.doRead()
        assert [data for data, _ in it.inbox.messages] == [b"one", b"two", b"three"]
        assert it.inbox.turns == 1

    def test_peer_names_the_sender_and_the_listener(self) -> None:
        """A message can be answered by what its peer says."""
        it = Port()
        it.socket.incoming.append((b"x", ALICE))
        it.port.doRead()
        peer = it.inbox.messages[0][1]
        assert peer == Peer("udp", "192.0.2.1", 5060, 3)
        assert peer.address == ALICE

    def test_scope_stays_in_the_address(self) -> None:
        """A link-local sender is named without its interface, but answered through it."""
        it = Port(socket.AF_INET6)
        address = ("fe80::1%eth0", 5060, 0, 2)
        it.socket.incoming.append((b"x", address))
        it.port.doRead()
        peer = it.inbox.messages[0][1]
        assert peer.host == "fe80::1"
        assert peer.address == address

    def test_peers_are_made_once(self) -> None:
        """A busy neighbour costs one object, not one a datagram."""
        it = Port()
        it.socket.incoming.extend([(b"1", ALICE), (b"2", ALICE)])
        it.port.doRead()
        assert it.inbox.messages[0][1] is it.inbox.messages[1][1]

    def test_batch_is_bounded(self) -> None:
        """A flood leaves timers and connections their turn."""
        it = Port()
        it.socket.incoming.extend([(b"x", ALICE)] * (BATCH + 1))
        it.port.doRead()
        assert len(it.inbox.messages) == BATCH
        assert it.inbox.turns == 1

    def test_peers_are_bounded(self, monkeypatch: Any) -> None:
        """Forged sources do not fill the memory; who keeps talking stays known."""
        monkeypatch.setattr(udp, "MAX_PEERS", 3)
        it = Port()
        for number in range(20):
            it.socket.incoming.extend([(b"x", ALICE), (b"x", ("192.0.2.1", 1000 + number))])
        it.port.doRead()
        alices = {id(peer) for _, peer in it.inbox.messages if peer.port == 5060}
        assert len(it.port._peers) + len(it.port._older_peers) <= 6
        assert len(alices) == 1


class ErrorQueueTests:
    """ICMP errors: heard, and survived."""

    def test_reactor_that_says_closed(self) -> None:
        """Epoll shows a waiting ICMP error as a disconnect: it is read and reading goes on."""
        it = Port()
        it.socket.errors.append(bounced(("192.0.2.2", 5062), b"INVITE"))
        it.reactor.removeReader(it.port)
        it.port.connectionLost(failure(ConnectionDone()))
        assert it.inbox.lost == [(BOB, "port unreachable", b"INVITE")]
        assert it.inbox.turns == 1
        assert it.reactor.readers == [it.port]
        assert not it.socket.closed

    def test_broken_callback(self) -> None:
        """Not even a mistake of ours that comes back as the reason closes the port."""
        it = Port()
        it.reactor.removeReader(it.port)
        it.port.connectionLost(failure(RuntimeError("oops")))
        assert it.reactor.readers == [it.port]

    def test_shutdown(self) -> None:
        """A reactor that shuts down does get rid of it."""
        it = Port()
        it.port.connectionLost(failure(ConnectionLost()))
        assert it.socket.closed
        assert it.reactor.readers == []

    def test_pending_error_on_receive(self) -> None:
        """An error in the middle of a batch loses no datagram: the rest is read next time."""
        it = Port()
        it.socket.incoming.extend([(b"1", ALICE), OSError(ECONNREFUSED, "refused"), (b"2", ALICE)])
        it.socket.errors.append(bounced(("192.0.2.2", 5062)))
        it.port.doRead()
        it.port.doRead()
        assert [data for data, _ in it.inbox.messages] == [b"1", b"2"]
        assert [peer for peer, _, _ in it.inbox.lost] == [BOB]

    def test_woken_for_nothing(self) -> None:
        """Reactors that report an error as readable do not spin: the queue is emptied."""
        it = Port()
        it.socket.errors.append(bounced(("192.0.2.2", 5062)))
        it.port.doRead()
        assert len(it.inbox.lost) == 1
        assert it.counters.icmp_errors == 1

    def test_queue_is_read_in_portions(self) -> None:
        """A flood of ICMP errors is no flood for us."""
        it = Port()
        it.socket.errors.extend([bounced(("192.0.2.2", 5062))] * 500)
        it.port.doRead()
        assert it.counters.icmp_errors == udp.ERROR_BATCH


class SendingTests:
    """From the driver to the socket."""

    def test_sends(self) -> None:
        """The datagram goes to the peer's address."""
        it = Port()
        it.port.send(OPTIONS, BOB, None)
        assert it.socket.sent == [(OPTIONS, BOB.address)]
        assert it.counters.sent == 1

    def test_full_socket_drops(self) -> None:
        """Nothing waits for a full socket, and nobody is told: SIP sends again."""
        it = Port()
        it.socket.send_results.append(BlockingIOError())
        it.port.send(OPTIONS, BOB, None)
        assert it.counters.dropped == 1
        assert it.inbox.failed == []

    def test_old_error_is_not_this_datagrams(self) -> None:
        """The error of an earlier datagram is taken from the queue and this one is sent."""
        it = Port()
        it.socket.send_results.append(OSError(ECONNREFUSED, "refused"))
        it.socket.errors.append(bounced(("192.0.2.7", 5060)))
        it.port.send(OPTIONS, BOB, None)
        assert it.socket.sent == [(OPTIONS, BOB.address)]
        assert [peer.host for peer, _, _ in it.inbox.lost] == ["192.0.2.7"]
        assert it.inbox.failed == []

    def test_own_error_fails_the_transaction(self) -> None:
        """What the system refuses twice is a transport failure, at once."""
        it = Port()
        error = OSError(ENETUNREACH, "Network is unreachable")
        it.socket.send_results.extend([error, error])
        transaction: Any = object()
        it.port.send(OPTIONS, BOB, transaction)
        assert it.inbox.failed == [(transaction, "Network is unreachable")]
        assert it.counters.send_errors == 1

    def test_no_buffers_is_no_failure(self) -> None:
        """A device that is busy for a moment says nothing about the peer."""
        it = Port()
        error = OSError(ENOBUFS, "No buffer space available")
        it.socket.send_results.extend([error, error])
        it.port.send(OPTIONS, BOB, None)
        assert it.inbox.failed == []
        assert it.counters.dropped == 1

    def test_names_are_never_looked_up(self) -> None:
        """A host that is no address (a forged maddr) fails instead of blocking on the DNS."""
        it = Port()
        transaction: Any = object()
        it.port.send(OPTIONS, Peer("udp", "1.2.3.999", 5060, 3), transaction)
        assert it.socket.sent == []
        assert [who for who, _ in it.inbox.failed] == [transaction]

    def test_family_must_fit(self) -> None:
        """An IPv6 address is not sent to from an IPv4 socket."""
        it = Port()
        it.port.send(OPTIONS, Peer("udp", "2001:db8::1", 5060, 3), None)
        assert it.socket.sent == []
        assert len(it.inbox.failed) == 1


class LifeTests:
    """Start and stop."""

    def test_wants_errors_and_big_buffers(self) -> None:
        """The options that it is made for are set."""
        it = Port()
        assert it.socket.options[socket.IPPROTO_IP, errqueue.IP_RECVERR] == 1
        assert it.socket.options[socket.SOL_SOCKET, socket.SO_RCVBUF] >= 4 * 1024 * 1024

    def test_lives_without_big_buffers(self) -> None:
        """A system that refuses them costs nothing but the buffers."""
        reactor: Any = Descriptors()
        fake = FakeSocket()
        fake.refused_options = {socket.SO_RCVBUF, socket.SO_SNDBUF, errqueue.IP_RECVERR}
        sock: Any = fake
        port = UdpPort(reactor, sock, 0, RecordingInbox(), Counters(), Throttle(reactor.seconds))
        port.start()
        assert reactor.readers == [port]

    def test_stop_is_final(self) -> None:
        """A stopped port neither reads nor comes back."""
        it = Port()
        it.port.stop()
        it.port.stop()
        it.port.connectionLost(failure(ConnectionDone()))
        assert it.socket.closed
        assert it.reactor.readers == []

    def test_stopped_by_what_it_received(self) -> None:
        """A message that stops the server ends the batch it came in."""
        it = Port()
        it.socket.incoming.extend([(b"1", ALICE), (b"2", ALICE)])
        it.inbox.received = lambda data, peer: it.port.stop()  # type: ignore[method-assign]
        it.port.doRead()
        assert len(it.socket.incoming) == 1

    def test_kernel_drops(self) -> None:
        """The ninth number of SO_MEMINFO is what the kernel had no room for."""
        assert Port().port.kernel_drops() == 8
