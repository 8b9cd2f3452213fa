"""Databases of bindings: the same tests for SQLite and the fake, then what is SQLite's own."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipproxy.stores import sqlite
from sipproxy.stores.database import (
    BindingDatabase,
    DatabaseDamaged,
    DatabaseUnavailable,
    Loaded,
)
from sipproxy.stores.records import NOTHING, pack
from sipproxy.stores.sqlite import SqliteBindings
from sipproxy.testing.stores import MemoryDatabase, make_binding

ALICE = pack([make_binding(1, expires=100)])
BOB = pack([make_binding(2, expires=50), make_binding(3, expires=200)])


def ignore(aor: str, packed: bytes) -> None:
    """Take a row for nothing."""


class DatabaseInterface:
    """What every database of bindings does. Subclasses provide `database` through a fixture."""

    database: BindingDatabase

    def rows(self, now: float = 0.0) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        self.database.load(now, found.__setitem__)
        return found

    def test_a_new_one_is_empty(self) -> None:
        """At position 0."""
        assert self.database.open() == 0
        assert self.rows() == {}

    def test_changes_and_position_are_kept(self) -> None:
        """Values are replaced, an empty one removes, and a new connection sees it."""
        self.database.open()
        self.database.apply({"alice": ALICE, "bob": BOB}, 5)
        self.database.apply({"alice": BOB, "bob": NOTHING, "never": NOTHING}, 9)
        self.database.close()
        assert self.database.open() == 9
        assert self.rows() == {"alice": BOB}

    def test_many_changes_at_once(self) -> None:
        """Whatever their number, and whatever the AoR is made of."""
        self.database.open()
        names = [f"user{n}" for n in range(555)] + ["zoë", "o'neil", "\udcff", 'a"b', "a%b"]
        self.database.apply(dict.fromkeys(names, ALICE), 1)
        assert self.rows() == dict.fromkeys(names, ALICE)
        self.database.apply(dict.fromkeys(names[:400] + names[-5:], NOTHING), 2)
        assert self.rows() == dict.fromkeys(names[400:-5], ALICE)

    def test_what_has_expired_is_not_loaded(self) -> None:
        """Only when nothing of the AoR is left; `purge` removes it for good."""
        self.database.open()
        self.database.apply({"alice": ALICE, "bob": BOB}, 1)
        assert self.rows(99) == {"alice": ALICE, "bob": BOB}
        assert self.database.load(100, ignore) == Loaded(1, 1, 0)
        assert self.rows(100) == {"bob": BOB}
        self.database.purge(100)
        assert self.rows() == {"bob": BOB}

    def test_damaged_rows_are_left_out(self) -> None:
        """And counted."""
        self.database.open()
        self.database.apply({"alice": ALICE, "bob": BOB[:-1] + b"", "carol": BOB}, 1)
        assert self.database.load(0, ignore) == Loaded(2, 0, 1)

    def test_a_rebuild_replaces_everything(self) -> None:
        """The rows and the position."""
        self.database.open()
        self.database.apply({"alice": ALICE}, 1)
        self.database.rebuild(iter([[("bob", BOB)], [], [("carol", ALICE)]]), 7)
        self.database.close()
        assert self.database.open() == 7
        assert self.rows() == {"bob": BOB, "carol": ALICE}

    def test_an_interrupted_rebuild_changes_nothing(self) -> None:
        """The pages come from somewhere that may fail."""

        def pages() -> Iterator[list[tuple[str, bytes]]]:
            yield [("bob", BOB)]
            raise KeyError("stop")

        self.database.open()
        self.database.apply({"alice": ALICE}, 3)
        with pytest.raises(KeyError):
            self.database.rebuild(pages(), 7)
        assert self.rows() == {"alice": ALICE}
        self.database.close()
        assert self.database.open() == 3

    def test_a_closed_one_is_not_current(self) -> None:
        """And refuses to write."""
        assert not self.database.is_current()
        self.database.open()
        assert self.database.is_current()
        assert self.database.checkpoint()
        self.database.close()
        self.database.close()
        assert not self.database.is_current()
        with pytest.raises(DatabaseUnavailable):
            self.database.apply({"alice": ALICE}, 1)

    def test_one_set_aside_starts_empty(self) -> None:
        """Under a name that is told, a different one each time."""
        names = []
        for _ in range(2):
            self.database.open()
            self.database.apply({"alice": ALICE}, 3)
            names.append(self.database.set_aside())
        assert len(set(names)) == 2
        assert self.database.open() == 0
        assert self.rows() == {}


class MemoryDatabaseTests(DatabaseInterface):
    @pytest.fixture(autouse=True)
    def make(self) -> None:
        self.database = MemoryDatabase()


class SqliteTests(DatabaseInterface):
    @pytest.fixture(autouse=True)
    def make(self, tmp_path: Path) -> Iterator[None]:
        self.path = str(tmp_path / "bindings.sqlite")
        self.database = self.sqlite = SqliteBindings(self.path, busy_seconds=0.01)
        yield
        self.sqlite.close()

    def filled(self) -> None:
        self.sqlite.open()
        self.sqlite.apply({f"user{number}": ALICE for number in range(500)}, 5)

    def test_people_can_read_it(self) -> None:
        """AoR as text and the time at which the last binding ends."""
        self.sqlite.open()
        self.sqlite.apply({"bob": BOB}, 1)
        other = sqlite3.connect(self.path)
        assert other.execute("SELECT aor, expires FROM bindings").fetchall() == [("bob", 200.0)]
        other.close()
        assert os.stat(self.path).st_mode & 0o777 == 0o600

    def test_a_locked_file_is_unavailable_and_then_well_again(self) -> None:
        """Another program holds it: nothing is written, and it can be read meanwhile."""
        self.filled()
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            self.sqlite.apply({"bob": BOB}, 9)
        assert self.sqlite.open() == 5
        assert len(self.rows()) == 500
        other.execute("ROLLBACK")
        other.close()
        self.sqlite.apply({"bob": BOB}, 9)
        assert self.sqlite.open() == 9

    def test_a_deleted_file_is_noticed(self) -> None:
        """SQLite itself would write on into a file without a name."""
        self.filled()
        os.unlink(self.path)
        assert not self.sqlite.is_current()
        assert self.sqlite.open() == 0
        assert self.sqlite.is_current()
        assert self.rows() == {}

    def test_a_damaged_file_is_told_from_one_that_is_busy(self) -> None:
        """Only damage justifies setting it aside."""
        self.filled()
        self.sqlite.close()
        with open(self.path, "r+b") as file:
            file.write(b"no database")
        with pytest.raises(DatabaseDamaged):
            self.sqlite.open()
        name = self.sqlite.set_aside()
        with open(name, "rb") as file:
            assert file.read(11) == b"no database"
        assert self.sqlite.open() == 0

    def test_damage_within_gives_what_can_be_read(self) -> None:
        """The rows before the damaged page are restored before the error."""
        self.filled()
        self.sqlite.close()
        size = os.path.getsize(self.path)
        with open(self.path, "r+b") as file:
            file.seek(size - 3 * 4096)
            file.write(b"\xff" * 4096)
        self.sqlite.open()
        found: dict[str, bytes] = {}
        with pytest.raises(DatabaseDamaged):
            self.sqlite.load(0, found.__setitem__)
        assert 0 < len(found) < 500

    def test_a_newer_file_is_refused(self) -> None:
        """Going back a release must not destroy what the newer one wrote."""
        self.filled()
        self.sqlite.close()
        other = sqlite3.connect(self.path)
        other.execute("UPDATE schema_version SET version=99")
        other.commit()
        other.close()
        with pytest.raises(DatabaseUnavailable, match=r"version 99 .* newer release"):
            self.sqlite.open()

    def test_an_older_file_is_upgraded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each step once, in order, rows kept."""
        self.filled()
        self.sqlite.close()
        steps = (
            ("CREATE TABLE second (step INTEGER)", "INSERT INTO second VALUES (2)"),
            ("UPDATE second SET step=3",),
        )
        monkeypatch.setattr(sqlite, "UPGRADES", sqlite.UPGRADES + steps)
        for _ in range(2):
            assert self.sqlite.open() == 5
            self.sqlite.close()
        other = sqlite3.connect(self.path)
        assert other.execute("SELECT step FROM second").fetchall() == [(3,)]
        assert other.execute("SELECT version FROM schema_version").fetchall() == [(3,)]
        other.close()

    def test_a_failed_upgrade_leaves_the_old_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All steps or none."""
        self.filled()
        self.sqlite.close()
        steps = (("CREATE TABLE second (step INTEGER)", "NO SUCH STATEMENT"),)
        monkeypatch.setattr(sqlite, "UPGRADES", sqlite.UPGRADES + steps)
        with pytest.raises(DatabaseUnavailable):
            self.sqlite.open()
        monkeypatch.undo()
        assert self.sqlite.open() == 5

    def test_a_folder_that_is_gone_is_unavailable(self, tmp_path: Path) -> None:
        """Not an error of another kind."""
        with pytest.raises(DatabaseUnavailable, match="No such file"):
            SqliteBindings(str(tmp_path / "no" / "where")).open()
