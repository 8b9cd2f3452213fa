"""Makes a `Locator` for a running server, from plain settings."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from sipproxy.resolve.cache import Cache
from sipproxy.resolve.dns import Dns, servers_of
from sipproxy.resolve.health import Health
from sipproxy.resolve.locator import DEADLINE, Locator
from sipproxy.resolve.naptr import ZoneSwitch
from sipproxy.resolve.servers import NameServers
from sipproxy.resolve.system import HOSTS_FILE, Hosts, SystemNames, in_threads_of
from sipproxy.resolve.wire import Address, exchange

RESOLV_CONF: Final = "/etc/resolv.conf"

#: A question is asked again, or of the next server, after this part of the whole time, and given up
#: after that one, so that the steps of a search, which may be three, each have a chance.
_STEP: Final = 0.1
_LIMIT: Final = 0.4


def build_locator(
    reactor: Any,
    *,
    servers: Sequence[Address] = (),
    timeout: float = DEADLINE,
    naptr: Callable[[str], bool] | None = None,
    cache_min: float = 5.0,
    cache_max: float = 86_400.0,
    skip_for: float = 30.0,
    transports: Callable[[], Collection[str]] = lambda: ("udp", "tcp"),
    has_ipv6: Callable[[], bool] = lambda: True,
    hosts_file: str = HOSTS_FILE,
    look_up: Callable[[str], list[str]] | None = None,
) -> Locator:
    """Make one; times in seconds.  Without ``servers`` those of resolv.conf are asked.

    ``look_up`` stands in for the system's name service; it may block.
    """
    if not servers:
        servers = servers_of(_text_of(RESOLV_CONF))
    cache = Cache(reactor.seconds, shortest=cache_min, longest=cache_max)
    name_servers = NameServers(
        reactor,
        servers,
        functools.partial(exchange, reactor),
        step=timeout * _STEP,
        limit=timeout * _LIMIT,
    )
    in_thread = in_threads_of(reactor)
    return Locator(
        reactor,
        SystemNames(in_thread, look_up).resolve,
        dns=Dns(reactor, cache, name_servers),
        hosts=Hosts(reactor, in_thread, hosts_file),
        health=Health(reactor.seconds, skip_for=skip_for),
        transports=transports,
        has_ipv6=has_ipv6,
        use_naptr=naptr or ZoneSwitch(),
        deadline=timeout,
    )


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
