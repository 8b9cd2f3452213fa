"""The transaction user: every request and every response enters the core here.

A request is checked, loses our Route entries, and walks the phases of the pipeline; at the end it
is answered, refused or forwarded.  The walk is a chain of short methods, each the ``done`` of the
phase before it, so that a hook may wait anywhere without anything standing still.
"""

from collections.abc import Callable, Sequence
from time import time
from typing import Any, Final

from zope.interface import classImplements

from sipproxy.core.answers import Answers
from sipproxy.core.branch import Branch
from sipproxy.core.cancel import answer_cancelled, take_cancel
from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import REFUSED
from sipproxy.core.forward import Forwarder
from sipproxy.core.generation import Generation
from sipproxy.core.loops import Branches
from sipproxy.core.marks import DialogMarks
from sipproxy.core.outcomes import Identity, Refusal
from sipproxy.core.pipeline import CORE, Pipeline, tell
from sipproxy.core.redirect import contact_headers, split, status_for, without_itself
from sipproxy.core.response_context import ResponseContext
from sipproxy.core.routes import RouteReader
from sipproxy.core.stateless import forward_stateless
from sipproxy.core.targets import Target
from sipproxy.core.timer_c import TimerC
from sipproxy.core.validate import validate
from sipproxy.interfaces import IFlows, ILocator, ITransactions, ITransactionUser
from sipproxy.log import get_logger
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import check
from sipproxy.resolve.health import TIMED_OUT, UNREACHABLE
from sipproxy.transaction.peer import Peer

_log = get_logger("core")

#: What the server does with requests that name no user.
SERVED: Final = b"OPTIONS, REGISTER, NOTIFY, CANCEL, ACK"

#: Seconds after which a caller may ask again when the server is stopping.
_RETRY_AFTER_STOP: Final = 5


