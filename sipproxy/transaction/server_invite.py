"""The INVITE server transaction: RFC 3261 section 17.2.1, figure 7, as RFC 6026 mends it.

Proceeding until a final response. A 2xx leads to Accepted, where retransmitted INVITEs are
absorbed in silence (whoever answered 2xx repeats it himself) and every further 2xx of the user is
sent; any other final response leads to Completed, where it is repeated until the ACK comes.
"""

from typing import Final

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.transaction.deadlines import NEVER
from sipproxy.transaction.key import OLD_KEY, old_ack_key
from sipproxy.transaction.machine import (
    ACCEPTED,
    COMPLETED,
    CONFIRMED,
    PROCEEDING,
    TERMINATED,
    ServerTransaction,
    Shared,
)
from sipproxy.transaction.outputs import AckReceived, Failed, Send
from sipproxy.transaction.peer import Peer

TRYING_STATUS: Final = 100


class ServerInvite(ServerTransaction):
    """One INVITE received. `ack_key` is b"" but for an INVITE without the branch cookie."""

    __slots__ = ("ack_key",)

    def __init__(
        self, shared: Shared, key: bytes, request: Request, peer: Peer, reply_to: Peer, now: float
    ) -> None:
        self.key: bytes = key
        self.state = PROCEEDING
        self.peer: Peer = peer
        self.reply_to: Peer = reply_to
        self.user: object = None
        self.method: str = request.method
        self._request: Request | None = request
        self.status: int = 0
        self.last_response: bytes = b""
        self.ack_key: bytes = b""
        self.interval: float = 0.0
        self.ends_at: float = NEVER
        self.retry_at: float = shared.start(shared.lane_trying, key, now)

    def trying(self, shared: Shared) -> None:
        """Send 100 Trying, unless any response was sent."""
        if self.state is not PROCEEDING or self.status:
            return
        self._provisional(shared, make_response(self.request, TRYING_STATUS))

    def retransmitted(self, shared: Shared, now: float) -> None:
        """Proceeding and Completed answer once more what they last answered."""
        shared.counters.absorbed += 1
        if self.last_response:
            shared.counters.resent += 1
            shared.outputs.append(Send(self.last_response, self.reply_to, self))

    def acknowledged(self, shared: Shared, ack: Request, peer: Peer, now: float) -> None:
        """Completed is over; an ACK in Accepted belongs to the user."""
        state = self.state
        if state is COMPLETED:
            shared.counters.absorbed += 1
            self.state = CONFIRMED
            self.retry_at = NEVER
            self.last_response = b""
            if self.reply_to.reliable:
                self.end(shared)
            else:
                self.ends_at = shared.start(shared.lane_i, self.key, now)
        elif state is CONFIRMED:
            shared.counters.absorbed += 1
        elif state is ACCEPTED:
            shared.outputs.append(AckReceived(ack, peer, self))
        else:
            shared.counters.dropped += 1

    def respond(self, shared: Shared, response: Response, now: float) -> None:
        """Send what the state allows; count the rest as dropped."""
        status = response.status
        if self.state is PROCEEDING:
            if status < 200:
                self._provisional(shared, response)
            elif status < 300:
                self._accept(shared, response, now)
            else:
                self._complete(shared, response, now)
        elif self.state is ACCEPTED and 200 <= status < 300:
            shared.outputs.append(Send(response.to_bytes(), self.reply_to, self))
        else:
            shared.counters.dropped += 1

    def retry_due(self, shared: Shared, now: float) -> None:
        """Timer G in Completed; in Proceeding 200 ms have passed without a word of the user."""
        if self.state is PROCEEDING:
            self.trying(shared)
            return
        shared.counters.resent += 1
        shared.outputs.append(Send(self.last_response, self.reply_to, self))
        self.interval = min(2 * self.interval, shared.timers.t2)
        self.retry_at = shared.retry(shared.server_retries, self.key, now + self.interval)

    def end_due(self, shared: Shared, now: float) -> None:
        """Timer H: the ACK never came. Timers I and L: nothing is left to absorb."""
        if self.state is COMPLETED:
            self.time_out(shared)
        else:
            self.end(shared)

    def transport_failed(self, shared: Shared, reason: str, now: float) -> None:
        """RFC 6026 section 8.8: the user is told and the state stays.

        Were the machine to end, the next retransmission would look like a new INVITE.
        """
        if self.state is CONFIRMED or self.state is TERMINATED:
            return
        shared.counters.failed += 1
        shared.outputs.append(Failed(self, reason))

    def end(self, shared: Shared) -> None:
        """Enter Terminated; the second key of a cookie-less INVITE goes too."""
        if self.ack_key and shared.acks.get(self.ack_key) is self:
            del shared.acks[self.ack_key]
        ServerTransaction.end(self, shared)

    def _provisional(self, shared: Shared, response: Response) -> None:
        self.status = response.status
        self.retry_at = NEVER
        self.last_response = data = response.to_bytes()
        shared.outputs.append(Send(data, self.reply_to, self))

    def _accept(self, shared: Shared, response: Response, now: float) -> None:
        self._remember_tag(shared, response)
        self.state = ACCEPTED
        self.status = response.status
        self.retry_at = NEVER
        self.last_response = b""
        self._request = None
        shared.outputs.append(Send(response.to_bytes(), self.reply_to, self))
        self.ends_at = shared.start(shared.lane_l, self.key, now)

    def _complete(self, shared: Shared, response: Response, now: float) -> None:
        self._remember_tag(shared, response)
        self.state = COMPLETED
        self.status = response.status
        self.retry_at = NEVER
        self._request = None
        self.last_response = data = response.to_bytes()
        shared.outputs.append(Send(data, self.reply_to, self))
        if not self.reply_to.reliable:
            self.interval = shared.timers.t1
            self.retry_at = shared.start(shared.lane_g, self.key, now)
        self.ends_at = shared.start(shared.lane_h, self.key, now)

    def _remember_tag(self, shared: Shared, response: Response) -> None:
        """Without the cookie the ACK is known by the To tag it answers (section 17.2.3)."""
        if self.key.startswith(OLD_KEY):
            self.ack_key = old_ack_key(self.request, response.to_tag or b"")
            shared.acks.setdefault(self.ack_key, self)
