"""Hops that cannot be reached, names without an address, and what is tried instead."""

from collections.abc import Callable

import pytest

from sipproxy.testing.phone import Phone
from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


def alice_and(scene: Scene, contact: str) -> Phone:
    """Give a caller; the user ``bob`` is registered at a contact."""
    alice = scene.phone("alice")
    alice.register(contacts=[f"<{contact}>"], to="sip:bob@example.com")
    scene.run(1)
    scene.ladder.clear()
    return alice


class DeadHopTests:
    """Nobody is there."""

    def test_closed_port(self, scene: Scene) -> None:
        """A host that says that nobody listens is not waited for."""
        alice, bob = scene.registered("alice", "bob")
        bob.vanish(gone=False)
        scene.phones.remove(bob)
        call = alice.call("bob")
        scene.run(1)
        assert call.status in (500, 503) and call.over

    def test_gone_host(self, scene: Scene) -> None:
        """A host that says nothing is given up after 32 s."""
        alice, bob = scene.registered("alice", "bob")
        bob.vanish()
        scene.phones.remove(bob)
        call = alice.call("bob")
        scene.run(31)
        assert not call.over
        scene.run(2)
        assert call.status == 408

    def test_no_answer_to_a_message(self, scene: Scene) -> None:
        """A non-INVITE that nobody answered gets no 408: it would come too late (RFC 4320)."""
        alice, _ = scene.registered("alice", "bob")
        scene.network.cut("10.0.1.2")
        sent = alice.send("MESSAGE", "sip:bob@example.com")
        scene.run(40)
        assert (sent.statuses, sent.failure) == ([], "timed out")
        assert 408 not in sent.statuses

    def test_unknown_name(self, scene: Scene) -> None:
        """A contact whose name has no address cannot be called."""
        alice = alice_and(scene, "sip:bob@nowhere.example")
        call = alice.call("bob")
        scene.run(8)
        assert call.over and call.status in (404, 480, 500, 502)

    def test_slow_names(self, scene: Scene) -> None:
        """A name service that never answers costs some seconds, not the call's fate for ever."""
        scene.names.names["slow.example"] = None
        alice = alice_and(scene, "sip:bob@slow.example")
        call = alice.call("bob")
        scene.run(30)
        assert call.over and call.status >= 400

    def test_slow_names_hold_up_nobody(self, scene: Scene) -> None:
        """While one call waits for a name, others go through."""
        scene.names.names["slow.example"] = None
        alice = alice_and(scene, "sip:bob@slow.example")
        carol, _ = scene.registered("carol", "dave")
        waiting, quick = alice.call("bob"), carol.call("dave")
        scene.run(2)
        assert (waiting.over, quick.state) == (False, "up")
        quick.hang_up()

    def test_second_address(self, scene: Scene) -> None:
        """Of a name's addresses, the next one is tried when the first is dead."""
        scene.names.names["pair.example"] = ["10.9.9.9", "10.0.1.2"]
        alice = alice_and(scene, "sip:bob@pair.example")
        scene.phone("bob")
        call = alice.call("bob")
        scene.run(40)
        assert call.state == "up"
        call.hang_up()

    def test_dead_address_is_remembered(self, scene: Scene) -> None:
        """The second call does not wait for the address that was dead for the first."""
        scene.names.names["pair.example"] = ["10.9.9.9", "10.0.1.2"]
        alice = alice_and(scene, "sip:bob@pair.example")
        scene.phone("bob")
        first = alice.call("bob")
        scene.run(40)
        second = alice.call("bob")
        scene.run(2)
        assert (first.state, second.state) == ("up", "up")
        first.hang_up()
        second.hang_up()

    def test_second_address_after_503(self, scene: Scene) -> None:
        """A 503 of the first address sends the request to the second (section 16.7 step 6)."""
        scene.names.names["pair.example"] = ["10.0.1.2", "10.0.1.3"]
        alice = alice_and(scene, "sip:bob@pair.example")
        busy, other = scene.phone("busy"), scene.phone("other")
        busy.says(503)
        call = alice.call("bob")
        scene.run(3)
        assert (call.state, busy.last.status, other.last.state) == ("up", 503, "up")
        call.hang_up()

    def test_all_addresses_dead(self, scene: Scene) -> None:
        """When every address says 503, the caller hears of it once."""
        scene.names.names["pair.example"] = ["10.0.1.2", "10.0.1.3"]
        alice = alice_and(scene, "sip:bob@pair.example")
        for name in ("one", "two"):
            scene.phone(name).says(503)
        call = alice.call("bob")
        scene.run(3)
        assert call.statuses == [100, 500]

    def test_nothing_listens_on_tcp(self, scene: Scene) -> None:
        """A refused connection is a dead hop."""
        alice = alice_and(scene, "sip:bob@10.0.1.99;transport=tcp")
        call = alice.call("bob")
        scene.run(3)
        assert call.over and call.status in (500, 503)

    def test_tcp_without_answer(self, scene: Scene) -> None:
        """A connection that does not open is given up after TcpConnectTimeout."""
        alice = alice_and(scene, "sip:bob@10.0.1.99;transport=tcp")
        scene.network.cut("10.0.1.99")
        call = alice.call("bob")
        scene.run(4)
        assert not call.over
        scene.run(3)
        assert call.over and call.status in (408, 500, 503)

    @pytest.mark.parametrize(
        "contact",
        ["sip:bob@255.255.255.255", "sip:bob@224.0.0.1", "sip:bob@0.0.0.0", "sip:bob@[::1]"],
    )
    def test_senseless_addresses(self, scene: Scene, contact: str) -> None:
        """Nothing is ever sent to everybody, to a group or to nobody."""
        alice = alice_and(scene, contact)
        call = alice.call("bob")
        scene.run(3)
        assert call.over and call.status >= 400
        assert {step.target for step in scene.ladder.steps()} == {"alice", "proxy"}

    def test_callee_dies_ringing(self, scene: Scene) -> None:
        """A phone that dies while it rings is noticed by timer C at the latest."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        call = alice.call("bob")
        scene.run(5)
        bob.vanish()
        scene.phones.remove(bob)
        scene.run(220)
        assert call.over

    def test_caller_dies_ringing(self, scene: Scene) -> None:
        """A caller that dies leaves a call that rings until timer C, and then nothing."""
        alice, bob = scene.registered("alice", "bob")
        bob.rings()
        alice.call("bob")
        scene.run(5)
        alice.vanish()
        scene.phones.remove(alice)
        scene.run(200)
        assert bob.last.state == "cancelled"

    def test_caller_dies_before_ack(self, scene: Scene) -> None:
        """A caller that dies before its ACK: the callee repeats its 200, and gives up."""
        alice, bob = scene.registered("alice", "bob")
        alice.call("bob")
        scene.run(1.0015)
        alice.vanish()
        scene.phones.remove(alice)
        scene.run(70)
        assert bob.last.over and bob.last.failure == "no ACK"

    def test_server_out_of_reach(self, scene: Scene) -> None:
        """A call made while the line of the server was cut goes through when it is mended."""
        alice, _ = scene.registered("alice", "bob")
        scene.network.cut("10.0.0.1")
        call = alice.call("bob")
        scene.run(6)
        scene.network.mend("10.0.0.1")
        scene.run(6)
        assert call.state == "up"
        call.hang_up()
