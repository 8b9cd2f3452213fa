"""The INVITE client transaction: RFC 3261 section 17.1.1, figure 5, as RFC 6026 mends it.

Calling, Proceeding after a provisional response, then Accepted after a 2xx (further 2xx are
passed up: a fork downstream may give several) or Completed after any other final response, which
is acknowledged here, each time it comes.

Cancelling (section 9.1) waits for a provisional response, then sends CANCEL as a client
transaction of its own which the user does not see, and gives the INVITE 64*T1 to end.
"""

from sipproxy.message.builder import make_ack, make_cancel
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Request, Response
from sipproxy.transaction.client_noninvite import ClientNonInvite
from sipproxy.transaction.deadlines import NEVER
from sipproxy.transaction.key import client_key
from sipproxy.transaction.machine import (
    ACCEPTED,
    CALLING,
    COMPLETED,
    PROCEEDING,
    ClientTransaction,
    Shared,
)
from sipproxy.transaction.outputs import Failed, ResponseReceived, Send
from sipproxy.transaction.peer import Peer


class ClientInvite(ClientTransaction):
    """One INVITE sent. `cancelling` is set from the moment the user gave up on it."""

    __slots__ = ("cancelling",)

    def __init__(
        self, shared: Shared, key: bytes, request: Request, peer: Peer, user: object, now: float
    ) -> None:
        self.key: bytes = key
        self.state = CALLING
        self.peer: Peer = peer
        self.user: object = user
        self.method: str = request.method
        self._request: Request | None = request
        self.silent: bool = False
        self.cancelling: bool = False
        self.data: bytes = request.to_bytes()
        self.interval: float = shared.timers.t1
        self.ends_at: float = shared.start(shared.lane_bf, key, now)
        self.retry_at: float = NEVER
        if not peer.reliable:
            self.retry_at = shared.start(shared.lane_ae, key, now)
        shared.outputs.append(Send(self.data, peer, self))

    def receive(self, shared: Shared, response: Response, peer: Peer, now: float) -> None:
        """Pass a response up where the figure says so."""
        state = self.state
        status = response.status
        if state is CALLING or state is PROCEEDING:
            if status < 200:
                self._proceed(shared, response, peer, now)
            elif status < 300:
                self._accept(shared, response, peer, now)
            else:
                self._complete(shared, response, peer, now)
        elif state is ACCEPTED and 200 <= status < 300:
            shared.outputs.append(ResponseReceived(self, response, peer))
        elif state is COMPLETED and status >= 300:
            shared.counters.absorbed += 1
            shared.counters.resent += 1
            shared.outputs.append(Send(self.data, self.peer, self))
        else:
            shared.counters.dropped += 1

    def cancel(self, shared: Shared, now: float) -> None:
        """Give the call up: at once when it proceeds, else with the first provisional."""
        if self.cancelling:
            return
        if self.state is PROCEEDING:
            self._send_cancel(shared, now)
        self.cancelling = True

    def retry_due(self, shared: Shared, now: float) -> None:
        """Timer A."""
        shared.counters.resent += 1
        shared.outputs.append(Send(self.data, self.peer, self))
        self.interval *= 2
        self.retry_at = shared.retry(shared.client_retries, self.key, now + self.interval)

    def end_due(self, shared: Shared, now: float) -> None:
        """Timer B, or the 64*T1 after a CANCEL; in the last two states timers D and M."""
        if self.state is CALLING or self.state is PROCEEDING:
            self.time_out(shared)
        else:
            self.end(shared)

    def transport_failed(self, shared: Shared, reason: str, now: float) -> None:
        """Section 17.1.4. In Proceeding and Accepted nothing of this machine is under way."""
        if self.state is not CALLING and self.state is not COMPLETED:
            return
        shared.counters.failed += 1
        shared.outputs.append(Failed(self, reason))
        self.end(shared)

    def _proceed(self, shared: Shared, response: Response, peer: Peer, now: float) -> None:
        shared.outputs.append(ResponseReceived(self, response, peer))
        if self.state is PROCEEDING:
            return
        # From here on the call may ring for as long as it likes: no timer, no bytes to repeat.
        self.state = PROCEEDING
        self.retry_at = self.ends_at = NEVER
        self.data = b""
        if self.cancelling:
            self._send_cancel(shared, now)

    def _accept(self, shared: Shared, response: Response, peer: Peer, now: float) -> None:
        self.state = ACCEPTED
        self.retry_at = NEVER
        self._request = None
        self.data = b""
        shared.outputs.append(ResponseReceived(self, response, peer))
        self.ends_at = shared.start(shared.lane_m, self.key, now)

    def _complete(self, shared: Shared, response: Response, peer: Peer, now: float) -> None:
        # First what may fail: a response no ACK can be made for must not change the state.
        if not response.has(b"to"):
            raise ParseError("a final response without To cannot be acknowledged")
        self.data = make_ack(self.request, response).to_bytes()
        self.state = COMPLETED
        self.retry_at = NEVER
        self._request = None
        shared.outputs.append(Send(self.data, self.peer, self))
        shared.outputs.append(ResponseReceived(self, response, peer))
        if self.peer.reliable:
            self.end(shared)
        else:
            self.ends_at = shared.start(shared.lane_d, self.key, now)

    def _send_cancel(self, shared: Shared, now: float) -> None:
        """The CANCEL shares our branch and goes where the INVITE went."""
        request = make_cancel(self.request)
        key = client_key(request)
        if key is not None and key not in shared.clients:
            shared.clients[key] = ClientNonInvite(
                shared, key, request, self.peer, None, now, silent=True
            )
        self.ends_at = shared.start(shared.lane_bf, self.key, now)
