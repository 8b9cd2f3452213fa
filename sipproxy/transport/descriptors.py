"""How many connections the system lets one process have.

A process starts with a soft limit, often 1,024 open files, which it may raise itself up to the hard
limit.  One that runs out of descriptors can open no log and no database either, so the number of
connections stays below by a margin.
"""

import resource
from collections.abc import Callable
from typing import Final

#: Descriptors for everything that is no connection.
SPARE: Final = 200

Limits = tuple[int, int]


def room_for(
    connections: int,
    get: Callable[[int], Limits] = resource.getrlimit,
    change: Callable[[int, Limits], None] = resource.setrlimit,
) -> int:
    """Raise the soft limit as far as needed and allowed; give how many connections then fit."""
    kind = resource.RLIMIT_NOFILE
    soft, hard = get(kind)
    wanted = connections + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        change(kind, (allowed, hard))
        soft = allowed
    except (OSError, ValueError):
        pass  # as it is, then
    return min(connections, max(soft - SPARE, soft // 2))
