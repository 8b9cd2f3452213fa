"""Branches, and by them loop or spiral (RFC 3261 sections 16.3 step 4 and 16.6 step 8, RFC 5393).

A branch of ours is the magic cookie, an identifier of this server, a hash over everything that
steers a request here, and a counter.  A request that comes back carries an old branch of ours in a
Via.  When its hash is the one we would compute again, nothing has changed since and it would go
round for ever: a loop.  When it differs, the request was changed on its way: a spiral, and welcome.

The hash leaves Via out (RFC 5393 section 4.2.1) and takes the fields as they came in.
"""

from hashlib import blake2b
from typing import Final

from sipproxy.message.message import Request

COOKIE: Final = b"z9hG4bK"
_HASH_OCTETS: Final = 6


class Branches:
    """Makes branches for one server and recognises them."""

    __slots__ = ("_count", "_prefix", "_run", "_secret")

    def __init__(self, secret: bytes, run: bytes) -> None:
        """``secret`` names the server over restarts; ``run`` differs in each, so no branch repeats."""
        self._secret = secret
        identity = blake2b(b"branch", key=secret, digest_size=4).hexdigest().encode()
        self._prefix = COOKIE + identity
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
        if b"route" in names or b"proxy-authorization" in names or b"proxy-require" in names:
            parts.extend(request.values(b"route"))
            parts.extend(request.values(b"proxy-require"))
            parts.extend(request.values(b"proxy-authorization"))
        text = b"\0".join(parts)
        return blake2b(text, key=self._secret, digest_size=_HASH_OCTETS).hexdigest().encode()

    def make(self, steering: bytes) -> bytes:
        """Give a new branch that carries the hash."""
        self._count += 1
        return b"%b%b.%b%x" % (self._prefix, steering, self._run, self._count)

    def is_loop(self, request: Request, steering: bytes) -> bool:
        """Say whether one of the Via lines holds a branch of ours with the same hash."""
        needle = self._prefix + steering
        names = request.names
        for index, line in enumerate(request.lines):
            if names[index] == b"via" and needle in line:
                return True
        return False
