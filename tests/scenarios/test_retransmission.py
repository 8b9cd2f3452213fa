"""Lost, late and repeated messages: every call still comes to its end (RFC 3261 section 17)."""

from collections.abc import Callable

import pytest

from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


class LostTests:
    """One message is lost."""

    @pytest.mark.parametrize("times", [1, 3, 6])
    @pytest.mark.parametrize("host", ["10.0.1.1", "10.0.0.1"])
    def test_invite(self, scene: Scene, host: str, times: int) -> None:
        """An INVITE is repeated by whoever sent it, up to six times."""
        alice, bob = scene.registered("alice", "bob")
        scene.lose("INVITE", times, source=host)
        call = alice.call("bob")
        scene.run(40)
        assert call.state == "up" and len(bob.calls) == 1
        call.hang_up()

    def test_invite_is_repeated_by_one_hop_only(self, scene: Scene) -> None:
        """Once the proxy has said 100, the caller no longer repeats."""
        alice, _ = scene.registered("alice", "bob")
        scene.lose("INVITE", 3, source="10.0.0.1")
        call = alice.call("bob")
        scene.run(10)
        assert scene.ladder.labels("alice", "proxy").count("INVITE") == 1
        assert scene.ladder.labels("proxy", "bob").count("INVITE") == 4
        call.hang_up()

    def test_trying(self, scene: Scene) -> None:
        """When the 100 is lost, the caller repeats the INVITE and gets what was said last."""
        alice, bob = scene.registered("alice", "bob")
        bob.answers(3)
        scene.lose("100")
        scene.lose("180", source="10.0.0.1")
        call = alice.call("bob")
        scene.run(5)
        assert call.statuses == [180, 200] and len(bob.calls) == 1
        call.hang_up()

    def test_ringing(self, scene: Scene) -> None:
        """A lost 180 comes again with the proxy's next INVITE, which is no second call."""
        alice, bob = scene.registered("alice", "bob")
        scene.lose("180", source="10.0.1.2")
        call = alice.call("bob")
        scene.run(3)
        assert (call.statuses, len(bob.calls)) == ([100, 180, 200], 1)
        call.hang_up()

    @pytest.mark.parametrize("host", ["10.0.1.2", "10.0.0.1"])
    def test_answer(self, scene: Scene, host: str) -> None:
        """A lost 200 is repeated by the callee, end to end, until the ACK is there."""
        alice, bob = scene.registered("alice", "bob")
        bob.answers()
        scene.lose("200", 2, source=host)
        call = alice.call("bob")
        scene.run(5)
        assert call.state == "up" and bob.last.acknowledged
        call.hang_up()

    @pytest.mark.parametrize("host", ["10.0.1.1", "10.0.0.1"])
    def test_ack(self, scene: Scene, host: str) -> None:
        """A lost ACK for a 200 comes again with the next 200."""
        alice, bob = scene.registered("alice", "bob")
        scene.lose("ACK", 2, source=host)
        call = alice.call("bob")
        scene.run(6)
        assert call.statuses == [100, 180, 200, 200, 200] and bob.last.acknowledged
        call.hang_up()

    def test_refusal(self, scene: Scene) -> None:
        """A lost 486 is repeated hop by hop."""
        alice, bob = scene.registered("alice", "bob")
        bob.says(486)
        scene.lose("486", 2, source="10.0.1.2")
        scene.lose("486", 2, source="10.0.0.1")
        call = alice.call("bob")
        scene.run(8)
        assert (call.state, call.statuses) == ("failed", [100, 486])

    def test_ack_of_refusal(self, scene: Scene) -> None:
        """A lost ACK for a 486 is sent again for each 486, and not passed on."""
        alice, bob = scene.registered("alice", "bob")
        bob.says(486)
        scene.lose("ACK", 2, source="10.0.1.1")
        scene.lose("ACK", 2, source="10.0.0.1")
        call = alice.call("bob")
        scene.run(8)
        assert call.status == 486
        assert scene.ladder.labels("proxy", "bob").count("ACK") == 3
        assert bob.methods() == ["INVITE"]

    @pytest.mark.parametrize("what", ["BYE", "200"])
    @pytest.mark.parametrize("host", ["10.0.0.1", "10.0.1.1", "10.0.1.2"])
    def test_bye(self, scene: Scene, what: str, host: str) -> None:
        """A lost BYE, or a lost answer to it, is made good."""
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob")
        scene.run(2)
        scene.lose(what, 2, source=host)
        sent = call.hang_up()
        scene.run(10)
        assert sent is not None and sent.status == 200
        assert bob.last.state == "ended" and bob.methods().count("BYE") == 1

    def test_message(self, scene: Scene) -> None:
        """A MESSAGE arrives once, however many copies it took."""
        alice, bob = scene.registered("alice", "bob")
        scene.lose("MESSAGE", 4)
        scene.lose("200", 2)
        sent = alice.send("MESSAGE", bob.aor, body="hello")
        scene.run(20)
        assert sent.status == 200 and bob.methods() == ["MESSAGE"]


