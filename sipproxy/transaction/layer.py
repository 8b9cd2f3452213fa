"""The transaction layer: which machine a message belongs to, and when each wakes.

Theory of operation. Five verbs go in: `receive` (from the wire), `respond`, `request` and `cancel`
(from the user), `advance` (time). None of them performs anything: each appends to a list of
outputs, which `take_outputs` hands over. `next_deadline` says when `advance` wants to be called.

What matches nothing goes up as it is: an ACK for a 2xx, whose branch is its own, with no
transaction; a response nobody waits for likewise (RFC 6026 section 8.9 has a proxy drop it).
"""

from collections.abc import Mapping
from heapq import heappop
from typing import Final

from sipproxy.message.builder import make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Request, Response
from sipproxy.transaction.client_invite import ClientInvite
from sipproxy.transaction.client_noninvite import ClientNonInvite
from sipproxy.transaction.deadlines import FOREVER, Lane
from sipproxy.transaction.key import client_key, invite_key, server_key, stateless_tag
from sipproxy.transaction.machine import (
    ClientTransaction,
    ServerTransaction,
    Shared,
    Transaction,
)
from sipproxy.transaction.outputs import (
    AckReceived,
    Fired,
    Output,
    RequestReceived,
    ResponseReceived,
    Send,
)
from sipproxy.transaction.peer import Peer, reply_peer
from sipproxy.transaction.server_invite import ServerInvite
from sipproxy.transaction.server_noninvite import ServerNonInvite
from sipproxy.transaction.timers import Timers

#: A few minutes of 300 calls a second; about 200 MB at the worst.
MAX_TRANSACTIONS: Final = 200_000

#: Seconds a refused client is asked to stay away (section 21.5.4).
RETRY_AFTER: Final = b"5"


def _is_ours(response: Response, sent_by: bytes) -> bool:
    """Say whether the topmost Via names us as we did when we sent the request (18.1.2)."""
    line = response.lines[response.names.index(b"via")]
    return sent_by in line or sent_by.lower() in line.lower()


