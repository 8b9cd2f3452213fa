"""The registry against the simplest thing that could be right: a dictionary of lists."""

import errno
import random

import pytest

from sipproxy.stores.journal import JournalError
from sipproxy.stores.records import Binding, RegistryFull, unpack
from sipproxy.testing.stores import make_binding, memory_registry


class ModelTests:
    def test_it_behaves_like_a_dictionary_of_lists(self) -> None:
        """Thousands of random operations, failing turns included, against the simplest model."""
        for seed in range(3):
            Model(seed).run(3000)


class Model:
    """A registry and the plain dictionary it must equal."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 1000.0
        self.registry, self.journal = memory_registry(lambda: self.now, shards=4, max_bindings=60)
        self.model: dict[str, list[Binding]] = {}
        self.kept: dict[str, list[Binding]] = {}

    def run(self, steps: int) -> None:
        acts = (self.replace, self.replace, self.remove, self.turn, self.wait, self.check)
        for _ in range(steps):
            self.chance.choice(acts)()
        self.check()

    def replace(self) -> None:
        aor = f"user{self.chance.randrange(30)}"
        bindings = [
            make_binding(
                self.chance.randrange(1000),
                expires=self.now + self.chance.randrange(1, 60),
                q=self.chance.randrange(1001),
                updated=self.chance.random(),
            )
            for _ in range(self.chance.randrange(1, 5))
        ]
        held = sum(map(len, self.model.values()))
        grows = len(bindings) - len(self.model.get(aor, []))
        if grows > 0 and held + grows > 60:
            with pytest.raises(RegistryFull):
                self.registry.replace(aor, bindings)
            return
        self.registry.replace(aor, bindings)
        self.model[aor] = sorted(bindings, key=lambda binding: (-binding.q, -binding.updated))

    def remove(self) -> None:
        aor = f"user{self.chance.randrange(30)}"
        self.registry.remove(aor)
        self.model.pop(aor, None)

    def turn(self) -> None:
        self.journal.fail_with = self.chance.choice((0, 0, errno.ENOSPC))
        try:
            self.registry.flush()
            self.kept = dict(self.model)
        except JournalError:
            self.model = dict(self.kept)

    def wait(self) -> None:
        self.turn()
        self.now += self.chance.random() * 20
        now = self.now
        gone = self.registry.sweep()
        old = {
            (aor, b.contact) for aor, all_ in self.model.items() for b in all_ if b.expires <= now
        }
        assert {(aor, binding.contact) for aor, binding in gone} == old
        live = {
            aor: [binding for binding in all_ if binding.expires > now]
            for aor, all_ in self.model.items()
        }
        self.model = {aor: bindings for aor, bindings in live.items() if bindings}
        self.kept = dict(self.model)

    def content(self) -> dict[str, list[Binding]]:
        return {aor: unpack(packed) for aor, packed in self.registry.page("", 1000)[0]}

    def check(self) -> None:
        assert self.content() == self.model
        assert self.registry.aors == len(self.model)
        assert self.registry.count == sum(map(len, self.model.values()))
        for aor, bindings in self.model.items():
            assert self.registry.lookup(aor) == bindings
