"""Who may send requests through this server to other hosts: so that it is no open relay.

Requests for our own hosts may come from anybody, and requests inside a dialog that was set up
through us carry our signed mark.  All else leaves the house, and passes only for senders that
``RelayPolicy`` allows.
"""

from ipaddress import ip_address
from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive
from sipproxy.core.context import RequestContext
from sipproxy.core.module import Module
from sipproxy.core.outcomes import Refusal
from sipproxy.interfaces import IAuthorizer


@implementer(IAuthorizer)
class Relay(Module):
    """The relay rule, phase authorize: by then it is known who sends."""

    name = "mod_sip_relay"

    def configured(self) -> None:
        """Read the policy and the trusted peers."""
        settings = self.host.settings
        self.policy: str = settings["RelayPolicy"].lower()
        self.trusted = tuple(settings["TrustedPeer"])
        self.where = str(settings.position("RelayPolicy") or "")

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Look at everything outside dialogs, ACK included."""
        return not in_dialog

    def authorize(self, context: RequestContext) -> Refusal | None:
        """Refuse what leaves the house for a sender who may not."""
        if context.own and not context.routed:
            context.because("for our own host")
            return None
        reason = self._allowed(context)
        if reason:
            context.because(reason, self.where)
            return None
        context.because(("RelayPolicy %s does not allow this sender", self.policy), self.where)
        return Refusal(403, "this server relays to other hosts only for senders that it knows")

    def _allowed(self, context: RequestContext) -> str:
        """Give the reason why the sender may relay, empty when it may not."""
        if self.policy == "open":
            return "RelayPolicy Open"
        if self.trusted:
            address = ip_address(context.peer.host.partition("%")[0])
            if any(address in network for network in self.trusted):
                return "TrustedPeer"
        if self.policy == "none":
            return ""
        if context.identity is not None:
            return "the sender is authenticated"
        if self._is_registered(context):
            return "the sender is registered"
        return ""

    def _is_registered(self, context: RequestContext) -> bool:
        """Say whether the From user is registered here from the address that the request came
        from.
        """
        aor = self.host.domains.aor(context.request.from_.uri)
        if aor is None:
            return False
        host = context.peer.host
        return any(
            self.host.flows.host_of(binding.received[1:]) == host
            for binding in self.host.registry.lookup(aor)
        )


DIRECTIVES: Final[tuple[Directive, ...]] = ()
