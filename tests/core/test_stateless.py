"""The ACK for a 2xx goes on without a transaction (RFC 3261 sections 13.2.2.4, 16.11)."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail

from sipproxy.core.targets import Target
from sipproxy.resolve.hop import Hop
from sipproxy.testing.core import CoreStand, StubModule, make_request
from sipproxy.transaction.peer import Peer

BOB_FLOW = Peer("tcp", "192.0.2.30", 40000, 1, 7, b"192.0.2.1:5060")


def acknowledged(
    uri: str = "sip:bob@192.0.2.20", *lines: str, stand: CoreStand | None = None
) -> CoreStand:
    """Let an ACK through; give the stand."""
    stand = stand or CoreStand()
    stand.acknowledge(make_request("ACK", uri, *lines, to_tag="b1", branch="z9hG4bKack"))
    return stand


class ForwardTests:
    """Where it goes."""

    def test_copy(self) -> None:
        """It is counted down and gets a Via of ours, but no Record-Route and no transaction."""
        stand = acknowledged()
        ((message, peer),) = stand.transactions.sent
        assert peer.host == "192.0.2.20"
        assert message.value(b"max-forwards") == b"69"
        assert message.values(b"via")[0].startswith(b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK")
        assert not message.has(b"record-route")
        assert not stand.clients and not stand.core.live and not stand.transactions.alarms

    def test_route(self) -> None:
        """A Route that remains leads it."""
        ((_, peer),) = acknowledged(
            "sip:bob@192.0.2.20", "Route: <sip:192.0.2.40;lr>"
        ).transactions.sent
        assert peer.host == "192.0.2.40"

    def test_flow_of_the_dialog(self) -> None:
        """The mark of the dialog leads it to the callee's connection."""
        target = Target(b"sip:bob@10.0.0.5", "mod_to", flow=BOB_FLOW)
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        stand.receive(make_request())
        routes = reversed(stand.clients[0].request.values(b"record-route"))
        acknowledged("sip:bob@10.0.0.5", *(f"Route: {it.decode()}" for it in routes), stand=stand)
        ((_, peer),) = stand.transactions.sent
        assert peer == BOB_FLOW

    def test_first_address_that_is_reached(self) -> None:
        """Of several addresses the first that a listener reaches is taken, and only that."""
        stand = CoreStand()
        stand.flows.unreachable.add("192.0.2.31")
        hosts = ("192.0.2.31", "192.0.2.32", "192.0.2.33")
        stand.locator.hops["gateway.example.org"] = [Hop("udp", host, 5060) for host in hosts]
        acknowledged("sip:bob@gateway.example.org", stand=stand)
        assert [peer.host for _, peer in stand.transactions.sent] == ["192.0.2.32"]

    def test_name_that_is_looked_up(self) -> None:
        """It waits for a name like any request."""
        stand = CoreStand()
        waits: Deferred[Sequence[Hop]] = Deferred()
        stand.locator.hops["gateway.example.org"] = waits
        acknowledged("sip:bob@gateway.example.org", stand=stand)
        assert not stand.transactions.sent
        waits.callback([Hop("udp", "192.0.2.31", 5060)])
        assert len(stand.transactions.sent) == 1


class DropTests:
    """Nobody can be told why an ACK goes no further."""

    def test_no_address(self) -> None:
        """A name without an address, or whose look-up fails, ends it."""
        assert not acknowledged("sip:bob@no.such.host").transactions.sent
        stand = CoreStand()
        stand.locator.hops["gateway.example.org"] = fail(OSError("no answer"))
        assert not acknowledged("sip:bob@gateway.example.org", stand=stand).transactions.sent

    def test_for_us(self) -> None:
        """One for a user of ours outside any dialog has nowhere to go."""
        assert not acknowledged("sip:bob@example.com").transactions.sent

    def test_path_with_parameters(self) -> None:
        """One for a binding with an unusual Path raises nothing."""
        target = Target(b"sip:bob@10.0.0.5", "mod_to", routes=(b"<sip:192.0.2.40;lr>;ob=1",))
        module = StubModule(
            "mod_to",
            translate=lambda context, uri: [target],
            when=lambda phase, method, inside: True,
        )
        assert acknowledged("sip:bob@example.com", stand=CoreStand(module)).transactions.sent
