"""Pieces of reStructuredText."""

import re
from collections.abc import Sequence
from typing import Final

#: The first line of every page that is written whole.
DO_NOT_EDIT: Final = ".. Written by make docs from the code: change it there.\n"


def heading(text: str, line: str = "=") -> str:
    """Underline a heading."""
    return f"{text}\n{line * len(text)}\n"


def literal(text: str) -> str:
    """Print a piece of code inside a sentence."""
    return f"``{text}``"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a list table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}".rstrip())
    return "\n".join(lines) + "\n"


def indented(text: str) -> str:
    """Set a text in from the margin, as a literal block wants it."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def as_literals(text: str) -> str:
    """Turn the single backquotes of docstrings, which name things of the code, into literals."""
    return re.sub(r"(?<!`)`([^`\n]+)`(?![`_])", r"``\1``", text)


def page_of(title: str, text: str) -> str:
    """Put a whole page together."""
    return f"{DO_NOT_EDIT}\n{heading(title)}\n{text}"
