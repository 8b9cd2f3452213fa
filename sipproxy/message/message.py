"""Requests and responses: raw header lines in their order, fields parsed when they are asked for.

A message is two parallel lists, the canonical names and the raw lines, and a body.  Whatever nobody
asks for is never looked into and leaves as it came.
"""

from sipproxy.message.errors import ParseError
from sipproxy.message.fields import (
    Contact,
    CSeq,
    NameAddr,
    Via,
    branch_of,
    cseq_of,
    parse_contact,
    parse_cseq,
    parse_expires,
    parse_name_addr,
    parse_via,
    split_commas,
    tag_of,
)
from sipproxy.message.grammar import pretty
from sipproxy.message.uri import Uri, parse_uri


class Message:
    """What requests and responses have in common.  Names are canonical: ``b"record-route"``."""

    __slots__ = (
        "_call_id",
        "_cseq",
        "_from_tag",
        "_max_forwards",
        "_to_tag",
        "_top_via",
        "body",
        "lines",
        "names",
        "wire_size",
    )

    def __init__(self, names: list[bytes], lines: list[bytes], body: bytes) -> None:
        self.names: list[bytes] = names
        self.lines: list[bytes] = lines
        self.body: bytes = body
        #: Octets that it had when it came; 0 for a message that was made here.
        self.wire_size: int = 0
        self._top_via: Via | None = None
        self._cseq: CSeq | None = None
        self._call_id: bytes | None = None
        self._from_tag: bytes | None = None
        self._to_tag: bytes | None = None
        #: -1: not looked at yet, -2: there is none.
        self._max_forwards: int = -1

    # --- values

    def value(self, name: bytes) -> bytes | None:
        """Give the first value of a header, unfolded; None when it is not there."""
        names = self.names
        if name not in names:
            return None
        return _value_of(self.lines[names.index(name)])

    def raw_values(self, name: bytes) -> list[bytes]:
        """Give the values of all lines of a header, as many as there are lines."""
        return [
            _value_of(self.lines[index]) for index, other in enumerate(self.names) if other == name
        ]

    def values(self, name: bytes) -> list[bytes]:
        """Give all values of a header that is a list, comma-separated ones apart."""
        found: list[bytes] = []
        for raw in self.raw_values(name):
            found.extend(split_commas(raw))
        return found

    def has(self, name: bytes) -> bool:
        """Say whether a header is there."""
        return name in self.names

    def count(self, name: bytes) -> int:
        """Count the lines of a header."""
        return self.names.count(name)

    # --- edits

    def add(self, name: bytes, value: bytes) -> None:
        """Append a line."""
        self.names.append(name)
        self.lines.append(pretty(name) + b": " + value)

    def prepend(self, name: bytes, value: bytes) -> None:
        """Insert a line before the first of its name, or before all others."""
        names = self.names
        at = names.index(name) if name in names else 0
        names.insert(at, name)
        self.lines.insert(at, pretty(name) + b": " + value)
        if name == b"via":
            self._top_via = None

    def set(self, name: bytes, value: bytes) -> None:
        """Replace the first line of a name and remove the others; append when there is none."""
        names = self.names
        line = pretty(name) + b": " + value
        if name not in names:
            names.append(name)
            self.lines.append(line)
            return
        at = names.index(name)
        self.lines[at] = line
        if names.count(name) > 1:
            for index in range(len(names) - 1, at, -1):
                if names[index] == name:
                    del names[index], self.lines[index]
        self._forget(name)

    def remove(self, name: bytes) -> int:
        """Remove all lines of a name; how many there were."""
        names = self.names
        removed = 0
        while name in names:
            at = names.index(name)
            del names[at], self.lines[at]
            removed += 1
        if removed:
            self._forget(name)
        return removed

    def pop_first(self, name: bytes) -> bytes | None:
        """Remove and give the first value of a list header."""
        names = self.names
        if name not in names:
            return None
        at = names.index(name)
        line = self.lines[at]
        self._forget(name)
        if b"," in line:
            values = split_commas(_value_of(line))
            if len(values) > 1:
                self.lines[at] = pretty(name) + b": " + b", ".join(values[1:])
                return values[0]
        del names[at], self.lines[at]
        return _value_of(line)

    def _forget(self, name: bytes) -> None:
        if name == b"via":
            self._top_via = None
        elif name == b"cseq":
            self._cseq = None
        elif name == b"call-id":
            self._call_id = None
        elif name == b"from":
            self._from_tag = None
        elif name == b"to":
            self._to_tag = None
        elif name == b"max-forwards":
            self._max_forwards = -1

    # --- fields

    def _needed(self, name: bytes) -> bytes:
        value = self.value(name)
        if value is None:
            raise ParseError(f"the {pretty(name).decode()} is missing", message=self)
        return value

    @property
    def top_via(self) -> Via:
        """The topmost Via.  Raises ParseError."""
        via = self._top_via
        if via is None:
            raw = self._needed(b"via")
            if b"," in raw:
                values = split_commas(raw)
                raw = values[0] if values else b""
            via = self._top_via = parse_via(raw)
        return via

    @property
    def top_branch(self) -> bytes | None:
        """The branch of the topmost Via, without taking the rest of it apart; None without one.

        Raises ParseError when there is no Via.
        """
        names = self.names
        if b"via" not in names:
            raise ParseError("the Via is missing", message=self)
        return branch_of(self.lines[names.index(b"via")])

    @property
    def vias(self) -> list[Via]:
        """Every Via.  Raises ParseError."""
        return [parse_via(raw) for raw in self.values(b"via")]

    @property
    def cseq(self) -> CSeq:
        """The CSeq.  Raises ParseError."""
        cseq = self._cseq
        if cseq is None:
            names = self.names
            line = self.lines[names.index(b"cseq")] if b"cseq" in names else b""
            cseq = self._cseq = cseq_of(line) or parse_cseq(self._needed(b"cseq"))
        return cseq

    @property
    def call_id(self) -> bytes:
        """The Call-ID.  Raises ParseError."""
        call_id = self._call_id
        if call_id is None:
            call_id = self._call_id = self._needed(b"call-id")
        return call_id

    @property
    def from_(self) -> NameAddr:
        """The From.  Raises ParseError."""
        return parse_name_addr(self._needed(b"from"))

    @property
    def to(self) -> NameAddr:
        """The To.  Raises ParseError."""
        return parse_name_addr(self._needed(b"to"))

    @property
    def from_tag(self) -> bytes | None:
        """The tag of the From.  Raises ParseError when there is no From."""
        tag = self._from_tag
        if tag is None:
            tag = self._from_tag = tag_of(self._needed(b"from")) or b""
        return tag or None

    @property
    def to_tag(self) -> bytes | None:
        """The tag of the To.  Raises ParseError when there is no To."""
        tag = self._to_tag
        if tag is None:
            tag = self._to_tag = tag_of(self._needed(b"to")) or b""
        return tag or None

    @property
    def contacts(self) -> list[Contact]:
        """Every Contact but ``*``.  Raises ParseError."""
        return [parse_contact(raw) for raw in self.values(b"contact") if raw != b"*"]

    @property
    def contact_star(self) -> bool:
        """Whether a Contact is ``*``."""
        return b"contact" in self.names and b"*" in self.values(b"contact")

    @property
    def routes(self) -> list[NameAddr]:
        """Every Route.  Raises ParseError."""
        return [parse_name_addr(raw) for raw in self.values(b"route")]

    @property
    def record_routes(self) -> list[NameAddr]:
        """Every Record-Route.  Raises ParseError."""
        return [parse_name_addr(raw) for raw in self.values(b"record-route")]

    @property
    def max_forwards(self) -> int | None:
        """The Max-Forwards, None when there is none.  Raises ParseError."""
        left = self._max_forwards
        if left == -1:
            left = self._max_forwards = self._read_max_forwards()
        return None if left == -2 else left

    def _read_max_forwards(self) -> int:
        value = self.value(b"max-forwards")
        if value is None:
            return -2
        if not value.isdigit() or len(value) > 9 or int(value) > 255:
            raise ParseError("the Max-Forwards is not a number from 0 to 255", message=self)
        return int(value)

    @property
    def expires(self) -> int | None:
        """The Expires in seconds; None when there is none or it makes no sense."""
        value = self.value(b"expires")
        return None if value is None else parse_expires(value)

    @property
    def content_length(self) -> int | None:
        """The Content-Length, None when there is none.  Raises ParseError."""
        value = self.value(b"content-length")
        if value is None:
            return None
        if not value.isdigit() or len(value) > 9:
            raise ParseError("the Content-Length is no number", message=self)
        return int(value)


