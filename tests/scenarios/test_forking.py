"""One call for several phones: together, and one group after the other (RFC 3261 section 16)."""

from collections.abc import Callable

import pytest

from sipproxy.testing.phone import Phone
from sipproxy.testing.scene import Scene

MakeScene = Callable[..., Scene]


def team(scene: Scene, *preferences: float) -> tuple[Phone, list[Phone]]:
    """Give a caller, and one phone of the user ``team`` for each q value."""
    caller = scene.phone("alice")
    phones = []
    for number, q in enumerate(preferences, 1):
        phone = scene.phone(f"p{number}")
        phone.register(contacts=[f"{phone.contact};q={q}"], to="sip:team@example.com")
        phones.append(phone)
    scene.run(1)
    scene.ladder.clear()
    return caller, phones


def states(phones: list[Phone]) -> list[str]:
    """Give the state of each phone's last call, a dash for none."""
    return [phone.last.state if phone.calls else "-" for phone in phones]


class ParallelTests:
    """All phones of one q ring at once."""

    def test_one_answers(self, scene: Scene) -> None:
        """When one answers, the other stops ringing."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].rings()
        phones[1].answers(2)
        call = alice.call("team")
        scene.run(3)
        assert (call.status, states(phones)) == (200, ["cancelled", "up"])
        assert call.statuses == [100, 180, 180, 200]
        call.hang_up()

    def test_picture(self, scene: Scene) -> None:
        """A fork of two, message by message."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].will((1, 200))
        phones[1].will((0, 180))
        call = alice.call("team")
        scene.run(1.5)
        scene.ladder.expect("""
            alice        proxy        p1           p2
              │ INVITE ────▶│           │            │
              │◀─ 100 Trying│           │            │
              │             │ INVITE ──▶│            │
              │             │ INVITE ───┼───────────▶│
              │             │◀──────────┼─────── 180 │
              │◀─────── 180 │           │            │
              │             │◀──── 100 ─│            │
              │             │◀──── 200 ─│            │
              │◀──── 200 ───│           │            │
              │             │ CANCEL ───┼───────────▶│
              │ ACK ───────▶│           │            │
              │             │◀──────────┼──── 200 ───│
              │             │◀──────────┼──── 487 ───│
              │             │ ACK ─────▶│            │
              │             │ ACK ──────┼───────────▶│
        """)
        call.hang_up()

    def test_one_busy(self, scene: Scene) -> None:
        """A busy phone does not end the call of the other."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].says(486)
        phones[1].answers(2)
        call = alice.call("team")
        scene.run(3)
        assert (call.status, states(phones)) == (200, ["failed", "up"])
        call.hang_up()

    def test_all_busy(self, scene: Scene) -> None:
        """When all are busy, the caller is told so, once."""
        alice, phones = team(scene, 1.0, 1.0, 1.0)
        for phone in phones:
            phone.says(486)
        call = alice.call("team")
        scene.run(1)
        assert call.statuses == [100, 486]

    @pytest.mark.parametrize(
        ("answers", "best"),
        [
            ((404, 486), (404, 486)),
            ((480, 500), (480,)),
            ((500, 480), (480,)),
            ((302, 486), (302,)),
            ((486, 302, 500), (302,)),
            ((500, 504), (500, 504)),
            ((503, 504), (504,)),
            ((503, 503), (500,)),
            ((486, 603), (603,)),
            ((603, 486), (603,)),
            ((600, 302), (600,)),
            ((404, 407), (407,)),
            ((484, 404), (484,)),
            ((415, 486), (415,)),
        ],
    )
    def test_best(self, scene: Scene, answers: tuple[int, ...], best: tuple[int, ...]) -> None:
        """Of several refusals the best goes upstream (section 16.7 step 6)."""
        alice, phones = team(scene, *[1.0] * len(answers))
        for number, (phone, status) in enumerate(zip(phones, answers, strict=True)):
            phone.says(status, after=0.2 * (number + 1))
        call = alice.call("team")
        scene.run(3)
        assert call.status in best

    def test_decline_ends_all(self, scene: Scene) -> None:
        """A 6xx is meant for all phones: the others are cancelled (step 5)."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].rings()
        phones[1].will((0, 180), (2, 603))
        call = alice.call("team")
        scene.run(4)
        assert (call.status, states(phones)) == (603, ["cancelled", "failed"])

    def test_answer_beats_decline(self, scene: Scene) -> None:
        """A 200 that comes before the others have stopped wins over a 6xx (step 5)."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].will((0, 180), (1, 603))
        phones[1].will((0, 180), (1.0012, 200))
        call = alice.call("team")
        scene.run(4)
        assert (call.status, states(phones)) == (200, ["failed", "up"])
        call.hang_up()

    def test_decline_after_answer(self, scene: Scene) -> None:
        """A 6xx after the 200 changes nothing."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].will((1, 200))
        phones[1].will((1.001, 603))
        call = alice.call("team")
        scene.run(4)
        assert (call.status, states(phones)) == (200, ["up", "failed"])
        call.hang_up()

    def test_both_answer(self, scene: Scene) -> None:
        """Two that answer at once both reach the caller, who keeps one (step 5, 13.2.2.4)."""
        alice, phones = team(scene, 1.0, 1.0)
        for phone in phones:
            phone.will((1, 200))
        call = alice.call("team")
        scene.run(3)
        assert call.statuses == [100, 200, 200]
        assert sorted(states(phones)) == ["ended", "up"]
        call.hang_up()

    def test_one_is_dead(self, scene: Scene) -> None:
        """A phone that is switched off does not keep the other from answering."""
        alice, phones = team(scene, 1.0, 1.0)
        scene.network.cut(phones[0].address[0])
        phones[1].answers(3)
        call = alice.call("team")
        scene.run(4)
        assert call.state == "up"
        call.hang_up()

    def test_dead_and_busy(self, scene: Scene) -> None:
        """A busy phone says more than one that is switched off."""
        alice, phones = team(scene, 1.0, 1.0)
        scene.network.cut(phones[0].address[0])
        phones[1].says(486)
        call = alice.call("team")
        scene.run(40)
        assert call.status == 486

    def test_challenges_gathered(self, scene: Scene) -> None:
        """The challenges of all phones go upstream together (step 7)."""
        alice, phones = team(scene, 1.0, 1.0)
        for number, phone in enumerate(phones):
            challenge = f'Digest realm="r{number}", nonce="n"'
            phone.will((0.1, 407, [("Proxy-Authenticate", challenge)]))
        call = alice.call("team")
        scene.run(1)
        assert call.status == 407 and call.response is not None
        assert sorted(call.response.raw_values(b"proxy-authenticate")) == [
            b'Digest realm="r0", nonce="n"',
            b'Digest realm="r1", nonce="n"',
        ]

    def test_same_contact_twice(self, scene: Scene) -> None:
        """A phone that two registrations name rings once for one call (section 16.5)."""
        alice, bob = scene.registered("alice", "bob")
        bob.register(contacts=["<sip:bob@10.0.1.2:5060>", "<sip:bob@10.0.1.2:5060;x=1>"])
        scene.run(1)
        call = alice.call("bob")
        scene.run(2)
        assert call.state == "up" and 1 <= len(bob.calls) <= 2
        call.hang_up()

    def test_few_at_a_time(self, make_scene: MakeScene) -> None:
        """Of more phones than MaxForks, the rest ring after the first have refused."""
        scene = make_scene("MaxForks 2")
        alice, phones = team(scene, 1.0, 1.0, 1.0)
        for phone in phones:
            phone.says(486, after=1)
        call = alice.call("team")
        scene.run(0.5)
        assert len([phone for phone in phones if phone.calls]) == 2
        scene.run(2)
        assert len([phone for phone in phones if phone.calls]) == 3
        assert call.status == 486

    def test_message_to_all(self, scene: Scene) -> None:
        """A MESSAGE goes to all phones, and one answer comes back."""
        alice, phones = team(scene, 1.0, 1.0)
        phones[0].answers_with = 486
        sent = alice.send("MESSAGE", "sip:team@example.com", body="hello")
        scene.run(1)
        assert sent.statuses == [200]
        assert [len(phone.requests) for phone in phones] == [1, 1]


