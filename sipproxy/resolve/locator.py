"""From the URI that a request is sent to, to addresses in the order to try them (RFC 3263).

A numeric host is answered at once, and so is a name whose answers are remembered.  For others the
name services are asked, and only the request that wants to know waits.  Section numbers below are
those of RFC 3263.
"""

import random
import re
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from sipproxy.interfaces import ILocator
from sipproxy.message.uri import SipUri, Uri
from sipproxy.resolve.answer import Kind
from sipproxy.resolve.cache import Cache
from sipproxy.resolve.dns import Key, Records, Remembered
from sipproxy.resolve.health import Health
from sipproxy.resolve.hop import Hop
from sipproxy.resolve.naptr import Service, offered, sip_services
from sipproxy.resolve.search import NoAddress, NotLocated, NoTransport, Search, Steps
from sipproxy.resolve.srv import order
from sipproxy.resolve.system import reply_of, system_addresses

__all__ = ["Locator", "NoAddress", "NoTransport", "NotLocated", "is_ipv4", "system_addresses"]

#: Seconds after which a request goes on without the answer; what is asked then is still remembered.
DEADLINE: Final = 5.0

#: The most targets of SRV records looked up for one request, names asked of the system, and hops.
MAX_TARGETS: Final = 16
_MAX_SYSTEM_NAMES: Final = 4
MAX_HOPS: Final = 32

_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!\Z)|\Z)){4}\Z", re.ASCII)

_DEFAULT_PORT: Final = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}

#: What a transport parameter means in a sips URI (RFC 3261 section 26.2.2, RFC 7118 section 5.5).
_SECURED: Final = {"tcp": "tls", "tls": "tls", "ws": "wss", "wss": "wss"}

#: Where SRV records of a transport stand (section 4.1), in the order in which we would have them.
_SRV_PREFIX: Final = {
    "udp": "_sip._udp.",
    "tcp": "_sip._tcp.",
    "tls": "_sips._tcp.",
    "sctp": "_sip._sctp.",
}

#: Transport, name and port: where a service is, before the name is an address.
_Place: TypeAlias = tuple[str, str, int]
#: Addresses by name, and whether somebody who should know did not answer.
_Found: TypeAlias = tuple[dict[str, tuple[str, ...]], bool]


class HostsTable(Protocol):
    """Names whose addresses are known without asking: the hosts file."""

    def addresses(self, name: str) -> tuple[str, ...]:
        """Give the addresses of a name, none for an unknown one."""


class _Wish:
    """What a URI asks for.  ``transport`` and ``port`` are None where it leaves them open."""

    __slots__ = ("host", "port", "secure", "transport")

    def __init__(self, host: str, port: int | None, transport: str | None, secure: bool) -> None:
        self.host = host
        self.port = port
        self.transport = transport
        self.secure = secure


