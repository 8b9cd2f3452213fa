"""Header fields that routing needs: Via, CSeq, and the addresses of From, To, Contact and Route.

RFC 3261 section 25.1 is the grammar. Each has one expression for the form that nearly all messages
use, and a careful way for the rest that comes to the same result. Values come in without their name
and on one line (see ``values.py``). No pattern looks at an octet more than a few times.
"""

import re
from typing import Final

from sipproxy.message.errors import ParseError
from sipproxy.message.grammar import MAX_CSEQ, MAX_EXPIRES, METHODS, QUOTED, TOKEN
from sipproxy.message.uri import Uri, parse_uri
from sipproxy.message.values import split_commas, split_params, split_semicolons, unquote

__all__ = (
    "CSeq",
    "Contact",
    "NameAddr",
    "Via",
    "branch_of",
    "cseq_of",
    "parse_contact",
    "parse_cseq",
    "parse_expires",
    "parse_name_addr",
    "parse_via",
    "split_commas",
    "split_params",
    "tag_of",
    "via_of",
)

_HOST: Final = rb"[\w\-.]++|\[[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]*+\]"

#: The form that nearly every Via has, as a value or as a whole line.
_PLAIN_VIA: Final = re.compile(
    rb"(?:Via: |v: )?SIP/2\.0/(UDP|TCP|TLS|WSS?) (("
    + _HOST
    + rb")(?::([1-9][0-9]{0,4}))?)(;rport)?;branch=(["
    + TOKEN
    + rb"]++)(;rport)?(?:;received=([0-9.]++))?(?:;alias)?\Z"
)
#: As much of a Via as tells its branch.
_BRANCH: Final = re.compile(
    rb"(?:Via: |v: )?SIP/2\.0/[A-Z]++ [\w\-.:\[\]]*+(?:;rport)?;branch=(["
    + TOKEN
    + rb"]++)(?=[;,]|\Z)"
)
_VIA: Final = re.compile(
    rb"[Ss][Ii][Pp][ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+([" + TOKEN + rb"]++)[ \t]++"
    rb"(" + _HOST + rb")[ \t]*+(?::[ \t]*+([0-9]{1,5}))?[ \t]*+(;.*)?\Z",
    re.DOTALL,
)
_TRANSPORTS: Final = {b"UDP": "UDP", b"TCP": "TCP", b"TLS": "TLS", b"WS": "WS", b"WSS": "WSS"}

_PLAIN_CSEQ: Final = re.compile(rb"(?:CSeq: )?([0-9]{1,9}) ([A-Z]++)\Z")
_CSEQ: Final = re.compile(rb"(?=[0-9])0*+([0-9]{0,10})[ \t]++([" + TOKEN + rb"]++)\Z")

_TOKEN: Final = re.compile(rb"[" + TOKEN + rb"]++\Z")
_PLAIN_TAG: Final = re.compile(rb">;tag=([" + TOKEN + rb"]++)\Z")

#: Display name, URI between brackets, parameters.
_NAME_ADDR: Final = re.compile(
    rb"[ \t]*+(" + QUOTED + rb'|[^"<>]*+)[ \t]*+<([^<>" \t\r\n]++)>[ \t]*+(;.*)?\Z', re.DOTALL
)
#: A URI without brackets may have no parameters or headers of its own, and no comma (section 20).
_ADDR_SPEC: Final = re.compile(rb'([^<>",;? \t\r\n]++)[ \t]*+(;.*)?\Z', re.DOTALL)

_Q: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?|\.[0-9]{1,3})\Z")


class Via:
    """One Via value. ``sent_by`` is host[:port] in lower case as it was written, for matching."""

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
        received: str | None = None,
        rport: int | None = None,
        maddr: str | None = None,
        ttl: int | None = None,
    ) -> None:
        self.transport: str = transport
        self.host: str = host
        self.port: int | None = port
        self.sent_by: bytes = sent_by
        self.branch: bytes | None = branch
        self.has_rport: bool = has_rport
        self.received: str | None = received
        self.rport: int | None = rport
        self.maddr: str | None = maddr
        self.ttl: int | None = ttl


def via_of(line: bytes) -> Via | None:
    """Take apart a Via line (or a value) of the usual form; None for any other."""
    match = _PLAIN_VIA.match(line)
    if match is None:
        return None
    name, sent_by, host_raw, digits, rport, branch, late_rport, received = match.groups()
    host = host_raw.decode().lower()
    if host[0] == "[":
        host = host[1:-1]
    port = None
    if digits is not None:
        port = int(digits)
        if port > 65535:
            return None
    sent_by = sent_by.lower()
    asked = rport is not None or late_rport is not None
    if received is None:
        return Via(_TRANSPORTS[name], host, port, sent_by, branch, asked)
    return Via(_TRANSPORTS[name], host, port, sent_by, branch, asked, received.decode())


def parse_via(raw: bytes) -> Via:
    """Take one Via value apart. Raises ParseError."""
    via = via_of(raw)
    if via is not None:
        return via
    match = _VIA.match(raw)
    if match is None:
        raise ParseError("a Via is malformed")
    transport, sent_by, digits, params = match.groups()
    sent_by = sent_by.lower()
    host = sent_by.decode().strip("[]")
    port = None
    if digits:
        port = int(digits)
        if not 0 < port < 65536:
            raise ParseError("a Via's port is out of range")
        sent_by = sent_by + b":" + digits
    via = Via(transport.decode().upper(), host, port, sent_by)
    if params:
        _read_via_params(via, params)
    return via


