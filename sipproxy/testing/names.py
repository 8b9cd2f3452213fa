"""A name service in a table, for tests: answers at once, late, or never."""

from twisted.internet.defer import Deferred, fail, succeed


class NameTable:
    """Names and their addresses; a name that is None never gets an answer."""

    def __init__(
        self,
        names: dict[str, list[str] | None] | None = None,
        otherwise: list[str] | None = None,
    ) -> None:
        """``otherwise`` are the addresses of every name that is not in the table."""
        self.names = names or {}
        self.otherwise = otherwise
        self.asked: list[str] = []
        self.waiting: dict[str, Deferred[list[str]]] = {}

    def resolve(self, name: str) -> "Deferred[list[str]]":
        """Give the addresses of a name; OSError for one that is not in the table."""
        self.asked.append(name)
        if name not in self.names and self.otherwise is None:
            return fail(OSError(f"{name} is not known"))
        addresses = self.names.get(name, self.otherwise)
        if addresses is None:
            waiting: Deferred[list[str]] = Deferred()
            self.waiting[name] = waiting
            return waiting
        return succeed(addresses)
