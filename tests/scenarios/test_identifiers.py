"""What tells transactions and dialogs apart: branches, tags, numbers, and peers of RFC 2543."""

import pytest

from sipproxy.message.message import Response
from sipproxy.testing.bare import Bare
from sipproxy.testing.scene import Scene


class OldPeerTests:
    """A peer without the branch cookie is matched by the rules of RFC 2543 (section 17.2.3)."""

    @pytest.mark.parametrize("branch", ["", "1", "old-branch"])
    def test_invite_once(self, scene: Scene, branch: str) -> None:
        """An INVITE that such a peer repeats is one call."""
        (bob,) = scene.registered("bob")
        bob.says(486, after=0.3)
        old = scene.bare("old")
        text = old.text("INVITE", branch=branch, call_id="old", cseq="3 INVITE")
        old.send(text)
        scene.run(0.1)
        old.send(text)
        scene.run(0.5)
        assert len(bob.calls) == 1 and 486 in old.statuses()
        self.acknowledge(old, branch)
        scene.run(1)
        assert old.statuses().count(486) <= 2

    def acknowledge(self, old: Bare, branch: str) -> None:
        """Send the ACK that belongs to the last response."""
        tag = old.responses[-1].to_tag or b""
        old.send(old.text("ACK", branch=branch, call_id="old", cseq="3 ACK", to_tag=tag.decode()))

    def test_ack_stops_the_answer(self, scene: Scene) -> None:
        """The ACK of such a peer stops the repeating of the refusal."""
        old = scene.bare("old")
        old.send(old.text("INVITE", "sip:nobody@example.com", branch="", call_id="old"))
        scene.run(0.1)
        tag = (old.responses[-1].to_tag or b"").decode()
        old.send(
            old.text(
                "ACK", "sip:nobody@example.com", branch="", call_id="old", cseq="1 ACK", to_tag=tag
            )
        )
        scene.run(10)
        assert old.statuses() == [100, 404]

    def test_message(self, scene: Scene) -> None:
        """A repeated MESSAGE without branch arrives once, and is answered each time."""
        (bob,) = scene.registered("bob")
        old = scene.bare("old")
        text = old.text("MESSAGE", branch="", call_id="old")
        for _ in range(3):
            old.send(text)
            scene.run(0.2)
        assert len(bob.requests) == 1 and old.statuses() == [200] * 3

    def test_two_numbers(self, scene: Scene) -> None:
        """Two requests without branch that differ in CSeq are two."""
        (bob,) = scene.registered("bob")
        old = scene.bare("old")
        for number in (1, 2):
            old.send(old.text("MESSAGE", branch="", call_id="old", cseq=f"{number} MESSAGE"))
        scene.run(1)
        assert len(bob.requests) == 2

    def test_cancel(self, scene: Scene) -> None:
        """The CANCEL of such a peer finds its INVITE."""
        (bob,) = scene.registered("bob")
        bob.rings()
        old = scene.bare("old")
        old.send(old.text("INVITE", branch="", call_id="old", cseq="5 INVITE"))
        scene.run(1)
        old.send(old.text("CANCEL", branch="", call_id="old", cseq="5 CANCEL"))
        scene.run(0.3)
        assert sorted(set(old.statuses())) == [100, 180, 200, 487]
        assert bob.last.state == "cancelled"


