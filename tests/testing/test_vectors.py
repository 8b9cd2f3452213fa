"""Reading cases from files."""

import json
from pathlib import Path

import pytest

from sipproxy.testing.vectors import load_torture

GOOD = {
    "rfc": "4475",
    "section": "3.1.2.18",
    "title": "A title",
    "what": "A defect.",
    "parse": "error",
    "status": [501, 400],
    "stream": "error",
    "trailing": 4,
    "proxy": "drop",
    "registrar": None,
    "note": "A reason.",
}


def write(folder: Path, **changes: object) -> None:
    """A case of two files, with some of the expectation changed."""
    (folder / "one.msg").write_bytes(b"octets\r\n\x00end")
    (folder / "one.json").write_text(json.dumps(GOOD | changes))


class LoadTortureTests:
    """A case says exactly what its two files say."""

    def test_values(self, tmp_path: Path) -> None:
        """Single values, choices, nulls and the word error each become what tests work with."""
        write(tmp_path)
        (case,) = load_torture(tmp_path)
        assert case.name == "one"
        assert (case.data, case.message) == (b"octets\r\n\x00end", b"octets\r\n")
        assert (case.parses, case.status, case.stream) == (False, (501, 400), None)
        assert (case.proxy, case.registrar, case.forwarded) == (("drop",), (), False)

    @pytest.mark.parametrize(
        "changes",
        [
            {"parse": "maybe"},
            {"status": "400"},
            {"stream": -1},
            {"trailing": True},
            {"proxy": []},
            {"proxy": "reply"},
            {"note": ""},
            {"section": 3},
        ],
        ids=str,
    )
    def test_wrong_expectation(self, tmp_path: Path, changes: dict[str, object]) -> None:
        """A slip in an expectation names its file and does not weaken a test in silence."""
        write(tmp_path, **changes)
        with pytest.raises(ValueError, match=r"one\.json"):
            load_torture(tmp_path)

    def test_half_a_case(self, tmp_path: Path) -> None:
        """A message without expectation is a mistake, not a message that need not be tested."""
        write(tmp_path)
        (tmp_path / "two.msg").write_bytes(b"lonely")
        with pytest.raises(ValueError, match="two"):
            load_torture(tmp_path)
