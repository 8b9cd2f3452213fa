"""Answers what is meant for the server itself: OPTIONS (RFC 3261 section 11) and keep-alive
NOTIFY.
"""

from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive
from sipproxy.core.context import RequestContext
from sipproxy.core.module import Module
from sipproxy.core.outcomes import Refusal
from sipproxy.interfaces import IResponder
from sipproxy.message.builder import make_response
from sipproxy.message.message import Response

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

    def serve(self, context: RequestContext) -> Response | Refusal | None:
        """Answer OPTIONS to the server, or at the end of its hops, and keep-alive NOTIFY."""
        request = context.request
        if context.method == "NOTIFY":
            event = (request.value(b"event") or b"").partition(b";")[0].strip().lower()
            if not context.own or event != b"keep-alive":
                return None
            context.because("a keep-alive")
            return make_response(request, 200, None, self.host.new_tag(), ())
        if request.max_forwards != 0 and not (context.own and context.is_for_server()):
            return None
        if b"require" in request.names:
            unknown = [tag for tag in request.values(b"require") if tag.lower() != b"path"]
            if unknown:
                unsupported = (b"unsupported", b", ".join(unknown))
                return Refusal(420, "Require names an unknown extension", [unsupported])
        context.because("addressed to the server itself")
        headers = [
            (b"allow", ALLOW),
            (b"accept", b"application/sdp, */*"),
            (b"accept-encoding", b"identity"),
            (b"accept-language", b"*"),
            (b"supported", b"path"),
        ]
        return make_response(request, 200, None, self.host.new_tag(), headers)


DIRECTIVES: Final[tuple[Directive, ...]] = ()
