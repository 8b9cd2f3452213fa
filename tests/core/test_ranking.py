"""The table of which response is best (RFC 3261 section 16.7 step 6)."""

from itertools import pairwise

import pytest

from sipproxy.core.ranking import better, rank

#: From best to worst; those in one group are worth the same.
TABLE = (
    (300, 301, 302, 305, 380),
    (401, 407, 415, 420, 484),
    (400, 403, 404, 480, 486, 487, 488, 491),
    (408,),
    (500, 501, 502, 504, 505, 513),
    (503,),
)


class TableTests:
    """The whole order."""

    @pytest.mark.parametrize(("group", "next_group"), list(pairwise(TABLE)))
    def test_groups(self, group: tuple[int, ...], next_group: tuple[int, ...]) -> None:
        """Each of a group is better than each of the next."""
        for one in group:
            for two in next_group:
                assert better(one, two) and not better(two, one)

    @pytest.mark.parametrize("group", TABLE)
    def test_equals(self, group: tuple[int, ...]) -> None:
        """Within a group the first to come stays."""
        assert not any(better(one, two) for one in group for two in group)

    def test_6xx(self) -> None:
        """A 6xx is better than all of these; of two the lower one."""
        for group in TABLE:
            assert all(better(status, other) for status in (600, 699) for other in group)
        assert better(600, 603) and not better(603, 600)

    def test_every_status(self) -> None:
        """Every status has a rank, and the order is a total one."""
        ranks = sorted((rank(status), status) for status in range(300, 700))
        classes = [status // 100 for _, status in ranks]
        assert classes == sorted(classes, key=(6, 3, 4, 5).index)
