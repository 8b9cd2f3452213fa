"""Stores without a disk: the fakes pass the same interface tests as the real ones.

`memory_registry` is what most tests want; `MemoryJournal` and `MemoryDatabase` can be told to fail,
and `FullDisk` gives a real journal a disk that ends after so many bytes.
"""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sipproxy.stores.database import DatabaseUnavailable, Loaded
from sipproxy.stores.journal import FileCalls, JournalError
from sipproxy.stores.records import Binding, is_sound, last_expiry
from sipproxy.stores.recovery import Recovery
from sipproxy.stores.registry import Registry


def make_binding(number: int = 1, *, expires: float = 3600.0, **fields: Any) -> Binding:
    """Give a plausible binding; ``number`` makes its contact and Call-ID different from others."""
    fields.setdefault("contact", b"sip:phone%d@192.0.2.1:5060" % number)
    fields.setdefault("call_id", b"call-%d@192.0.2.1" % number)
    fields.setdefault("cseq", 1)
    return Binding(expires=expires, **fields)


class MemoryJournal:
    """A journal in a list. `fail_with` makes every flush fail until it is set to 0 again."""

    def __init__(self) -> None:
        """Begin empty."""
        #: The flushed records.
        self.records: list[bytes] = []
        #: An errno, or 0.
        self.fail_with = 0
        self._pending: list[bytes] = []

    @property
    def last(self) -> int:
        """Number of the newest flushed record."""
        return len(self.records)

    def append(self, payload: bytes) -> None:
        """Collect a record for the next flush."""
        if not payload:
            raise ValueError("a record of 0 bytes cannot be kept")
        self._pending.append(payload)

    def flush(self) -> None:
        """Keep what was collected, or raise JournalError and forget it."""
        pending, self._pending = self._pending, []
        if pending and self.fail_with:
            raise JournalError(self.fail_with, os.strerror(self.fail_with))
        self.records += pending

    def recover(self, after: int, apply: Callable[[bytes], None]) -> Recovery:
        """Give the records after a number to ``apply``."""
        replayed = unreadable = 0
        for payload in self.records[after:]:
            try:
                apply(payload)
                replayed += 1
            except ValueError:
                unreadable += 1
        notes = [f"{unreadable} damaged records left out"] if unreadable else []
        return Recovery(replayed, unreadable, 0, notes)

    def close(self) -> None:
        """Flush."""
        self.flush()


class MemoryDatabase:
    """A `sipproxy.stores.database.BindingDatabase` in a dictionary."""

    def __init__(self) -> None:
        """Begin empty and closed."""
        self.rows: dict[str, bytes] = {}
        self.position = 0
        #: The error that every call raises; None: all is well.
        self.failure: DatabaseUnavailable | None = None
        #: The calls that wrote something: their changes.
        self.writes: list[dict[str, bytes]] = []
        self.checkpoints = 0
        self.asides = 0
        self._open = False

    def open(self) -> int:
        """Connect; give the position."""
        self._check()
        self._open = True
        return self.position

    def load(self, now: float, restore: Callable[[str, bytes], None]) -> Loaded:
        """Give every AoR with a live binding to ``restore``."""
        self._check()
        live = expired = damaged = 0
        for aor, packed in self.rows.items():
            if not is_sound(packed):
                damaged += 1
            elif last_expiry(packed) <= now:
                expired += 1
            else:
                restore(aor, packed)
                live += 1
        return Loaded(live, expired, damaged)

    def apply(self, changes: Mapping[str, bytes], position: int) -> None:
        """Write values and the position."""
        self._check_open()
        self.writes.append(dict(changes))
        for aor, packed in changes.items():
            if packed:
                self.rows[aor] = packed
            else:
                self.rows.pop(aor, None)
        self.position = position

    def rebuild(self, pages: Iterable[list[tuple[str, bytes]]], position: int) -> None:
        """Write exactly these values and the position."""
        self._check_open()
        self.rows = {aor: packed for page in pages for aor, packed in page}
        self.position = position

    def purge(self, now: float) -> None:
        """Remove the AoRs of which nothing is left."""
        self._check_open()
        self.rows = {aor: row for aor, row in self.rows.items() if last_expiry(row) > now}

    def is_current(self) -> bool:
        """Say whether it is open."""
        return self._open

    def checkpoint(self) -> bool:
        """Count the call."""
        self._check_open()
        self.checkpoints += 1
        return True

    def set_aside(self) -> str:
        """Begin again empty."""
        self.close()
        self.asides += 1
        self.rows = {}
        self.position = 0
        self.failure = None
        return f"aside {self.asides}"

    def close(self) -> None:
        """Disconnect."""
        self._open = False

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _check_open(self) -> None:
        self._check()
        if not self._open:
            raise DatabaseUnavailable("not open")


class FullDisk(FileCalls):
    """File calls on a disk with room for so many bytes; cutting a file gives none back."""

    __slots__ = ("broken_truncate", "room", "syncs")

    def __init__(self, room: int) -> None:
        """``room`` may be set at any time; so may ``broken_truncate``."""
        self.room = room
        #: Whether even cutting the file fails.
        self.broken_truncate = False
        #: How often the journal waited for the disk.
        self.syncs = 0

    def write(self, descriptor: int, data: bytes) -> int:
        """Take what there is room for, as a kernel does: a part now, the error next time."""
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(descriptor, data[: self.room])
        self.room -= written
        return written

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file, unless that is broken."""
        if self.broken_truncate:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Count."""
        self.syncs += 1


def memory_registry(clock: Callable[[], float], **options: Any) -> tuple[Registry, MemoryJournal]:
    """Give a registry over a `MemoryJournal`, and the journal."""
    journal = MemoryJournal()
    return Registry(clock, journal, **options), journal
