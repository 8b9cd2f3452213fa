"""What every request must pass before anything else is done with it (RFC 3261 section 16.3)."""

from typing import Final

from sipproxy.core.outcomes import Refusal
from sipproxy.message.message import Request
from sipproxy.message.uri import OtherUri

#: Option tags that a Proxy-Require may name: none yet.
SUPPORTED_BY_PROXY: Final[frozenset[bytes]] = frozenset()


def validate(request: Request) -> Refusal | None:
    """Check scheme, Max-Forwards and Proxy-Require; syntax was checked before, loops come after.

    Raises ParseError for a Request-URI that makes no sense.
    """
    if isinstance(request.uri, OtherUri):
        return Refusal(416, f"the scheme {request.uri.scheme} is not served here")
    if request.max_forwards == 0 and request.method != "OPTIONS":
        return Refusal(483, "Max-Forwards is used up")
    if b"proxy-require" in request.names and request.method not in ("ACK", "CANCEL"):
        unknown = [
            tag for tag in request.values(b"proxy-require") if tag.lower() not in SUPPORTED_BY_PROXY
        ]
        if unknown:
            return Refusal(
                420,
                "Proxy-Require names what this server does not do",
                [(b"unsupported", b", ".join(unknown))],
            )
    return None
