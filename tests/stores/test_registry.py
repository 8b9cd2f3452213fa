"""The registry: what is looked up, what is refused, what expires, what a failed turn leaves."""

import errno
import random

import pytest
from zope.interface.verify import verifyObject

from sipproxy.interfaces import IRegistry
from sipproxy.stores.journal import JournalError
from sipproxy.stores.records import Binding, RegistryFull, unpack, unpack_change
from sipproxy.stores.registry import Registry
from sipproxy.testing.stores import MemoryJournal, make_binding, memory_registry

ALICE = "alice@example.com"


class Clock:
    """A wall clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def everything(registry: Registry) -> dict[str, list[Binding]]:
    """Give all AoRs with all bindings held."""
    found: dict[str, list[Binding]] = {}
    cursor = ""
    while True:
        page, cursor = registry.page(cursor, 7)
        for aor, packed in page:
            assert aor not in found
            found[aor] = unpack(packed)
        if not cursor:
            return found


class Basics:
    """A registry with a clock, a journal and few shards."""

    def setup_method(self) -> None:
        self.clock = Clock()
        self.registry, self.journal = memory_registry(self.clock, shards=8, max_bindings=50)


class LookupTests(Basics):
    def test_the_interface_is_provided(self) -> None:
        """Core and modules are given it as `IRegistry`."""
        verifyObject(IRegistry, self.registry)

    def test_an_unknown_aor_has_no_bindings(self) -> None:
        """An empty list, and nothing is remembered about the question."""
        assert self.registry.lookup(ALICE) == []
        assert (self.registry.aors, self.registry.count) == (0, 0)

    def test_bindings_come_by_preference(self) -> None:
        """Highest q first, then the newest."""
        bindings = [
            make_binding(1, q=100, updated=9.0),
            make_binding(2, q=900, updated=1.0),
            make_binding(3, q=900, updated=2.0),
        ]
        self.registry.replace(ALICE, iter(bindings))
        assert self.registry.lookup(ALICE) == [bindings[2], bindings[1], bindings[0]]
        assert (self.registry.aors, self.registry.count) == (1, 3)

    def test_an_expired_binding_is_not_given(self) -> None:
        """From the very second on, swept or not."""
        self.registry.replace(ALICE, [make_binding(1, expires=1010), make_binding(2, expires=1020)])
        self.clock.now = 1010.0
        assert self.registry.lookup(ALICE) == [make_binding(2, expires=1020)]
        self.clock.now = 1020.0
        assert self.registry.lookup(ALICE) == []

    def test_what_was_given_is_the_callers_own(self) -> None:
        """Changing a binding that was looked up does not change the registry."""
        self.registry.replace(ALICE, [make_binding()])
        self.registry.lookup(ALICE)[0].contact = b"sip:mallory@example.net"
        assert self.registry.lookup(ALICE) == [make_binding()]


class ReplaceTests(Basics):
    def test_the_whole_list_is_replaced(self) -> None:
        """And counted."""
        self.registry.replace(ALICE, [make_binding(1), make_binding(2)])
        self.registry.replace(ALICE, [make_binding(3)])
        assert self.registry.lookup(ALICE) == [make_binding(3)]
        assert (self.registry.aors, self.registry.count) == (1, 1)

    @pytest.mark.parametrize("way", ["replace", "remove"])
    def test_an_aor_without_bindings_is_gone(self, way: str) -> None:
        """No bindings and remove are the same."""
        self.registry.replace(ALICE, [make_binding()])
        if way == "replace":
            self.registry.replace(ALICE, [])
        else:
            self.registry.remove(ALICE)
        assert everything(self.registry) == {}
        assert (self.registry.aors, self.registry.count) == (0, 0)

    def test_a_change_is_journaled_whole(self) -> None:
        """The record says the AoR and all its bindings, in effect after the flush."""
        self.registry.replace(ALICE, [make_binding()])
        assert self.journal.records == []
        self.registry.flush()
        assert unpack_change(self.journal.records[0]) == (ALICE, self.registry.raw(ALICE))

    def test_no_change_is_not_journaled(self) -> None:
        """Removing what is not there, or writing what is there, costs no record."""
        self.registry.remove(ALICE)
        self.registry.replace(ALICE, [make_binding()])
        self.registry.replace(ALICE, [make_binding()])
        self.registry.flush()
        assert self.journal.last == 1

    def test_a_full_registry_takes_no_more(self) -> None:
        """What is there may be refreshed and shrink; only growing is refused, without a trace."""
        for number in range(25):
            self.registry.replace(f"user{number}", [make_binding(1), make_binding(2)])
        self.registry.flush()
        with pytest.raises(RegistryFull):
            self.registry.replace(ALICE, [make_binding()])
        with pytest.raises(RegistryFull):
            self.registry.replace("user1", [make_binding(n) for n in range(3)])
        self.registry.flush()
        assert (self.registry.count, self.journal.last) == (50, 25)
        self.registry.replace("user1", [make_binding(3), make_binding(4)])
        self.registry.replace("user1", [make_binding(3)])
        self.registry.replace(ALICE, [make_binding()])
        assert self.registry.count == 50

    def test_a_lowered_limit_ends_nobodys_registration(self) -> None:
        """After a reload with a smaller number everyone may refresh, and nobody may join."""
        self.registry.replace(ALICE, [make_binding(1), make_binding(2), make_binding(3)])
        self.registry.max_bindings = 1
        self.registry.replace(ALICE, [make_binding(4), make_binding(5)])
        with pytest.raises(RegistryFull):
            self.registry.replace("bob", [make_binding()])
        assert self.registry.count == 2

    def test_what_cannot_be_packed_changes_nothing(self) -> None:
        """Neither memory nor journal."""
        self.registry.replace(ALICE, [make_binding()])
        with pytest.raises(ValueError):
            self.registry.replace(ALICE, [make_binding(cseq=-1)])
        with pytest.raises(ValueError):
            self.registry.replace("\ud800", [make_binding()])
        self.registry.flush()
        assert everything(self.registry) == {ALICE: [make_binding()]}
        assert self.journal.last == 1

    def test_shards_are_a_power_of_two(self) -> None:
        """The mask depends on it."""
        with pytest.raises(ValueError):
            Registry(self.clock, MemoryJournal(), shards=12)


class RollBackTests(Basics):
    def test_a_failed_flush_takes_the_turn_back(self) -> None:
        """RFC 3261 10.3: when an update cannot be committed, none of it stands."""
        self.registry.replace(ALICE, [make_binding(1)])
        self.registry.replace("bob", [make_binding(2)])
        self.registry.flush()
        before = everything(self.registry)
        self.journal.fail_with = errno.ENOSPC
        self.registry.replace(ALICE, [make_binding(3), make_binding(4)])
        self.registry.replace(ALICE, [make_binding(5)])
        self.registry.remove("bob")
        self.registry.replace("carol", [make_binding(6)])
        with pytest.raises(JournalError) as failure:
            self.registry.flush()
        assert failure.value.errno == errno.ENOSPC
        assert everything(self.registry) == before
        assert (self.registry.aors, self.registry.count, self.registry.rollbacks) == (2, 2, 1)

    def test_the_next_turn_is_not_burdened(self) -> None:
        """Once there is room again, new changes are kept and the old ones do not return."""
        self.journal.fail_with = errno.ENOSPC
        self.registry.replace(ALICE, [make_binding(1)])
        with pytest.raises(JournalError):
            self.registry.flush()
        self.journal.fail_with = 0
        self.registry.replace("bob", [make_binding(2)])
        self.registry.flush()
        self.registry.flush()
        assert [unpack_change(record)[0] for record in self.journal.records] == ["bob"]

    def test_a_flushed_turn_stays(self) -> None:
        """Only the failed turn is taken back, not those before it."""
        self.registry.replace(ALICE, [make_binding(1)])
        self.registry.flush()
        self.journal.fail_with = errno.EIO
        self.registry.replace(ALICE, [make_binding(2)])
        with pytest.raises(JournalError):
            self.registry.flush()
        assert self.registry.lookup(ALICE) == [make_binding(1)]


class ObserverTests(Basics):
    def setup_method(self) -> None:
        super().setup_method()
        self.seen: list[tuple[str, list[Binding], list[Binding]]] = []
        self.registry.observe(self.observer)

    def observer(self, aor: str, before: list[Binding], after: list[Binding]) -> None:
        self.seen.append((aor, before, after))

    def test_changes_are_told(self) -> None:
        """What was there before and what is there now, expiry included."""
        one, two = make_binding(1, expires=1010), make_binding(2, expires=2000)
        self.registry.replace(ALICE, [one])
        self.registry.replace(ALICE, [two])
        self.registry.remove(ALICE)
        self.registry.replace(ALICE, [one])
        self.clock.now = 1010.0
        self.registry.sweep()
        assert self.seen == [
            (ALICE, [], [one]),
            (ALICE, [one], [two]),
            (ALICE, [two], []),
            (ALICE, [], [one]),
            (ALICE, [one], []),
        ]

    def test_taking_back_is_told(self) -> None:
        """An observer that acted on a change learns that it does not stand."""
        self.journal.fail_with = errno.ENOSPC
        self.registry.replace(ALICE, [make_binding()])
        with pytest.raises(JournalError):
            self.registry.flush()
        assert self.seen[1:] == [(ALICE, [make_binding()], [])]

    def test_who_left_is_not_told(self) -> None:
        """After unobserve it is as if nobody ever watched."""
        self.registry.unobserve(self.observer)
        self.registry.replace(ALICE, [make_binding()])
        assert self.seen == []


class SweepTests(Basics):
    def test_expired_bindings_are_taken_out_and_given(self) -> None:
        """Those of an AoR that has others left too; the live ones stay."""
        one, two = make_binding(1, expires=1010), make_binding(2, expires=1020)
        self.registry.replace(ALICE, [one, two])
        self.registry.replace("bob", [one])
        assert self.registry.sweep() == []
        self.clock.now = 1010.0
        assert sorted(aor for aor, _ in self.registry.sweep()) == [ALICE, "bob"]
        assert everything(self.registry) == {ALICE: [two]}
        assert (self.registry.aors, self.registry.count) == (1, 1)

    def test_only_an_aor_that_is_gone_is_journaled(self) -> None:
        """The database must forget it; of a partly expired one, start-up leaves out the rest."""
        self.registry.replace(ALICE, [make_binding(1, expires=1010), make_binding(2, expires=1020)])
        self.registry.replace("bob", [make_binding(expires=1010)])
        self.registry.flush()
        self.clock.now = 1010.0
        self.registry.sweep()
        self.registry.flush()
        assert [unpack_change(record) for record in self.journal.records[2:]] == [("bob", b"")]

    def test_a_small_budget_makes_slices(self) -> None:
        """However small the budget, a call takes out at least one, and all are gone in the end."""
        registry, _ = memory_registry(self.clock, shards=8)
        for number in range(200):
            registry.replace(f"user{number}", [make_binding(number, expires=1010)])
        self.clock.now = 1010.0
        gone: set[str] = set()
        calls = 0
        while registry.count:
            slice_ = registry.sweep(1)
            gone.update(aor for aor, _ in slice_)
            calls += 1
            assert len(slice_) <= 1
            assert calls < 1000
        assert len(gone) == 200

    def test_the_budget_bounds_what_is_looked_at(self) -> None:
        """A call ends where its budget does, and the next one goes on there."""
        registry, _ = memory_registry(self.clock, shards=64)
        for number in range(640):
            registry.replace(f"user{number}", [make_binding(number, expires=1010)])
        self.clock.now = 1010.0
        assert 0 < len(registry.sweep(200)) <= 11
        assert len(registry.sweep(100_000)) >= 629

    def test_one_call_goes_round_once(self) -> None:
        """An idle registry does not spin for the rest of its budget."""
        for _ in range(20):
            assert self.registry.sweep(1 << 60) == []


class PageTests(Basics):
    def test_all_aors_are_listed_once(self) -> None:
        """Whatever the size of a page."""
        for number in range(40):
            self.registry.replace(f"user{number}", [make_binding(number)])
        for limit in (1, 3, 40, 1000):
            cursor, names = "", []
            while True:
                page, cursor = self.registry.page(cursor, limit)
                assert len(page) <= limit
                names += [aor for aor, _ in page]
                if not cursor:
                    break
            assert sorted(names) == sorted(f"user{number}" for number in range(40))

    def test_change_does_not_disturb_a_listing(self) -> None:
        """AoRs that stay are listed once, though others come and go between the pages."""
        chance = random.Random(4)
        stay = {f"stay{number}" for number in range(20)}
        for aor in stay:
            self.registry.replace(aor, [make_binding()])
        cursor, names = "", []
        while True:
            page, cursor = self.registry.page(cursor, 2)
            names += [aor for aor, _ in page]
            if not cursor:
                break
            self.registry.replace(f"come{chance.randrange(20)}", [make_binding()])
            self.registry.remove(f"come{chance.randrange(20)}")
        assert sorted(name for name in names if name in stay) == sorted(stay)
