"""The state folder as a whole: open, crash, open again, and everything promised is there."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sipproxy.stores.database import DatabaseUnavailable
from sipproxy.stores.follower import Follower, FollowerStatus
from sipproxy.stores.journal import FolderInUse, Journal, JournalError
from sipproxy.stores.records import count, unpack_change
from sipproxy.stores.registry import Registry
from sipproxy.stores.segments import list_segments, segment_name
from sipproxy.stores.sqlite import SqliteBindings
from sipproxy.stores.state import DATABASE_NAME, OpenRegistry, open_registry
from sipproxy.testing.stores import FullDisk, make_binding

# Registers users in a row and says each number once its flush has returned.
PROMISING = """
import sys
import threading
from sipproxy.stores.state import open_registry
from sipproxy.testing.stores import make_binding
opened = open_registry(sys.argv[1], lambda: 0.0, segment_size=20_000)
number = int(sys.argv[2])
while True:
    opened.registry.replace(f"user{number % 500}", [make_binding(number, cseq=number)])
    opened.registry.flush()
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


class Basics:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.now = 1000.0
        self.path = tmp_path / "state"

    def open(self, segment_size: int = 1 << 20) -> OpenRegistry:
        return open_registry(str(self.path), lambda: self.now, segment_size=segment_size)

    def settle(self, opened: OpenRegistry) -> None:
        """Wait until the follower has everything."""
        pause = threading.Event()
        while opened.follower.status().behind:
            pause.wait(0.005)

    def register(self, opened: OpenRegistry, *numbers: int, cseq: int = 1) -> None:
        for number in numbers:
            binding = make_binding(number, expires=self.now + 100, cseq=cseq)
            opened.registry.replace(f"user{number}", [binding])
        opened.registry.flush()

    def content(self, opened: OpenRegistry) -> dict[str, bytes]:
        return dict(opened.registry.page("", 100_000)[0])

    def crash(self) -> Path:
        """Copy the folder as a killed process would leave it."""
        copy = self.path.with_name("crashed")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.path, copy)
        return copy


