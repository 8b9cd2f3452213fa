"""The follower: carries the journal's records into the database, in a thread of its own.

It reads the journal's files like a stranger would and holds no queue: however far the database is
behind, memory does not grow, and the reactor's thread is never waited for nor made to wait. Many
changes of one AoR become one write. Segments the database has are deleted.

A database that is locked, full or gone is tried again, at growing intervals; the journal keeps the
changes meanwhile, and `Follower.status` says what is wrong since when. One that is damaged is set
aside; one that lacks records the journal no longer has (it was deleted or replaced) is built again
from memory.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from sipproxy.stores.database import BindingDatabase, DatabaseDamaged, DatabaseUnavailable
from sipproxy.stores.journal import Journal
from sipproxy.stores.records import unpack_change
from sipproxy.stores.segments import SegmentReader

DEFAULT_INTERVAL: Final = 0.5

# Records of one transaction. Larger ones write faster and wake the reactor's thread later: it was
# 3 ms late at worst with 512, 5 ms with 2,048, 11 ms with 4,096.
DEFAULT_BATCH: Final = 1024

# Unpacking this many records holds the interpreter's lock for a quarter of a millisecond.
_PORTION: Final = 256
_BREATH: Final = 0.001
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


class FollowerStatus(NamedTuple):
    """How the database does."""

    position: int
    """Number of the last journal record it has."""
    behind: int
    """Flushed records it does not have yet."""
    error: str
    """What went wrong last; empty while all is well."""
    failing_since: float
    """Clock time of the first failure in a row; 0 while all is well."""
    pause: float
    """Seconds between two attempts; 0 while all is well."""
    rebuilds: int
    """How often it was built again from memory."""
    running: bool
    """Whether the thread lives."""


class Snapshot(Protocol):
    """Where the follower gets everything from when the database has to be built again."""

    @property
    def rollbacks(self) -> int:
        """How many turns were taken back."""

    def shard_items(self, index: int) -> list[tuple[str, bytes]]:
        """Copy a part. Raises IndexError behind the last."""


class _Stopped(Exception):
    """A rebuild was interrupted by `Follower.stop`."""


class Follower:
    """Brings a database up to date with a journal. `step` does the work, the thread repeats it."""

    def __init__(
        self,
        journal: Journal,
        database: BindingDatabase,
        source: Snapshot,
        clock: Callable[[], float],
        *,
        interval: float = DEFAULT_INTERVAL,
        batch: int = DEFAULT_BATCH,
        told: Callable[[FollowerStatus], None] | None = None,
    ) -> None:
        """Nothing happens before `start`.

        ``interval`` is the pause in seconds once the database is up to date, ``batch`` the records
        of one transaction. ``told`` is called in the follower's thread when failing begins or
        ends, and must not raise.
        """
        self._journal = journal
        self._database = database
        self._source = source
        self._clock = clock
        self._interval = interval
        self._batch = batch
        self._told = told
        self._reader: SegmentReader | None = None
        self._position = 0
        self._purged = False
        self._error = ""
        self._failing_since = 0.0
        self._pause = _FIRST_PAUSE
        self._rebuilds = 0
        self._stop_by = 0.0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def status(self) -> FollowerStatus:
        """Say how far the database is; may be asked from any thread."""
        return FollowerStatus(
            self._position,
            self._journal.last - self._position,
            self._error,
            self._failing_since,
            self._pause if self._error else 0.0,
            self._rebuilds,
            self._thread is not None and self._thread.is_alive(),
        )

    # -- the thread

    def start(self, position: int) -> None:
        """Start the thread; the database is known to be at ``position``."""
        self._position = position
        self._thread = threading.Thread(target=self._run, name="registry-follower", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> bool:
        """Bring the database up to date for at most ``seconds``, then end the thread.

        False when it did not get there: the next start replays the rest from the journal.
        """
        self._stop_by = time.monotonic() + seconds
        self._wake.set()
        if self._thread is not None:
            # A little longer than promised to the last step, which may have just begun.
            self._thread.join(seconds + 1.0)
        return not self._error and self._position == self._journal.last

    def _run(self) -> None:
        while not self._is_overdue():
            # Asked before the step: only one that began after `stop` has seen the last record.
            stopping = self._stop_by > 0.0
            failed_before = bool(self._error)
            more = self.try_step()
            if not stopping and not more:
                self._wake.wait(self._pause if self._error else self._interval)
            elif not more and (failed_before or not self._error):
                # Up to date, or failing for the second time.
                break
        self._drop_reader()
        self._database.close()

    def _is_overdue(self) -> bool:
        return self._stop_by > 0.0 and time.monotonic() >= self._stop_by

    # -- the work

    def try_step(self) -> bool:
        """Do one `step`, and note whether it went well; give whether to go on at once."""
        try:
            more = self.step()
        except _Stopped:
            return False
        except DatabaseDamaged as problem:
            self._failed(self._set_aside(problem))
            return False
        except Exception as problem:  # The thread must outlive even a mistake of ours.
            self._failed(str(problem) or repr(problem))
            return False
        if self._error:
            self._error = ""
            self._failing_since = 0.0
            self._pause = _FIRST_PAUSE
            self._tell()
        return more

    def _set_aside(self, problem: DatabaseDamaged) -> str:
        try:
            name = self._database.set_aside()
        except DatabaseUnavailable as another:
            return f"{problem}; it cannot be set aside: {another}"
        return f"{problem}; set aside as {name}"

    def _failed(self, text: str) -> None:
        """Note a failure. The next step connects anew and asks the database where it is."""
        self._drop_reader()
        self._database.close()
        first = not self._error
        self._error = text
        if first:
            self._failing_since = self._clock()
            self._tell()
        else:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _tell(self) -> None:
        if self._told is not None:
            self._told(self.status())

    def step(self) -> bool:
        """Carry one batch over; give whether there is more to do at once.

        Raises DatabaseUnavailable, or OSError when the journal cannot be read.
        """
        reader = self._reader
        if reader is None or not self._database.is_current():
            reader = self._connect()
        changes: dict[str, bytes] = {}
        records = 0
        while records < self._batch and (found := reader.read(_PORTION)):
            records += len(found)
            _collect(found, changes)
            if not self._stop_by:
                time.sleep(_BREATH)
        if reader.damaged:
            # The disk gave back less than was written: memory knows.
            self._drop_reader()
            self._position = self._rebuild()
            return True
        if reader.number != self._position:
            self._database.apply(changes, reader.number)
            self._position = reader.number
        elif not self._purged:
            self._database.purge(self._clock())
            self._purged = True
        if self._journal.can_release(self._position) and self._database.checkpoint():
            self._journal.release(self._position)
        # A file deleted in the middle of this is found out now, not at the next change.
        return records >= self._batch or not self._database.is_current()

    def _connect(self) -> SegmentReader:
        self._drop_reader()
        position = self._database.open()
        if not self._journal.first - 1 <= position <= self._journal.last:
            position = self._rebuild()
        self._position = position
        directory = self._journal.directory
        self._reader = SegmentReader(directory, self._journal.extent, position)
        return self._reader

    def _rebuild(self) -> int:
        """Write everything from memory; give the record up to which that is complete."""
        while True:
            rollbacks = self._source.rollbacks
            # Read before the first page: what changes from now on is read from the journal too.
            position = self._journal.last
            self._database.rebuild(self._pages(), position)
            if self._source.rollbacks == rollbacks:
                self._rebuilds += 1
                return position
            # A page may hold what was taken back since, and no journal record will tell.

    def _pages(self) -> Iterator[list[tuple[str, bytes]]]:
        index = 0
        while True:
            if self._is_overdue():
                raise _Stopped
            try:
                page = self._source.shard_items(index)
            except IndexError:
                return
            yield page
            index += 1

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _collect(found: list[tuple[int, bytes]], changes: dict[str, bytes]) -> None:
    """Note the newest value of each AoR."""
    for _, payload in found:
        try:
            aor, packed = unpack_change(payload)
        except ValueError:
            # Start-up reported it when it met it.
            continue
        changes[aor] = packed
