"""302 answers that the server follows itself (Recursive On; RFC 3261 section 16.5)."""

from collections.abc import Callable

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class RecursiveTests:
    """The caller never hears of the redirection."""

    def test_followed(self, make_scene: MakeScene) -> None:
        """The new place is called instead, and its answer is the answer."""
        scene = make_scene("Recursive On")
        alice, bob, carol = scene.registered("alice", "bob", "carol")
        bob.redirects("sip:carol@10.0.1.3:5060")
        call = alice.call("bob")
        scene.run(3)
        assert (call.statuses, carol.last.state) == ([100, 180, 200], "up")
        call.hang_up()
        scene.run(1)
        assert carol.last.over

    def test_looping(self, make_scene: MakeScene) -> None:
        """Two phones that send callers to each other are each asked once."""
        scene = make_scene("Recursive On")
        alice, bob, carol = scene.registered("alice", "bob", "carol")
        bob.redirects("sip:carol@10.0.1.3:5060")
        carol.redirects("sip:bob@10.0.1.2:5060")
        call = alice.call("bob")
        scene.run(3)
        assert call.over and call.status >= 300
        assert (len(bob.calls), len(carol.calls)) == (1, 1)

    def test_to_itself(self, make_scene: MakeScene) -> None:
        """A phone that redirects to itself is not asked again (section 16.5)."""
        scene = make_scene("Recursive On")
        alice, bob = scene.registered("alice", "bob")
        bob.redirects("sip:bob@10.0.1.2:5060")
        call = alice.call("bob")
        scene.run(3)
        assert call.over and len(bob.calls) == 1

    def test_cancelled(self, make_scene: MakeScene) -> None:
        """A caller who gives up while the new place rings cancels it there."""
        scene = make_scene("Recursive On")
        alice, bob, carol = scene.registered("alice", "bob", "carol")
        bob.redirects("sip:carol@10.0.1.3:5060")
        carol.rings()
        call = alice.call("bob").later(2, "cancel")
        scene.run(4)
        assert (call.status, carol.last.state) == (487, "cancelled")

    def test_several(self, make_scene: MakeScene) -> None:
        """Several new places are tried as their q says, until one answers."""
        scene = make_scene("Recursive On")
        alice, bob, carol, dave = scene.registered("alice", "bob", "carol", "dave")
        contacts = "<sip:carol@10.0.1.3:5060>;q=0.9, <sip:dave@10.0.1.4:5060>;q=0.1"
        bob.will((0, 302, [("Contact", contacts)]))
        carol.says(486)
        call = alice.call("bob")
        scene.run(3)
        assert (call.status, carol.last.state, dave.last.state) == (200, "failed", "up")
        call.hang_up()

    def test_nowhere(self, make_scene: MakeScene) -> None:
        """A 302 without a Contact leads nowhere, and is what the caller gets."""
        scene = make_scene("Recursive On")
        alice, bob = scene.registered("alice", "bob")
        bob.says(302)
        call = alice.call("bob")
        scene.run(3)
        assert call.status == 302
