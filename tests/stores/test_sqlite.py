"""What is SQLite's own: locks, damage, deletion, upgrades. The rest is in test_database.py."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipproxy.stores import sqlite
from sipproxy.stores.database import DatabaseDamaged, DatabaseUnavailable
from sipproxy.stores.records import pack
from sipproxy.stores.sqlite import SqliteBindings
from sipproxy.testing.stores import make_binding

ALICE = pack([make_binding(1, expires=100)])
BOB = pack([make_binding(2, expires=50), make_binding(3, expires=200)])


class SqliteTests:
    @pytest.fixture(autouse=True)
    def make(self, tmp_path: Path) -> Iterator[None]:
        self.path = str(tmp_path / "bindings.sqlite")
        self.sqlite = SqliteBindings(self.path, busy_seconds=0.01)
        yield
        self.sqlite.close()

    def rows(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        self.sqlite.load(0.0, found.__setitem__)
        return found

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

    def test_a_checkpoint_waits_for_readers(self) -> None:
        """Not for long: it says that it could not, and the journal's segments stay."""
        self.filled()
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM bindings").fetchall()
        self.sqlite.apply({"bob": BOB}, 9)
        assert not self.sqlite.checkpoint()
        other.execute("COMMIT")
        other.close()
        assert self.sqlite.checkpoint()

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
