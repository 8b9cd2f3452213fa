"""Requests and responses: a header, a body, and fields that are parsed when they are asked for.

What was parsed is kept until the header is edited. Lists and fields that a message gives are its
own, shared with its clones: look at them, but do not change them.
"""

from typing import ClassVar, Final

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
    tag_of,
    via_of,
)
from sipproxy.message.grammar import MAX_FORWARDS, pretty
from sipproxy.message.headers import Headers
from sipproxy.message.uri import Uri, parse_uri
from sipproxy.message.values import end_of_first, split_list, split_semicolons, value_of

#: In place of a Max-Forwards: not looked at yet, and none there.
_UNREAD: Final = -1
_NONE: Final = -2

#: The lines that a Max-Forwards nearly always is; looking one up takes a fifth of reading it.
_HOPS_LEFT: Final = {b"Max-Forwards: %d" % left: left for left in range(MAX_FORWARDS + 1)}


class Message(Headers):
    """What requests and responses have in common."""

    __slots__ = (
        "_call_id",
        "_contacts",
        "_cseq",
        "_from",
        "_from_tag",
        "_max_forwards",
        "_routes",
        "_to",
        "_to_tag",
        "_top_via",
        "body",
        "wire_size",
    )

    def __init__(self, names: list[bytes], lines: list[bytes], body: bytes) -> None:
        # Not by way of Headers.__init__: each call costs as much as five of these lines.
        self.names = names
        self.lines = lines
        self.body: bytes = body
        #: Octets that it had when it came; 0 for a message that was made here.
        self.wire_size: int = 0
        self._top_via: Via | None = None
        self._cseq: CSeq | None = None
        self._call_id: bytes | None = None
        #: Tags: None is not looked at yet, empty is none there.
        self._from_tag: bytes | None = None
        self._to_tag: bytes | None = None
        self._max_forwards: int = _UNREAD
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._contacts: list[Contact] | None = None
        self._routes: list[NameAddr] | None = None

    def _take_fields(self, other: "Message") -> None:
        """Take over what another message with the same lines has parsed."""
        self._top_via = other._top_via
        self._cseq = other._cseq
        self._call_id = other._call_id
        self._from_tag = other._from_tag
        self._to_tag = other._to_tag
        self._max_forwards = other._max_forwards
        self._from = other._from
        self._to = other._to
        self._contacts = other._contacts
        self._routes = other._routes

    def _forget(self, name: bytes) -> None:
        if name == b"via":
            self._top_via = None
        elif name == b"max-forwards":
            self._max_forwards = _UNREAD
        elif name == b"route":
            self._routes = None
        elif name == b"contact":
            self._contacts = None
        elif name == b"to":
            self._to = self._to_tag = None
        elif name == b"from":
            self._from = self._from_tag = None
        elif name == b"cseq":
            self._cseq = None
        elif name == b"call-id":
            self._call_id = None

    def _line(self, name: bytes) -> bytes:
        """Give the first line of a header that must be there. Raises ParseError."""
        try:
            return self.lines[self.names.index(name)]
        except ValueError:
            raise ParseError(f"the {pretty(name).decode()} is missing") from None

    # --- the whole

    @property
    def first_line(self) -> bytes:
        """The request line or status line, without its line end."""
        raise NotImplementedError

    def clone(self) -> "Message":
        """Give a copy that can be edited; the body and what was parsed are shared."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Print the message."""
        return b"\r\n".join([self.first_line, *self.lines, b"", self.body])

    # --- fields that every message has

    @property
    def top_via(self) -> Via:
        """The topmost Via. Raises ParseError."""
        via = self._top_via
        if via is None:
            line = self._line(b"via")
            via = via_of(line)
            if via is None:
                via = parse_via(split_list(value_of(line))[0])
            self._top_via = via
        return via

    @property
    def top_branch(self) -> bytes | None:
        """The branch of the topmost Via, None when that has none. Raises ParseError."""
        via = self._top_via
        if via is None:
            branch = branch_of(self._line(b"via"))
            if branch is not None:
                return branch
            via = self.top_via
        return via.branch

    @property
    def vias(self) -> list[Via]:
        """Every Via. Raises ParseError."""
        found: list[Via] = []
        for raw in self.raw_values(b"via"):
            for value in split_list(raw):
                found.append(parse_via(value))
        return found

    @property
    def cseq(self) -> CSeq:
        """The CSeq. Raises ParseError."""
        cseq = self._cseq
        if cseq is None:
            line = self._line(b"cseq")
            cseq = self._cseq = cseq_of(line) or parse_cseq(value_of(line))
        return cseq

    @property
    def call_id(self) -> bytes:
        """The Call-ID. Raises ParseError when it is missing."""
        call_id = self._call_id
        if call_id is None:
            call_id = self._call_id = value_of(self._line(b"call-id"))
        return call_id

    @property
    def from_(self) -> NameAddr:
        """The From. Raises ParseError."""
        if self._from is None:
            self._from = parse_name_addr(value_of(self._line(b"from")))
        return self._from

    @property
    def to(self) -> NameAddr:
        """The To. Raises ParseError."""
        if self._to is None:
            self._to = parse_name_addr(value_of(self._line(b"to")))
        return self._to

    @property
    def from_tag(self) -> bytes | None:
        """The tag of the From, None without one. Raises ParseError."""
        tag = self._from_tag
        if tag is None:
            tag = self._from_tag = tag_of(self._line(b"from")) or self.from_.tag or b""
        return tag or None

    @property
    def to_tag(self) -> bytes | None:
        """The tag of the To, None without one. Raises ParseError."""
        tag = self._to_tag
        if tag is None:
            line = self._line(b"to")
            # A To that ends with its bracket has no tag: most requests outside of dialogs.
            tag = b"" if line[-1:] == b">" else tag_of(line) or self.to.tag or b""
            self._to_tag = tag
        return tag or None

    # --- fields that some messages have

    @property
    def contacts(self) -> list[Contact]:
        """Every Contact but ``*``. Raises ParseError."""
        contacts = self._contacts
        if contacts is None:
            values = self.values(b"contact")
            contacts = [parse_contact(raw) for raw in values if raw != b"*"]
            self._contacts = contacts
        return contacts

    @property
    def contact_star(self) -> bool:
        """Whether a Contact is ``*``."""
        return b"contact" in self.names and b"*" in self.values(b"contact")

    @property
    def routes(self) -> list[NameAddr]:
        """Every Route. Raises ParseError."""
        routes = self._routes
        if routes is None:
            routes = self._routes = [parse_name_addr(raw) for raw in self.values(b"route")]
        return routes

    @property
    def record_routes(self) -> list[NameAddr]:
        """Every Record-Route. Raises ParseError."""
        return [parse_name_addr(raw) for raw in self.values(b"record-route")]

    @property
    def max_forwards(self) -> int | None:
        """The Max-Forwards, None when there is none. Raises ParseError."""
        left = self._max_forwards
        if left == _UNREAD:
            left = self._max_forwards = self._read_max_forwards()
        return None if left == _NONE else left

    def _read_max_forwards(self) -> int:
        try:
            line = self.lines[self.names.index(b"max-forwards")]
        except ValueError:
            return _NONE
        left = _HOPS_LEFT.get(line)
        if left is not None:
            return left
        value = value_of(line)
        number = int(value) if value.isdigit() and len(value) < 10 else -1
        if not 0 <= number <= MAX_FORWARDS:
            raise ParseError("the Max-Forwards is not a number from 0 to 255")
        return number

    @property
    def expires(self) -> int | None:
        """The Expires in seconds; None when there is none or it makes no sense."""
        value = self.value(b"expires")
        return None if value is None else parse_expires(value)

    @property
    def content_length(self) -> int | None:
        """The Content-Length, None when there is none. Raises ParseError."""
        value = self.value(b"content-length")
        if value is None:
            return None
        if not value.isdigit() or len(value) > 9:
            raise ParseError("the Content-Length is not a number")
        return int(value)