@implementer(ILocator)
class Locator:
    """Finds hops, and remembers which of them to avoid."""

    def __init__(
        self,
        clock: IReactorTime,
        resolve: "Callable[[str], Deferred[list[str]]]",
        *,
        dns: Remembered | None = None,
        hosts: HostsTable | None = None,
        health: Health | None = None,
        transports: Callable[[], Collection[str]] = lambda: ("udp", "tcp"),
        has_ipv6: Callable[[], bool] = lambda: True,
        use_naptr: Callable[[str], bool] = lambda name: True,
        draw: Callable[[], float] = random.random,
        deadline: float = DEADLINE,
    ) -> None:
        """``resolve`` is the system's name service, the last resort; without ``dns`` the only one.

        ``transports`` says what this server can send by, ``draw`` gives chance (0 to below 1).
        """
        self._clock = clock
        self.dns = dns
        self.system = Remembered(
            clock, Cache(clock.seconds, shortest=1.0), lambda key: _ask_system(resolve, key)
        )
        self._hosts = hosts
        self.health = Health(clock.seconds) if health is None else health
        self._transports = transports
        self._has_ipv6 = has_ipv6
        self._use_naptr = use_naptr
        self._draw = draw
        self._deadline = deadline

    def locate(self, uri: Uri) -> "Sequence[Hop] | Deferred[Sequence[Hop]]":
        """Give the hops of a SIP URI; none for any other.  May fail with NotLocated."""
        if not isinstance(uri, SipUri):
            return ()
        secure = uri.scheme == "sips"
        transport = uri.transport
        if secure and transport is not None:
            if transport not in _SECURED:
                return fail(NoTransport(f"a sips URI cannot be reached by {transport}", 416))
            transport = _SECURED[transport]
        host = uri.host
        maddr = uri.param("maddr") if "maddr=" in uri.params else None
        if maddr:
            host = maddr.strip("[]").lower()
        known = self._transports()
        needed = transport or ("tls" if secure else None)
        if needed is not None and needed not in known:
            return fail(_lacking(needed, secure))
        if ":" in host or is_ipv4(host):
            used = needed or _default_of(known)
            port = uri.port or _DEFAULT_PORT.get(used, 5060)
            return (Hop(used, host, port, transport is not None),)
        wish = _Wish(host.rstrip("."), uri.port, transport, secure)
        try:
            return Search(self._steps(wish)).run(self._clock, self._deadline, host)
        except NotLocated as error:
            return fail(error)

    def failed(self, hop: Hop, kind: str, retry_after: float | None = None) -> None:
        """Hear that a request to a hop failed; see `sipproxy.resolve.health` for the kinds."""
        self.health.failed(hop, kind, retry_after)

    def worked(self, hop: Hop) -> None:
        """Hear that a hop answered."""
        self.health.worked(hop)

    # --- the steps of a search

    def _steps(self, wish: _Wish) -> Steps:
        """Section 4, from a name to hops."""
        transport = wish.transport or ("tls" if wish.secure else _default_of(self._transports()))
        chosen = wish.transport is not None
        if wish.port is None and self.dns is not None and "." in wish.host:
            services, lacking = yield from self._services(wish)
            places = yield from self._places(services)
            if places is not None:
                found, unanswered = yield from self._addresses([name for _, name, _ in places])
                return self._hops(places, found, unanswered, True)
            if lacking:
                raise NoTransport(f"{wish.host} is reached by {', '.join(lacking)} only")
            if services and services[0].transport != transport:
                transport, chosen = services[0].transport, True
        port = wish.port or _DEFAULT_PORT.get(transport, 5060)
        found, unanswered = yield from self._addresses([wish.host])
        return self._hops([(transport, wish.host, port)], found, unanswered, chosen)

    def _services(
        self, wish: _Wish
    ) -> "Generator[list[Any], list[Any], tuple[list[Service], list[str]]]":
        """Find out which transports lead there (section 4.1), and where their SRV records stand.

        When NAPTR offers only what we lack, that is given too: it is the reason when no SRV record
        helps either.
        """
        lacking: list[str] = []
        if wish.transport is not None:
            wanted: tuple[str, ...] = (wish.transport,)
        else:
            wanted = ("tls",) if wish.secure else ("udp", "tcp")
            if self._use_naptr(wish.host):
                assert self.dns is not None
                (rules,) = yield [self.dns.query(wish.host, "NAPTR")]
                services = sip_services(rules or (), self._transports(), wish.secure)
                if services:
                    return services, lacking
                lacking = offered(rules or ())
        known = self._transports()
        return [
            Service(transport, _SRV_PREFIX[transport] + wish.host)
            for transport in wanted
            if transport in known and transport in _SRV_PREFIX
        ], lacking

    def _places(
        self, services: list[Service]
    ) -> "Generator[list[Any], list[Any], list[_Place] | None]":
        """Ask for the SRV records of services (section 4.2).

        None when there are none, and the name's own addresses count; an empty list when they say
        that there is no such service.
        """
        assert self.dns is not None
        answers = yield [
            self.dns.query(service.name, "SRV") if service.srv else () for service in services
        ]
        places: list[_Place] = []
        declared = False
        for service, records in zip(services, answers, strict=True):
            transport = service.transport
            if not service.srv:
                places.append((transport, service.name, _DEFAULT_PORT.get(transport, 5060)))
            elif records:
                declared = True
                ordered = order(records, self._draw)
                places.extend((transport, record.target, record.port) for record in ordered)
        return places if places or declared else None

    def _addresses(self, names: Iterable[str]) -> "Generator[list[Any], list[Any], _Found]":
        """Find the addresses of names: in the hosts file, then in the DNS, then by the system."""
        found: dict[str, tuple[str, ...]] = {}
        asked: list[str] = []
        for name in list(dict.fromkeys(names))[:MAX_TARGETS]:
            if is_ipv4(name):  # an SRV record must not name one; some do
                found[name] = (name,)
            else:
                known = self._hosts.addresses(name) if self._hosts is not None else ()
                found[name] = self._usable(known)
                if not found[name]:
                    asked.append(name)
        unanswered = False
        if asked and self.dns is not None:
            unanswered = yield from self._ask_dns(asked, found)
        if asked and not any(found.values()):
            asked = asked[:_MAX_SYSTEM_NAMES]
            answers: list[Records] = yield [self.system.query(name, "A") for name in asked]
            unanswered = None in answers
            for name, records in zip(asked, answers, strict=True):
                found[name] = self._usable(records or ())
        return found, unanswered

    def _ask_dns(
        self, names: list[str], found: dict[str, tuple[str, ...]]
    ) -> "Generator[list[Any], list[Any], bool]":
        """Add what the DNS knows; say whether an answer is missing.

        IPv6 stands first where we have it, as RFC 7984 section 4.2 takes over from RFC 6724.
        """
        assert self.dns is not None
        kinds: tuple[Kind, ...] = ("AAAA", "A") if self._has_ipv6() else ("A",)
        pairs: list[Key] = [(name, kind) for name in names for kind in kinds]
        answers: list[Records] = yield [self.dns.query(name, kind) for name, kind in pairs]
        for (name, _), records in zip(pairs, answers, strict=True):
            found[name] += records or ()
        return None in answers

    def _usable(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        if self._has_ipv6():
            return addresses
        return tuple(address for address in addresses if ":" not in address)

    def _hops(
        self,
        places: list[_Place],
        found: dict[str, tuple[str, ...]],
        unanswered: bool,
        chosen: bool,
    ) -> Sequence[Hop]:
        """Put addresses to places, each hop once, those to avoid last."""
        hops = dict.fromkeys(
            Hop(transport, address, port, chosen)
            for transport, name, port in places
            for address in found.get(name, ())
        )
        if not hops and unanswered:
            raise NoAddress(f"no name service answered for {places[0][1]}")
        return self.health.order(list(hops)[:MAX_HOPS])


def _ask_system(resolve: "Callable[[str], Deferred[list[str]]]", key: Key) -> Any:
    return resolve(key[0]).addBoth(reply_of)


def _default_of(transports: Collection[str]) -> str:
    """Give the transport of a URI that names none: UDP (section 4.1), TCP where we have no UDP."""
    return "tcp" if "udp" not in transports and "tcp" in transports else "udp"


def _lacking(transport: str, secure: bool) -> NoTransport:
    """Say that a URI asks for a transport that we lack; RFC 3261 section 21.4.14 for sips."""
    if secure:
        return NoTransport(f"a sips URI takes TLS, and there is none here ({transport})", 416)
    return NoTransport(f"this server does not send by {transport}")


def is_ipv4(host: str) -> bool:
    """Say whether a host is an IPv4 address in the usual form."""
    return _IPV4.match(host) is not None
