"""Our Route entries come off and are read (RFC 3261 section 16.4), whoever the neighbours are."""

import pytest

from sipproxy.core.context import RequestContext
from sipproxy.core.marks import DialogMarks
from sipproxy.core.routes import RouteReader
from sipproxy.core.targets import Target
from sipproxy.message.errors import ParseError
from sipproxy.testing.core import ALICE, SECRET, CoreStand, StubModule, make_request
from sipproxy.transaction.peer import Peer

MARKS = DialogMarks(SECRET)
BOB_FLOW = Peer("tcp", "192.0.2.30", 40000, 1, 7)
ALICE_FLOW = Peer("udp", "203.0.113.5", 31000)
STAND = CoreStand(domains=("example.com", "example.net"))
TARGET = "sip:bob@192.0.2.20"


def mark(caller: Peer | None = None, callee: Peer | None = None) -> str:
    """Give the mark of the usual dialog."""
    flows = [STAND.flows.token_of(peer) if peer else b"" for peer in (caller, callee)]
    return MARKS.make(b"c1@192.0.2.10", b"a1", *flows).decode()


def own(user: str = "", rest: str = ";lr") -> str:
    """Give a Route entry of ours."""
    return f"<sip:{user}{'@' if user else ''}192.0.2.1:5060{rest}>"


def read(
    *routes: str, uri: str = TARGET, from_tag: str = "a1", to_tag: str = "b1"
) -> RequestContext:
    """Let a request inside a dialog go through the route reader, each value on a line."""
    lines = [f"Route: {value}" for value in routes]
    request = make_request("BYE", uri, *lines, from_tag=from_tag, to_tag=to_tag)
    context = RequestContext(request, ALICE, None, STAND.generation, 0.0)
    RouteReader(MARKS, STAND.flows).preprocess(context)
    return context


class LooseTests:
    """The neighbours are loose routers, as all should be by now."""

    def test_own_entry_comes_off(self) -> None:
        """The entry that brought the request here is gone; the rest decides where it goes."""
        context = read(own(mark()), "<sip:p2;lr>")
        assert context.request.values(b"route") == [b"<sip:p2;lr>"]
        assert context.in_dialog and context.routed and context.flow is None

    def test_last_entry(self) -> None:
        """With no Route left the remote target decides, and is not translated."""
        context = read(own(mark()))
        assert not context.request.has(b"route")
        assert context.in_dialog and context.routed
        assert context.uri.to_bytes() == TARGET.encode()

    def test_two_own_entries(self) -> None:
        """Both entries of a change of transport come off at once (RFC 5658)."""
        context = read(own(mark(), ";transport=tcp;lr"), own(mark()), "<sip:p2;lr>")
        assert context.request.values(b"route") == [b"<sip:p2;lr>"]
        assert context.in_dialog

    def test_on_one_line(self) -> None:
        """Two values on a line are two values."""
        context = read(f"{own(mark())}, <sip:p2;lr>")
        assert context.request.values(b"route") == [b"<sip:p2;lr>"]
        assert context.in_dialog

    def test_foreign_first(self) -> None:
        """Our entry behind somebody else's is not ours to take yet."""
        context = read("<sip:p2;lr>", own(mark()))
        assert context.request.count(b"route") == 2
        assert not context.in_dialog and context.routed

    def test_preloaded(self) -> None:
        """A phone's outbound proxy entry comes off, and makes no dialog."""
        context = read(own(), uri="sip:bob@example.com")
        assert not context.request.has(b"route")
        assert not context.in_dialog and not context.routed and context.own

    def test_domain_name_in_the_entry(self) -> None:
        """An entry may name one of our domains."""
        assert not read("<sip:example.net;lr>").request.has(b"route")

    @pytest.mark.parametrize(
        "value",
        ['"us" <sip:192.0.2.1:5060;lr>', "<sip:192.0.2.1:5060;lr>;x=1", "<SIP:192.0.2.1:5060;lr>"],
    )
    def test_unusual_spelling(self, value: str) -> None:
        """An entry that is not as we wrote it is recognised all the same."""
        assert not read(value).request.has(b"route")

    def test_other_port_of_our_address(self) -> None:
        """Another server at our address is another server."""
        assert read("<sip:192.0.2.1:5080;lr>").routed

    def test_domain_in_upper_case(self) -> None:
        """Hosts are the same in any case."""
        assert not read("<sip:EXAMPLE.com;lr>").request.has(b"route")

    def test_nonsense(self) -> None:
        """A Route that makes no sense is the sender's fault."""
        with pytest.raises(ParseError):
            read("<sip:")

    def test_no_route(self) -> None:
        """Without Route nothing is in a dialog of ours."""
        context = read()
        assert not context.in_dialog and not context.routed and not context.own


