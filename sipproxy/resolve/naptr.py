"""NAPTR records, and what they say of a domain's SIP services (RFC 3263 section 4.1, RFC 3403).

Pure.  What NAPTR says of telephone numbers (RFC 6116) reads the same `Naptr` records; only SIP
services are chosen here.
"""

from collections.abc import Collection, Iterable
from typing import Final

#: Service fields and the transports they stand for: RFC 3263, 4168 (SCTP) and 7118 (WebSocket).
TRANSPORT_OF_SERVICE: Final = {
    "sip+d2u": "udp",
    "sip+d2t": "tcp",
    "sips+d2t": "tls",
    "sip+d2s": "sctp",
    "sips+d2s": "tls-sctp",
    "sip+d2w": "ws",
    "sips+d2w": "wss",
}


class Naptr:
    """One NAPTR record.  ``flags`` and ``service`` are in lower case."""

    __slots__ = ("flags", "order", "preference", "regexp", "replacement", "service")

    def __init__(
        self, order: int, preference: int, flags: str, service: str, regexp: str, replacement: str
    ) -> None:
        self.order = order
        self.preference = preference
        self.flags = flags.lower()
        self.service = service.lower()
        self.regexp = regexp
        self.replacement = replacement

    def __repr__(self) -> str:
        return f"Naptr({self.order} {self.preference} {self.service} {self.replacement})"


class Service:
    """A transport, and the name whose SRV records (or, unless ``srv``, addresses) lead there."""

    __slots__ = ("name", "srv", "transport")

    def __init__(self, transport: str, name: str, srv: bool = True) -> None:
        self.transport = transport
        self.name = name
        self.srv = srv

    def __repr__(self) -> str:
        return f"Service({self.transport} {'SRV' if self.srv else 'A'} {self.name})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Service):
            return NotImplemented
        return (self.transport, self.name, self.srv) == (other.transport, other.name, other.srv)

    def __hash__(self) -> int:
        return hash((self.transport, self.name, self.srv))


def sip_services(
    records: Iterable[Naptr], transports: Collection[str], secure: bool
) -> list[Service]:
    """Give the SIP services that we can use, the one that the domain likes best first.

    ``secure`` keeps nothing but SIPS, as a sips URI must.  Services of transports that we don't
    have are discarded before the order counts (RFC 3263 section 4.1); then only the lowest order
    does (RFC 3403 section 4.1).
    """
    usable = [
        (record, transport)
        for record, transport in _terminal(records)
        if transport in transports and (not secure or record.service.startswith("sips"))
    ]
    lowest = min((record.order for record, _ in usable), default=0)
    first = [pair for pair in usable if pair[0].order == lowest]
    first.sort(key=lambda pair: pair[0].preference)
    return [
        Service(transport, record.replacement, record.flags == "s") for record, transport in first
    ]


def offered(records: Iterable[Naptr]) -> list[str]:
    """List the transports that the records offer, for saying which we lack."""
    return sorted({transport for _, transport in _terminal(records)})


def _terminal(records: Iterable[Naptr]) -> Iterable[tuple[Naptr, str]]:
    """Give the rules that lead to a SIP service by a plain replacement, with their transport.

    RFC 3263 knows the flag "s" alone; "a" means the same without SRV (RFC 3404 section 4.3).
    """
    for record in records:
        transport = TRANSPORT_OF_SERVICE.get(record.service)
        plain = record.replacement and not record.regexp
        if transport is not None and plain and record.flags in ("s", "a"):
            yield record, transport


class ZoneSwitch:
    """On or off by the zone that a name is in; the longest zone that is named decides."""

    def __init__(self, default: bool = True, zones: "dict[str, bool] | None" = None) -> None:
        """``zones``: names in lower case without a dot at the end."""
        self._default = default
        self._zones = zones or {}

    @classmethod
    def of(cls, rules: "Iterable[tuple[bool, str | None]]") -> "ZoneSwitch":
        """Make one of rules in their order: on or off, and the zone, None for every other name."""
        default = True
        zones: dict[str, bool] = {}
        for on, zone in rules:
            if zone is None:
                default = on
            else:
                zones[zone] = on
        return cls(default, zones)

    def __call__(self, name: str) -> bool:
        """Say whether it is on for a name."""
        if self._zones:
            labels = name.split(".")
            for start in range(len(labels)):
                verdict = self._zones.get(".".join(labels[start:]))
                if verdict is not None:
                    return verdict
        return self._default
