"""SIP messages as the conformance tests write and read them.

They share no code with the server: what it says is read by other eyes, and nonsense can be written.
"""

import itertools
import os
from dataclasses import dataclass, field
from typing import Final, Self

_numbers = itertools.count(1)
_RUN: Final = f"{os.getpid():x}"
_SHORT: Final = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
    "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding",
}  # fmt: skip


def fresh(prefix: str = "x") -> str:
    """Give a token that no other test, and no other run, has used."""
    return f"{prefix}{next(_numbers)}z{_RUN}"


@dataclass
class Message:
    """A start line, header lines in their order, and a body."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    #: When it came (monotonic seconds), from where, and as which octets.
    at: float = 0.0
    source: tuple[str, int] = ("", 0)
    raw: bytes = b""

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Take a message apart; names are given in lower case and in their long form."""
        head, _, body = raw.partition(b"\r\n\r\n")
        start, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        headers: list[tuple[str, str]] = []
        for line in lines:
            if line[:1] in (" ", "\t") and headers:
                name, value = headers.pop()
                headers.append((name, f"{value} {line.strip()}".strip()))
                continue
            name, _, value = line.partition(":")
            name = name.strip().lower()
            headers.append((_SHORT.get(name, name), value.strip()))
        return cls(start, headers, body, raw=raw)

    def write(self) -> bytes:
        """Give the octets.  Content-Length is added unless there is one."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        if not self.has("Content-Length") and not self.has("l"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + self.body

    # Reading.

    @property
    def status(self) -> int:
        """The status of a response; 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method of a request, or of the request that this is the response to."""
        if not self.status:
            return self.start.split()[0]
        return self.value("cseq").split()[-1]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split()[1]

    @property
    def branch(self) -> str:
        """The branch of the topmost Via."""
        return parameter(self.values("via")[0], "branch") or ""

    def lines(self, name: str) -> list[str]:
        """The lines of a header field, as they stand."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]

    def has(self, name: str) -> bool:
        """Whether there is such a line."""
        return bool(self.lines(name))

    def value(self, name: str) -> str:
        """The first line of a header field; empty when there is none."""
        return next(iter(self.lines(name)), "")

    def values(self, name: str) -> list[str]:
        """All values of a header field, split at commas outside quotes and angle brackets."""
        return [part for line in self.lines(name) for part in _split(line)]

    def tag(self, name: str) -> str:
        """The tag of From or To; empty when there is none."""
        return parameter(self.value(name), "tag") or ""

    # Writing.

    def put(self, name: str, value: str) -> Self:
        """Replace a header field, or add it at the end."""
        if self.has(name):
            at = [key.lower() for key, _ in self.headers].index(name.lower())
            self.without(name)
            self.headers.insert(at, (name, value))
        else:
            self.headers.append((name, value))
        return self

    def add(self, name: str, value: str) -> Self:
        """Add a line at the end."""
        self.headers.append((name, value))
        return self

    def first(self, name: str, value: str) -> Self:
        """Add a line at the top."""
        self.headers.insert(0, (name, value))
        return self

    def without(self, name: str) -> Self:
        """Remove all lines of a header field."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        return self

    def copy(self) -> "Message":
        """A message with the same lines."""
        return Message(self.start, list(self.headers), self.body)


def _split(line: str) -> list[str]:
    parts, start, quoted, depth = [], 0, False, 0
    for at, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "<>":
            depth += 1 if character == "<" else -1
        elif character == "," and not quoted and not depth:
            parts.append(line[start:at].strip())
            start = at + 1
    parts.append(line[start:].strip())
    return [part for part in parts if part]


def parameter(value: str, name: str) -> str | None:
    """A parameter behind the address in a header value; empty for a flag, None when missing."""
    behind = value.rpartition(">")[2] if ">" in value else value
    for part in behind.split(";")[1:]:
        key, _, given = part.partition("=")
        if key.strip().lower() == name:
            return given.strip()
    return None


def address(value: str) -> str:
    """The URI in angle brackets, or the value without its parameters."""
    if "<" in value:
        return value.partition("<")[2].partition(">")[0]
    return value.partition(";")[0].strip()


def ack_to(invite: Message, response: Message) -> Message:
    """The ACK for a failure: what RFC 3261 section 17.1.1.3 says."""
    ack = Message(f"ACK {invite.uri} SIP/2.0")
    ack.add("Via", invite.values("via")[0]).add("Max-Forwards", "70")
    for route in invite.lines("route"):
        ack.add("Route", route)
    ack.add("From", invite.value("from")).add("To", response.value("to"))
    number = invite.value("cseq").split()[0]
    return ack.add("Call-ID", invite.value("call-id")).add("CSeq", f"{number} ACK")


def cancel_of(invite: Message) -> Message:
    """The CANCEL of a request: what section 9.1 says."""
    cancel = Message(f"CANCEL {invite.uri} SIP/2.0")
    cancel.add("Via", invite.values("via")[0]).add("Max-Forwards", "70")
    for route in invite.lines("route"):
        cancel.add("Route", route)
    cancel.add("From", invite.value("from")).add("To", invite.value("to"))
    number = invite.value("cseq").split()[0]
    return cancel.add("Call-ID", invite.value("call-id")).add("CSeq", f"{number} CANCEL")


def response_to(request: Message, status: int, tag: str = "", phrase: str = "Said") -> Message:
    """A response: what section 8.2.6 says."""
    response = Message(f"SIP/2.0 {status} {phrase}")
    for name in ("via", "record-route", "from", "to", "call-id", "cseq"):
        for line in request.lines(name):
            value = f"{line};tag={tag}" if name == "to" and tag and not request.tag("to") else line
            response.add(name.title() if name != "cseq" else "CSeq", value)
    return response
