"""CANCEL: RFC 3261 sections 9.2 and 16.10."""

import pytest

from tests.conformance.agent import QUIET, Agent
from tests.conformance.calls import ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, address, cancel_of, fresh
from tests.conformance.targets import Target

rows = pytest.mark.rows


def ringing(caller: Agent, callee: Agent) -> tuple[Message, Message]:
    """A call that rings at both ends."""
    invite, came = ring(caller, callee)
    callee.reply(came, 180)
    caller.response(invite, lambda status: status == 180, "180")
    return invite, came


class CancelTests:
    """The caller gives up."""

    @rows("3261-16.10-01", "3261-16.10-02", "3261-9.2-06", "3261-9.2-02", "3261-9.2-05",
          "3261-22.1-05", "3261-22.1-06")  # fmt: skip
    def test_while_ringing(self, caller: Agent, callee: Agent) -> None:
        """CANCEL is answered 200 at once, the phone is cancelled, the caller hears 487."""
        invite, came = ringing(caller, callee)
        cancel = caller.send(cancel_of(invite))
        assert caller.final(cancel, within=0.5).status == 200
        callee.reply(callee.get("CANCEL"), 200)
        callee.reply(came, 487)
        callee.get("ACK")
        answer = caller.final(invite)
        caller.send(ack_to(invite, answer))
        assert answer.status == 487

    @rows("3261-9.1-09", "3261-17.1.1.2-14", "3261-17.1.1.2-13")
    def test_same_way(self, caller: Agent, callee: Agent) -> None:
        """CANCEL and ACK come from where the INVITE came."""
        invite, came = ringing(caller, callee)
        caller.send(cancel_of(invite))
        cancel = callee.get("CANCEL")
        callee.reply(cancel, 200)
        callee.reply(came, 487)
        ack = callee.get("ACK")
        assert cancel.source == came.source == ack.source
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-9.1-06")
    def test_no_require(self, caller: Agent, callee: Agent) -> None:
        """The CANCEL for an INVITE with Require has none."""
        invite = caller.request("INVITE", callee.aor).add("Require", "precondition")
        _, came = ring(caller, callee, invite)
        callee.reply(came, 180)
        caller.response(invite, lambda status: status == 180, "180")
        caller.send(cancel_of(invite))
        cancel = callee.get("CANCEL")
        callee.reply(cancel, 200)
        callee.reply(came, 487)
        assert not cancel.has("require") and not cancel.has("proxy-require")
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-9.1-05", "3261-17.1.1.3-05")
    def test_routes(self, caller: Agent, agents: MakeAgent) -> None:
        """CANCEL and ACK carry the Route of the INVITE."""
        hop = agents()
        route = f"<sip:{hop.address};lr>, <sip:192.0.2.7;lr>"
        invite = caller.request("INVITE", "sip:far@example.invalid").add("Route", route)
        caller.send(invite)
        came = hop.get("INVITE")
        hop.reply(came, 180)
        caller.response(invite, lambda status: status == 180, "180")
        caller.send(cancel_of(invite))
        cancel = hop.get("CANCEL")
        hop.reply(cancel, 200)
        hop.reply(came, 487)
        ack = hop.get("ACK")
        for message in (came, cancel, ack):
            assert [address(value) for value in message.values("route")] == [
                f"sip:{hop.address};lr", "sip:192.0.2.7;lr"
            ]  # fmt: skip
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-9.2-03")
    def test_same_tag(self, caller: Agent, callee: Agent, target: Target) -> None:
        """Where the server answers both itself, 200 and 487 have the same To tag."""
        invite = caller.send(caller.request("INVITE", callee.aor))
        callee.get("INVITE")
        caller.response(invite, lambda status: status == 100, "100")
        ok = caller.ask(cancel_of(invite))
        answer = caller.final(invite, within=target.give_up + 2)
        caller.send(ack_to(invite, answer))
        assert answer.tag("to") == ok.tag("to")

    @rows("3261-9.2-04")
    def test_too_late(self, caller: Agent, callee: Agent) -> None:
        """A CANCEL after the 200 of the callee changes nothing."""
        invite, came = ring(caller, callee)
        callee.reply(came, 200)
        assert caller.final(invite).status == 200
        caller.send(cancel_of(invite))
        callee.no_request("CANCEL")
        caller.nothing(lambda m: m.status >= 300 and m.method == "INVITE", "a failure")

    @rows("3261-9.2-01")
    def test_nothing_to_cancel(self, caller: Agent, target: Target) -> None:
        """A CANCEL to the server itself, for what is not there, is answered 481."""
        assert caller.ask(cancel_of(caller.request("INVITE", target.uri))).status == 481

    @rows("3261-16.10-04")
    def test_forwarded_when_unknown(self, caller: Agent, agents: MakeAgent) -> None:
        """A CANCEL that matches nothing is forwarded where its INVITE would go."""
        other = agents()
        uri = f"sip:{other.user}@{other.address}"
        caller.send(cancel_of(caller.request("INVITE", uri)))
        assert other.get("CANCEL", within=0.5).uri == uri

    @rows("3261-9.2-07", "3261-17.2.2-04")
    def test_repeated(self, caller: Agent, callee: Agent) -> None:
        """A CANCEL that comes twice is answered twice and forwarded once."""
        invite, came = ringing(caller, callee)
        for _ in range(2):
            assert caller.ask(cancel_of(invite)).status == 200
        callee.reply(callee.get("CANCEL"), 200)
        callee.reply(came, 487)
        caller.send(ack_to(invite, caller.final(invite)))
        callee.no_request("CANCEL")

    @rows("3261-17.2.3-02", "3261-17.2.3-04")
    def test_other_sent_by(self, caller: Agent, callee: Agent) -> None:
        """A CANCEL with the branch of a call and another sent-by does not end that call."""
        invite, came = ringing(caller, callee)
        cancel = cancel_of(invite)
        cancel.put("Via", f"SIP/2.0/UDP 127.0.0.1:9;rport;branch={invite.branch}")
        caller.send(cancel.put("Call-ID", fresh("other")))
        heard = [m.branch for m in callee.collect(QUIET) if m.method == "CANCEL"]
        assert came.branch not in heard  # what is forwarded statelessly has another one
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-9.1-10")
    def test_phone_that_ignores_it(self, caller: Agent, callee: Agent, target: Target) -> None:
        """A phone that never answers the cancelled INVITE is given up after 64*T1."""
        invite, _came = ringing(caller, callee)
        caller.send(cancel_of(invite))
        callee.reply(callee.get("CANCEL"), 200)
        answer = caller.final(invite, within=target.give_up)
        caller.send(ack_to(invite, answer))
        assert answer.status in (408, 487)