def _read_via_params(via: Via, raw: bytes) -> None:
    """Note the parameters that matter; of a name given twice the first counts."""
    seen: set[bytes] = set()
    for piece in split_semicolons(raw):
        name, _, value = piece.partition(b"=")
        name, value = name.rstrip().lower(), value.lstrip()
        if name in seen:
            continue
        seen.add(name)
        if name == b"branch":
            if not _TOKEN.match(value):
                raise ParseError("a Via's branch is malformed")
            via.branch = value
        elif name == b"rport":
            via.has_rport = True
            via.rport = _small(value, 65535)
        elif name == b"received":
            via.received = _host(value)
        elif name == b"maddr":
            via.maddr = _host(value)
        elif name == b"ttl":
            via.ttl = _small(value, 255)


def _host(raw: bytes) -> str | None:
    """Read a host among parameters; it may be quoted, and an IPv6 address may lack its brackets."""
    return unquote(raw).decode("utf-8", "surrogateescape").strip("[]").lower() or None


def _small(raw: bytes, largest: int) -> int | None:
    if not raw.isdigit() or len(raw) > 5:
        return None
    number = int(raw)
    return number if number <= largest else None


def branch_of(line: bytes) -> bytes | None:
    """Find the branch in a Via line (or value) that has it early, as usual; None for any other."""
    match = _BRANCH.match(line)
    return None if match is None else match.group(1)


class NameAddr:
    """A URI with a display name and parameters, as in From, To, Route and Contact.

    ``display`` is as it was written, with its quotes. ``params_raw`` begins with a semicolon.
    """

    __slots__ = ("_params", "display", "params_raw", "uri_raw")

    def __init__(self, display: bytes, uri_raw: bytes, params_raw: bytes) -> None:
        self.display: bytes = display
        self.uri_raw: bytes = uri_raw
        self.params_raw: bytes = params_raw
        self._params: dict[str, str] | None = None

    @property
    def uri(self) -> Uri:
        """The URI, parsed when asked for. Raises ParseError."""
        return parse_uri(self.uri_raw)

    def param(self, name: str) -> str | None:
        """Give a parameter's value without quotes, "" for a flag, None when it is not there.

        ``name`` is in lower case; of a name given twice the first counts.
        """
        if not self.params_raw:
            return None
        params = self._params
        if params is None:
            params = self._params = {}
            for key, value in split_params(self.params_raw):
                if key not in params:
                    params[key] = value or ""
        return params.get(name)

    @property
    def tag(self) -> bytes | None:
        """The tag parameter."""
        value = self.param("tag")
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def to_bytes(self) -> bytes:
        """Print the value, with brackets."""
        display = self.display + b" " if self.display else b""
        return display + b"<" + self.uri_raw + b">" + self.params_raw


class Contact(NameAddr):
    """A Contact value, with its preference and its interval."""

    __slots__ = ()

    @property
    def q(self) -> int:
        """The preference in thousandths, 1000 when none is given. Raises ParseError."""
        value = self.param("q")
        if value is None:
            return 1000
        if not _Q.match(value):
            raise ParseError("a Contact's q is not a number from 0 to 1")
        return round(float(value) * 1000)

    @property
    def expires(self) -> int | None:
        """The interval in seconds; None when there is none or it makes no sense (section 10.3)."""
        value = self.param("expires")
        return None if value is None else parse_expires(value.encode("utf-8", "surrogateescape"))


def _parts(raw: bytes) -> tuple[bytes, bytes, bytes]:
    match = _NAME_ADDR.match(raw)
    if match is not None:
        display, uri, params = match.groups()
        return display.rstrip(), uri, params or b""
    match = _ADDR_SPEC.match(raw.strip())
    if match is None:
        raise ParseError("a name or an address is malformed")
    uri, params = match.groups()
    return b"", uri, params or b""


def parse_name_addr(raw: bytes) -> NameAddr:
    """Take a From, To, Route or Record-Route value apart. Raises ParseError."""
    display, uri, params = _parts(raw)
    return NameAddr(display, uri, params)


def parse_contact(raw: bytes) -> Contact:
    """Take one Contact value apart. Raises ParseError."""
    display, uri, params = _parts(raw)
    return Contact(display, uri, params)


def tag_of(raw: bytes) -> bytes | None:
    """Find the tag of a From or To (line or value) that ends in it; None for any other form.

    Nothing but the brackets of the URI ends in ``>`` outside quotes, and a tag has no quotes.
    """
    match = _PLAIN_TAG.match(raw, raw.rfind(b">"))
    return None if match is None else match.group(1)


class CSeq:
    """A CSeq: number and method."""

    __slots__ = ("method", "number")

    def __init__(self, number: int, method: str) -> None:
        self.number: int = number
        self.method: str = method


def cseq_of(line: bytes) -> CSeq | None:
    """Take apart a CSeq line (or a value) of the usual form; None for any other."""
    match = _PLAIN_CSEQ.match(line)
    if match is None:
        return None
    number, method = match.groups()
    return CSeq(int(number), METHODS.get(method) or method.decode())


def parse_cseq(raw: bytes) -> CSeq:
    """Take a CSeq apart. Raises ParseError."""
    match = _CSEQ.match(raw)
    if match is None:
        raise ParseError("the CSeq is malformed")
    number = int(match.group(1) or b"0")
    if number > MAX_CSEQ:
        raise ParseError("the CSeq number is out of range")
    return CSeq(number, match.group(2).decode())


def parse_expires(raw: bytes) -> int | None:
    """Read a number of seconds; None for nonsense, the largest value for anything above it."""
    text = raw.strip()
    if not text.isdigit():
        return None
    return min(int(text.lstrip(b"0")[:11] or b"0"), MAX_EXPIRES)
