r"""Text to lines, lines to words.

The habits are Apache's: one directive a line, a backslash at the very end of a line continues it,
double quotes group words (inside them ``\"`` is a quote and ``\\`` a backslash), and a comment is a
line whose first character other than a blank is ``#``.  A ``#`` further right is text.

One departure: a comment line never continues, so that a backslash at its end cannot swallow the
directive below it.
"""

from typing import NamedTuple


class LogicalLine(NamedTuple):
    """One directive or section mark: its stripped text, and the number of its first line."""

    number: int
    text: str


def logical_lines(text: str) -> list[LogicalLine]:
    """Return the lines of a text that say something: continued ones joined, no comments."""
    found: list[LogicalLine] = []
    pieces: list[str] = []
    start = 0
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.rstrip("\r")
        if not pieces:
            start = number
            if line.lstrip().startswith("#"):
                continue
        if _continues(line):
            pieces.append(line[:-1])
            continue
        _finish(found, start, pieces, line)
        pieces = []
    if pieces:
        _finish(found, start, pieces, "")
    return found


def split_words(text: str) -> list[str]:
    """Split the arguments of a line into words.

    Raises `ValueError` for a quote that is never closed or that ends in the middle of a word.
    """
    words: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return words
        word, at = _quoted_word(text, at + 1) if text[at] == '"' else _bare_word(text, at)
        words.append(word)


def split_name(text: str) -> tuple[str, str]:
    """Split a line into its first word and the rest, stripped."""
    name, *rest = text.split(None, 1)
    return name, rest[0].strip() if rest else ""


def join_words(words: list[str] | tuple[str, ...]) -> str:
    """Return the text that `split_words` would split into ``words``."""
    return " ".join(_requoted(word) for word in words)


def _continues(line: str) -> bool:
    """Say whether the line ends in a backslash that is not itself escaped by one before it."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _finish(found: list[LogicalLine], start: int, pieces: list[str], last: str) -> None:
    text = "".join([*pieces, last]).strip()
    if text:
        found.append(LogicalLine(start, text))


def _bare_word(text: str, start: int) -> tuple[str, int]:
    end = start
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end], end


def _quoted_word(text: str, at: int) -> tuple[str, int]:
    letters: list[str] = []
    while at < len(text):
        letter = text[at]
        if letter == '"':
            if at + 1 < len(text) and not text[at + 1].isspace():
                raise ValueError("a blank is missing after the closing double quote")
            return "".join(letters), at + 1
        if letter == "\\" and text[at + 1 : at + 2] in ('"', "\\"):
            at += 1
            letter = text[at]
        letters.append(letter)
        at += 1
    raise ValueError("a double quote is opened and never closed")


def _requoted(word: str) -> str:
    if word and not word.startswith('"') and not any(letter.isspace() for letter in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
