"""The core alone: everything around it is a stand-in that records, so that a test is a few lines.

    stand = CoreStand(StubModule("mod_x", translate=lambda context, uri: [...]))
    caller = stand.receive(make_request("INVITE", "sip:bob@example.com"))
    stand.reply(stand.clients[0], 180)  # and caller.statuses is [180]

Nothing is sent again here, and time passes when `CoreStand.advance` is called.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from os import devnull
from typing import Any, Final

from twisted.internet.defer import Deferred
from zope.interface import alsoProvides, implementer

from sipproxy.core.domains import Domains
from sipproxy.core.generation import Generation, Options
from sipproxy.core.module import Module
from sipproxy.core.phases import PHASES
from sipproxy.core.pipeline import choose_hooks
from sipproxy.core.server import ProxyCore
from sipproxy.interfaces import IFlows, ILocator, ITransactions
from sipproxy.log import DEFAULT_LEVEL, SINK, set_levels
from sipproxy.message.builder import make_response
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import parse
from sipproxy.message.uri import SipUri, Uri
from sipproxy.resolve.hop import Hop
from sipproxy.transaction.peer import Peer

#: Where the server of a stand listens: the first listener by UDP, the second by TCP.
OWN_HOST: Final = "192.0.2.1"
OWN_PORT: Final = 5060

#: The usual sender, at the address that `make_request` writes into the Via.
ALICE: Final = Peer("udp", "192.0.2.10", 5060)

SECRET: Final = b"s" * 32


def make_request(
    method: str = "INVITE",
    uri: str = "sip:bob@example.com",
    *lines: str,
    via: str = "192.0.2.10:5060",
    branch: str = "z9hG4bKa1",
    max_forwards: int | None = 70,
    from_tag: str = "a1",
    to_uri: str = "",
    to_tag: str = "",
    call_id: str = "c1@192.0.2.10",
    cseq: int = 1,
    body: bytes = b"",
) -> Request:
    """Give a request as it comes from the wire; ``lines`` are further header lines."""
    head = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {via};branch={branch}",
        *([] if max_forwards is None else [f"Max-Forwards: {max_forwards}"]),
        f"From: <sip:alice@example.com>;tag={from_tag}",
        f"To: <{to_uri or uri}>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *lines,
        f"Content-Length: {len(body)}",
    ]
    request = parse("\r\n".join([*head, "", ""]).encode() + body)
    assert isinstance(request, Request)
    return request


class ServerSide:
    """A server transaction: the request that came, and how the core answered it."""

    def __init__(self, request: Request, peer: Peer) -> None:
        self.request = request
        self.peer = peer
        #: The request's context, also after the core has let go of it.
        self.context: Any = None
        self.responses: list[Response] = []
        self.trying = False
        self.abandoned = False
        self._user: Any = None

    @property
    def user(self) -> Any:
        """What the core keeps with the transaction: the context, as long as it wants to."""
        return self._user

    @user.setter
    def user(self, user: Any) -> None:
        self._user = user
        if user is not None:
            self.context = user

    @property
    def statuses(self) -> list[int]:
        """The statuses of the responses so far."""
        return [response.status for response in self.responses]

    @property
    def response(self) -> Response:
        """The last response."""
        return self.responses[-1]


class ClientSide:
    """A client transaction: the request that the core sent, and where."""

    def __init__(self, request: Request, peer: Peer, user: object) -> None:
        self.request = request
        self.peer = peer
        self.user: Any = user
        self.cancelled = False

    @property
    def target(self) -> str:
        """The Request-URI."""
        return self.request.uri_raw.decode()


@implementer(ITransactions)
class RecordingTransactions:
    """Keeps what it is asked to do (``sent``: without a transaction); a test moves ``now``."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.servers: list[ServerSide] = []
        self.clients: list[ClientSide] = []
        self.sent: list[tuple[Message, Peer]] = []
        self.alarms: dict[int, tuple[float, Any]] = {}
        self.before: list[Callable[[], None]] = []
        self._serial = 0

    def receive(self, request: Request, peer: Peer) -> ServerSide:
        """Make the transaction of a request that came."""
        request.stamp_source(peer.host, peer.port)
        self.servers.append(ServerSide(request, peer))
        return self.servers[-1]

    def take_due(self) -> list[Any]:
        """Take out the tokens whose time has come, in order."""
        due = sorted((when, entry) for entry, (when, _) in self.alarms.items() if when <= self.now)
        return [self.alarms.pop(entry)[1] for _, entry in due]

    def respond(self, transaction: Any, response: Response) -> None:
        """Keep it with its transaction."""
        transaction.responses.append(response)

    def abandon(self, transaction: Any) -> None:
        """Note it."""
        transaction.abandoned = True

    def trying(self, transaction: Any) -> None:
        """Note it."""
        transaction.trying = True

    def request(self, request: Request, peer: Peer, user: object) -> ClientSide:
        """Make the transaction of a request that is sent."""
        self.clients.append(ClientSide(request, peer, user))
        return self.clients[-1]

    def cancel(self, transaction: Any) -> None:
        """Note it."""
        transaction.cancelled = True

    def matching_invite(self, cancel: Request) -> ServerSide | None:
        """Find the INVITE with the branch of a CANCEL."""
        branch = cancel.top_branch
        found = [it for it in self.servers if it.request.top_branch == branch]
        return next((it for it in found if it.request.method == "INVITE"), None)

    def send(self, message: Message, peer: Peer) -> None:
        """Keep it."""
        self.sent.append((message, peer))

    def schedule(self, when: float, token: object) -> int:
        """Keep it for `take_due`."""
        self._serial += 1
        self.alarms[self._serial] = (when, token)
        return self._serial

    def unschedule(self, entry: Any) -> None:
        """Forget it."""
        self.alarms.pop(entry, None)

    def before_sending(self, call: Callable[[], None]) -> None:
        """Keep it."""
        self.before.append(call)


