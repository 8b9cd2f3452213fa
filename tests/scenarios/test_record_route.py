"""Staying in the path of a dialog: Record-Route, Route, strict routers, Path (16.4, 16.6)."""

from collections.abc import Callable

import pytest

from sipproxy.testing.scene import Scene
from sipproxy.testing.server import SimulatedServer

MakeScene = Callable[..., Scene]


class RecordRouteTests:
    """What the server writes."""

    def test_in_the_invite(self, scene: Scene) -> None:
        """An INVITE gets one entry of ours, with lr, which the callee gives back."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        routes = bob.requests[0].values(b"record-route")
        assert len(routes) == 1 and routes[0].endswith(b"@10.0.0.1:5060;lr>")
        assert call.response is not None
        assert call.response.values(b"record-route") == routes
        call.hang_up()

    def test_before_others(self, scene: Scene) -> None:
        """Our entry stands before those of the proxies in front of us."""
        alice, bob = scene.registered("alice", "bob")
        alice.call("bob", headers=[("Record-Route", "<sip:edge.example;lr>")]).later(1, "cancel")
        scene.run(0.5)
        routes = bob.requests[0].values(b"record-route")
        assert routes[1] == b"<sip:edge.example;lr>" and b"10.0.0.1" in routes[0]

    def test_in_the_dialog(self, scene: Scene) -> None:
        """A re-INVITE is recorded again, for an end that has lost its state (16.6 step 4)."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        call.send("INVITE")
        scene.run(1)
        assert bob.requests[-2].method == "INVITE"
        assert len(bob.requests[-2].values(b"record-route")) == 1
        assert bob.requests[-2].values(b"route") == []
        call.hang_up()

    def test_two_transports(self, scene: Scene) -> None:
        """Between TCP and UDP there are two entries, one for each side (RFC 5658)."""
        alice = scene.phone("alice", transport="tcp")
        (bob,) = scene.registered("bob")
        call = alice.call("bob")
        scene.run(2)
        routes = bob.requests[0].values(b"record-route")
        assert len(routes) == 2
        assert b"transport=tcp" not in routes[0] and b"transport=tcp" in routes[1]
        bob.last.hang_up()
        scene.run(1)
        assert call.state == "ended"

    def test_advertised(self, make_scene: MakeScene) -> None:
        """A server that others know by another name says that name."""
        scene = make_scene("Listen 10.0.0.2:5060 udp advertise sip.example.com:5070")
        alice = scene.phone("alice", proxy=("10.0.0.2", 5060))
        bare = scene.bare("bob")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        alice.call("bob").later(1, "cancel")
        scene.run(0.5)
        invite = bare.requests[0]
        text = invite.to_bytes()
        assert b"sip.example.com:5070" in text or b"10.0.0.1:5060" in text


