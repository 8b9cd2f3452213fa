"""Requests that come back: spirals, loops and hops used up (RFC 3261 16.3, RFC 5393)."""

from collections.abc import Callable

from sipproxy.message.message import Request
from sipproxy.testing.bare import Bare
from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


def mirror(scene: Scene, changed: bool = False, name: str = "mirror") -> Bare:
    """Put a proxy there that sends everything back, under another user when ``changed``."""
    end = scene.bare(name)

    def reflect(request: Request) -> None:
        if request.method == "ACK":
            return
        copy = request.clone()
        user = b"bob" if changed else b"mirror"
        copy.set_uri(b"sip:%b@example.com" % user)
        copy.set(b"max-forwards", b"%d" % ((request.max_forwards or 1) - 1))
        copy.prepend(b"via", b"SIP/2.0/UDP 10.0.2.2;branch=z9hG4bKm%d" % len(end.received))
        end.send(copy)

    end.on_request = reflect
    return end


class LoopTests:
    """Round and round."""

    def test_contact_is_the_server(self, scene: Scene) -> None:
        """A user whose contact is the user himself does not make the server call itself."""
        alice = scene.phone("alice")
        alice.register(contacts=["<sip:bob@example.com>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(5)
        assert call.over and call.status in (404, 482, 483, 500)

    def test_contact_is_another_user(self, scene: Scene) -> None:
        """A user whose contact is another user of ours is called at that one's phone."""
        alice, bob = scene.registered("alice", "bob")
        alice.register(contacts=["<sip:bob@example.com>"], to="sip:boss@example.com")
        scene.run(1)
        call = alice.call("boss")
        scene.run(2)
        assert (call.status, len(bob.calls)) == (200, 1)
        call.hang_up()

    def test_two_users_in_a_ring(self, scene: Scene) -> None:
        """Two users whose contacts are each other end in an answer, not in a storm."""
        alice = scene.phone("alice")
        alice.register(contacts=["<sip:two@example.com>"], to="sip:one@example.com")
        scene.run(1)
        alice.register(contacts=["<sip:one@example.com>"], to="sip:two@example.com")
        scene.run(1)
        scene.ladder.clear()
        call = alice.call("one")
        scene.run(5)
        assert call.over and call.status >= 400
        assert len(scene.ladder.labels()) < 50

    def test_reflected_unchanged(self, scene: Scene) -> None:
        """A request that comes back as it was is a loop: 482."""
        mallory = scene.bare()
        end = mirror(scene)
        alice = scene.phone("alice")
        alice.register(contacts=["<sip:mirror@10.0.2.2>"], to="sip:mirror@example.com")
        scene.run(1)
        mallory.send(mallory.text("OPTIONS", "sip:mirror@example.com"))
        scene.run(0.3)
        assert end.statuses() == [482]
        assert len(end.requests) == 1

    def test_spiral(self, scene: Scene) -> None:
        """A request that comes back for somebody else is a spiral, and goes on."""
        end = mirror(scene, changed=True)
        alice, bob = scene.registered("alice", "bob")
        alice.register(contacts=["<sip:mirror@10.0.2.1>"], to="sip:mirror@example.com")
        scene.run(1)
        alice.send("MESSAGE", "sip:mirror@example.com", body="round")
        scene.run(0.3)
        assert bob.methods() == ["MESSAGE"]
        assert len(bob.requests[0].vias) == 4
        assert end.statuses() == [200]

    def test_max_forwards_used_up(self, scene: Scene) -> None:
        """A request whose hops are used up is not forwarded: 483."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("MESSAGE", bob.aor, max_forwards=0)
        scene.run(1)
        assert sent.status == 483 and bob.requests == []

    def test_last_hop(self, scene: Scene) -> None:
        """With one hop left a request still arrives, with none left."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("MESSAGE", bob.aor, max_forwards=1)
        scene.run(1)
        assert sent.status == 200 and bob.requests[0].max_forwards == 0

    def test_no_max_forwards(self, scene: Scene) -> None:
        """A request without Max-Forwards gets one (section 16.6 step 3)."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE").replace("Max-Forwards: 70\r\n", ""))
        scene.run(1)
        assert bob.requests[0].max_forwards == 70 and mallory.statuses() == [200]

    def test_options_with_no_hops(self, scene: Scene) -> None:
        """OPTIONS whose hops end here is answered by the server (section 16.3 step 3)."""
        alice, bob = scene.registered("alice", "bob")
        sent = alice.send("OPTIONS", bob.aor, max_forwards=0)
        scene.run(1)
        assert sent.status in (200, 483) and bob.requests == []

    def test_reflected_ack(self, scene: Scene) -> None:
        """An ACK that comes back is not sent round again and again."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        mallory = scene.bare()
        ack = bob.requests[1].clone()
        assert ack.method == "ACK"
        for _ in range(5):
            mallory.send(ack)
        scene.run(1)
        assert len(scene.ladder.labels(target="mallory")) == 0
        assert bob.methods().count("ACK") <= 6
        call.hang_up()

    def test_reflected_response(self, scene: Scene) -> None:
        """A response that comes back to the server is dropped."""
        alice, _ = scene.registered("alice", "bob")
        mallory = scene.bare()
        sent = alice.send("OPTIONS", "sip:example.com")
        scene.run(1)
        assert sent.response is not None
        mallory.send(sent.response)
        scene.run(1)
        assert mallory.received == []
        assert scene.ladder.labels(target="alice")[-1:] == ["200"]

    def test_route_to_oneself(self, scene: Scene) -> None:
        """A Route that names the server any number of times leads to nothing but the user."""
        alice, bob = scene.registered("alice", "bob")
        route = ", ".join(["<sip:10.0.0.1;lr>"] * 10)
        sent = alice.send("MESSAGE", bob.aor, route=route)
        scene.run(1)
        assert sent.status == 200
        assert scene.ladder.labels("proxy", "proxy") == []

    def test_via_of_ours_is_forged(self, scene: Scene) -> None:
        """A Via that looks like ours but was never made here stops nobody."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        text = mallory.text("MESSAGE")
        end = text.index("Max-Forwards")
        text = text[:end] + "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKforged\r\n" + text[end:]
        mallory.send(text)
        scene.run(1)
        assert bob.methods() == ["MESSAGE"]
