"""One connection: framing, keep-alives, a peer that does not read, and how it ends."""

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IPushProducer
from zope.interface.verify import verifyObject

from sipproxy.transaction.peer import Peer
from sipproxy.transport.connections import StreamLimits
from sipproxy.transport.counters import Counters
from sipproxy.transport.tcp import PONG, Connection
from tests.transport.fakes import INVITE, OPTIONS, Pipe, RecordingInbox, connect, failure

REFUSED: Any = ConnectionRefusedError
ALICE = Peer("tcp", "192.0.2.1", 40000, 0, 5)


class Table:
    """As much of the table of connections as a connection sees."""

    def __init__(self) -> None:
        self.inbox = RecordingInbox()
        self.counters = Counters()
        self.limits = StreamLimits(unsent=1000)
        self.log: list[str] = []

    def opened(self, connection: Connection) -> None:
        """Note."""
        self.log.append("opened")

    def leaving(self, connection: Connection) -> None:
        """Note."""
        self.log.append("leaving")

    def lost(self, connection: Connection, reason: str) -> None:
        """Note."""
        self.log.append(reason)


class ConnectionTestCase:
    """A connection that was just made."""

    def setup_method(self) -> None:
        """Make it."""
        self.table = Table()
        table: Any = self.table
        self.connection = Connection(table, ALICE, False)
        self.transport = Pipe(self.connection, lingers=True)
        connect(self.connection, self.transport)
        self.inbox = self.table.inbox


class ReceivingTests(ConnectionTestCase):
    """From bytes to messages."""

    def test_whole_messages(self) -> None:
        """Each message goes on with the connection's peer; what came at once is one turn."""
        self.connection.dataReceived(OPTIONS + INVITE)
        assert self.inbox.messages == [(OPTIONS, ALICE), (INVITE, ALICE)]
        assert self.inbox.turns == 1
        assert self.connection.spoke

    def test_byte_by_byte(self) -> None:
        """Half a message costs no turn and counts as no sign of life."""
        self.inbox.now = 2000.0
        for at in range(len(OPTIONS) - 1):
            self.connection.dataReceived(OPTIONS[at : at + 1])
        assert self.inbox.turns == 0
        assert self.connection.last_used == 0.0
        self.connection.dataReceived(OPTIONS[-1:])
        assert self.inbox.messages == [(OPTIONS, ALICE)]
        assert self.connection.last_used == 2000.0

    def test_ping(self) -> None:
        """Two CRLFs are answered by one (RFC 5626); it is a sign of life, but no message."""
        self.connection.dataReceived(b"\r\n\r\n")
        assert self.transport.value() == PONG
        assert self.inbox.messages == []
        assert self.connection.last_used == self.inbox.now
        assert self.table.counters.keepalives == 1

    def test_garbage(self) -> None:
        """What cannot be framed is answered where it can be, and ends the connection."""
        self.connection.dataReceived(OPTIONS.replace(b"Content-Length: 0", b"Content-Length: x"))
        assert self.inbox.refused == [(400, ALICE)]
        assert self.inbox.turns == 1
        assert self.transport.closing
        assert self.table.counters.tcp_garbage == 1
        self.connection.dataReceived(OPTIONS)
        assert self.inbox.messages == []

    def test_good_before_garbage(self) -> None:
        """Whole messages that came in front of the garbage, at one go with it, are taken."""
        bad = OPTIONS.replace(b"Content-Length: 0", b"Content-Length: x")
        self.connection.dataReceived(OPTIONS + bad)
        assert self.inbox.messages == [(OPTIONS, ALICE)]
        assert self.inbox.refused == [(400, ALICE)]

    def test_answer_before_closing(self) -> None:
        """The answer to garbage still leaves on the connection."""
        self.inbox.end_of_turn = lambda: self.connection.write(b"400")  # type: ignore[method-assign]
        self.connection.dataReceived(b"X" * 70000)
        assert self.transport.value() == b"400"
        assert self.transport.closing

    def test_closed_by_its_first_message(self) -> None:
        """When the first message of several closes the connection the others are not taken."""
        taken: list[bytes] = []

        def take(data: bytes, peer: Peer) -> None:
            taken.append(data)
            self.connection.close()

        self.inbox.received = take  # type: ignore[method-assign]
        self.connection.dataReceived(OPTIONS + INVITE)
        assert taken == [OPTIONS]


class SlowPeerTests(ConnectionTestCase):
    """A peer that does not read."""

    def test_is_a_producer(self) -> None:
        """Twisted tells it about its buffer."""
        assert verifyObject(IPushProducer, self.connection)
        assert self.transport.producer is self.connection

    def test_is_dropped(self) -> None:
        """What is written while the buffer is full counts; beyond the limit the peer goes."""
        self.connection.pauseProducing()
        for _ in range(10):
            self.connection.write(b"x" * 100)
        assert self.transport.dropped == 0
        self.connection.write(b"x")
        assert self.transport.dropped == 1
        assert self.table.counters.tcp_slow == 1
        assert self.table.log == ["opened", "leaving", "connection lost"]
        self.connection.write(b"x" * 5000)
        assert len(self.transport.value()) == 1000

    def test_catches_up(self) -> None:
        """One that took everything begins anew."""
        for _ in range(5):
            self.connection.pauseProducing()
            self.connection.write(b"x" * 900)
            self.connection.resumeProducing()
        assert self.transport.dropped == 0
        assert self.connection.stalled_since is None

    def test_stalled_since_the_first_time(self) -> None:
        """The time it stalled is that of the first notice, not of the last."""
        self.connection.pauseProducing()
        began = self.inbox.now
        self.inbox.now += 10
        self.connection.pauseProducing()
        assert self.connection.stalled_since == began


class EndTests(ConnectionTestCase):
    """How it ends."""

    def test_close(self) -> None:
        """Closing leaves the table at once, lets go of the buffer's notices, and happens once."""
        self.connection.close()
        self.connection.close()
        assert self.table.log == ["opened", "leaving"]
        assert self.transport.closing
        assert self.transport.producer is None
        assert self.connection.closing_since == self.inbox.now

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (ConnectionDone(), "connection closed"),
            (ConnectionLost(), "connection lost"),
            (REFUSED, "connection refused"),
            (RuntimeError("odd"), "connection failed (odd)"),
        ],
        ids=lambda it: it if isinstance(it, str) else type(it).__name__,
    )
    def test_reason(self, error: Any, words: str) -> None:
        """The table hears in words why."""
        self.connection.connectionLost(failure(error() if isinstance(error, type) else error))
        assert self.table.log == ["opened", "leaving", words]

    def test_abort_after_close(self) -> None:
        """A close that does not end can be cut short."""
        self.connection.close()
        assert not self.transport.gone
        self.connection.abort()
        assert self.transport.gone
