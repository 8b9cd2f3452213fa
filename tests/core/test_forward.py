"""The copy that is sent, and where to: RFC 3261 section 16.6, step by step."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from sipproxy.core.context import RequestContext
from sipproxy.core.forward import MOST_TRANSLATIONS, reached_by_flow
from sipproxy.core.outcomes import Refusal
from sipproxy.core.targets import Target
from sipproxy.message.message import Request
from sipproxy.resolve.hop import Hop
from sipproxy.testing.core import (
    ALICE,
    OWN_HOST,
    ClientSide,
    CoreStand,
    StubModule,
    log_lines,
    make_request,
)
from sipproxy.transaction.peer import Peer

PHONE = Target(b"sip:bob@192.0.2.20", "mod_to")
CONNECTION = Peer("tcp", "192.0.2.30", 40000, 1, 7, b"192.0.2.1:5060")


def stand_to(target: Target = PHONE, *modules: StubModule, **options: Any) -> CoreStand:
    """Give a stand that forwards to one target."""
    return CoreStand(
        StubModule("mod_to", translate=lambda context, uri: [target]), *modules, **options
    )


def sent(request: Request, target: Target = PHONE, **options: Any) -> ClientSide:
    """Forward a request; give what was sent."""
    stand = stand_to(target, **options)
    stand.receive(request)
    (client,) = stand.clients
    return client


class CopyTests:
    """Steps 1 to 4 and 8."""

    def test_original_is_untouched(self) -> None:
        """The copy is edited, the request itself stays as it came (step 1)."""
        stand = stand_to()
        request = make_request()
        caller = stand.receive(request)
        assert stand.targets == ["sip:bob@192.0.2.20"]
        assert caller.request.uri_raw == b"sip:bob@example.com"
        assert caller.request.count(b"via") == 1 and caller.request.max_forwards == 70

    def test_unknown_headers_and_body_stay(self) -> None:
        """What the server does not know passes as it is, in its order."""
        request = make_request("INVITE", "sip:bob@example.com", "X-One: 1", "X-Two: 2", body=b"v=0")
        copy = sent(request).request
        assert copy.body == b"v=0"
        assert [line for line in copy.lines if line.startswith(b"X-")] == [b"X-One: 1", b"X-Two: 2"]

    @pytest.mark.parametrize(("came", "goes"), [(70, b"69"), (1, b"0"), (None, b"70")])
    def test_max_forwards(self, came: int | None, goes: bytes) -> None:
        """Max-Forwards is counted down, and begins at 70 (step 3)."""
        assert sent(make_request(max_forwards=came)).request.value(b"max-forwards") == goes

    def test_via(self) -> None:
        """Our Via stands on top, with the transport and a branch of ours (step 8)."""
        request = sent(make_request()).request
        via = request.top_via
        assert via.transport == "UDP" and via.sent_by == b"192.0.2.1:5060"
        assert via.branch is not None and via.branch.startswith(b"z9hG4bK")
        assert request.vias[1].branch == b"z9hG4bKa1"

    def test_content_length_on_a_stream(self) -> None:
        """A stream needs a Content-Length, so one is added (step 10, 18.3)."""
        request = make_request(body=b"v=0")
        request.remove(b"content-length")
        target = Target(b"sip:bob@192.0.2.30", "mod_to", flow=CONNECTION)
        copy = sent(request.clone(), target).request
        assert copy.content_length == 3 and copy.top_via.transport == "TCP"
        assert not sent(request).request.has(b"content-length")


class RecordRouteTests:
    """Step 4."""

    @pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER"])
    def test_of_what_sets_up_dialogs(self, method: str) -> None:
        """We stay in the path of dialogs, as a loose router."""
        (entry,) = sent(make_request(method)).request.record_routes
        assert entry.uri.host == OWN_HOST  # type: ignore[union-attr]
        assert entry.uri.param("lr") is not None  # type: ignore[union-attr]

    @pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "BYE", "PUBLISH"])
    def test_not_of_others(self, method: str) -> None:
        """Nothing else needs one."""
        assert not sent(make_request(method)).request.has(b"record-route")

    def test_inside_dialogs_too(self) -> None:
        """A re-INVITE is recorded as well, for an end that has lost its state (16.6 step 4)."""
        assert sent(make_request(to_tag="b1")).request.has(b"record-route")

    def test_switched_off(self) -> None:
        """AddRecordRoute Off."""
        assert not sent(make_request(), record_route=False).request.has(b"record-route")

    def test_before_others(self) -> None:
        """Ours stands before those that are there."""
        request = make_request("INVITE", "sip:bob@example.com", "Record-Route: <sip:p1;lr>")
        values = sent(request).request.values(b"record-route")
        assert len(values) == 2 and values[1] == b"<sip:p1;lr>"

    def test_two_where_transports_meet(self) -> None:
        """From UDP to TCP both sides get an entry of their own (RFC 5658), callee's on top."""
        target = Target(b"sip:bob@192.0.2.30", "mod_to", flow=CONNECTION)
        callee, caller = sent(make_request(), target).request.record_routes
        assert callee.uri.param("transport") == "tcp"  # type: ignore[union-attr]
        assert caller.uri.param("transport") is None  # type: ignore[union-attr]


