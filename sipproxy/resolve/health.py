"""Next hops to avoid for a while: those that timed out, refused, or asked to be left alone.

RFC 3263 section 4.3 has each request find out for itself that a server is dead, which costs up to
32 seconds every time.  Here one request finds out, and for a while the others try that hop last.
Last, not never: when it is all there is, it is tried.  After the while one request tries it in its
proper place again; when that fails too, the next while is twice as long.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

from sipproxy.resolve.hop import Hop

#: What may be reported of a hop: no answer in time, no way to deliver, or 503.
TIMED_OUT: Final = "timed out"
UNREACHABLE: Final = "unreachable"
UNAVAILABLE: Final = "unavailable"

#: The most hops remembered, the most times the first while is doubled, and how long the request
#: that tries a hop again has to itself, in seconds: a little more than timers B and F.
MAX_SKIPPED: Final = 10_000
_MAX_DOUBLINGS: Final = 4
_PROBE_SECONDS: Final = 35.0

_RETRY_AFTER: Final = re.compile(rb"\s*(\d{1,10})")


class _Skipped:
    __slots__ = ("failures", "kind", "probing", "until")

    def __init__(self) -> None:
        self.kind = ""
        self.failures = 0
        self.until = 0.0
        self.probing = False


class Health:
    """Remembers which hops to skip.  Nothing is remembered of hops that work."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        skip_for: float = 30.0,
        longest: float = 3600.0,
        size: int = MAX_SKIPPED,
    ) -> None:
        """``skip_for`` is the first while in seconds (0: never skip); no while, nor a Retry-After,
        counts for more than ``longest``.
        """
        self._now = now
        self._skip_for = skip_for
        self._longest = longest
        self._size = size
        self._skipped: OrderedDict[Hop, _Skipped] = OrderedDict()

    def __len__(self) -> int:
        return len(self._skipped)

    def failed(self, hop: Hop, kind: str, retry_after: float | None = None) -> None:
        """Hear that a request to a hop failed.

        A 503 without Retry-After says nothing about the next request (RFC 3261 section 21.5.4).
        """
        if not self._skip_for or (kind == UNAVAILABLE and not retry_after):
            return
        skipped = self._skipped.get(hop)
        now = self._now()
        if skipped is None:
            skipped = self._skipped[hop] = _Skipped()
            if len(self._skipped) > self._size:
                self._skipped.popitem(last=False)
        elif kind != UNAVAILABLE and not skipped.probing and now < skipped.until:
            return  # one of many requests that were on their way when the first one failed
        self._skipped.move_to_end(hop)
        if kind == UNAVAILABLE:
            seconds = retry_after or 0.0
        else:
            seconds = self._skip_for * 2 ** min(skipped.failures, _MAX_DOUBLINGS)
            skipped.failures += 1
        skipped.kind = kind
        skipped.probing = False
        skipped.until = max(skipped.until, now + min(seconds, self._longest))

    def worked(self, hop: Hop) -> None:
        """Hear that a hop answered."""
        if self._skipped:
            self._skipped.pop(hop, None)

    def order(self, hops: Sequence[Hop]) -> Sequence[Hop]:
        """Put the hops that are skipped behind the others, those that are free again soonest first.

        The first request that asks after a while is over gets the hop in its proper place.
        """
        if not self._skipped or len(hops) < 2:
            return hops
        now = self._now()
        good: list[Hop] = []
        bad: list[tuple[float, int, Hop]] = []
        probed = False  # one request may lose half a minute on a hop, but not on several
        for hop in hops:
            skipped = self._skipped.get(hop)
            if skipped is None:
                good.append(hop)
            elif probed or now < skipped.until:
                bad.append((skipped.until, len(bad), hop))
            else:
                probed = skipped.probing = True
                skipped.until = now + _PROBE_SECONDS
                good.append(hop)
        bad.sort()
        return [*good, *(hop for _, _, hop in bad)]

    def snapshot(self) -> list[dict[str, Any]]:
        """Say what is skipped, why and for how many seconds more, for the status display."""
        now = self._now()
        return [
            {
                "hop": f"{hop.transport}:{hop.host}:{hop.port}",
                "why": skipped.kind,
                "failures": skipped.failures,
                "probing": skipped.probing,
                "seconds_left": round(max(0.0, skipped.until - now), 1),
            }
            for hop, skipped in self._skipped.items()
        ]


def retry_after_of(value: bytes | None) -> float | None:
    """Read the seconds of a Retry-After header field (RFC 3261 section 20.33); None without."""
    match = _RETRY_AFTER.match(value or b"")
    return float(match[1]) if match else None
