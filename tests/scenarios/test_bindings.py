"""Refreshing, removing, fetching and expiring bindings (RFC 3261 sections 10.2 and 10.3)."""

from sipproxy.testing.scene import Scene

A, B, C = "<sip:a@10.0.1.1>", "<sip:b@10.0.1.1>", "<sip:c@10.0.1.1>"


class RefreshTests:
    """The same contact again."""

    def test_refresh(self, scene: Scene) -> None:
        """A second REGISTER renews the binding instead of adding one."""
        (alice,) = scene.registered("alice")
        scene.run(1000)
        sent = alice.register(3600)
        scene.run(1)
        assert sent.contacts() == ["<sip:alice@10.0.1.1:5060>;expires=3600"]

    def test_what_is_left(self, scene: Scene) -> None:
        """Another contact's binding is listed with what is left of its time."""
        alice = scene.phone("alice")
        alice.register(600, contacts=[A])
        scene.run(100)
        sent = alice.register(600, contacts=[B])
        scene.run(1)
        assert sent.contacts() == [f"{A};expires=500", f"{B};expires=600"]

    def test_equal_uri(self, scene: Scene) -> None:
        """A contact that is equal by the rules of section 19.1.4 is the same binding."""
        alice = scene.phone("alice")
        alice.register(contacts=["<sip:a@Host.example;transport=udp>"])
        scene.run(1)
        sent = alice.register(contacts=["<sip:a@hOST.example;Transport=UDP>"])
        scene.run(1)
        assert len(sent.contacts()) == 1

    def test_other_preference(self, scene: Scene) -> None:
        """A refresh may change the q value."""
        alice = scene.phone("alice")
        alice.register(600, contacts=[f"{A};q=0.3"])
        scene.run(1)
        sent = alice.register(600, contacts=[f"{A};q=0.8"])
        scene.run(1)
        assert sent.contacts() == [f"{A};q=0.8;expires=600"]

    def test_third_party_refresh(self, scene: Scene) -> None:
        """The phone itself may renew what somebody else registered for it."""
        alice, other = scene.phone("alice"), scene.phone("other")
        other.register(100, contacts=[A], to=alice.aor)
        scene.run(50)
        sent = alice.register(500, contacts=[A])
        scene.run(1)
        assert sent.contacts() == [f"{A};expires=500"]

    def test_stale_number(self, scene: Scene) -> None:
        """A REGISTER that comes late, with a lower CSeq, changes nothing (step 7)."""
        alice = scene.phone("alice")
        alice.register(600, cseq=10)
        scene.run(1)
        late = alice.register(0, cseq=9)
        scene.run(1)
        assert late.status == 500
        assert len(scene.bindings("alice")) == 1

    def test_restarted_phone(self, scene: Scene) -> None:
        """A phone that forgot its CSeq in a restart has a new Call-ID, and is taken at its word."""
        alice = scene.phone("alice")
        alice.register(600, cseq=500)
        scene.run(1)
        sent = alice.send(
            "REGISTER", "sip:example.com", to=alice.aor, headers=[("Contact", alice.contact)]
        )
        scene.run(1)
        assert sent.status == 200 and len(sent.contacts()) == 1


class RemoveTests:
    """Bindings that are taken back."""

    def test_unregister(self, scene: Scene) -> None:
        """Expires 0 removes the binding; the answer lists none."""
        (alice,) = scene.registered("alice")
        sent = alice.unregister()
        scene.run(1)
        assert (sent.status, sent.contacts(), scene.bindings("alice")) == (200, [], [])

    def test_one_of_two(self, scene: Scene) -> None:
        """One contact goes, the other stays."""
        alice = scene.phone("alice")
        alice.register(600, contacts=[A, B])
        scene.run(1)
        sent = alice.register(0, contacts=[A])
        scene.run(1)
        assert sent.contacts() == [f"{B};expires=599"]

    def test_set_and_remove_together(self, scene: Scene) -> None:
        """One REGISTER may add one contact and remove another."""
        alice = scene.phone("alice")
        alice.register(600, contacts=[A])
        scene.run(1)
        sent = alice.register(600, contacts=[f"{A};expires=0", B])
        scene.run(1)
        assert sent.contacts() == [f"{B};expires=600"]

    def test_all(self, scene: Scene) -> None:
        """A star removes everything."""
        alice = scene.phone("alice")
        alice.register(600, contacts=[A, B, C])
        scene.run(1)
        sent = alice.register(0, contacts=["*"])
        scene.run(1)
        assert (sent.status, scene.bindings("alice")) == (200, [])

    def test_star_without_zero(self, scene: Scene) -> None:
        """A star with any other expiry is a mistake (step 6)."""
        (alice,) = scene.registered("alice")
        for expires in (None, 1, 3600):
            sent = alice.register(expires, contacts=["*"])
            scene.run(1)
            assert sent.status == 400
        assert len(scene.bindings("alice")) == 1

    def test_star_in_company(self, scene: Scene) -> None:
        """A star beside another contact is a mistake (step 6)."""
        (alice,) = scene.registered("alice")
        for contacts in ([f"*, {A}"], ["*", A], [A, "*"]):
            sent = alice.register(0, contacts=contacts)
            scene.run(1)
            assert sent.status == 400
        assert len(scene.bindings("alice")) == 1

    def test_not_there(self, scene: Scene) -> None:
        """Removing what is not there is fine."""
        sent = scene.phone("alice").unregister()
        scene.run(1)
        assert (sent.status, sent.contacts()) == (200, [])

    def test_expires(self, scene: Scene) -> None:
        """A phone that is not heard of again is no longer called after its time."""
        alice, bob = scene.phone("alice"), scene.phone("bob")
        bob.register(60)
        scene.run(59)
        early = alice.call("bob")
        scene.run(3)
        early.hang_up()
        late = alice.call("bob")
        scene.run(1)
        assert (early.status, late.status) == (200, 404)
        assert scene.server.registry.count == 0

    def test_two_phones_one_goes(self, scene: Scene) -> None:
        """When one of a user's two phones unregisters, the other still rings."""
        alice, desk, mobile = scene.registered("alice", "desk", "mobile")
        desk.register(to="sip:bob@example.com")
        mobile.register(to="sip:bob@example.com")
        scene.run(1)
        desk.register(0, to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(2)
        assert (call.status, len(desk.calls), len(mobile.calls)) == (200, 0, 1)
        call.hang_up()


class FetchTests:
    """Asking without changing anything."""

    def test_fetch(self, scene: Scene) -> None:
        """A REGISTER without a Contact lists the bindings (section 10.2.3)."""
        alice = scene.phone("alice")
        alice.register(600, contacts=[A, f"{B};q=0.2"])
        scene.run(10)
        sent = alice.register(None, contacts=[])
        scene.run(1)
        assert sent.contacts() == [f"{A};expires=590", f"{B};q=0.2;expires=590"]

    def test_fetch_nothing(self, scene: Scene) -> None:
        """A user without bindings has an empty list, and exists."""
        sent = scene.phone("alice").register(None, contacts=[])
        scene.run(1)
        assert (sent.status, sent.contacts()) == (200, [])

    def test_parameters_come_back(self, scene: Scene) -> None:
        """What else a phone says of its contact is kept and given back."""
        contact = '<sip:a@10.0.1.1>;+sip.instance="<urn:uuid:1>";methods="INVITE,BYE"'
        sent = scene.phone("alice").register(600, contacts=[contact])
        scene.run(1)
        assert sent.contacts() == [f"{contact};expires=600"]
