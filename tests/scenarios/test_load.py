"""Too much at once, and stopping."""

from collections.abc import Callable

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class OverloadTests:
    """MaxTransactions is a promise about memory."""

    def test_refused_above(self, make_scene: MakeScene) -> None:
        """Above it new requests are answered 503 with Retry-After, and nothing is kept of them."""
        scene = make_scene("MaxTransactions 100")
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        calls = [alice.call("bob") for _ in range(80)]
        scene.run(1)
        assert len(scene.server.layer) <= 101
        refused = [call for call in calls if call.status == 503]
        assert refused and all(
            call.response is not None and call.response.value(b"retry-after") for call in refused
        )
        for call in calls:
            call.cancel()

    def test_going_calls_go_on(self, make_scene: MakeScene) -> None:
        """Calls that ring can be cancelled although the server is full."""
        scene = make_scene("MaxTransactions 100")
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        calls = [alice.call("bob") for _ in range(60)]
        scene.run(1)
        ringing = [call for call in calls if call.state == "ringing"]
        assert len(ringing) >= 40
        for call in ringing:
            call.cancel()
        scene.run(30)
        assert {call.state for call in ringing} == {"cancelled"}

    def test_good_again(self, make_scene: MakeScene) -> None:
        """When it is over, calls go through as before."""
        scene = make_scene("MaxTransactions 100")
        alice, bob = scene.registered("alice", "bob")
        for _ in range(300):
            alice.send("MESSAGE", bob.aor)
        scene.run(90)
        call = alice.call("bob")
        scene.run(2)
        assert call.state == "up"
        call.hang_up()

    def test_refused_invite_is_acknowledged(self, make_scene: MakeScene) -> None:
        """The ACK for such a 503 finds no transaction, and goes nowhere."""
        scene = make_scene("MaxTransactions 100")
        alice, bob = scene.registered("alice", "bob")
        for _ in range(100):
            alice.send("MESSAGE", bob.aor)
        scene.run(0.5)
        scene.ladder.clear()
        call = alice.call("bob")
        scene.run(1)
        scene.ladder.expect("""
            alice     proxy
              │ INVITE ──▶│
              │◀── 503 ───│
              │ ACK ─────▶│
        """)
        assert call.over


class StopTests:
    """The end of the service."""

    def test_no_new_requests(self, scene: Scene) -> None:
        """A server that is stopping takes nothing new, and says when to ask again."""
        alice, bob = scene.registered("alice", "bob")
        scene.server.stop()
        sent = alice.send("MESSAGE", bob.aor)
        scene.run(1)
        assert (sent.status, sent.header("Retry-After")) == (503, "5")
        assert bob.requests == []

    def test_calls_being_set_up_go_on(self, scene: Scene) -> None:
        """A call that rings when the server is told to stop may still be answered."""
        alice, bob = scene.registered("alice", "bob")
        bob.answers(3)
        call = alice.call("bob")
        scene.run(1)
        scene.server.stop()
        scene.run(4)
        assert call.state == "up"

    def test_waiting_is_given_up(self, scene: Scene) -> None:
        """A request that waits for a name when the server stops still gets an answer."""
        scene.names.names["slow.example"] = None
        alice = scene.phone("alice")
        alice.register(contacts=["<sip:x@slow.example>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        scene.server.stop()
        scene.run(30)
        assert call.over and call.status >= 400
