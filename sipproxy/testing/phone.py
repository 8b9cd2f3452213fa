"""A scripted SIP phone: a user agent over the server's own transaction layer and transports.

    alice = Phone(network, "alice", ("10.0.1.1", 5060), proxy=("10.0.0.1", 5060))
    alice.register()
    alice.will((0, 180), (2, 200))              # what it does with the next calls
    call = alice.call("sip:bob@example.com")
    clock.run(10)
    call.hang_up()

Times in seconds.  What it sent and received stays: `Phone.calls`, `Phone.requests`.
"""

from collections.abc import Sequence
from typing import Any, Final

from zope.interface import implementer

from sipproxy.interfaces import ITransactionUser
from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.resolve.locator import is_ipv4
from sipproxy.testing.call import Call, Sent, Step
from sipproxy.testing.dialog import Dialog, Headers, key_of, request_of
from sipproxy.testing.network import Address, Wire
from sipproxy.testing.server import SimulatedPort, listener_of
from sipproxy.testing.streams import HostReactor
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import ClientTransaction, ServerTransaction
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.connections import Connections
from sipproxy.transport.driver import Driver
from sipproxy.transport.sockets import ListenAddress
from sipproxy.transport.tcp import Accepting

#: What a phone does with a call unless it is told: it rings, and is answered after a second.
USUAL: Final[tuple[Step, ...]] = ((0, 180), (1, 200))

_UDP: Final = 0
_TCP: Final = 1


