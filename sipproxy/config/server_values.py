"""Values of the server's own directives that have a shape of their own, and how they are read."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sipproxy.config.directive import (
    address,
    choice,
    flag,
    host_of,
    host_port_of,
    path,
    port_of,
)
from sipproxy.config.spelling import did_you_mean, quoted

#: Apache's levels, most severe first.
LOG_LEVELS: Final = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")

#: SIP's own port (RFC 3261 section 19.1.2).
SIP_PORT: Final = 5060

#: The port of name servers (RFC 1035 section 4.2).
_DNS_PORT: Final = 53

_TRANSPORTS: Final = ("udp", "tcp")
_LATER_TRANSPORTS: Final = ("tls", "sctp", "ws", "wss")


class ListenSpec(NamedTuple):
    """One address to listen on.  ``host`` is a concrete or a wildcard address (0.0.0.0, ::)."""

    transport: str
    host: str
    port: int
    #: What to call ourselves towards others, when that differs from the address.
    advertised: tuple[str, int] | None


class LevelRule(NamedTuple):
    """A level for one module, or for all that have no rule of their own (module None)."""

    module: str | None
    level: str


class LogFormat(NamedTuple):
    """A format for the access log under a nickname."""

    nickname: str
    format: str


class AccessLog(NamedTuple):
    """An access log: its file, and the format, or the nickname of one."""

    path: str
    format: str


def listen_of(words: Sequence[str]) -> list[ListenSpec]:
    """Read ``[address:]port [protocol...] [advertise HOST[:PORT]]``: one value a protocol."""
    where, *rest = words
    host_text, port = _listen_address(where)
    advertised = None
    if len(rest) >= 1 and "advertise" in (lowered := [word.lower() for word in rest]):
        at = lowered.index("advertise")
        if len(rest) != at + 2:
            raise ValueError("one HOST or HOST:PORT was expected after advertise, and nothing more")
        name, advertised_port = host_port_of(rest[at + 1])
        advertised = (name, advertised_port or port)
        rest = rest[:at]
    transports = list(dict.fromkeys(map(_transport, rest))) or list(_TRANSPORTS)
    return [ListenSpec(transport, host_text, port, advertised) for transport in transports]


def _listen_address(where: str) -> tuple[str, int]:
    head, colon, tail = where.rpartition(":")
    if not colon or where.endswith("]"):
        if where.isdigit():
            return "0.0.0.0", port_of(where)
        raise ValueError(
            f"a port was expected, for example {where}:{SIP_PORT}, got {quoted(where)}"
        )
    if ":" in head and not head.startswith("["):
        raise ValueError(
            f"an IPv6 address needs brackets, for example [2001:db8::1]:{SIP_PORT}, "
            f"got {quoted(where)}"
        )
    return "0.0.0.0" if head in ("", "*") else address([head]), port_of(tail)


def _transport(written: str) -> str:
    transport = written.lower()
    if transport in _LATER_TRANSPORTS:
        raise ValueError(f"{transport} is not available in this release; udp and tcp are")
    if transport not in _TRANSPORTS:
        raise ValueError(
            f"udp, tcp or advertise was expected, got {quoted(written)}"
            f"{did_you_mean(transport, (*_TRANSPORTS, 'advertise'))}"
        )
    return transport


def level_rule_of(words: Sequence[str]) -> LevelRule:
    """Read ``[module] level``."""
    level = choice(*LOG_LEVELS)([words[-1]])
    return LevelRule(words[0].lower().removesuffix(".c") if len(words) == 2 else None, level)


def log_format_of(words: Sequence[str]) -> LogFormat:
    """Read ``format nickname``; what the format holds is checked by the module that writes it."""
    line, nickname = words
    if "%" in nickname or not nickname or any(letter.isspace() for letter in nickname):
        raise ValueError(
            f"a nickname without blanks and % was expected after the format, got {quoted(nickname)}"
        )
    return LogFormat(nickname, line)


def custom_log_of(words: Sequence[str]) -> list[AccessLog]:
    """Read ``file [format]``, or ``Off``, which is no file."""
    if len(words) == 1 and words[0].lower() == "off":
        return []
    return [AccessLog(path(words[:1]), words[1] if len(words) == 2 else "sip")]


def folder_of(written: str) -> str:
    """Read the name of a folder that is not put below ServerRoot."""
    if not written or "\0" in written:
        raise ValueError(f"the name of a folder was expected, got {quoted(written)}")
    return written


def name_server_of(written: str) -> tuple[str, int]:
    """Read ``address``, ``address:port`` or ``[v6]:port``; a name would need a name server."""
    if written.count(":") > 1 and not written.startswith("["):
        return address([written]), _DNS_PORT
    host, port = host_port_of(written)
    return address([host]), port or _DNS_PORT


def naptr_rule_of(words: Sequence[str]) -> tuple[bool, str | None]:
    """Read ``[zone] On|Off``."""
    return bool(flag([words[-1]])), host_of(words[0]) if len(words) == 2 else None


def proxy_domain_of(written: str) -> str:
    """Read a domain; a URI or an address of a user is a likely slip."""
    if "@" in written or written.lower().startswith(("sip:", "sips:")):
        raise ValueError(
            f"a domain alone was expected, for example example.com, got {quoted(written)}"
        )
    return host_of(written)


def stateful_of(written: str) -> bool:
    """Read a flag that cannot be Off yet."""
    if not flag([written]):
        raise ValueError("Off is not available in this release; the server is stateful, On")
    return True


def signature_of(written: str) -> str | None:
    """Read what the Server header says; None for Off.  Nothing else may get into the header."""
    if written.lower() == "off":
        return None
    if not written.isascii() or not written.isprintable() or not written.strip():
        raise ValueError(f"printable ASCII text or Off was expected, got {quoted(written)}")
    return written
