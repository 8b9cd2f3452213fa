"""The first of the loader's two steps: which statements are in effect?

It follows Include, takes LoadModule, and goes into IfModule and IfDefine sections whose condition
holds, in the order of the text.  What is left is a flat list of statements; directives may stand
before the LoadModule line of their module, conditions may not.
"""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sipproxy.config.directive import Directive
from sipproxy.config.lexer import split_words
from sipproxy.config.spelling import did_you_mean, plain, quoted
from sipproxy.config.tree import Fault, Node, Position, Section, Statement, parse

#: Called with a path; returns the text of that file, or, for a folder or a pattern with ``*``,
#: ``?`` or ``[``, the sorted paths of the files found there.  Raises OSError, or ValueError for
#: what is not text.
Reader = Callable[[str], str | list[str]]

#: Rows of a module, or None when there is no such module.
RowsOf = Callable[[str], Sequence[Directive] | None]

#: How deep files may include files.
MAX_DEPTH = 20

#: How many files one configuration may consist of: stops files that include each other by the tree.
MAX_FILES = 1000

#: Sections of Apache's process models: never true here, and not worth a word on spelling.
_PROCESS_MODELS = frozenset({"prefork", "worker", "perchild", "mpm_prefork", "mpm_worker"})

#: The name that the original used for what is always there.
CORE_MODULE = "mod_sip"


class Placed(NamedTuple):
    """A statement in effect, and whether it stands in the main file outside of sections."""

    statement: Statement
    in_main: bool


