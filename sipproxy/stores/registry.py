"""The registry: which contacts an address of record (AoR) has now.

Reading is a look-up in a dictionary and one unpacking (see `sipproxy.stores.records` for why the
values are ``bytes``). Writing puts the new value in place at once and its change into the journal;
`Registry.flush`, called once a turn of the reactor before the answers leave, makes the turn's
changes durable or takes all of them back (RFC 3261 10.3 step 7: a failed update commits nothing).

The dictionary is split into shards: a dictionary doubles in one go, at a million entries for tens
of milliseconds; a shard does so in some microseconds. Sweeping and listing go shard by shard too.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from zope.interface import classImplements

from sipproxy.interfaces import IRegistry
from sipproxy.stores.journal import JournalError
from sipproxy.stores.records import (
    NOTHING,
    Binding,
    RegistryFull,
    count,
    expiry_mark,
    pack,
    pack_change,
    unpack,
    without_expired,
)

DEFAULT_SHARDS: Final = 1024
DEFAULT_MAX_BINDINGS: Final = 2_000_000

# What a sweep spends, in units of looking at one AoR: up to a quarter of a microsecond, most of it
# waiting for memory, since a large registry is in no cache.
_SHARD_COST: Final = 1
_EXPIRY_COST: Final = 20

#: Told the AoR, its bindings before and after a change. Must not raise.
Observer = Callable[[str, list[Binding], list[Binding]], None]


class ChangeJournal(Protocol):
    """What the registry needs of a journal: `Journal`, `NoJournal` and the fake have it."""

    def append(self, payload: bytes) -> None:
        """Collect a record for the next flush. Raises ValueError, and then nothing happened."""

    def flush(self) -> None:
        """Keep what was collected, all or nothing. Raises JournalError: nothing was kept."""


class Registry:
    """Bindings by AoR, with expiry. All times are those of the clock given to it, in seconds."""

    __slots__ = (
        "max_bindings",
        "count",
        "aors",
        "rollbacks",
        "_clock",
        "_journal",
        "_shards",
        "_mask",
        "_undo",
        "_observers",
        "_sweep_at",
    )

    def __init__(
        self,
        clock: Callable[[], float],
        journal: ChangeJournal,
        *,
        shards: int = DEFAULT_SHARDS,
        max_bindings: int = DEFAULT_MAX_BINDINGS,
    ) -> None:
        """``clock`` gives wall clock seconds; ``shards`` is a power of two."""
        if shards < 1 or shards & (shards - 1):
            raise ValueError(f"{shards} shards: not a power of two")
        self.max_bindings = max_bindings
        #: Bindings held, expired ones that were not swept yet included.
        self.count = 0
        #: Addresses of record held.
        self.aors = 0
        #: How many turns were taken back because the journal failed.
        self.rollbacks = 0
        self._clock = clock
        self._journal = journal
        self._shards: list[dict[str, bytes]] = [{} for _ in range(shards)]
        self._mask = shards - 1
        self._undo: list[tuple[str, bytes]] = []
        self._observers: tuple[Observer, ...] = ()
        self._sweep_at = 0

    # -- reading

    def lookup(self, aor: str) -> list[Binding]:
        """Give the live bindings, highest q first, then the newest."""
        # The low bits of the hash place the entry within the shard, so the shard takes others.
        packed = self._shards[(hash(aor) >> 32) & self._mask].get(aor)
        if packed is None:
            return []
        now = self._clock()
        return [binding for binding in unpack(packed) if binding.expires > now]

    def raw(self, aor: str) -> bytes:
        """Give the packed value, expired bindings included; `NOTHING` for an unknown AoR."""
        return self._shards[(hash(aor) >> 32) & self._mask].get(aor, NOTHING)

    def page(self, cursor: str = "", limit: int = 100) -> tuple[list[tuple[str, bytes]], str]:
        """List AoRs with their packed values, ``limit`` at a time.

        Start with the cursor "" and go on with the one given back, until that is "". The order is
        the registry's own; an AoR that is there all the while is listed exactly once, whatever is
        added or removed in between. A cursor is good for the life of the process.
        """
        start, inside, after = cursor.partition(" ")
        found: list[tuple[str, bytes]] = []
        for index in range(int(start or "0"), len(self._shards)):
            shard = self._shards[index]
            names = sorted(shard)
            first = bisect_right(names, after) if inside else 0
            inside = ""
            taken = names[first : first + limit - len(found)]
            found.extend([(name, shard[name]) for name in taken])
            if len(found) >= limit and taken:
                return found, f"{index} {taken[-1]}"
        return found, ""

    def shard_items(self, index: int) -> list[tuple[str, bytes]]:
        """Copy one shard; safe from another thread, since copying is one step of the interpreter.

        Raises IndexError behind the last shard.
        """
        return list(self._shards[index].items())

    # -- writing

    def replace(self, aor: str, bindings: Iterable[Binding]) -> None:
        """Make these the bindings of ``aor``; no bindings remove it. Durable after `flush`.

        Raises RegistryFull when that would be more bindings than allowed, ValueError for what
        cannot be packed; then nothing has changed.
        """
        self.replace_raw(aor, pack(bindings))

    def remove(self, aor: str) -> None:
        """Forget an AoR; harmless when it is unknown."""
        self.replace_raw(aor, NOTHING)

    def replace_raw(self, aor: str, packed: bytes) -> None:
        """Like `replace`, with a packed value that is known to be sound."""
        before = self.raw(aor)
        if packed == before:
            return
        grows = count(packed) - count(before)
        if grows > 0 and self.count + grows > self.max_bindings:
            raise RegistryFull(f"{self.count} bindings, at most {self.max_bindings} are allowed")
        self._journal.append(pack_change(aor, packed))
        self._undo.append((aor, before))
        self._put(aor, packed, before)

    def restore(self, aor: str, packed: bytes) -> None:
        """Take a sound value from the disk at start-up: not journaled, expired parts left out."""
        self._put(aor, without_expired(packed, self._clock()), self.raw(aor))

    def flush(self) -> None:
        """Make the changes since the last flush durable. Called before the turn's answers leave.

        Raises JournalError; then all of these changes are taken back, and the registrar must not
        send the 200s that announce them.
        """
        try:
            self._journal.flush()
        except JournalError:
            self.rollbacks += 1
            undo, self._undo = self._undo, []
            for aor, before in reversed(undo):
                self._put(aor, before, self.raw(aor))
            raise
        if self._undo:
            self._undo.clear()

    def _put(self, aor: str, packed: bytes, before: bytes) -> None:
        shard = self._shards[(hash(aor) >> 32) & self._mask]
        if packed:
            shard[aor] = packed
            self.count += count(packed) - count(before)
            if not before:
                self.aors += 1
        elif before:
            del shard[aor]
            self.count -= count(before)
            self.aors -= 1
        if self._observers:
            self._tell(aor, before, packed)

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` of every change from now on; taking one back is told as one more."""
        self._observers += (observer,)

    def unobserve(self, observer: Observer) -> None:
        """Stop telling ``observer``."""
        self._observers = tuple([other for other in self._observers if other != observer])

    def _tell(self, aor: str, before: bytes, after: bytes) -> None:
        for observer in self._observers:
            observer(aor, unpack(before), unpack(after))

    # -- expiry

    def sweep(self, budget: int = 3_000) -> list[tuple[str, Binding]]:
        """Take out expired bindings and give them; goes on where the last call ended.

        The budget is in AoRs looked at, an expired one counting for twenty: 3,000 take one to
        two milliseconds. One call never goes round more than once. Removals are journaled for the
        database's sake alone: at start-up what has expired is left out anyway.
        """
        now = self._clock()
        mark = expiry_mark(now)
        gone: list[tuple[str, Binding]] = []
        for _ in range(len(self._shards)):
            if budget <= 0:
                break
            shard = self._shards[self._sweep_at]
            due = [aor for aor, packed in shard.items() if packed < mark]
            budget -= len(shard) + _SHARD_COST
            for aor in due:
                self._expire(aor, shard[aor], now, gone)
                budget -= _EXPIRY_COST
                if budget <= 0 and aor is not due[-1]:
                    return gone
            self._sweep_at = (self._sweep_at + 1) & self._mask
        return gone

    def _expire(self, aor: str, before: bytes, now: float, gone: list[tuple[str, Binding]]) -> None:
        bindings = unpack(before)
        after = pack([binding for binding in bindings if binding.expires > now])
        gone.extend([(aor, binding) for binding in bindings if binding.expires <= now])
        if not after:
            self._journal.append(pack_change(aor, NOTHING))
        self._put(aor, after, before)


# Not a decorator: the class may be compiled, and then takes none.
classImplements(Registry, IRegistry)
