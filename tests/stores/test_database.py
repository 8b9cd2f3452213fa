"""Databases of bindings: the same tests for SQLite and for the fake."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sipproxy.stores.database import BindingDatabase, DatabaseUnavailable, Loaded
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


class SqliteBindingsTests(DatabaseInterface):
    @pytest.fixture(autouse=True)
    def make(self, tmp_path: Path) -> Iterator[None]:
        self.database = SqliteBindings(str(tmp_path / "bindings.sqlite"))
        yield
        self.database.close()