class MarkTests:
    """What the user part of our entry says."""

    def test_flow_to_the_callee(self) -> None:
        """The caller's request finds the callee's connection."""
        assert read(own(mark(None, BOB_FLOW))).flow == BOB_FLOW

    def test_flow_to_the_caller(self) -> None:
        """The callee's request finds the caller behind its NAT."""
        context = read(own(mark(ALICE_FLOW, BOB_FLOW)), from_tag="b1", to_tag="a1")
        assert context.in_dialog and context.flow == ALICE_FLOW

    def test_flow_that_is_gone(self) -> None:
        """A connection that is gone leaves the Contact."""
        stand = STAND.flows
        stand.gone.add(BOB_FLOW)
        try:
            context = read(own(mark(None, BOB_FLOW)))
        finally:
            stand.gone.clear()
        assert context.in_dialog and context.flow is None

    def test_forged(self) -> None:
        """A mark that does not fit makes no dialog, but the entry is ours and comes off."""
        context = read(own("rr" + "0" * 16))
        assert not context.in_dialog and not context.request.has(b"route")

    def test_second_entry_counts_too(self) -> None:
        """The mark may stand in the second of our entries."""
        assert read(own(), own(mark(None, BOB_FLOW))).flow == BOB_FLOW

    def test_first_mark_counts(self) -> None:
        """Once a mark has been read the others change nothing."""
        context = read(own(mark(None, BOB_FLOW)), own(mark(None, ALICE_FLOW)))
        assert context.flow == BOB_FLOW


class StrictTests:
    """The neighbour upstream is a strict router: our entry is in the Request-URI."""

    def test_target_is_restored(self) -> None:
        """The last Route goes back into the Request-URI."""
        uri = f"sip:{mark()}@192.0.2.1:5060;lr"
        context = read(f"<{TARGET}>", uri=uri)
        assert context.request.uri_raw == TARGET.encode()
        assert not context.request.has(b"route")
        assert context.in_dialog and context.routed

    def test_others_between(self) -> None:
        """Entries of others before the target stay in order."""
        uri = f"sip:{mark()}@192.0.2.1:5060;lr"
        context = read("<sip:p2;lr>", "<sip:p3;lr>", f"<{TARGET}>", uri=uri)
        assert context.request.values(b"route") == [b"<sip:p2;lr>", b"<sip:p3;lr>"]
        assert context.request.uri_raw == TARGET.encode()

    def test_our_second_entry(self) -> None:
        """Our other entry is in the Route then, and comes off as well."""
        uri = f"sip:{mark()}@192.0.2.1:5060;lr"
        context = read(own(mark(None, BOB_FLOW)), f"<{TARGET}>", uri=uri)
        assert not context.request.has(b"route")
        assert context.request.uri_raw == TARGET.encode() and context.in_dialog

    def test_flow(self) -> None:
        """The mark in the Request-URI says where the other side is."""
        uri = f"sip:{mark(None, BOB_FLOW)}@192.0.2.1:5060;lr"
        assert read(f"<{TARGET}>", uri=uri).flow == BOB_FLOW

    def test_user_who_looks_like_a_mark(self) -> None:
        """A user rrose of ours with a Route is no strict router's doing."""
        context = read("<sip:p2;lr>", uri="sip:rrose@example.com")
        assert context.request.uri_raw == b"sip:rrose@example.com"
        assert context.request.values(b"route") == [b"<sip:p2;lr>"]

    def test_mark_at_another_host(self) -> None:
        """A mark of ours at somebody else's host is not undone."""
        uri = f"sip:{mark()}@192.0.2.99;lr"
        assert read(f"<{TARGET}>", uri=uri).request.uri_raw == uri.encode()