class StrictRouterTests:
    """Step 6: what a strict router on the way wants."""

    def test_next_is_strict(self) -> None:
        """Its URI goes into the request line, the target to the end of the Route."""
        request = make_request(
            "INVITE", "sip:bob@192.0.2.20", "Route: <sip:192.0.2.40>", "Route: <sip:p2;lr>"
        )
        client = sent(request)
        assert client.target == "sip:192.0.2.40"
        assert client.request.values(b"route") == [b"<sip:p2;lr>", b"<sip:bob@192.0.2.20>"]
        assert client.peer.host == "192.0.2.40"

    def test_next_is_loose(self) -> None:
        """A loose router finds its Route untouched."""
        request = make_request("INVITE", "sip:bob@192.0.2.20", "Route: <sip:192.0.2.40;lr>")
        client = sent(request)
        assert client.target == "sip:bob@192.0.2.20"
        assert client.request.values(b"route") == [b"<sip:192.0.2.40;lr>"]

    @pytest.mark.parametrize(
        "value", ["<sip:192.0.2.40;transport=udp;lr=on>", "<sip:192.0.2.40;LR>"]
    )
    def test_spellings_of_lr(self, value: str) -> None:
        """lr with a value or in capitals is lr."""
        client = sent(make_request("INVITE", "sip:bob@192.0.2.20", f"Route: {value}"))
        assert client.target == "sip:bob@192.0.2.20"

    def test_strict_and_loose_on_one_line(self) -> None:
        """A strict router is served also when a loose one stands on the same line."""
        request = make_request(
            "INVITE", "sip:bob@192.0.2.20", "Route: <sip:192.0.2.40>, <sip:p2;lr>"
        )
        assert sent(request).target == "sip:192.0.2.40"