class StrictTests:
    """Neighbours that follow RFC 2543."""

    @pytest.mark.parametrize("strict", ["alice", "bob"])
    def test_strict_phone(self, make_scene: MakeScene, strict: str) -> None:
        """A phone that puts our entry into its Request-URI is served (section 16.4)."""
        scene = make_scene("RelayPolicy None")
        alice, bob = scene.registered("alice", "bob")
        alice.strict, bob.strict = strict == "alice", strict == "bob"
        call = alice.call("bob")
        scene.run(2)
        info = call.send("INFO")
        back = bob.last.send("INFO")
        scene.run(1)
        assert bob.last.acknowledged
        assert (info.status, back.status) == (200, 200)
        bob.last.hang_up()
        scene.run(1)
        assert call.state == "ended"
        assert {request.uri_raw for request in bob.requests} == {b"sip:bob@10.0.1.2:5060"}
        later = [*alice.requests, *bob.requests[1:]]
        assert [request.values(b"route") for request in later] == [[]] * len(later)

    def test_strict_next_hop(self, make_scene: MakeScene) -> None:
        """A next hop without lr gets itself in the Request-URI, the target last (16.6 step 6)."""
        scene = make_scene("RelayPolicy Open")
        alice = scene.phone("alice")
        router = scene.bare("router")
        alice.send(
            "INFO", "sip:bob@far.example", route="<sip:10.0.0.1;lr>, <sip:10.0.2.2>, <sip:y;lr>"
        )
        scene.run(0.3)
        request = router.requests[0]
        assert request.uri_raw == b"sip:10.0.2.2"
        assert request.values(b"route") == [b"<sip:y;lr>", b"<sip:bob@far.example>"]
        router.reply(request, 200)

    def test_strict_next_hop_alone(self, make_scene: MakeScene) -> None:
        """The same with each Route on a line of its own."""
        scene = make_scene("RelayPolicy Open")
        router = scene.bare("router")
        mallory = scene.bare()
        routes = [("Route", "<sip:10.0.2.1>"), ("Route", "<sip:y;lr>")]
        mallory.send(mallory.text("INFO", "sip:bob@far.example", headers=routes))
        scene.run(0.3)
        request = router.requests[0]
        assert request.uri_raw == b"sip:10.0.2.1"
        assert request.values(b"route") == [b"<sip:y;lr>", b"<sip:bob@far.example>"]
        router.reply(request, 200)

    def test_loose_next_hop(self, make_scene: MakeScene) -> None:
        """A next hop with lr keeps its Route, and the Request-URI stays."""
        scene = make_scene("RelayPolicy Open")
        alice = scene.phone("alice")
        router = scene.bare("router")
        sent = alice.send("INFO", "sip:bob@far.example", route="<sip:10.0.2.2;lr>, <sip:y;lr>")
        scene.run(0.3)
        request = router.requests[0]
        assert request.uri_raw == b"sip:bob@far.example"
        assert request.values(b"route") == [b"<sip:10.0.2.2;lr>", b"<sip:y;lr>"]
        router.reply(request, 200)
        scene.run(0.3)
        assert sent.status == 200

    def test_maddr(self, scene: Scene) -> None:
        """A Request-URI with our address as maddr is taken as it would be without (16.4)."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("MESSAGE", "sip:bob@example.com;maddr=10.0.0.1")
        scene.run(1)
        assert sent.status == 200 and bob.methods() == ["MESSAGE"]


class PathTests:
    """Phones behind an edge proxy that asked to stay in the path (RFC 3327)."""

    def test_route_of_path(self, scene: Scene) -> None:
        """A call for such a phone goes to the edge, with the Path as its Route."""
        alice = scene.phone("alice")
        edge = scene.bare("edge")
        alice.register(
            contacts=["<sip:bob@192.168.0.5>"],
            to="sip:bob@example.com",
            headers=[("Supported", "path"), ("Path", "<sip:tok@10.0.2.2;lr>")],
        )
        scene.run(1)
        call = alice.call("bob")
        scene.run(0.3)
        invite = edge.requests[0]
        assert invite.uri_raw == b"sip:bob@192.168.0.5"
        assert invite.values(b"route") == [b"<sip:tok@10.0.2.2;lr>"]
        edge.reply(invite, 486)
        scene.run(1)
        assert call.status == 486

    def test_two_edges(self, scene: Scene) -> None:
        """Two Path values make two Routes, in their order."""
        alice = scene.phone("alice")
        edge = scene.bare("edge")
        alice.register(
            contacts=["<sip:bob@192.168.0.5>"],
            to="sip:bob@example.com",
            headers=[("Path", "<sip:10.0.2.2;lr>, <sip:inner.example;lr>")],
        )
        scene.run(1)
        alice.send("MESSAGE", "sip:bob@example.com")
        scene.run(0.3)
        assert edge.requests[0].values(b"route") == [
            b"<sip:10.0.2.2;lr>",
            b"<sip:inner.example;lr>",
        ]
        edge.reply(edge.requests[0], 200)


class MarkTests:
    """Nobody makes up that a request belongs to a dialog of ours."""

    def test_forged(self, scene: Scene) -> None:
        """A made-up entry of ours does not open the way to other hosts."""
        mallory, victim = scene.bare(), scene.bare("victim")
        for user in ("rr0123456789abcdef", "rr", "x", "rr" + "0" * 40):
            mallory.send(
                mallory.text(
                    "BYE",
                    "sip:victim@10.0.2.2",
                    to_tag="t",
                    headers=[("Route", f"<sip:{user}@10.0.0.1;lr>")],
                )
            )
        scene.run(1)
        assert victim.received == [] and mallory.statuses() == [403] * 4

    def test_of_another_dialog(self, scene: Scene) -> None:
        """The entry of one dialog is worth nothing in another."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        assert call.dialog is not None
        mallory, victim = scene.bare(), scene.bare("victim")
        mallory.send(
            mallory.text(
                "BYE", "sip:v@10.0.2.2", to_tag="t", headers=[("Route", call.dialog.routes[0])]
            )
        )
        scene.run(1)
        assert victim.received == [] and mallory.statuses() == [403]
        call.hang_up()
        scene.run(1)
        assert bob.last.over

    def test_outlives_a_restart(self, make_scene: MakeScene) -> None:
        """A dialog goes on through a server that was started again with the same secret."""
        scene = make_scene()
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        scene.server = SimulatedServer(scene.network, scene.server.configuration, run=b"next")
        call.hang_up()
        scene.run(1)
        assert (call.state, bob.last.state) == ("ended", "ended")
