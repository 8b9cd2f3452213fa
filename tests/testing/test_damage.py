"""Damage by seeded chance."""

from random import Random

import pytest

from sipproxy.testing.damage import MUTATIONS, Mutation, damaged


class DamageTests:
    """The dice decide, but the same dice decide the same."""

    def test_repeatable(self) -> None:
        """A seed and a number are all it takes to see a message again; others differ."""
        seeds = [b"first: a\r\nsecond: b\r\n\r\nbody", b"third: c\r\n\r\n"]
        assert damaged(seeds, 1, 7) == damaged(seeds, 1, 7)
        assert len({damaged(seeds, 1, number) for number in range(50)}) > 25

    @pytest.mark.parametrize("mutation", sorted(set(MUTATIONS), key=repr), ids=lambda m: m.__name__)
    def test_each_kind_does_damage(self, mutation: Mutation) -> None:
        """No kind is so gentle that it leaves everything as it was."""
        data = b"a: b\r\nc: d\r\n e\r\nf: g\r\n\r\nbody"
        results = [mutation(Random(number), data, [data[::-1]]) for number in range(10)]
        assert any(result != data for result in results)