class BranchTests:
    """Branches are compared as they are meant."""

    def test_upper_case(self, scene: Scene) -> None:
        """A cookie in capitals is the cookie, and the branch comes back as it was written."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", branch="Z9HG4BKABC"))
        scene.run(1)
        assert bob.methods() == ["MESSAGE"]
        assert b"branch=Z9HG4BKABC" in mallory.responses[0].lines[0]

    def test_callee_changes_case(self, scene: Scene) -> None:
        """A callee that writes our branch in capitals is understood: tokens have no case."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        sent = alice.send("INFO", "sip:bob@example.com")
        scene.run(0.1)
        request = odd.requests[0]
        branch = request.top_via.branch or b""

        def shout(response: Response) -> None:
            at = response.names.index(b"via")
            response.lines[at] = response.lines[at].replace(branch, branch.upper())

        odd.reply(request, 200, edit=shout)
        scene.run(1)
        assert sent.status == 200

    def test_same_branch_other_sender(self, scene: Scene) -> None:
        """The same branch from two hosts is two transactions (the sent-by counts, 17.2.3)."""
        (bob,) = scene.registered("bob")
        one, two = scene.bare("one"), scene.bare("two")
        for end in (one, two):
            end.send(end.text("MESSAGE", branch="z9hG4bKsame"))
        scene.run(1)
        assert len(bob.requests) == 2
        assert (one.statuses(), two.statuses()) == ([200], [200])

    def test_same_branch_other_method(self, scene: Scene) -> None:
        """The method is part of what tells transactions apart."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        for method in ("MESSAGE", "INFO"):
            mallory.send(mallory.text(method, branch="z9hG4bKsame", call_id="same"))
        scene.run(1)
        assert bob.methods() == ["MESSAGE", "INFO"]

    def test_only_the_cookie(self, scene: Scene) -> None:
        """A branch that is nothing but the cookie is a branch."""
        scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", branch="z9hG4bK"))
        scene.run(1)
        assert mallory.statuses() == [200]

    def test_ours_differ(self, scene: Scene) -> None:
        """Every request that leaves has a branch of its own."""
        alice, bob = scene.registered("alice", "bob")
        for _ in range(50):
            alice.send("MESSAGE", bob.aor)
        scene.run(1)
        assert len({request.top_via.branch for request in bob.requests}) == 50

    def test_bye_has_another_branch(self, scene: Scene) -> None:
        """INVITE, ACK and BYE of one call leave with three branches."""
        alice, bob = scene.registered("alice", "bob")
        alice.call("bob").later(2, "hang_up")
        scene.run(3)
        assert len({request.top_via.branch for request in bob.requests}) == 3


class AckTests:
    """ACKs that fit nothing, or not quite."""

    def test_stray(self, scene: Scene) -> None:
        """An ACK out of nowhere is never answered."""
        scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("ACK", to_tag="x"))
        scene.run(5)
        assert mallory.received == []

    def test_for_nobody(self, scene: Scene) -> None:
        """An ACK for a user that nobody knows is dropped."""
        mallory = scene.bare()
        mallory.send(mallory.text("ACK", "sip:nobody@example.com"))
        scene.run(5)
        assert mallory.received == []

    def test_malformed(self, scene: Scene) -> None:
        """A broken ACK is not answered either: nobody may answer an ACK."""
        mallory = scene.bare()
        for text in (
            mallory.text("ACK", cseq="x ACK"),
            mallory.text("ACK", cseq="1 INVITE"),
            mallory.text("ACK").replace("Call-ID", "X-Call"),
            mallory.text("ACK", max_forwards=0),
            mallory.text("ACK", "http://example.com"),
            mallory.text("ACK", headers=[("Proxy-Require", "x")]),
            mallory.text("ACK", "sip:a@elsewhere.example"),
        ):
            mallory.send(text)
        scene.run(5)
        assert mallory.received == []

    def test_other_branch(self, scene: Scene) -> None:
        """An ACK for a refusal with another branch than its INVITE stops nothing."""
        mallory = scene.bare()
        mallory.send(mallory.text("INVITE", "sip:nobody@example.com", call_id="c"))
        scene.run(0.1)
        mallory.send(mallory.text("ACK", "sip:nobody@example.com", call_id="c", cseq="1 ACK"))
        scene.run(3)
        assert mallory.statuses().count(404) > 2

    def test_response_to_ack(self, scene: Scene) -> None:
        """A callee that answers an ACK is ignored."""
        alice = scene.phone("alice")
        odd = scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(0.1)
        odd.reply(odd.requests[0], 200)
        scene.run(0.1)
        ack = odd.requests[-1]
        assert ack.method == "ACK"
        for status in (200, 481, 500):
            odd.reply(ack, status)
        scene.run(0.1)
        assert call.statuses == [100, 200] and alice.strays == []


class NumberTests:
    """CSeq and tags."""

    @pytest.mark.parametrize("number", [0, 1, 2**31 - 1])
    def test_range(self, scene: Scene, number: int) -> None:
        """Every legal number passes as it is."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", cseq=f"{number} MESSAGE"))
        scene.run(1)
        assert bob.requests[0].cseq.number == number

    def test_other_method(self, scene: Scene) -> None:
        """A CSeq of another method is refused: 400 (section 8.1.1.5)."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("MESSAGE", cseq="1 INFO"))
        scene.run(1)
        assert mallory.statuses() == [400] and bob.requests == []

    def test_lower_case_method(self, scene: Scene) -> None:
        """Methods have case: ``message`` is another one, and passes as such."""
        (bob,) = scene.registered("bob")
        mallory = scene.bare()
        mallory.send(mallory.text("message"))
        scene.run(1)
        assert bob.methods() == ["message"]

    def test_tags_of_refusals(self, scene: Scene) -> None:
        """Our own answers have a To tag, the same in every copy, another in every transaction."""
        mallory = scene.bare()
        for _ in range(2):
            mallory.send(mallory.text("INVITE", "sip:nobody@example.com"))
        scene.run(2)
        refusals = [response for response in mallory.responses if response.status == 404]
        tags = {response.to_tag for response in refusals}
        assert None not in tags and len(tags) == 2 and len(refusals) > 4

    def test_unknown_dialog(self, scene: Scene) -> None:
        """A request inside a dialog that the callee does not know is the callee's to refuse."""
        alice, bob = scene.registered("alice", "bob")
        mallory = scene.bare()
        mallory.send(mallory.text("BYE", "sip:bob@example.com", to_tag="never"))
        scene.run(1)
        assert bob.methods() == ["BYE"] and mallory.statuses() == [481]
        assert alice.requests == []
