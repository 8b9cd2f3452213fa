"""URIs: sip:, sips: and tel: taken apart, any other scheme kept whole (RFC 3261 section 19.1, RFC 3966).

Parts stay as they were written, escapes included; only host and scheme are put into lower case.
"""

import re
from typing import Final, TypeAlias

from sipproxy.message.errors import ParseError

_SIP: Final = re.compile(
    r"(sips?):"
    r"(?:([\w\-.!~*'()&=+$,;?/%#\udc80-\udcff]+)(?::([^@\s<>\"]*))?@)?"
    r"(\[[0-9A-Fa-f:.%]+\]|[\w\-.]+)"
    r"(?::([0-9]{1,5}))?"
    r"(?:;([^?\s<>\"]*))?"
    r"(?:\?([^\s<>\"]*))?\Z",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(\S.*)\Z", re.DOTALL)
_TEL: Final = re.compile(r"(\+?[0-9A-Fa-f*#()\-.]+)(?:;(\S*))?\Z")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")

#: Parameters that must be in both URIs, or in neither, for them to be equal (section 19.1.4).
_SIGNIFICANT: Final = frozenset(("user", "ttl", "method", "maddr"))


def unescape(text: str) -> str:
    """Replace %XX escapes by the octets they stand for, read as UTF-8."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    parts = raw.split(b"%")
    out = [parts[0]]
    for part in parts[1:]:
        out.append(bytes((int(part[:2], 16),)) + part[2:])
    return b"".join(out).decode("utf-8", "surrogateescape")


def _parameters(raw: str) -> dict[str, str | None]:
    """Split ``;``-separated parameters; a flag has the value None."""
    found: dict[str, str | None] = {}
    for part in raw.split(";"):
        if part:
            name, equals, value = part.partition("=")
            found.setdefault(unescape(name).lower(), value if equals else None)
    return found


class SipUri:
    """A sip: or sips: URI.  ``host`` is lower case and without brackets; ``params`` and ``headers`` raw."""

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
        self.scheme = scheme
        self.user = user
        self.password = password
        self.host = host
        self.port = port
        self.params = params
        self.headers = headers

    def param(self, name: str) -> str | None:
        """Give a parameter's value, "" for a flag, None when it is not there."""
        if not self.params:
            return None
        parameters = _parameters(self.params)
        if name not in parameters:
            return None
        return parameters[name] or ""

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case."""
        if "ransport=" not in self.params and "RANSPORT=" not in self.params.upper():
            return None
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
        """Compare as RFC 3261 section 19.1.4 has it (not transitive, so this is not ``==``)."""
        if not isinstance(other, SipUri):
            return False
        if (self.scheme, self.host, self.port) != (other.scheme, other.host, other.port):
            return False
        if _plain(self.user) != _plain(other.user) or _plain(self.password) != _plain(other.password):
            return False
        return _same_parameters(self.params, other.params) and _same_headers(
            self.headers, other.headers
        )

    def __repr__(self) -> str:
        return f"<SipUri {self.to_bytes().decode('utf-8', 'backslashreplace')}>"


def _plain(part: str | None) -> str | None:
    return None if part is None else unescape(part)


def _same_parameters(one: str, two: str) -> bool:
    left, right = _parameters(one), _parameters(two)
    for name in left.keys() | right.keys():
        if name in left and name in right:
            if unescape(left[name] or "").lower() != unescape(right[name] or "").lower():
                return False
        elif name in _SIGNIFICANT or name == "transport":
            return False
    return True


def _same_headers(one: str, two: str) -> bool:
    def parts(raw: str) -> list[tuple[str, str]]:
        pairs = [part.partition("=") for part in raw.split("&") if part]
        return sorted((unescape(name).lower(), unescape(value)) for name, _, value in pairs)

    return parts(one) == parts(two)


class TelUri:
    """A telephone number (RFC 3966); ``number`` is without visual separators."""

    __slots__ = ("number", "params", "raw")
    scheme: Final = "tel"

    def __init__(self, number: str, params: str, raw: bytes) -> None:
        self.number = number
        self.params = params
        self.raw = raw

    def to_bytes(self) -> bytes:
        """Give the URI as it was written."""
        return self.raw


class OtherUri:
    """A URI of a scheme that this server does nothing with but pass on."""

    __slots__ = ("opaque", "raw", "scheme")

    def __init__(self, scheme: str, opaque: str, raw: bytes) -> None:
        self.scheme = scheme
        self.opaque = opaque
        self.raw = raw

    def to_bytes(self) -> bytes:
        """Give the URI as it was written."""
        return self.raw


Uri: TypeAlias = SipUri | TelUri | OtherUri


#: URIs parsed lately: in a call the same Contact is parsed for target, ACK and BYE.  A parsed URI is
#: never changed, so that it can be shared.
_LATELY: Final[dict[bytes, Uri]] = {}
_MAX_LATELY: Final = 4096


def parse_uri(raw: bytes) -> Uri:
    """Take a URI apart.  Raises ParseError."""
    uri = _LATELY.get(raw)
    if uri is None:
        uri = _parse(raw)
        if len(_LATELY) >= _MAX_LATELY:
            _LATELY.clear()
        _LATELY[raw] = uri
    return uri


def _parse(raw: bytes) -> Uri:
    text = raw.decode("utf-8", "surrogateescape")
    match = _SIP.match(text)
    if match is not None:
        scheme, user, password, host, port, params, headers = match.groups()
        if "%" in text and _BAD_ESCAPE.search(text):
            raise ParseError("a URI has a % that is no escape")
        if host[0] == "[":
            host = host[1:-1]
        number = None if port is None else int(port)
        if number is not None and not 0 < number < 65536:
            raise ParseError("a URI's port is out of range")
        return SipUri(scheme.lower(), user, password, host.lower(), number, params or "", headers or "")
    other = _SCHEME.match(text)
    if other is None:
        raise ParseError("a URI has no scheme")
    scheme, opaque = other.group(1).lower(), other.group(2)
    if scheme in ("sip", "sips"):
        raise ParseError("a SIP URI is malformed")
    if scheme == "tel":
        tel = _TEL.match(opaque)
        if tel is None:
            raise ParseError("a tel URI is malformed")
        number_text = re.sub(r"[-.()]", "", tel.group(1))
        return TelUri(number_text, tel.group(2) or "", raw)
    if any(letter in opaque for letter in " <>\""):
        raise ParseError("a URI is malformed")
    return OtherUri(scheme, opaque, raw)
