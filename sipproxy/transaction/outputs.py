"""What a transaction layer has to say after it was told something.

The layer performs nothing: it appends these objects to a list, in the order in which they are
to be carried out, and the driver takes the list. `Send` goes to the transports, all others to
the transaction user.
"""

from typing import TYPE_CHECKING

from sipproxy.message.message import Request, Response
from sipproxy.transaction.peer import Peer

if TYPE_CHECKING:
    from sipproxy.transaction.machine import ClientTransaction, ServerTransaction, Transaction


class Send:
    """Bytes for the wire. Should sending fail, `transaction` (if any) is to be told."""

    __slots__ = ("data", "peer", "transaction")

    def __init__(self, data: bytes, peer: Peer, transaction: "Transaction | None") -> None:
        self.data: bytes = data
        self.peer: Peer = peer
        self.transaction: Transaction | None = transaction


class RequestReceived:
    """A new request (never an ACK), already stamped with its source, and its server machine."""

    __slots__ = ("transaction", "request")

    def __init__(self, transaction: "ServerTransaction", request: Request) -> None:
        self.transaction: ServerTransaction = transaction
        self.request: Request = request


class AckReceived:
    """An ACK for a 2xx: with the INVITE transaction it matched in Accepted, else with None."""

    __slots__ = ("request", "peer", "transaction")

    def __init__(
        self, request: Request, peer: Peer, transaction: "ServerTransaction | None"
    ) -> None:
        self.request: Request = request
        self.peer: Peer = peer
        self.transaction: ServerTransaction | None = transaction


class ResponseReceived:
    """A response for the user; `transaction` is None for one that matched nothing."""

    __slots__ = ("transaction", "response", "peer")

    def __init__(
        self, transaction: "ClientTransaction | None", response: Response, peer: Peer
    ) -> None:
        self.transaction: ClientTransaction | None = transaction
        self.response: Response = response
        self.peer: Peer = peer


class TimedOut:
    """Timer B, F or H fired, or a cancelled INVITE got no final response within 64*T1.

    `Terminated` for the same transaction follows.
    """

    __slots__ = ("transaction",)

    def __init__(self, transaction: "Transaction") -> None:
        self.transaction: Transaction = transaction


class Failed:
    """The transport could not deliver. A client transaction's `Terminated` follows at once; a
    server transaction stays in its state (RFC 6026 section 8.8)."""

    __slots__ = ("transaction", "reason")

    def __init__(self, transaction: "Transaction", reason: str) -> None:
        self.transaction: Transaction = transaction
        self.reason: str = reason


class Terminated:
    """The machine left the tables. Said exactly once for each transaction the user knows."""

    __slots__ = ("transaction",)

    def __init__(self, transaction: "Transaction") -> None:
        self.transaction: Transaction = transaction


class Fired:
    """A time set with `TransactionLayer.schedule` has come."""

    __slots__ = ("token",)

    def __init__(self, token: object) -> None:
        self.token: object = token


Output = (
    Send | RequestReceived | AckReceived | ResponseReceived | TimedOut | Failed | Terminated | Fired
)
