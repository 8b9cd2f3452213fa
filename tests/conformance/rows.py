"""The rows of the ledger: what docs/ledger/rows says."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parent.parent.parent
LEDGER: Final = ROOT / "docs" / "ledger"
LEVELS: Final = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")
WHO: Final = ("proxy", "registrar", "redirect", "uas-core", "transport", "transaction")


@dataclass(frozen=True)
class Row:
    """One normative sentence of an RFC, in our words."""

    name: str
    rfc: int
    section: str
    level: str
    who: str
    requirement: str
    #: The file that it stands in, and the title of that.
    file: str
    title: str
    #: Why our server does not meet it; why it can't be asked of our server; else empty.
    not_met: str = ""
    not_applicable: str = ""
    #: Tests outside this folder, for what the wire cannot show.
    tested: tuple[str, ...] = ()
    #: How our server meets it in a way of its own.
    remark: str = ""

    @property
    def mandatory(self) -> bool:
        """Whether it is a MUST or MUST NOT."""
        return self.level.startswith("MUST")


def load_rows() -> dict[str, Row]:
    """Read all rows.  Raises ValueError for one that is there twice, or for unknown words."""
    rows: dict[str, Row] = {}
    for path in sorted((LEDGER / "rows").glob("*.toml"), key=_order):
        for row in _rows_in(path):
            if row.name in rows:
                raise ValueError(f"{row.name} is there twice")
            if row.level not in LEVELS or row.who not in WHO:
                raise ValueError(f"{row.name}: {row.level}, {row.who}")
            rows[row.name] = row
    return rows


def _order(path: Path) -> tuple[int, int, str]:
    rfc, _, rest = path.stem.partition("-")
    return int(rfc) != 3261, int(rfc), rest


def _rows_in(path: Path) -> list[Row]:
    data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    rows = []
    extras = {
        key: dict(data.get(key, {})) for key in ("not_met", "not_applicable", "tested", "remark")
    }
    for section, entries in data["section"].items():
        for number, (level, who, requirement) in entries.items():
            key = f"{section}-{number}"
            rows.append(
                Row(
                    f"{data['rfc']}-{key}", data["rfc"], section, level, who, requirement,
                    path.name, data["title"],
                    extras["not_met"].pop(key, ""), extras["not_applicable"].pop(key, ""),
                    tuple(extras["tested"].pop(key, ())), extras["remark"].pop(key, ""),
                )
            )  # fmt: skip
    left = [key for extra in extras.values() for key in extra]
    if left:
        raise ValueError(f"{path.name} explains rows that are not there: {left}")
    return rows


def rows_of(item: pytest.Item) -> list[str]:
    """The rows that a test says it proves."""
    return [str(name) for mark in item.iter_markers("rows") for name in mark.args]
