"""The soak: `make soak` runs it, `make test` does not."""

from pathlib import Path

import pytest

from bench.soak import parts, run_part

pytestmark = [pytest.mark.live, pytest.mark.soak]


class SoakTests:
    """What only shows after many thousands of times."""

    @pytest.mark.parametrize("name", sorted(parts()))
    def test_part(self, name: str, tmp_path: Path) -> None:
        """Each part ends without a fault; what it did stands in bench/results."""
        assert run_part(name, parts()[name], tmp_path)
