"""Writes docs/ledger: runs the tests against our server and Kamailio, and puts down what came out.

``python -m tests.conformance.ledger`` runs all; with ``--page`` only the page is written anew, from
the rows and the results that are there.
"""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.conformance.rows import LEDGER, ROOT, Row, load_rows

HERE: Final = Path(__file__).parent
PAGE: Final = LEDGER / "README.md"
SERVERS: Final = ("sipproxy", "kamailio")
YES: Final = "yes"
NO: Final = "no"
NOT_SHOWN: Final = "not shown"
NOT_APPLICABLE: Final = "n/a"
_INTRO: Final = """\
# Conformance ledger

What the RFCs ask of a proxy, registrar or redirect server and of the layers below, a row for each
normative sentence, in our own words; and whether this server, and Kamailio from the distribution
with a plain configuration (`tests/conformance/kamailio.cfg`), does it.

This page is written by `python -m tests.conformance.ledger`, from `docs/ledger/rows/` and from the
results of the tests; don't edit it. A row says **yes** when every test that names it has passed,
**no** when one has failed or when it is known not to be met (the note says why), *not shown* when
no test shows it yet (which counts as not met), and n/a when there is nothing to ask.
Tests are those of `tests/conformance` unless another folder is named. A no in the Kamailio column
may be owed to the plain configuration; Kamailio can be told to do many things otherwise. There, a
dash stands where only a test of our own code shows the row, or where the row is n/a for us.

The tests talk to a server over the wire only and can be pointed at any:

    pytest tests/conformance --server udp:HOST:PORT [--t1 SECONDS]

"""


@dataclass
class Results:
    """What one run of the tests brought."""

    server: str
    date: str
    tests: dict[str, dict[str, str]]

    @classmethod
    def read(cls, which: str) -> "Results":
        """Read the results of a server; empty when there are none."""
        path = results_path(which)
        if not path.exists():
            return cls("not run", "", {})
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return cls(data["server"], data["date"], data["tests"])

    def of(self, tests: list[str]) -> tuple[str, str]:
        """Say what several tests together mean for a row, and why."""
        found = [self.tests[name] for name in tests if name in self.tests]
        for one in found:
            if one["outcome"] == "failed":
                return NO, one["why"]
        passed = [one for one in found if one["outcome"] == "passed"]
        return (YES, "") if passed else (NOT_SHOWN, "")


def results_path(which: str) -> Path:
    """The file with the results of a server."""
    return LEDGER / f"results-{which}.json"


