"""Request forwarding (RFC 3261 section 16.6): copy, edit, choose the next hop, send; and failover.

A branch goes through here once for every hop that is tried: `start` finds the hops, `send_next`
sends to the next of them.  What comes back goes to the branch's `ResponseContext`.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipproxy.core.branch import Branch
from sipproxy.core.context import RequestContext
from sipproxy.core.loops import Branches
from sipproxy.core.marks import DialogMarks
from sipproxy.core.outcomes import Refusal
from sipproxy.core.pipeline import Pipeline
from sipproxy.core.targets import Target
from sipproxy.core.timer_c import TimerC
from sipproxy.interfaces import IFlows, ILocator, ITransactions
from sipproxy.log import get_logger
from sipproxy.message.errors import ParseError
from sipproxy.message.fields import parse_name_addr
from sipproxy.message.message import Request, Response
from sipproxy.message.uri import SipUri, Uri
from sipproxy.resolve.health import UNAVAILABLE, retry_after_of
from sipproxy.resolve.hop import Hop
from sipproxy.transaction.peer import Peer

_log = get_logger("core")

#: Max-Forwards for a request that came without one (RFC 3261 section 16.6 step 3).
_MAX_FORWARDS: Final = b"70"

#: Requests that set up a dialog, and so get our Record-Route; also inside one, so that an end which
#: has lost its state can recover.
_RECORD_ROUTED: Final = frozenset(("INVITE", "SUBSCRIBE", "REFER"))

#: How often contacts that name users of ours are translated again for one request.
MOST_TRANSLATIONS: Final = 5

_METHOD_PARAMETER: Final = re.compile(rb";method=[^;?]*", re.IGNORECASE)

_VIA: Final = {"udp": b"SIP/2.0/UDP ", "tcp": b"SIP/2.0/TCP ", "tls": b"SIP/2.0/TLS "}
_TRANSPORT_PARAMETER: Final = {"udp": b"", "tcp": b";transport=tcp", "tls": b";transport=tls"}


class CallerSide(Protocol):
    """What the way back to the caller looks like from here; the core provides it."""

    def upstream(self, context: RequestContext, response: Response) -> None:
        """Send a response that came from a branch."""

    def answer(self, context: RequestContext, response: Response) -> None:
        """Send a final response that was made here."""

    def abandon(self, context: RequestContext) -> None:
        """End the request without an answer."""

    def own_response(self, context: RequestContext, status: int) -> Response:
        """Make a response."""
        raise NotImplementedError


class Forwarder:
    """Sends copies of requests on their way; one for the server."""

    def __init__(
        self,
        transactions: ITransactions,
        flows: IFlows,
        locator: ILocator,
        pipeline: Pipeline,
        branches: Branches,
        marks: DialogMarks,
        timer_c: TimerC,
        caller: "CallerSide",
    ) -> None:
        self.transactions = transactions
        self.flows = flows
        self.locator = locator
        self.pipeline = pipeline
        self.branches = branches
        self.marks = marks
        self.timer_c = timer_c
        self.upstream = caller.upstream
        self.answer = caller.answer
        self.abandon = caller.abandon
        self.own_response = caller.own_response

    # --- the way of one branch

    def start(self, branch: Branch) -> None:
        """Find where the target is reached, then send."""
        context = branch.responses.context
        target = branch.target
        if target.flow is not None and not target.routes:
            self._send(branch, target.flow)
        elif context.hooks.next_hop:
            self.pipeline.run(context.hooks.next_hop, context, target, branch.hops_found)
        else:
            self.next_hop_found(branch, None)

    def next_hop_found(self, branch: Branch, result: Sequence[Hop] | Refusal | None) -> None:
        """Go on with the hops that a module named, or with RFC 3263 when none did."""
        if branch.done:
            return
        if isinstance(result, Refusal):
            branch.responses.failed(branch, result.status)
        elif result:
            self._hops_located(result, branch)
        else:
            self._locate(branch)

    def _locate(self, branch: Branch) -> None:
        context = branch.responses.context
        try:
            uri = self.next_uri(context, branch.target)
        except ParseError as error:
            _log.info("forward.bad_target", "a target's URI makes no sense", error=error.detail)
            branch.responses.failed(branch, 404)
            return
        own = context.own if uri is context.uri else context.generation.domains.owns(uri)
        if own:
            self._translate_again(branch, uri)
            return
        found = self.locator.locate(uri)
        if isinstance(found, Deferred):
            branch.locating = found
            found.addCallbacks(
                self._hops_located, self._not_located, (branch,), errbackArgs=(branch,)
            )
        else:
            self._hops_located(found, branch)

    def _translate_again(self, branch: Branch, uri: Uri) -> None:
        """Follow a contact that names another user of ours, as far as that leads anywhere new."""
        context = branch.responses.context
        if uri is context.uri or context.depth >= MOST_TRANSLATIONS or not context.hooks.translate:
            branch.responses.failed(branch, 404)  # for us, and nobody knows a way
            return
        context.depth += 1
        self.pipeline.run(context.hooks.translate, context, uri, branch.translated)

    def next_uri(self, context: RequestContext, target: Target) -> Uri:
        """Give the URI that decides where to send: the first Route, or the target itself."""
        if target.routes:
            return parse_name_addr(target.routes[0]).uri
        if context.routed and b"route" in context.request.names:
            route = context.request.routes[0].uri
            if isinstance(route, SipUri):
                return route
        return target.uri

    def _hops_located(self, hops: Sequence[Hop], branch: Branch) -> None:
        branch.locating = None
        if branch.done:
            return
        branch.hops = self._with_stream_first(branch, hops)
        if branch.hops:
            self.send_next(branch)
        else:
            branch.responses.failed(branch, 404)

    def _not_located(self, failure: Failure, branch: Branch) -> None:
        branch.locating = None
        if not branch.done:
            _log.info(
                "forward.not_located", "no address was found", error=failure.getErrorMessage()
            )
            branch.responses.failed(branch, getattr(failure.value, "status", 503))

    def hop_answered(self, branch: Branch, response: Response) -> None:
        """Tell the locator how a hop is, by the first response of a transaction and by 503."""
        if branch.hop is None:
            return
        if response.status == 503:
            retry_after = retry_after_of(response.value(b"retry-after"))
            self.locator.failed(branch.hop, UNAVAILABLE, retry_after)
        elif not branch.heard:
            self.locator.worked(branch.hop)
        branch.heard = True

    def hop_failed(self, branch: Branch, kind: str) -> None:
        """Tell the locator of a hop that nothing came back from."""
        if branch.hop is not None and not branch.heard:
            self.locator.failed(branch.hop, kind)

    def _with_stream_first(self, branch: Branch, hops: Sequence[Hop]) -> list[Hop]:
        """Put TCP before UDP for a large request, where it may be (RFC 3261 18.1.1)."""
        context = branch.responses.context
        limit = context.generation.options.prefer_tcp_above
        request = context.request
        if not limit or branch.target.udp_only or request.wire_size <= limit:
            return list(hops)
        ordered = []
        for hop in hops:
            if hop.transport == "udp" and not hop.chosen:
                ordered.append(Hop("tcp", hop.host, hop.port))
            ordered.append(hop)
        return ordered

    def send_next(self, branch: Branch) -> None:
        """Send to the next hop; the branch has failed when none is left that can be reached."""
        branch.transaction = None
        branch.heard = False
        while branch.hops:
            hop = branch.hops.pop(0)
            peer = self.flows.peer_for(hop.transport, hop.host, hop.port)
            if peer is not None:
                branch.hop = hop
                self._send(branch, peer)
                return
        branch.responses.failed(branch, 503)

    def _send(self, branch: Branch, peer: Peer) -> None:
        context = branch.responses.context
        request = self.copy(context, branch.target, peer)
        request.set(b"max-breadth", b"%d" % branch.share)
        for hook in context.hooks.fixup:
            try:
                hook.call(context, branch.target, request)
            except Exception as error:
                _log.failure("pipeline.raised", f"{hook.module} raised in fixup", error)
        branch.transaction = self.transactions.request(request, peer, branch)
        if context.method == "INVITE":
            self.timer_c.start(branch, self.transactions.now, context.generation.options.timer_c)

    # --- the copy

    def copy(self, context: RequestContext, target: Target, peer: Peer) -> Request:
        """Make the request as one branch sends it: section 16.6 steps 1 to 6 and 8 to 9."""
        request = context.request.clone()
        if target.uri_raw != request.uri_raw:
            request.set_uri(_as_request_uri(target))
        left = request.max_forwards
        request.set(b"max-forwards", _MAX_FORWARDS if left is None else b"%d" % max(left - 1, 0))
        if context.method in _RECORD_ROUTED and context.generation.options.record_route:
            self._record_route(context, request, target, peer)
        for value in reversed(target.routes):
            request.prepend(b"route", value)
        if b"route" in request.names:
            _strict_route(request)
        if context.steering == b"":
            context.steering = self.branches.steering_hash(context.request)
        branch = self.branches.make(context.steering)
        request.prepend(b"via", _VIA[peer.transport] + peer.sent_by + b";branch=" + branch)
        if peer.reliable and b"content-length" not in request.names:
            request.add(b"content-length", b"%d" % len(request.body))
        return request

    def _record_route(
        self, context: RequestContext, request: Request, target: Target, peer: Peer
    ) -> None:
        """Stay in the path: one entry, or two when the request leaves by another listener (RFC
        5658).
        """
        source = context.peer
        caller_flow = self.flows.token_of(source) if reached_by_flow(request, source) else b""
        callee_flow = b""
        if target.flow is not None and not target.routes:
            callee_flow = self.flows.token_of(target.flow)
        mark = self.marks.make(request.call_id, request.from_tag or b"", caller_flow, callee_flow)
        if source.listener != peer.listener or source.transport != peer.transport:
            inner = self.flows.complete(source)
            request.prepend(b"record-route", _entry(mark, inner))
        request.prepend(b"record-route", _entry(mark, peer))

    # --- timer C

    def ringing(self, branch: Branch) -> None:
        """A provisional response came: start timer C anew (16.7 step 2)."""
        options = branch.responses.context.generation.options
        self.timer_c.start(branch, self.transactions.now, options.timer_c)

    def quiet(self, branch: Branch) -> None:
        """The branch has its final response."""
        self.timer_c.stop(branch)


def _as_request_uri(target: Target) -> bytes:
    """Give a target's URI without what may not stand in a request line (16.6 step 2, 19.1.1)."""
    raw = target.uri_raw
    if b"?" in raw and isinstance(target.uri, SipUri) and target.uri.headers:
        raw = raw[: raw.rindex(b"?")]
    if b"ethod=" in raw or b"ETHOD=" in raw:
        raw = _METHOD_PARAMETER.sub(b"", raw)
    return raw


def _entry(mark: bytes, peer: Peer) -> bytes:
    return b"<sip:%b@%b%b;lr>" % (mark, peer.sent_by, _TRANSPORT_PARAMETER[peer.transport])


def reached_by_flow(request: Request, source: Peer) -> bool:
    """Say whether the sender of a request is reached by the way it came rather than by its Contact.

    That is so on a stream, whose connection is there already, and behind a NAT, which shows in a
    Via that names another host than the one it came from.
    """
    return source.reliable or request.top_via.host != source.host


def _strict_route(request: Request) -> None:
    """Serve a strict router next on the way (16.6 step 6): it wants its URI in the request line."""
    value = request.value(b"route") or b""
    if b"," not in value and (b";lr" in value or b";LR" in value):
        return
    first = request.routes[0]
    if isinstance(first.uri, SipUri) and first.uri.param("lr") is None:
        request.pop_first(b"route")
        request.add(b"route", b"<" + request.uri_raw + b">")
        request.set_uri(first.uri_raw)
