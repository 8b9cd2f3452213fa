"""Peers as values, and where responses go (RFC 3261 section 18.2.2, RFC 3581)."""

import pytest

from sipproxy.message.fields import parse_via
from sipproxy.transaction.peer import Peer, reply_peer


class PeerTests:
    """A peer is what it says, not which object it is."""

    def test_equal_by_five_fields(self) -> None:
        """Two datagrams from one phone come from equal peers, whatever our Via will say."""
        one = Peer("udp", "192.0.2.1", 5060, 3, 0, b"a:1")
        two = Peer("udp", "192.0.2.1", 5060, 3, 0, b"b:2", ("192.0.2.1", 5060))
        assert one == two and hash(one) == hash(two)

    @pytest.mark.parametrize(
        "other",
        [
            Peer("tcp", "192.0.2.1", 5060, 3),
            Peer("udp", "192.0.2.2", 5060, 3),
            Peer("udp", "192.0.2.1", 5061, 3),
            Peer("udp", "192.0.2.1", 5060, 4),
            Peer("udp", "192.0.2.1", 5060, 3, 1),
            ("udp", "192.0.2.1", 5060, 3, 0),
        ],
        ids=repr,
    )
    def test_unequal_by_any_of_them(self, other: object) -> None:
        """Another transport, address, listener or connection is another peer."""
        assert Peer("udp", "192.0.2.1", 5060, 3) != other

    def test_address_is_what_sendto_wants(self) -> None:
        """IPv4 needs no address of its own; IPv6 keeps its scope."""
        assert Peer("udp", "192.0.2.1", 5060).address == ("192.0.2.1", 5060)
        scoped = ("fe80::1", 5060, 0, 2)
        assert Peer("udp", "fe80::1", 5060, address=scoped).address == scoped

    def test_reliable(self) -> None:
        """Only UDP may lose messages."""
        assert not Peer("udp", "192.0.2.1", 5060).reliable
        assert Peer("tcp", "192.0.2.1", 5060).reliable
        assert Peer("tls", "192.0.2.1", 5061).reliable

    def test_repr_reads_like_an_address(self) -> None:
        """Log lines show it."""
        assert repr(Peer("udp", "192.0.2.1", 5060)) == "<Peer udp 192.0.2.1:5060 on 0>"
        assert (
            repr(Peer("tls", "2001:db8::1", 5061, 2, 7)) == "<Peer tls [2001:db8::1]:5061#7 on 2>"
        )


class ReplyPeerTests:
    """Where the response to a request goes."""

    source = Peer("udp", "192.0.2.1", 40000, 2)

    def reply(self, via: str, source: Peer | None = None) -> Peer:
        """The peer for a request with this Via."""
        return reply_peer(parse_via(via.encode()), source or self.source)

    def test_reliable_transport_answers_on_the_connection(self) -> None:
        """Section 18.2.2: the connection the request came on, whatever the Via says."""
        source = Peer("tcp", "192.0.2.1", 40000, 2, 9)
        via = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK1;maddr=192.0.2.99"
        assert self.reply(via, source) is source

    def test_rport_answers_to_the_source_port(self) -> None:
        """RFC 3581 section 4."""
        via = "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport"
        assert self.reply(via) is self.source

    @pytest.mark.parametrize("host", ["10.0.0.1", "phone.example.com"])
    def test_translated_source_is_answered_where_it_is(self, host: str) -> None:
        """A phone behind a translator names a host nobody can reach."""
        assert self.reply(f"SIP/2.0/UDP {host}:5060;branch=z9hG4bK1") is self.source

    def test_plain_via_is_answered_at_its_port(self) -> None:
        """Without rport the port is that of sent-by, and the listener stays the same."""
        peer = self.reply("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1")
        assert peer == Peer("udp", "192.0.2.1", 5070, 2)
        assert peer.address == ("192.0.2.1", 5070)

    def test_port_defaults_to_5060(self) -> None:
        """Section 18.1.1."""
        assert self.reply("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1").port == 5060

    def test_same_port_is_the_same_peer(self) -> None:
        """Most phones send from the port they name; they cost no new peer."""
        assert self.reply("SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bK1") is self.source

    def test_ipv6_scope_is_kept(self) -> None:
        """A link-local address is nothing without its interface."""
        source = Peer("udp", "fe80::1", 40000, 2, address=("fe80::1", 40000, 0, 3))
        peer = self.reply("SIP/2.0/UDP [fe80::1]:5070;branch=z9hG4bK1", source)
        assert peer.address == ("fe80::1", 5070, 0, 3)

    def test_maddr_address_comes_first(self) -> None:
        """Section 18.2.2: to maddr, at the port of sent-by; RFC 3581 gives way to it."""
        via = "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport;maddr=192.0.2.99"
        assert self.reply(via) == Peer("udp", "192.0.2.99", 5070, 2)

    def test_maddr_name_is_not_looked_up(self) -> None:
        """Nothing here may ask the DNS: a name is as good as none."""
        via = "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport;maddr=evil.example.com"
        assert self.reply(via) is self.source
