"""One target being tried, and the moments at which trying ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sipproxy.core.context import RequestContext
from sipproxy.core.outcomes import Refusal
from sipproxy.core.targets import Target
from sipproxy.resolve.hop import Hop

if TYPE_CHECKING:
    from sipproxy.core.response_context import ResponseContext


class Branch:
    """One target being tried: its hops, the client transaction of the present one, and the
    outcome.
    """

    __slots__ = (
        "done",
        "given_up",
        "heard",
        "hop",
        "hops",
        "locating",
        "responses",
        "share",
        "target",
        "transaction",
    )

    def __init__(self, responses: "ResponseContext", target: Target, share: int) -> None:
        """``share`` is the Max-Breadth that it passes on (RFC 5393)."""
        self.responses = responses
        self.target = target
        self.share = share
        self.transaction: Any = None
        self.hops: list[Hop] = []
        #: The hop of the present transaction, and whether anything came back from it.
        self.hop: Hop | None = None
        self.heard = False
        self.locating: Deferred[Any] | None = None
        self.done = False
        self.given_up = False

    def hops_found(self, context: RequestContext, result: Sequence[Hop] | Refusal | None) -> None:
        """Go on after phase next_hop."""
        self.responses.forwarder.next_hop_found(self, result)

    def translated(
        self, context: RequestContext, result: Sequence[Target] | Refusal | None
    ) -> None:
        """Go on after the target, a user of ours, was translated."""
        self.responses.replace(self, result)

    def fire(self) -> None:
        """Timer C has run out (16.8): cancel the branch, or give it up when nothing ever came."""
        self.responses.timer_c_fired(self)


class GroupRings:
    """The moment when a group of phones has rung long enough, and the next is to have its turn."""

    __slots__ = ("_branches",)

    def __init__(self, branches: list[Branch]) -> None:
        self._branches = branches

    def fire(self) -> None:
        """Give up on those that have not answered."""
        for branch in self._branches:
            branch.responses.give_up(branch)


class SearchEnds:
    """The moment when an INVITE's Expires has passed."""

    __slots__ = ("_context",)

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    def fire(self) -> None:
        """Cancel what rings; the caller gets 487 as if it had cancelled."""
        context = self._context
        if context.responses is not None and not context.status:
            context.cancelled = True
            context.responses.cancel()
