"""The header of a message: raw lines in their order, looked up and edited by canonical name.

Two lists run in parallel: the names (``b"record-route"``) and the lines (``b"Record-Route: <...>"``
without the line end; a folded line is one element, folds and all). What nobody asks for is never
looked into, and leaves as it came.
"""

from typing import Final

from sipproxy.message.grammar import PRETTY, pretty
from sipproxy.message.values import end_of_first, split_commas, unfold, value_of

#: What may stand before the first element of a list.
_EMPTY: Final = b", \t\r\n"

#: What a line of a known name begins with.
_BEGINNINGS: Final = {name: spelling + b": " for name, spelling in PRETTY.items()}


class Headers:
    """An ordered list of header lines; the base of requests and responses."""

    __slots__ = ("lines", "names")

    def __init__(self, names: list[bytes], lines: list[bytes]) -> None:
        self.names: list[bytes] = names
        self.lines: list[bytes] = lines

    # --- looking

    def value(self, name: bytes) -> bytes | None:
        """Give the first value of a header, on one line; None when the header is not there."""
        try:
            return value_of(self.lines[self.names.index(name)])
        except ValueError:
            return None

    def raw_values(self, name: bytes) -> list[bytes]:
        """Give what each line of a header says, lists in one piece."""
        names, lines = self.names, self.lines
        if name not in names:
            return []
        return [value_of(lines[at]) for at, other in enumerate(names) if other == name]

    def values(self, name: bytes) -> list[bytes]:
        """Give all values of a header that is a list, however they are spread over lines."""
        names = self.names
        if names.count(name) == 1:
            return split_commas(value_of(self.lines[names.index(name)]))
        found: list[bytes] = []
        for raw in self.raw_values(name):
            found += split_commas(raw)
        return found

    def has(self, name: bytes) -> bool:
        """Say whether a header is there."""
        return name in self.names

    def count(self, name: bytes) -> int:
        """Count the lines of a header."""
        return self.names.count(name)

    # --- editing

    def add(self, name: bytes, value: bytes) -> None:
        """Append a line. Raises ValueError for a value with a line end, as all edits do."""
        line = line_of(name, value)
        self.names.append(name)
        self.lines.append(line)
        self._forget(name)

    def prepend(self, name: bytes, value: bytes) -> None:
        """Insert a line before the first of its name, or before all others."""
        line = line_of(name, value)
        names = self.names
        try:
            at = names.index(name)
        except ValueError:
            at = 0
        names.insert(at, name)
        self.lines.insert(at, line)
        self._forget(name)

    def set(self, name: bytes, value: bytes) -> None:
        """Replace the first line of a name and remove the others; append when there is none."""
        names = self.names
        try:
            at = names.index(name)
        except ValueError:
            self.add(name, value)
            return
        self.lines[at] = line_of(name, value)
        if names.count(name) > 1:
            self._drop(name, at + 1)
        self._forget(name)

    def remove(self, name: bytes) -> int:
        """Remove all lines of a name; say how many there were."""
        names = self.names
        removed = names.count(name)
        if removed == 1:
            at = names.index(name)
            del names[at], self.lines[at]
        elif removed:
            self._drop(name, 0)
        if removed:
            self._forget(name)
        return removed

    def pop_first(self, name: bytes) -> bytes | None:
        """Remove and give the first value of a list header; None when the header is not there."""
        names = self.names
        try:
            at = names.index(name)
        except ValueError:
            return None
        line = self.lines[at]
        self._forget(name)
        if b"," in line:
            raw = line[line.find(b":") + 1 :].lstrip(_EMPTY)
            end = end_of_first(raw)
            rest = raw[end + 1 :].lstrip(_EMPTY)
            if rest:
                self.lines[at] = pretty(name) + b": " + rest
                return unfold(raw[:end].strip())
            line = b":" + raw[:end]
        del names[at], self.lines[at]
        return value_of(line)

    def _drop(self, name: bytes, start: int) -> None:
        """Remove the lines of a name from an index on, in one pass."""
        names, lines = self.names, self.lines
        kept = [at for at, other in enumerate(names) if at < start or other != name]
        names[:] = [names[at] for at in kept]
        lines[:] = [lines[at] for at in kept]

    def _forget(self, name: bytes) -> None:
        """Drop what was parsed of a header that changes; for those who keep such."""


def line_of(name: bytes, value: bytes) -> bytes:
    """Make a header line. Raises ValueError for a value that would end it."""
    if b"\n" in value or b"\r" in value:
        raise ValueError(f"a value of {name.decode('ascii', 'replace')} may not hold a line end")
    return (_BEGINNINGS.get(name) or pretty(name) + b": ") + value
