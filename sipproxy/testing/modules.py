"""For the tests of a module: configure it, call one hook with a request that you make up, look.

    class EchoTests:
        def test_answers_the_user_of_its_directive(self) -> None:
            kit = ModuleContext("mod_sip_example", "ExampleUser parrot")
            outcome = kit.call("serve", kit.request("MESSAGE", "sip:parrot@example.com"))
            assert outcome.status == 200
            assert outcome.reason == "addressed to ExampleUser"

The module is given by its name, or by its class when it is not of this package; its rows are the
``DIRECTIVES`` of the class's file unless they are given.  The text is a configuration like any
other: what is wrong in it is raised as `sipproxy.assembly.ConfigurationFaults`, each fault with
file and line.  Before the text the kit puts a server at 10.0.0.1 for the domain example.com.

Around the module stands a whole server without other modules, on a simulated network and in
virtual time: `ModuleContext.run` lets time pass for hooks that wait, `ModuleContext.bind` registers
a phone, ``kit.names`` is the name service, and ``kit.server`` has all the rest.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sipproxy.assembly import ConfigurationFaults
from sipproxy.config.directive import Directive
from sipproxy.config.loader import Configuration, Fault, Position, load
from sipproxy.config.reader import read_from_table
from sipproxy.core.context import RequestContext
from sipproxy.core.module import ConfigurationRefused
from sipproxy.core.outcomes import Identity
from sipproxy.core.phases import PHASES, Phase
from sipproxy.core.pipeline import Hook
from sipproxy.core.targets import Target
from sipproxy.message.builder import make_response
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import check, parse
from sipproxy.modules import always_loaded, class_of, directives_of, known_modules, maker_of
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.names import NameTable
from sipproxy.testing.network import Network
from sipproxy.testing.outcome import Outcome
from sipproxy.testing.server import SimulatedServer
from sipproxy.testing.stores import make_binding
from sipproxy.transaction.outputs import RequestReceived
from sipproxy.transaction.peer import Peer

#: What stands before the text of every configuration.
AROUND: Final = ("Listen 10.0.0.1:5060", "ProxyDomain example.com", "CustomLog Off")

#: The name of the text in faults and reasons.
FILE: Final = "/sip/conf/sipd.conf"

Headers = Sequence[tuple[str, str]]


class ModuleContext:
    """One configured module and a server around it.  Times in seconds."""

    def __init__(
        self,
        module: Any,
        text: str = "",
        *,
        directives: Sequence[Directive] | None = None,
        around: Sequence[str] = AROUND,
    ) -> None:
        """``module`` is a name or a class.  Raises `ConfigurationFaults`, and `NotConfigured`."""
        made = class_of(_maker(module)) if isinstance(module, str) else module
        name: str = made.name
        if directives is None:
            directives = getattr(sys.modules[made.__module__], "DIRECTIVES", ())
        self.configuration = _configuration(name, tuple(directives), text, around)
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        self.names = NameTable()
        #: What the server sent, when something was sent.
        self.sent: list[Message] = []
        self.network.watch(lambda passage: self.sent.append(parse(passage.data)))
        self.server = SimulatedServer(self.network, self.configuration, names=self.names, bare=True)
        self.host = self.server.host
        self.module = made()
        self._configure(name)
        self.server.take_modules(self.module)
        self._serial = 0

    def _configure(self, name: str) -> None:
        settings = self.configuration.settings(name)
        try:
            self.module.configure(settings, self.host)
        except ConfigurationRefused as refused:
            place = settings.position(refused.directive) or Position(FILE, 0)
            fault = Fault(*place, f"{refused.directive}: {refused.detail}")
            raise ConfigurationFaults([fault]) from refused

    # --- what a hook is called with

    def request(
        self,
        method: str = "INVITE",
        uri: str = "sip:bob@example.com",
        *,
        from_: str = "sip:alice@example.com",
        to: str = "",
        source: str = "192.0.2.1:5060",
        transport: str = "udp",
        headers: Headers = (),
        body: str = "",
        identity: str = "",
        in_dialog: bool = False,
        hypothetical: bool = False,
    ) -> RequestContext:
        """Make up a request that ``source`` sent, as a hook is given it.

        ``identity`` is the user whom an authenticator would have recognised; ``headers`` are added,
        a name in any spelling.  Raises ParseError when it makes no sense.
        """
        host, _, port = source.partition(":")
        self._serial += 1
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{transport.upper()} {source};branch=z9hG4bKkit{self._serial}",
            "Max-Forwards: 70",
            f"From: <{from_}>;tag=from{self._serial}",
            f"To: <{to or uri}>" + (";tag=to" if in_dialog else ""),
            f"Call-ID: kit-{self._serial}@{host}",
            f"CSeq: {self._serial} {method}",
            f"Contact: <sip:{host}:{port or 5060}>",
            *(f"{name}: {value}" for name, value in headers),
            f"Content-Length: {len(body.encode())}",
        ]
        text = "\r\n".join(lines) + "\r\n\r\n" + body
        return self.request_of(
            text.encode(),
            source=(host, int(port or 5060)),
            transport=transport,
            identity=identity,
            in_dialog=in_dialog,
            hypothetical=hypothetical,
        )

    def request_of(
        self,
        data: bytes,
        *,
        source: tuple[str, int] = ("192.0.2.1", 5060),
        transport: str = "udp",
        identity: str = "",
        in_dialog: bool = False,
        hypothetical: bool = False,
    ) -> RequestContext:
        """Give the octets of a request the same way.  Raises ParseError when they are none."""
        request = parse(data)
        check(request)
        if not isinstance(request, Request):
            raise TypeError("a hook is given requests, not responses")
        server = self.server
        listeners = [item for item in server.listeners if item.transport == transport]
        connection = 0 if transport == "udp" else 1
        peer = Peer(transport, *source, listeners[0].index, connection)
        transaction = None
        if request.method != "ACK" and not hypothetical:
            server.layer.receive(request, peer, self.clock.seconds())
            for output in server.layer.take_outputs():
                if isinstance(output, RequestReceived):
                    transaction = output.transaction
        else:
            request.stamp_source(*source)
        generation = server.core.generation
        now = self.clock.seconds()
        context = RequestContext(request, peer, transaction, generation, now, hypothetical)
        server.core.routes.preprocess(context)
        context.in_dialog = context.in_dialog or in_dialog
        context.routed = context.routed or (context.in_dialog and not context.own)
        context.hooks = generation.hooks_for(context.method, context.in_dialog)
        if identity:
            user, _, realm = identity.partition("@")
            context.identity = Identity(user, realm or server.domains.primary, "test")
        return context

    def bind(self, aor: str, *contacts: str, **fields: Any) -> None:
        """Register contacts for ``user@domain``; ``fields`` are those of a `Binding`."""
        fields.setdefault("expires", self.clock.seconds() + 3600)
        bindings = [
            make_binding(number, contact=contact.encode(), **fields)
            for number, contact in enumerate(contacts)
        ]
        self.host.registry.replace(aor, bindings)

    # --- the call

    def call(self, hook: str, context: RequestContext | None = None, *arguments: Any) -> Outcome:
        """Call one hook, named by its phase or its method, as the pipeline does.

        What a hook takes beside the context may be left out: the Request-URI for ``translate``, a
        target made of it for ``next_hop`` and ``fixup``, a copy of the request for ``fixup``, a
        408 for ``response``, ``"forwarded"`` and the request for ``account``.  A number for
        ``response`` stands for a response with that status.

        Raises what the hook raises, and `DoesNotApply` when the server would not have asked it.
        """
        context = context or self.request()
        phase = _phase(hook)
        asked: tuple[Hook, ...] = getattr(context.hooks, phase.name)
        asked = tuple(one for one in asked if one.module == self.module.name)
        if not asked:
            side = "inside" if context.in_dialog else "outside"
            raise DoesNotApply(
                f"{self.module.name} has no hook in phase {phase.name} for {context.method} "
                f"{side} dialogs: see its @implementer and applies()"
            )
        given = _arguments(phase, context, arguments)
        outcome = Outcome(context, given)
        if phase.run == "tell":
            outcome.take(context, outcome.watched(asked[0].call)(context, *given))
        else:
            guarded = _guarded(asked[0], outcome, phase)
            argument = given[0] if given else None
            self.server.core.pipeline.run((guarded,), context, argument, outcome.take)
        outcome.raise_failure()
        self.server.driver.end_of_turn()
        return outcome

    def run(self, seconds: float) -> None:
        """Let time pass: name look-ups are answered, deadlines pass, timers fire."""
        self.clock.run(seconds)


class DoesNotApply(AssertionError):
    """The server would not ask this hook with this request."""


def _maker(name: str) -> Any:
    maker = maker_of(name)
    if maker is None:
        raise LookupError(f"there is no module {name}; give its class instead of its name")
    return maker


def _configuration(
    name: str, rows: tuple[Directive, ...], text: str, around: Iterable[str]
) -> Configuration:
    def rows_of(module: str) -> Sequence[Directive] | None:
        return rows if module == name else directives_of(module)

    configuration = load(
        FILE,
        read_from_table({FILE: text}),
        rows_of,
        always=tuple(dict.fromkeys((*always_loaded(), name))),
        known=tuple(dict.fromkeys((*known_modules(), name))),
        before=tuple(around),
    )
    if configuration.errors:
        raise ConfigurationFaults(configuration.faults)
    return configuration


def _phase(hook: str) -> Phase:
    for phase in PHASES:
        if hook in (phase.name, phase.hook):
            return phase
    raise LookupError(f"there is no phase {hook}: {', '.join(phase.name for phase in PHASES)}")


def _arguments(phase: Phase, context: RequestContext, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Fill up what a hook is given beside the context."""
    target = Target(context.request.uri_raw, "test", uri=context.uri)
    usual: dict[str, tuple[Any, ...]] = {
        "translate": (context.uri,),
        "next_hop": (target,),
        "fixup": (target, context.request.clone()),
        "response": (408,),
        "account": ("forwarded", context.request),
    }
    wanted = usual.get(phase.name, ())
    filled = (*given, *wanted[len(given) :])
    if phase.name == "response" and isinstance(filled[0], int):
        best: Response = make_response(context.request, filled[0], to_tag=b"callee")
        return (best,)
    return filled


def _guarded(hook: Hook, outcome: Outcome, phase: Phase) -> Hook:
    """Give the hook with what it raises kept for the test, instead of made a 500 of."""
    return Hook(hook.phase, hook.module, outcome.watched(hook.call), hook.deadline, phase.run)
