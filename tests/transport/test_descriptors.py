"""The limit of open files: raised where possible, respected where not."""

import resource

import pytest

from sipproxy.transport.descriptors import SPARE, Limits, room_for

UNLIMITED = resource.RLIM_INFINITY


class RoomTests:
    """How many connections fit."""

    @pytest.mark.parametrize(
        ("limits", "room", "raised_to"),
        [
            ((65536, 65536), 10_000, None),
            ((1024, UNLIMITED), 10_000, 10_000 + SPARE),
            ((1024, 524288), 10_000, 10_000 + SPARE),
            ((1024, 4096), 4096 - SPARE, 4096),
            ((UNLIMITED, UNLIMITED), 10_000, None),
            ((100, 100), 50, 100),
        ],
        ids=["plenty", "no end", "soft", "hard", "none", "tiny"],
    )
    def test_limits(self, limits: Limits, room: int, raised_to: int | None) -> None:
        """The soft limit is raised as far as needed, never beyond the hard one."""
        changes: list[Limits] = []
        found = room_for(10_000, lambda kind: limits, lambda kind, new: changes.append(new))
        assert found == room
        assert changes == ([] if raised_to is None else [(raised_to, limits[1])])

    def test_not_allowed(self) -> None:
        """A system that lets nothing be changed leaves what there is."""

        def refuse(kind: int, new: Limits) -> None:
            raise ValueError("not allowed to raise maximum limit")

        assert room_for(10_000, lambda kind: (1024, 1024), refuse) == 1024 - SPARE
