"""The journal: what was promised to a phone is in a file before the promise leaves.

`Journal.append` only collects; `Journal.flush` writes everything collected since the last flush
with one system call, and the driver calls it once a turn of the reactor, before the answers of
that turn are sent. A write takes a few microseconds and survives ``kill -9``, since the kernel has
the bytes; for those who fear power cuts, ``fsync=True`` also waits for the disk, at the price of
milliseconds a turn.

`Journal.flush` is all or nothing. When it returns, every collected record is in the file. When it
raises `JournalError` (disk full, disk broken), none is: the half written rest is cut off, the
collected records are forgotten, and the next flush starts clean.

A segment that has grown to its size is closed and a new one begun; `Journal.release` deletes the
segments that the database has made superfluous. One process at a time may use a folder.
"""

import fcntl
import os
from collections.abc import Callable
from typing import Final

from sipproxy.stores.recovery import Recovery, read_back
from sipproxy.stores.segments import (
    HEADER_SIZE,
    MAX_PAYLOAD,
    Extent,
    make_frame,
    make_header,
    segment_name,
)

DEFAULT_SEGMENT_SIZE: Final = 16 * 1024 * 1024
LOCK_NAME: Final = "lock"


class JournalError(OSError):
    """The records of this turn could not be written; ``errno`` says why. None of them is kept.

    The driver need not know this class: it catches OSError.
    """


class FolderInUse(Exception):
    """Another process (or another part of this one) uses the state folder."""


class FileCalls:
    """The system calls the journal writes with; a test puts a full disk in their place."""

    __slots__ = ()

    def create(self, path: str) -> int:
        """Open a new file for appending."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def reopen(self, path: str) -> int:
        """Open an existing file for appending."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write; give how many bytes were taken."""
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to a size."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has what was written."""
        os.fdatasync(descriptor)


