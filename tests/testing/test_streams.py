"""Simulated streams do what Twisted's connections do, as far as the server can tell."""

from typing import Any

from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.network import Network
from sipproxy.testing.streams import TRIES, HostReactor


class Keeping(Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.ended = ""

    def dataReceived(self, data: bytes) -> None:
        """Keep."""
        self.got.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Keep the reason."""
        self.ended = type(reason.value).__name__


class Calling(ClientFactory):
    """Keeps the protocol that it made, or why there is none."""

    def __init__(self) -> None:
        self.made = Keeping()
        self.failed = ""

    def buildProtocol(self, addr: Any) -> Protocol:
        """Give it."""
        return self.made

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Keep the reason."""
        self.failed = type(reason.value).__name__


class Accepting(Factory):
    """Keeps every protocol."""

    def __init__(self) -> None:
        self.made: list[Keeping] = []
        self.hosts: list[str] = []

    def buildProtocol(self, addr: Any) -> Protocol:
        """Make one."""
        self.hosts.append(addr.host)
        self.made.append(Keeping())
        return self.made[-1]


class StreamTests:
    """Opening, writing, closing."""

    def setup_method(self) -> None:
        """Give two hosts, one of them listening."""
        self.clock = VirtualClock()
        self.network = Network(self.clock, delay=0.1)
        self.server = Accepting()
        self.network.streams.listen(("10.0.0.1", 5060), self.server)
        self.reactor = HostReactor(self.network.streams, "10.0.0.2")
        self.client = Calling()

    def open(self, port: int = 5060, bind: tuple[str, int] | None = None) -> None:
        """Connect."""
        self.reactor.connectTCP("10.0.0.1", port, self.client, 5.0, bind)
        self.clock.run(1)

    def test_both_ways(self) -> None:
        """What is written arrives whole and in order, on both sides."""
        self.open()
        ours, theirs = self.client.made, self.server.made[0]
        assert ours.transport is not None and theirs.transport is not None
        for piece in (b"a", b"b", b"c"):
            ours.transport.write(piece)
        theirs.transport.write(b"d")
        self.clock.run(1)
        assert (theirs.got, ours.got) == ([b"a", b"b", b"c"], [b"d"])
        assert self.server.hosts == ["10.0.0.2"]

    def test_bound(self) -> None:
        """A connection may come from another address of the host."""
        self.open(bind=("10.0.0.99", 0))
        assert self.server.hosts == ["10.0.0.99"]

    def test_refused(self) -> None:
        """Nobody listens: refused."""
        self.open(port=9)
        assert self.client.failed == "ConnectionRefusedError"

    def test_no_answer(self) -> None:
        """A host that is cut off does not answer: the time-out of the caller counts."""
        self.network.cut("10.0.0.1")
        self.open()
        assert self.client.failed == ""
        self.clock.run(5)
        assert self.client.failed == "TCPTimedOutError"

    def test_closed(self) -> None:
        """Closing lets through what was written before; both sides hear of it."""
        self.open()
        transport = self.client.made.transport
        assert transport is not None
        transport.write(b"last")
        transport.loseConnection()
        self.clock.run(1)
        assert self.server.made[0].got == [b"last"]
        assert (self.client.made.ended, self.server.made[0].ended) == (
            "ConnectionDone",
            "ConnectionDone",
        )

    def test_dropped(self) -> None:
        """Aborting drops what is on the way."""
        self.open()
        transport: Any = self.client.made.transport
        transport.write(b"lost")
        transport.abortConnection()
        self.clock.run(1)
        assert self.server.made[0].got == []
        assert (self.client.made.ended, self.server.made[0].ended) == (
            "ConnectionAborted",
            "ConnectionLost",
        )

    def test_cut_for_a_while(self) -> None:
        """A line that is cut holds up what was written, and delivers it once it is mended."""
        self.open()
        assert self.client.made.transport is not None
        self.network.cut("10.0.0.2")
        self.client.made.transport.write(b"late")
        self.clock.run(30)
        assert self.server.made[0].got == []
        self.network.mend("10.0.0.2")
        self.clock.run(2)
        assert self.server.made[0].got == [b"late"]

    def test_cut_for_good(self) -> None:
        """A line that stays cut ends the connection of the side that writes."""
        self.open()
        assert self.client.made.transport is not None
        self.network.cut("10.0.0.2")
        self.client.made.transport.write(b"never")
        self.clock.run(TRIES + 5)
        assert self.client.made.ended == "TCPTimedOutError"
