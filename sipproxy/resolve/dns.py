"""Questions to name services: remembered, asked once however many want to know, never blocking.

`Remembered` stands in front of anything that answers later: the DNS (`Dns`) and the system's own
name service.  What it gives is plain: a tuple of records, empty when there are none, None when
nobody answered; at once when it is known, else as a Deferred that never fails.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipproxy.log import get_logger
from sipproxy.resolve.answer import MAX_ALIASES, Kind, Reply, is_name
from sipproxy.resolve.cache import Cache, Entry
from sipproxy.resolve.servers import NameServers
from sipproxy.resolve.wire import Address

_log = get_logger("resolve")

Records: TypeAlias = tuple[Any, ...] | None
Key: TypeAlias = tuple[str, Kind]

#: Seconds after which an old answer serves instead of one that does not come (RFC 8767 section 5
#: says 1.8; a phone repeats its request after half a second).
_PATIENCE_WITH_OLD: Final = 0.4

_DNS_PORT: Final = 53


class Remembered:
    """Asks by ``fetch``, which gives a Deferred of a `Reply` or fails."""

    def __init__(
        self, clock: IReactorTime, cache: Cache, fetch: "Callable[[Key], Deferred[Reply]]"
    ) -> None:
        self.clock = clock
        self.cache = cache
        self._fetch = fetch
        self._asked: dict[Key, list[Deferred[Records]]] = {}

    def query(self, name: str, kind: Kind) -> "Records | Deferred[Records]":
        """Give the records of a name (lower case, no dot at the end)."""
        key = (name, kind)
        entry = self.cache.get(key)
        if entry is not None:
            now = self.clock.seconds()
            if now < entry.expires:
                if now >= entry.refresh and now >= entry.retry and key not in self._asked:
                    self._ask(key)
                return entry.records
            if entry.retry:  # nobody answered the last time: nobody waits this time
                if now >= entry.retry and key not in self._asked:
                    self._ask(key)
                return entry.records
        waiting: Deferred[Records] = Deferred(lambda d: self._forget(key, d))
        if key in self._asked:
            self._asked[key].append(waiting)
        else:
            self._ask(key, waiting)
        return waiting

    def _ask(self, key: Key, *waiting: "Deferred[Records]") -> None:
        self._asked[key] = list(waiting)
        entry = self.cache.get(key)
        if entry is not None and waiting:
            timer = self.clock.callLater(_PATIENCE_WITH_OLD, self._serve_old, key, entry)
        else:
            timer = None
        self._fetch(key).addCallbacks(
            self._answered, self._failed, (key, timer), errbackArgs=(key, timer)
        )

    def _forget(self, key: Key, waiting: "Deferred[Records]") -> None:
        if waiting in self._asked.get(key, ()):
            self._asked[key].remove(waiting)

    def _serve_old(self, key: Key, entry: Entry) -> None:
        """The answer takes long: serve the old one until it comes."""
        _log.info("dns.served_old", "an answer that has run out serves", name=key[0], kind=key[1])
        entry.retry = self.clock.seconds() + self.cache.failure
        waiting, self._asked[key] = self._asked[key], []
        for one in waiting:
            one.callback(entry.records)

    def _answered(self, reply: Reply, key: Key, timer: Any) -> None:
        self._over(key, timer, self.cache.put(key, reply.records, reply.ttl))

    def _failed(self, failure: Failure, key: Key, timer: Any) -> None:
        entry = self.cache.put_failure(key)
        old = " (an old answer serves)" if entry.records is not None else ""
        _log.info("dns.failed", failure.getErrorMessage() + old, name=key[0], kind=key[1])
        self._over(key, timer, entry)

    def _over(self, key: Key, timer: Any, entry: Entry) -> None:
        if timer is not None and timer.active():
            timer.cancel()
        for waiting in self._asked.pop(key, []):
            waiting.callback(entry.records)


class Dns(Remembered):
    """The DNS as name servers tell it."""

    def __init__(self, clock: IReactorTime, cache: Cache, servers: NameServers) -> None:
        super().__init__(clock, cache, self._fetch_from_servers)
        self.servers = servers

    def _fetch_from_servers(self, key: Key) -> "Deferred[Reply]":
        name, kind = key
        if not is_name(name):
            done: Deferred[Reply] = Deferred()
            done.callback(Reply((), self.cache.longest_negative))
            return done
        return self.servers.ask(name, kind).addCallback(self._with_alias, kind, MAX_ALIASES)

    def _with_alias(self, reply: Reply, kind: Kind, left: int) -> "Reply | Deferred[Reply]":
        """Ask on where a server gave an alias and no more, because its end is another zone's."""
        if reply.alias is None or not left or not is_name(reply.alias):
            return reply
        asking = self.servers.ask(reply.alias, kind)
        asking.addCallback(self._with_alias, kind, left - 1)
        return asking.addCallback(_at_most, reply.ttl)


def _at_most(reply: Reply, ttl: float) -> Reply:
    """An answer holds no longer than the alias that led to it."""
    reply.ttl = min(reply.ttl, ttl)
    return reply


def servers_of(resolv_conf: str) -> Sequence[Address]:
    """Read the name servers from the text of a resolv.conf; this machine when it names none.

    Its search list and options are left to the system's own name service.
    """
    servers = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            servers.append((words[1], _DNS_PORT))
    return servers or [("127.0.0.1", _DNS_PORT)]