@implementer(IFlows)
class RecordingFlows:
    """One UDP and one TCP listener at `OWN_HOST`; tokens are readable names in hexadecimal.

    No listener reaches the hosts in ``unreachable``; the flows in ``gone`` are no more.
    """

    def __init__(self, own: Sequence[tuple[str, int]] = ((OWN_HOST, OWN_PORT),)) -> None:
        self.own = set(own)
        self.unreachable: set[str] = set()
        self.gone: set[Peer] = set()
        self.pinned: list[Peer] = []

    def peer_for(self, transport: str, host: str, port: int) -> Peer | None:
        """Give a peer by UDP or TCP, unless its host is `unreachable`."""
        if host in self.unreachable or transport not in ("udp", "tcp"):
            return None
        return self.complete(Peer(transport, host, port, 0 if transport == "udp" else 1))

    def complete(self, peer: Peer) -> Peer:
        """Fill in what our Via says."""
        peer.sent_by = peer.sent_by or b"%b:%d" % (OWN_HOST.encode(), OWN_PORT)
        return peer

    def token_of(self, peer: Peer) -> bytes:
        """Name a flow."""
        name = f"{peer.transport} {peer.host} {peer.port} {peer.listener} {peer.connection}"
        return b"f" + name.encode().hex().encode()

    def peer_of(self, token: bytes) -> Peer | None:
        """Give the flow of a token, unless it is `gone`."""
        parts = self._parts(token)
        if parts is None:
            return None
        peer = Peer(parts[0], parts[1], int(parts[2]), int(parts[3]), int(parts[4]))
        return None if peer in self.gone else self.complete(peer)

    def host_of(self, token: bytes) -> str:
        """Give the host of a token."""
        return (self._parts(token) or ("", ""))[1]

    def pin(self, peer: Peer) -> None:
        """Note it."""
        self.pinned.append(peer)

    def unpin(self, peer: Peer) -> None:
        """Take one note back."""
        self.pinned.remove(peer)

    def is_own(self, host: str, port: int | None) -> bool:
        """Look into `own`."""
        return any(host == name and port in (None, its) for name, its in self.own)

    def _parts(self, token: bytes) -> list[str] | None:
        try:
            parts = bytes.fromhex(token[1:].decode()).decode().split(" ")
        except ValueError:
            return None
        return parts if token[:1] == b"f" and len(parts) == 5 else None


@implementer(ILocator)
class TableLocator:
    """Finds hops in ``hops``, by host; a Deferred there is waited for.  Addresses are themselves.

    A host that is not there has no address.
    """

    def __init__(self) -> None:
        self.hops: dict[str, Sequence[Hop] | Deferred[Sequence[Hop]]] = {}
        self.asked: list[str] = []
        #: What was reported of hops: host, kind, seconds of a Retry-After.
        self.told: list[tuple[str, str, float | None]] = []

    def locate(self, uri: Uri) -> "Sequence[Hop] | Deferred[Sequence[Hop]]":
        """Look it up."""
        if not isinstance(uri, SipUri):
            return ()
        self.asked.append(uri.host)
        if uri.host in self.hops:
            return self.hops[uri.host]
        if not uri.host.replace(".", "").isdigit():
            return ()
        return (Hop(uri.transport or "udp", uri.host, uri.port or 5060, bool(uri.transport)),)

    def failed(self, hop: Hop, kind: str, retry_after: float | None = None) -> None:
        """Note it."""
        self.told.append((hop.host, kind, retry_after))

    def worked(self, hop: Hop) -> None:
        """Note it."""
        self.told.append((hop.host, "worked", None))