class FolderLock:
    """Holds a folder for one process; the kernel lets go of it however the process ends."""

    __slots__ = ("_descriptor",)

    def __init__(self, directory: str) -> None:
        """Take the folder, which is made when it is missing. Raises FolderInUse."""
        os.makedirs(directory, mode=0o700, exist_ok=True)
        path = os.path.join(directory, LOCK_NAME)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            self.release()
            raise FolderInUse(
                f"the state folder {directory} is in use by process {holder or 'unknown'}"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let go of the folder; harmless when done twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Journal:
    """Appends numbered records to the segments of a folder. See the module's text."""

    __slots__ = (
        "directory",
        "rotation_error",
        "_lock",
        "_fsync",
        "_segment_size",
        "_files",
        "_firsts",
        "_descriptor",
        "_extent",
        "_pending",
        "_next",
        "_rotate_at",
        "_uncut",
    )

    def __init__(
        self,
        directory: str,
        *,
        fsync: bool = False,
        segment_size: int = DEFAULT_SEGMENT_SIZE,
        files: FileCalls | None = None,
    ) -> None:
        """Take the folder; nothing can be appended before `recover`. Raises FolderInUse."""
        self.directory = directory
        #: Why no new segment could be begun; the present one goes on growing meanwhile.
        self.rotation_error: OSError | None = None
        self._lock = FolderLock(directory)
        self._fsync = fsync
        self._segment_size = segment_size
        self._files = files or FileCalls()
        self._firsts: list[int] = []
        self._descriptor = -1
        self._extent = Extent(0, 0, 0)
        self._pending: list[bytes] = []
        self._next = 0
        self._rotate_at = segment_size
        self._uncut = False

    def extent(self) -> Extent:
        """Say how far the journal is written; may be asked by another thread."""
        return self._extent

    @property
    def first(self) -> int:
        """Number of the oldest record that is still here."""
        return self._firsts[0]

    @property
    def last(self) -> int:
        """Number of the newest flushed record."""
        return self._extent.last

    def disk_bytes(self) -> int:
        """Give the bytes of all segments; they grow for as long as the database is behind."""
        closed = [os.stat(self._path(first)).st_size for first in self._firsts[:-1]]
        return sum(closed) + self._extent.size

    # -- writing

    def append(self, payload: bytes) -> None:
        """Collect a record for the next `flush`. Raises ValueError when it is too long or empty."""
        if not 0 < len(payload) <= MAX_PAYLOAD:
            raise ValueError(f"a record of {len(payload)} bytes cannot be kept")
        self._pending.append(make_frame(payload, self._next))
        self._pending.append(payload)
        self._next += 1

    def flush(self) -> None:
        """Write what was collected, all or nothing. Raises JournalError: nothing was kept."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        segment, size, last = self._extent
        try:
            if self._uncut:
                self._cut(size)
            self._write(self._descriptor, data)
            if self._fsync:
                self._files.sync(self._descriptor)
        except OSError as problem:
            self._next = last + 1
            self._undo_write(size)
            raise JournalError(problem.errno, problem.strerror, self._path(segment)) from problem
        size += len(data)
        self._extent = Extent(segment, size, self._next - 1)
        if size >= self._rotate_at:
            self._rotate()

    def _write(self, descriptor: int, data: bytes) -> None:
        written = self._files.write(descriptor, data)
        while written < len(data):
            # A disk that fills up takes a part first, and says why only when asked again.
            data = data[written:]
            written = self._files.write(descriptor, data)

    def _undo_write(self, size: int) -> None:
        """Cut off what a failed write left; when even that fails, before the next write."""
        try:
            self._cut(size)
        except OSError:
            self._uncut = True

    def _cut(self, size: int) -> None:
        self._files.truncate(self._descriptor, size)
        self._uncut = False

    def _rotate(self) -> None:
        """Begin a new segment; without one (disk full, no descriptors) the old one goes on."""
        try:
            self._begin(self._next)
            self.rotation_error = None
            self._rotate_at = self._segment_size
        except OSError as problem:
            self.rotation_error = problem
            self._rotate_at = self._extent.size + self._segment_size // 16

    def _begin(self, first: int) -> None:
        path = self._path(first)
        descriptor = self._files.create(path)
        try:
            self._write(descriptor, make_header(first))
            if self._fsync:
                self._files.sync(descriptor)
                _sync_folder(self.directory)
        except OSError:
            os.close(descriptor)
            os.unlink(path)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._firsts.append(first)
        self._extent = Extent(first, HEADER_SIZE, self._extent.last)

    def can_release(self, upto: int) -> bool:
        """Say whether `release` would delete something."""
        return len(self._firsts) > 1 and self._firsts[1] <= upto + 1

    def release(self, upto: int) -> int:
        """Delete the segments that hold nothing after record ``upto``; give how many.

        May be called by another thread than the one that writes. Raises OSError.
        """
        released = 0
        while self.can_release(upto):
            os.unlink(self._path(self._firsts[0]))
            del self._firsts[0]
            released += 1
        return released

    def close(self) -> None:
        """Flush, close, and let go of the folder. Raises JournalError like `flush`."""
        try:
            self.flush()
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._lock.release()

    def _path(self, first: int) -> str:
        return os.path.join(self.directory, segment_name(first))

    # -- reading back

    def recover(self, after: int, apply: Callable[[bytes], None]) -> Recovery:
        """Give every record after number ``after`` to ``apply``, and make the journal writable.

        ``apply`` raises ValueError for a record that means nothing to it. Nothing is refused: what
        cannot be read is counted, described in the notes, and left out. Raises OSError.
        """
        found = read_back(self.directory, after, apply)
        self._firsts = found.firsts
        self._next = max(found.last, after) + 1
        if found.size and found.last >= after:
            self._descriptor = self._files.reopen(self._path(found.firsts[-1]))
            self._extent = Extent(found.firsts[-1], found.size, found.last)
        else:
            self._extent = Extent(0, 0, self._next - 1)
            self._begin(self._next)
        return found.recovery


class NoJournal:
    """Stands in where nothing is to survive: a check of the configuration, a test, a redirector."""

    __slots__ = ()

    def append(self, payload: bytes) -> None:
        """Forget the record."""

    def flush(self) -> None:
        """Do nothing."""


def _sync_folder(directory: str) -> None:
    """Make the name of a new file survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
