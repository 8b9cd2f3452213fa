"""What the follower needs of a database that keeps bindings; SQLite is the first to have it.

A database of this kind is passive: one thread at a time calls it, and every call may block. It
holds one row an AoR, and in the same transactions the number of the last journal record it has.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol


class DatabaseUnavailable(Exception):
    """The database cannot be used now: locked, full, gone. What was begun has no effect."""


class DatabaseDamaged(DatabaseUnavailable):
    """The database cannot be used at all; it has to be set aside and built again."""


class Loaded(NamedTuple):
    """How many rows a load found."""

    live: int
    expired: int
    damaged: int


class BindingDatabase(Protocol):
    """One row an AoR: its packed value (see `sipproxy.stores.records`).

    Every method raises DatabaseUnavailable or DatabaseDamaged.
    """

    def open(self) -> int:
        """Connect, create or upgrade the tables; give the position (0 for an empty database)."""

    def load(self, now: float, restore: Callable[[str, bytes], None]) -> Loaded:
        """Give every AoR with a live binding to ``restore``."""

    def apply(self, changes: Mapping[str, bytes], position: int) -> None:
        """Write values (an empty one removes the AoR) and the position, in one transaction."""

    def rebuild(self, pages: Iterable[list[tuple[str, bytes]]], position: int) -> None:
        """Write exactly these values and the position, in one transaction."""

    def purge(self, now: float) -> None:
        """Remove the AoRs of which nothing is left."""

    def is_current(self) -> bool:
        """Say whether what is open is still what `open` would open; False also when closed."""

    def checkpoint(self) -> bool:
        """Make all that was written survive a power cut; False: not now, try again later."""

    def set_aside(self) -> str:
        """Put a damaged database out of the way, closed; give the name it has now."""

    def close(self) -> None:
        """Disconnect; harmless when closed. Raises nothing."""
