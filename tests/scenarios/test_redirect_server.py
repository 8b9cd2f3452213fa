"""A server that redirects instead of forwarding, for all or for the phones that wish it (8.3)."""

from collections.abc import Callable

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class RedirectServerTests:
    """ServerType Redirect."""

    def test_one_phone(self, make_scene: MakeScene) -> None:
        """The caller is told the one place where the user is, and for how long."""
        scene = make_scene("ServerType Redirect")
        alice, bob = scene.registered("alice", "bob")
        scene.run(99.5)
        scene.ladder.clear()
        call = alice.call("bob")
        scene.run(1)
        assert scene.ladder.labels(target="bob") == []
        assert scene.ladder.labels("proxy", "alice")[-1] == "302" and bob.calls == []
        assert call.response is not None
        assert call.response.values(b"contact") == [b"<sip:bob@10.0.1.2:5060>;expires=3500"]

    def test_several_phones(self, make_scene: MakeScene) -> None:
        """Of several places the caller may choose: 300, the preferred first."""
        scene = make_scene("ServerType Redirect")
        alice = scene.phone("alice")
        alice.register(
            contacts=["<sip:a@10.0.1.7>;q=0.2", "<sip:b@10.0.1.8>;q=0.9"],
            to="sip:bob@example.com",
        )
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        assert call.status == 300 and call.response is not None
        contacts = [contact.uri_raw for contact in call.response.contacts]
        assert contacts == [b"sip:b@10.0.1.8", b"sip:a@10.0.1.7"]

    def test_nobody(self, make_scene: MakeScene) -> None:
        """A user without a phone is nowhere: 404."""
        scene = make_scene("ServerType Redirect")
        call = scene.phone("alice").call("bob")
        scene.run(1)
        assert call.status == 404

    def test_message(self, make_scene: MakeScene) -> None:
        """Other requests are redirected as well; OPTIONS to the server is answered."""
        scene = make_scene("ServerType Redirect")
        alice, _ = scene.registered("alice", "bob")
        message = alice.send("MESSAGE", "sip:bob@example.com")
        options = alice.send("OPTIONS", "sip:example.com")
        scene.run(1)
        assert (message.status, options.status) == (302, 200)


class PreferenceTests:
    """UseCallerPreferences: the action of a contact (RFC 2543)."""

    def test_redirect_me(self, make_scene: MakeScene) -> None:
        """A proxy redirects for a phone that wishes it."""
        scene = make_scene("UseCallerPreferences On")
        alice, bob = scene.registered("alice", "bob")
        bob.register(contacts=[f"{bob.contact};action=redirect"])
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        assert call.status == 302 and bob.calls == []

    def test_proxy_me(self, make_scene: MakeScene) -> None:
        """A redirect server forwards for a phone that wishes it."""
        scene = make_scene("ServerType Redirect\nUseCallerPreferences On")
        alice, bob = scene.registered("alice", "bob")
        bob.register(contacts=[f"{bob.contact};action=proxy"])
        scene.run(1)
        call = alice.call("bob")
        scene.run(2)
        assert call.state == "up"
        call.hang_up()

    def test_not_asked(self, scene: Scene) -> None:
        """Without the switch the wish does not count."""
        alice, bob = scene.registered("alice", "bob")
        bob.register(contacts=[f"{bob.contact};action=redirect"])
        scene.run(1)
        call = alice.call("bob")
        scene.run(2)
        assert call.state == "up"
        call.hang_up()

    def test_mixed(self, make_scene: MakeScene) -> None:
        """When the phones that we may try are busy, the caller hears of the others."""
        scene = make_scene("UseCallerPreferences On")
        alice, bob = scene.registered("alice", "bob")
        bob.register(contacts=[bob.contact, "<sip:bob@far.example>;action=redirect"])
        bob.says(486)
        scene.run(1)
        call = alice.call("bob")
        scene.run(1)
        assert len(bob.calls) == 1 and call.status == 302 and call.response is not None
        assert [contact.uri_raw for contact in call.response.contacts] == [b"sip:bob@far.example"]
