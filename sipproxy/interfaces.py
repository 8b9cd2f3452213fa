"""Every interface of the server in one file: what a module may provide, and the seams between the
layers.

A module author needs the first half.  A module is one class that provides `IModule` and whichever
hook interfaces it wants; each hook belongs to one phase of the pipeline (`sipproxy.core.phases`).
A hook either declines (returns `None`), answers (returns a typed object), refuses (returns a
`Refusal`) or waits (returns a Deferred that fires with one of those).  Hooks run synchronously
until one really waits.  A hook that raises costs its request a 500 and one line in the error log.

A request may be *hypothetical* (``context.hypothetical``): somebody asks what would happen.  Hooks
are called as for a real one, and must then leave no trace: no nonce, counter, ban or record.

The second half are the seams: what the core is told, what it may ask of transport and stores.
"""

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from twisted.internet.defer import Deferred

    from sipproxy.config.loader import Settings
    from sipproxy.core.context import RequestContext
    from sipproxy.core.outcomes import Identity, Refusal
    from sipproxy.core.targets import Target
    from sipproxy.message.message import Message, Request, Response
    from sipproxy.message.uri import Uri
    from sipproxy.resolve.hop import Hop
    from sipproxy.stores.records import Binding
    from sipproxy.transaction.peer import Peer

#: Raised by one whenever a hook, an attribute of the context or a rule of the pipeline changes in a
#: way that a module could notice.  A maker states the version that it was written for.
INTERFACE_VERSION = 1


# --- what a module provides -----------------------------------------------------------------------


class IModuleMaker(Interface):
    """A module that can be loaded, described by strings only, so that nothing is imported early.

    Modules from outside the package put an object that provides this into a file of a
    ``twisted/plugins/`` folder; ``LoadModule NAME`` finds it there.
    """

    name = Attribute("The name, as LoadModule, the docs page and the log spell it: ``mod_sip_x``.")
    dotted = Attribute("Where the module's class is: ``package.file:ClassName``.")
    help = Attribute("One sentence on what the module does.")
    interface_version = Attribute("The `INTERFACE_VERSION` that the module was written for.")


class IModule(Interface):
    """One module of the pipeline: constructed without side effects, then configured once."""

    name = Attribute(
        "The module's name, the same word in file, directive block, docs page and log."
    )
    deadline = Attribute(
        "Seconds that a hook of this module may wait before its request gets a 500."
    )
    before = Attribute("Names of modules that this one must run before (a tuple, mostly empty).")
    after = Attribute("Names of modules that this one must run after.")

    def configure(settings: "Settings", host: "IHost") -> None:
        """Take the checked values of the module's own directives.

        Raises `sipproxy.core.module.ConfigurationRefused` when they make no sense together, with
        the directive's name, so that the fault can be shown with file and line.
        """

    def applies(phase: str, method: str, in_dialog: bool) -> bool:
        """Say whether the hook of that phase wants requests of that method.

        Asked once for each combination when the configuration is loaded, never per request;
        ``method`` is ``"*"`` for methods the server does not know.
        """


class IRequestCheck(Interface):
    """Phase check: may this request be here at all?  All are asked."""

    def check(context: "RequestContext") -> "Refusal | Deferred[Refusal | None] | None":
        """Return nothing to let it pass, or a refusal."""


class IAuthenticator(Interface):
    """Phase authenticate: who is it?  The first that answers ends the phase."""

    def authenticate(
        context: "RequestContext",
    ) -> "Identity | Refusal | Deferred[Identity | Refusal | None] | None":
        """Return the identity, a refusal that carries the challenge, or nothing to decline."""


class IAuthorizer(Interface):
    """Phase authorize: may this one do that?  All are asked."""

    def authorize(context: "RequestContext") -> "Refusal | Deferred[Refusal | None] | None":
        """Return nothing to agree, or a refusal."""


class IResponder(Interface):
    """Phase serve: requests that the server answers itself.  The first answer ends it."""

    def serve(
        context: "RequestContext",
    ) -> "Response | Refusal | Deferred[Response | Refusal | None] | None":
        """Return the final response, a refusal, or nothing to decline."""


class INormalizer(Interface):
    """Phase normalize: bring the dialled number into its full form.  All are run."""

    def normalize(context: "RequestContext") -> "Deferred[None] | None":
        """Set ``context.number``; the Request-URI itself stays as it came."""


class ITranslator(Interface):
    """Phase translate: from the Request-URI to contacts.  The first that answers ends the phase."""

    def translate(
        context: "RequestContext", uri: "Uri"
    ) -> "Sequence[Target] | Refusal | Deferred[Sequence[Target] | Refusal | None] | None":
        """Return targets (at least one), a refusal, or nothing to decline."""


class INextHop(Interface):
    """Phase next_hop: where a target is sent to.  The first that answers ends the phase."""

    def next_hop(
        context: "RequestContext", target: "Target"
    ) -> "Sequence[Hop] | Refusal | Deferred[Sequence[Hop] | Refusal | None] | None":
        """Return hops in the order to try them, or nothing to decline."""


class IRequestFixup(Interface):
    """Phase fixup: last changes to the copy that one branch sends.  All are run; none may wait."""

    def fixup(context: "RequestContext", target: "Target", request: "Request") -> None:
        """Edit ``request`` in place."""


class IResponseHook(Interface):
    """Phase response: told the best response of a group of targets before it goes upstream."""

    def response(context: "RequestContext", best: "Response") -> "Sequence[Target] | None":
        """Return more targets to try instead of that answer, or nothing."""