class MaddrTests:
    """A maddr that names us has served its purpose."""

    @pytest.mark.parametrize("maddr", ["192.0.2.1", "example.net"])
    def test_ours(self, maddr: str) -> None:
        """maddr, transport and port come off, other parameters stay."""
        context = read(uri=f"sip:bob@example.com:5060;maddr={maddr};user=phone;transport=tcp")
        assert context.request.uri_raw == b"sip:bob@example.com;user=phone"
        assert context.own

    def test_of_a_foreign_host(self) -> None:
        """A request for another host that was sent here by maddr goes on there."""
        context = read(uri="sip:bob@other.example.org;maddr=192.0.2.1")
        assert context.uri.to_bytes() == b"sip:bob@other.example.org" and not context.own

    def test_not_ours(self) -> None:
        """A maddr that names somebody else is for the next hop."""
        uri = "sip:bob@other.example.org;maddr=192.0.2.99"
        assert read(uri=uri).request.uri_raw == uri.encode()

    def test_without_user(self) -> None:
        """A URI without user stays without one."""
        assert read(uri="sip:example.com;maddr=192.0.2.1").request.uri_raw == b"sip:example.com"

    def test_name_of_another_parameter(self) -> None:
        """xmaddr is no maddr."""
        uri = "sip:bob@example.com;xmaddr=192.0.2.1"
        assert read(uri=uri).request.uri_raw == uri.encode()

    def test_ipv6(self) -> None:
        """Brackets stay where they belong."""
        uri = "sip:bob@[2001:db8::9];maddr=192.0.2.1"
        assert read(uri=uri).request.uri_raw == b"sip:bob@[2001:db8::9]"


class OwnTests:
    """Whether translation follows."""

    def test_own_target_in_a_dialog(self) -> None:
        """A dialog whose remote target is an address of ours is translated."""
        context = read(own(mark()), uri="sip:bob@example.com")
        assert context.in_dialog and context.own and not context.routed

    def test_known_hosts_are_not_for_ever(self) -> None:
        """What is remembered of hosts goes with the domains that it was decided by."""
        reader = RouteReader(MARKS, STAND.flows)
        for stand, kept in ((STAND, False), (CoreStand(domains=("other.org",)), True)):
            request = make_request("BYE", TARGET, "Route: <sip:example.com;lr>")
            context = RequestContext(request, ALICE, None, stand.generation, 0.0)
            reader.preprocess(context)
            assert request.has(b"route") is kept


class RoundTripTests:
    """A mark that the server wrote itself comes back to it, from either side."""

    def test_dialog_over_nat_and_tcp(self) -> None:
        """The BYE of each side finds the other, though both Contacts are worth nothing."""
        bob = Peer("tcp", "192.0.2.30", 40000, 1, 7, b"192.0.2.1:5060")
        target = Target(b"sip:bob@10.0.0.5", "mod_to", flow=bob)
        stand = CoreStand(StubModule("mod_to", translate=lambda context, uri: [target]))
        stand.receive(make_request(via="192.168.1.5:5060"), ALICE_FLOW)
        routes = stand.clients[0].request.values(b"record-route")
        assert len(routes) == 2
        by_alice = make_request(
            "BYE",
            "sip:bob@10.0.0.5",
            *(f"Route: {value.decode()}" for value in reversed(routes)),
            to_tag="b1",
            branch="z9hG4bK2",
        )
        stand.receive(by_alice, ALICE_FLOW)
        by_bob = make_request(
            "BYE",
            "sip:alice@192.168.1.5",
            *(f"Route: {value.decode()}" for value in routes),
            from_tag="b1",
            to_tag="a1",
            branch="z9hG4bK3",
        )
        stand.receive(by_bob, bob)
        assert [client.peer for client in stand.clients] == [bob, bob, ALICE_FLOW]
        assert not stand.clients[1].request.has(b"route")
        assert not stand.clients[2].request.has(b"route")