@cache
def wire_tests() -> dict[str, list[str]]:
    """The tests of this folder, each with the rows that it names, read from the source."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        for suite in ast.parse(path.read_text("utf-8")).body:
            if isinstance(suite, ast.ClassDef):
                for test in suite.body:
                    if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                        found[f"{path.name}::{suite.name}::{test.name}"] = _named(test)
    return {name: rows for name, rows in found.items() if not name.startswith("test_ledger.py")}


def _named(test: ast.FunctionDef) -> list[str]:
    names = []
    for mark in test.decorator_list:
        call = mark.func if isinstance(mark, ast.Call) else None
        if isinstance(mark, ast.Call) and isinstance(call, ast.Name) and call.id == "rows":
            names += [arg.value for arg in mark.args if isinstance(arg, ast.Constant)]
    return [str(name) for name in names]


def tests_of(row: Row) -> list[str]:
    """The tests that show a row: of this folder, and others that the row names."""
    return [name for name, rows in wire_tests().items() if row.name in rows] + list(row.tested)


def verdict(row: Row, which: str, results: Results) -> tuple[str, str]:
    """Say whether a server meets a row, and why not."""
    if row.not_applicable:
        return NOT_APPLICABLE, row.not_applicable
    status, why = results.of(tests_of(row))
    if which == SERVERS[0] and row.not_met:
        return NO, row.not_met
    if which == SERVERS[0] and status == YES:
        return YES, row.remark
    return status, why


def page() -> str:
    """Write the page."""
    rows = load_rows()
    results = {which: Results.read(which) for which in SERVERS}
    verdicts = {
        which: {name: verdict(row, which, results[which]) for name, row in rows.items()}
        for which in SERVERS
    }
    parts = [_INTRO, _summary(rows, results, verdicts)]
    title = section = ""
    for name, row in rows.items():
        if row.title != title:
            title, section = row.title, ""
            parts.append(f"\n## {title}\n")
        if row.section != section:
            section = row.section
            parts.append(f"\n### RFC {row.rfc}, {section}\n\n{_HEAD}")
        parts.append(_line(row, [verdicts[which][name] for which in SERVERS]))
    return "".join(parts)


_HEAD: Final = "| id | level | who | requirement | ours | Kamailio | test | note |\n" + (
    "| --- " * 8 + "|\n"
)


def _line(row: Row, found: list[tuple[str, str]]) -> str:
    (ours, why), (other, _) = found
    other = "–" if other in (NOT_SHOWN, NOT_APPLICABLE) else other
    tests = ", ".join(f"`{name.replace('::', ' ')}`" for name in tests_of(row))
    marked = f"**{ours}**" if ours in (YES, NO) else f"*{ours}*"
    cells = [row.name, row.level, row.who, row.requirement, marked, other, tests, why]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _summary(
    rows: dict[str, Row],
    results: dict[str, Results],
    verdicts: dict[str, dict[str, tuple[str, str]]],
) -> str:
    lines = ["## Summary\n\n| | " + " | ".join(
        f"{results[which].server}, {results[which].date}" for which in SERVERS
    ) + " |\n| --- | --- | --- |\n"]  # fmt: skip
    levels = {"MUST and MUST NOT": True, "SHOULD and SHOULD NOT": False}
    for words, mandatory in levels.items():
        level = {
            name for name, row in rows.items() if row.mandatory is mandatory and row.level != "MAY"
        }
        cells = [_count(verdicts[which], level) for which in SERVERS]
        lines.append(f"| {words} | {' | '.join(cells)} |\n")
    lines.append(f"| rows | {len(rows)} | |\n| tests on the wire | {len(wire_tests())} | |\n")
    return "".join(lines) + _reasons(rows)


def _reasons(rows: dict[str, Row]) -> str:
    """Say why our server does not meet rows, the most frequent reason first."""
    found: dict[str, list[str]] = {}
    for name, row in rows.items():
        if row.not_met:
            found.setdefault(row.not_met, []).append(name)
    lines = ["\n### Why rows are not met by this server\n\n| why | rows |\n| --- | --- |\n"]
    for why, names in sorted(found.items(), key=lambda pair: -len(pair[1])):
        lines.append(f"| {why} | {', '.join(names)} |\n")
    return "".join(lines)


def _count(verdicts: dict[str, tuple[str, str]], wanted: set[str]) -> str:
    found = [status for name, (status, _) in verdicts.items() if name in wanted]
    asked = len(found) - found.count(NOT_APPLICABLE)
    text = f"met {found.count(YES)} of {asked}"
    return f"{text}; not met {found.count(NO)}, not shown {found.count(NOT_SHOWN)}"


def run(which: str) -> None:
    """Run the tests against a server and keep the results."""
    path = results_path(which)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider"]
    options = ["--server", which, "--results", str(path), "--ignore", str(HERE / "test_ledger.py")]
    subprocess.run([*command, "tests/conformance", *options], cwd=ROOT, check=False)
    if which != SERVERS[0]:
        return
    data = json.loads(path.read_text("utf-8"))
    for name in sorted({name for row in load_rows().values() for name in row.tested}):
        code = subprocess.run([*command, name], cwd=ROOT, check=False).returncode
        data["tests"][name] = {"outcome": "failed" if code else "passed", "why": ""}
    path.write_text(json.dumps(data, indent=1) + "\n")


def main(arguments: list[str]) -> None:
    """Run what was asked for, and write the page."""
    if "--page" not in arguments:
        for which in [name for name in SERVERS if name in arguments] or SERVERS:
            run(which)
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
