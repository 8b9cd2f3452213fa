"""Redirecting (RFC 3261 section 8.3): instead of forwarding, tell the caller where to try.

The server as a whole redirects with ``ServerType Redirect``.  With ``UseCallerPreferences On`` the
``action`` parameter of a registered Contact overrides that for the contact, as in RFC 2543: then
some contacts may be tried by us while others are named in a 302 that joins their answers.
"""

from collections.abc import Sequence
from typing import Final

from sipproxy.core.context import RequestContext
from sipproxy.core.targets import DEFAULT_Q, Target

#: What is done with a target.
PROXY: Final = "proxy"
REDIRECT: Final = "redirect"

_ONE: Final = 302
_SEVERAL: Final = 300


def is_redirected(context: RequestContext, target: Target) -> bool:
    """Say whether a target is for the caller to try."""
    if target.action:
        return target.action == REDIRECT
    return context.generation.options.redirect


def split(context: RequestContext, targets: Sequence[Target]) -> tuple[list[Target], list[Target]]:
    """Part targets into those that are forwarded to and those that the caller is told of."""
    proxied: list[Target] = []
    redirected: list[Target] = []
    for target in targets:
        (redirected if is_redirected(context, target) else proxied).append(target)
    return proxied, redirected


def without_itself(context: RequestContext, targets: Sequence[Target]) -> list[Target]:
    """Leave out what would send the caller back here with the same question."""
    domains = context.generation.domains
    user = domains.aor(context.uri)
    return [
        target
        for target in targets
        if target.uri_raw != context.request.uri_raw
        and (user is None or domains.aor(target.uri) != user)
    ]


def status_for(targets: Sequence[Target]) -> int:
    """Give the status: 302 for one contact, 300 for a choice (section 21.3)."""
    return _ONE if len(targets) == 1 else _SEVERAL


def contact_headers(targets: Sequence[Target], now: float) -> list[tuple[bytes, bytes]]:
    """Give a Contact for each target, best first, with its q and the seconds it has left."""
    headers = []
    for target in sorted(targets, key=lambda target: -target.q):
        value = b"<%b>" % target.uri_raw
        if target.q != DEFAULT_Q:
            value += b";q=" + (b"%.3f" % (target.q / 1000)).rstrip(b"0").rstrip(b".")
        if target.expires:
            value += b";expires=%d" % max(int(target.expires - now), 1)
        headers.append((b"contact", value))
    return headers
