"""Every hook in a few lines: copy this file, keep the hooks you need, fill the directive table.

Loaded as it stands, it lets everything pass, and answers a MESSAGE to the user named by
``ExampleUser`` itself, so that one can see it work.
"""

from collections.abc import Sequence
from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive, Take, word
from sipproxy.core.context import RequestContext
from sipproxy.core.module import Module
from sipproxy.core.outcomes import Identity, Refusal
from sipproxy.core.targets import Target
from sipproxy.interfaces import (
    IAccountant,
    IAuthenticator,
    IAuthorizer,
    INextHop,
    INormalizer,
    IRequestCheck,
    IRequestFixup,
    IResponder,
    IResponseHook,
    ITransactionLog,
    ITranslator,
)
from sipproxy.message.builder import make_response
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.uri import SipUri, Uri
from sipproxy.resolve.hop import Hop


@implementer(
    IRequestCheck,
    IAuthenticator,
    IAuthorizer,
    IResponder,
    INormalizer,
    ITranslator,
    INextHop,
    IRequestFixup,
    IResponseHook,
    IAccountant,
    ITransactionLog,
)
class Example(Module):
    """One method a phase.  A hook may also return a Deferred that fires with the same."""

    name = "mod_sip_example"
    deadline = 2.0

    def configured(self) -> None:
        """Take the directives; raise `ConfigurationRefused` when they make no sense together."""
        self.user: str = self.settings["ExampleUser"]

    def check(self, context: RequestContext) -> Refusal | None:
        """Refuse with ``Refusal(403, "why")``, or return nothing to let the request pass."""
        return None

    def authenticate(self, context: RequestContext) -> Identity | Refusal | None:
        """Say who sends, challenge with a 401 or 407, or decline."""
        return None

    def authorize(self, context: RequestContext) -> Refusal | None:
        """Say whether this sender may do that."""
        return None

    def serve(self, context: RequestContext) -> Response | None:
        """Answer the request here, or decline."""
        if context.method != "MESSAGE" or not isinstance(context.uri, SipUri):
            return None
        if context.uri.user != self.user or not context.own:
            return None
        context.because(
            "addressed to ExampleUser", str(self.settings.position("ExampleUser") or "")
        )
        return make_response(context.request, 200, None, self.host.new_tag(), ())

    def normalize(self, context: RequestContext) -> None:
        """Set ``context.number`` to the full dialled number."""

    def translate(self, context: RequestContext, uri: Uri) -> Sequence[Target] | Refusal | None:
        """Give targets for the Request-URI: ``[Target(b"sip:1@192.0.2.1", self.name)]``."""
        return None

    def next_hop(self, context: RequestContext, target: Target) -> Sequence[Hop] | Refusal | None:
        """Say where a target is sent to: ``[Hop("udp", "192.0.2.1", 5060)]``."""
        return None

    def fixup(self, context: RequestContext, target: Target, request: Request) -> None:
        """Change the copy that is about to be sent: ``request.add(b"subject", b"hello")``."""

    def response(self, context: RequestContext, best: Response) -> Sequence[Target] | None:
        """Give more targets to try instead of passing on the best response."""
        return None

    def account(self, context: RequestContext, event: str, message: Message) -> None:
        """Hear ``forwarded``, ``answered`` and ``ended``."""

    def log_transaction(self, context: RequestContext) -> None:
        """Hear that the request has got its final response."""


DIRECTIVES: Final = (
    Directive(
        "ExampleUser",
        Take.ONE,
        word,
        "echo",
        "The user whose MESSAGE requests the example module answers itself.",
    ),
)