class TimingTests:
    """Repetitions come when the RFC says."""

    def test_invite(self, scene: Scene) -> None:
        """Timer A doubles from T1 (section 17.1.1.2)."""
        alice, _ = scene.registered("alice", "bob")
        scene.network.cut("10.0.1.2")
        alice.call("bob")
        scene.run(40)
        times = [
            round((step.time or 0) * 2) / 2 for step in scene.ladder.steps() if step.target == "bob"
        ]
        assert times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]

    def test_message(self, scene: Scene) -> None:
        """Timer E doubles up to T2 (section 17.1.2.2)."""
        alice, bob = scene.registered("alice", "bob")
        scene.network.cut("10.0.1.2")
        alice.send("MESSAGE", bob.aor)
        scene.run(40)
        times = [
            round((step.time or 0) * 2) / 2 for step in scene.ladder.steps() if step.target == "bob"
        ]
        assert times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]

    def test_configured_t1(self, make_scene: MakeScene) -> None:
        """T1 is a directive."""
        scene = make_scene("SIP_T1_in_ms 100")
        alice, _ = scene.registered("alice", "bob")
        scene.network.cut("10.0.1.2")
        call = alice.call("bob")
        scene.run(7)
        assert call.status == 408
        assert scene.ladder.labels("proxy", "bob") == ["INVITE"] * 7


class DoubledTests:
    """Messages that come twice, or late."""

    def test_everything_twice(self, make_scene: MakeScene) -> None:
        """A network that doubles everything changes nothing for the phones."""
        scene = make_scene(duplicates=1.0)
        alice, bob = scene.registered("alice", "bob")
        call = alice.call("bob").later(3, "hang_up")
        scene.run(5)
        assert (call.state, bob.last.state, len(bob.calls)) == ("ended", "ended", 1)
        assert bob.methods().count("BYE") == 1

    def test_spammed_ringing(self, scene: Scene) -> None:
        """A callee may ring as often as it likes."""
        alice, bob = scene.registered("alice", "bob")
        bob.will(*[(number / 10, 180) for number in range(30)], (3, 200))
        call = alice.call("bob")
        scene.run(4)
        assert call.statuses == [100, *[180] * 30, 200]
        call.hang_up()

    def test_late_ringing(self, scene: Scene) -> None:
        """A 180 that the 200 overtook is not passed on."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(0.1)
        odd.reply(odd.requests[0], 200)
        scene.run(0.1)
        odd.reply(odd.requests[0], 180)
        scene.run(0.1)
        assert call.statuses == [100, 200]
        call.hang_up()

    def test_spammed_answer(self, scene: Scene) -> None:
        """Every repetition of a 200 reaches the caller, and every ACK the callee."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(0.1)
        for _ in range(10):
            odd.reply(odd.requests[0], 200)
        scene.run(0.1)
        assert call.statuses == [100, *[200] * 10]
        assert odd.methods() == ["INVITE", *["ACK"] * 10]

    def test_late_answer(self, scene: Scene) -> None:
        """A 200 that is repeated after the transactions are over finds nobody, and harms nobody."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(0.1)
        odd.reply(odd.requests[0], 200)
        scene.run(60)
        strays = scene.server.core.strays
        odd.reply(odd.requests[0], 200)
        scene.run(1)
        assert scene.server.core.strays == strays + 1
        assert call.statuses == [100, 200]

    def test_spammed_invite(self, scene: Scene) -> None:
        """A caller that repeats its INVITE a hundred times makes one call."""
        (bob,) = scene.registered("bob")
        bob.says(486, after=1)
        mallory = scene.bare()
        text = mallory.text("INVITE", branch="z9hG4bKsame", call_id="same")
        for _ in range(100):
            mallory.send(text)
        scene.run(0.5)
        assert len(bob.calls) == 1

    @pytest.mark.parametrize("seed", range(6))
    def test_bad_line(self, make_scene: MakeScene, seed: int) -> None:
        """With a fifth of everything lost, doubled and overtaken, calls still come to their end."""
        scene = make_scene(seed=seed, loss=0.2, jitter=0.2, duplicates=0.1)
        phones = [scene.phone(name) for name in ("alice", "bob")]
        for phone in phones:
            phone.register()
        scene.run(40)
        calls = [phones[0].call("bob").later(40, "cancel") for _ in range(5)]
        scene.run(150)
        assert all(call.over for call in calls), scene.ladder
        assert not phones[1].unfinished()
