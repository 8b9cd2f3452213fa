"""Responses that the server makes itself: with a To tag of their own, and its name on them."""

from collections.abc import Sequence
from hashlib import blake2b

from sipproxy.core.outcomes import Refusal
from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response


class Answers:
    """Makes responses; ``run`` differs in each run of the server, so that no tag repeats."""

    __slots__ = ("_count", "_run", "_secret")

    def __init__(self, secret: bytes, run: bytes) -> None:
        self._secret = secret
        self._run = run
        self._count = 0

    def new_tag(self) -> bytes:
        """Give a To tag that nobody else has."""
        self._count += 1
        text = b"%b%d" % (self._run, self._count)
        return blake2b(text, key=self._secret, digest_size=6).hexdigest().encode()

    def make(
        self,
        request: Request,
        status: int,
        signature: bytes,
        reason: bytes | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
        tag: bytes = b"",
    ) -> Response:
        """Make a response; ``signature`` is for the Server header, empty for none."""
        named = [*headers, (b"server", signature)] if signature else headers
        return make_response(request, status, reason, tag or self.new_tag(), named)

    def refuse(self, request: Request, refusal: Refusal, signature: bytes) -> Response:
        """Make the response that a refusal asks for."""
        return self.make(request, refusal.status, signature, refusal.reason, refusal.headers)
