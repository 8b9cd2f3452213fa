"""How faults quote what somebody wrote, and how a misspelt name finds its neighbour."""

from collections.abc import Iterable
from difflib import get_close_matches

#: Longest piece of somebody's text that a fault repeats.
_SHOWN = 60

#: How alike two names must be to be worth a "did you mean" (difflib's ratio; its default is 0.6).
_ALIKE = 0.66


def quoted(text: str) -> str:
    """Return ``text`` in double quotes, fit for one line: cut when long, controls escaped."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + '"'


def plain(text: str) -> str:
    """Return ``text`` as `quoted` does, but without the quotes when it is an ordinary word."""
    inner = quoted(text)[1:-1]
    return inner if inner and inner == text and " " not in inner else f'"{inner}"'


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that looks most like ``word``, ignoring case; None when none is near."""
    spellings = {candidate.lower(): candidate for candidate in candidates}
    found = get_close_matches(word.lower()[:200], spellings, n=1, cutoff=_ALIKE)
    return spellings[found[0]] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ``; did you mean X?`` or nothing, to be put at the end of a fault."""
    near = nearest(word, candidates)
    return f"; did you mean {near}?" if near else ""


def listed(words: Iterable[str], joint: str = "or") -> str:
    """Return ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} {joint} {last}" if first else last
