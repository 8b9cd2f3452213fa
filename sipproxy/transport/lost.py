"""Addresses and connections found unreachable, until the transactions that wait on them are told.

Nothing is kept per transaction for this: only when an error happens are the live client
transactions looked through, once for all errors of a turn, and not more often than the number of
them allows (`pause`).

An ICMP error is easily forged.  So it must quote the beginning of something that is really waiting
for an answer from that address; only where a router quoted too little to tell is it believed as it
is (RFC 792 promises no more than 8 octets, which is the UDP header).
"""

from collections.abc import Iterable
from typing import Final

from sipproxy.transaction.machine import CALLING, PROCEEDING, TRYING, ClientTransaction
from sipproxy.transaction.peer import Peer

#: Addresses kept for one look; more are forgotten, and their transactions time out.
MAX_LOST: Final = 1000
MAX_QUOTES: Final = 16

#: A shorter quotation than this identifies no message.
ENOUGH: Final = 40

#: Seconds from one look to the next: at least this, and this much more for each transaction.
PAUSE: Final = 0.02
PAUSE_EACH: Final = 1e-6

#: What nobody waits for an answer to: phones that went away cost no look.
_UNAWAITED: Final = (b"SIP/2.0 ", b"ACK ")

Key = int | tuple[str, str, int]


class LostPeers:
    """What was reported unreachable in this turn, and why."""

    __slots__ = ("_hosts", "_quotes", "_reasons", "next_look")

    def __init__(self) -> None:
        self._reasons: dict[Key, str] = {}
        #: What ICMP errors quoted; no entry for an address whose report needs no proof.
        self._quotes: dict[Key, list[bytes]] = {}
        #: The hosts of them all: comparing these first makes a look several times as fast.
        self._hosts: set[str] = set()
        #: When they may be looked through again.
        self.next_look = 0.0

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, peer: Peer, reason: str, quoted: bytes) -> None:
        """Note a peer; ``quoted`` as far as an ICMP error had it, empty when there is no doubt."""
        if len(self._reasons) >= MAX_LOST or quoted.startswith(_UNAWAITED):
            return
        key: Key = (peer.transport, peer.host, peer.port)
        if len(quoted) >= ENOUGH:
            if key not in self._reasons or key in self._quotes:
                quotes = self._quotes.setdefault(key, [])
                if len(quotes) < MAX_QUOTES:
                    quotes.append(quoted)
        else:
            self._quotes.pop(key, None)
        self._reasons[key] = reason
        self._hosts.add(peer.host)
        if peer.connection:
            self._reasons[peer.connection] = reason

    def look(
        self, clients: Iterable[ClientTransaction], now: float
    ) -> list[tuple[ClientTransaction, str]]:
        """Take the transactions that wait in vain, with the reason; forgets what was noted."""
        reasons, quotes = self._reasons, self._quotes
        self._reasons, self._quotes = {}, {}
        hosts, self._hosts = self._hosts, set()
        found: list[tuple[ClientTransaction, str]] = []
        proven: set[Key] = set()
        looked = 0
        for transaction in clients:
            looked += 1
            peer = transaction.peer
            if peer.host not in hosts:
                continue
            key: Key = peer.connection or (peer.transport, peer.host, peer.port)
            if key in reasons and transaction.state in (CALLING, TRYING, PROCEEDING):
                found.append((transaction, reasons[key]))
                if key in quotes and key not in proven and _quoted(transaction, quotes[key]):
                    proven.add(key)
        self.next_look = now + PAUSE + PAUSE_EACH * looked
        if not quotes:
            return found
        return [item for item in found if _believed(item[0], quotes, proven)]


def _quoted(transaction: ClientTransaction, quotes: list[bytes]) -> bool:
    return transaction.data.startswith(tuple(quotes))


def _believed(
    transaction: ClientTransaction, quotes: dict[Key, list[bytes]], proven: set[Key]
) -> bool:
    peer = transaction.peer
    key: Key = peer.connection or (peer.transport, peer.host, peer.port)
    return key not in quotes or key in proven
