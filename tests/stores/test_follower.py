"""The follower: what is in the journal gets into the database, whatever the database does."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipproxy.stores.database import DatabaseDamaged, DatabaseUnavailable
from sipproxy.stores.follower import Follower, FollowerStatus
from sipproxy.stores.journal import Journal, JournalError
from sipproxy.stores.registry import Registry
from sipproxy.stores.segments import list_segments
from sipproxy.testing.stores import FullDisk, MemoryDatabase, make_binding


class Basics:
    """A registry over a real journal, followed step by step into a database in memory."""

    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> Iterator[None]:
        self.now = 1000.0
        self.disk = FullDisk(1 << 40)
        self.journal = Journal(str(tmp_path), segment_size=2000, files=self.disk)
        self.journal.recover(0, lambda payload: None)
        self.registry = Registry(lambda: self.now, self.journal, shards=4)
        self.database = MemoryDatabase()
        self.told: list[FollowerStatus] = []
        self.follower = self.make_follower()
        yield
        self.journal.close()

    def make_follower(self) -> Follower:
        return Follower(
            self.journal,
            self.database,
            self.registry,
            lambda: self.now,
            batch=50,
            told=self.told.append,
        )

    def register(self, *numbers: int, cseq: int = 1) -> None:
        for number in numbers:
            binding = make_binding(number, expires=self.now + 100, cseq=cseq)
            self.registry.replace(f"user{number}", [binding])
        self.registry.flush()

    def settle(self) -> None:
        """Step until there is nothing left to do."""
        while self.follower.try_step():
            pass

    def assert_equal(self) -> None:
        """What a restart would load is what memory holds."""
        assert self.database.rows == dict(self.registry.page("", 10_000)[0])
        assert self.database.position == self.journal.last
        assert self.follower.status().behind == 0


class StepTests(Basics):
    def test_records_are_carried_over(self) -> None:
        """Changes and removals; the status says how far."""
        self.register(1, 2, 3)
        self.registry.remove("user2")
        self.registry.flush()
        assert self.follower.status().behind == 4
        self.settle()
        assert set(self.database.rows) == {"user1", "user3"}
        assert self.follower.status() == FollowerStatus(4, 0, "", 0.0, 0.0, 0, False)
        self.assert_equal()

    def test_many_changes_of_one_aor_are_one_write(self) -> None:
        """The newest; a phone that refreshes often costs the database little."""
        for cseq in range(30):
            self.register(1, cseq=cseq)
        self.settle()
        assert [len(write) for write in self.database.writes] == [1]
        self.assert_equal()

    def test_batches_are_bounded(self) -> None:
        """However far behind: no transaction is much longer than the batch."""
        for number in range(1000):
            self.register(number)
        self.settle()
        assert max(len(write) for write in self.database.writes) < 50 + 256
        assert len(self.database.writes) > 3
        self.assert_equal()

    def test_nothing_new_writes_nothing(self) -> None:
        """An idle server leaves the disk alone."""
        self.register(1)
        self.settle()
        for _ in range(3):
            assert not self.follower.try_step()
        assert len(self.database.writes) == 1

    def test_segments_are_deleted_behind_a_checkpoint(self) -> None:
        """Only what would survive a power cut in the database leaves the journal."""
        for number in range(100):
            self.register(number)
        assert len(list_segments(self.journal.directory)) > 4
        assert self.database.checkpoints == 0
        self.settle()
        assert len(list_segments(self.journal.directory)) == 1
        assert self.database.checkpoints > 0

    def test_expired_rows_are_purged_once_idle(self) -> None:
        """What start-up left out because it was over does not stay for ever."""
        self.register(1)
        self.settle()
        self.now += 100
        self.follower = self.make_follower()
        self.settle()
        assert self.database.rows == {}

    def test_swept_aors_leave_the_database(self) -> None:
        """They are journaled for this."""
        self.register(1, 2)
        self.settle()
        self.now += 100
        self.registry.sweep()
        self.registry.flush()
        self.settle()
        assert self.database.rows == {}
        self.assert_equal()


class FailureTests(Basics):
    def test_an_unavailable_database_is_tried_again(self) -> None:
        """Nothing is lost, the status says what is wrong since when, and it is told once."""
        self.register(1)
        self.settle()
        self.database.failure = DatabaseUnavailable("database is locked")
        self.register(2)
        for _ in range(3):
            assert not self.follower.try_step()
            self.now += 10
        status = self.follower.status()
        assert (status.behind, status.error, status.failing_since) == (
            1,
            "database is locked",
            1000.0,
        )
        assert [told.error for told in self.told] == ["database is locked"]
        self.register(3)
        self.database.failure = None
        self.settle()
        assert [told.error for told in self.told] == ["database is locked", ""]
        self.assert_equal()

    def test_attempts_become_rarer(self) -> None:
        """Up to a limit; once it went well again, the first pause is short again."""
        for number in range(2):
            self.database.failure = DatabaseUnavailable("database is locked")
            self.register(number)
            pauses = []
            for _ in range(8):
                self.follower.try_step()
                pauses.append(self.follower.status().pause)
            assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
            self.database.failure = None
            self.settle()
            assert self.follower.status().pause == 0.0

    def test_the_journal_keeps_all_meanwhile(self) -> None:
        """No segment is deleted that the database does not have."""
        self.database.failure = DatabaseUnavailable("disk full")
        for number in range(100):
            self.register(number)
            self.follower.try_step()
        assert list_segments(self.journal.directory)[0] == 1
        self.database.failure = None
        self.settle()
        self.assert_equal()

    def test_a_damaged_database_is_set_aside_and_built_again(self) -> None:
        """From memory, since the journal no longer has everything."""
        for number in range(100):
            self.register(number)
        self.settle()
        assert self.journal.first > 1
        self.database.failure = DatabaseDamaged("malformed")
        self.register(5, cseq=2)
        assert not self.follower.try_step()
        assert "set aside as aside 1" in self.follower.status().error
        self.settle()
        assert (self.database.asides, self.follower.status().rebuilds) == (1, 1)
        assert self.follower.status().error == ""
        self.assert_equal()

    def test_a_lost_database_is_built_from_the_journal_if_that_suffices(self) -> None:
        """No rebuild while the journal goes back to the first record."""
        self.register(1, 2)
        self.settle()
        self.database.set_aside()
        self.settle()
        assert self.follower.status().rebuilds == 0
        self.assert_equal()

    def test_a_database_from_elsewhere_is_built_again(self) -> None:
        """One that claims records the journal never had."""
        self.register(1)
        self.settle()
        self.database.close()
        self.database.rows = {"stranger": b""}
        self.database.position = 1_000_000
        self.settle()
        assert self.follower.status().rebuilds == 1
        self.assert_equal()

    def test_a_rebuild_is_repeated_when_a_turn_was_taken_back_meanwhile(self) -> None:
        """A page may hold a change that was refused in the end."""
        self.register(1)
        self.settle()
        self.database.close()
        self.database.position = 1_000_000
        follower = Follower(
            self.journal, self.database, RefusedMeanwhile(self), lambda: self.now, batch=50
        )
        while follower.try_step():
            pass
        assert "refused" not in self.database.rows
        assert set(self.database.rows) == {"user1"}

    def test_a_damaged_journal_is_made_good_from_memory(self) -> None:
        """The disk gave back less than was written; the database gets it even so."""
        for number in range(100):
            self.register(number)
        second = list_segments(self.journal.directory)[1]
        with open(f"{self.journal.directory}/journal-{second:020d}", "r+b") as file:
            file.seek(60)
            file.write(b"\xff\xff")
        self.settle()
        assert self.follower.status().rebuilds == 1
        self.assert_equal()

    def test_a_mistake_of_ours_does_not_end_it(self) -> None:
        """Any error is a reason to try again, not to die."""
        self.register(1)
        self.settle()
        self.register(2)
        self.database.writes = None  # type: ignore[assignment]
        assert not self.follower.try_step()
        assert "NoneType" in self.follower.status().error
        self.database.writes = []
        self.settle()
        self.assert_equal()


class RefusedMeanwhile:
    """A registry in which, while it is copied, a change is made and taken back."""

    def __init__(self, case: Basics) -> None:
        self.case = case
        self.done = False

    @property
    def rollbacks(self) -> int:
        return self.case.registry.rollbacks

    def shard_items(self, index: int) -> list[tuple[str, bytes]]:
        if self.done:
            return self.case.registry.shard_items(index)
        if index < 4:
            if index == 0:
                self.case.registry.replace("refused", [make_binding(expires=5000)])
            return self.case.registry.shard_items(index)
        self.done = True
        self.case.disk.room = 0
        with pytest.raises(JournalError) as failure:
            self.case.registry.flush()
        assert failure.value.errno == errno.ENOSPC
        self.case.disk.room = 1 << 40
        raise IndexError


class ThreadTests(Basics):
    def test_stopping_brings_the_database_up_to_date(self) -> None:
        """All that was flushed, in the thread, before it ends."""
        self.follower.start(0)
        for number in range(500):
            self.register(number)
        assert self.follower.stop(30.0)
        assert not self.follower.status().running
        self.assert_equal()
        assert not self.database.is_current()

    def test_stopping_does_not_wait_for_a_dead_database(self) -> None:
        """It is left behind, and the answer says so."""
        self.database.failure = DatabaseUnavailable("gone")
        self.follower.start(0)
        self.register(1)
        assert not self.follower.stop(30.0)
        assert not self.follower.status().running

    def test_stopping_has_a_limit(self) -> None:
        """No time, no draining: the rest is in the journal."""
        self.follower.start(0)
        self.register(*range(2000))
        self.follower.stop(0.0)
        assert not self.follower.status().running
        assert self.database.position <= self.journal.last
