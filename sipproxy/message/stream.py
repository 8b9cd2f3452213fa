"""Messages on a stream, framed by Content-Length (RFC 3261 section 18.3)."""

import re
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.grammar import MAX_MESSAGE
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse

#: A keep-alive ping (RFC 5626 section 3.5.1); the answer is one CRLF.
PING: Final = b"\r\n\r\n"

_CR: Final = 0x0D
_LF: Final = 0x0A

#: Every line that is a Content-Length: its digits, and its end if nothing else stands before that.
_LENGTH: Final = re.compile(
    rb"\r\n(?:[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]|[Ll])[ \t]*+:"
    rb"(?:[ \t]|\r\n[ \t])*+([0-9]*+)[ \t]*+(?=(\r\n(?![ \t]))?)"
)


class StreamFramer:
    """Collects what a connection brings and gives whole messages; looks at each octet once."""

    __slots__ = ("_buffer", "_scanned", "_wanted", "unread")

    def __init__(self) -> None:
        self._buffer: bytearray = bytearray()
        #: Up to here there is no end of a header.
        self._scanned: int = 0
        #: Octets of the message that has begun to arrive; 0 while its header is not whole.
        self._wanted: int = 0
        #: After a ParseError: the whole messages that came before the fault in the same octets.
        self.unread: list[bytes] = []

    @property
    def buffered(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets; give whole messages, and `PING` (the object itself) for each keep-alive.

        Raises ParseError for what cannot be framed; then the connection is of no more use.
        """
        self._buffer += data
        found: list[bytes] = []
        try:
            while self._buffer and self._take(found):
                pass
        except ParseError:
            self.unread = found
            raise
        return found

    def _take(self, found: list[bytes]) -> bool:
        """Take one message or line end off the buffer; say no when more must come first."""
        buffer = self._buffer
        if not self._wanted:
            if buffer[0] == _CR or buffer[0] == _LF:
                return self._take_line_ends(found)
            if not self._find_end():
                return False
        if len(buffer) < self._wanted:
            return False
        found.append(bytes(buffer[: self._wanted]))
        del buffer[: self._wanted]
        self._wanted = self._scanned = 0
        return True

    def _take_line_ends(self, found: list[bytes]) -> bool:
        """Take a ping, or the line end that stands before a message or alone as a pong (7.5)."""
        buffer = self._buffer
        start = bytes(buffer[:4])
        if start == PING:
            found.append(PING)
            del buffer[:4]
        elif PING.startswith(start):
            return False
        else:
            del buffer[: 2 if start[:2] == b"\r\n" else 1]
        return True

    def _find_end(self) -> bool:
        """Look for the end of the header where it was not looked for yet. Raises ParseError."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(self._scanned - 3, 0))
        if end < 0:
            self._scanned = len(buffer)
            if self._scanned > MAX_MESSAGE:
                raise ParseError("the header is too large", 513)
            return False
        head = bytes(buffer[: end + 4])
        length = _body_length(head)
        if len(head) + length > MAX_MESSAGE:
            raise _unframed(head, "the message is too large", 513)
        self._wanted = len(head) + length
        return True


def _body_length(head: bytes) -> int:
    """Read the Content-Length of a whole header. Raises ParseError."""
    found = _LENGTH.findall(head)
    values: set[int] = set()
    for digits, end in found:
        values.add(int(digits) if digits and end and len(digits) < 10 else -1)
    if len(values) != 1 or -1 in values:
        raise _unframed(head, "a message on a stream needs one Content-Length", 400)
    return values.pop()


def _unframed(head: bytes, detail: str, status: int) -> ParseError:
    """Make the error, with the message as far as it can be read, so that it can be answered."""
    try:
        message: Request | Response | None = parse(_LENGTH.sub(b"\r\nX:", head))
    except ParseError as error:
        message = error.message
    return ParseError(detail, status, message)