class StubModule(Module):
    """A module made of functions: ``StubModule("mod_x", check=lambda context: None)``.

    Each keyword is the method of a hook; the module provides the interface of its phase.
    ``when(phase, method, in_dialog)`` is its `applies` (without: everything but ACK).
    """

    def __init__(
        self,
        name: str,
        *,
        deadline: float = 5.0,
        when: Callable[[str, str, bool], bool] | None = None,
        **hooks: Callable[..., Any],
    ) -> None:
        self.name = name
        self.deadline = deadline
        self.applied: list[tuple[str, str, bool]] = []
        self._when = when
        by_hook = {phase.hook: phase for phase in PHASES}
        for hook, function in hooks.items():
            setattr(self, hook, function)
            alsoProvides(self, by_hook[hook].interface)

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Note the question, and ask ``when``."""
        self.applied.append((phase, method, in_dialog))
        return method != "ACK" if self._when is None else self._when(phase, method, in_dialog)


class CoreStand:
    """A `ProxyCore` with stand-ins below it and the given modules above."""

    def __init__(
        self, *modules: Any, domains: Sequence[str] = ("example.com",), **options: Any
    ) -> None:
        """``options`` are those of `sipproxy.core.generation.Options`."""
        self.transactions = RecordingTransactions()
        self.flows = RecordingFlows()
        self.locator = TableLocator()
        own = Domains(domains, [OWN_PORT], self.flows)
        self.generation = Generation(1, choose_hooks(modules), own, Options(**options))
        self.core = ProxyCore(
            self.transactions, self.flows, self.locator, self.generation, SECRET, b"run"
        )

    @property
    def clients(self) -> list[ClientSide]:
        """What was sent so far, in order."""
        return self.transactions.clients

    @property
    def targets(self) -> list[str]:
        """The Request-URIs that were sent so far."""
        return [client.target for client in self.clients]

    def receive(self, request: Request, peer: Peer = ALICE) -> ServerSide:
        """Let a request come in."""
        server = self.transactions.receive(request, peer)
        self.core.request_received(server, request)
        return server

    def acknowledge(self, request: Request, peer: Peer = ALICE) -> None:
        """Let an ACK come in that no transaction takes."""
        request.stamp_source(peer.host, peer.port)
        self.core.ack_received(request, peer, None)

    def cancel(self, server: ServerSide) -> ServerSide:
        """Let the caller cancel; gives the transaction of the CANCEL."""
        branch = (server.request.top_branch or b"").decode()
        uri = server.request.uri_raw.decode()
        return self.receive(make_request("CANCEL", uri, branch=branch), server.peer)

    def reply(
        self, client: ClientSide, status: int, *headers: tuple[bytes, bytes], tag: bytes = b"b1"
    ) -> None:
        """Let a response come back on a branch."""
        response = make_response(client.request, status, None, tag, headers)
        self.core.response_received(client, response, client.peer)

    def time_out(self, client: ClientSide) -> None:
        """Let a branch get no final response."""
        self.core.timed_out(client)

    def fail(self, client: ClientSide) -> None:
        """Let a branch's next hop be unreachable."""
        self.core.failed(client, "connection refused")

    def end(self, *transactions: ServerSide | ClientSide) -> None:
        """Let transactions be over."""
        for transaction in transactions:
            self.core.terminated(transaction)

    def advance(self, seconds: float) -> None:
        """Let time pass; everything that is due fires, at the end of it."""
        self.transactions.now += seconds
        for token in self.transactions.take_due():
            self.core.fired(token)


@contextmanager
def log_lines(level: str = "info") -> "Iterator[Callable[[], list[str]]]":
    """Catch the error log: ``with log_lines() as lines``, then ``lines()`` gives them so far."""
    console = StringIO()
    set_levels(level, {})
    SINK.open(devnull, console)
    kept = len(console.getvalue())  # lines from before there was a file
    try:
        yield lambda: console.getvalue()[kept:].splitlines()
    finally:
        SINK.close()
        set_levels(DEFAULT_LEVEL, {})
