"""The driver: what comes from the sockets goes through the layer to the core, and back out.

A *turn* is one wake-up of the reactor that had to do with us: a batch of datagrams, what a
connection received, the timer.  During a turn messages to be sent only gather; `end_of_turn` first
runs what must happen before answers leave (the journal is written), then sends, then sees to it
that the one reactor timer is early enough.  What is asked of the driver outside a turn (a name was
found, a password was checked) waits for the timer, which is then due at once.

Nothing that a peer sends, and nothing that the core raises, may get out of here.
"""

from collections.abc import Callable, Sequence
from typing import Final

from zope.interface import classImplements

from sipproxy.interfaces import ITransactions, ITransactionUser
from sipproxy.log import get_logger
from sipproxy.message.builder import make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import parse
from sipproxy.transaction.key import stateless_tag
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import (
    TERMINATED,
    ClientTransaction,
    ServerTransaction,
    Transaction,
)
from sipproxy.transaction.outputs import (
    AckReceived,
    Failed,
    Fired,
    Output,
    RequestReceived,
    ResponseReceived,
    Send,
    Terminated,
    TimedOut,
)
from sipproxy.transaction.peer import Peer, reply_peer
from sipproxy.transaction.server_invite import ServerInvite
from sipproxy.transport.counters import Counters
from sipproxy.transport.ends import Outlet
from sipproxy.transport.lost import LostPeers
from sipproxy.transport.throttle import Throttle
from sipproxy.transport.wakeup import DriverReactor, Wakeup
from sipproxy.transport.withheld import without_promises

log = get_logger("transport")

#: A datagram of so few octets is a keep-alive: CRLFs, or the four zeros of some phones.
_KEEPALIVE: Final = 4

#: The timer never fires sooner than this after a turn: transactions that end one by one within a
#: few milliseconds cost one wake-up.
MIN_DELAY: Final = 0.005

#: How often one turn sends; each round is due to failures of the one before.
MAX_ROUNDS: Final = 20


