"""A file and the tables of directives in, a checked configuration out; every fault at once.

    >>> from sipproxy.config.reader import read_from_table
    >>> files = {"conf/sipd.conf": "Listen 127.0.0.1:5070 udp"}
    >>> configuration = load("conf/sipd.conf", read_from_table(files), lambda name: None)
    >>> configuration.server["Listen"][0].port
    5070

Nothing here raises for what somebody wrote: a faulty value is reported and its default stands in,
so that the directives after it are checked as well.
"""

import posixpath
from collections.abc import Sequence

from sipproxy.config.directive import Context, Directive
from sipproxy.config.server_checks import SERVER_CHECKS
from sipproxy.config.server_directives import SERVER_DIRECTIVES, STRUCTURE_DIRECTIVES
from sipproxy.config.settings import CORE, Configuration, Settings
from sipproxy.config.spelling import nearest, plain
from sipproxy.config.tree import Fault, Node, Position, Statement, section_name
from sipproxy.config.walk import Placed, Reader, RowsOf, Walk, rooted

__all__ = ["CORE", "Configuration", "Fault", "Position", "Settings", "load"]

#: What stands in place of a file's name for the lines of options.
_BEFORE, _AFTER = _OPTIONS = ("option -C", "option -c")


def load(
    path: str,
    read: Reader,
    rows_of: RowsOf,
    defines: frozenset[str] = frozenset(),
    always: Sequence[str] = (),
    *,
    known: Sequence[str] = (),
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    working_directory: str = "",
) -> Configuration:
    """Read the configuration in ``path``.

    ``always`` are modules loaded without LoadModule, ``known`` the names of all modules there are
    (asked for rows only to explain a directive nobody loaded owns), ``before`` and ``after`` lines
    to be taken before and after the file (what stands once then may be given there as well, and the
    later line counts).  A relative ``path`` makes relative paths out of
    directives too, unless ``working_directory`` is given.
    """
    structure = {row.name.lower(): row for row in STRUCTURE_DIRECTIVES}
    walk = Walk(read, rows_of, structure, defines, known)
    text = walk.text_of(path)
    if not isinstance(text, str):
        reason = walk.reason if text is None else "it is a folder"
        configuration = Configuration(path, _default_root(path, working_directory))
        _Applying(configuration, walk, known).open_settings()
        configuration.unreadable = reason
        configuration.faults = [Fault(path, 0, f"cannot be read: {reason}")]
        return configuration
    first = walk.parse("\n".join(before), _BEFORE)
    nodes = walk.parse(text, path)
    last = walk.parse("\n".join(after), _AFTER)
    root = _root_of([*last, *nodes, *first], _default_root(path, working_directory))
    configuration = Configuration(path, root)
    walk.root = root
    for module in always:
        walk.load(module, Position(path, 0))
    walk.run(first, True)
    walk.run_main(path, nodes)
    walk.run(last, True)
    _Applying(configuration, walk, known).run()
    return configuration


def _default_root(path: str, working_directory: str) -> str:
    """Return the folder above ``conf/`` when the file is in such a folder, else the file's."""
    folder = posixpath.dirname(posixpath.normpath(posixpath.join(working_directory, path)))
    parent, name = posixpath.split(folder)
    return (parent if name == "conf" else folder) or "."


def _root_of(nodes: Sequence[Node], default: str) -> str:
    """Find ServerRoot before anything else: everything relative depends on it."""
    row = next(row for row in SERVER_DIRECTIVES if row.name == "ServerRoot")
    for node in nodes:
        if isinstance(node, Statement) and node.name.lower() == "serverroot":
            try:
                return rooted(default, row.value_of(node.raw))
            except ValueError:
                return default
    return default


