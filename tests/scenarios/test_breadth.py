"""How wide and for how long a call is searched for: Max-Breadth, Expires, GroupNoAnswerTimer."""

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
        phones.append(scene.phone(f"p{number}"))
        phones[-1].register(contacts=[f"{phones[-1].contact};q={q}"], to="sip:team@example.com")
    scene.run(1)
    return caller, phones


class MaxBreadthTests:
    """RFC 5393 section 5: a request may be forked only so often."""

    def test_none_left(self, scene: Scene) -> None:
        """With a breadth of 0 nothing is forwarded: 440."""
        alice, phones = team(scene, 1.0)
        call = alice.call("team", headers=[("Max-Breadth", "0")])
        scene.run(1)
        assert call.status == 440 and phones[0].calls == []

    def test_one_at_a_time(self, scene: Scene) -> None:
        """With a breadth of 1 the phones are tried one after the other."""
        alice, phones = team(scene, 1.0, 1.0)
        for phone in phones:
            phone.says(486, after=1)
        call = alice.call("team", headers=[("Max-Breadth", "1")])
        scene.run(0.5)
        assert [len(phone.calls) for phone in phones].count(1) == 1
        scene.run(3)
        assert call.status == 486 and [len(phone.calls) for phone in phones] == [1, 1]
        assert [phone.requests[0].value(b"max-breadth") for phone in phones] == [b"1", b"1"]

    @pytest.mark.parametrize(("breadth", "share"), [("4", 2), ("5", 2), ("60", 30)])
    def test_shared(self, scene: Scene, breadth: str, share: int) -> None:
        """What there is is shared among the branches."""
        alice, phones = team(scene, 1.0, 1.0)
        alice.send("MESSAGE", "sip:team@example.com", headers=[("Max-Breadth", breadth)])
        scene.run(1)
        for phone in phones:
            assert int(phone.requests[0].value(b"max-breadth") or b"0") == share

    def test_redirected(self, make_scene: MakeScene) -> None:
        """The places that a 302 names share the breadth of the request, too."""
        scene = make_scene("Recursive On")
        alice, phones = team(scene, 1.0)
        carol, dave = scene.registered("carol", "dave")
        contacts = ", ".join(phone.contact for phone in (carol, dave))
        phones[0].will((0, 302, [("Contact", contacts)]))
        call = alice.call("team", headers=[("Max-Breadth", "1")])
        scene.run(0.5)
        assert len(carol.calls) + len(dave.calls) == 1
        call.cancel()

    def test_translated_again(self, scene: Scene) -> None:
        """So do the phones of a user who is reached through another user."""
        alice, phones = team(scene, 1.0, 1.0)
        alice.register(contacts=["<sip:team@example.com>"], to="sip:boss@example.com")
        scene.run(1)
        for phone in phones:
            phone.rings()
        call = alice.call("boss", headers=[("Max-Breadth", "1")])
        scene.run(0.5)
        assert sum(len(phone.calls) for phone in phones) == 1
        call.cancel()


class ExpiresTests:
    """The Expires of an INVITE limits the search (RFC 3261 section 20.19)."""

    def test_runs_out(self, scene: Scene) -> None:
        """When it has run out, the phones stop ringing."""
        alice, phones = team(scene, 1.0, 1.0)
        for phone in phones:
            phone.rings()
        call = alice.call("team", headers=[("Expires", "10")])
        scene.run(9)
        assert call.state == "ringing"
        scene.run(2)
        assert call.over and call.status in (408, 487)
        assert [phone.last.state for phone in phones] == ["cancelled", "cancelled"]

    def test_answered_before(self, scene: Scene) -> None:
        """A call that was answered before is not touched."""
        alice, _ = team(scene, 1.0)
        call = alice.call("team", headers=[("Expires", "10")])
        scene.run(20)
        assert call.state == "up"
        call.hang_up()

    def test_no_next_group(self, scene: Scene) -> None:
        """After it no further phone is tried."""
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].rings()
        call = alice.call("team", headers=[("Expires", "10")])
        scene.run(15)
        assert call.over and phones[1].calls == []


class GroupTimerTests:
    """GroupNoAnswerTimer: how long the preferred phones ring alone."""

    def test_next_group(self, make_scene: MakeScene) -> None:
        """When the first phones do not answer in time, they stop, and the next ones ring."""
        scene = make_scene("GroupNoAnswerTimer 10000")
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].rings()
        call = alice.call("team")
        scene.run(9)
        assert phones[1].calls == []
        scene.run(4)
        assert (phones[0].last.state, call.state) == ("cancelled", "up")
        call.hang_up()

    def test_last_group(self, make_scene: MakeScene) -> None:
        """The last phones ring as long as timer C allows."""
        scene = make_scene("GroupNoAnswerTimer 10000")
        alice, phones = team(scene, 0.9)
        phones[0].rings()
        call = alice.call("team")
        scene.run(100)
        assert call.state == "ringing"
        call.cancel()

    def test_answer_in_time(self, make_scene: MakeScene) -> None:
        """An answer in time is an answer; the next phones are left alone."""
        scene = make_scene("GroupNoAnswerTimer 10000")
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].answers(5)
        call = alice.call("team")
        scene.run(20)
        assert call.state == "up" and phones[1].calls == []
        call.hang_up()

    def test_busy_and_silent(self, make_scene: MakeScene) -> None:
        """Nobody answers anywhere: the best of what was said, which is not the silence."""
        scene = make_scene("GroupNoAnswerTimer 10000")
        alice, phones = team(scene, 0.9, 0.1)
        phones[0].rings()
        phones[1].says(486)
        call = alice.call("team")
        scene.run(20)
        assert call.status == 486
