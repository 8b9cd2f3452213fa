"""The journal: all or nothing at every flush, whole again after every crash."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from sipproxy.stores.journal import FolderInUse, Journal, JournalError, NoJournal
from sipproxy.stores.recovery import Recovery
from sipproxy.stores.segments import HEADER_SIZE, list_segments, segment_name
from sipproxy.testing.stores import FullDisk, MemoryJournal


class AnyJournal(Protocol):
    """What both journals have."""

    @property
    def last(self) -> int: ...
    def append(self, payload: bytes) -> None: ...
    def flush(self) -> None: ...
    def recover(self, after: int, apply: Callable[[bytes], None]) -> Recovery: ...
    def close(self) -> None: ...


class JournalInterface:
    """What every journal does; `make` gives a new, empty one, `reopen` the same after a restart."""

    def make(self) -> AnyJournal:
        raise NotImplementedError

    def reopen(self, journal: AnyJournal) -> AnyJournal:
        raise NotImplementedError

    def fail(self, journal: AnyJournal, number: int) -> None:
        """Make flushes fail with an errno, or succeed again with 0."""
        raise NotImplementedError

    def setup_method(self) -> None:
        self.read: list[bytes] = []

    def test_flushed_records_come_back(self) -> None:
        """After a restart, in order, from the number asked for."""
        journal = self.make()
        journal.append(b"one")
        journal.append(b"two")
        assert journal.last == 0
        journal.flush()
        journal.flush()
        journal.append(b"three")
        journal.close()
        journal = self.reopen(journal)
        assert journal.recover(1, self.read.append) == Recovery(2, 0, 0, [])
        assert (self.read, journal.last) == ([b"two", b"three"], 3)
        journal.close()

    def test_a_failed_flush_keeps_nothing(self) -> None:
        """The error says why; the next flush starts clean."""
        journal = self.make()
        journal.append(b"one")
        journal.flush()
        self.fail(journal, errno.ENOSPC)
        journal.append(b"two")
        journal.append(b"three")
        with pytest.raises(JournalError) as failure:
            journal.flush()
        assert failure.value.errno == errno.ENOSPC
        journal.flush()
        self.fail(journal, 0)
        journal.append(b"four")
        journal.flush()
        assert journal.last == 2
        journal.close()
        journal = self.reopen(journal)
        journal.recover(0, self.read.append)
        assert self.read == [b"one", b"four"]
        journal.close()

    def test_an_empty_record_is_refused(self) -> None:
        """And is not in the way of others."""
        journal = self.make()
        with pytest.raises(ValueError):
            journal.append(b"")
        journal.append(b"one")
        journal.flush()
        assert journal.last == 1
        journal.close()

    def test_a_record_nobody_understands_is_left_out(self) -> None:
        """Start-up goes on and says so."""

        def apply(payload: bytes) -> None:
            if payload == b"two":
                raise ValueError("not mine")
            self.read.append(payload)

        journal = self.make()
        for payload in (b"one", b"two", b"three"):
            journal.append(payload)
        journal.close()
        journal = self.reopen(journal)
        recovery = journal.recover(0, apply)
        assert self.read == [b"one", b"three"]
        assert (recovery.replayed, recovery.unreadable, len(recovery.notes)) == (2, 1, 1)
        journal.close()


class MemoryJournalTests(JournalInterface):
    def make(self) -> MemoryJournal:
        return MemoryJournal()

    def reopen(self, journal: AnyJournal) -> AnyJournal:
        return journal

    def fail(self, journal: AnyJournal, number: int) -> None:
        assert isinstance(journal, MemoryJournal)
        journal.fail_with = number


class JournalTests(JournalInterface):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "state"
        self.disk = FullDisk(1 << 40)

    def make(self) -> Journal:
        journal = self.open()
        journal.recover(0, self.read.append)
        return journal

    def open(self, segment_size: int = 1 << 20, fsync: bool = False) -> Journal:
        return Journal(str(self.path), segment_size=segment_size, fsync=fsync, files=self.disk)

    def reopen(self, journal: AnyJournal) -> Journal:
        return self.open()

    def fail(self, journal: AnyJournal, number: int) -> None:
        # A few bytes of room: the worst case is a record that is half written.
        self.disk.room = 5 if number else 1 << 40

    def restarted(self, after: int = 0) -> tuple[Journal, Recovery]:
        self.read.clear()
        journal = self.open()
        return journal, journal.recover(after, self.read.append)

    def test_a_full_disk_leaves_no_half_record(self) -> None:
        """Wherever in the write the disk ends, the file is as it was before."""
        journal = self.make()
        journal.append(b"one")
        journal.flush()
        good = (self.path / segment_name(1)).read_bytes()
        for room in range(2 * 8 + 6):
            self.disk.room = room
            journal.append(b"two")
            journal.append(b"six")
            with pytest.raises(JournalError):
                journal.flush()
            assert (self.path / segment_name(1)).read_bytes() == good
        journal.close()

    def test_a_half_record_that_cannot_be_cut_off_is_never_followed_by_good_ones(self) -> None:
        """Flushes fail until the cut succeeds; then nothing is missing."""
        journal = self.make()
        journal.append(b"one")
        journal.flush()
        self.disk.room, self.disk.broken_truncate = 5, True
        for _ in range(3):
            journal.append(b"two")
            with pytest.raises(JournalError):
                journal.flush()
            self.disk.room = 1 << 40
        self.disk.broken_truncate = False
        journal.append(b"three")
        journal.flush()
        journal.close()
        assert self.restarted()[1] == Recovery(2, 0, 0, [])
        assert self.read == [b"one", b"three"]

    def test_segments_rotate_and_are_released(self) -> None:
        """At their size, and only when all their records are in the database."""
        journal = self.open(segment_size=100)
        journal.recover(0, self.read.append)
        for number in range(1, 19):
            journal.append(b"record %02d" % number)
            journal.flush()
        firsts = list_segments(str(self.path))
        assert firsts == [1, 6, 11, 16]
        assert journal.first == 1
        sizes = [path.stat().st_size for path in self.path.glob("journal-*")]
        assert journal.disk_bytes() == sum(sizes)
        assert not journal.can_release(firsts[1] - 2)
        assert journal.release(firsts[1] - 2) == 0
        assert journal.can_release(firsts[2] - 1)
        assert journal.release(firsts[2] - 1) == 2
        assert list_segments(str(self.path)) == firsts[2:]
        assert journal.first == firsts[2]
        # The segment being written stays, whatever it holds.
        assert journal.release(10**6) == 1
        journal.close()
        journal, _ = self.restarted(after=16)
        assert self.read == [b"record 17", b"record 18"]
        assert journal.last == 18
        journal.close()

    def test_without_a_new_segment_the_old_one_goes_on(self) -> None:
        """No room for a second file: noted, not fatal, and made good later."""
        journal = self.open(segment_size=100)
        journal.recover(0, self.read.append)
        self.disk.room = 120 - HEADER_SIZE
        journal.append(b"x" * (112 - HEADER_SIZE))
        journal.flush()
        assert journal.rotation_error is not None
        assert list_segments(str(self.path)) == [1]
        self.disk.room = 1 << 40
        journal.append(b"two")
        journal.flush()
        assert journal.rotation_error is None
        assert list_segments(str(self.path)) == [1, 3]
        journal.close()

    def test_waiting_for_the_disk_is_a_switch(self) -> None:
        """Once a flush that has something to write, never without the switch."""
        journal = self.open(fsync=True)
        journal.recover(0, self.read.append)
        before = self.disk.syncs
        for _ in range(2):
            journal.append(b"one")
            journal.append(b"two")
            journal.flush()
            journal.flush()
        journal.close()
        assert self.disk.syncs == before + 2
        journal = self.open()
        journal.recover(0, self.read.append)
        journal.append(b"one")
        journal.close()
        assert self.disk.syncs == before + 2

    def test_a_folder_has_one_user(self) -> None:
        """The second is told who is first, and gets the folder when the first is done."""
        journal = self.make()
        with pytest.raises(FolderInUse, match=rf"in use by process {os.getpid()}$"):
            self.open()
        journal.close()
        journal.close()
        self.open().close()

    def test_the_files_are_private(self) -> None:
        """Who is registered from where is nobody else's business."""
        journal = self.make()
        assert self.path.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in self.path.iterdir()} == {0o600}
        journal.close()


class NoJournalTests:
    def test_it_takes_everything_and_keeps_nothing(self) -> None:
        """A registry can be used without a disk."""
        journal = NoJournal()
        journal.append(b"one")
        journal.flush()
