"""Several phones of one user: RFC 3261 sections 16.6, 16.7 and 10.2.1.2."""

from dataclasses import dataclass

import pytest

from tests.conformance.agent import Agent
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, fresh, response_to
from tests.conformance.targets import Target

rows = pytest.mark.rows


@dataclass
class Fork:
    """A call to a user with several phones, all of which have been reached."""

    caller: Agent
    phones: list[Agent]
    invite: Message
    came: list[Message]

    def answer(self, *statuses: int) -> Message:
        """Each phone answers in turn; gives the final response, acknowledged if a failure."""
        for phone, came, status in zip(self.phones, self.came, statuses, strict=True):
            phone.reply(came, status)
            if status >= 300:
                phone.get("ACK")
        answer = self.caller.final(self.invite)
        if answer.status >= 300:
            self.caller.send(ack_to(self.invite, answer))
        return answer


def phones_of(agents: MakeAgent, *qs: float) -> list[Agent]:
    """Phones of one user, registered with q values."""
    user = fresh("p")
    phones = [agents(user) for _ in qs]
    for phone, q in zip(phones, qs, strict=True):
        assert phone.register(f"<{phone.contact}>;q={q}").status == 200
    return phones


def fork(caller: Agent, agents: MakeAgent, count: int = 2) -> Fork:
    """Ring several phones at once."""
    phones = phones_of(agents, *[1.0] * count)
    invite = caller.send(caller.request("INVITE", phones[0].aor))
    return Fork(caller, phones, invite, [phone.get("INVITE") for phone in phones])


class ParallelTests:
    """Phones that ring together."""

    @rows("3261-16.1-02", "3261-16.6-31", "3261-16.6-32")
    def test_all_ring(self, caller: Agent, agents: MakeAgent) -> None:
        """Each phone is rung, each with a branch of its own."""
        call = fork(caller, agents, 3)
        assert len({came.branch for came in call.came}) == 3
        call.answer(486, 486, 486)

    @rows("3261-16.7-40", "3261-16.10-03", "3261-9.1-03", "3261-9.1-02", "3261-9.1-04")
    def test_one_answers(self, caller: Agent, agents: MakeAgent) -> None:
        """When one answers, the other one that rings is cancelled, properly."""
        call = fork(caller, agents)
        first, second = call.phones
        second.reply(call.came[1], 180)
        caller.response(call.invite, lambda status: status == 180, "180")
        first.reply(call.came[0], 200)
        assert caller.final(call.invite).status == 200
        cancel = second.get("CANCEL")
        came = call.came[1]
        assert cancel.values("via") == came.values("via")[:1]
        assert cancel.uri == came.uri and cancel.value("cseq") == "1 CANCEL"
        for name in ("from", "to", "call-id"):
            assert cancel.value(name) == came.value(name)
        second.reply(cancel, 200)
        second.reply(came, 487)
        assert second.get("ACK")
        caller.nothing(lambda m: m.status >= 300, "the 487")

    @rows("3261-16.7-14", "3261-16.7-16", "3261-16.7-18")
    def test_waits_for_all(self, caller: Agent, agents: MakeAgent) -> None:
        """A failure of one phone is held back while another rings."""
        call = fork(caller, agents)
        call.phones[0].reply(call.came[0], 486)
        call.phones[1].reply(call.came[1], 180)
        caller.nothing(lambda m: m.status >= 200, "a final response")
        call.phones[1].reply(call.came[1], 480)
        answer = caller.final(call.invite)
        assert answer.status in (480, 486)
        caller.send(ack_to(call.invite, answer))

    @rows("3261-16.7-12", "3261-16.7-21")
    def test_6xx_ends_all(self, caller: Agent, agents: MakeAgent) -> None:
        """A 603 cancels the phone that rings, and wins."""
        call = fork(caller, agents)
        first, second = call.phones
        second.reply(call.came[1], 180)
        caller.response(call.invite, lambda status: status == 180, "180")
        first.reply(call.came[0], 603)
        cancel = second.get("CANCEL")
        second.reply(cancel, 200)
        second.reply(call.came[1], 487)
        answer = caller.final(call.invite)
        caller.send(ack_to(call.invite, answer))
        assert answer.status == 603

    @rows("3261-16.7-21")
    def test_6xx_beats_4xx(self, caller: Agent, agents: MakeAgent) -> None:
        """Of 404 and 600 the caller hears 600."""
        assert fork(caller, agents).answer(404, 600).status == 600

    @rows("3261-16.7-22", "3261-16.7-23")
    @pytest.mark.parametrize("statuses", [(500, 404), (404, 302), (504, 302), (480, 500)])
    def test_lowest_class(
        self, caller: Agent, agents: MakeAgent, statuses: tuple[int, int]
    ) -> None:
        """The lowest class wins."""
        assert fork(caller, agents).answer(*statuses).status == min(statuses)

    @rows("3261-16.7-24")
    @pytest.mark.parametrize("helpful", [401, 407, 415, 420, 484])
    def test_helpful_first(self, caller: Agent, agents: MakeAgent, helpful: int) -> None:
        """What tells the caller how to do better wins within 4xx."""
        assert fork(caller, agents).answer(404, helpful).status == helpful

    @rows("3261-16.7-31", "3261-22.3-06", "3261-7.3.1-04")
    def test_challenges_together(self, caller: Agent, agents: MakeAgent) -> None:
        """The challenges of all phones are in the one response."""
        call = fork(caller, agents)
        fields = [("WWW-Authenticate", 'Digest realm="a", nonce="1"'),
                  ("Proxy-Authenticate", 'Digest realm="b", nonce="2"')]  # fmt: skip
        for phone, came, status, (name, value) in zip(
            call.phones, call.came, (401, 407), fields, strict=True
        ):
            phone.send(response_to(came, status, "t").add(name, value), came.source)
        answer = caller.final(call.invite)
        caller.send(ack_to(call.invite, answer))
        for name, value in fields:
            assert answer.lines(name) == [value]

    @rows("3261-16.7-41", "3261-16.7-15", "3261-16.7-39", "6026-7.1-03")
    def test_both_answer(self, caller: Agent, agents: MakeAgent) -> None:
        """Two 200 that cross reach the caller both, with their own tags."""
        call = fork(caller, agents)
        tags = set()
        for number, (phone, came) in enumerate(zip(call.phones, call.came, strict=True)):
            phone.reply(came, 200, tag=f"both{number}")
        for _ in call.phones:
            tags.add(caller.final(call.invite).tag("to"))
        assert tags == {"both0", "both1"}

    @rows("3261-9.1-08")
    def test_no_cancel_for_the_finished(self, caller: Agent, agents: MakeAgent) -> None:
        """A phone that has refused is not cancelled when the other answers."""
        call = fork(caller, agents)
        call.phones[0].reply(call.came[0], 486)
        call.phones[0].get("ACK")
        call.phones[1].reply(call.came[1], 200)
        caller.final(call.invite)
        call.phones[0].no_request("CANCEL")

    @rows("3261-9.1-07")
    def test_cancel_waits(self, caller: Agent, agents: MakeAgent) -> None:
        """A phone that has said nothing yet is cancelled only when it rings."""
        call = fork(caller, agents)
        call.phones[0].reply(call.came[0], 200)
        caller.final(call.invite)
        call.phones[1].no_request("CANCEL")
        call.phones[1].reply(call.came[1], 180)
        cancel = call.phones[1].get("CANCEL")
        call.phones[1].reply(cancel, 200)
        call.phones[1].reply(call.came[1], 487)

    @rows("3261-9.1-01", "3261-16.1-04")
    def test_only_invite_is_cancelled(self, caller: Agent, agents: MakeAgent) -> None:
        """A forked MESSAGE that one phone took is not cancelled at the other."""
        phones = phones_of(agents, 1.0, 1.0)
        request = caller.send(caller.request("MESSAGE", phones[0].aor))
        came = [phone.get("MESSAGE") for phone in phones]
        phones[0].reply(came[0], 200)
        assert caller.final(request).status == 200
        phones[1].no_request("CANCEL")
        phones[1].reply(came[1], 200)


