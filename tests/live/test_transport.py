"""Real sockets on loopback: what fakes cannot show of ICMP errors, slow peers and bursts.

Each server runs on a reactor of its own in a thread; the test is the outside world.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor
from twisted.internet.selectreactor import SelectReactor
from zope.interface import implementer

from sipproxy.interfaces import ITransactionUser
from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.connections import StreamLimits
from sipproxy.transport.driver import Driver
from sipproxy.transport.flow import Flows, kernel_source
from sipproxy.transport.listen import ListenAddress, ListenError, Listeners
from tests.transport.fakes import OPTIONS

pytestmark = pytest.mark.live

#: Nothing here takes this long unless it is broken.
PATIENCE = 10.0

Result = TypeVar("Result")


@implementer(ITransactionUser)
class EchoCore:
    """Answers every request with 200 and notes what else it hears, and when."""

    def __init__(self) -> None:
        self.driver: Any = None
        self.body = b""
        self.heard: list[tuple[str, Any, float]] = []
        self.event = threading.Event()

    def request_received(self, transaction: Any, request: Request) -> None:
        """Answer."""
        response = make_response(request, 200, to_tag=b"echo")
        response.body = self.body
        response.set(b"content-length", b"%d" % len(self.body))
        self.driver.respond(transaction, response)

    def ack_received(self, request: Request, peer: Peer, transaction: Any) -> None:
        """Ignore."""

    def response_received(self, transaction: Any, response: Response, peer: Peer) -> None:
        """Note."""
        self._note("response", response.status)

    def timed_out(self, transaction: Any) -> None:
        """Note."""
        self._note("timed out", None)

    def failed(self, transaction: Any, reason: str) -> None:
        """Note."""
        self._note("failed", reason)

    def terminated(self, transaction: Any) -> None:
        """Ignore."""

    def fired(self, token: object) -> None:
        """Ignore."""

    def _note(self, what: str, detail: Any) -> None:
        self.heard.append((what, detail, time.monotonic()))
        self.event.set()


class LiveServer:
    """A transport with everything below the core, running in a thread."""

    def __init__(
        self, reactor: Any, addresses: list[ListenAddress], limits: StreamLimits | None
    ) -> None:
        self.reactor = reactor
        self.core = EchoCore()
        self.layer = TransactionLayer(Timers())
        self.flows = Flows(reactor.seconds)
        self.driver = Driver(reactor, self.layer)
        self.driver.user = self.core
        self.core.driver = self.driver
        self.listeners = Listeners(reactor, addresses, self.driver, self.flows, limits)
        self.listeners.bind()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.reactor.callWhenRunning(self.listeners.start)
        self.reactor.run(installSignalHandlers=False)

    def port(self, index: int = 0) -> int:
        """Give the port that a listener got."""
        return self.listeners.bound[index].port

    def do(self, call: Callable[[], Result]) -> Result:
        """Do something in the server's thread."""
        results: list[Result] = []
        done = threading.Event()

        def run() -> None:
            results.append(call())
            done.set()

        self.reactor.callFromThread(run)
        assert done.wait(PATIENCE)
        return results[0]

    def request(self, transport: str, host: str, port: int) -> float:
        """Send OPTIONS to a place; give the time."""

        def send() -> float:
            peer = self.flows.peer_for(transport, host, port)
            assert peer is not None
            message = parse(OPTIONS.replace(b"z9hG4bKfirst", b"z9hG4bK%d" % id(peer)))
            assert isinstance(message, Request)
            began = time.monotonic()
            self.driver.request(message, peer, None)
            return began

        return self.do(send)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true in the server."""
        until = time.monotonic() + PATIENCE
        while not self.do(condition):
            assert time.monotonic() < until, "it never happened"


@contextmanager
def running(
    *addresses: ListenAddress, reactor: Any = None, limits: StreamLimits | None = None
) -> Iterator[LiveServer]:
    """Run a server for a while."""
    server = LiveServer(reactor or _make(EPollReactor), list(addresses), limits)
    server.thread.start()
    try:
        yield server
    finally:
        server.reactor.callFromThread(_stop, server)
        server.thread.join(PATIENCE)
        server.reactor.disconnectAll()
        for reader in server.reactor._internalReaders:
            reader.connectionLost(None)
        if hasattr(server.reactor, "_poller") and hasattr(server.reactor._poller, "close"):
            server.reactor._poller.close()
        assert not server.thread.is_alive()


def _stop(server: LiveServer) -> None:
    server.driver.stop()
    server.listeners.stop().addBoth(lambda _: server.reactor.stop())


def _make(kind: Any) -> Any:
    return kind()


def udp(host: str = "127.0.0.1") -> ListenAddress:
    """Listen on UDP, on any free port."""
    return ListenAddress("udp", host, 0)


def tcp(host: str = "127.0.0.1") -> ListenAddress:
    """Listen on TCP, on any free port."""
    return ListenAddress("tcp", host, 0)


def free_port(kind: int, host: str = "127.0.0.1") -> int:
    """Give a port that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, kind)) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
    return port


