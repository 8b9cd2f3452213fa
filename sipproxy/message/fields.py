"""Header fields that routing needs, each parsed by one expression for the common form.

RFC 3261 section 25.1 is the grammar.  Values come in as one line without its name, unfolded.
"""

import re
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.uri import Uri, parse_uri

_VIA: Final = re.compile(
    rb"SIP\s*/\s*2\.0\s*/\s*([\w\-.!%*+`'~]+)\s+"
    rb"(\[[0-9A-Fa-f:.%]+\]|[\w\-.]+)\s*(?::\s*([0-9]{1,5}))?\s*((?:;.*)?)\Z",
    re.IGNORECASE | re.DOTALL,
)
#: The form that nearly every Via has; all else takes the careful way.
_PLAIN_VIA: Final = re.compile(
    rb"SIP/2\.0/(UDP|TCP|TLS) +([\w.\-]+)(?::([0-9]{1,5}))?;branch=([^;,\s=\"]+)(;rport)?\Z"
)
_FIRST_BRANCH: Final = re.compile(rb"[^\",]*;[ \t]*branch[ \t]*=[ \t]*([^;,\s]+)", re.IGNORECASE)
_PLAIN_CSEQ: Final = re.compile(rb"CSeq: ([0-9]{1,9}) ([A-Z]+)\Z")
_METHOD_NAMES: Final[dict[bytes, str]] = {
    name.encode(): name
    for name in (
        "INVITE ACK BYE CANCEL REGISTER OPTIONS PRACK UPDATE INFO MESSAGE SUBSCRIBE NOTIFY PUBLISH "
        "REFER"
    ).split()
}
_TRANSPORT_NAMES: Final = {b"UDP": "UDP", b"TCP": "TCP", b"TLS": "TLS"}
_BRANCH: Final = re.compile(rb";\s*branch\s*=\s*([^;\s,]+)", re.IGNORECASE)
_CSEQ: Final = re.compile(rb"([0-9]{1,10})\s+([\w\-.!%*+`'~]+)\Z")
_TAG: Final = re.compile(rb";\s*tag\s*=\s*([^;\s,>]+)", re.IGNORECASE)
_TOKEN: Final = re.compile(rb"[\w\-.!%*+`'~]+\Z")
_Q: Final = re.compile(r"(?:0?\.[0-9]{0,3}|0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_DISPLAY: Final = re.compile(rb"(\"(?:[^\"\\]|\\.)*\"|[^\"<]*)<", re.DOTALL)
_NAME_ADDR: Final = re.compile(
    rb"\s*((?:\"(?:[^\"\\]|\\.)*\"|[^\"<,;]*))\s*<\s*([^<>\s]+)\s*>\s*((?:;.*)?)\Z", re.DOTALL
)
_QUOTED: Final = re.compile(rb"\"(?:[^\"\\]|\\.)*\"", re.DOTALL)

#: The largest CSeq number (section 8.1.1.5).
MAX_CSEQ: Final = 2**31 - 1

#: The largest expiry (section 20.19).
MAX_EXPIRES: Final = 2**32 - 1


def split_commas(raw: bytes) -> list[bytes]:
    """Split a list at the commas that stand outside quotes and angle brackets."""
    if b"," not in raw:
        return [raw.strip()]
    if b'"' not in raw and b"<" not in raw:
        return [part for part in map(bytes.strip, raw.split(b",")) if part]
    parts: list[bytes] = []
    start = at = 0
    quoted = bracketed = False
    length = len(raw)
    while at < length:
        octet = raw[at]
        if quoted:
            if octet == 0x5C:
                at += 1
            elif octet == 0x22:
                quoted = False
        elif octet == 0x22 and not bracketed:
            quoted = True
        elif octet == 0x3C:
            bracketed = True
        elif octet == 0x3E:
            bracketed = False
        elif octet == 0x2C and not bracketed:
            parts.append(raw[start:at].strip())
            start = at + 1
        at += 1
    parts.append(raw[start:].strip())
    return [part for part in parts if part]


def split_params(raw: bytes) -> list[tuple[str, str | None]]:
    """Split ``;name=value`` parameters outside quotes; names in lower case, quotes taken off."""
    found: list[tuple[str, str | None]] = []
    pieces = raw.split(b";") if b'"' not in raw else _split_quoted(raw)
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        key = name.strip()
        if key:
            text = value.strip()
            if text[:1] == b'"':
                text = re.sub(rb"\\(.)", rb"\1", text[1:-1], flags=re.DOTALL)
            found.append(
                (
                    key.decode("utf-8", "surrogateescape").lower(),
                    text.decode("utf-8", "surrogateescape") if equals else None,
                )
            )
    return found


def _split_quoted(raw: bytes) -> list[bytes]:
    parts: list[bytes] = []
    start = 0
    spans = [match.span() for match in _QUOTED.finditer(raw)]
    at = raw.find(b";")
    while at >= 0:
        inside = next((end for begin, end in spans if begin < at < end), 0)
        if inside:
            at = raw.find(b";", inside)
            continue
        parts.append(raw[start:at])
        start = at + 1
        at = raw.find(b";", start)
    parts.append(raw[start:])
    return parts


class Via:
    """One Via value.  ``sent_by`` is host[:port] in lower case as written, for matching."""

    __slots__ = (
        "branch",
        "has_rport",
        "host",
        "maddr",
        "port",
        "received",
        "rport",
        "sent_by",
        "transport",
        "ttl",
    )

    def __init__(
        self,
        transport: str,
        host: str,
        port: int | None,
        sent_by: bytes,
        branch: bytes | None = None,
        has_rport: bool = False,
    ) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.sent_by = sent_by
        self.branch = branch
        self.has_rport = has_rport
        self.rport: int | None = None
        self.received: str | None = None
        self.maddr: str | None = None
        self.ttl: int | None = None


def parse_via(raw: bytes) -> Via:
    """Take one Via value apart.  Raises ParseError."""
    plain = _PLAIN_VIA.match(raw)
    if plain is not None:
        name, place, digits, branch_raw, rport = plain.groups()
        place = place.lower()
        if digits is None:
            sent_by, number = place, None
        else:
            sent_by, number = place + b":" + digits, int(digits)
            if not 0 < number < 65536:
                raise ParseError("a Via's port is out of range")
        transport_name = _TRANSPORT_NAMES[name]
        return Via(
            transport_name, place.decode("ascii", "replace"), number, sent_by, branch_raw, rport is not None
        )
    match = _VIA.match(raw)
    if match is None:
        raise ParseError("a Via is malformed")
    transport, host_raw, port_raw, params = match.groups()
    host = host_raw.decode("ascii", "replace").lower()
    port = None
    sent_by = host_raw.lower()
    if port_raw:
        port = int(port_raw)
        if not 0 < port < 65536:
            raise ParseError("a Via's port is out of range")
        sent_by += b":" + port_raw
    via = Via(transport.decode("ascii", "replace").upper(), host.strip("[]"), port, sent_by)
    if params:
        branch = _BRANCH.search(params)
        if branch is not None:
            via.branch = branch.group(1)
        _via_params(via, params)
    return via


def _via_params(via: Via, raw: bytes) -> None:
    for name, value in split_params(raw):
        if name == "received" and value:
            via.received = value.strip("[]").lower()
        elif name == "rport":
            via.has_rport = True
            if value and value.isascii() and value.isdigit() and len(value) < 6:
                via.rport = int(value)
        elif name == "maddr" and value:
            via.maddr = value.lower()
        elif name == "ttl" and value and value.isascii() and value.isdigit() and len(value) < 4:
            via.ttl = int(value)


class NameAddr:
    """A URI with a display name and parameters, as in From, To, Route and Contact."""

    __slots__ = ("_params", "_uri", "display", "params_raw", "uri_raw")

    def __init__(self, display: bytes, uri_raw: bytes, params_raw: bytes) -> None:
        self.display = display
        self.uri_raw = uri_raw
        self.params_raw = params_raw
        self._uri: Uri | None = None
        self._params: dict[str, str | None] | None = None

    @property
    def uri(self) -> Uri:
        """The URI, parsed when first asked for.  Raises ParseError."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_raw)
        return self._uri

    def param(self, name: str) -> str | None:
        """Give a parameter's value, "" for a flag, None when it is not there."""
        if not self.params_raw:
            return None
        if self._params is None:
            params: dict[str, str | None] = {}
            for key, value in split_params(self.params_raw):
                params.setdefault(key, value)
            self._params = params
        if name not in self._params:
            return None
        return self._params[name] or ""

    @property
    def tag(self) -> bytes | None:
        """The tag parameter."""
        value = self.param("tag")
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def to_bytes(self) -> bytes:
        """Print the value."""
        display = self.display + b" " if self.display else b""
        return display + b"<" + self.uri_raw + b">" + self.params_raw


class Contact(NameAddr):
    """A Contact value with its q (thousandths) and expiry (seconds, None when missing or nonsense)."""

    __slots__ = ()

    @property
    def q(self) -> int:
        """The preference, 1000 when none is given.  Raises ParseError."""
        value = self.param("q")
        if value is None:
            return 1000
        if not _Q.match(value) or value == ".":
            raise ParseError("a Contact's q is not between 0 and 1")
        return round(float(value) * 1000)

    @property
    def expires(self) -> int | None:
        """The expires parameter."""
        value = self.param("expires")
        return None if value is None else parse_expires(value.encode("utf-8", "surrogateescape"))


def _split_name_addr(raw: bytes) -> tuple[bytes, bytes, bytes]:
    match = _NAME_ADDR.match(raw)
    if match is not None:
        display, uri, params = match.groups()
        return display.strip(), uri, params
    if b"<" in raw or b'"' in raw or b">" in raw:
        raise ParseError("a name or address is malformed")
    # Without brackets everything after the first semicolon belongs to the header (section 20).
    uri, semicolon, params = raw.strip().partition(b";")
    uri = uri.strip()
    if not uri or b" " in uri or b"\t" in uri or b"," in uri or b"?" in uri:
        raise ParseError("an address is malformed")
    return b"", uri, semicolon + params


def parse_name_addr(raw: bytes) -> NameAddr:
    """Take a From, To, Route or Record-Route value apart.  Raises ParseError."""
    return NameAddr(*_split_name_addr(raw))


def parse_contact(raw: bytes) -> Contact:
    """Take one Contact value apart.  Raises ParseError."""
    return Contact(*_split_name_addr(raw))


class CSeq:
    """A CSeq: number and method."""

    __slots__ = ("method", "number")

    def __init__(self, number: int, method: str) -> None:
        self.number = number
        self.method = method


def parse_cseq(raw: bytes) -> CSeq:
    """Take a CSeq apart.  Raises ParseError."""
    match = _CSEQ.match(raw)
    if match is None:
        raise ParseError("the CSeq is malformed")
    number = int(match.group(1))
    if number > MAX_CSEQ:
        raise ParseError("the CSeq number is out of range")
    return CSeq(number, match.group(2).decode("ascii", "replace"))


def cseq_of(line: bytes) -> CSeq | None:
    """Take apart a whole CSeq line of the usual form; None for any other."""
    match = _PLAIN_CSEQ.match(line)
    if match is None:
        return None
    number, method = match.groups()
    return CSeq(int(number), _METHOD_NAMES.get(method) or method.decode())


def branch_of(line: bytes) -> bytes | None:
    """Find the branch of the first value of a Via line."""
    match = _FIRST_BRANCH.match(line)
    return match.group(1) if match is not None else None


def parse_expires(raw: bytes) -> int | None:
    """Read a number of seconds; None for nonsense, the largest value for anything above it."""
    text = raw.strip()
    if not text.isdigit():
        return None
    return min(int(text[:20]), MAX_EXPIRES)


def tag_of(raw: bytes) -> bytes | None:
    """Find the tag of a From or To value without taking it apart."""
    at = raw.rfind(b">")
    if at >= 0 and raw[at + 1 : at + 6] == b";tag=":
        tag = raw[at + 6 :]
        if b";" not in tag and b" " not in tag and b"," not in tag and tag:
            return tag
    match = _TAG.search(raw, max(at, 0))
    return match.group(1) if match is not None else None
