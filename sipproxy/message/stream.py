"""Messages on a stream: framed by Content-Length (section 18.3), each byte looked at once."""

import re
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.grammar import MAX_MESSAGE
from sipproxy.message.parser import parse

#: A keep-alive ping (RFC 5626 section 3.5.1); the answer is one CRLF.
PING: Final = b"\r\n\r\n"

_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE
)


class StreamFramer:
    """Collects what a connection brings and gives whole messages."""

    __slots__ = ("_buffer", "_scanned", "_wanted")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._wanted = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; give whole messages, and `PING` for each keep-alive.

        Raises ParseError for what cannot be framed; then the connection is of no more use.
        """
        self._buffer += data
        found: list[bytes] = []
        while self._buffer:
            message = self._next()
            if message is None:
                break
            if message:
                found.append(message)
        return found

    def _next(self) -> bytes | None:
        """Take the next message off the buffer; None when it is not whole, empty for a lone CRLF."""
        buffer = self._buffer
        if buffer[0] in b"\r\n" and not self._wanted:
            if buffer[:4] == PING:
                del buffer[:4]
                return PING
            if len(buffer) < 4 and PING.startswith(bytes(buffer)):
                return None
            del buffer[: 2 if buffer[:2] == b"\r\n" else 1]
            return b""
        if not self._wanted:
            end = buffer.find(b"\r\n\r\n", max(self._scanned - 3, 0))
            if end < 0:
                self._scanned = len(buffer)
                if self._scanned > MAX_MESSAGE:
                    raise ParseError("the header is too large", 513)
                return None
            self._wanted = end + 4 + self._body_length(bytes(buffer[: end + 4]))
        if len(buffer) < self._wanted:
            return None
        message = bytes(buffer[: self._wanted])
        del buffer[: self._wanted]
        self._wanted = self._scanned = 0
        return message

    def _body_length(self, head: bytes) -> int:
        lengths = set(_LENGTH.findall(head))
        value = lengths.pop() if len(lengths) == 1 else b""
        if not value.isdigit() or len(value) > 9:
            raise _unframed(head, "a message on a stream needs one Content-Length", 400)
        length = int(value)
        if len(head) + length > MAX_MESSAGE:
            raise _unframed(head, "the message is too large", 513)
        return length


def _unframed(head: bytes, detail: str, status: int) -> ParseError:
    """Make the error, with the message as far as it can be read, so that it can be answered."""
    try:
        message = parse(_LENGTH.sub(b"", head))
    except ParseError as error:
        return ParseError(detail, status, error.message)
    return ParseError(detail, status, message)
