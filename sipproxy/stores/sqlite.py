"""The bindings in a SQLite file: what a restart loads, and what other programs may look at.

The file is written by the follower's thread alone (`sipproxy.stores.follower`), behind the journal.
SQLite gives up the interpreter's lock while a statement runs: rows are written hundreds to a
statement, so that the reactor's thread is disturbed a few times a batch and not at every row.

``value`` is the packed form of `sipproxy.stores.records`; ``aor`` and ``expires`` are there for
people: ``SELECT aor, datetime(expires, 'unixepoch') FROM bindings``. An AoR is stored as the bytes
it came in, so one that is no UTF-8 does no harm.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from sipproxy.stores.database import DatabaseDamaged, DatabaseUnavailable, Loaded
from sipproxy.stores.records import aor_from_bytes, aor_to_bytes, is_sound, last_expiry

#: What brings a file from version n to n + 1. Never change one that was released; append.
UPGRADES: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE schema_version (version INTEGER NOT NULL)",
        "INSERT INTO schema_version VALUES (0)",
        "CREATE TABLE bindings (aor TEXT PRIMARY KEY NOT NULL, expires REAL NOT NULL,"
        " value BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE journal_position (number INTEGER NOT NULL)",
        "INSERT INTO journal_position VALUES (0)",
    ),
)

_Row = TypeVar("_Row")

# Few different statement lengths, so that SQLite's parser sees each of them once.
_ROWS: Final = (256, 16, 1)
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteBindings:
    """A `BindingDatabase` in a file, in WAL mode with ``synchronous=NORMAL``."""

    def __init__(self, path: str, *, busy_seconds: float = 2.0) -> None:
        """``busy_seconds`` is how long another program's lock is waited for."""
        self.path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)

    def open(self) -> int:
        """Connect, create or upgrade the tables; give the position."""
        self.close()
        with self._translated():
            self._identity = self._make_file()
            self._connection = sqlite3.connect(
                self.path, self._busy_seconds, isolation_level=None, check_same_thread=False
            )
            self._connection.text_factory = bytes
            self._run("PRAGMA journal_mode=WAL")
            self._run("PRAGMA synchronous=NORMAL")
            self._run("PRAGMA journal_size_limit=67108864")
            self._upgrade()
            return int(self._run("SELECT number FROM journal_position").fetchone()[0])

    def _upgrade(self) -> None:
        known = self._run(
            "SELECT count(*) FROM sqlite_master WHERE type='table' AND name='schema_version'"
        ).fetchone()[0]
        version = self._run("SELECT version FROM schema_version").fetchone()[0] if known else 0
        if version > len(UPGRADES):
            raise DatabaseUnavailable(
                f"{self.path} has version {version} of the tables, written by a newer release;"
                f" this one knows up to {len(UPGRADES)}"
            )
        if version == len(UPGRADES):
            # No lock for writing: a start must not wait for a program that holds it.
            return
        with self._transaction():
            for statements in UPGRADES[version:]:
                version += 1
                for statement in statements:
                    self._run(statement)
                self._run("UPDATE schema_version SET version=?", (version,))

    def load(self, now: float, restore: Callable[[str, bytes], None]) -> Loaded:
        """Give every AoR with a live binding to ``restore``; rows that are no values are counted.

        A damaged file raises DatabaseDamaged after the rows that could be read.
        """
        live = expired = damaged = 0
        with self._translated():
            # Row by row, not in pages: when a row cannot be read, those before it are not lost.
            for name, expires, packed in self._run("SELECT aor, expires, value FROM bindings"):
                if expires <= now:
                    expired += 1
                elif not packed or not is_sound(packed):
                    damaged += 1
                else:
                    restore(aor_from_bytes(name), packed)
                    live += 1
        return Loaded(live, expired, damaged)

    def apply(self, changes: Mapping[str, bytes], position: int) -> None:
        """Write values (an empty one removes the AoR) and the position, in one transaction."""
        kept = [(aor_to_bytes(aor), packed) for aor, packed in changes.items() if packed]
        gone = [aor_to_bytes(aor) for aor, packed in changes.items() if not packed]
        with self._translated(), self._transaction():
            self._write(kept)
            for names in _portions(gone):
                marks = ",".join(["CAST(? AS TEXT)"] * len(names))
                self._run(f"DELETE FROM bindings WHERE aor IN ({marks})", names)
            self._run("UPDATE journal_position SET number=?", (position,))

    def rebuild(self, pages: Iterable[list[tuple[str, bytes]]], position: int) -> None:
        """Write exactly these values and the position, in one transaction."""
        with self._translated(), self._transaction():
            self._run("DELETE FROM bindings")
            for page in pages:
                self._write([(aor_to_bytes(aor), packed) for aor, packed in page])
            self._run("UPDATE journal_position SET number=?", (position,))

    def _write(self, rows: list[tuple[bytes, bytes]]) -> None:
        # In the order of the file's pages: neighbours are written while their page is at hand.
        rows.sort()
        for portion in _portions(rows):
            values: list[object] = []
            for name, packed in portion:
                values += (name, last_expiry(packed), packed)
            marks = ",".join(["(CAST(? AS TEXT),?,?)"] * len(portion))
            self._run(f"INSERT OR REPLACE INTO bindings VALUES {marks}", values)

    def purge(self, now: float) -> None:
        """Remove the AoRs of which nothing is left."""
        with self._translated():
            self._run("DELETE FROM bindings WHERE expires <= ?", (now,))

    def is_current(self) -> bool:
        """Say whether the open file is still the one with this name.

        SQLite does not notice that its file was deleted, and would go on writing into nothing.
        """
        return self._connection is not None and self._identify() == self._identity

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file and wait for the disk.

        With ``synchronous=NORMAL`` a commit alone may be undone by a power cut; the journal's
        segments are deleted only behind a checkpoint.
        """
        with self._translated():
            busy, pages, moved = self._run("PRAGMA wal_checkpoint(FULL)").fetchone()
        return bool(busy == 0 and pages == moved)

    def set_aside(self) -> str:
        """Rename a damaged file, and what belongs to it; give the new name."""
        self.close()
        number = 1
        while os.path.exists(f"{self.path}.damaged-{number}"):
            number += 1
        with self._translated():
            for suffix in ("-wal", "-shm", ""):
                if os.path.exists(self.path + suffix):
                    os.rename(self.path + suffix, f"{self.path}.damaged-{number}{suffix}")
        return f"{self.path}.damaged-{number}"

    def close(self) -> None:
        """Disconnect; harmless when closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                # The journal still has what this connection could not finish.
                pass

    # -- helpers

    def _make_file(self) -> tuple[int, int]:
        """Make the file unless it is there (SQLite would let everyone read it); say which it is.

        Asked of the open file: by its name it may be another one a moment later.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return (status.st_dev, status.st_ino)

    def _identify(self) -> tuple[int, int]:
        try:
            status = os.stat(self.path)
        except OSError:
            return (0, 0)
        return (status.st_dev, status.st_ino)

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        if self._connection is None:
            raise DatabaseUnavailable(f"{self.path} is not open")
        return self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.rollback()
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what SQLite and the file system raise into what the seam promises."""
        try:
            yield
        except sqlite3.Error as problem:
            code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
            kind = DatabaseDamaged if code in _DAMAGE else DatabaseUnavailable
            raise kind(f"{self.path}: {problem}") from problem
        except OSError as problem:
            raise DatabaseUnavailable(f"{self.path}: {problem.strerror}") from problem


def _portions(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Cut rows into pieces of the lengths in `_ROWS`, longest first."""
    at = 0
    for length in _ROWS:
        while len(rows) - at >= length:
            yield rows[at : at + length]
            at += length
