"""CANCEL (RFC 3261 sections 9.2 and 16.10): what a caller gives up, and what becomes of it."""

from typing import TYPE_CHECKING, Any

from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import ANSWERED
from sipproxy.core.pipeline import CORE
from sipproxy.message.message import Request
from sipproxy.message.uri import SipUri

if TYPE_CHECKING:
    from sipproxy.core.server import ProxyCore


def take_cancel(core: "ProxyCore", transaction: Any, request: Request) -> bool:
    """Answer a CANCEL and cancel what it means.

    False for one that matches nothing here and names somebody: it is to be sent on, as its INVITE
    would have been.  That is done with a transaction, so that its answer finds the way back.
    """
    invite = core.transactions.matching_invite(request)
    if invite is None:
        if isinstance(request.uri, SipUri) and request.uri.user:
            return False
        response = core.answers.make(request, 481, core.signature)
        core.transactions.respond(transaction, response)
        return True
    context = invite.user
    tag = b""
    if context is not None:
        # The 487 that we may have to make ourselves has the same tag (section 9.2).
        tag = context.own_tag = context.own_tag or core.answers.new_tag()
    core.transactions.respond(transaction, core.answers.make(request, 200, core.signature, tag=tag))
    if context is not None and not context.cancelled and not context.status:
        _cancel(core, context)
    return True


def _cancel(core: "ProxyCore", context: RequestContext) -> None:
    context.cancelled = True
    context.stop_waiting()
    if context.responses is not None:
        context.responses.cancel()
    else:
        answer_cancelled(core, context)


def answer_cancelled(core: "ProxyCore", context: RequestContext) -> None:
    """Send the 487 for an INVITE that was cancelled before it went anywhere."""
    if not context.status:
        context.decided_by = CORE
        context.because("the caller cancelled")
        context.decide("check", CORE, ANSWERED)
        core.answer(context, core.own_response(context, 487))