class Request(Message):
    """A request. ``uri_raw`` is the Request-URI as it stands; ``version`` is always SIP/2.0."""

    __slots__ = ("_uri", "method", "uri_raw")

    version: ClassVar[bytes] = b"SIP/2.0"

    def __init__(
        self, method: str, uri_raw: bytes, names: list[bytes], lines: list[bytes], body: bytes = b""
    ) -> None:
        Message.__init__(self, names, lines, body)
        self.method: str = method
        self.uri_raw: bytes = uri_raw
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises ParseError."""
        uri = self._uri
        if uri is None:
            uri = self._uri = parse_uri(self.uri_raw)
        return uri

    def set_uri(self, raw: bytes) -> None:
        """Put another Request-URI in. Raises ValueError for one that would end the request line."""
        if b" " in raw or b"\n" in raw or b"\r" in raw:
            raise ValueError("a Request-URI may not hold blanks or line ends")
        self.uri_raw = raw
        self._uri = None

    @property
    def first_line(self) -> bytes:
        """The request line, without its line end."""
        return b"%b %b SIP/2.0" % (self.method.encode("utf-8", "surrogateescape"), self.uri_raw)

    def clone(self) -> "Request":
        """Give a copy that can be edited; the body and what was parsed are shared."""
        copy = Request(self.method, self.uri_raw, self.names[:], self.lines[:], self.body)
        copy._uri = self._uri
        copy._take_fields(self)
        return copy

    def stamp_source(self, host: str, port: int) -> None:
        """Note in the topmost Via where the request came from (section 18.2.1, RFC 3581).

        ``received`` is added when the Via names another host or asks for rport, which is then
        filled. What somebody else wrote there is replaced. Raises ParseError.
        """
        via = self.top_via
        asked = via.has_rport
        differs = asked or via.host != host
        if not differs and via.received is None:
            return
        at = self.names.index(b"via")
        line = self.lines[at]
        end = end_of_first(line)
        stamped = _without_source(line[:end], via)
        if differs:
            stamped += b";received=" + host.encode()
        if asked:
            stamped += b";rport=%d" % port
        self.lines[at] = stamped + line[end:]
        self._top_via = Via(
            via.transport,
            via.host,
            via.port,
            via.sent_by,
            via.branch,
            asked,
            host if differs else None,
            port if asked else None,
            via.maddr,
            via.ttl,
        )


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: bytes, names: list[bytes], lines: list[bytes], body: bytes = b""
    ) -> None:
        Message.__init__(self, names, lines, body)
        self.status: int = status
        self.reason: bytes = reason

    @property
    def first_line(self) -> bytes:
        """The status line, without its line end."""
        return b"SIP/2.0 %d %b" % (self.status, self.reason)

    def clone(self) -> "Response":
        """Give a copy that can be edited; the body and what was parsed are shared."""
        copy = Response(self.status, self.reason, self.names[:], self.lines[:], self.body)
        copy._take_fields(self)
        return copy


def _without_source(line: bytes, via: Via) -> bytes:
    """Take ``received`` and ``rport`` off a Via line of one value."""
    if via.branch is not None:
        # Nearly always the branch is all that there is, or the branch and an empty rport.
        if not via.has_rport:
            if line.count(b";") == 1:
                return line
        elif line.count(b";") == 2 and (b";rport;" in line or line.endswith(b";rport")):
            return line.replace(b";rport", b"", 1)
    parts: list[bytes] = []
    for part in split_semicolons(line):
        if part.partition(b"=")[0].rstrip().lower() not in (b"received", b"rport"):
            parts.append(part)
    return b";".join(parts)
