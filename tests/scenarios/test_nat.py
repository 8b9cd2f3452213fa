"""Phones behind NAT boxes: reached by the way they came (RFC 3581, RFC 5626 in spirit)."""

import pytest

from sipproxy.testing.nat import Nat
from sipproxy.testing.phone import Phone
from sipproxy.testing.scene import Scene


def behind(
    scene: Scene, name: str, box: Nat, host: str = "192.168.1.10", **options: object
) -> Phone:
    """Put a registered phone behind a box."""
    phone = scene.phone(name, box, host, **options)
    sent = phone.register(3600)
    scene.run(0.5)
    assert sent.status == 200
    scene.ladder.clear()
    return phone


class NatTests:
    """One call, with boxes on one side or both."""

    @pytest.mark.parametrize("rport", [True, False])
    def test_answers_find_back(self, scene: Scene, rport: bool) -> None:
        """An answer goes to where its request came from, also when nobody asked for that."""
        box = scene.nat()
        alice = scene.phone("alice", box, "192.168.1.10", rport=rport)
        sent = alice.send("OPTIONS", "sip:example.com")
        scene.run(1)
        assert sent.statuses == [200]

    def test_received_and_rport(self, scene: Scene) -> None:
        """The answer tells the phone what it looks like from outside."""
        box = scene.nat()
        sent = scene.phone("alice", box, "192.168.1.10").send("OPTIONS", "sip:example.com")
        scene.run(1)
        assert sent.response is not None
        via = sent.response.top_via
        assert (via.host, via.received, via.rport) == ("192.168.1.10", "203.0.113.9", 20001)

    @pytest.mark.parametrize("who", ["caller", "callee"])
    def test_callee_behind(self, scene: Scene, who: str) -> None:
        """A phone behind a box can be called, and either side can hang up."""
        bob = behind(scene, "bob", scene.nat())
        (alice,) = scene.registered("alice")
        call = alice.call("bob")
        scene.run(3)
        assert call.state == "up"
        (call if who == "caller" else bob.last).hang_up()
        scene.run(1)
        assert (call.state, bob.last.state) == ("ended", "ended")

    @pytest.mark.parametrize("who", ["caller", "callee"])
    def test_caller_behind(self, scene: Scene, who: str) -> None:
        """A phone behind a box can call, and either side can hang up."""
        alice = behind(scene, "alice", scene.nat())
        (bob,) = scene.registered("bob")
        call = alice.call("bob")
        scene.run(3)
        assert call.state == "up" and bob.last.acknowledged
        (call if who == "caller" else bob.last).hang_up()
        scene.run(1)
        assert (call.state, bob.last.state) == ("ended", "ended")

    def test_both_behind_with_one_address(self, scene: Scene) -> None:
        """Two phones with the same private address at home call each other."""
        alice = behind(scene, "alice", scene.nat("203.0.113.1", "home1"))
        bob = behind(scene, "bob", scene.nat("203.0.113.2", "home2"))
        assert alice.address == bob.address
        call = alice.call("bob")
        scene.run(3)
        reinvite = bob.last.send("INVITE")
        scene.run(1)
        assert (call.state, reinvite.status) == ("up", 200)
        bob.last.hang_up()
        scene.run(1)
        assert call.state == "ended"

    def test_two_behind_one_router(self, scene: Scene) -> None:
        """Two homes with the same inside behind one carrier's router are told apart by port."""
        carrier = scene.nat("203.0.113.9", "carrier")
        homes = [Nat(carrier, f"100.64.0.{number}") for number in (1, 2)]
        alice, bob = (
            behind(scene, name, home) for name, home in zip(("alice", "bob"), homes, strict=True)
        )
        call = alice.call("bob")
        scene.run(3)
        assert (call.state, bob.last.state) == ("up", "up")
        call.hang_up()

    def test_two_phones_in_one_home(self, scene: Scene) -> None:
        """Two phones of one home are called apart, and one user's two phones together."""
        box = scene.nat()
        desk = behind(scene, "desk", box, "192.168.1.10")
        mobile = behind(scene, "mobile", box, "192.168.1.11")
        for phone in (desk, mobile):
            phone.register(to="sip:bob@example.com")
            phone.rings()
        scene.run(1)
        (alice,) = scene.registered("alice")
        call = alice.call("bob").later(2, "cancel")
        scene.run(4)
        assert call.statuses.count(180) == 2 and call.status == 487
        assert [desk.last.state, mobile.last.state] == ["cancelled", "cancelled"]

    def test_same_contact_from_two_homes(self, scene: Scene) -> None:
        """One user's two phones with one private contact: the later one holds the binding."""
        first = behind(scene, "bob", scene.nat("203.0.113.1", "home1"))
        second = behind(scene, "bob", scene.nat("203.0.113.2", "home2"))
        (alice,) = scene.registered("alice")
        call = alice.call("bob")
        scene.run(3)
        assert call.state == "up"
        assert (len(first.calls), len(second.calls)) in ((0, 1), (1, 1))
        call.hang_up()

    def test_symmetric(self, scene: Scene) -> None:
        """A symmetric box makes no difference: everything goes to and comes from the server."""
        bob = behind(scene, "bob", scene.nat(symmetric=True))
        (alice,) = scene.registered("alice")
        call = alice.call("bob")
        scene.run(3)
        bob.last.hang_up()
        scene.run(1)
        assert call.state == "ended"

    def test_mapping_forgotten(self, scene: Scene) -> None:
        """After the box forgot the phone, a call does not reach it, until it registers again."""
        bob = behind(scene, "bob", scene.nat())
        (alice,) = scene.registered("alice")
        scene.run(70)
        lost = alice.call("bob")
        scene.run(40)
        assert lost.over and not bob.calls
        bob.register()
        scene.run(1)
        call = alice.call("bob")
        scene.run(3)
        assert call.state == "up"
        call.hang_up()

    def test_keep_alive_holds_the_mapping(self, scene: Scene) -> None:
        """A phone that sends two CRLFs every half minute stays within reach."""
        bob = behind(scene, "bob", scene.nat())
        (alice,) = scene.registered("alice")
        for _ in range(10):
            bob.wire.send(b"\r\n\r\n", bob.address, bob.proxy)
            scene.run(30)
        call = alice.call("bob")
        scene.run(3)
        assert call.state == "up"
        call.hang_up()

    def test_tcp_behind(self, scene: Scene) -> None:
        """A phone behind a box that registers over TCP is called over its own connection."""
        bob = behind(scene, "bob", scene.nat(), transport="tcp")
        (alice,) = scene.registered("alice")
        opened = scene.network.streams.opened
        call = alice.call("bob")
        scene.run(3)
        bob.last.hang_up()
        scene.run(1)
        assert call.state == "ended" and scene.network.streams.opened == opened

    def test_forged_received(self, scene: Scene) -> None:
        """What a sender claims in received and rport is replaced by what is true."""
        mallory = scene.bare()
        via = "SIP/2.0/UDP 10.0.2.1:5060;received=10.9.9.9;rport=9;branch=z9hG4bK1"
        mallory.send(mallory.text("OPTIONS", "sip:example.com", via=via))
        scene.run(1)
        assert mallory.statuses() == [200]
        assert mallory.responses[0].top_via.received in (None, "10.0.2.1")

    def test_named_via(self, scene: Scene) -> None:
        """A Via that names a host by name is answered at the address that it came from."""
        mallory = scene.bare()
        via = "SIP/2.0/UDP mallory.example:5060;branch=z9hG4bK1"
        mallory.send(mallory.text("OPTIONS", "sip:example.com", via=via))
        scene.run(1)
        assert mallory.statuses() == [200]
        assert mallory.responses[0].top_via.received == "10.0.2.1"

    def test_reflection(self, scene: Scene) -> None:
        """Nobody can have answers sent to somebody else by writing him into the Via."""
        mallory, victim = scene.bare(), scene.bare("victim")
        for via in (
            "SIP/2.0/UDP 10.0.2.2:5060;branch=z9hG4bK1",
            "SIP/2.0/UDP 10.0.2.2:5060;branch=z9hG4bK2;rport",
            "SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK3;received=10.0.2.2",
        ):
            mallory.send(mallory.text("OPTIONS", "sip:example.com", via=via))
        scene.run(1)
        assert victim.received == [] and mallory.statuses() == [200] * 3
