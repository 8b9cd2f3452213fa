"""The registrar, and the translation of its users to the places where their phones are.

Phase serve takes REGISTER for our domains; phase translate turns a user of ours into one target for
each binding.  The bindings themselves are kept by `sipproxy.stores.registry`.
"""

import re
from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive, Take, integer, seconds
from sipproxy.core.context import RequestContext
from sipproxy.core.module import ConfigurationRefused, Module
from sipproxy.core.outcomes import Refusal
from sipproxy.core.registrar import BY_CONTACT, FLOW_FIRST, FLOW_ONLY, Registrar, RegistrarLimits
from sipproxy.core.targets import Target
from sipproxy.interfaces import IResponder, ITranslator
from sipproxy.message.builder import make_response
from sipproxy.message.message import Response
from sipproxy.message.uri import Uri
from sipproxy.stores.records import Binding, RegistryFull

_ACTION: Final = re.compile(rb";\s*action\s*=\s*(proxy|redirect)\s*(?:;|\Z)", re.IGNORECASE)

#: Seconds after which a phone may try again when the registry is full.
_RETRY_WHEN_FULL: Final = 60


@implementer(IResponder, ITranslator)
class RegistryModule(Module):
    """REGISTER in phase serve; the registered contacts in phase translate."""

    name = "mod_sip_registry"

    def configured(self) -> None:
        """Read the limits."""
        settings = self.settings
        shortest = settings["RegistrationMinExpires"]
        default = settings["RegistrationDefaultExpires"]
        longest = settings["RegistrationMaxExpires"]
        if not shortest <= default <= longest:
            raise ConfigurationRefused(
                "RegistrationDefaultExpires",
                f"{default} must lie between RegistrationMinExpires {shortest} "
                f"and RegistrationMaxExpires {longest}",
            )
        limits = RegistrarLimits(default, shortest, longest, settings["MaxContactsPerUser"])
        self.preferences: bool = self.host.settings["UseCallerPreferences"]
        self.registrar = Registrar(self.host.registry, self.host.flows, limits)

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Serve REGISTER; translate everything else, also a dialog whose remote target is ours."""
        if phase == "serve":
            return method == "REGISTER" and not in_dialog
        return method != "REGISTER"

    def serve(self, context: RequestContext) -> Response | Refusal | None:
        """Answer a REGISTER for one of our domains; one for another domain is passed on."""
        if not context.own or context.routed:
            return None
        try:
            result = self.registrar.register(context, self.host.wall_clock())
        except RegistryFull:
            self.log.error("registry.full", "no more bindings are taken")
            retry = (b"retry-after", b"%d" % _RETRY_WHEN_FULL)
            return Refusal(503, "the registry is full", [retry])
        if isinstance(result, Refusal):
            context.because(result.why)
            return result
        return make_response(context.request, 200, None, self.host.new_tag(), result.headers)

    def translate(self, context: RequestContext, uri: Uri) -> list[Target] | Refusal | None:
        """Give a target for each binding of the user that can be reached."""
        aor = self.host.domains.aor(uri)
        if aor is None:
            context.because("the Request-URI names no user")
            return None
        bindings = self.host.registry.lookup(aor)
        if not bindings:
            context.because(("no binding for %s", aor))
            return None
        targets = [target for target in map(self._target, bindings) if target is not None]
        if not targets:
            context.because(("the connections of all bindings of %s are gone", aor))
            return Refusal(480, f"no phone of {aor} can be reached")
        context.because(("%d bindings for %s", len(targets), aor))
        return targets

    def _target(self, binding: Binding) -> Target | None:
        """Make a target of a binding: by its flow or by its Contact, as it registered."""
        flow = None
        how = binding.received[:1]
        if how in (FLOW_ONLY, FLOW_FIRST):
            flow = self.host.flows.peer_of(binding.received[1:])
            if flow is None and how == FLOW_ONLY:
                return None
        return Target(
            binding.contact,
            self.name,
            q=binding.q,
            flow=flow,
            routes=binding.path,
            udp_only=how == BY_CONTACT,
            expires=binding.expires,
            action=action_of(binding) if self.preferences else "",
        )


def action_of(binding: Binding) -> str:
    """Give the action parameter that a contact registered with (RFC 2543 section 6.13)."""
    match = _ACTION.search(binding.params)
    return match.group(1).decode().lower() if match is not None else ""


DIRECTIVES: Final = (
    Directive(
        "RegistrationDefaultExpires",
        Take.ONE,
        seconds(1, 604_800),
        "3600",
        "Seconds that a registration lives when the phone does not say.",
    ),
    Directive(
        "RegistrationMinExpires",
        Take.ONE,
        seconds(1, 86_400),
        "60",
        "The shortest registration taken, in seconds; a shorter one is answered 423.",
    ),
    Directive(
        "RegistrationMaxExpires",
        Take.ONE,
        seconds(60, 604_800),
        "86400",
        "The longest registration taken, in seconds; a longer one is cut to it.",
    ),
    Directive(
        "MaxContactsPerUser",
        Take.ONE,
        integer(1, 255),
        "10",
        "How many contacts one user may have registered at a time; more are answered 403.",
    ),
)