class ProxyCore:
    """Takes requests and responses from the transaction layer and knows what to do with them."""

    def __init__(
        self,
        transactions: ITransactions,
        flows: IFlows,
        locator: ILocator,
        generation: Generation,
        secret: bytes,
        run: bytes,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        """``secret`` outlives restarts; ``run`` is a token (letters and digits) that differs in
        each.
        """
        self.transactions = transactions
        self.flows = flows
        self.generation = generation
        self.wall_clock = wall_clock
        self.pipeline = Pipeline(transactions)
        self.branches = Branches(secret, run)
        marks = DialogMarks(secret)
        self.routes = RouteReader(marks, flows)
        self.timer_c = TimerC(transactions)
        self.forwarder = Forwarder(
            transactions,
            flows,
            locator,
            self.pipeline,
            self.branches,
            marks,
            self.timer_c,
            self,
        )
        self.live: dict[RequestContext, None] = {}
        self.stopping = False
        self.strays = self.malformed = 0
        self.answers = Answers(secret, run)

    # --- what the transaction layer tells

    def request_received(self, transaction: Any, request: Request) -> None:
        """Take a new request through validation, then into the pipeline."""
        try:
            check(request)
            if request.method == "CANCEL":
                if take_cancel(self, transaction, request):
                    return
            context = self.new_context(transaction, request)
            refusal = self._accept(context)
        except ParseError as error:
            self._malformed(transaction, request, error)
            return
        if refusal is not None:
            self.refuse(context, refusal)
        else:
            self._walk(context)

    def new_context(self, transaction: Any, request: Request) -> RequestContext:
        """Begin to keep what is known of a request."""
        context = RequestContext(
            request, transaction.peer, transaction, self.generation, self.transactions.now
        )
        transaction.user = context
        self.live[context] = None
        return context

    def ack_received(self, request: Request, peer: Peer, transaction: Any | None) -> None:
        """Pass on an ACK for a 2xx, without a transaction; drop one that may not pass."""
        try:
            check(request)
            context = RequestContext(request, peer, None, self.generation, self.transactions.now)
            if self._accept(context) is None:
                self._walk(context)
        except ParseError as error:
            _log.debug("ack.malformed", "an ACK was dropped", error=error.detail)

    def response_received(self, transaction: Any | None, response: Response, peer: Peer) -> None:
        """Take a response to the branch it belongs to; strays are dropped (RFC 6026 8.9)."""
        if transaction is None or transaction.user is None:
            self.strays += 1
            return
        branch = transaction.user
        response.pop_first(b"via")
        if b"via" not in response.names:
            # The callee took the caller's Via off: nobody can be reached by it.
            if response.status >= 200:
                branch.responses.failed(branch, 502)
            return
        branch.responses.forwarder.hop_answered(branch, response)
        if response.status < 200:
            if response.status > 100:
                branch.responses.provisional(branch, response)
        else:
            branch.responses.final(branch, response)

    def timed_out(self, transaction: Any) -> None:
        """Treat a branch without a final response as a 408 (16.7, 16.8)."""
        branch = transaction.user
        if isinstance(branch, Branch) and branch.transaction is transaction:
            branch.responses.forwarder.hop_failed(branch, TIMED_OUT)
            branch.responses.failed(branch, 408)

    def failed(self, transaction: Any, reason: str) -> None:
        """Treat a request that could not be delivered as a 503 (16.9)."""
        branch = transaction.user
        if isinstance(branch, Branch) and branch.transaction is transaction:
            _log.info("forward.failed", "a next hop could not be reached", reason=reason)
            branch.responses.forwarder.hop_failed(branch, UNREACHABLE)
            branch.responses.failed(branch, 503)

    def terminated(self, transaction: Any) -> None:
        """Let go of what the transaction held, so that nothing is left of it."""
        user = transaction.user
        transaction.user = None
        if isinstance(user, RequestContext):
            self.live.pop(user, None)
            user.stop_waiting()

    def fired(self, token: Any) -> None:
        """Wake what asked to be woken."""
        token.fire()

    # --- the walk, phase after phase

    def _accept(self, context: RequestContext) -> Refusal | None:
        """Do what section 16.3 and 16.4 ask for before the phases.  Raises ParseError."""
        request = context.request
        if self.stopping and context.transaction is not None:
            retry = (b"retry-after", b"%d" % _RETRY_AFTER_STOP)
            return Refusal(503, "the server is stopping", [retry])
        refusal = validate(request)
        if refusal is not None:
            return refusal
        context.steering = self.branches.steering_hash(request)
        if self.branches.is_loop(request, context.steering):
            return Refusal(
                482, "the request has been here before, and nothing about it has changed"
            )
        self.routes.preprocess(context)
        context.hooks = context.generation.hooks_for(context.method, context.in_dialog)
        return None

    def _walk(self, context: RequestContext) -> None:
        """Begin with the first phase that has hooks."""
        hooks = context.hooks
        if hooks.check:
            self.pipeline.run(hooks.check, context, None, self._checked)
        elif hooks.walks:
            self._checked(context, None)
        else:
            self._normalized(context, None)

    def _checked(self, context: RequestContext, refusal: Refusal | None) -> None:
        if refusal is not None:
            self.refuse(context, refusal)
        elif context.hooks.authenticate:
            self.pipeline.run(context.hooks.authenticate, context, None, self._authenticated)
        else:
            self._authenticated(context, None)

    def _authenticated(self, context: RequestContext, result: Identity | Refusal | None) -> None:
        if isinstance(result, Refusal):
            self.refuse(context, result)
            return
        context.identity = result
        if context.hooks.authorize:
            self.pipeline.run(context.hooks.authorize, context, None, self._authorized)
        else:
            self._authorized(context, None)

    def _authorized(self, context: RequestContext, refusal: Refusal | None) -> None:
        if refusal is not None:
            self.refuse(context, refusal)
        elif context.hooks.serve:
            self.pipeline.run(context.hooks.serve, context, None, self._served)
        else:
            self._served(context, None)

    def _served(self, context: RequestContext, result: Response | Refusal | None) -> None:
        if isinstance(result, Refusal):
            self.refuse(context, result)
        elif result is not None:
            self._decided_here(context)
            self.answer(context, result)
        elif context.hooks.normalize:
            self.pipeline.run(context.hooks.normalize, context, None, self._normalized)
        else:
            self._normalized(context, None)

    def _normalized(self, context: RequestContext, refusal: Refusal | None) -> None:
        request = context.request
        if refusal is None and request.max_forwards == 0:
            refusal = Refusal(483, "Max-Forwards is used up")
        if refusal is not None:
            self.refuse(context, refusal)
            return
        if context.method == "INVITE" and context.transaction is not None:
            self.transactions.trying(context.transaction)
        if context.routed or not context.own:
            self._translated(context, None)
        else:
            self.pipeline.run(context.hooks.translate, context, context.uri, self._translated)

    def _translated(
        self, context: RequestContext, result: Sequence[Target] | Refusal | None
    ) -> None:
        if isinstance(result, Refusal):
            self.refuse(context, result)
            return
        if result:
            context.targets = list(result)
        elif context.own and context.is_for_server():
            allow = [(b"allow", SERVED)]
            self.refuse(context, Refusal(405, "the server itself does not do that", allow))
            return
        else:
            flow = context.flow if b"route" not in context.request.names else None
            context.targets = [Target(context.request.uri_raw, CORE, flow=flow, uri=context.uri)]
        if context.cancelled:
            answer_cancelled(self, context)
        elif context.transaction is None:
            forward_stateless(context, self.forwarder)
        else:
            self._try_targets(context)

    def _try_targets(self, context: RequestContext) -> None:
        """Forward to the targets, tell the caller of those that it is to try itself, or both."""
        proxied: list[Target] = context.targets
        redirected: list[Target] = []
        if context.own and not context.routed:
            proxied, redirected = split(context, context.targets)
        redirected = without_itself(context, redirected)
        if not proxied and not redirected:
            self.refuse(context, Refusal(404, "there is nowhere to redirect to"))
            return
        told = None
        if redirected:
            headers = contact_headers(redirected, self.wall_clock())
            told = self.answers.make(
                context.request, status_for(redirected), self.signature, None, headers
            )
        if told is not None and not proxied:
            self._decided_here(context)
            self.answer(context, told)
            return
        context.responses = ResponseContext(context, self.forwarder)
        if context.hooks.account:
            tell(context.hooks.account, context, "forwarded", context.request)
        context.responses.begin(proxied, told)

    # --- answers

    def refuse(self, context: RequestContext, refusal: Refusal) -> None:
        """Answer with a refusal's status; an ACK is only dropped."""
        if context.transaction is None or context.status:
            return
        if not context.decided_by:
            self._decided_here(context, refusal)
        self.answer(context, self.answers.refuse(context.request, refusal, self.signature))

    def _decided_here(self, context: RequestContext, refusal: Refusal | None = None) -> None:
        """Name the module that ended the walk: the last one of the trail, or the core itself."""
        trail = context.trail
        if trail and (refusal is None or trail[-1][2] not in ("declined", "passed")):
            context.decided_by = trail[-1][1]
            return
        context.decided_by = CORE
        if refusal is not None:
            context.because(refusal.why)
            context.decide("check", CORE, REFUSED)

    def own_response(self, context: RequestContext, status: int) -> Response:
        """Make a response of our own to a context's request."""
        if context.method == "CANCEL" and status == 404:
            status = 481  # whoever it is for, nothing of theirs is going on here
        return self.answers.make(context.request, status, self.signature, tag=context.own_tag)

    @property
    def signature(self) -> bytes:
        """What the server calls itself in its answers."""
        return self.generation.options.signature

    def answer(self, context: RequestContext, response: Response) -> None:
        """Send a final response that was made here."""
        self.upstream(context, response)

    def upstream(self, context: RequestContext, response: Response) -> None:
        """Send a response to the caller, and tell the log once about the final one."""
        status = response.status
        if status < 200:
            self.transactions.respond(context.transaction, response)
            return
        first = not context.status
        if first:
            context.status = status
            if context.hooks.account:
                event = "answered" if status < 300 else "ended"
                tell(context.hooks.account, context, event, response)
        self.transactions.respond(context.transaction, response)
        if first:
            tell(context.hooks.log, context)
            if context.method != "INVITE":
                self._let_go(context)

    def abandon(self, context: RequestContext) -> None:
        """End a request without an answer (RFC 4320: no 408 to a non-INVITE)."""
        context.status = 408
        tell(context.hooks.log, context)
        self._let_go(context)
        self.transactions.abandon(context.transaction)

    def _let_go(self, context: RequestContext) -> None:
        """Forget a request that has its answer, although its transaction lingers for half a minute.

        Only an INVITE is needed longer: further 2xx may come.
        """
        self.live.pop(context, None)
        if context.transaction is not None:
            context.transaction.user = None

    def _malformed(self, transaction: Any, request: Request, error: ParseError) -> None:
        self.malformed += 1
        _log.info("request.malformed", "a request was refused", why=error.detail)
        reason = error.detail.encode("ascii", "replace") if error.status == 400 else None
        refusal = Refusal(error.status, error.detail, reason=reason)
        response = self.answers.refuse(request, refusal, self.signature)
        try:
            self.transactions.respond(transaction, response)
        except ParseError:  # not even enough of it is there for an answer to find its way
            self.transactions.abandon(transaction)

    def stop(self) -> None:
        """Take no new requests; give up what waits for a module."""
        self.stopping = True
        for context in [context for context in self.live if context.waiting]:
            context.stop_waiting()
            self.refuse(context, Refusal(503, "the server is stopping"))


# Not a decorator: the class is compiled (docs/internals), and then takes none.
classImplements(ProxyCore, ITransactionUser)
