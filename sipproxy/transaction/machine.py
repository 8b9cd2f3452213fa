"""What the four machines have in common, and what the machines of one layer share.

A machine holds no reference to its layer, to the tables or to a timer: every call brings the
`Shared` object along. So a terminated machine is freed the moment its last user lets go, and
an idle one is a few slots and one key.
"""

from enum import Enum
from heapq import heappush
from typing import Final

from sipproxy.message.message import Request, Response
from sipproxy.transaction.deadlines import FOREVER, Alarms, Lane
from sipproxy.transaction.outputs import Output, Terminated, TimedOut
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers

#: How late a machine that only lingers may be forgotten, in seconds.
LINGER_SLACK: Final = 0.1


class State(Enum):
    """The states of figures 5 to 8 of RFC 3261 and of RFC 6026."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    ACCEPTED = "Accepted"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


# Bound once: reading a member of an Enum class costs several times a global.
CALLING: Final = State.CALLING
TRYING: Final = State.TRYING
PROCEEDING: Final = State.PROCEEDING
ACCEPTED: Final = State.ACCEPTED
COMPLETED: Final = State.COMPLETED
CONFIRMED: Final = State.CONFIRMED
TERMINATED: Final = State.TERMINATED


class Counters:
    """What happened, in numbers since the start."""

    __slots__ = (
        "requests", "absorbed", "resent", "timed_out", "failed", "stray_responses", "stray_acks",
        "dropped", "malformed", "refused",
    )  # fmt: skip

    def __init__(self) -> None:
        #: New requests for which a server machine was made.
        self.requests: int = 0
        #: Retransmissions and ACKs that a machine took and kept to itself.
        self.absorbed: int = 0
        #: Messages a timer or a retransmission made us send once more.
        self.resent: int = 0
        #: Timers B, F and H that fired, and cancelled INVITEs that stayed without an answer.
        self.timed_out: int = 0
        #: Transport failures a machine was told of.
        self.failed: int = 0
        #: Responses that matched no client transaction.
        self.stray_responses: int = 0
        #: ACKs that matched no server transaction: an ACK for a 2xx is one.
        self.stray_acks: int = 0
        #: What came in an order no figure knows, from the wire or from the user.
        self.dropped: int = 0
        #: Messages without a usable topmost Via.
        self.malformed: int = 0
        #: Requests answered 503 since there were too many transactions.
        self.refused: int = 0


class Shared:
    """What every machine of a layer is handed: outputs, tables, counters and deadlines.

    `wake` is never later than the earliest deadline (plus slack) that counts.
    """

    __slots__ = (
        "timers", "outputs", "servers", "acks", "clients", "counters", "wake", "alarms",
        "lane_trying", "lane_g", "lane_h", "lane_i", "lane_j", "lane_l",
        "lane_ae", "lane_bf", "lane_d", "lane_k", "lane_m",
        "server_retries", "client_retries", "lanes",
    )  # fmt: skip

    def __init__(self, timers: Timers) -> None:
        self.timers: Timers = timers
        self.outputs: list[Output] = []
        self.servers: dict[bytes, ServerTransaction] = {}
        #: The INVITEs without branch cookie that were answered, by the key of their ACK.
        self.acks: dict[bytes, ServerTransaction] = {}
        self.clients: dict[bytes, ClientTransaction] = {}
        self.counters: Counters = Counters()
        self.wake: float = FOREVER
        self.alarms: Alarms = Alarms()
        servers, clients = self.servers, self.clients
        self.lane_trying: Lane = Lane(timers.timer_trying, servers, retry=True)
        self.lane_g: Lane = Lane(timers.t1, servers, retry=True)
        self.lane_h: Lane = Lane(timers.timer_h, servers)
        self.lane_i: Lane = Lane(timers.timer_i, servers, slack=LINGER_SLACK)
        self.lane_j: Lane = Lane(timers.timer_j, servers, slack=LINGER_SLACK)
        self.lane_l: Lane = Lane(timers.timer_l, servers, slack=LINGER_SLACK)
        self.lane_ae: Lane = Lane(timers.t1, clients, retry=True)
        self.lane_bf: Lane = Lane(timers.timer_b, clients)
        self.lane_d: Lane = Lane(timers.timer_d, clients, slack=LINGER_SLACK)
        self.lane_k: Lane = Lane(timers.timer_k, clients, slack=LINGER_SLACK)
        self.lane_m: Lane = Lane(timers.timer_m, clients, slack=LINGER_SLACK)
        # The second and later intervals of A, E and G.
        self.server_retries: list[tuple[float, bytes]] = []
        self.client_retries: list[tuple[float, bytes]] = []
        # What ends a machine comes first: it makes its retransmission void.
        self.lanes: tuple[Lane, ...] = (
            self.lane_h, self.lane_i, self.lane_j, self.lane_l, self.lane_bf, self.lane_d,
            self.lane_k, self.lane_m, self.lane_trying, self.lane_g, self.lane_ae,
        )  # fmt: skip

    def start(self, lane: Lane, key: bytes, now: float) -> float:
        """Set a timer of fixed length; the deadline the machine must remember as its own."""
        when = now + lane.duration
        lane.times.append(when)
        lane.keys.append(key)
        if when + lane.slack < self.wake:
            self.wake = when + lane.slack
        return when

    def retry(self, heap: list[tuple[float, bytes]], key: bytes, when: float) -> float:
        """Set a retransmission whose interval has grown; the deadline, as above.

        Only `retry_due` does this, so `advance` looks for the earliest deadline afterwards.
        """
        heappush(heap, (when, key))
        return when


class Transaction:
    """One machine of section 17.

    `user` is the transaction user's slot: it may hold anything. The layer never looks at it, and
    a user that refers back to the transaction breaks the circle itself, when told `Terminated`.
    """

    __slots__ = (
        "key", "state", "peer", "user", "method", "_request", "retry_at", "ends_at", "interval",
    )  # fmt: skip

    key: bytes
    state: State
    peer: Peer
    user: object
    method: str
    _request: Request | None
    retry_at: float
    ends_at: float
    interval: float

    @property
    def request(self) -> Request:
        """The request of this transaction, until its final response.

        A lingering machine has let go of it, so that 32 seconds of calls do not hold 32 seconds
        of bodies: LookupError from then on. Who needs it longer keeps it.
        """
        request = self._request
        if request is None:
            raise LookupError("the transaction has had its final response; its request is gone")
        return request

    def retry_due(self, shared: Shared, now: float) -> None:
        """`retry_at` has come: timer A, E, G, or the 200 ms before 100 Trying."""
        raise NotImplementedError

    def end_due(self, shared: Shared, now: float) -> None:
        """`ends_at` has come: any of the other timers."""
        raise NotImplementedError

    def transport_failed(self, shared: Shared, reason: str, now: float) -> None:
        """What this machine sent could not be delivered."""
        raise NotImplementedError


class ServerTransaction(Transaction):
    """Answers one request. `status` is that of the last response passed down, 0 before any.

    `last_response` holds its bytes as long as they may have to be sent again.
    """

    __slots__ = ("reply_to", "status", "last_response")

    reply_to: Peer
    status: int
    last_response: bytes

    def retransmitted(self, shared: Shared, now: float) -> None:
        """The request was received once more."""
        raise NotImplementedError

    def acknowledged(self, shared: Shared, ack: Request, peer: Peer, now: float) -> None:
        """An ACK matched."""
        raise NotImplementedError

    def respond(self, shared: Shared, response: Response, now: float) -> None:
        """The user passed a response down."""
        raise NotImplementedError

    def end(self, shared: Shared) -> None:
        """Enter Terminated."""
        self.state = TERMINATED
        self._request = None
        self.last_response = b""
        del shared.servers[self.key]
        shared.outputs.append(Terminated(self))

    def time_out(self, shared: Shared) -> None:
        """Tell the user that time is up, and end."""
        shared.counters.timed_out += 1
        shared.outputs.append(TimedOut(self))
        self.end(shared)


class ClientTransaction(Transaction):
    """Carries one request to its final response.

    `data` is what a retransmission sends: the request, later the ACK. `silent` marks the CANCEL
    transactions the layer itself started: the user hears nothing of them.
    """

    __slots__ = ("data", "silent")

    data: bytes
    silent: bool

    def receive(self, shared: Shared, response: Response, peer: Peer, now: float) -> None:
        """A response matched."""
        raise NotImplementedError

    def end(self, shared: Shared) -> None:
        """Enter Terminated."""
        self.state = TERMINATED
        self._request = None
        self.data = b""
        del shared.clients[self.key]
        if not self.silent:
            shared.outputs.append(Terminated(self))

    def time_out(self, shared: Shared) -> None:
        """Tell the user that time is up, and end."""
        shared.counters.timed_out += 1
        if not self.silent:
            shared.outputs.append(TimedOut(self))
        self.end(shared)