class Walk:
    """One pass over a configuration, collecting what is in effect and what is wrong."""

    def __init__(
        self,
        read: Reader,
        rows_of: RowsOf,
        directives: Mapping[str, Directive],
        defines: frozenset[str],
        known: Sequence[str],
    ) -> None:
        self.faults: list[Fault] = []
        self.placed: list[Placed] = []
        self.modules: dict[str, Sequence[Directive]] = {}
        #: Every file in the order of first mention: faults are shown in that order.
        self.files: list[str] = []
        self.root = ""
        self._read = read
        self.rows_of = rows_of
        self._directives = directives
        self._defines = frozenset(define.lower() for define in defines)
        self._known = known
        self._asked: dict[str, Position] = {}
        self._reading: list[str] = []

    # --- reading files ---------------------------------------------------------------------------

    def text_of(self, path: str) -> str | list[str] | None:
        """Read a file; None when that failed, with the reason as ``self.reason``."""
        try:
            return self._read(path)
        except OSError as error:
            self.reason = (error.strerror or str(error)).lower()
        except UnicodeDecodeError as error:
            self.reason = f"it is not UTF-8 text (byte {error.start + 1})"
        except ValueError as error:
            self.reason = str(error)
        return None

    def parse(self, text: str, file: str) -> list[Node]:
        """Parse a text, keeping its faults."""
        if file not in self.files:
            self.files.append(file)
        nodes, faults = parse(text, file)
        self.faults.extend(faults)
        return nodes

    def fault(self, position: Position, text: str, note: bool = False) -> None:
        """Collect a fault."""
        self.faults.append(Fault(*position, text, "note" if note else "error"))

    # --- nodes -----------------------------------------------------------------------------------

    def run(self, nodes: Sequence[Node], in_main: bool) -> None:
        """Take the nodes of one file or section, in order."""
        for node in nodes:
            if isinstance(node, Section):
                self._section(node)
            elif node.name.lower() in _VERBS:
                self._structural(node)
            else:
                self.placed.append(Placed(node, in_main))

    def run_main(self, path: str, nodes: Sequence[Node]) -> None:
        """Take the main file."""
        self._reading.append(path)
        self.run(nodes, True)
        self._reading.pop()

    def _structural(self, statement: Statement) -> None:
        verb = statement.name.lower()
        try:
            arguments = self._directives[verb].value_of(statement.raw)
        except ValueError as error:
            self.fault(statement.position, f"{self._directives[verb].name}: {error}")
            return
        if verb == "loadmodule":
            self._load_module(arguments[0], statement.position)
        else:
            self._include(arguments[0], statement.position, verb == "includeoptional")

    # --- conditions ------------------------------------------------------------------------------

    def _section(self, section: Section) -> None:
        try:
            words = split_words(section.argument)
        except ValueError as error:
            self.fault(section.position, f"<{section.name}>: {error}")
            return
        if len(words) != 1 or words[0] in ("", "!"):
            example = "mod_sip_enum.c" if section.name == "IfModule" else "NAME"
            self.fault(
                section.position,
                f"<{section.name}>: takes one name, for example <{section.name} {example}>",
            )
            return
        name, negated = words[0].removeprefix("!"), words[0].startswith("!")
        holds = (
            self._has_module(name, section)
            if section.name == "IfModule"
            else (name.lower() in self._defines)
        )
        if holds is not negated:
            self.run(section.children, False)

    def _has_module(self, written: str, section: Section) -> bool:
        name = module_name(written)
        if name in self.modules or name == CORE_MODULE:
            return True
        self._asked.setdefault(name, section.position)
        if name in _PROCESS_MODELS:
            self.fault(
                section.position,
                f"<IfModule {plain(written)}>: this server is one process, so what the section "
                "holds has no meaning here",
                note=True,
            )
        elif name not in self._known and (near := did_you_mean(name, self._known)):
            self.fault(
                section.position,
                f"<IfModule {plain(written)}>: there is no module {name}{near}",
                note=True,
            )
        return False

    # --- LoadModule ------------------------------------------------------------------------------

    def load(self, name: str, position: Position) -> None:
        """Take a module in, once."""
        if name in self.modules or name == CORE_MODULE:
            return
        try:
            rows = self.rows_of(name)
        except Exception as error:  # a module from elsewhere may fail in any way when imported
            self.fault(position, f"{name} cannot be loaded: {type(error).__name__}: {error}")
            return
        if rows is None:
            near = (
                did_you_mean(name, self._known) or "; sipctl directives lists what the modules do"
            )
            self.fault(position, f"LoadModule: there is no module {quoted(name)}{near}")
            return
        self.modules[name] = rows

    def _load_module(self, written: str, position: Position) -> None:
        name = module_name(written)
        asked = self._asked.get(name)
        if asked is not None and name not in self.modules:
            self.fault(
                position,
                f"LoadModule: {name} must be loaded before the <IfModule> at {asked}, which has "
                "already been decided without it",
            )
        self.load(name, position)

    # --- Include ---------------------------------------------------------------------------------

    def _include(self, written: str, position: Position, optional: bool) -> None:
        path = rooted(self.root, written)
        found = self.text_of(path)
        if found is None:
            if not optional:
                self.fault(position, f"Include: {plain(path)} cannot be read: {self.reason}")
        elif isinstance(found, str):
            self._include_text(path, found, position)
        elif found:
            for file in found:
                self._include_listed(file, position)
        elif not optional:
            self.fault(position, f"Include: {plain(path)} holds or matches no file", note=True)

    def _include_listed(self, file: str, position: Position) -> None:
        text = self.text_of(file)
        if text is None:
            self.fault(position, f"Include: {plain(file)} cannot be read: {self.reason}")
        elif isinstance(text, str):  # a folder within a folder is left alone
            self._include_text(file, text, position)

    def _include_text(self, path: str, text: str, position: Position) -> None:
        if path in self._reading:
            circle = [*self._reading[self._reading.index(path) :], path]
            chain = " includes ".join(map(plain, circle))
            self.fault(position, f"Include: a circle: {chain}")
        elif len(self._reading) >= MAX_DEPTH:
            self.fault(position, f"Include: files include each other more than {MAX_DEPTH} deep")
        elif self._too_many(position):
            return
        else:
            nodes = self.parse(text, path)
            self._reading.append(path)
            self.run(nodes, False)
            self._reading.pop()

    def _too_many(self, position: Position) -> bool:
        self._included += 1
        if self._included == MAX_FILES:
            self.fault(position, f"Include: more than {MAX_FILES} files are included in all")
        return self._included >= MAX_FILES

    reason = ""
    _included = 0


_VERBS = frozenset({"include", "includeoptional", "loadmodule"})


def rooted(root: str, path: str) -> str:
    """Put ``root`` before a relative path."""
    return posixpath.normpath(posixpath.join(root, path))


def module_name(written: str) -> str:
    """Return a module's name for the spellings Apache knows: ``mod_x.c``, ``x_module``."""
    name = posixpath.basename(written)
    name, dot, ending = name.rpartition(".")
    if not dot or ending not in ("c", "so", "py"):
        name = posixpath.basename(written)
    if name.endswith("_module"):
        name = "mod_" + name.removesuffix("_module")
    return name
