"""The name service of tests answers as its table says."""

from twisted.python.failure import Failure

from sipproxy.testing.names import NameTable


class NameTableTests:
    """At once, never, or not at all."""

    def test_answers(self) -> None:
        """A name of the table has its addresses, and it is known who was asked for."""
        table = NameTable({"a.example": ["10.0.0.5"]})
        got: list[list[str]] = []
        table.resolve("a.example").addCallback(got.append)
        assert (got, table.asked) == ([["10.0.0.5"]], ["a.example"])

    def test_unknown(self) -> None:
        """Another name fails as the system's name service does."""
        failed: list[Failure] = []
        NameTable().resolve("b.example").addErrback(failed.append)
        assert failed[0].check(OSError)

    def test_otherwise(self) -> None:
        """Every other name may have the same address, for tests that do not care."""
        got: list[list[str]] = []
        NameTable({}, ["10.0.0.9"]).resolve("any.example").addCallback(got.append)
        assert got == [["10.0.0.9"]]

    def test_silent(self) -> None:
        """A name may be one whose answer never comes, or comes when the test wants."""
        table = NameTable({"c.example": None})
        got: list[list[str]] = []
        table.resolve("c.example").addCallback(got.append)
        assert got == []
        table.waiting["c.example"].callback(["10.0.0.6"])
        assert got == [["10.0.0.6"]]
