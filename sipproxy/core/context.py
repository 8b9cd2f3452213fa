"""One request on its way through the server: what is known of it, and what was decided."""

from typing import TYPE_CHECKING, Any

from sipproxy.core.decisions import Decision, Reason
from sipproxy.core.outcomes import Identity
from sipproxy.core.targets import Target
from sipproxy.message.message import Request
from sipproxy.message.uri import SipUri, Uri
from sipproxy.transaction.peer import Peer

if TYPE_CHECKING:
    from sipproxy.core.generation import Generation
    from sipproxy.core.pipeline import MethodHooks, Waiting
    from sipproxy.core.response_context import ResponseContext


class RequestContext:
    """Everything about one request; modules read it, and keep their own things in `notes`.

    * ``transaction``: the server transaction, None for an ACK and for a hypothetical request;
    * ``request``: the message as it came, after our own Route entries were taken off;
    * ``peer``: who sent it; ``began`` and ``ended``: seconds on the reactor's clock;
    * ``received_uri``: the Request-URI as it came; ``uri``: the same after route pre-processing;
    ``own``: its host is ours;
    * ``own_tag``: the To tag of our own answers, once one was made that others must match;
    * ``in_dialog``: a valid mark of ours in the Route says that it belongs to a dialog we carry;
    * ``flow``: where that mark says the other side is reached, None when its Contact will do;
    * ``routed``: a Route remains, or the dialog's remote target is not ours: no translation;
    * ``identity``: who was authenticated; ``number``: the full dialled number, when normalized;
    * ``hooks``: the ones that apply to it; ``waiting``: those that have not answered yet;
    * ``trail``: the decisions so far; ``status``: of the final response, 0 before there is one;
    * ``steering``: the hash over what steers the request, by which loops are told (`loops`);
    * ``chosen``: the target whose response went upstream; ``decided_by``: the module that made it.
    """

    __slots__ = (
        "_notes",
        "_reason",
        "_where",
        "began",
        "cancelled",
        "chosen",
        "decided_by",
        "depth",
        "ended",
        "flow",
        "generation",
        "hooks",
        "hypothetical",
        "identity",
        "in_dialog",
        "method",
        "number",
        "own",
        "own_tag",
        "peer",
        "received_uri",
        "request",
        "responses",
        "routed",
        "status",
        "steering",
        "targets",
        "trail",
        "transaction",
        "uri",
        "waiting",
    )

    def __init__(
        self,
        request: Request,
        peer: Peer,
        transaction: Any,
        generation: "Generation",
        began: float,
        hypothetical: bool = False,
    ) -> None:
        self.request = request
        self.peer = peer
        self.transaction = transaction
        self.generation = generation
        self.began = began
        self.ended = began
        self.received_uri = request.uri_raw
        self.hypothetical = hypothetical
        self.method = request.method
        self.hooks: MethodHooks = generation.hooks_for(request.method, False)
        self.uri: Uri = request.uri
        self.own = False
        self.own_tag = b""
        self.in_dialog = False
        self.flow: Peer | None = None
        self.routed = False
        self.identity: Identity | None = None
        self.number: str | None = None
        self.targets: list[Target] = []
        self.trail: list[Decision] = []
        self.status = 0
        self.steering = b""
        self.depth = 0
        self.chosen: Target | None = None
        self.decided_by = ""
        self.cancelled = False
        self.waiting: list[Waiting] = []
        self.responses: ResponseContext | None = None
        self._notes: dict[object, Any] | None = None
        self._reason: Reason = ""
        self._where = ""

    @property
    def notes(self) -> dict[object, Any]:
        """What modules keep with the request, each under itself as the key."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    def is_for_server(self) -> bool:
        """Say whether the request names no user, and so means the server itself."""
        return isinstance(self.uri, SipUri) and not self.uri.user and not self.routed

    def stop_waiting(self) -> None:
        """Cancel the hooks that have not answered: nobody needs their answer any more."""
        for waiting in list(self.waiting):
            waiting.cancel()

    def because(self, reason: Reason, where: str = "") -> None:
        """Give the reason for what the hook is about to return, for the decision trail.

        ``reason`` is a text, or a tuple of a %-format and its arguments, which is only put together
        when somebody reads the trail.  ``where`` is the ``file:line`` of the directive behind it.
        """
        self._reason = reason
        self._where = where

    def decide(self, phase: str, module: str, outcome: str, seconds: float = 0.0) -> None:
        """Append a decision, with the reason that was given since the last one."""
        self.trail.append((phase, module, outcome, self._reason, self._where, seconds))
        self._reason = self._where = ""