class WhereToTests:
    """Step 7: the next hop."""

    def test_flow_first(self) -> None:
        """A binding's flow is used as it is, without asking anybody for an address."""
        target = Target(b"sip:bob@10.0.0.5", "mod_to", flow=CONNECTION)
        stand = stand_to(target)
        stand.receive(make_request())
        assert stand.clients[0].peer == CONNECTION and not stand.locator.asked

    def test_path_before_flow(self) -> None:
        """A phone that registered through an edge proxy is reached through it (RFC 3327)."""
        target = Target(
            b"sip:bob@10.0.0.5", "mod_to", flow=CONNECTION, routes=(b"<sip:192.0.2.40;lr>",)
        )
        client = sent(make_request(), target)
        assert client.peer.host == "192.0.2.40"
        assert client.request.values(b"route") == [b"<sip:192.0.2.40;lr>"]

    def test_path_in_order(self) -> None:
        """Several entries of a Path stay in order."""
        routes = (b"<sip:192.0.2.40;lr>", b"<sip:p2;lr>")
        client = sent(make_request(), Target(b"sip:bob@10.0.0.5", "mod_to", routes=routes))
        assert client.request.values(b"route") == list(routes)

    def test_path_with_parameters(self) -> None:
        """A Path value may have parameters behind its brackets, or a name before them."""
        for value in (b"<sip:192.0.2.40;lr>;ob=1", b'"edge" <sip:192.0.2.40;lr>'):
            target = Target(b"sip:bob@10.0.0.5", "mod_to", routes=(value,))
            assert sent(make_request(), target).peer.host == "192.0.2.40"

    def test_route_before_target(self) -> None:
        """A Route that remains decides; the Request-URI stays."""
        client = sent(make_request("INVITE", "sip:bob@192.0.2.20", "Route: <sip:192.0.2.40;lr>"))
        assert client.peer.host == "192.0.2.40"

    def test_module_names_the_hops(self) -> None:
        """Phase next_hop comes before RFC 3263."""
        hop = StubModule(
            "mod_hop", next_hop=lambda context, target: [Hop("tcp", "192.0.2.50", 5090)]
        )
        stand = stand_to(PHONE, hop)
        stand.receive(make_request())
        peer = stand.clients[0].peer
        assert (peer.transport, peer.host, peer.port) == ("tcp", "192.0.2.50", 5090)
        assert not stand.locator.asked

    def test_module_refuses_one_target(self) -> None:
        """A refusal of phase next_hop is the answer of that target."""
        hop = StubModule("mod_hop", next_hop=lambda context, target: Refusal(480, "no gateway"))
        caller = stand_to(PHONE, hop).receive(make_request())
        assert caller.statuses == [480]

    def test_module_declines(self) -> None:
        """When all decline, RFC 3263 decides."""
        stand = stand_to(PHONE, StubModule("mod_hop", next_hop=lambda context, target: None))
        stand.receive(make_request())
        assert stand.locator.asked == ["192.0.2.20"]

    def test_module_waits(self) -> None:
        """A module may look its hops up."""
        waits: Deferred[Sequence[Hop]] = Deferred()
        stand = stand_to(PHONE, StubModule("mod_hop", next_hop=lambda context, target: waits))
        stand.receive(make_request())
        assert not stand.clients
        waits.callback([Hop("udp", "192.0.2.50", 5060)])
        assert stand.clients[0].peer.host == "192.0.2.50"

    def test_name_that_is_looked_up(self) -> None:
        """The request waits for the name, and then goes on."""
        waits: Deferred[Sequence[Hop]] = Deferred()
        stand = stand_to(Target(b"sip:bob@phones.example.net", "mod_to"))
        stand.locator.hops["phones.example.net"] = waits
        caller = stand.receive(make_request())
        assert not stand.clients and not caller.responses
        waits.callback([Hop("udp", "192.0.2.60", 5060)])
        assert stand.clients[0].peer.host == "192.0.2.60"

    def test_name_without_address(self) -> None:
        """A name that has no address is a target that does not exist."""
        caller = stand_to(Target(b"sip:bob@no.such.host", "mod_to")).receive(make_request())
        assert caller.statuses == [404]

    def test_name_service_fails(self) -> None:
        """When the name service is at fault the caller gets 500, and the log a line."""
        stand = stand_to(Target(b"sip:bob@phones.example.net", "mod_to"))
        stand.locator.hops["phones.example.net"] = fail(OSError("no answer"))
        with log_lines() as lines:
            caller = stand.receive(make_request())
        assert caller.statuses == [500]
        assert any("forward.not_located" in line and "no answer" in line for line in lines())

    def test_target_at_our_own_host(self) -> None:
        """A target that is ours again, and that nobody translates, is a 404."""
        caller = stand_to(Target(b"sip:carol@example.com", "mod_to")).receive(make_request())
        assert caller.statuses == [404]

    def test_target_that_makes_no_sense(self) -> None:
        """A target whose URI cannot be read is a 404 and a line in the log."""
        stand = stand_to(Target(b"sip:%%%", "mod_to"))
        with log_lines() as lines:
            caller = stand.receive(make_request())
        assert caller.statuses == [404]
        assert any("forward.bad_target" in line for line in lines())

    def test_no_listener_for_the_transport(self) -> None:
        """A host that none of our listeners reaches is a 503, which is a 500 to the caller."""
        stand = stand_to()
        stand.flows.unreachable.add("192.0.2.20")
        assert stand.receive(make_request()).statuses == [500]


