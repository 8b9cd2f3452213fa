"""The non-INVITE server transaction: RFC 3261 section 17.2.2, figure 8.

Trying until the user says something, Proceeding until it says something final, Completed while
retransmissions of the request may still come. What a proxy must not answer (RFC 4320: no
provisional but a late 100, no 408) is for the core to keep: this machine sends what it is given.
"""

from sipproxy.message.message import Request, Response
from sipproxy.transaction.deadlines import NEVER
from sipproxy.transaction.machine import (
    COMPLETED,
    PROCEEDING,
    TERMINATED,
    TRYING,
    ServerTransaction,
    Shared,
)
from sipproxy.transaction.outputs import Failed, Send
from sipproxy.transaction.peer import Peer


class ServerNonInvite(ServerTransaction):
    """One request received that is neither INVITE nor ACK."""

    __slots__ = ()

    def __init__(
        self, shared: Shared, key: bytes, request: Request, peer: Peer, reply_to: Peer, now: float
    ) -> None:
        self.key: bytes = key
        self.state = TRYING
        self.peer: Peer = peer
        self.reply_to: Peer = reply_to
        self.user: object = None
        self.method: str = request.method
        self._request: Request | None = request
        self.status: int = 0
        self.last_response: bytes = b""
        self.interval: float = 0.0
        self.ends_at: float = NEVER
        self.retry_at: float = NEVER

    def retransmitted(self, shared: Shared, now: float) -> None:
        """Trying is silent; the other states answer what they last answered."""
        shared.counters.absorbed += 1
        if self.last_response:
            shared.counters.resent += 1
            shared.outputs.append(Send(self.last_response, self.reply_to, self))

    def acknowledged(self, shared: Shared, ack: Request, peer: Peer, now: float) -> None:
        """Never so: the key of an ACK names an INVITE."""
        shared.counters.dropped += 1

    def respond(self, shared: Shared, response: Response, now: float) -> None:
        """Send a response; after a final one any other is dropped."""
        state = self.state
        if state is not TRYING and state is not PROCEEDING:
            shared.counters.dropped += 1
            return
        self.status = status = response.status
        self.last_response = data = response.to_bytes()
        shared.outputs.append(Send(data, self.reply_to, self))
        if status < 200:
            self.state = PROCEEDING
            return
        self.state = COMPLETED
        self._request = None
        if self.reply_to.reliable:
            self.end(shared)
        else:
            self.ends_at = shared.start(shared.lane_j, self.key, now)

    def retry_due(self, shared: Shared, now: float) -> None:
        """Never so: the client alone retransmits here."""
        self.retry_at = NEVER

    def end_due(self, shared: Shared, now: float) -> None:
        """Timer J."""
        self.end(shared)

    def transport_failed(self, shared: Shared, reason: str, now: float) -> None:
        """RFC 6026 section 8.8: the user is told and the state stays."""
        if self.state is TERMINATED:
            return
        shared.counters.failed += 1
        shared.outputs.append(Failed(self, reason))