class Driver:
    """Carries out what the transaction layer says.  ``user``, the core, is set by who builds it."""

    def __init__(
        self,
        reactor: DriverReactor,
        layer: TransactionLayer,
        counters: Counters | None = None,
    ) -> None:
        self.layer = layer
        self.counters = counters or Counters()
        self.user: ITransactionUser | None = None
        #: What takes the messages of each listener, by its index.
        self.outlets: Sequence[Outlet] = ()
        self.throttle = Throttle(reactor.seconds)
        self._reactor = reactor
        self._seconds = reactor.seconds
        self._now = 0.0
        self._in_turn = False
        self._busy = False
        self._ending = False
        self._queue: list[Send] = []
        self._before: list[Callable[[], None]] = []
        self._lost = LostPeers()
        self._wakeup = Wakeup(reactor, self._due)

    # From the sockets: the Inbox.

    @property
    def now(self) -> float:
        """The time of this turn; outside of one, the time."""
        return self._now if self._in_turn else self._seconds()

    def received(self, data: bytes, peer: Peer) -> None:
        """Take one message.  Never raises."""
        if not self._in_turn:
            self._in_turn = True
            self._now = self._seconds()
        counters = self.counters
        if len(data) <= _KEEPALIVE:
            counters.keepalives += 1
            return
        counters.received += 1
        try:
            self.layer.receive(parse(data), peer, self._now)
        except ParseError as error:
            self.refuse(error, peer)
            return
        except Exception as problem:
            self._complain("driver.receive_failed", "a message was dropped", problem, data, peer)
            return
        self._deliver()

    def refuse(self, error: ParseError, peer: Peer) -> None:
        """Answer statelessly what could not be understood, if it can be answered at all."""
        self.counters.parse_errors += 1
        request = error.message
        if log.is_debug() and self.throttle.allows("driver.parse_error"):
            log.debug("driver.parse_error", error.detail, peer=peer, status=error.status)
        if not isinstance(request, Request) or request.method == "ACK":
            return
        try:
            request.stamp_source(peer.host, peer.port)
            reply_to = reply_peer(request.top_via, peer)
            tag = stateless_tag(request.value(b"call-id") or b"")
            response = make_response(request, error.status, _phrase(error.detail), to_tag=tag)
            self._queue.append(Send(response.to_bytes(), reply_to, None))
        except ParseError:
            self.counters.dropped += 1
        except Exception as second:
            first = b"%b %b" % (request.method.encode(), request.uri_raw)
            self._complain("driver.refuse_failed", "cannot answer", second, first, peer)

    def unreachable(self, peer: Peer, reason: str, quoted: bytes = b"") -> None:
        """Hear that nothing reaches a peer; who waits for its answers is told in this turn."""
        self._lost.add(peer, reason, quoted)

    def transport_failed(self, transaction: Transaction | None, reason: str) -> None:
        """Hear that what was sent for one transaction was not delivered."""
        if transaction is not None and transaction.state is not TERMINATED:
            self.layer.transport_failed(transaction, reason, self.now)
            self._attend()

    def end_of_turn(self) -> None:
        """Send what has gathered, and see to the timer."""
        if self._busy or self._ending:
            return
        self._ending = True
        if not self._in_turn:
            self._in_turn = True
            self._now = self._seconds()
        if self._lost and self._now >= self._lost.next_look:
            self._fail_lost()
        if self.layer.outputs:
            self._deliver()
        rounds = 0
        while self._flush():
            rounds += 1
            if rounds >= MAX_ROUNDS:
                break
        self._in_turn = self._ending = False
        self._arm()

    # What the core asks: ITransactions.

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        """Answer a server transaction."""
        if self._in_turn:
            self.layer.respond(transaction, response, self._now)
        else:
            self.layer.respond(transaction, response, self._seconds())
            self._attend()

    def abandon(self, transaction: ServerTransaction) -> None:
        """End a server transaction without an answer."""
        if transaction.state is not TERMINATED:
            transaction.end(self.layer)
            self._attend()

    def trying(self, transaction: ServerTransaction) -> None:
        """Send 100 Trying on a server INVITE transaction now."""
        self.layer.trying(transaction, self.now)
        self._attend()

    def request(self, request: Request, peer: Peer, user: object) -> ClientTransaction:
        """Start a client transaction."""
        if self._in_turn:
            return self.layer.request(request, peer, user, self._now)
        transaction = self.layer.request(request, peer, user, self._seconds())
        self._attend()
        return transaction

    def cancel(self, transaction: ClientTransaction) -> None:
        """Cancel a client INVITE transaction."""
        self.layer.cancel(transaction, self.now)
        self._attend()

    def matching_invite(self, cancel: Request) -> ServerInvite | None:
        """Find the server INVITE transaction that a CANCEL means."""
        return self.layer.matching_invite(cancel)

    def send(self, message: Message, peer: Peer) -> None:
        """Send without a transaction."""
        assert isinstance(message, Request | Response)
        self._queue.append(Send(message.to_bytes(), peer, None))
        self._attend()

    def schedule(self, when: float, token: object) -> int:
        """Have ``fired(token)`` called at that time."""
        entry = self.layer.schedule(when, token)
        if not self._in_turn:
            self._arm()
        return entry

    def unschedule(self, entry: int) -> None:
        """Take a `schedule` back."""
        self.layer.unschedule(entry)

    def before_sending(self, call: Callable[[], None]) -> None:
        """Run ``call`` once a turn, before anything of that turn is sent."""
        self._before.append(call)

    def stop(self) -> None:
        """Cancel the timer and send what has gathered; for the end of the service."""
        self.end_of_turn()
        self.user = None
        self._wakeup.stop()

    # The turn.

    def _attend(self) -> None:
        """See that outputs which came about outside a turn do not lie there."""
        if not self._in_turn:
            self._wakeup.at(self._seconds())

    def _deliver(self) -> None:
        """Hand over the layer's outputs, also those that come about while doing so."""
        if self._busy:
            return
        self._busy = True
        layer, queue = self.layer, self._queue
        try:
            while layer.outputs:
                for output in layer.take_outputs():
                    if isinstance(output, Send):
                        queue.append(output)
                    else:
                        self._tell(output)
        finally:
            self._busy = False

    def _tell(self, output: Output) -> None:
        """Tell the core one thing."""
        user = self.user
        if user is None:
            self.counters.dropped += 1
            return
        try:
            if isinstance(output, RequestReceived):
                user.request_received(output.transaction, output.request)
            elif isinstance(output, ResponseReceived):
                user.response_received(output.transaction, output.response, output.peer)
            elif isinstance(output, Terminated):
                user.terminated(output.transaction)
            elif isinstance(output, AckReceived):
                user.ack_received(output.request, output.peer, output.transaction)
            elif isinstance(output, Fired):
                user.fired(output.token)
            elif isinstance(output, TimedOut):
                user.timed_out(output.transaction)
            elif isinstance(output, Failed):
                user.failed(output.transaction, output.reason)
        except Exception as error:
            self._core_failed(output, error)

    def _core_failed(self, output: Output, error: Exception) -> None:
        """Log what the core raised; a request that it left without an answer gets a 500."""
        self.counters.core_errors += 1
        what = type(output).__name__
        if isinstance(output, RequestReceived | AckReceived):
            what = f"{output.request.method} {output.request.uri_raw!r}"
        elif isinstance(output, ResponseReceived):
            what = f"{output.response.status} {output.response.value(b'cseq')!r}"
        if self.throttle.allows("driver.core_failed"):
            log.failure("driver.core_failed", "the core failed", error, on=what)
        if isinstance(output, RequestReceived) and output.transaction.status < 200:
            transaction = output.transaction
            try:
                tag = stateless_tag(transaction.key)
                response = make_response(output.request, 500, to_tag=tag)
                self.layer.respond(transaction, response, self._now)
            except Exception as second:
                log.failure("driver.core_failed", "cannot answer 500", second, on=what)

    def _flush(self) -> bool:
        """Send what has gathered; True when sending made more to send."""
        saved = self._prepare()
        queue = self._queue
        if not queue:
            return False
        self._queue = []
        if not saved:
            queue, withheld = without_promises(queue)
            self.counters.answers_withheld += withheld
        outlets = self.outlets
        for send in queue:
            peer = send.peer
            try:
                outlets[peer.listener].send(send.data, peer, send.transaction)
            except Exception as error:
                self._complain("driver.send_failed", "not sent", error, send.data, peer)
        if self.layer.outputs:
            self._deliver()
        return bool(self._queue)

    def _prepare(self) -> bool:
        """Run what must happen before sending; False when any of it failed."""
        saved = True
        for call in self._before:
            try:
                call()
            except Exception as error:
                saved = False
                if self.throttle.allows("driver.not_saved"):
                    text = "what this turn changed is not saved"
                    log.failure("driver.not_saved", text, error)
        return saved

    def _fail_lost(self) -> None:
        """Tell the transactions whose peer was found unreachable."""
        for transaction, reason in self._lost.look(self.layer.clients.values(), self._now):
            self.counters.unreachable += 1
            self.layer.transport_failed(transaction, reason, self._now)

    def _complain(self, event: str, text: str, error: Exception, data: bytes, peer: Peer) -> None:
        self.counters.dropped += 1
        if self.throttle.allows(event):
            first = data[:200].partition(b"\r\n")[0]
            log.failure(event, text, error, peer=peer, line=first)

    # The timer.

    def _arm(self) -> None:
        """Have the timer fire at the layer's deadline, unless it will before anyhow."""
        deadline = self.layer.next_deadline()
        if self._lost and (deadline is None or self._lost.next_look < deadline):
            deadline = self._lost.next_look
        if self.layer.outputs or self._queue:
            deadline = 0.0
        if deadline is not None and deadline < self._wakeup.due_at:
            self._wakeup.at(max(deadline, self._seconds() + MIN_DELAY))

    def _due(self) -> None:
        """The timer fired."""
        self._in_turn = True
        self._now = self._seconds()
        try:
            self.layer.advance(self._now)
        except Exception as error:
            log.failure("driver.timer_failed", "a timer failed", error)
        self.end_of_turn()


def _phrase(detail: str) -> bytes | None:
    """Make a reason phrase of what was wrong, unless it repeats something odd of the message."""
    fit = detail.isascii() and detail.isprintable() and len(detail) <= 100
    return detail.encode() if fit and detail else None


# Not a decorator: the class may be compiled, and then takes none.
classImplements(Driver, ITransactions)