class SequentialTests:
    """Groups of lower q ring when those before them have refused."""

    def test_second_is_not_asked(self, scene: Scene) -> None:
        """When the preferred phone answers, the other never rings."""
        alice, phones = team(scene, 0.9, 0.1)
        call = alice.call("team")
        scene.run(3)
        assert (call.status, states(phones)) == (200, ["up", "-"])
        call.hang_up()

    def test_after_busy(self, scene: Scene) -> None:
        """When the preferred phone is busy, the other one rings, and its answer is the answer."""
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].says(486)
        call = alice.call("team")
        scene.run(3)
        assert (call.statuses, states(phones)) == ([100, 180, 200], ["failed", "up"])
        call.hang_up()

    def test_order(self, scene: Scene) -> None:
        """The order is that of q, not that of registering."""
        alice, phones = team(scene, 0.1, 0.9, 0.5)
        for phone in phones:
            phone.says(404, after=0.5)
        alice.call("team")
        scene.run(3)
        invited = [step.target for step in scene.ladder.steps() if step.label.startswith("INVITE")]
        assert invited == ["proxy", "p2", "p3", "p1"]

    def test_all_refuse(self, scene: Scene) -> None:
        """The best of all groups is what the caller is told."""
        alice, phones = team(scene, 0.9, 0.5, 0.1)
        for phone, status in zip(phones, (500, 486, 504), strict=True):
            phone.says(status)
        call = alice.call("team")
        scene.run(3)
        assert (call.status, states(phones)) == (486, ["failed"] * 3)

    def test_decline_stops(self, scene: Scene) -> None:
        """A 6xx ends the search (section 16.7 step 5)."""
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].says(603)
        call = alice.call("team")
        scene.run(3)
        assert (call.status, states(phones)) == (603, ["failed", "-"])

    def test_cancel_stops(self, scene: Scene) -> None:
        """A caller who gives up is not put through to the next phone."""
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].rings()
        call = alice.call("team").later(2, "cancel")
        scene.run(4)
        assert (call.status, states(phones)) == (487, ["cancelled", "-"])

    def test_dead_first(self, scene: Scene) -> None:
        """A dead phone costs its 32 s, then the next one rings."""
        alice, phones = team(scene, 0.9, 0.1)
        scene.network.cut(phones[0].address[0])
        call = alice.call("team")
        scene.run(36)
        assert call.state == "up"
        call.hang_up()

    def test_closed_first(self, scene: Scene) -> None:
        """A phone whose host says that nobody listens costs nothing."""
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].vanish(gone=False)
        call = alice.call("team")
        scene.run(2)
        assert call.state == "up"
        scene.phones.remove(phones[0])
        call.hang_up()

    def test_groups(self, scene: Scene) -> None:
        """Within a group all ring together, and the group after them later."""
        alice, phones = team(scene, 0.9, 0.9, 0.1)
        for phone in phones[:2]:
            phone.says(486, after=1)
        call = alice.call("team")
        scene.run(0.5)
        assert states(phones) == ["calling", "calling", "-"]
        scene.run(3)
        assert states(phones) == ["failed", "failed", "up"]
        call.hang_up()

    def test_first_rings_too_long(self, make_scene: MakeScene) -> None:
        """A phone that rings until timer C gives the call to the next one."""
        scene = make_scene("InviteExpiration 10000")
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].rings()
        call = alice.call("team")
        scene.run(14)
        assert (call.state, states(phones)) == ("up", ["cancelled", "up"])
        call.hang_up()