class SequentialTests:
    """Phones that are tried one after the other."""

    @rows("3261-10.3-37")
    def test_order_of_q(self, caller: Agent, agents: MakeAgent) -> None:
        """The phone with the higher q is tried first; the next one when it refuses."""
        low, high = phones_of(agents, 0.2, 0.9)
        invite = caller.send(caller.request("INVITE", low.aor))
        came = high.get("INVITE")
        low.no_request("INVITE")
        high.reply(came, 486)
        low.reply(low.get("INVITE"), 200)
        assert caller.final(invite).status == 200

    @rows("3261-16.7-13")
    def test_6xx_ends_it(self, caller: Agent, agents: MakeAgent) -> None:
        """After a 603 the next phone is not tried."""
        low, high = phones_of(agents, 0.2, 0.9)
        invite = caller.send(caller.request("INVITE", low.aor))
        high.reply(high.get("INVITE"), 603)
        answer = caller.final(invite)
        caller.send(ack_to(invite, answer))
        assert answer.status == 603
        low.no_request("INVITE")

    @rows("3261-21.5.4-01")
    def test_another_after_503(self, caller: Agent, agents: MakeAgent) -> None:
        """After a 503 the next phone is tried."""
        low, high = phones_of(agents, 0.2, 0.9)
        invite = caller.send(caller.request("INVITE", low.aor))
        high.reply(high.get("INVITE"), 503)
        low.reply(low.get("INVITE"), 200)
        assert caller.final(invite).status == 200

    @rows("3261-16.5-07")
    def test_binding_that_appears(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """A phone that registers while another one rings, rings as well."""
        (first,) = phones_of(agents, 1.0)
        invite = caller.send(caller.request("INVITE", first.aor))
        came = first.get("INVITE")
        first.reply(came, 180)
        late = agents(first.user)
        late.register()
        try:
            late.reply(late.get("INVITE", within=0.5), 486)
        finally:
            first.reply(came, 486)
            caller.send(ack_to(invite, caller.final(invite)))