def call(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Connect by TCP."""
    return socket.create_connection((host, port), timeout=PATIENCE)


class RefusedTests:
    """Nobody listens there: known within milliseconds, not after 32 seconds."""

    @pytest.mark.parametrize("kind", [EPollReactor, PollReactor, SelectReactor])
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_icmp(self, kind: Any, host: str) -> None:
        """An ICMP error fails the transaction at once, and the port goes on, on any reactor."""
        with running(udp(host), reactor=_make(kind)) as server:
            for _ in range(3):
                server.core.event.clear()
                began = server.request("udp", host, free_port(socket.SOCK_DGRAM, host))
                assert server.core.event.wait(PATIENCE)
                what, reason, at = server.core.heard[-1]
                assert (what, reason) == ("failed", "port unreachable")
                assert at - began < 0.4, "that was the retransmission, not the ICMP error"
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with closing(socket.socket(family, socket.SOCK_DGRAM)) as phone:
                phone.settimeout(PATIENCE)
                phone.sendto(OPTIONS, (host, server.port()))
                assert phone.recv(2000).startswith(b"SIP/2.0 200")

    def test_tcp(self) -> None:
        """A refused connection fails the transaction at once."""
        with running(tcp()) as server:
            began = server.request("tcp", "127.0.0.1", free_port(socket.SOCK_STREAM))
            assert server.core.event.wait(PATIENCE)
            what, reason, at = server.core.heard[-1]
            assert (what, reason) == ("failed", "connection refused")
            assert at - began < 0.4

    def test_closed_while_waiting(self) -> None:
        """A peer that takes the request and hangs up has failed as well."""
        with running(tcp()) as server, closing(socket.socket()) as gateway:
            gateway.bind(("127.0.0.1", 0))
            gateway.listen()
            gateway.settimeout(PATIENCE)
            server.request("tcp", "127.0.0.1", gateway.getsockname()[1])
            connection, _ = gateway.accept()
            with connection:
                assert connection.recv(2000).startswith(b"OPTIONS")
            assert server.core.event.wait(PATIENCE)
            assert server.core.heard[-1][0] == "failed"

    def test_no_route(self) -> None:
        """What cannot even be sent has failed: here from loopback to the outside."""
        with running(udp()) as server:
            server.request("udp", "192.0.2.1", 5060)
            assert server.core.event.wait(PATIENCE)
            assert server.core.heard[-1][0] == "failed"


class StreamTests:
    """Connections as peers see them."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_request_and_ping(self, host: str) -> None:
        """A request cut into pieces is answered, a ping of two CRLFs with one."""
        with running(tcp(host)) as server, call(server.port(), host) as phone:
            phone.sendall(OPTIONS[:100])
            phone.sendall(OPTIONS[100:])
            assert phone.recv(2000).startswith(b"SIP/2.0 200")
            phone.sendall(b"\r\n\r\n")
            assert phone.recv(2000) == b"\r\n"

    def test_garbage(self) -> None:
        """What is not SIP ends the connection, not the server."""
        with running(tcp()) as server:
            with call(server.port()) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
                assert stranger.recv(2000) == b""
            with call(server.port()) as phone:
                phone.sendall(OPTIONS)
                assert phone.recv(2000).startswith(b"SIP/2.0 200")

    def test_slow_peer(self) -> None:
        """One that asks and never reads is dropped; another does not notice, nor does memory."""
        limits = StreamLimits(unsent=256 * 1024)
        with running(tcp(), limits=limits) as server:
            server.core.body = b"x" * 30_000
            with call(server.port()) as slow, call(server.port()) as other:
                slow.setblocking(False)
                asked = 0
                until = time.monotonic() + PATIENCE
                while not server.driver.counters.tcp_slow and time.monotonic() < until:
                    asked += 1
                    try:
                        slow.send(OPTIONS.replace(b"z9hG4bKfirst", b"z9hG4bK%d" % asked))
                    except (BlockingIOError, ConnectionError):
                        pass
                    if asked % 20 == 0:
                        other.sendall(OPTIONS.replace(b"z9hG4bKfirst", b"z9hG4bKo%d" % asked))
                        _take_whole(other)
                assert server.driver.counters.tcp_slow == 1
                other.sendall(OPTIONS)
                _take_whole(other)
            server.wait_for(lambda: len(server.listeners.connections) == 0)

    def test_too_many(self) -> None:
        """Over the limit a connection is closed at once; when one ends there is room again."""
        with running(tcp(), limits=StreamLimits(per_source=2)) as server:
            with call(server.port()) as one, call(server.port()), call(server.port()) as three:
                assert three.recv(100) == b""
                one.close()
                server.wait_for(lambda: len(server.listeners.connections) == 1)
                with call(server.port()) as four:
                    four.sendall(OPTIONS)
                    assert four.recv(2000).startswith(b"SIP/2.0 200")
            assert server.driver.counters.tcp_refused == 1

    def test_reuse(self) -> None:
        """A request to a phone behind its connection comes down that connection."""
        with running(tcp()) as server, call(server.port()) as phone:
            phone.sendall(OPTIONS)
            assert phone.recv(2000).startswith(b"SIP/2.0 200")
            server.request("tcp", *phone.getsockname())
            assert phone.recv(2000).startswith(b"OPTIONS")
            assert server.driver.counters.tcp_opened == 0


class ListenTests:
    """Ports as the system gives them."""

    def test_in_use(self) -> None:
        """A port in use is one clear sentence, and the ports bound before it are free again."""
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
            other.bind(("127.0.0.1", 0))
            taken = other.getsockname()[1]
            free = free_port(socket.SOCK_STREAM)
            addresses = [
                ListenAddress("tcp", "127.0.0.1", free),
                ListenAddress("udp", "127.0.0.1", taken),
            ]
            with pytest.raises(ListenError) as caught:
                LiveServer(_Idle(), addresses, None)
            assert str(caught.value) == (
                f"cannot listen on 127.0.0.1:{taken} udp: the port is in use (by another program?)"
            )
            with closing(socket.socket()) as again:
                again.bind(("127.0.0.1", free))

    def test_both_families(self) -> None:
        """All IPv4 and all IPv6 addresses share a port number."""
        port = free_port(socket.SOCK_DGRAM)
        everywhere = [ListenAddress("udp", host, port) for host in ("0.0.0.0", "::")]
        with running(*everywhere) as server:
            assert server.listeners.describe() == f"0.0.0.0:{port} udp; [::]:{port} udp"
            assert server.flows.is_own("127.0.0.1", port)
            assert server.flows.is_own("::1", port)
            for host, index in (("127.0.0.1", 0), ("::1", 1)):
                peer = server.flows.peer_for("udp", host, 5060)
                assert peer is not None
                assert peer.listener == index
                assert peer.sent_by.startswith(b"127.0.0.1:" if not index else b"[::1]:")

    def test_kernel_source(self) -> None:
        """The kernel tells its source address, and what cannot be reached from where."""
        assert kernel_source("127.0.0.1", "") == "127.0.0.1"
        assert kernel_source("::1", "") == "::1"
        assert kernel_source("192.0.2.1", "127.0.0.1") is None
        assert kernel_source("example.com", "") is None


class BurstTests:
    """More at once than one turn takes."""

    def test_ten_thousand(self) -> None:
        """Every datagram of a burst is received, or the kernel says that it had no room for it."""
        count = 10_000
        with running(udp()) as server:
            target = ("127.0.0.1", server.port())
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as phone:
                for number in range(count):
                    phone.sendto(OPTIONS.replace(b"first", b"%d" % number), target)
                counters = server.driver.counters
                listeners = server.listeners
                server.wait_for(lambda: counters.received + listeners.kernel_drops() >= count)
                assert counters.received > count // 10
                assert counters.received + server.do(listeners.kernel_drops) == count
                assert server.do(lambda: len(server.layer)) == counters.received
                assert counters.sent + counters.dropped >= counters.received


class _Idle:
    """A reactor for a server that never starts."""

    def seconds(self) -> float:
        """Stand still."""
        return 0.0


def _take_whole(sock: socket.socket) -> None:
    """Read one answer with its 30,000 octets."""
    data = b""
    while len(data) < 30_000:
        more = sock.recv(65536)
        assert more
        data += more
    assert data.startswith(b"SIP/2.0 200")
