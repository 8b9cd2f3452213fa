"""Lines and words, in Apache's manner."""

import pytest

from sipproxy.config.lexer import logical_lines, split_name, split_words


def texts(source: str) -> list[tuple[int, str]]:
    """Number and text of every line that says something."""
    return [(line.number, line.text) for line in logical_lines(source)]


class LogicalLineTests:
    """What counts as one line."""

    def test_numbers_are_those_of_the_file(self) -> None:
        """Comments and empty lines are left out and still counted."""
        assert texts("# head\n\n  A 1  \n\t# more\nB 2") == [(3, "A 1"), (5, "B 2")]

    def test_continued_line_has_the_number_of_its_start(self) -> None:
        """A backslash at the very end joins lines; what follows keeps its own number."""
        assert texts("A 1 \\\n  2 \\\n  3\nB") == [(1, "A 1   2   3"), (4, "B")]

    def test_windows_line_ends(self) -> None:
        """A file from Windows reads the same, byte order mark included."""
        assert texts("\ufeffA 1 \\\r\n2\r\nB\r\n") == [(1, "A 1 2"), (3, "B")]

    def test_even_backslashes_do_not_continue(self) -> None:
        """An escaped backslash at the end is text."""
        assert texts("A C:\\\\\nB") == [(1, "A C:\\\\"), (2, "B")]

    def test_comment_does_not_continue(self) -> None:
        """A backslash at the end of a comment cannot swallow the directive below it."""
        assert texts("# old: C:\\\nListen 5060") == [(2, "Listen 5060")]

    def test_mark_inside_a_line_is_text(self) -> None:
        """Only a line can be a comment, not the rest of one."""
        assert texts("A 1 # 2\nB \\\n# 3") == [(1, "A 1 # 2"), (2, "B # 3")]

    def test_other_separators_do_not_end_lines(self) -> None:
        """Form feeds and Unicode's separators would make the numbers differ from the editor's."""
        assert [number for number, _text in texts("A\x0cB\u2028C\nD")] == [1, 2]

    def test_end_of_file_inside_a_continued_line(self) -> None:
        """What is there counts."""
        assert texts("A 1 \\") == [(1, "A 1")]
        assert texts("\\") == []


class WordTests:
    """How arguments are divided."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", []),
            ("  a\tb  ", ["a", "b"]),
            ('"a b" c', ["a b", "c"]),
            ('""', [""]),
            (r'"say \"hi\""', ['say "hi"']),
            (r'"back\\slash \n"', [r"back\slash \n"]),
            ('mid"quote', ['mid"quote']),
            ("'single quotes'", ["'single", "quotes'"]),
            (r"C:\dir", [r"C:\dir"]),
        ],
    )
    def test_words(self, text: str, words: list[str]) -> None:
        """Blanks divide, double quotes at the start of a word group."""
        assert split_words(text) == words

    @pytest.mark.parametrize("text", ['"', '"a', 'a "b', r'"a\"', '"a"b'])
    def test_bad_quotes(self, text: str) -> None:
        """A quote that is not closed, or closed in the middle of a word, is refused."""
        with pytest.raises(ValueError, match="double quote"):
            split_words(text)

    def test_name(self) -> None:
        """The first word is the name, the rest is kept as written."""
        assert split_name('Name  "a  b" c') == ("Name", '"a  b" c')
        assert split_name("Name") == ("Name", "")
