"""Answers of name services, remembered for as long as they hold, and longer when nobody answers.

A positive answer holds for its time to live, a negative one for the shorter time of RFC 2308, both
within limits.  What has run out is kept for a while, because an old address beats none while the
name servers are down (serve-stale, RFC 8767).  The least recently used go first when it is full.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

#: The part of its life after which an answer that is still asked for is fetched anew, so that
#: nobody waits when it runs out.
_REFRESH_AFTER: Final = 0.9


class Entry:
    """An answer: ``records`` is empty for a name without such records, None when nobody answered.

    ``expires`` is when it stops to hold, ``refresh`` when to ask again ahead of that, ``gone`` when
    it is not even an old answer any more; ``retry``: nobody is asked before that.
    """

    __slots__ = ("expires", "gone", "records", "refresh", "retry")

    def __init__(self, records: "tuple[Any, ...] | None", expires: float, gone: float) -> None:
        self.records = records
        self.expires = expires
        self.refresh = expires
        self.gone = gone
        self.retry = 0.0


class Cache:
    """Entries by key.  Times are seconds on the clock that is given."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        size: int = 20_000,
        shortest: float = 5.0,
        longest: float = 86_400.0,
        longest_negative: float = 900.0,
        failure: float = 5.0,
        stale: float = 86_400.0,
    ) -> None:
        """``failure`` is how long nobody is asked again after no answer came (RFC 9520: at least
        a second, at most five minutes).
        """
        self._now = now
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self.size = size
        self.shortest = shortest
        self.longest = longest
        self.longest_negative = longest_negative
        self.failure = failure
        self.stale = stale

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Entry | None:
        """Give what is known, also when it has run out but may still serve."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._now() >= entry.gone:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: Hashable, records: "tuple[Any, ...]", ttl: float) -> Entry:
        """Remember an answer that holds for ``ttl`` seconds."""
        longest = self.longest if records else min(self.longest, self.longest_negative)
        ttl = min(max(ttl, self.shortest), longest)
        now = self._now()
        entry = Entry(records, now + ttl, now + ttl + self.stale)
        if records:
            entry.refresh = now + ttl * _REFRESH_AFTER
        self._store(key, entry)
        return entry

    def put_failure(self, key: Hashable) -> Entry:
        """Remember that nobody answered.  An older answer stays and serves meanwhile."""
        until = self._now() + self.failure
        entry = self.get(key)
        if entry is None or entry.records is None:
            entry = Entry(None, until, until)
            self._store(key, entry)
        entry.retry = until
        return entry

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def _store(self, key: Hashable, entry: Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self.size:
            self._entries.popitem(last=False)
