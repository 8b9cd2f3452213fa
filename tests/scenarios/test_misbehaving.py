"""Callees that break the rules: the caller's side stays as it should be."""

from collections.abc import Callable, Iterator

import pytest

from sipproxy.message.message import Request, Response
from sipproxy.testing.bare import Bare
from sipproxy.testing.call import Call
from sipproxy.testing.phone import Phone
from sipproxy.testing.scene import Scene


class OddCalleeTests:
    """A call to a callee that a test plays."""

    scene: Scene
    alice: Phone
    odd: Bare
    call: Call

    @pytest.fixture(autouse=True)
    def call_it(self, scene: Scene) -> Iterator[None]:
        """Have the callee registered, and call it."""
        self.scene = scene
        self.alice = scene.phone("alice")
        self.odd = scene.bare("odd")
        self.alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        self.call = self.alice.call("bob")
        scene.run(0.1)
        yield
        self.call.cancel()

    @property
    def invite(self) -> Request:
        """The INVITE as the callee got it."""
        return self.odd.requests[0]

    def reply(self, status: int, edit: Callable[[Response], object] | None = None) -> None:
        """Answer the INVITE."""
        self.odd.reply(self.invite, status, edit=edit)
        self.scene.run(0.05)

    def test_removes_our_via(self) -> None:
        """An answer without our Via is for somebody else, and dropped."""
        self.reply(200, lambda response: response.pop_first(b"via"))
        assert self.call.statuses == [100]

    def test_adds_a_via(self) -> None:
        """An answer with somebody else's Via on top is not ours."""
        self.reply(
            200, lambda response: response.prepend(b"via", b"SIP/2.0/UDP 10.0.2.9;branch=z9hG4bKx")
        )
        assert self.call.statuses == [100]

    def test_removes_all_vias(self) -> None:
        """An answer without any Via is dropped."""
        self.reply(200, lambda response: response.remove(b"via"))
        assert self.call.statuses == [100]

    def test_changes_our_branch(self) -> None:
        """An answer with another branch belongs to nothing."""

        def other(response: Response) -> None:
            at = response.names.index(b"via")
            response.lines[at] = response.lines[at].replace(b"branch=z9hG4bK", b"branch=z9hG4bK0")

        self.reply(200, other)
        assert self.call.statuses == [100]

    @pytest.mark.parametrize("cseq", [b"1 BYE", b"77 MESSAGE"])
    def test_wrong_method(self, cseq: bytes) -> None:
        """An answer for another method does not answer the INVITE."""
        self.reply(200, lambda response: response.set(b"cseq", cseq))
        assert self.call.statuses == [100]

    def test_two_refusals(self) -> None:
        """Of two refusals the first counts."""
        self.reply(486)
        self.reply(603)
        assert self.call.statuses == [100, 486]
        assert self.odd.methods()[-1] == "ACK"

    def test_ringing_after_answer(self) -> None:
        """A provisional answer after the final one is dropped."""
        self.reply(200)
        self.reply(183)
        assert self.call.statuses == [100, 200]

    @pytest.mark.parametrize("status", [404, 503, 603])
    def test_answer_after_refusal(self, status: int) -> None:
        """A 200 after a refusal finds its transaction completed, and is dropped."""
        self.reply(status)
        self.reply(200)
        assert self.call.status in (status, 500)
        assert self.call.state == "failed"

    def test_refusal_after_answer(self) -> None:
        """A refusal after the 200 does not end the call."""
        self.reply(200)
        self.reply(486)
        assert (self.call.statuses, self.call.state) == ([100, 200], "up")

    def test_malformed_ringing(self) -> None:
        """A broken provisional answer is dropped; the next one counts."""
        self.odd.send(b"SIP/2.0 180 Ringing\r\nVia: garbage\r\n\r\n")
        self.odd.send(b"SIP/2.0 18 Ringing\r\n\r\n")
        self.reply(180, lambda response: response.set(b"cseq", b"garbage"))
        self.reply(180)
        self.reply(200)
        assert self.call.statuses == [100, 180, 200]

    @pytest.mark.parametrize("status", [101, 199, 299, 399, 499, 599, 699])
    def test_unknown_status(self, status: int) -> None:
        """A status that nobody has defined counts as the first of its class (8.1.3.2)."""
        self.reply(status)
        assert self.call.statuses == [100, status]

    @pytest.mark.parametrize("status", [b"099", b"700", b"000", b"1000", b"2oo"])
    def test_impossible_status(self, status: bytes) -> None:
        """A status that cannot be is no status."""
        data = self.odd_answer().replace(b"SIP/2.0 200", b"SIP/2.0 " + status)
        self.odd.send(data)
        self.scene.run(0.05)
        assert self.call.statuses == [100]

    def odd_answer(self) -> bytes:
        """Give the octets of a 200, without sending them to the server."""
        held: list[bytes] = []

        def keep(response: Response) -> None:
            held.append(response.to_bytes())
            response.remove(b"via")

        self.odd.reply(self.invite, 200, edit=keep)
        return held[0]

    def test_changes_the_call_id(self) -> None:
        """The branch says what is answered; what else the answer says is the caller's affair."""
        self.reply(486, lambda response: response.set(b"call-id", b"another"))
        assert self.call.over or self.call.statuses[0] == 100

    def test_no_to_tag(self) -> None:
        """An answer of an old callee has no To tag, and passes."""

        def untagged(response: Response) -> None:
            response.set(b"to", b"<sip:bob@example.com>")

        self.reply(486, untagged)
        assert self.call.status == 486

    def test_no_reason(self) -> None:
        """An answer without a reason phrase passes."""
        data = self.odd_answer().replace(b"200 OK", b"486 ")
        self.odd.send(data)
        self.scene.run(0.05)
        assert self.call.status == 486

    def test_trying_forever(self) -> None:
        """A callee that says 100 and then nothing is given up by timer C."""
        self.reply(100)
        self.scene.run(250)
        assert self.call.over and self.call.statuses[1:] in ([408], [487])

    def test_reinvites_the_server(self) -> None:
        """A callee that sends the INVITE back to where it came from makes no loop."""
        self.odd.send(self.invite)
        self.scene.run(0.5)
        assert set(self.odd.statuses()) <= {403, 482}
        assert len(self.scene.ladder.labels("proxy", "odd")) < 5

    def test_answers_a_thousand_times(self) -> None:
        """A callee that answers again and again costs nothing that lasts."""
        for _ in range(1000):
            self.odd.reply(self.invite, 200)
        self.scene.run(1)
        assert self.call.state == "up"
        assert len(self.scene.server.layer) <= 3


class LeakTests:
    """Answers that leave nobody to tell."""

    def test_removes_the_callers_via(self) -> None:
        """After an answer with nothing but our Via the call still ends, and nothing is left."""
        scene = Scene()
        alice, odd = scene.phone("alice"), scene.bare("odd")
        alice.register(contacts=["<sip:x@10.0.2.2>"], to="sip:bob@example.com")
        scene.run(1)
        call = alice.call("bob")
        scene.run(0.1)

        def only_ours(response: Response) -> None:
            response.set(b"via", response.values(b"via")[0])

        odd.reply(odd.requests[0], 200, edit=only_ours)
        scene.settle(300)
        assert call.over and call.status == 502
