"""What a hook may answer with: who it is, or why not."""

from collections.abc import Sequence


class Refusal:
    """A final response instead of the request's way on.

    ``headers`` are added to the response (name in canonical lower case, value); ``why`` is the
    sentence for the decision trail, never sent.
    """

    __slots__ = ("headers", "reason", "status", "why")

    def __init__(
        self,
        status: int,
        why: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
        reason: bytes | None = None,
    ) -> None:
        self.status = status
        self.why = why
        self.headers = headers
        self.reason = reason

    def __repr__(self) -> str:
        return f"Refusal({self.status}, {self.why!r})"


class Identity:
    """Who sent a request, as an authenticator found out."""

    __slots__ = ("method", "realm", "user")

    def __init__(self, user: str, realm: str, method: str) -> None:
        self.user = user
        self.realm = realm
        self.method = method

    def __repr__(self) -> str:
        return f"Identity({self.user!r}, {self.realm!r}, {self.method!r})"