class _Applying:
    """The second step: the statements in effect meet the rows of the modules loaded."""

    def __init__(self, configuration: Configuration, walk: Walk, known: Sequence[str]) -> None:
        self._configuration = configuration
        self._walk = walk
        self._known = known
        self._owners: dict[str, tuple[Settings, Directive]] = {}
        self._seen: dict[tuple[str, object], Position] = {}

    def run(self) -> None:
        """Apply everything, then check what single rows cannot."""
        configuration = self._configuration
        self.open_settings()
        for placed in self._walk.placed:
            self._apply(placed)
        for settings in configuration.all_settings.values():
            settings.put_root(configuration.server_root)
        configuration.server.compute("ServerRoot", configuration.server_root)
        for check in SERVER_CHECKS:
            self._walk.faults.extend(check(configuration))
        configuration.faults = self._in_order()

    def open_settings(self) -> None:
        """Open settings for the server and each module, all at their defaults."""
        self._open(CORE, SERVER_DIRECTIVES)
        for name, rows in self._walk.modules.items():
            self._open(name, rows)
        self._configuration.modules = list(self._walk.modules)

    def _open(self, owner: str, rows: Sequence[Directive]) -> None:
        try:
            settings = Settings(owner, rows)
        except ValueError as error:
            self._walk.fault(Position(self._configuration.path, 0), f"{owner}: {error}")
            settings = Settings(owner, ())
        self._configuration.all_settings[owner] = settings
        for key, row in settings.rows.items():
            other = self._owners.setdefault(key, (settings, row))[0]
            if other is not settings:
                text = f"{row.name}: both {other.owner} and {owner} own a directive of that name"
                self._walk.fault(Position(self._configuration.path, 0), text)

    def _apply(self, placed: Placed) -> None:
        statement = placed.statement
        found = self._owners.get(statement.name.lower())
        if found is None:
            self._walk.fault(
                statement.position, f"{plain(statement.name)}: {self._unknown(statement)}"
            )
            return
        settings, row = found
        if row.ignored is not None:
            text = f"{row.name}: has no meaning here: {row.ignored}"
            self._walk.fault(statement.position, text, note=True)
            return
        self._configuration.count += 1
        try:
            self._check_place(row, settings, placed)
            self._take(row, settings, statement)
        except ValueError as error:
            self._walk.fault(statement.position, f"{row.name}: {error}{_comment_hint(statement)}")
        except Exception as error:  # a module's own converter may be wrong in any way
            text = (
                f"its converter failed ({type(error).__name__}: {error}); {settings.owner} is wrong"
            )
            self._walk.fault(statement.position, f"{row.name}: {text}")

    def _check_place(self, row: Directive, settings: Settings, placed: Placed) -> None:
        if row.context is Context.MAIN and not placed.in_main:
            raise ValueError(f"is legal only in {row.context.value}")
        first = settings.position(row.name)
        if first is None or row.multiple:
            return
        if not _overrides(first, placed.statement.position):
            raise ValueError(f"given twice, first at {first}")

    def _take(self, row: Directive, settings: Settings, statement: Statement) -> None:
        values = row.spread(row.value_of(statement.raw))
        if row.identity is not None:
            for value in values:
                key = (row.name, row.identity(value))
                first = self._seen.setdefault(key, statement.position)
                if first is statement.position:
                    continue
                if not (row.keeps_default and _overrides(first, statement.position)):
                    raise ValueError(f"given twice for the same thing, first at {first}")
        settings.put(row, values, statement.position)

    def _unknown(self, statement: Statement) -> str:
        """Say what an unknown directive could be, looking at modules that are not loaded too."""
        section = section_name(statement.name)
        if section is not None:
            return f"is a section: write <{section} NAME> and, after its last line, </{section}>"
        owners = {row.name: "" for settings, row in self._owners.values() if settings.owner == CORE}
        owners.update((row.name, "") for row in STRUCTURE_DIRECTIVES)
        for settings, row in self._owners.values():
            owners.setdefault(row.name, settings.owner)
        for module in self._known:
            for row in self._rows_of(module):
                owners.setdefault(row.name, module)
        exact = [name for name in owners if name.lower() == statement.name.lower()]
        if exact:
            module = owners[exact[0]]
            return f"belongs to {module}, which is not loaded; add LoadModule {module}"
        near = nearest(statement.name, owners)
        if near is None:
            return "no such directive; sipctl directives lists them all"
        return f"no such directive; did you mean {near}{_owned_by(owners[near])}?"

    def _rows_of(self, module: str) -> Sequence[Directive]:
        try:
            return self._walk.rows_of(module) or ()
        except Exception:  # it is only looked at for its names; loading it would say what is wrong
            return ()

    def _in_order(self) -> list[Fault]:
        order = {file: number for number, file in enumerate(self._walk.files)}
        last = len(order)
        return sorted(self._walk.faults, key=lambda f: (order.get(f.file, last), f.line))


def _overrides(first: Position, second: Position) -> bool:
    """Say whether one of two lines is an option's, which may say again what the file says."""
    return first.file in _OPTIONS or second.file in _OPTIONS


def _owned_by(module: str) -> str:
    return f" ({module})" if module else ""


def _comment_hint(statement: Statement) -> str:
    """Explain the commonest reason of a wrong argument: a comment at the end of the line."""
    if any(word.startswith("#") for word in statement.raw.split()):
        return " (a comment needs a line of its own)"
    return ""
