"""What a configuration says once it is read: `Configuration`, and `Settings` for each owner."""

from collections.abc import Iterator, Sequence
from typing import Any

from sipproxy.config.directive import Directive, RootedPath
from sipproxy.config.tree import Fault, Position
from sipproxy.config.walk import rooted

#: The owner of the directives that belong to no module.
CORE = "core"


class Settings:
    """The checked values of one owner's directives; names are taken in any case."""

    def __init__(self, owner: str, rows: Sequence[Directive]) -> None:
        """Start from the defaults.  Raises ValueError when a default is not legal itself."""
        self.owner = owner
        self.rows = {row.name.lower(): row for row in rows}
        self._values: dict[str, list[Any]] = {}
        self._positions: dict[str, list[Position | None]] = {}
        self._given: dict[str, Position] = {}
        for key, row in self.rows.items():
            self._values[key] = values = _default_values(row)
            self._positions[key] = [None] * len(values)

    def __getitem__(self, name: str) -> Any:
        """Return the value: a list for a ``multiple`` row, None for one not set."""
        key = name.lower()
        values = self._values[key]
        if self.rows[key].multiple:
            return values
        return values[0] if values else None

    def __iter__(self) -> Iterator[str]:
        return (row.name for row in self.rows.values())

    def given(self, name: str) -> bool:
        """Say whether the directive was given, and with a legal value."""
        return name.lower() in self._given

    def position(self, name: str) -> Position | None:
        """Return where the directive was given first; None when its default is in effect."""
        return self._given.get(name.lower())

    def positions(self, name: str) -> list[Position | None]:
        """Return where each value of a ``multiple`` row was given; None for a default one."""
        return self._positions[name.lower()]

    def fault(self, name: str, text: str, position: Position | None = None) -> Fault:
        """Make a fault about one of these directives, for checks across directives."""
        return Fault(
            *(position or self.position(name) or Position(self.owner, 0)), f"{name}: {text}"
        )

    def put(self, row: Directive, values: list[Any], position: Position) -> None:
        """Take the values of one line; those of a row that is not ``multiple`` replace the last."""
        key = row.name.lower()
        first = key not in self._given
        if not row.multiple or (first and not row.keeps_default):
            self._values[key] = []
            self._positions[key] = []
        if first or not row.multiple:
            self._given[key] = position
        self._values[key].extend(values)
        self._positions[key].extend([position] * len(values))

    def compute(self, name: str, value: Any) -> None:
        """Put a value that is worked out instead of converted; it does not count as given."""
        self._values[name.lower()] = [value]
        self._positions[name.lower()] = [self.position(name)]

    def put_root(self, root: str) -> None:
        """Make every path absolute, below ``root``."""
        for values in self._values.values():
            values[:] = [_rerooted(value, root) for value in values]


class Configuration:
    """What a file says once it is read: values, modules in order, and all that is wrong with it."""

    def __init__(self, path: str, server_root: str) -> None:
        self.path = path
        self.server_root = server_root
        self.faults: list[Fault] = []
        self.modules: list[str] = []
        #: How many directives are in effect.
        self.count = 0
        #: Why the file could not be read at all.
        self.unreadable: str | None = None
        self.all_settings: dict[str, Settings] = {}

    @property
    def errors(self) -> list[Fault]:
        """The faults that keep a server from starting."""
        return [fault for fault in self.faults if fault.severity == "error"]

    @property
    def notes(self) -> list[Fault]:
        """What is worth saying although the configuration works."""
        return [fault for fault in self.faults if fault.severity == "note"]

    @property
    def server(self) -> Settings:
        """The settings that belong to no module."""
        return self.all_settings[CORE]

    def settings(self, module: str) -> Settings:
        """Return a loaded module's settings (KeyError for one that is not loaded)."""
        return self.all_settings[module]

    def resolve(self, path: str) -> str:
        """Make a path absolute as the file's own ones are: below ServerRoot."""
        return rooted(self.server_root, path)


def _default_values(row: Directive) -> list[Any]:
    try:
        return row.default_values() if row.ignored is None else []
    except ValueError as error:
        raise ValueError(f"the default of {row.name} is not legal: {error}") from None


def _rerooted(value: Any, root: str) -> Any:
    if isinstance(value, RootedPath):
        return RootedPath(rooted(root, value))
    if isinstance(value, tuple) and any(isinstance(part, RootedPath) for part in value):
        parts = [_rerooted(part, root) for part in value]
        return value._make(parts) if hasattr(value, "_make") else tuple(parts)
    return value