class TranslateAgainTests:
    """Targets that are users of ours themselves."""

    def stand(self, **book: str) -> CoreStand:
        """Give a stand that looks users up in a book."""

        def translate(context: RequestContext, uri: Any) -> list[Target] | None:
            found = book.get(uri.user)
            return [Target(found.encode(), "mod_to")] if found else None

        return CoreStand(StubModule("mod_to", translate=translate))

    def test_followed(self) -> None:
        """A user who is forwarded to another is found at the other's phone."""
        stand = self.stand(bob="sip:carol@example.com", carol="sip:carol@192.0.2.21")
        stand.receive(make_request())
        assert stand.targets == ["sip:carol@192.0.2.21"]

    def test_nobody(self) -> None:
        """One who is forwarded to nobody is not there."""
        assert self.stand(bob="sip:nobody@example.com").receive(make_request()).statuses == [404]

    @pytest.mark.parametrize("user", ["bob", "carol"])
    def test_circle(self, user: str) -> None:
        """Users who are forwarded to themselves or each other are not there either."""
        stand = self.stand(bob=f"sip:{user}@example.com", carol="sip:bob@example.com")
        assert stand.receive(make_request()).statuses == [404]

    @pytest.mark.parametrize(("length", "found"), [(MOST_TRANSLATIONS, 1), (20, 0)])
    def test_chain(self, length: int, found: int) -> None:
        """A chain is followed for some steps, and no further."""
        book = {f"u{n}": f"sip:u{n + 1}@example.com" for n in range(length)}
        book |= {"bob": "sip:u0@example.com", f"u{length - 1}": "sip:end@192.0.2.21"}
        stand = self.stand(**book)
        stand.receive(make_request())
        assert len(stand.clients) == found


class HeadersTests:
    """A target's URI may hold what a Request-URI may not (19.1.1)."""

    def test_headers(self) -> None:
        """Headers of the URI are taken off (16.6 step 2)."""
        target = Target(b"sip:bob@192.0.2.20;x=1?Subject=hello", "mod_to")
        assert sent(make_request(), target).target == "sip:bob@192.0.2.20;x=1"


class LargeRequestTests:
    """Requests too large for a datagram (18.1.1)."""

    def hops(self, target: Target = PHONE, size: int = 2000, **options: Any) -> list[str]:
        """Forward a large request, fail every address; give the transports tried."""
        stand = stand_to(target, **options)
        stand.receive(make_request(body=b"x" * size))
        tried = 0
        while tried < len(stand.clients):
            stand.fail(stand.clients[tried])
            tried += 1
        return [client.peer.transport for client in stand.clients]

    def test_tcp_first(self) -> None:
        """TCP is tried before UDP, and UDP when it fails."""
        assert self.hops() == ["tcp", "udp"]

    def test_small_ones_take_udp(self) -> None:
        """Nothing changes below the limit."""
        assert self.hops(size=10) == ["udp"]

    def test_limit_is_a_setting(self) -> None:
        """PreferTcpAbove 0 never changes the transport; another limit counts as given."""
        assert self.hops(prefer_tcp_above=0) == ["udp"]
        assert self.hops(prefer_tcp_above=5000) == ["udp"]

    def test_transport_that_was_chosen(self) -> None:
        """A URI that says transport=udp gets UDP."""
        assert self.hops(Target(b"sip:bob@192.0.2.20;transport=udp", "mod_to")) == ["udp"]

    def test_phone_that_registered_by_udp(self) -> None:
        """A binding that is known by UDP only is not tried by TCP."""
        assert self.hops(Target(b"sip:bob@192.0.2.20", "mod_to", udp_only=True)) == ["udp"]


class FixupTests:
    """Phase fixup."""

    def test_edits_one_branch(self) -> None:
        """A module edits the copy of a branch, and sees which target it is for."""

        def edit(context: RequestContext, target: Target, request: Request) -> None:
            request.add(b"subject", target.uri_raw)

        targets = [Target(b"sip:bob@192.0.2.%d" % n, "mod_to") for n in (20, 21)]
        stand = CoreStand(
            StubModule("mod_to", translate=lambda context, uri: targets),
            StubModule("mod_fix", fixup=edit),
        )
        caller = stand.receive(make_request())
        subjects = [client.request.value(b"subject") for client in stand.clients]
        assert subjects == [b"sip:bob@192.0.2.20", b"sip:bob@192.0.2.21"]
        assert not caller.request.has(b"subject")


class ReachedByFlowTests:
    """Whose Contact is worth nothing."""

    @pytest.mark.parametrize(
        ("peer", "by_flow"),
        [
            (ALICE, False),
            (Peer("udp", "203.0.113.5", 5060), True),
            (Peer("tcp", "192.0.2.10", 5060, 1, 3), True),
        ],
    )
    def test_who(self, peer: Peer, by_flow: bool) -> None:
        """Those on a stream, and those whose Via names another host than they come from."""
        assert reached_by_flow(make_request(), peer) is by_flow