class OpenTests(Basics):
    def test_bindings_survive_a_clean_stop(self) -> None:
        """They are all in the database, and the journal has nothing to replay."""
        opened = self.open()
        self.register(opened, *range(1000))
        before = self.content(opened)
        assert opened.close(30.0)
        opened = self.open()
        assert self.content(opened) == before
        report = opened.report
        assert (report.bindings, report.aors, report.rows.live) == (1000, 1000, 1000)
        assert (report.replayed, report.torn, report.notes) == (0, 0, [])
        assert opened.close(30.0)

    def test_what_expired_meanwhile_is_dropped(self) -> None:
        """From the database and from the journal, whole AoRs and single bindings."""
        opened = self.open()
        both = [make_binding(1, expires=1100), make_binding(2, expires=1200)]
        opened.registry.replace("both", both)
        self.register(opened, 1)
        opened.close(30.0)
        opened = self.open()
        opened.registry.replace("both2", both)
        self.register(opened, 2)
        crashed = self.crash()
        opened.close(30.0)
        self.now = 1100.0
        self.path = crashed
        opened = self.open()
        assert (opened.registry.count, opened.registry.aors) == (2, 2)
        assert opened.registry.lookup("both") == [both[1]]
        assert opened.registry.lookup("both2") == [both[1]]
        opened.close(30.0)

    def test_loading_tells_how_far_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that an operator sees a start with a million bindings move."""
        opened = self.open()
        self.register(opened, *range(250))
        opened.close(30.0)
        monkeypatch.setattr("sipproxy.stores.state._PROGRESS_STEP", 100)
        seen: list[int] = []
        opened = open_registry(str(self.path), lambda: self.now, progress=seen.append)
        assert seen == [100, 200]
        opened.close(30.0)

    def test_two_servers_never_share_a_folder(self) -> None:
        """The second is refused with a sentence, and the first is not disturbed."""
        opened = self.open()
        with pytest.raises(FolderInUse, match="in use by process"):
            self.open()
        self.register(opened, 1)
        assert opened.close(30.0)

    def test_a_failed_start_lets_go_of_the_folder(self) -> None:
        """The next attempt is not told that somebody else is there."""
        self.open().close(30.0)
        other = sqlite3.connect(self.path / DATABASE_NAME)
        other.execute("UPDATE schema_version SET version=99")
        other.commit()
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="newer release"):
                self.open()
        other.execute("UPDATE schema_version SET version=1")
        other.commit()
        other.close()
        self.open().close(30.0)

    def test_closing_with_a_full_disk_says_so_and_closes(self) -> None:
        """The last turn is lost and reported; the folder is free."""
        disk = FullDisk(1 << 40)
        opened = open_registry(str(self.path), lambda: self.now, files=disk)
        self.register(opened, 1)
        disk.room = 0
        opened.registry.replace("user2", [make_binding(2)])
        with pytest.raises(JournalError):
            opened.close(30.0)
        opened = self.open()
        assert set(self.content(opened)) == {"user1"}
        opened.close(30.0)


class CrashTests(Basics):
    def test_every_cut_of_the_journal_keeps_what_was_flushed(self) -> None:
        """Killed within a turn's write, with the database some turns behind: no promise is lost."""
        opened = self.open()
        self.register(opened, *range(24))
        opened.close(30.0)
        database = (self.path / DATABASE_NAME).read_bytes()
        opened = self.open()
        states = [(opened.journal.extent().size, self.content(opened))]
        for number in range(8):
            self.register(opened, number, number + 15, cseq=7)
            states.append((opened.journal.extent().size, self.content(opened)))
        name = segment_name(list_segments(str(self.path))[-1])
        data = (self.path / name).read_bytes()
        opened.close(30.0)
        ends = [end for end, _ in states]
        for size in sorted({*ends, *range(ends[0], ends[-1], 11)}):
            shutil.rmtree(self.path)
            self.path.mkdir()
            (self.path / DATABASE_NAME).write_bytes(database)
            (self.path / name).write_bytes(data[:size])
            self.check_cut(size, states)

    def check_cut(self, size: int, states: list[tuple[int, dict[str, bytes]]]) -> None:
        opened = self.open()
        content = self.content(opened)
        opened.close(0.0)
        flushed = [state for end, state in states if end <= size][-1]
        begun = next((state for end, state in states if end >= size), flushed)
        assert content.keys() == flushed.keys()
        for aor, packed in content.items():
            assert packed in (flushed[aor], begun[aor])

    def test_a_killed_server_kept_its_promises(self) -> None:
        """SIGKILL again and again, at moments nobody chose: every number said is there."""
        number = 1
        for _ in range(5):
            number = self.promise_and_kill(number)
            opened = open_registry(str(self.path), lambda: 0.0, segment_size=20_000)
            newest = {opened.registry.lookup(aor)[0].cseq for aor in self.content(opened)}
            # All that was said, and at most the one that was being written.
            assert set(range(max(1, number - 499), number)) <= newest
            assert max(newest) <= number
            assert opened.report.notes == [] or opened.report.torn
            number = max(newest) + 1
            opened.close(30.0)
        assert number > 1000

    def promise_and_kill(self, number: int) -> int:
        command = [sys.executable, "-c", PROMISING, str(self.path), str(number)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for line in child.stdout:
            number = int(line) + 1
            if number % 300 == 0:
                break
        child.send_signal(signal.SIGKILL)
        for line in child.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                number = int(line) + 1
        child.stdout.close()
        child.wait()
        return number


class RandomTests(Basics):
    def test_a_crash_at_any_moment_gives_the_last_flushed_turn(self) -> None:
        """Random turns, full disks, locked and lost databases, crashes and starts, by seed."""
        for seed in range(4):
            Walk(self.path / str(seed), seed).run(150)


class Walk:
    """A server without a thread, and a plain dictionary of what it promised."""

    def __init__(self, path: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.path = path
        self.starts = 0
        self.kept: dict[str, bytes] = {}
        self.build()

    def build(self) -> None:
        """Start on the folder as `open_registry` does, but follow by hand."""
        self.disk = FullDisk(1 << 40)
        self.journal = Journal(str(self.path), segment_size=3000, files=self.disk)
        self.database = SqliteBindings(str(self.path / DATABASE_NAME), busy_seconds=0.0)
        self.registry = Registry(lambda: 0.0, self.journal, shards=4)
        position = self.database.open()
        self.database.load(0.0, self.registry.restore)
        self.journal.recover(position, lambda p: self.registry.restore(*unpack_change(p)))
        self.follower = Follower(self.journal, self.database, self.registry, lambda: 0.0, batch=20)

    def run(self, steps: int) -> None:
        acts = (self.turn, self.turn, self.turn, self.fail, self.follow, self.lock, self.crash)
        for _ in range(steps):
            self.chance.choice((*acts, self.turn, self.follow))()
        self.crash()
        assert self.starts > 5
        self.stop()

    def change(self) -> None:
        for _ in range(self.chance.randrange(1, 12)):
            aor = f"user{self.chance.randrange(40)}"
            numbers = range(self.chance.randrange(4))
            self.registry.replace(aor, [make_binding(n, cseq=self.cseq()) for n in numbers])

    def cseq(self) -> int:
        return self.chance.randrange(1 << 31)

    def turn(self) -> None:
        self.change()
        self.registry.flush()
        self.kept = self.content()

    def fail(self) -> None:
        self.change()
        self.disk.room = self.chance.randrange(200)
        try:
            self.registry.flush()
            self.kept = self.content()
        except JournalError:
            assert self.content() == self.kept
        self.disk.room = 1 << 40

    def follow(self) -> None:
        for _ in range(self.chance.randrange(4)):
            self.follower.try_step()

    def lock(self) -> None:
        other = sqlite3.connect(self.path / DATABASE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        self.follower.try_step()
        other.close()

    def crash(self) -> None:
        """Go on with a copy of the files, with or without half a record at the end."""
        copy = self.path.with_name(f"{self.path.name}-{self.starts}")
        shutil.copytree(self.path, copy)
        self.stop()
        self.path = copy
        self.starts += 1
        if self.chance.random() < 0.5:
            newest = segment_name(list_segments(str(copy))[-1])
            with open(copy / newest, "ab") as file:
                file.write(self.chance.randbytes(self.chance.randrange(1, 60)))
        self.build()
        assert self.content() == self.kept
        assert self.registry.count == sum(map(count, self.kept.values()))

    def content(self) -> dict[str, bytes]:
        return dict(self.registry.page("", 1000)[0])

    def stop(self) -> None:
        self.follower.stop(0.0)
        self.database.close()
        self.journal.close()


class DamageTests(Basics):
    def test_a_damaged_database_is_set_aside(self) -> None:
        """The server starts with what the journal has, says so, and builds a new one."""
        opened = self.open()
        self.register(opened, *range(50))
        opened.close(30.0)
        (self.path / DATABASE_NAME).write_bytes(b"not a database at all" * 1000)
        opened = self.open()
        assert opened.registry.aors == 50
        assert "damaged-1" in opened.report.notes[0]
        assert opened.close(30.0)
        opened = self.open()
        assert (opened.report.notes, opened.report.rows.live) == ([], 50)
        opened.close(30.0)

    def test_a_deleted_journal_costs_only_what_was_not_saved(self) -> None:
        """And what is registered afterwards survives as ever."""
        opened = self.open()
        self.register(opened, *range(50))
        opened.close(30.0)
        for first in list_segments(str(self.path)):
            os.unlink(self.path / segment_name(first))
        opened = self.open()
        assert opened.registry.aors == 50
        self.register(opened, 100)
        crashed = self.crash()
        opened.close(30.0)
        self.path = crashed
        opened = self.open()
        assert opened.registry.aors == 51
        opened.close(30.0)

    def test_a_database_deleted_under_the_running_server_comes_back(self) -> None:
        """Without a restart, complete, though the journal's start is long gone."""
        opened = self.open(segment_size=2000)
        self.register(opened, *range(200))
        opened.close(30.0)
        opened = self.open(segment_size=2000)
        assert opened.journal.first > 1
        self.register(opened, 4, cseq=9)
        self.settle(opened)
        for path in self.path.glob(DATABASE_NAME + "*"):
            path.unlink()
        self.register(opened, 5, cseq=9)
        before = self.content(opened)
        assert opened.close(30.0)
        opened = self.open()
        assert self.content(opened) == before
        assert (opened.report.rows.live, opened.report.notes) == (200, [])
        opened.close(30.0)

    def test_trouble_with_the_database_is_told(self) -> None:
        """For the error log; the bindings are safe in the journal all the while."""
        told: list[FollowerStatus] = []
        opened = open_registry(str(self.path), lambda: self.now, told=told.append, interval=0.01)
        self.register(opened, 1)
        self.settle(opened)
        for path in self.path.glob(DATABASE_NAME + "*"):
            path.unlink()
        (self.path / DATABASE_NAME).mkdir()
        self.register(opened, 2)
        assert not opened.close(30.0)
        assert "Is a directory" in told[-1].error
        (self.path / DATABASE_NAME).rmdir()
        opened = self.open()
        assert opened.registry.aors == 2
        opened.close(30.0)
