"""Quoting what somebody wrote, and finding the name that was meant."""

import pytest

from sipproxy.config.spelling import did_you_mean, listed, nearest, plain, quoted


class QuotedTests:
    """A fault must stay one readable line whatever it repeats."""

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("word", '"word"'),
            ("two words", '"two words"'),
            ("é", '"é"'),
            ("a\nb\x1b[31m", r'"a\nb\x1b[31m"'),
            ("\ud800\u2028", r'"\ud800\u2028"'),
            ("x" * 100, '"' + "x" * 59 + '…"'),
        ],
    )
    def test_quoted(self, text: str, shown: str) -> None:
        """Control characters, separators and lone surrogates are escaped; long text is cut."""
        assert quoted(text) == shown

    @pytest.mark.parametrize(
        ("text", "shown"), [("Listen", "Listen"), ("a b", '"a b"'), ("", '""'), ("\t", r'"\t"')]
    )
    def test_plain(self, text: str, shown: str) -> None:
        """An ordinary word needs no quotes."""
        assert plain(text) == shown


class NearestTests:
    """Misspelt names."""

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("NumberExpnad", "NumberExpand"),
            ("listen", "Listen"),
            ("upd", "udp"),
            ("MaxTransaction", "MaxTransactions"),
            ("Zebra", None),
            ("", None),
            ("x" * 100_000, None),
        ],
    )
    def test_nearest(self, written: str, meant: str | None) -> None:
        """A slip of the finger is found, another word is not, and length costs nothing."""
        assert nearest(written, ("NumberExpand", "Listen", "udp", "MaxTransactions")) == meant

    def test_sentence(self) -> None:
        """The question comes with its punctuation, or not at all."""
        assert did_you_mean("Lisen", ["Listen"]) == "; did you mean Listen?"
        assert did_you_mean("Zebra", ["Listen"]) == ""


class ListedTests:
    """Enumerations in sentences."""

    def test_listed(self) -> None:
        """The last two are joined by a word."""
        assert listed(["a"]) == "a"
        assert listed(["a", "b"]) == "a or b"
        assert listed(["a", "b", "c"], "and") == "a, b and c"
