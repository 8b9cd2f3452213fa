"""Answers what is meant for the server itself: OPTIONS (RFC 3261 section 11) and keep-alive
NOTIFY.
"""

from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive
from sipproxy.core.context import RequestContext
from sipproxy.core.module import Module
from sipproxy.interfaces import IResponder
from sipproxy.message.builder import make_response
from sipproxy.message.message import Response
from sipproxy.message.uri import SipUri

#: What the server does with requests addressed to itself, and what it carries for others.
ALLOW: Final = (
    b"INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, MESSAGE, "
    b"SUBSCRIBE, NOTIFY, PUBLISH, REFER"
)


@implementer(IResponder)
class Options(Module):
    """Phase serve for OPTIONS and NOTIFY."""

    name = "mod_sip_options"

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Want the two methods, outside dialogs."""
        return not in_dialog and method in ("OPTIONS", "NOTIFY")

    def serve(self, context: RequestContext) -> Response | None:
        """Answer OPTIONS to the server, or at the end of its hops, and keep-alive NOTIFY."""
        request = context.request
        if context.method == "NOTIFY":
            event = (request.value(b"event") or b"").partition(b";")[0].strip().lower()
            if not context.own or event != b"keep-alive":
                return None
            context.because("a keep-alive")
            return make_response(request, 200, None, self.host.new_tag(), ())
        if request.max_forwards != 0 and not (context.own and is_for_server(context)):
            return None
        context.because("addressed to the server itself")
        headers = [
            (b"allow", ALLOW),
            (b"accept", b"application/sdp, */*"),
            (b"accept-encoding", b"identity"),
            (b"accept-language", b"*"),
            (b"supported", b"path"),
        ]
        return make_response(request, 200, None, self.host.new_tag(), headers)


def is_for_server(context: RequestContext) -> bool:
    """Say whether a request to one of our hosts names no user."""
    uri = context.uri
    return isinstance(uri, SipUri) and not uri.user and not context.routed


DIRECTIVES: Final[tuple[Directive, ...]] = ()
