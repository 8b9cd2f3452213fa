"""Golden files of the configuration: files, options and modules in, values or faults out.

A case is one text file.  Its head is the main file, ``/sip/conf/sipd.conf``; lines that begin with
``---`` divide what follows:

``--- file PATH``     one more file that can be included
``--- option LINE``   ``-D NAME``, ``-C DIRECTIVE`` or ``-c DIRECTIVE`` of the command line
``--- tree``          expected: the nodes of the main file, indented by depth
``--- values``        expected: every directive that was given, a value a line, by owner
``--- faults``        expected: every fault as it is printed; none when this part is missing
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sipproxy.config.directive import Directive
from sipproxy.config.loader import Configuration, load
from sipproxy.config.reader import read_from_table
from sipproxy.config.tree import Node, Section
from sipproxy.config.walk import RowsOf

#: The path of the main file of every case.
MAIN: Final = "/sip/conf/sipd.conf"

_EXPECTED: Final = ("tree", "values", "faults")


@dataclass
class ConfigCase:
    """One golden file, taken apart."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    defines: frozenset[str] = frozenset()
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    #: What is expected, by the name of its part.
    expected: dict[str, list[str]] = field(default_factory=dict)

    def load(self, rows_of: RowsOf, always: Sequence[str], known: Sequence[str]) -> Configuration:
        """Load the case's main file."""
        return load(
            MAIN,
            read_from_table(self.files),
            rows_of,
            self.defines,
            always,
            known=known,
            before=self.before,
            after=self.after,
        )


def read_config_case(path: Path) -> ConfigCase:
    """Take a golden file apart.  Raises ValueError for a part of an unknown name."""
    case = ConfigCase(path.stem)
    for head, lines in _parts(path.read_text(encoding="utf-8")):
        kind, _, rest = head.partition(" ")
        if kind == "file":
            case.files[rest] = "\n".join(lines) + "\n"
        elif kind == "option":
            _take_option(case, *rest.split(" ", 1))
        elif kind in _EXPECTED and not rest:
            case.expected[kind] = [line for line in lines if line.strip()]
        else:
            raise ValueError(f"{path.name}: there is no part {head!r}")
    if not case.expected:
        raise ValueError(f"{path.name} expects nothing")
    return case


def load_text(text: str, rows: Sequence[Directive] = (), module: str = "mod_test") -> Configuration:
    """Load a configuration out of one text, with one module that is always loaded."""
    return load(
        MAIN, read_from_table({MAIN: text}), {module: rows}.get, always=(module,), known=(module,)
    )


def values_as_text(configuration: Configuration) -> list[str]:
    """Return each value that was given, as ``owner Name = value``, in the order of the rows."""
    found = []
    for owner, settings in configuration.all_settings.items():
        for name in settings:
            if settings.given(name):
                value = settings[name]
                several = settings.rows[name.lower()].multiple
                found += [f"{owner} {name} = {one!r}" for one in (value if several else [value])]
    return found


def tree_as_text(nodes: Sequence[Node], depth: int = 0) -> list[str]:
    """Return a line for each node: its line number, then what stands there."""
    lines = []
    for node in nodes:
        indent = "  " * depth
        if isinstance(node, Section):
            lines.append(f"{indent}{node.position.line} <{node.name} {node.argument}>")
            lines += tree_as_text(node.children, depth + 1)
        else:
            lines.append(f"{indent}{node.position.line} {node.name} | {node.raw}")
    return lines


def _parts(text: str) -> Iterator[tuple[str, list[str]]]:
    head, lines = f"file {MAIN}", list[str]()
    for line in text.split("\n"):
        if line.startswith("--- "):
            yield head, lines
            head, lines = line.removeprefix("--- "), []
        else:
            lines.append(line)
    yield head, lines


def _take_option(case: ConfigCase, letter: str, rest: str) -> None:
    if letter == "-D":
        case.defines |= {rest}
    elif letter == "-C":
        case.before.append(rest)
    elif letter == "-c":
        case.after.append(rest)
    else:
        raise ValueError(f"{case.name}: there is no option {letter}")