class IAccountant(Interface):
    """Phase account: told what happens to a call."""

    def account(
        context: "RequestContext", event: str, message: "Message"
    ) -> "Deferred[None] | None":
        """Note ``event`` (``forwarded``, ``answered``, ``ended``); failures are logged, not
        answered.
        """


class ITransactionLog(Interface):
    """Phase log: told once for each server transaction, when its final response has been sent."""

    def log_transaction(context: "RequestContext") -> None:
        """Write what should be kept of it."""


# --- what a module may use ------------------------------------------------------------------------


class IHost(Interface):
    """What the server offers to a module when it is configured."""

    registry = Attribute("The bindings: provides `IRegistry`.")
    flows = Attribute("Sockets and connections as values: provides `IFlows`.")
    transactions = Attribute("Sending, answering and timers: provides `ITransactions`.")
    domains = Attribute("Which hosts are ours: `sipproxy.core.domains.Domains`.")
    settings = Attribute("The server's own directives, checked.")
    wall_clock = Attribute("A callable that gives the seconds since 1970.")

    def new_tag() -> bytes:
        """Give a To tag for a response that a module makes."""


class IRegistry(Interface):
    """The bindings of addresses of record (``user@domain``)."""

    def lookup(aor: str) -> "list[Binding]":
        """Give the live bindings, highest q first, then the newest."""

    def replace(aor: str, bindings: "Iterable[Binding]") -> None:
        """Make these the bindings of ``aor``; kept before the turn's answers leave.

        Raises `sipproxy.stores.records.RegistryFull` when the limit is reached.
        """


class IFlows(Interface):
    """Makes and reads the values that name a socket or a connection."""

    def peer_for(transport: str, host: str, port: int) -> "Peer | None":
        """Give the peer at a numeric address and its listener; None when none reaches it."""

    def complete(peer: "Peer") -> "Peer":
        """Give a peer that something was received from, fit to send requests to."""

    def token_of(peer: "Peer") -> bytes:
        """Name a flow in characters that may stand in a SIP URI's user part."""

    def peer_of(token: bytes) -> "Peer | None":
        """Give the flow of that token; None when it is gone or makes no sense."""

    def host_of(token: bytes) -> str:
        """Give the remote host of a token, also of a flow that is gone; empty for nonsense."""

    def pin(peer: "Peer") -> None:
        """Keep the connection while something (a binding) uses it; counts."""

    def unpin(peer: "Peer") -> None:
        """Take one `pin` back."""

    def is_own(host: str, port: int | None) -> bool:
        """Say whether a listener answers at that host and port (None: at any port)."""


class ITransactions(Interface):
    """What the core may ask of the layers below it; provided by the driver."""

    now = Attribute("The time of this turn, seconds on the reactor's clock.")

    def respond(transaction: "Any", response: "Response") -> None:
        """Answer a server transaction."""

    def abandon(transaction: "Any") -> None:
        """End a server transaction without an answer."""

    def trying(transaction: "Any") -> None:
        """Send 100 Trying on a server INVITE transaction now."""

    def request(request: "Request", peer: "Peer", user: object) -> "Any":
        """Start a client transaction; its ``user`` is given back with everything that happens to
        it.
        """

    def cancel(transaction: "Any") -> None:
        """Cancel a client INVITE transaction."""

    def matching_invite(cancel: "Request") -> "Any | None":
        """Find the server INVITE transaction that a CANCEL means (RFC 3261 section 9.2)."""

    def send(message: "Message", peer: "Peer") -> None:
        """Send without a transaction (an ACK, a stateless answer)."""

    def schedule(when: float, token: object) -> "Any":
        """Have ``fired(token)`` called at that time (the reactor's clock)."""

    def unschedule(entry: "Any") -> None:
        """Take a `schedule` back."""

    def before_sending(call: "Callable[[], None]") -> None:
        """Run ``call`` once a turn, before anything of that turn is sent."""


class ITransactionUser(Interface):
    """What the core is told; the driver calls it."""

    def request_received(transaction: "Any", request: "Request") -> None:
        """Take a new request (CANCEL included, ACK excluded)."""

    def ack_received(request: "Request", peer: "Peer", transaction: "Any | None") -> None:
        """Take an ACK for a 2xx, or one that matches nothing."""

    def response_received(transaction: "Any | None", response: "Response", peer: "Peer") -> None:
        """Take a response of a client transaction, or a stray one (None)."""

    def timed_out(transaction: "Any") -> None:
        """Hear that a client transaction got no final response in time (timer B or F)."""

    def failed(transaction: "Any", reason: str) -> None:
        """Hear that a transaction's message could not be delivered."""

    def terminated(transaction: "Any") -> None:
        """Hear that a transaction is over and forgotten."""

    def fired(token: object) -> None:
        """Hear that a scheduled moment has come."""


class ILocator(Interface):
    """From the URI that a request is sent to, to addresses (RFC 3263)."""

    def locate(uri: "Uri") -> "Sequence[Hop] | Deferred[Sequence[Hop]]":
        """Give hops with numeric hosts in the order to try them; empty when there are none.

        A failure may carry ``status``: what the caller should be told.
        """

    def failed(hop: "Hop", kind: str, retry_after: float | None = None) -> None:
        """Hear that a request to a hop failed: ``timed out`` when nothing at all came back,
        ``unreachable``, or ``unavailable`` (503, with the seconds of its Retry-After).
        """

    def worked(hop: "Hop") -> None:
        """Hear that a hop answered."""
