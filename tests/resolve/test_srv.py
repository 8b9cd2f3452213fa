"""SRV order: priorities strictly, weights by chance, as RFC 2782 words it."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipproxy.resolve.srv import Srv, is_refusal, order


def targets(records: list[Srv], *draws: float) -> list[str]:
    """Order records with these numbers as chance."""
    numbers = iter(draws)
    return [record.target for record in order(records, lambda: next(numbers))]


class PriorityTests:
    """The lowest priority is tried first."""

    def test_order(self) -> None:
        """Priorities decide, whatever the weights and the order of the answer."""
        records = [Srv(20, 65535, 5060, "b"), Srv(10, 0, 5060, "a"), Srv(30, 1, 5060, "c")]
        assert targets(records) == ["a", "b", "c"]

    def test_root_is_left_out(self) -> None:
        """A target of "." and a port of 0 lead nowhere."""
        assert targets([Srv(1, 1, 5060, ""), Srv(2, 1, 0, "zero"), Srv(3, 1, 5060, "good")]) == [
            "good"
        ]

    def test_refusal(self) -> None:
        """The root as the only target says that the service is not available."""
        assert is_refusal([Srv(0, 0, 0, "")])
        assert not is_refusal([Srv(0, 0, 0, ""), Srv(0, 0, 5060, "a")])
        assert not is_refusal([])


class WeightTests:
    """Within a priority the weights share out the chances."""

    RECORDS = [Srv(1, 0, 1, "none"), Srv(1, 30, 1, "thirty"), Srv(1, 10, 1, "ten")]

    @pytest.mark.parametrize(
        ("draw", "first"),
        [(0.0, "none"), (0.03, "thirty"), (0.75, "thirty"), (0.76, "ten"), (0.999, "ten")],
    )
    def test_running_sum(self, draw: float, first: str) -> None:
        """A number from 0 to the sum picks the first record whose running sum reaches it.

        Weight 0 stands first and is picked by 0 alone: one chance in 41 here.
        """
        assert targets(self.RECORDS, draw, 0.5)[0] == first

    def test_second_draw_is_among_the_rest(self) -> None:
        """What was drawn no longer counts in the sum."""
        assert targets(self.RECORDS, 0.5, 0.99) == ["thirty", "ten", "none"]

    def test_distribution(self) -> None:
        """Ten thousand requests are shared by weight, as near as chance allows."""
        chance = random.Random(2782)
        records = [Srv(1, 10, 1, "a"), Srv(1, 30, 1, "b"), Srv(1, 60, 1, "c")]
        first = Counter(order(records, chance.random)[0].target for _ in range(10_000))
        for target, share in (("a", 0.10), ("b", 0.30), ("c", 0.60)):
            assert first[target] / 10_000 == pytest.approx(share, abs=0.015)

    def test_zero_beside_weights_is_rare(self) -> None:
        """A record of weight 0 is hardly ever first beside others, but it may be."""
        chance = random.Random(2782)
        first = Counter(order(self.RECORDS, chance.random)[0].target for _ in range(10_000))
        assert 0 < first["none"] < 400

    def test_all_zero_are_spread(self) -> None:
        """Without any weight each target gets its share, not only the first of a cached answer."""
        chance = random.Random(2782)
        records = [Srv(1, 0, 1, name) for name in "abcd"]
        first = Counter(order(records, chance.random)[0].target for _ in range(10_000))
        assert all(count / 10_000 == pytest.approx(0.25, abs=0.02) for count in first.values())

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65535)), max_size=12),
        st.integers(0, 2**32),
    )
    def test_nothing_is_lost(self, fields: list[tuple[int, int]], seed: int) -> None:
        """Every record comes out once, priorities rising."""
        records = [Srv(p, w, 5060, f"t{number}") for number, (p, w) in enumerate(fields)]
        ordered = order(records, random.Random(seed).random)
        assert sorted(r.target for r in ordered) == sorted(r.target for r in records)
        assert [r.priority for r in ordered] == sorted(r.priority for r in records)