class TransactionLayer(Shared):
    """All transactions of one server."""

    __slots__ = ("max_transactions",)

    def __init__(self, timers: Timers, max_transactions: int = MAX_TRANSACTIONS) -> None:
        """An empty layer. At `max_transactions` new requests are refused with a 503."""
        Shared.__init__(self, timers)
        self.max_transactions: int = max_transactions

    def __len__(self) -> int:
        """How many transactions are not yet terminated."""
        return len(self.servers) + len(self.clients)

    # From the wire.

    def receive(self, message: Request | Response, peer: Peer, now: float) -> None:
        """Take a parsed message that came from `peer`.

        One whose topmost Via (in a response: or CSeq) cannot be read is counted and dropped: it
        has no transaction and nowhere to be answered to.
        """
        try:
            if isinstance(message, Request):
                self._receive_request(message, peer, now)
            else:
                self._receive_response(message, peer, now)
        except ParseError:
            self.counters.malformed += 1

    def _receive_request(self, request: Request, peer: Peer, now: float) -> None:
        key = server_key(request)
        transaction = self.servers.get(key)
        if request.method == "ACK":
            self._receive_ack(request, peer, key, transaction, now)
            return
        if transaction is not None:
            transaction.retransmitted(self, now)
            return
        request.stamp_source(peer.host, peer.port)
        reply_to = reply_peer(request.top_via, peer)
        if len(self.servers) + len(self.clients) >= self.max_transactions and not (
            request.method == "CANCEL" and invite_key(request) in self.servers
        ):
            self._refuse(request, key, reply_to)
            return
        if request.method == "INVITE":
            transaction = ServerInvite(self, key, request, peer, reply_to, now)
        else:
            transaction = ServerNonInvite(self, key, request, peer, reply_to, now)
        self.servers[key] = transaction
        self.counters.requests += 1
        self.outputs.append(RequestReceived(transaction, request))

    def _receive_ack(
        self,
        request: Request,
        peer: Peer,
        key: bytes,
        transaction: ServerTransaction | None,
        now: float,
    ) -> None:
        if transaction is None:
            if self.counters.refused and request.to_tag == stateless_tag(key):
                self.counters.absorbed += 1
                return
            transaction = self.acks.get(key)
        request.stamp_source(peer.host, peer.port)
        if transaction is not None:
            transaction.acknowledged(self, request, peer, now)
        else:
            self.counters.stray_acks += 1
            self.outputs.append(AckReceived(request, peer, None))

    def _receive_response(self, response: Response, peer: Peer, now: float) -> None:
        key = client_key(response)
        transaction = None if key is None else self.clients.get(key)
        if transaction is not None and _is_ours(response, transaction.peer.sent_by):
            transaction.receive(self, response, peer, now)
        else:
            self.counters.stray_responses += 1
            self.outputs.append(ResponseReceived(None, response, peer))

    def _refuse(self, request: Request, key: bytes, reply_to: Peer) -> None:
        """Answer 503 and remember nothing, not even the answer."""
        self.counters.refused += 1
        response = make_response(
            request, 503, to_tag=stateless_tag(key), headers=((b"retry-after", RETRY_AFTER),)
        )
        self.outputs.append(Send(response.to_bytes(), reply_to, None))

    # From the transaction user.

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Pass a response to its server transaction. One its state forbids is only counted."""
        transaction.respond(self, response, now)

    def abandon(self, transaction: ServerTransaction) -> None:
        """End a server transaction without a response (RFC 4320 section 4.2: no late 408)."""
        if self.servers.get(transaction.key) is transaction:
            transaction.end(self)

    def trying(self, transaction: ServerTransaction, now: float) -> None:
        """Send 100 Trying for an INVITE now, instead of after 200 ms of silence."""
        if isinstance(transaction, ServerInvite):
            transaction.trying(self)

    def request(self, request: Request, peer: Peer, user: object, now: float) -> ClientTransaction:
        """Send a request, never an ACK, to `peer` in a new client transaction.

        Its topmost Via must be ours, with a new branch. Raises ValueError when it is not new.
        """
        key = client_key(request)
        if key is None or key in self.clients or request.method == "ACK":
            raise ValueError(f"no client transaction can begin with this branch: {key!r}")
        transaction: ClientTransaction
        if request.method == "INVITE":
            transaction = ClientInvite(self, key, request, peer, user, now)
        else:
            transaction = ClientNonInvite(self, key, request, peer, user, now)
        self.clients[key] = transaction
        return transaction

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """Cancel an INVITE we sent (section 9.1). After its final response nothing happens."""
        if isinstance(transaction, ClientInvite):
            transaction.cancel(self, now)

    def matching_invite(self, cancel_request: Request) -> ServerInvite | None:
        """The INVITE transaction a CANCEL is about (section 9.2), in whatever state."""
        transaction = self.servers.get(invite_key(cancel_request))
        return transaction if isinstance(transaction, ServerInvite) else None

    def transport_failed(self, transaction: Transaction, reason: str, now: float) -> None:
        """What was sent for `transaction` could not be delivered (sections 17.1.4, 17.2.4)."""
        transaction.transport_failed(self, reason, now)

    # Time.

    def schedule(self, when: float, token: object) -> int:
        """Have `Fired(token)` at `when`; the number by which to take that back."""
        if when < self.wake:
            self.wake = when
        return self.alarms.add(when, token)

    def unschedule(self, entry: int) -> None:
        """Take a scheduled time back; nothing when it has fired already."""
        self.alarms.drop(entry)

    def take_outputs(self) -> list[Output]:
        """What is to be done, in order. The list is the caller's."""
        outputs = self.outputs
        self.outputs = []
        return outputs

    def next_deadline(self) -> float | None:
        """When `advance` is wanted, or None. May be early, then `advance` does nothing."""
        return None if self.wake == FOREVER else self.wake

    def advance(self, now: float) -> None:
        """Let every timer fire that is due at `now`."""
        for lane in self.lanes:
            if lane.times and lane.times[0] <= now:
                self._advance_lane(lane, now)
        if self.server_retries:
            self._advance_retries(self.server_retries, self.servers, now)
        if self.client_retries:
            self._advance_retries(self.client_retries, self.clients, now)
        for token in self.alarms.due(now):
            self.outputs.append(Fired(token))
        self.wake = self._first()

    def _advance_lane(self, lane: Lane, now: float) -> None:
        times, keys, table, retry = lane.times, lane.keys, lane.table, lane.retry
        while times and times[0] <= now:
            when = times.popleft()
            transaction = table.get(keys.popleft())
            if transaction is None:
                continue
            if retry:
                if transaction.retry_at == when:
                    transaction.retry_due(self, now)
            elif transaction.ends_at == when:
                transaction.end_due(self, now)

    def _advance_retries(
        self,
        heap: list[tuple[float, bytes]],
        table: Mapping[bytes, Transaction],
        now: float,
    ) -> None:
        while heap and heap[0][0] <= now:
            when, key = heappop(heap)
            transaction = table.get(key)
            if transaction is not None and transaction.retry_at == when:
                transaction.retry_due(self, now)

    def _first(self) -> float:
        """The earliest deadline. Looked for once after each `advance`, not each turn."""
        first = self.alarms.first()
        for lane in self.lanes:
            if lane.times:
                first = min(first, lane.first())
        for heap in (self.server_retries, self.client_retries):
            if heap:
                first = min(first, heap[0][0])
        return first
