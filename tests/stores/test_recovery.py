"""Reading a journal back: after a crash at any byte, after damage, after files were lost."""

from pathlib import Path

import pytest

from sipproxy.stores.journal import Journal
from sipproxy.stores.recovery import Recovery
from sipproxy.stores.segments import HEADER_SIZE, segment_name


class RecoveryTests:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "state"
        self.read: list[bytes] = []

    def restarted(self, after: int = 0) -> tuple[Journal, Recovery]:
        self.read.clear()
        journal = Journal(str(self.path))
        return journal, journal.recover(after, self.read.append)

    def test_every_cut_leaves_what_was_flushed_before_it(self) -> None:
        """A crash at any byte: whole records before it are there, and writing goes on."""
        journal = self.restarted()[0]
        ends = [HEADER_SIZE]
        records = [b"record %d" % number * (number % 3 + 1) for number in range(1, 9)]
        for record in records:
            journal.append(record)
            journal.flush()
            ends.append(journal.extent().size)
        journal.close()
        data = (self.path / segment_name(1)).read_bytes()
        assert len(data) == ends[-1]
        for size in range(len(data) + 1):
            (self.path / segment_name(1)).write_bytes(data[:size])
            whole = len([end for end in ends[1:] if end <= size])
            journal, recovery = self.restarted()
            assert self.read == records[:whole]
            assert recovery.torn == (size - ends[whole] if size >= HEADER_SIZE else size)
            assert bool(recovery.notes) == (size >= HEADER_SIZE and size not in ends)
            journal.append(b"after the crash")
            journal.close()
            journal, recovery = self.restarted()
            assert self.read == [*records[:whole], b"after the crash"]
            assert (recovery.torn, recovery.notes) == (0, [])
            journal.close()

    def test_a_damaged_record_costs_one(self) -> None:
        """A flipped bit in the middle is reported, and the rest is read."""
        journal = self.restarted()[0]
        for payload in (b"one", b"two", b"three"):
            journal.append(payload)
        journal.close()
        data = bytearray((self.path / segment_name(1)).read_bytes())
        data[HEADER_SIZE + 8 + 3 + 8] ^= 1
        (self.path / segment_name(1)).write_bytes(data)
        journal, recovery = self.restarted()
        assert self.read == [b"one", b"three"]
        assert (recovery.unreadable, recovery.torn) == (1, 0)
        assert journal.last == 3
        journal.close()

    def test_a_segment_without_a_head_is_set_aside(self) -> None:
        """Kept for whoever wants to look, out of the way, and said."""
        journal = self.restarted()[0]
        journal.append(b"one")
        journal.close()
        (self.path / segment_name(1)).write_bytes(b"something else entirely")
        journal, recovery = self.restarted()
        assert (self.read, len(recovery.notes)) == ([], 1)
        assert (self.path / (segment_name(1) + ".damaged")).exists()
        journal.append(b"two")
        journal.close()
        assert self.restarted()[1].replayed == 1

    def test_numbers_go_on_behind_the_database(self) -> None:
        """A journal that was deleted does not start again below what the database has."""
        journal = self.restarted(after=500)[0]
        journal.append(b"one")
        journal.flush()
        assert (journal.first, journal.last) == (501, 501)
        journal.close()
        journal, recovery = self.restarted(after=500)
        assert (self.read, recovery.notes) == ([b"one"], [])
        journal.close()

    def test_missing_records_are_reported(self) -> None:
        """When the oldest segment starts behind what the database has."""
        journal = self.restarted(after=500)[0]
        journal.append(b"one")
        journal.close()
        journal, recovery = self.restarted(after=400)
        assert self.read == [b"one"]
        assert "records 401 to 500 are missing" in recovery.notes[0]
        journal.close()
