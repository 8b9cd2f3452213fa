"""The non-INVITE client transaction: RFC 3261 section 17.1.2, figure 6.

Trying, then Proceeding after a provisional response, then Completed. Over an unreliable
transport the request is repeated all the way to the final response: after T1, then at doubling
intervals up to T2, in Proceeding every T2. No 408 is ever made here (RFC 4320): the user is told.
"""

from typing import Final

from sipproxy.message.message import Request, Response
from sipproxy.transaction.deadlines import NEVER
from sipproxy.transaction.machine import COMPLETED, PROCEEDING, TRYING, ClientTransaction, Shared
from sipproxy.transaction.outputs import Failed, ResponseReceived, Send
from sipproxy.transaction.peer import Peer

FINAL: Final = 200


class ClientNonInvite(ClientTransaction):
    """One request sent that is neither INVITE nor ACK."""

    __slots__ = ()

    def __init__(
        self,
        shared: Shared,
        key: bytes,
        request: Request,
        peer: Peer,
        user: object,
        now: float,
        silent: bool = False,
    ) -> None:
        self.key: bytes = key
        self.state = TRYING
        self.peer: Peer = peer
        self.user: object = user
        self.method: str = request.method
        self._request: Request | None = request
        self.silent: bool = silent
        self.data: bytes = request.to_bytes()
        self.interval: float = shared.timers.t1
        self.ends_at: float = shared.start(shared.lane_bf, key, now)
        self.retry_at: float = NEVER
        if not peer.reliable:
            self.retry_at = shared.start(shared.lane_ae, key, now)
        shared.outputs.append(Send(self.data, peer, self))

    def receive(self, shared: Shared, response: Response, peer: Peer, now: float) -> None:
        """Pass a response up; after the final one absorb what comes again."""
        if self.state is COMPLETED:
            shared.counters.absorbed += 1
            return
        if not self.silent:
            shared.outputs.append(ResponseReceived(self, response, peer))
        if response.status < FINAL:
            self.state = PROCEEDING
            return
        self.state = COMPLETED
        self.retry_at = NEVER
        self._request = None
        self.data = b""
        if self.peer.reliable:
            self.end(shared)
        else:
            self.ends_at = shared.start(shared.lane_k, self.key, now)

    def retry_due(self, shared: Shared, now: float) -> None:
        """Timer E."""
        shared.counters.resent += 1
        shared.outputs.append(Send(self.data, self.peer, self))
        t2 = shared.timers.t2
        self.interval = t2 if self.state is PROCEEDING else min(2 * self.interval, t2)
        self.retry_at = shared.retry(shared.client_retries, self.key, now + self.interval)

    def end_due(self, shared: Shared, now: float) -> None:
        """Timer F before the final response, timer K after it."""
        if self.state is COMPLETED:
            self.end(shared)
        else:
            self.time_out(shared)

    def transport_failed(self, shared: Shared, reason: str, now: float) -> None:
        """Section 17.1.4: over, unless the final response is already here."""
        if self.state is not TRYING and self.state is not PROCEEDING:
            return
        shared.counters.failed += 1
        if not self.silent:
            shared.outputs.append(Failed(self, reason))
        self.end(shared)
