"""The two ends of a socket, as types: whom it tells, and what it is asked.

Sockets know no driver and the driver knows no sockets; each side sees only this much of the other.
"""

from typing import Protocol

from sipproxy.message.errors import ParseError
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Peer


class Inbox(Protocol):
    """What a socket tells: the driver.  Each wake-up ends with one `end_of_turn`."""

    @property
    def now(self) -> float:
        """Give the time of this turn, in seconds."""

    def received(self, data: bytes, peer: Peer) -> None:
        """Take the bytes of one message."""

    def refuse(self, error: ParseError, peer: Peer) -> None:
        """Answer, where one can be answered, what could not be understood."""

    def unreachable(self, peer: Peer, reason: str, quoted: bytes = b"") -> None:
        """Hear that nothing reaches a peer; ``quoted`` is what an ICMP error repeated of ours."""

    def transport_failed(self, transaction: Transaction | None, reason: str) -> None:
        """Hear that what was sent for this one transaction was not delivered."""

    def end_of_turn(self) -> None:
        """Send what has gathered."""


class Outlet(Protocol):
    """What takes messages for one listener: a UDP port, or the stream connections."""

    def send(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        """Send now or soon.  Never raises: a failure is told to the `Inbox`."""
