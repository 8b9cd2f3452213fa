"""The ledger says what is so: rows, tests, results and page agree."""

import pytest

from tests.conformance import ledger
from tests.conformance.rows import ROOT, Row, load_rows

ROWS = load_rows()


class RowTests:
    """What stands in docs/ledger/rows."""

    def test_some_rows(self) -> None:
        """Reading them tells that none is there twice; there are several hundred."""
        assert len(ROWS) > 400

    @pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
    def test_row(self, row: Row) -> None:
        """A row is a sentence, and says one thing only about why it is not met."""
        assert row.requirement.endswith(".")
        assert not (row.not_met and row.not_applicable)
        for name in row.tested:
            path, *parts = name.split("::")
            text = (ROOT / path).read_text("utf-8")
            for part in parts:
                kind = "class" if part.endswith("Tests") else "def"
                assert f"{kind} {part}(" in text or f"{kind} {part}:" in text, name

    @pytest.mark.parametrize("name", ledger.wire_tests())
    def test_names_rows(self, name: str) -> None:
        """Each test on the wire names rows, and those are there."""
        rows = ledger.wire_tests()[name]
        assert rows and set(rows) <= set(ROWS)


class ResultTests:
    """What came out."""

    @pytest.mark.parametrize("which", ledger.SERVERS)
    def test_of_these_tests(self, which: str) -> None:
        """The results are those of the tests that there are."""
        tests = {name for name in ledger.Results.read(which).tests if name.startswith("test_")}
        assert tests == set(ledger.wire_tests()), "run python -m tests.conformance.ledger"

    def test_reasons(self) -> None:
        """Each MUST that our server does not meet, or that nothing shows, says why."""
        results = ledger.Results.read(ledger.SERVERS[0])
        bare = [
            name
            for name, row in ROWS.items()
            if row.mandatory and ledger.verdict(row, ledger.SERVERS[0], results)[0] != ledger.YES
            and not row.not_met and not row.not_applicable
        ]  # fmt: skip
        assert not bare

    def test_failures_are_known(self) -> None:
        """A test that our server fails is about rows that are known not to be met."""
        results = ledger.Results.read(ledger.SERVERS[0])
        for name, result in results.tests.items():
            if result["outcome"] == "failed":
                assert any(ROWS[row].not_met for row in ledger.wire_tests().get(name, [])), name

    def test_page_is_current(self) -> None:
        """The page is what rows and results make it."""
        assert ledger.PAGE.read_text("utf-8") == ledger.page(), (
            "run python -m tests.conformance.ledger --page"
        )
