"""What stands in one file: statements and sections that remember where they were written."""

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sipproxy.config.lexer import LogicalLine, logical_lines, split_name
from sipproxy.config.spelling import did_you_mean, plain

#: The sections there are.  They are conditions: what they hold is legal wherever they stand.
SECTIONS = ("IfModule", "IfDefine")

_OPENING = re.compile(r"<\s*([^\s<>/]+)\s*([^<>]*?)\s*>$")
_CLOSING = re.compile(r"</\s*([^\s<>]+)\s*>$")


class Position(NamedTuple):
    """A line of a file, printed as ``file:line``; line 0 means the file as a whole."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a configuration, in words for the person who wrote it.

    A fault of severity ``note`` is worth saying but keeps no server from starting.
    """

    file: str
    line: int
    text: str
    severity: Literal["error", "note"] = "error"

    def __str__(self) -> str:
        mark = "note: " if self.severity == "note" else ""
        return f"{Position(self.file, self.line)}: {mark}{self.text}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One directive as it was written; ``raw`` is what follows its name, not yet split."""

    name: str
    raw: str
    position: Position


@dataclass(frozen=True, slots=True)
class Section:
    """``<Name argument> ... </Name>``."""

    name: str
    argument: str
    position: Position
    children: list["Node"] = field(default_factory=list)


Node = Statement | Section


def parse(text: str, file: str) -> tuple[list[Node], list[Fault]]:
    """Read one file's text into nodes; everything that is no statement or section is a fault.

    Sections must open and close in the same file.  A section of an unknown name is a fault, and
    what it holds is left out.
    """
    builder = _Builder(file)
    for line in logical_lines(text):
        builder.take(line)
    builder.end()
    return builder.top, builder.faults


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.top: list[Node] = []
        self.faults: list[Fault] = []
        self._open: list[Section] = []

    def take(self, line: LogicalLine) -> None:
        if line.text.startswith("</"):
            self._close(line)
        elif line.text.startswith("<"):
            self._open_section(line)
        else:
            self._statement(line)

    def end(self) -> None:
        for section in self._open:
            self._fault(
                section.position.line,
                f"<{section.name}> is never closed: </{section.name}> is missing",
            )

    def _fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(self.file, line, text))

    def _add(self, node: Node) -> None:
        (self._open[-1].children if self._open else self.top).append(node)

    def _statement(self, line: LogicalLine) -> None:
        name, raw = split_name(line.text)
        self._add(Statement(name, raw, Position(self.file, line.number)))

    def _open_section(self, line: LogicalLine) -> None:
        match = _OPENING.match(line.text)
        if match is None:
            self._fault(
                line.number,
                f"{plain(line.text)} is no section: write <IfModule NAME> or "
                "<IfDefine NAME> alone on the line",
            )
            return
        written, argument = match.groups()
        position = Position(self.file, line.number)
        name = section_name(written)
        section = Section(name or written, argument, position)
        if name is None:
            near = did_you_mean(written, SECTIONS) or "; there are IfModule and IfDefine"
            self._fault(line.number, f"<{plain(written)}>: no such section{near}")
        else:
            self._add(section)
        self._open.append(section)

    def _close(self, line: LogicalLine) -> None:
        match = _CLOSING.match(line.text)
        if match is None:
            self._fault(
                line.number,
                f"{plain(line.text)} is not the end of a section: write "
                "</IfModule> or </IfDefine> alone on the line",
            )
            return
        written = match.group(1)
        name = section_name(written) or written
        if not self._open:
            self._fault(line.number, f"</{plain(name)}> closes nothing: no section is open here")
            return
        section = self._open.pop()
        if section.name.lower() != name.lower():
            self._fault(
                line.number,
                f"</{plain(name)}> where </{section.name}> was expected, for "
                f"the section opened at {section.position}",
            )


def section_name(written: str) -> str | None:
    """Return the name of a section as it is spelt, None when there is no such section."""
    return next((name for name in SECTIONS if name.lower() == written.lower()), None)
