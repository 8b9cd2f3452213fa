"""Where a request may go: targets, a URI each, in the groups in which they are tried."""

from collections.abc import Sequence
from typing import Final

from sipproxy.message.uri import Uri, parse_uri
from sipproxy.transaction.peer import Peer

#: q of a target that says none, in thousandths.
DEFAULT_Q: Final = 1000


class Target:
    """One URI that a request is forwarded to, and what is known of the way there.

    ``flow`` is the socket or connection that a binding came in by; ``routes`` the Path that it
    registered with (RFC 3327); ``udp_only`` says that it is never to be tried over a stream;
    ``expires`` is when its binding ends (wall clock, 0 for never); ``action`` is how it wants to
    be used (``proxy``, ``redirect``, empty for as the server does); ``source`` is the module that
    named it.
    """

    __slots__ = (
        "_uri",
        "action",
        "expires",
        "flow",
        "q",
        "routes",
        "source",
        "udp_only",
        "uri_raw",
    )

    def __init__(
        self,
        uri_raw: bytes,
        source: str,
        *,
        q: int = DEFAULT_Q,
        flow: Peer | None = None,
        routes: tuple[bytes, ...] = (),
        udp_only: bool = False,
        expires: float = 0.0,
        action: str = "",
        uri: Uri | None = None,
    ) -> None:
        self.uri_raw = uri_raw
        self.source = source
        self.q = q
        self.flow = flow
        self.routes = routes
        self.udp_only = udp_only
        self.expires = expires
        self.action = action
        self._uri = uri

    @property
    def uri(self) -> Uri:
        """The parsed URI.  Raises ParseError for one that makes no sense."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_raw)
        return self._uri

    def __repr__(self) -> str:
        return f"Target({self.uri_raw.decode('utf-8', 'backslashreplace')} from {self.source})"


def in_groups(targets: Sequence[Target], most: int) -> list[list[Target]]:
    """Order targets into groups to be tried one after the other: by q, each URI once, few at a
    time.

    Targets of one q are tried together (RFC 3261 section 16.6), at the most ``most`` of them; the
    rest of that q follows as the next group.  A URI that stands twice is tried once (16.5).
    """
    if len(targets) == 1:
        return [list(targets)]
    by_q: dict[int, list[Target]] = {}
    seen: set[tuple[bytes, Peer | None]] = set()
    for target in targets:
        key = (target.uri_raw, target.flow)
        if key not in seen:
            seen.add(key)
            by_q.setdefault(target.q, []).append(target)
    groups: list[list[Target]] = []
    for q in sorted(by_q, reverse=True):
        same = by_q[q]
        groups.extend(same[start : start + most] for start in range(0, len(same), most))
    return groups
