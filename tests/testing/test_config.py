"""The reader of the configuration's golden files."""

from pathlib import Path

import pytest

from sipproxy.config.directive import Directive, Take, integer
from sipproxy.config.tree import parse
from sipproxy.testing.config import (
    MAIN,
    load_text,
    read_config_case,
    tree_as_text,
    values_as_text,
)

CASE = """\
MaxForks 3
--- file /sip/conf/more.conf
Recursive On
--- option -D Test
--- option -C PidFile x
--- option -c Recursive Off
--- values
one

two
--- faults
"""


def case_file(folder: Path, text: str) -> Path:
    """Write a case."""
    path = folder / "case.txt"
    path.write_text(text)
    return path


class ReadTests:
    """A file is taken apart."""

    def test_parts(self, tmp_path: Path) -> None:
        """Each part ends up where a test looks for it."""
        case = read_config_case(case_file(tmp_path, CASE))
        assert case.name == "case"
        assert case.files == {MAIN: "MaxForks 3\n", "/sip/conf/more.conf": "Recursive On\n"}
        assert case.defines == {"Test"}
        assert (case.before, case.after) == (["PidFile x"], ["Recursive Off"])
        assert case.expected == {"values": ["one", "two"], "faults": []}

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("A\n", "expects nothing"),
            ("A\n--- valeus\n", "no part 'valeus'"),
            ("A\n--- option -x y\n--- values\n", "no option -x"),
        ],
    )
    def test_slips(self, tmp_path: Path, text: str, reason: str) -> None:
        """A misspelt part is refused, so that no expectation is skipped in silence."""
        with pytest.raises(ValueError, match=reason):
            read_config_case(case_file(tmp_path, text))


class TextTests:
    """Configurations as lines."""

    def test_values(self) -> None:
        """Only what was given, by owner."""
        rows = (Directive("Limit", Take.ONE, integer(), "5", "A number."),)
        configuration = load_text("Limit 6\nMaxForks 3", rows)
        assert values_as_text(configuration) == ["core MaxForks = 3", "mod_test Limit = 6"]

    def test_tree(self) -> None:
        """Depth is shown by indenting."""
        nodes, _faults = parse("<IfDefine X>\nA 1\n</IfDefine>", "f")
        assert tree_as_text(nodes) == ["1 <IfDefine X>", "  2 A | 1"]
