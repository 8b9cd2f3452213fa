"""URIs: sip:, sips: and tel: taken apart, any other kept whole (RFC 3261 section 19.1, RFC 3966).

Parts stay as they were written, escapes included; only scheme and host are put into lower case.
"""

import re
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from sipproxy.message.errors import ParseError

# More is taken than section 25.1 allows where nothing else can be meant: "#", "|" and letters
# beyond ASCII in a user, "_" in a host. Never blanks, quotes, angle brackets, control characters.
_SIP: Final = re.compile(
    r"([Ss][Ii][Pp][Ss]?):"
    r"(?:([\w\-.!~*'()&=+$,;?/%#|\x80-\U0010ffff]++)(?::([^\x00-\x20\x7f@:<>\"]*+))?@)?"
    r"([\w\-.]++|\[[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]*+\])"
    r"(?::([0-9]{1,5}))?"
    r"(?:;([^\x00-\x20\x7f?@<>\"]*+))?"
    r"(?:\?([^\x00-\x20\x7f<>\"]*+))?\Z",
    re.ASCII,
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):([^\x00-\x20\x7f<>\"]++)\Z")
_TEL: Final = re.compile(r"(\+?[0-9A-Fa-f*#()\-.]++)(?:;([^?@]*+))?\Z")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_SEPARATORS: Final = re.compile(r"[-.()]")

#: An escape of one of these is not the same as the character itself (section 19.1.4, RFC 2396).
_RESERVED: Final = b";/?:@&=+$,%"

#: Parameters that must be in both URIs, or in neither, for them to be equal. Section 19.1.4 names
#: the first four, and gives an example of two URIs that differ by a transport on one side.
_SIGNIFICANT: Final = frozenset(("user", "ttl", "method", "maddr", "transport"))


def unescape(text: str) -> str:
    """Replace %XX escapes by the octets they stand for, read as UTF-8; leave what is no escape."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode(
        "utf-8", "surrogateescape"
    )


def _resolve(match: re.Match[bytes]) -> bytes:
    octet = int(match.group(1), 16)
    return match.group().upper() if octet in _RESERVED else bytes((octet,))


def _comparable(text: str) -> str:
    """Resolve escapes but those of reserved characters, which are put into upper case."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_resolve, raw).decode("utf-8", "surrogateescape")


class SipUri:
    """A sip: or sips: URI; ``host`` in lower case without brackets, ``params`` and ``headers`` raw.

    A parsed URI is shared by all who ask for the same octets: nobody may change one.
    """

    __slots__ = ("headers", "host", "params", "password", "port", "scheme", "user")

    def __init__(
        self,
        scheme: str,
        user: str | None,
        password: str | None,
        host: str,
        port: int | None,
        params: str = "",
        headers: str = "",
    ) -> None:
        self.scheme: str = scheme
        self.user: str | None = user
        self.password: str | None = password
        self.host: str = host
        self.port: int | None = port
        self.params: str = params
        self.headers: str = headers

    def param(self, name: str) -> str | None:
        """Give a parameter's value unescaped, "" for a flag, None when it is not there.

        ``name`` is in lower case.
        """
        params = self.params
        if not params or ("%" not in params and name not in params.lower()):
            return None
        for part in params.split(";"):
            key, _, value = part.partition("=")
            if unescape(key).lower() == name:
                return unescape(value)
        return None

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case."""
        value = self.param("transport")
        return value.lower() if value else None

    @property
    def unescaped_user(self) -> str | None:
        """The user part with its escapes resolved."""
        return None if self.user is None else unescape(self.user)

    @property
    def host_port(self) -> str:
        """Host, and port when there is one, as a URI prints them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def to_bytes(self) -> bytes:
        """Print the URI."""
        user = ""
        if self.user is not None:
            password = f":{self.password}" if self.password is not None else ""
            user = f"{self.user}{password}@"
        params = f";{self.params}" if self.params else ""
        headers = f"?{self.headers}" if self.headers else ""
        text = f"{self.scheme}:{user}{self.host_port}{params}{headers}"
        return text.encode("utf-8", "surrogateescape")

    def equals(self, other: object) -> bool:
        """Compare as RFC 3261 section 19.1.4 has it. That is not transitive, hence no ``==``."""
        if not isinstance(other, SipUri):
            return False
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        if not _same_part(self.user, other.user) or not _same_part(self.password, other.password):
            return False
        if self.params != other.params and not _same_params(self.params, other.params):
            return False
        return self.headers == other.headers or _headers(self.headers) == _headers(other.headers)

    def __repr__(self) -> str:
        return f"<SipUri {self.to_bytes().decode('utf-8', 'backslashreplace')}>"


def _same_part(one: str | None, two: str | None) -> bool:
    if one is None or two is None:
        return one is two
    return one == two or _comparable(one) == _comparable(two)


def _params(raw: str) -> dict[str, str]:
    """Read parameters for comparison: all in lower case, of a name given twice the first."""
    found: dict[str, str] = {}
    for part in raw.split(";"):
        if part:
            name, _, value = part.partition("=")
            found.setdefault(_comparable(name).lower(), _comparable(value).lower())
    return found


def _same_params(one: str, two: str) -> bool:
    left, right = _params(one), _params(two)
    for name in left.keys() | right.keys():
        if name in left and name in right:
            if left[name] != right[name]:
                return False
        elif name in _SIGNIFICANT:
            return False
    return True


def _headers(raw: str) -> list[tuple[str, str]]:
    """Read the headers of a URI for comparison, in an order that does not depend on theirs."""
    found: list[tuple[str, str]] = []
    for part in raw.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.append((_comparable(name).lower(), _comparable(value)))
    found.sort()
    return found


class TelUri:
    """A telephone number (RFC 3966); ``number`` is without visual separators, ``params`` raw."""

    __slots__ = ("number", "params", "raw")
    scheme: Final = "tel"

    def __init__(self, number: str, params: str, raw: bytes) -> None:
        self.number: str = number
        self.params: str = params
        self.raw: bytes = raw

    def to_bytes(self) -> bytes:
        """Give the URI as it was written."""
        return self.raw

    def equals(self, other: object) -> bool:
        """Compare as RFC 3966 section 4 has it: separators, case and order do not count."""
        if not isinstance(other, TelUri):
            return False
        return self.number.lower() == other.number.lower() and _params(self.params) == _params(
            other.params
        )


class OtherUri:
    """A URI of a scheme that this server does nothing with but pass on."""

    __slots__ = ("opaque", "raw", "scheme")

    def __init__(self, scheme: str, opaque: str, raw: bytes) -> None:
        self.scheme: str = scheme
        self.opaque: str = opaque
        self.raw: bytes = raw

    def to_bytes(self) -> bytes:
        """Give the URI as it was written."""
        return self.raw

    def equals(self, other: object) -> bool:
        """Compare octet by octet but for the scheme: the rules of the scheme are not known here."""
        return (
            isinstance(other, OtherUri)
            and self.scheme == other.scheme
            and self.opaque == other.opaque
        )


Uri: TypeAlias = SipUri | TelUri | OtherUri

#: URIs parsed lately: in a call the same Contact is parsed for target, ACK and BYE, and the same
#: user calls again. Parsing takes 1.1 microseconds, finding 0.05. Long ones are not kept, so that
#: nobody fills the memory with them.
_LATELY: Final[dict[bytes, Uri]] = {}
_MAX_LATELY: Final = 4096
_MAX_KEPT: Final = 200


def parse_uri(raw: bytes) -> Uri:
    """Take a URI apart. Raises ParseError."""
    uri = _LATELY.get(raw)
    if uri is None:
        uri = _parse(raw)
        if len(raw) <= _MAX_KEPT:
            if len(_LATELY) >= _MAX_LATELY:
                _LATELY.clear()
            _LATELY[raw] = uri
    return uri


def _parse(raw: bytes) -> Uri:
    text = raw.decode("utf-8", "surrogateescape")
    match = _SIP.match(text)
    if match is None:
        return _parse_other(text, raw)
    scheme, user, password, host, port, params, headers = match.groups()
    if "%" in text and _BAD_ESCAPE.search(text):
        raise ParseError("a URI has a % that begins no escape")
    if host[0] == "[":
        host = host[1:-1]
    number = None if port is None else int(port)
    if number is not None and not 0 < number < 65536:
        raise ParseError("a URI's port is out of range")
    return SipUri(scheme.lower(), user, password, host.lower(), number, params or "", headers or "")


def _parse_other(text: str, raw: bytes) -> Uri:
    """Take a URI apart that is no good SIP URI."""
    match = _SCHEME.match(text)
    if match is None:
        raise ParseError("a URI has no scheme, or characters that no URI may have")
    scheme, opaque = match.group(1).lower(), match.group(2)
    if scheme in ("sip", "sips"):
        raise ParseError("a SIP URI is malformed")
    if scheme != "tel":
        return OtherUri(scheme, opaque, raw)
    tel = _TEL.match(opaque)
    if tel is None or _BAD_ESCAPE.search(opaque):
        raise ParseError("a tel URI is malformed")
    number = _SEPARATORS.sub("", tel.group(1))
    if not number.strip("+"):
        raise ParseError("a tel URI has no number")
    return TelUri(number, tel.group(2) or "", raw)
