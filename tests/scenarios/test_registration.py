"""Registering: what a phone may ask of the registrar, and what it is told (RFC 3261 section 10)."""

from collections.abc import Callable

import pytest

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class RegisterTests:
    """A first registration."""

    def test_basic(self, scene: Scene) -> None:
        """A REGISTER is answered with the binding and the seconds it will live."""
        alice = scene.phone("alice")
        sent = alice.register(1800)
        scene.run(1)
        scene.ladder.expect("""
            alice         proxy
              │ REGISTER ───▶│   0.000
              │◀────── 200 OK│   0.001
        """)
        assert sent.contacts() == ["<sip:alice@10.0.1.1:5060>;expires=1800"]
        assert scene.bindings("alice") == ["sip:alice@10.0.1.1:5060"]

    def test_answer_has_a_date(self, scene: Scene) -> None:
        """The 200 tells the time, as the registrar should (section 10.3 step 8)."""
        sent = scene.phone("alice").register()
        scene.run(1)
        assert sent.header("Date") == "Thu, 01 Jan 1970 00:00:00 GMT"

    def test_several_contacts(self, scene: Scene) -> None:
        """One REGISTER may bring several contacts, each with its own lifetime and preference."""
        sent = scene.phone("alice").register(
            600,
            contacts=["<sip:a@10.0.1.1>;q=0.5", "<sip:b@10.0.1.1>;expires=120,<sip:c@10.0.1.1>"],
        )
        scene.run(1)
        assert sent.contacts() == [
            "<sip:a@10.0.1.1>;q=0.5;expires=600",
            "<sip:b@10.0.1.1>;expires=120",
            "<sip:c@10.0.1.1>;expires=600",
        ]

    def test_contact_expires_wins(self, scene: Scene) -> None:
        """The parameter of a Contact counts more than the Expires header (section 10.2.1.1)."""
        sent = scene.phone("alice").register(900, contacts=["<sip:a@10.0.1.1>;expires=300"])
        scene.run(1)
        assert sent.contacts() == ["<sip:a@10.0.1.1>;expires=300"]

    def test_no_expires(self, scene: Scene) -> None:
        """A phone that says nothing about time gets the default."""
        sent = scene.phone("alice").register(None)
        scene.run(1)
        assert sent.contacts() == ["<sip:alice@10.0.1.1:5060>;expires=3600"]

    @pytest.mark.parametrize("text", ["soon", "-5", "1.5", "99999999999999999999"])
    def test_malformed_expires(self, scene: Scene, text: str) -> None:
        """Nonsense for an expiry counts as an hour at the most, and refuses nobody."""
        sent = scene.phone("alice").register(
            None, contacts=[f"<sip:a@10.0.1.1>;expires={text}"], headers=[("Expires", text)]
        )
        scene.run(1)
        assert sent.status == 200
        left = int(sent.contacts()[0].rpartition("=")[2])
        assert left in (3600, 86400)

    def test_cut_to_longest(self, make_scene: MakeScene) -> None:
        """A phone that asks for more than the longest is told what it got."""
        scene = make_scene("RegistrationMaxExpires 7200")
        sent = scene.phone("alice").register(999999)
        scene.run(1)
        assert sent.contacts() == ["<sip:alice@10.0.1.1:5060>;expires=7200"]

    def test_too_brief(self, scene: Scene) -> None:
        """A lifetime below the shortest is refused, with the shortest named (step 7)."""
        sent = scene.phone("alice").register(5)
        scene.run(1)
        assert (sent.status, sent.header("Min-Expires")) == (423, "60")
        assert scene.bindings("alice") == []

    def test_one_too_brief_of_two(self, scene: Scene) -> None:
        """A REGISTER is carried out whole or not at all."""
        sent = scene.phone("alice").register(
            600, contacts=["<sip:a@10.0.1.1>", "<sip:b@10.0.1.1>;expires=1"]
        )
        scene.run(1)
        assert sent.status == 423 and scene.bindings("alice") == []

    def test_third_party(self, scene: Scene) -> None:
        """Somebody else may register for a user: the To says for whom (section 10.2)."""
        sent = scene.phone("secretary").register(to="sip:boss@example.com")
        scene.run(1)
        assert sent.status == 200
        assert scene.bindings("boss") == ["sip:secretary@10.0.1.1:5060"]
        assert scene.bindings("secretary") == []

    def test_user_in_request_uri(self, scene: Scene) -> None:
        """A user part in the Request-URI, which should not be there, does no harm."""
        sent = scene.phone("alice").register(registrar="sip:alice@example.com")
        scene.run(1)
        assert sent.status == 200 and len(scene.bindings("alice")) == 1

    def test_by_address(self, scene: Scene) -> None:
        """Who registers with the server's address means the first of its domains."""
        sent = scene.phone("alice").register(to="sip:alice@10.0.0.1", registrar="sip:10.0.0.1")
        scene.run(1)
        assert sent.status == 200 and len(scene.bindings("alice")) == 1

    @pytest.mark.parametrize("to", ["sip:example.com", "tel:+15551234", "sip:a@elsewhere.example"])
    def test_nobody_of_ours(self, scene: Scene, to: str) -> None:
        """A To that names no user of our domains is not found (step 5)."""
        sent = scene.phone("alice").register(to=to)
        scene.run(1)
        assert sent.status == 404 and scene.server.registry.count == 0

    def test_escaped_user(self, scene: Scene) -> None:
        """An escaped character in the user is the character (step 5)."""
        scene.phone("alice").register(to="sip:%61lice@example.com")
        scene.run(1)
        assert len(scene.bindings("alice")) == 1

    def test_upper_case_domain(self, scene: Scene) -> None:
        """The host of an address of record has no case, its user has."""
        scene.phone("alice").register(to="sip:Alice@EXAMPLE.com")
        scene.run(1)
        assert (len(scene.bindings("Alice")), len(scene.bindings("alice"))) == (1, 0)

    def test_other_domain(self, make_scene: MakeScene) -> None:
        """A REGISTER for another domain is passed on to it, where relaying is allowed."""
        scene = make_scene("RelayPolicy Open")
        scene.names.names["registrar.example"] = ["10.0.2.9"]
        scene.phone("alice").register(registrar="sip:registrar.example")
        scene.run(1)
        assert scene.ladder.labels("proxy", "10.0.2.9") == ["REGISTER"] * 2
        assert scene.server.registry.count == 0

    def test_unknown_requirement(self, scene: Scene) -> None:
        """Require with something unknown is refused, and says what (step 2)."""
        sent = scene.phone("alice").register(headers=[("Require", "path, teleport")])
        scene.run(1)
        assert (sent.status, sent.header("Unsupported")) == (420, "teleport")

    def test_path(self, scene: Scene) -> None:
        """The Path of a REGISTER comes back in its answer (RFC 3327)."""
        sent = scene.phone("alice").register(
            headers=[("Supported", "path"), ("Path", "<sip:edge@10.0.2.5;lr>")]
        )
        scene.run(1)
        assert (sent.status, sent.header("Path")) == (200, "<sip:edge@10.0.2.5;lr>")

    def test_repeated(self, scene: Scene) -> None:
        """A REGISTER whose answer was lost is sent again, and answered the same again."""
        alice = scene.phone("alice")
        scene.lose("200", times=2)
        sent = alice.register()
        scene.run(5)
        assert scene.ladder.labels("alice") == ["REGISTER"] * 3
        assert sent.statuses == [200] and len(scene.bindings("alice")) == 1

    def test_too_many_contacts(self, make_scene: MakeScene) -> None:
        """One user cannot fill the registry alone."""
        scene = make_scene("MaxContactsPerUser 2")
        alice = scene.phone("alice")
        first = alice.register(contacts=["<sip:a@10.0.1.1>", "<sip:b@10.0.1.1>"])
        scene.run(1)
        more = alice.register(contacts=["<sip:c@10.0.1.1>"])
        scene.run(1)
        assert (first.status, more.status) == (200, 403)
        assert len(scene.bindings("alice")) == 2

    def test_registry_full(self, make_scene: MakeScene) -> None:
        """When the registry is full, new phones are asked to come later, and old ones stay."""
        scene = make_scene("MaxBindings 1")
        first = scene.phone("alice").register()
        scene.run(1)
        second = scene.phone("bob").register()
        scene.run(1)
        assert (first.status, second.status) == (200, 503)
        assert second.header("Retry-After") is not None
        assert scene.bindings("alice") and not scene.bindings("bob")

    def test_long_identifiers(self, scene: Scene) -> None:
        """Long Call-IDs and contacts are no reason to refuse anybody."""
        alice = scene.phone("alice")
        contact = f"<sip:{'a' * 200}@10.0.1.1;x={'y' * 200}>"
        sent = alice.send(
            "REGISTER",
            "sip:example.com",
            to=alice.aor,
            headers=[("Contact", contact)],
            call_id="c" * 500,
        )
        scene.run(1)
        assert sent.contacts() == [f"{contact};expires=3600"]

    def test_not_saved(self, scene: Scene) -> None:
        """A registration that could not be written down is not promised."""
        scene.server.journal.fail_with = 28
        sent = scene.phone("alice").register()
        scene.run(1)
        assert sent.status == 503
        scene.server.journal.fail_with = 0
        again = scene.phones[0].register()
        scene.run(1)
        assert again.status == 200
