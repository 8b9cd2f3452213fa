"""Who is told that an address is unreachable, and which ICMP errors are believed."""

from typing import Any

import pytest

from sipproxy.transaction.machine import (
    ACCEPTED,
    CALLING,
    COMPLETED,
    PROCEEDING,
    TRYING,
    State,
)
from sipproxy.transaction.peer import Peer
from sipproxy.transport import lost
from sipproxy.transport.lost import PAUSE, LostPeers
from tests.transport.fakes import INVITE, OPTIONS

BOB = Peer("udp", "192.0.2.2", 5062, 0)


class Waiting:
    """A client transaction, as far as one looks at it here."""

    def __init__(self, peer: Peer, state: State = CALLING, data: bytes = INVITE) -> None:
        self.peer = peer
        self.state = state
        self.data = data


def told(peers: LostPeers, *transactions: Waiting) -> list[Any]:
    """Give those that are told."""
    clients: Any = transactions
    return [transaction for transaction, _ in peers.look(clients, 100.0)]


class LookTests:
    """Which transactions an address concerns."""

    def test_those_at_that_address(self) -> None:
        """Transport, host and port must be the same; the listener need not be."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", b"")
        right = Waiting(Peer("udp", "192.0.2.2", 5062, 4))
        wrong = [
            Waiting(Peer("tcp", "192.0.2.2", 5062)),
            Waiting(Peer("udp", "192.0.2.3", 5062)),
            Waiting(Peer("udp", "192.0.2.2", 5060)),
        ]
        assert told(peers, *wrong, right) == [right]

    @pytest.mark.parametrize(
        ("state", "is_told"),
        [
            (CALLING, True),
            (TRYING, True),
            (PROCEEDING, True),
            (COMPLETED, False),
            (ACCEPTED, False),
        ],
    )
    def test_those_that_wait(self, state: State, is_told: bool) -> None:
        """One that has its final response has nothing to fear from a lost ACK."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", b"")
        assert bool(told(peers, Waiting(BOB, state))) is is_told

    def test_connection(self) -> None:
        """A lost connection concerns who was bound to it, and who took it for its address."""
        peers = LostPeers()
        peers.add(Peer("tcp", "192.0.2.2", 5062, 0, 7), "connection lost", b"")
        bound = Waiting(Peer("tcp", "192.0.2.2", 5062, 0, 7))
        free = Waiting(Peer("tcp", "192.0.2.2", 5062))
        other = Waiting(Peer("tcp", "192.0.2.2", 5062, 0, 8))
        assert told(peers, bound, free, other) == [bound, free]

    def test_reason(self) -> None:
        """The reason is passed on."""
        peers = LostPeers()
        peers.add(BOB, "host unreachable", b"")
        clients: Any = [Waiting(BOB)]
        assert [reason for _, reason in peers.look(clients, 0.0)] == ["host unreachable"]

    def test_told_once(self) -> None:
        """A look forgets what it acted on."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", b"")
        told(peers, Waiting(BOB))
        assert not peers
        assert told(peers, Waiting(BOB)) == []

    def test_pause(self) -> None:
        """Looks are apart, the more so the more there is to look through."""
        peers = LostPeers()
        told(peers)
        few = peers.next_look
        told(peers, *[Waiting(BOB)] * 10_000)
        assert few == 100.0 + PAUSE
        assert peers.next_look > few + 0.005

    def test_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Reports from everywhere do not fill the memory."""
        monkeypatch.setattr(lost, "MAX_LOST", 5)
        peers = LostPeers()
        for port in range(100):
            peers.add(Peer("udp", "192.0.2.2", port), "port unreachable", INVITE)
        assert len(peers) == 5


class BeliefTests:
    """An ICMP error can be forged by anybody; what it quotes cannot."""

    def test_quotes_what_was_sent(self) -> None:
        """One quotation of something that waits proves it for all at that address."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", INVITE[:100])
        one, two = Waiting(BOB, data=OPTIONS), Waiting(BOB)
        assert told(peers, one, two) == [one, two]

    def test_quotes_something_else(self) -> None:
        """A quotation of what was never sent proves a forgery."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", INVITE.replace(b"z9hG4bKfirst", b"z9hG4bKguess"))
        assert told(peers, Waiting(BOB)) == []

    def test_forgery_does_not_hide_the_truth(self) -> None:
        """A forged error beside a true one changes nothing."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", OPTIONS)
        peers.add(BOB, "port unreachable", INVITE)
        assert len(told(peers, Waiting(BOB))) == 1

    @pytest.mark.parametrize("first", [True, False])
    def test_sure_report_needs_no_proof(self, first: bool) -> None:
        """What the own system reported stands, whatever ICMP errors say besides."""
        peers = LostPeers()
        reports = [b"", OPTIONS] if first else [OPTIONS, b""]
        for quoted in reports:
            peers.add(BOB, "port unreachable", quoted)
        assert len(told(peers, Waiting(BOB))) == 1

    def test_quotes_too_little(self) -> None:
        """A router that quotes eight octets is believed: it owes no more."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", b"XXXXXXXX")
        assert len(told(peers, Waiting(BOB))) == 1

    @pytest.mark.parametrize("quoted", [b"SIP/2.0 200 OK\r\nVia: ", b"ACK sip:bob@192.0.2.2 SIP"])
    def test_quotes_what_is_not_waited_for(self, quoted: bytes) -> None:
        """A response or an ACK that came back makes nobody look for who waits."""
        peers = LostPeers()
        peers.add(BOB, "port unreachable", quoted)
        assert not peers

    def test_addresses_are_apart(self) -> None:
        """The proof for one address is none for another."""
        peers = LostPeers()
        carol = Peer("udp", "192.0.2.3", 5060)
        peers.add(BOB, "port unreachable", INVITE)
        peers.add(carol, "port unreachable", OPTIONS)
        bobs, carols = Waiting(BOB), Waiting(carol)
        assert told(peers, bobs, carols) == [bobs]
