"""Who may send through the server to the rest of the world (the server is no open relay)."""

from collections.abc import Callable

import pytest

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class RelayTests:
    """Requests for other hosts."""

    @pytest.mark.parametrize(
        ("policy", "registered", "allowed"),
        [
            ("Registered", True, True),
            ("Registered", False, False),
            ("None", True, False),
            ("None", False, False),
            ("Open", True, True),
            ("Open", False, True),
        ],
    )
    def test_policy(
        self, make_scene: MakeScene, policy: str, registered: bool, allowed: bool
    ) -> None:
        """RelayPolicy says who may."""
        scene = make_scene(f"RelayPolicy {policy}")
        alice, far = scene.phone("alice"), scene.phone("far")
        if registered:
            alice.register()
        scene.run(1)
        call = alice.call("sip:far@10.0.1.2")
        scene.run(2)
        assert call.status == (200 if allowed else 403)
        assert len(far.calls) == allowed
        call.hang_up()

    def test_trusted_peer(self, make_scene: MakeScene) -> None:
        """A TrustedPeer may, whatever the policy."""
        scene = make_scene("RelayPolicy None\nTrustedPeer 10.0.1.0/30")
        alice, far = scene.phone("alice"), scene.phone("far")
        sent = alice.send("MESSAGE", "sip:far@10.0.1.2")
        scene.run(1)
        assert sent.status == 200 and len(far.requests) == 1

    def test_registered_elsewhere(self, scene: Scene) -> None:
        """Somebody who uses a registered user's name from another host may not."""
        scene.registered("alice")
        mallory, victim = scene.bare(), scene.bare("victim")
        mallory.send(
            mallory.text("MESSAGE", "sip:v@10.0.2.3", from_="<sip:alice@example.com>;tag=1")
        )
        scene.run(1)
        assert mallory.statuses() == [403] and victim.received == []

    def test_own_users_for_everybody(self, scene: Scene) -> None:
        """Strangers may call our users: that is what they are there for."""
        (bob,) = scene.registered("bob")
        stranger = scene.bare("stranger")
        stranger.send(stranger.text("MESSAGE", from_="<sip:x@far.example>;tag=1"))
        scene.run(1)
        assert stranger.statuses() == [200] and len(bob.requests) == 1

    def test_callee_hangs_up_on_a_stranger(self, scene: Scene) -> None:
        """Inside a dialog that was let through, both sides may send."""
        stranger = scene.phone("stranger", domain="far.example")
        (bob,) = scene.registered("bob")
        call = stranger.call("sip:bob@example.com")
        scene.run(2)
        bob.last.hang_up()
        scene.run(1)
        assert call.state == "ended"

    def test_route_to_the_world(self, scene: Scene) -> None:
        """A Route that leads elsewhere is relaying too, even for a user of ours."""
        mallory, victim = scene.bare(), scene.bare("victim")
        mallory.send(
            mallory.text("MESSAGE", "sip:bob@example.com", headers=[("Route", "<sip:10.0.2.2;lr>")])
        )
        scene.run(1)
        assert mallory.statuses() == [403] and victim.received == []

    def test_own_port(self, scene: Scene) -> None:
        """Our host with a port where we do not listen is another host."""
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", "sip:bob@10.0.0.1:9999"))
        scene.run(1)
        assert mallory.statuses() == [403]

    def test_ack_through_nothing(self, scene: Scene) -> None:
        """An ACK to another host without a dialog is dropped."""
        mallory, victim = scene.bare(), scene.bare("victim")
        mallory.send(mallory.text("ACK", "sip:v@10.0.2.2", to_tag="x"))
        scene.run(1)
        assert victim.received == [] and mallory.received == []
