"""Branches, and by them loop or spiral (RFC 3261 sections 16.3 step 4 and 16.6 step 8, RFC 5393).

A branch of ours is the magic cookie, an identifier of this server, a hash over everything that
steers a request here, and a counter.  A request that comes back carries an old branch of ours in a
Via.  When its hash is the one we would compute again, nothing has changed since and it would go
round for ever: a loop.  When it differs, the request was changed on its way: a spiral, and welcome.

The hash leaves Via out (RFC 5393 section 4.2.1) and takes the fields as they came in.  It need not
withstand an attacker, who could only stop requests of his own with it: 32 bits of CRC will do.
"""

from hashlib import blake2b
from typing import Final
from zlib import crc32

from sipproxy.message.message import Request

COOKIE: Final = b"z9hG4bK"

#: What steers a request besides the fields that every request has.
_STEERING: Final = frozenset((b"route", b"proxy-require", b"proxy-authorization"))


class Branches:
    """Makes branches for one server and recognises them."""

    __slots__ = ("_count", "_needle", "_prefix", "_run", "_seed")

    def __init__(self, secret: bytes, run: bytes) -> None:
        """``secret`` names the server over restarts; ``run`` differs in each, so no branch
        repeats.
        """
        self._seed = crc32(secret)
        identity = blake2b(b"branch", key=secret, digest_size=4).hexdigest().encode()
        self._prefix = COOKIE + identity
        self._needle = self._prefix.lower()
        self._run = run
        self._count = 0

    def steering_hash(self, request: Request) -> bytes:
        """Hash what steers the way of a request: its URI, Route, identifiers and Proxy-* fields."""
        parts = [
            request.uri_raw,
            request.call_id,
            request.from_tag or b"",
            request.to_tag or b"",
            b"%d" % request.cseq.number,
        ]
        names = request.names
        if not _STEERING.isdisjoint(names):
            lines = request.lines
            parts += [lines[at] for at, name in enumerate(names) if name in _STEERING]
        return b"%08x" % crc32(b"\0".join(parts), self._seed)

    def make(self, steering: bytes) -> bytes:
        """Give a new branch that carries the hash."""
        self._count += 1
        return b"%b%b.%b%x" % (self._prefix, steering, self._run, self._count)

    def is_loop(self, request: Request, steering: bytes) -> bool:
        """Say whether one of the Via lines holds a branch of ours with the same hash."""
        # A peer may have written our branch in capitals: tokens are the same in any case (7.3.1).
        needle = self._needle + steering
        names, lines = request.names, request.lines
        first = names.index(b"via")
        if needle in lines[first].lower():
            return True
        if names.count(b"via") == 1:
            return False
        return any(needle in lines[at].lower() for at, name in enumerate(names) if name == b"via")
