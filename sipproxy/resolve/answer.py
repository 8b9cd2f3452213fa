"""What an answer of a name server says about a question (RFC 1034 section 4.3.2, RFC 2308).

An answer mixes types and may hold a chain of aliases (CNAME); what counts is what stands at the
end of the chain.  Some answers say nothing: refusals, failures, and those of a server that does not
know the zone (lame).
"""

import re
import socket
from typing import Any, Final, Literal

from twisted.names import dns

from sipproxy.resolve.naptr import Naptr
from sipproxy.resolve.srv import Srv

#: The kinds of records that are asked for.
Kind = Literal["A", "AAAA", "SRV", "NAPTR"]

TYPES: Final[dict[Kind, int]] = {"A": dns.A, "AAAA": dns.AAAA, "SRV": dns.SRV, "NAPTR": dns.NAPTR}

#: The most records used of one answer, and the longest chain of aliases.
MAX_RECORDS: Final = 64
MAX_ALIASES: Final = 8

#: Seconds that a negative answer without an SOA record holds; RFC 2308 section 5 would rather not
#: have it remembered at all, but a busy server may not ask for every call.
_UNSIGNED_NEGATIVE: Final = 5.0

#: A time to live with the highest bit set means 0 (RFC 2181 section 8).
_TTL_SIGN: Final = 1 << 31

_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\Z")


class Useless(Exception):
    """The server said nothing about the question; another one may know."""


class Reply:
    """What was said: records (or that there are none), for how many seconds; or an alias to ask for
    instead.
    """

    __slots__ = ("alias", "records", "ttl")

    def __init__(self, records: tuple[Any, ...], ttl: float, alias: str | None = None) -> None:
        self.records = records
        self.ttl = ttl
        self.alias = alias


def is_name(name: str) -> bool:
    """Say whether a name (lower case) can be asked for."""
    return _NAME.match(name) is not None


def read(message: dns.Message, name: str, kind: Kind) -> Reply:
    """Read an answer.  Raises Useless."""
    if message.rCode not in (dns.OK, dns.ENAME):
        raise Useless(_CODES.get(message.rCode, f"error {message.rCode}"))
    ttl, end = _follow(message, name)
    wanted = TYPES[kind]
    records: list[Any] = []
    for header in message.answers:
        if header.type == wanted and text_of(header.name) == end:
            record = _record_of(header.payload, kind)
            if record is not None and len(records) < MAX_RECORDS:
                records.append(record)
                ttl = min(ttl, _ttl_of(header))
    if records:
        return Reply(tuple(records), ttl)
    negative = _negative_ttl(message)
    if end != name and message.rCode == dns.OK and negative is None:
        return Reply((), ttl, end)
    if message.rCode == dns.OK and negative is None and _is_lame(message):
        raise Useless("the server does not know the zone")
    return Reply((), _UNSIGNED_NEGATIVE if negative is None else min(ttl, negative))


def _follow(message: dns.Message, name: str) -> tuple[float, str]:
    """Go from alias to alias; give the shortest time to live on the way, and the last name."""
    aliases: dict[str, tuple[str, float]] = {}
    for header in message.answers:
        payload = header.payload
        if isinstance(payload, dns.Record_CNAME):
            aliases[text_of(header.name)] = (text_of(payload.name), _ttl_of(header))
    ttl = float(_TTL_SIGN)
    for _ in range(MAX_ALIASES):
        if name not in aliases:
            break
        name, own = aliases[name]
        ttl = min(ttl, own)
    return ttl, name


def _negative_ttl(message: dns.Message) -> float | None:
    """Give how long "there is none" holds: RFC 2308 section 5; None without an SOA record."""
    for header in message.authority:
        if isinstance(header.payload, dns.Record_SOA):
            return min(_ttl_of(header), float(header.payload.minimum))
    return None


def _is_lame(message: dns.Message) -> bool:
    """Recognise a referral: no answer, not of a server that knows, nor of one that finds out."""
    return not message.auth and (
        not message.recAv or any(header.type == dns.NS for header in message.authority)
    )


def _record_of(payload: Any, kind: Kind) -> Any:
    """Make our own value of a record; None for one that makes no sense."""
    if kind == "A":
        return payload.dottedQuad()
    if kind == "AAAA":
        return socket.inet_ntop(socket.AF_INET6, payload.address)
    if kind == "SRV":
        target = text_of(payload.target)
        if target and not is_name(target):
            return None
        return Srv(payload.priority, payload.weight, payload.port, target)
    texts = (payload.flags, payload.service, payload.regexp)
    flags, service, regexp = (text.string.decode("utf-8", "replace") for text in texts)
    replacement = text_of(payload.replacement)
    if replacement and not is_name(replacement):
        return None
    return Naptr(payload.order, payload.preference, flags, service, regexp, replacement)


def text_of(name: dns.Name) -> str:
    """Give a name as we write names: lower case, no dot at the end."""
    return name.name.decode("ascii", "replace").lower()


def _ttl_of(header: dns.RRHeader) -> float:
    ttl = header.ttl or 0
    return float(ttl) if ttl < _TTL_SIGN else 0.0


_CODES: Final = {
    dns.EFORMAT: "the server did not understand the question",
    dns.ESERVER: "the server failed",
    dns.ENOTIMP: "the server cannot do that",
    dns.EREFUSED: "the server refused",
}
