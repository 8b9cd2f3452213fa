"""Stories of the non-INVITE client machine, told by the scripts in tests/vectors/transaction."""

from pathlib import Path

import pytest

from sipproxy.testing.script import read_script, run_script

VECTORS = Path(__file__).parents[1] / "vectors" / "transaction"
SCRIPTS = sorted(VECTORS.glob("client_noninvite-*.txt"))


class ClientNonInviteScriptTests:
    """Each script plays to its end without a surprise."""

    @pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
    def test_script(self, path: Path) -> None:
        """What the file says happens, and nothing else."""
        run_script(read_script(path))

    def test_scripts_are_found(self) -> None:
        """A moved folder must not turn the tests above into none."""
        assert len(SCRIPTS) >= 4
