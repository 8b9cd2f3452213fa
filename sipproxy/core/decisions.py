"""The trail of a request: what each module was asked, and what it answered.

A decision is a plain tuple, appended while the request walks and only made readable when somebody
reads it, so that keeping it for every request costs next to nothing.
"""

from collections.abc import Sequence
from typing import TypeAlias

#: phase, module, outcome, reason (a text or a text with its arguments), directive and line,
#: seconds.
Decision: TypeAlias = tuple[str, str, str, "Reason", str, float]
Reason: TypeAlias = str | tuple[str | int, ...]

#: What a hook can have done.
DECLINED = "declined"
PASSED = "passed"
ANSWERED = "answered"
REFUSED = "refused"
WAITED = "waited"
RAISED = "raised"
TIMED_OUT = "timed out"
CANCELLED = "cancelled"


def reason_text(reason: Reason) -> str:
    """Make a reason readable: a tuple is a format and its arguments."""
    if isinstance(reason, str):
        return reason
    return str(reason[0]) % reason[1:]


def trail_lines(trail: Sequence[Decision]) -> list[str]:
    """Print a trail, one line a decision: phase, module, outcome, reason, place, microseconds."""
    lines = []
    for phase, module, outcome, reason, where, seconds in trail:
        text = reason_text(reason)
        cause = f"  [{where}]" if where else ""
        lines.append(
            f"{phase:<12} {module:<22} {outcome:<10} {text}{cause}  {seconds * 1e6:.0f} us"
        )
    return lines