def _value_of(line: bytes) -> bytes:
    value = line[line.find(b":") + 1 :].strip()
    if b"\n" in value:
        value = b" ".join(value.split())
    return value


class Request(Message):
    """A request.  ``uri_raw`` is the Request-URI as it stands."""

    __slots__ = ("_uri", "method", "uri_raw", "version")

    def __init__(
        self, method: str, uri_raw: bytes, names: list[bytes], lines: list[bytes], body: bytes = b""
    ) -> None:
        Message.__init__(self, names, lines, body)
        self.method: str = method
        self.uri_raw: bytes = uri_raw
        self.version: bytes = b"SIP/2.0"
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI.  Raises ParseError."""
        uri = self._uri
        if uri is None:
            uri = self._uri = parse_uri(self.uri_raw)
        return uri

    def set_uri(self, raw: bytes) -> None:
        """Put another Request-URI in."""
        self.uri_raw = raw
        self._uri = None

    def clone(self) -> "Request":
        """Give a copy that can be edited; the body and what was parsed are shared."""
        copy = Request(self.method, self.uri_raw, self.names[:], self.lines[:], self.body)
        copy._uri = self._uri
        copy._top_via = self._top_via
        copy._cseq = self._cseq
        copy._call_id = self._call_id
        copy._from_tag = self._from_tag
        copy._to_tag = self._to_tag
        copy._max_forwards = self._max_forwards
        return copy

    def stamp_source(self, host: str, port: int) -> None:
        """Note in the topmost Via where the request came from (section 18.2.1, RFC 3581).

        ``received`` is added when the Via names another host or asks for rport, which is then filled.
        What somebody else wrote there is replaced.  Raises ParseError.
        """
        via = self.top_via
        if via.host == host and not via.has_rport and via.received is None:
            return
        at = self.names.index(b"via")
        values = split_commas(_value_of(self.lines[at]))
        parts = [
            part
            for part in values[0].split(b";")
            if part.partition(b"=")[0].strip().lower() not in (b"received", b"rport")
        ]
        stamped = b";".join(part.strip() for part in parts)
        if via.host != host or via.has_rport:
            stamped += b";received=" + host.encode()
            via.received = host
        else:
            via.received = None
        if via.has_rport:
            stamped += b";rport=%d" % port
            via.rport = port
        self.lines[at] = b"Via: " + b", ".join([stamped, *values[1:]])

    def to_bytes(self) -> bytes:
        """Print the request."""
        start = b"%b %b SIP/2.0" % (self.method.encode("utf-8", "surrogateescape"), self.uri_raw)
        return b"\r\n".join([start, *self.lines, b"", self.body])


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: bytes, names: list[bytes], lines: list[bytes], body: bytes = b""
    ) -> None:
        Message.__init__(self, names, lines, body)
        self.status: int = status
        self.reason: bytes = reason

    def clone(self) -> "Response":
        """Give a copy that can be edited."""
        return Response(self.status, self.reason, self.names[:], self.lines[:], self.body)

    def to_bytes(self) -> bytes:
        """Print the response."""
        start = b"SIP/2.0 %d %b" % (self.status, self.reason)
        return b"\r\n".join([start, *self.lines, b"", self.body])
