"""One question on the wire: what is sent, and which answers count."""

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.names import dns
from twisted.python.failure import Failure

from sipproxy.resolve.wire import NoSocket, Unreachable, exchange
from tests.resolve.fakes import ONE, a, message


class UdpPort:
    """A UDP socket that only remembers."""

    def __init__(self) -> None:
        self.connected: Any = None
        self.sent: list[bytes] = []
        self.open = True
        self.error: OSError | None = None

    def connect(self, host: str, port: int) -> None:
        """Remember where to."""
        self.connected = (host, port)

    def write(self, data: bytes) -> None:
        """Remember what."""
        if self.error is not None:
            raise self.error
        self.sent.append(data)

    def stopListening(self) -> None:
        """Close."""
        self.open = False


class Reactor(MemoryReactorClock):
    """A reactor with UDP."""

    def __init__(self) -> None:
        super().__init__()
        self.port = UdpPort()
        self.interface: str | None = None
        self.full = False

    def listenUDP(self, port: int, protocol: Any, interface: str = "") -> UdpPort:
        """Open the one socket there is."""
        if self.full:
            raise CannotListenError(interface, port, OSError("too many open files"))
        assert port == 0, "the kernel chooses the port"
        self.interface = interface
        protocol.makeConnection(self.port)
        self.protocol = protocol
        return self.port


class _Fixture:
    reactor: Reactor
    outcome: list[Any]

    @pytest.fixture(autouse=True)
    def _make(self) -> None:
        self.reactor = Reactor()
        self.outcome = []

    def ask(self, name: str = "h.test") -> "Deferred[dns.Message]":
        """Ask for an address."""
        asking = exchange(self.reactor, ONE, name, "A")
        asking.addBoth(self.outcome.append)
        return asking

    def answer(self, name: str = "h.test", **fields: Any) -> bytes:
        """Answer the question that was sent."""
        question = dns.Message()
        question.fromStr(self.reactor.port.sent[0])
        made = message((name, a("192.0.2.1")))
        made.id = question.id
        made.queries = question.queries
        for field, value in fields.items():
            setattr(made, field, value)
        return made.toStr()

    def receive(self, data: bytes) -> None:
        """Let a datagram arrive."""
        self.reactor.protocol.datagramReceived(data, ONE)

    def failed(self, kind: type[Exception]) -> None:
        """Check that it failed that way."""
        (failure,) = self.outcome
        assert isinstance(failure, Failure) and failure.check(kind)


class ExchangeTests(_Fixture):
    """`exchange`."""

    def test_question(self) -> None:
        """The question asks for recursion, by a socket connected to the server."""
        self.ask()
        question = dns.Message()
        question.fromStr(self.reactor.port.sent[0])
        assert question.recDes and not question.answer
        assert [(query.name.name, query.type) for query in question.queries] == [(b"h.test", dns.A)]
        assert self.reactor.port.connected == ONE

    def test_questions_differ(self) -> None:
        """Nobody can guess the number of a question from the last one."""
        numbers = set()
        for _ in range(20):
            self.ask()
            numbers.add(self.reactor.port.sent.pop()[:2])
        assert len(numbers) > 15

    def test_ipv6_server(self) -> None:
        """A server may have an IPv6 address."""
        exchange(self.reactor, ("2001:db8::53", 53), "h.test", "A")
        assert self.reactor.interface == "::"

    def test_answer(self) -> None:
        """The answer is given, the socket closed."""
        self.ask()
        self.receive(self.answer())
        assert self.outcome[0].answers
        assert not self.reactor.port.open

    def test_wrong_answers(self) -> None:
        """Answers to other questions, questions and garbage are passed over."""
        self.ask()
        good = self.answer()
        other = [dns.Query("other.test", dns.A)]
        for bad in (
            b"",
            b"\x00" * 11,
            good[:-3],
            good[:2] + b"\xff" * 40,
            self.answer(id=(int.from_bytes(good[:2], "big") + 1) % 65536),
            self.answer(queries=other),
            self.answer(queries=[]),
            self.answer(answer=0),
        ):
            self.receive(bad)
        assert self.outcome == [] and self.reactor.port.open
        self.receive(good)
        assert len(self.outcome) == 1

    def test_refusal_without_question(self) -> None:
        """A server that fails may leave the question out of its answer."""
        self.ask()
        self.receive(self.answer(queries=[], answers=[], rCode=dns.EREFUSED))
        assert self.outcome[0].rCode == dns.EREFUSED

    def test_nobody_listens(self) -> None:
        """A closed port is known at once."""
        self.ask()
        self.reactor.protocol.connectionRefused()
        self.failed(Unreachable)
        assert not self.reactor.port.open

    def test_closed_by_the_reactor(self) -> None:
        """The epoll reactor closes a socket with an error, and says no more than that."""
        self.ask()
        self.reactor.protocol.doStop()
        self.failed(Unreachable)

    def test_no_way(self) -> None:
        """So is a network that cannot be reached."""
        self.reactor.port.error = OSError("network is unreachable")
        self.ask()
        self.reactor.advance(0)
        self.failed(Unreachable)

    def test_no_socket(self) -> None:
        """That there is no socket is our own trouble."""
        self.reactor.full = True
        self.ask()
        self.failed(NoSocket)

    def test_cancelled(self) -> None:
        """When nobody wants the answer any more, the socket is closed."""
        self.ask().cancel()
        self.failed(CancelledError)
        assert not self.reactor.port.open
        assert len(self.outcome) == 1


class StreamTests(_Fixture):
    """An answer that was cut is fetched by TCP."""

    def connect(self) -> tuple[Any, StringTransport]:
        """Ask, get a cut answer, and let the connection open."""
        self.ask()
        self.receive(self.answer(trunc=1))
        assert self.outcome == [] and not self.reactor.port.open
        client: Any = self.reactor.tcpClients[0]
        host, port, factory, timeout, _ = client
        assert (host, port) == ONE and timeout < 5
        protocol = factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport

    def test_whole_answer(self) -> None:
        """The same question goes by TCP, its length in front; the answer may come in pieces."""
        protocol, transport = self.connect()
        question = self.reactor.port.sent[0]
        assert transport.value() == len(question).to_bytes(2, "big") + question
        answer = self.answer()
        framed = len(answer).to_bytes(2, "big") + answer
        protocol.dataReceived(framed[:1])
        protocol.dataReceived(framed[1:9])
        assert self.outcome == []
        protocol.dataReceived(framed[9:])
        assert self.outcome[0].answers

    def test_closed(self) -> None:
        """A connection that closes early is a failure."""
        protocol, _ = self.connect()
        protocol.connectionLost(Failure(ConnectionRefusedError()))
        self.failed(Unreachable)

    def test_refused(self) -> None:
        """So is one that does not open."""
        self.ask()
        self.receive(self.answer(trunc=1))
        factory: Any = self.reactor.tcpClients[0][2]
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        self.failed(Unreachable)
