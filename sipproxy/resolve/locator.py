"""From the URI that a request is sent to, to addresses: numeric hosts at once, names by the system.

Names go to the system's own name service (hosts file, DNS), which blocks, and so runs in the
reactor's threads; answers are remembered for a while, failures for a shorter one, and all requests
that wait for one name share its look-up.  No look-up holds up anything but the requests that need it.
"""

import re
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.resolve.hop import Hop
from sipproxy.interfaces import ILocator
from sipproxy.log import get_logger
from sipproxy.message.uri import SipUri, Uri

_log = get_logger("resolve")

#: Seconds that an answer, and a failure, of the system's name service is believed.
ANSWER_SECONDS: Final = 60.0
FAILURE_SECONDS: Final = 10.0

#: Seconds after which a request goes on without the answer; the look-up itself may take longer.
DEADLINE: Final = 5.0

#: Names remembered at a time.
MAX_NAMES: Final = 10_000

_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!\Z)|\Z)){4}\Z", re.ASCII)

_DEFAULT_PORT: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}


class NoAddress(Exception):
    """The name has no address, or there was no answer in time."""


@implementer(ILocator)
class Locator:
    """Finds hops.  ``resolve`` takes a name and gives addresses, now or later."""

    def __init__(
        self, clock: IReactorTime, resolve: "Callable[[str], Deferred[list[str]]]"
    ) -> None:
        self._clock = clock
        self._resolve = resolve
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._asked: dict[str, list[Deferred[list[str]]]] = {}

    def locate(self, uri: Uri) -> "Sequence[Hop] | Deferred[Sequence[Hop]]":
        """Give the hops of a SIP URI; none for any other."""
        if not isinstance(uri, SipUri):
            return ()
        transport = "tls" if uri.scheme == "sips" else uri.transport
        chosen = transport is not None
        transport = transport or "udp"
        port = uri.port or _DEFAULT_PORT.get(transport, 5060)
        host = uri.host
        maddr = uri.param("maddr") if "maddr=" in uri.params else None
        if maddr:
            host = maddr.strip("[]")
        if ":" in host or is_ipv4(host):
            return (Hop(transport, host, port, chosen),)
        known = self._known.get(host)
        if known is not None and known[0] > self._clock.seconds():
            return _hops(known[1], transport, port, chosen)
        return self._ask(host).addCallback(_hops, transport, port, chosen)

    def _ask(self, name: str) -> "Deferred[list[str]]":
        """Wait for a name's addresses, together with whoever waits for them already."""
        waiting: Deferred[list[str]] = Deferred(lambda d: self._forget(name, d))
        if name in self._asked:
            self._asked[name].append(waiting)
        else:
            self._asked[name] = [waiting]
            self._resolve(name).addBoth(self._answered, name)
        timeout = self._clock.callLater(DEADLINE, self._too_late, name, waiting)
        waiting.addBoth(_stop, timeout)
        return waiting

    def _forget(self, name: str, waiting: "Deferred[list[str]]") -> None:
        if waiting in self._asked.get(name, ()):
            self._asked[name].remove(waiting)

    def _too_late(self, name: str, waiting: "Deferred[list[str]]") -> None:
        self._forget(name, waiting)
        _log.warn("resolve.slow", "the name service did not answer in time", name=name)
        waiting.errback(NoAddress(f"no answer for {name} in {DEADLINE:g} s"))

    def _answered(self, result: Any, name: str) -> None:
        addresses: list[str] = []
        if isinstance(result, Failure):
            _log.info("resolve.failed", "a name has no address", name=name, error=result.getErrorMessage())
        else:
            addresses = result
        if len(self._known) >= MAX_NAMES:
            self._known.pop(next(iter(self._known)))
        lifetime = ANSWER_SECONDS if addresses else FAILURE_SECONDS
        self._known[name] = (self._clock.seconds() + lifetime, addresses)
        for waiting in self._asked.pop(name, []):
            waiting.callback(addresses)


def _stop(result: Any, timeout: Any) -> Any:
    if timeout.active():
        timeout.cancel()
    return result


def _hops(addresses: list[str], transport: str, port: int, chosen: bool) -> list[Hop]:
    return [Hop(transport, address, port, chosen) for address in addresses]


def is_ipv4(host: str) -> bool:
    """Say whether a host is an IPv4 address in the usual form."""
    return _IPV4.match(host) is not None


def system_addresses(name: str) -> list[str]:
    """Ask the system's name service; blocks.  Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
