"""Which of several final responses goes upstream (RFC 3261 section 16.7 step 6)."""

from typing import Final

#: Within the 4xx class, the ones that tell the caller how to do better come first.
_HELPFUL: Final = frozenset((401, 407, 415, 420, 484))

#: A response that was made up here because a branch brought none.
TIMEOUT_STATUS: Final = 408


def rank(status: int) -> tuple[int, int]:
    """Give the sort key of a final status: the smallest is the best.

    6xx wins over all; then the lowest class; within a class, the helpful ones, then what a callee
    said over what we made up (408), and 503, which says nothing of the callee, last.
    """
    if status >= 600:
        return (0, status)
    if status in _HELPFUL:
        return (status // 100, 0)
    if status == TIMEOUT_STATUS:
        return (status // 100, 2)
    if status == 503:
        return (status // 100, 3)
    return (status // 100, 1)


def better(status: int, than: int) -> bool:
    """Say whether ``status`` is the better final response; of equals the first stays."""
    return rank(status) < rank(than)
