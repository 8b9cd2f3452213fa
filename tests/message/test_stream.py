"""Messages on a stream: however they are cut into segments, they come out whole."""

import pytest

from sipproxy.message.errors import ParseError
from sipproxy.message.grammar import MAX_MESSAGE
from sipproxy.message.message import Request
from sipproxy.message.parser import parse
from sipproxy.message.stream import PING, StreamFramer

HEAD = (
    b"MESSAGE sip:bruno@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\r\n"
    b"From: <sip:anna@example.com>;tag=f\r\n"
    b"To: <sip:bruno@example.com>\r\n"
    b"Call-ID: c\r\n"
    b"CSeq: 1 MESSAGE\r\n"
)


def message(length: bytes = b"Content-Length: 5", body: bytes = b"a\r\n\r\n") -> bytes:
    """A message with this line and this body."""
    return HEAD + length + b"\r\n\r\n" + body


def frames_of(*pieces: bytes) -> list[bytes]:
    """What comes out of a stream in all."""
    framer = StreamFramer()
    found: list[bytes] = []
    for piece in pieces:
        found += framer.feed(piece)
    return found


def octets(data: bytes) -> list[bytes]:
    """The same, octet by octet."""
    return [data[at : at + 1] for at in range(len(data))]


class FramingTests:
    """Where one message ends and the next begins."""

    def test_one(self) -> None:
        """At once, in two pieces cut anywhere, octet by octet."""
        data = message()
        assert frames_of(data) == frames_of(*octets(data)) == [data]
        for cut in range(len(data)):
            assert frames_of(data[:cut], data[cut:]) == [data]

    def test_several(self) -> None:
        """Several in one segment, and one that is not whole yet."""
        one, two = message(), message(b"l: 0", b"")
        framer = StreamFramer()
        assert framer.feed(one + two + one + two[:9]) == [one, two, one]
        assert framer.buffered == 9
        assert framer.feed(two[9:]) == [two] and framer.buffered == 0
        assert framer.feed(b"") == []

    @pytest.mark.parametrize(
        "length",
        [
            b"Content-Length: 5",
            b"content-length:5",
            b"CONTENT-LENGTH \t:  0005  ",
            b"l: 5",
            b"L:\r\n 5",
            b"Content-Length: \r\n\t 5 \r\nX: 1",
            b"Content-Length: 5\r\nl: 05",
            b"X: 1\r\n Content-Length: 7\r\nContent-Length: 5",
            b"XContent-Length: 7\r\nl: 5\r\nContent-Lengthy: 8",
        ],
    )
    def test_spellings(self, length: bytes) -> None:
        """The length is found however it is written, and nothing else is taken for it."""
        data = message(length)
        assert frames_of(data + data) == [data, data]
        assert parse(data).body == b"a\r\n\r\n"

    def test_keep_alives(self) -> None:
        """A double CRLF is a ping (RFC 5626); a single one, a pong or a stray, is nothing."""
        data = message()
        for pieces in ([PING + data + PING + PING], octets(PING + data + PING + PING)):
            found = frames_of(*pieces)
            assert found == [PING, data, PING, PING]
            assert found[0] is PING and found[2] is PING
        assert frames_of(b"\r\n" + data) == frames_of(*octets(b"\r\n" + data)) == [data]
        assert frames_of(b"\n\r" + data) == [data]
        assert frames_of(b"\r\n") == []

    def test_body_that_looks_like_more(self) -> None:
        """A body may hold whatever it likes, messages too."""
        inner = message()
        data = message(b"Content-Length: %d" % len(inner), inner)
        assert frames_of(data) == frames_of(*octets(data)) == [data]


class FaultTests:
    """What cannot be framed ends the connection, but is answered first."""

    @pytest.mark.parametrize(
        "length",
        [
            b"X: 1",
            b"Content-Length:",
            b"Content-Length: x",
            b"Content-Length: -1",
            b"Content-Length: +5",
            b"Content-Length: 5, 5",
            b"Content-Length: 5 5",
            b"Content-Length: 5\r\n 5",
            b"Content-Length: 5;x",
            b"Content-Length: 5\rl: 6",
            b"Content-Length: " + b"9" * 5000,
            b"Content-Length: 5\r\nl: 6",
            b"Content-Length: 5\r\nl: x",
            b"Content-Length\r\n : 5",
        ],
    )
    def test_no_length(self, length: bytes) -> None:
        """Missing, garbage, or two that differ."""
        data = message(length)
        for pieces in ([data], octets(data)):
            with pytest.raises(ParseError) as caught:
                frames_of(*pieces)
            assert caught.value.status == 400
            assert isinstance(caught.value.message, Request)
            assert caught.value.message.value(b"call-id") == b"c"

    def test_garbage(self) -> None:
        """What is no message at all cannot be answered."""
        with pytest.raises(ParseError) as caught:
            frames_of(b"\x16\x03\x01\r\nContent-Length: x\r\n\r\n")
        assert caught.value.message is None

    def test_too_large(self) -> None:
        """A message as large as a datagram may be is taken, one octet more is refused at once."""
        room = MAX_MESSAGE - len(message(b"Content-Length: 65000", b""))
        line = b"Content-Length: %d" % room
        data = message(line, b"x" * room)
        assert len(data) == MAX_MESSAGE and frames_of(data, data) == [data, data]
        with pytest.raises(ParseError) as caught:
            frames_of(message(b"Content-Length: %d" % (room + 1), b""))
        assert caught.value.status == 513 and isinstance(caught.value.message, Request)

    def test_endless_header(self) -> None:
        """A header that does not end is not collected for ever."""
        framer = StreamFramer()
        with pytest.raises(ParseError) as caught:
            for _ in range(100):
                framer.feed(b"x" * 1000)
        assert caught.value.status == 513 and framer.buffered <= MAX_MESSAGE + 1000

    def test_whole_ones_before_the_fault(self) -> None:
        """What came whole in the same segment is not lost."""
        framer = StreamFramer()
        with pytest.raises(ParseError):
            framer.feed(message() + PING + message(b"X: 1"))
        assert framer.unread == [message(), PING]


class CostTests:
    """Slow senders cost no more than fast ones."""

    def test_scan_goes_on_where_it_stopped(self) -> None:
        """Octet by octet, the work for each is the same: the header is not searched anew."""
        framer = StreamFramer()
        for octet in octets(HEAD):
            framer.feed(octet)
            assert framer._scanned == framer.buffered
        framer.feed(b"Content-Length: 2\r\n\r\n")
        assert framer._wanted == framer.buffered + 2

    def test_end_over_segments(self) -> None:
        """The empty line is found wherever it is cut, though the search does not start again."""
        data = message(b"l: 0", b"")
        for first in range(len(data) - 6, len(data)):
            for second in range(first, len(data)):
                assert frames_of(data[:first], data[first:second], data[second:]) == [data]
