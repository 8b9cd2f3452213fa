"""Opening the state folder: one call from a path to a registry that is loaded and kept."""

import os
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from sipproxy.stores.database import DatabaseDamaged, Loaded
from sipproxy.stores.follower import DEFAULT_INTERVAL, Follower, FollowerStatus
from sipproxy.stores.journal import DEFAULT_SEGMENT_SIZE, FileCalls, Journal
from sipproxy.stores.records import unpack_change
from sipproxy.stores.registry import DEFAULT_MAX_BINDINGS, Registry
from sipproxy.stores.sqlite import SqliteBindings

DATABASE_NAME: Final = "bindings.sqlite"

_PROGRESS_STEP: Final = 50_000


class OpenReport(NamedTuple):
    """What start-up found, for the error log."""

    bindings: int
    aors: int
    rows: Loaded
    """What the database held."""
    replayed: int
    """Journal records the database did not have yet."""
    torn: int
    """Bytes of an unfinished write cut off the journal."""
    seconds: float
    """How long it took."""
    notes: list[str]
    """Sentences worth a warning; empty when all was as it should be."""


class OpenRegistry(NamedTuple):
    """A registry and what keeps it."""

    registry: Registry
    journal: Journal
    follower: Follower
    report: OpenReport

    def close(self, seconds: float = 10.0) -> bool:
        """Flush, bring the database up to date for at most ``seconds``, let go of the folder.

        False when the database is behind; nothing is lost, the next start replays the journal.
        Raises JournalError when the last flush failed; all else is closed even so.
        """
        try:
            self.registry.flush()
        finally:
            complete = self.follower.stop(seconds)
            self.journal.close()
        return complete


def open_registry(
    directory: str,
    clock: Callable[[], float],
    *,
    fsync: bool = False,
    max_bindings: int = DEFAULT_MAX_BINDINGS,
    segment_size: int = DEFAULT_SEGMENT_SIZE,
    files: FileCalls | None = None,
    interval: float = DEFAULT_INTERVAL,
    progress: Callable[[int], None] | None = None,
    told: Callable[[FollowerStatus], None] | None = None,
) -> OpenRegistry:
    """Load what was kept in ``directory`` and start keeping it on.

    Call it after the process has gone into the background: threads do not survive a fork.
    ``interval`` is how many seconds the database may be behind when there is little to do.
    ``progress`` is told the number of rows loaded so far, ``told`` (in the follower's thread) when
    the database begins or ceases to fail.

    Raises FolderInUse, DatabaseUnavailable (another program holds the file locked, or a newer
    release wrote it) and OSError; a damaged database is set aside and what it still gave is used.
    """
    started = time.monotonic()
    journal = Journal(directory, fsync=fsync, segment_size=segment_size, files=files)
    try:
        registry = Registry(clock, journal, max_bindings=max_bindings)
        database = SqliteBindings(os.path.join(directory, DATABASE_NAME))
        notes: list[str] = []
        position, rows = _load(database, registry, clock(), progress, notes)

        def apply(payload: bytes) -> None:
            registry.restore(*unpack_change(payload))

        recovery = journal.recover(position, apply)
    except BaseException:
        journal.close()
        raise
    follower = Follower(journal, database, registry, clock, interval=interval, told=told)
    follower.start(position)
    report = OpenReport(
        registry.count,
        registry.aors,
        rows,
        recovery.replayed,
        recovery.torn,
        time.monotonic() - started,
        notes + recovery.notes,
    )
    return OpenRegistry(registry, journal, follower, report)


def _load(
    database: SqliteBindings,
    registry: Registry,
    now: float,
    progress: Callable[[int], None] | None,
    notes: list[str],
) -> tuple[int, Loaded]:
    """Fill the registry from the database; give the database's position and what it held."""

    def restore(aor: str, packed: bytes) -> None:
        registry.restore(aor, packed)
        if progress is not None and not registry.aors % _PROGRESS_STEP:
            progress(registry.aors)

    try:
        position = database.open()
        rows = database.load(now, restore)
    except DatabaseDamaged as problem:
        name = database.set_aside()
        notes.append(f"{problem}; {registry.aors} AoRs were read, the file is now {name}")
        position = database.open()
        rows = Loaded(registry.aors, 0, 1)
    finally:
        database.close()
    if rows.damaged:
        notes.append(f"{rows.damaged} damaged rows left out of {database.path}")
    return position, rows