@implementer(ITransactionUser)
class Phone:
    """One user agent.  Addresses are host and port."""

    def __init__(
        self,
        wire: Wire,
        name: str,
        address: Address,
        *,
        proxy: Address = ("10.0.0.1", 5060),
        domain: str = "example.com",
        transport: str = "udp",
        contact: str = "",
        strict: bool = False,
        rport: bool = True,
        timers: Timers | None = None,
    ) -> None:
        """``contact`` is a URI to register and call with instead of the true one.

        A ``strict`` phone treats every Route as RFC 2543 did.
        """
        self.wire = wire
        self.name = name
        self.address = address
        self.proxy = proxy
        self.domain = domain
        self.transport = transport
        self.strict = strict
        self.rport = rport
        self.clock = wire.clock
        self.aor = f"sip:{name}@{domain}"
        suffix = ";transport=tcp" if transport == "tcp" else ""
        self.contact_uri = contact or f"sip:{name}@{address[0]}:{address[1]}{suffix}"
        self.contact = f"<{self.contact_uri}>"
        #: Every call, in the order in which they began.
        self.calls: list[Call] = []
        #: Every request received, INVITE and CANCEL and ACK included.
        self.requests: list[Request] = []
        #: Responses that belonged to nothing.
        self.strays: list[Response] = []
        self.dialogs: dict[tuple[str, str, str], Call] = {}
        #: How requests other than INVITE are answered.
        self.answers_with = 200
        self.steps: tuple[Step, ...] = USUAL
        self.layer = TransactionLayer(timers or Timers())
        reactor: Any = HostReactor(wire.streams, address[0])
        self.driver = Driver(reactor, self.layer)
        self.driver.user = self
        self._serial = 0
        self._mark = f"{name}-{address[0]}{wire.place}"
        self._register_cseq = 0
        self._refresh: Any = None
        self._open(reactor)

    def _open(self, reactor: Any) -> None:
        driver = self.driver
        self.connections = Connections(reactor, driver, driver.counters, driver.throttle)
        self.connections.listeners = [
            listener_of(index, ListenAddress(transport, *self.address))
            for index, transport in enumerate(("udp", "tcp"))
        ]
        port = SimulatedPort(self.wire, self.address, driver, _UDP)
        driver.outlets = (port, self.connections)
        port.open()
        self.wire.streams.listen(self.address, Accepting(self.connections, _TCP))

    def vanish(self, gone: bool = True) -> None:
        """Be gone as when the battery is empty; not ``gone``: only the program ended."""
        self.wire.detach(self.address, gone)
        self.wire.streams.unlisten(self.address)
        self.driver.stop()
        self.stop_refreshing()

    # --- what it does with calls that come

    def will(self, *steps: Step) -> None:
        """Do this with calls from now on: answer with a status so many seconds after the INVITE.

        A step may have headers to add: ``(0, 302, [("Contact", "<sip:carol@example.com>")])``.
        """
        self.steps = steps

    def answers(self, after: float = 0.0) -> None:
        """Ring, and answer after so many seconds."""
        self.will((0, 180), (after, 200))

    def rings(self) -> None:
        """Ring for ever."""
        self.will((0, 180))

    def says(self, status: int, after: float = 0.0) -> None:
        """Answer with a status, without ringing."""
        self.will((after, status))

    def redirects(self, *uris: str) -> None:
        """Answer with a 302 to these places."""
        self.will((0, 302, [("Contact", f"<{uri}>") for uri in uris]))

    # --- registering

    def register(
        self,
        expires: int | None = 3600,
        *,
        contacts: Sequence[str] | None = None,
        to: str = "",
        registrar: str = "",
        headers: Headers = (),
        cseq: int = 0,
    ) -> Sent:
        """Send a REGISTER; ``contacts`` are whole header values, none of them with an empty list.

        ``expires`` None leaves the header out; a ``cseq`` given is used as it is.
        """
        self._register_cseq = cseq or self._register_cseq + 1
        more = [("Contact", value) for value in ((self.contact,) if contacts is None else contacts)]
        if expires is not None:
            more.append(("Expires", str(expires)))
        return self.send(
            "REGISTER",
            registrar or f"sip:{self.domain}",
            to=to or self.aor,
            headers=[*more, *headers],
            call_id=f"registration-of-{self._mark}",
            cseq=self._register_cseq,
        )

    def unregister(self) -> Sent:
        """Take the binding back."""
        self.stop_refreshing()
        return self.register(0)

    def stop_refreshing(self) -> None:
        """Let the binding expire."""
        if self._refresh is not None and self._refresh.active():
            self._refresh.cancel()

    def keep_registered(self, expires: int = 3600) -> None:
        """Register now, and again whenever half of the time is over (sooner when it failed)."""
        sent = self.register(expires)

        def refresh() -> None:
            if sent.status != 200:
                self.keep_registered(expires)
            else:
                self._refresh = self.later(expires / 2 - 40, self.keep_registered, expires)

        self._refresh = self.later(40, refresh)

    # --- requests

    def call(self, target: str, headers: Headers = (), body: str = "") -> Call:
        """Call a URI, or a user of our domain."""
        request = self._request("INVITE", self._uri(target), "", headers, body, "", 0)
        call = Call(self, request, False)
        self.calls.append(call)
        call.transaction = self._start(request, call, None)
        return call

    def send(
        self,
        method: str,
        target: str,
        *,
        to: str = "",
        headers: Headers = (),
        body: str = "",
        call_id: str = "",
        cseq: int = 0,
        route: str = "",
        max_forwards: int = 70,
    ) -> Sent:
        """Send a request outside dialogs, through the proxy."""
        if route:
            headers = [("Route", route), *headers]
        request = self._request(
            method, self._uri(target), to, headers, body, call_id, cseq, max_forwards
        )
        sent = Sent(request)
        self._start(request, sent, None)
        return sent

    def send_in_dialog(
        self, dialog: Dialog, method: str, headers: Headers = (), body: str = ""
    ) -> Sent:
        """Send a request inside a dialog, by its routes."""
        peer = self._peer(dialog)
        request = dialog.request(method, self.via(peer.transport), self.contact, headers, body)
        sent = Sent(request, dialog)
        self._start(request, sent, peer)
        return sent

    def acknowledge(self, dialog: Dialog, cseq: int) -> None:
        """Send the ACK for a 2xx (section 13.2.2.4)."""
        peer = self._peer(dialog)
        via = self.via(peer.transport)
        self.driver.send(dialog.request("ACK", via, self.contact, cseq=cseq), peer)

    def later(self, seconds: float, call: Any, *arguments: Any) -> Any:
        """Do something after so many seconds."""
        return self.clock.callLater(seconds, call, *arguments)

    def via(self, transport: str = "") -> str:
        """Give a Via with a new branch."""
        self._serial += 1
        host, port = self.address
        rport = ";rport" if self.rport else ""
        branch = f"z9hG4bK{self._serial}-{self._mark}"
        return (
            f"SIP/2.0/{(transport or self.transport).upper()} {host}:{port};branch={branch}{rport}"
        )

    def tag_of(self, call: Call) -> str:
        """Give the To tag that this phone answers a call with."""
        return f"{self.calls.index(call)}-{self._mark}"

    def _uri(self, target: str) -> str:
        return target if ":" in target else f"sip:{target}@{self.domain}"

    def _request(
        self,
        method: str,
        uri: str,
        to: str,
        headers: Headers,
        body: str,
        call_id: str,
        cseq: int,
        max_forwards: int = 70,
    ) -> Request:
        via = self.via()
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {via}",
            f"Max-Forwards: {max_forwards}",
            f"From: <{self.aor}>;tag={self._serial}-{self._mark}",
            f"To: <{to or uri}>",
            f"Call-ID: {call_id or f'{self._serial}@{self._mark}'}",
            f"CSeq: {cseq or self._serial} {method}",
        ]
        if method in ("INVITE", "SUBSCRIBE"):
            lines.append(f"Contact: {self.contact}")
        return request_of(lines, headers, body)

    def _start(self, request: Request, user: Call | Sent, peer: Peer | None) -> ClientTransaction:
        if peer is None:
            index = _TCP if self.transport == "tcp" else _UDP
            peer = Peer(self.transport, *self.proxy, index)
        transaction = self.driver.request(request, peer, user)
        self.driver.end_of_turn()
        return transaction

    def _peer(self, dialog: Dialog) -> Peer:
        """Find the next hop of a dialog; names are left to the proxy."""
        uri = dialog.next_hop()
        if uri is None or not is_ipv4(uri.host):
            return Peer(self.transport, *self.proxy, _TCP if self.transport == "tcp" else _UDP)
        transport = uri.transport or "udp"
        index = _TCP if transport == "tcp" else _UDP
        return Peer(transport, uri.host, uri.port or 5060, index)

    # --- what the transaction layer tells

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """Answer a request."""
        self.requests.append(request)
        driver = self.driver
        call = self.dialogs.get(key_of(request))
        if request.method == "CANCEL":
            invite = driver.matching_invite(request)
            driver.respond(transaction, make_response(request, 481 if invite is None else 200))
            if invite is not None and isinstance(invite.user, Call):
                invite.user.cancel_received()
        elif call is not None:
            call.request_received(transaction, request)
        elif request.to_tag is not None or request.method == "BYE":
            driver.respond(transaction, make_response(request, 481))
        elif request.method == "INVITE":
            self._ring(transaction, request)
        elif self.answers_with:
            tag = f"{len(self.requests)}-{self._mark}".encode()
            driver.respond(transaction, make_response(request, self.answers_with, None, tag))

    def _ring(self, transaction: ServerTransaction, request: Request) -> None:
        call = Call(self, request, True)
        call.transaction = transaction
        transaction.user = call
        self.calls.append(call)
        call.play(self.steps)

    def ack_received(self, request: Request, peer: Peer, transaction: Any | None) -> None:
        """Stop repeating a 2xx."""
        self.requests.append(request)
        call = self.dialogs.get(key_of(request))
        if call is not None:
            call.ack_received()

    def response_received(self, transaction: Any | None, response: Response, peer: Peer) -> None:
        """Give a response to what it answers."""
        user = transaction.user if transaction is not None else self._who_called(response)
        if isinstance(user, Call):
            user.answered(response)
        elif isinstance(user, Sent):
            user.statuses.append(response.status)
            if response.status >= 200:
                user.response = response
                if response.status < 300 and user.request.method == "INVITE" and user.dialog:
                    user.dialog.refresh(response)
                    self.acknowledge(user.dialog, user.request.cseq.number)
        else:
            self.strays.append(response)

    def _who_called(self, response: Response) -> Call | None:
        """Find the call of a 2xx that came so late that its transaction is over."""
        if response.status >= 300 or response.cseq.method != "INVITE":
            return None
        call_id = response.call_id
        for call in self.calls:
            if not call.incoming and call.request.call_id == call_id:
                return call
        return None

    def timed_out(self, transaction: Any) -> None:
        """Hear that no final response came."""
        self._gave_up(transaction.user, "timed out")

    def failed(self, transaction: Any, reason: str) -> None:
        """Hear that a message could not be delivered."""
        if isinstance(transaction, ClientTransaction):
            self._gave_up(transaction.user, reason)

    def _gave_up(self, user: object, why: str) -> None:
        if isinstance(user, Sent) and user.response is None:
            user.failure = why
        elif isinstance(user, Call):
            user.gave_up(why)

    def terminated(self, transaction: Any) -> None:
        """Let go of what the transaction held."""
        transaction.user = None

    def fired(self, token: object) -> None:
        """Nothing is scheduled on the layer."""

    @property
    def last(self) -> Call:
        """The call that began last."""
        return self.calls[-1]

    def methods(self) -> list[str]:
        """Give the methods of the requests received."""
        return [request.method for request in self.requests]

    def unfinished(self) -> list[Call]:
        """Give the calls that this side still takes for alive."""
        return [call for call in self.calls if not call.over]
