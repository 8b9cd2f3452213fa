"""Timer C (RFC 3261 section 16.6 step 11): no INVITE rings for ever.

Every INVITE branch has one, started anew by each provisional response, and hardly any ever fires.
So a branch costs one entry in a dict that keeps the order of starting; as all of them run for the
same time, only the oldest need be looked at, once in a while.
"""

from typing import Final

from sipproxy.core.branch import Branch
from sipproxy.interfaces import ITransactions

#: How often the oldest branches are looked at, seconds; timer C is minutes long.
_LOOK_EVERY: Final = 1.0


class TimerC:
    """The branches that ring, oldest first."""

    __slots__ = ("_branches", "_looking", "_transactions")

    def __init__(self, transactions: ITransactions) -> None:
        self._transactions = transactions
        self._branches: dict[Branch, float] = {}
        self._looking = False

    def __len__(self) -> int:
        return len(self._branches)

    def start(self, branch: Branch, now: float, seconds: float) -> None:
        """Start timer C for a branch, or start it anew."""
        branches = self._branches
        branches.pop(branch, None)
        branches[branch] = now + seconds
        if not self._looking:
            self._looking = True
            self._transactions.schedule(now + _LOOK_EVERY, self)

    def stop(self, branch: Branch) -> None:
        """Forget a branch that has its final response."""
        self._branches.pop(branch, None)

    def fire(self) -> None:
        """Fire what is over, and look again later while there is anything."""
        now = self._transactions.now
        over = []
        for branch, when in self._branches.items():
            if when > now:
                break
            over.append(branch)
        for branch in over:
            del self._branches[branch]
            branch.fire()
        self._looking = bool(self._branches)
        if self._looking:
            self._transactions.schedule(now + _LOOK_EVERY, self)
