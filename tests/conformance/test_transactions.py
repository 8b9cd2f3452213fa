"""Timers and repetitions: RFC 3261 section 17, as far as the wire shows them."""

import itertools
import time

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, address, fresh, response_to
from tests.conformance.targets import Target

rows = pytest.mark.rows
_SLACK = 0.09


def gaps(messages: list[Message]) -> list[float]:
    """Seconds between messages."""
    return [later.at - sooner.at for sooner, later in itertools.pairwise(messages)]


def about(seen: list[float], wanted: list[float]) -> bool:
    """Whether times are what they should be, on a busy machine and with coarse timers."""
    return len(seen) >= len(wanted) and all(
        want * 0.7 - _SLACK < got < want * 1.5 + _SLACK
        for got, want in zip(seen, wanted, strict=False)
    )


class InviteClientTests:
    """INVITE as the server sends it on."""

    @rows("3261-17.1.1.2-01", "3261-17.1.1.2-04", "3261-17.1.1.2-05", "3261-17.1.1.2-07")
    def test_repeated(self, caller: Agent, callee: Agent, target: Target) -> None:
        """Over UDP it is repeated after T1, 2*T1, 4*T1 and so on."""
        invite = caller.send(caller.request("INVITE", callee.aor))
        came = callee.collect(target.t1 * 18)
        callee.reply(came[0], 486)
        caller.send(ack_to(invite, caller.final(invite)))
        t1 = target.t1
        assert about(gaps(came), [t1, 2 * t1, 4 * t1, 8 * t1]), gaps(came)

    @rows("3261-17.1.1.2-06")
    def test_until_something_comes(self, caller: Agent, callee: Agent, target: Target) -> None:
        """It is not repeated once a 100 has come."""
        invite, came = ring(caller, callee)
        callee.reply(came, 100)
        callee.collect(0.05)
        callee.no_request("INVITE", within=target.t1 * 12)
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-17.1.1.2-02", "3261-17.1.1.2-03")
    def test_over_tcp(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """Over TCP it is sent once; the time-out holds."""
        callee = agents(transport="tcp")
        callee.register()
        invite, _ = ring(caller, callee)
        callee.no_request("INVITE", within=target.t1 * 12)
        answer = caller.final(invite, within=target.give_up)
        caller.send(ack_to(invite, answer))
        assert answer.status in (408, 480)

    @rows("3261-17.1.1.2-08", "3261-17.1.1.2-09", "3261-16.7-19", "3261-16.8-03",
          "3261-16.6-42", "3261-9.1-07")  # fmt: skip
    def test_time_out(self, caller: Agent, callee: Agent, target: Target) -> None:
        """Without any answer the caller hears 408; the callee hears no ACK and no CANCEL."""
        invite = caller.send(caller.request("INVITE", callee.aor))
        answer = caller.final(invite, within=target.give_up + 2)
        caller.send(ack_to(invite, answer))
        assert answer.status == 408
        heard = {message.method for message in callee.collect(0.1)}
        assert heard == {"INVITE"}

    @rows("3261-16.8-01", "3261-16.8-02", "3261-16.7-02")
    def test_timer_c(self, caller: Agent, callee: Agent, target: Target) -> None:
        """What rings for ever is cancelled when timer C fires; ringing again puts that off."""
        if ":" in target.name:
            pytest.skip("timer C of this server may be minutes long")
        invite, came = ring(caller, callee)
        callee.reply(came, 180)
        began = time.monotonic()
        callee.no_request("CANCEL", within=target.timer_c * 0.5)
        callee.reply(came, 180)
        cancel = callee.get("CANCEL", within=target.timer_c * 2)
        assert time.monotonic() - began > target.timer_c * 0.9
        callee.reply(cancel, 200)
        callee.reply(came, 487)
        answer = caller.final(invite)
        caller.send(ack_to(invite, answer))
        assert answer.status in (408, 487)

    @rows("3261-17.1.1.3-01", "3261-17.1.1.3-02", "3261-17.1.1.3-04", "3261-17.1.1.3-06",
          "3261-17.1.1.2-16", "3261-17.1.1.2-17", "3261-17.1.1.2-15")  # fmt: skip
    def test_ack(self, caller: Agent, callee: Agent) -> None:
        """A failure is acknowledged each time it comes, by the book, and passed on once."""
        invite = caller.request("INVITE", callee.aor).add("Content-Type", "text/plain")
        invite.body = b"offer"
        _, came = ring(caller, callee, invite)
        for _ in range(3):
            callee.reply(came, 486, tag="busy")
            ack = callee.get("ACK")
            assert ack.uri == came.uri and ack.tag("to") == "busy" and not ack.body
            assert ack.value("cseq") == "1 ACK"
            for name in ("from", "call-id"):
                assert ack.lines(name) == came.lines(name)
        answer = caller.final(invite)
        caller.send(ack_to(invite, answer))
        caller.nothing(lambda m: m.status >= 300, "the failure again")


class OtherClientTests:
    """Other requests as the server sends them on."""

    @rows("3261-17.1.2.2-02", "3261-17.1.2.2-03", "3261-17.1.2.2-04")
    def test_repeated(self, caller: Agent, callee: Agent, target: Target) -> None:
        """Over UDP it is repeated after T1, 2*T1, 4*T1, then every T2."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        t1, t2 = target.t1, target.t2
        came = callee.collect(t1 * 3 + t2 * 3.5)
        callee.reply(came[0], 200)
        caller.final(request)
        assert about(gaps(came), [t1, 2 * t1, t2, t2]), gaps(came)

    @rows("3261-17.1.2.2-06", "3261-17.1.2.2-08", "3261-17.1.2.2-07")
    def test_after_provisional(self, caller: Agent, callee: Agent, target: Target) -> None:
        """After a 100 it goes on every T2."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.reply(came, 100)
        callee.collect(target.t2)
        again = callee.collect(target.t2 * 3.6)
        assert about(gaps(again), [target.t2]) and len(again) <= 5, gaps(again)
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("3261-17.1.2.2-12", "3261-17.2.2-02")
    def test_over_tcp(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """Over TCP it is sent once, however often the caller repeats it."""
        callee = agents(transport="tcp")
        callee.register()
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        caller.send(request)
        callee.no_request("MESSAGE", within=target.t1 * 8)
        callee.reply(came, 200)
        caller.final(request)

    @rows("4320-4.2-01", "4320-4.2-02", "3261-17.1.2.2-01", "3261-17.1.2.2-09", "4320-4.2-03",
          "3261-17.1.2.2-05")  # fmt: skip
    def test_time_out(self, caller: Agent, callee: Agent, target: Target) -> None:
        """After 64*T1 it is given up; the caller hears no 408 and no late answer."""
        caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.reply(came, 100)
        heard = caller.collect(target.give_up + 0.5)
        assert [m.start for m in heard] == []
        callee.collect(0.01)
        callee.no_request("MESSAGE", within=target.t2 * 2)
        callee.reply(came, 200)
        caller.nothing(lambda m: m.status > 0, "a late answer")

    @rows("3261-17.1.2.2-10")
    def test_repeated_answer(self, caller: Agent, callee: Agent) -> None:
        """A final response that comes again is not passed on again."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.reply(came, 200)
        caller.final(request)
        callee.reply(came, 200)
        caller.nothing(lambda m: m.status == 200, "a second 200")


class InviteServerTests:
    """INVITE as the server takes it."""

    @rows("3261-17.2.1-05")
    def test_repeated_invite(self, caller: Agent, callee: Agent) -> None:
        """A repeated INVITE gets the latest provisional response and is not forwarded."""
        invite, came = ring(caller, callee)
        callee.reply(came, 183)
        caller.response(invite, lambda status: status == 183, "183")
        callee.collect(0.05)
        caller.send(invite)
        assert caller.response(invite, lambda status: status > 100, "183 again").status == 183
        callee.no_request("INVITE")
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-17.2.1-07", "3261-17.2.1-08", "3261-17.2.1-10")
    def test_failure_repeated(self, caller: Agent, target: Target) -> None:
        """A failure is sent again at T1, 2*T1, 4*T1, T2 until 64*T1 are over."""
        caller.send(caller.request("INVITE", target.user("nobody-at-all")))
        finals = [m for m in caller.collect(target.give_up + 1.5) if m.status >= 200]
        t1, t2 = target.t1, target.t2
        assert about(gaps(finals), [t1, 2 * t1, t2, t2, t2]), gaps(finals)[:8]
        assert finals[-1].at - finals[0].at <= 64 * t1 + t2

    @rows("3261-17.2.1-12", "3261-17.2.1-13", "3261-17.2.1-14")
    def test_ack_ends_it(self, caller: Agent, callee: Agent, target: Target) -> None:
        """After the ACK nothing is repeated, and no ACK is forwarded."""
        invite, came = ring(caller, callee)
        callee.reply(came, 486)
        callee.get("ACK")
        answer = caller.final(invite)
        for _ in range(3):
            caller.send(ack_to(invite, answer))
        caller.collect(0.02)
        caller.nothing(lambda m: m.status >= 300, "the 486", within=target.t1 * 6)
        callee.no_request("ACK", within=0.05)

    @rows("3261-17.2.1-09")
    def test_failure_over_tcp(self, agents: MakeAgent, target: Target) -> None:
        """Over TCP a failure is sent once."""
        caller = agents(transport="tcp")
        invite = caller.send(caller.request("INVITE", target.user("nobody-at-all")))
        answer = caller.final(invite)
        caller.nothing(lambda m: m.status >= 300, "the failure again", within=target.t1 * 10)
        caller.send(ack_to(invite, answer))


class OtherServerTests:
    """Other requests as the server takes them."""

    @rows("3261-17.2.2-04", "3261-17.2.2-05", "3261-16.2-04")
    def test_repeated_request(self, caller: Agent, callee: Agent) -> None:
        """After the answer a repeated request gets the same one and is not forwarded."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.send(response_to(came, 202, "one"), came.source)
        first = caller.final(request)
        callee.send(response_to(came, 404, "two"), came.source)
        callee.collect(0.05)
        caller.send(request)
        assert caller.final(request).raw == first.raw
        callee.no_request("MESSAGE")

    @rows("3261-17.2.3-01")
    def test_repeated_before_answer(self, caller: Agent, agents: MakeAgent) -> None:
        """A request repeated before the answer is one request."""
        callee = agents(transport="tcp")
        callee.register()
        request = caller.request("MESSAGE", callee.aor)
        for _ in range(3):
            caller.send(request)
        came = callee.get("MESSAGE")
        callee.no_request("MESSAGE")
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("3261-17.2.3-02")
    def test_same_branch_of_another(self, caller: Agent, callee: Agent, agents: MakeAgent) -> None:
        """Two senders with one branch are two."""
        other = agents()
        first = caller.request("MESSAGE", callee.aor)
        second = other.request("MESSAGE", callee.aor)
        second.put("Via", f"SIP/2.0/UDP {other.address};branch={first.branch}")
        caller.send(first)
        one = callee.get("MESSAGE")
        callee.reply(one, 200)
        other.send(second)
        two = callee.expect(lambda m: m.value("call-id") == second.value("call-id"), "the second")
        callee.reply(two, 202)
        assert caller.final(first).status == 200 and other.final(second).status == 202

    @rows("3261-17.2.3-03")
    def test_old_branches(self, caller: Agent, callee: Agent) -> None:
        """Without the magic cookie, other fields tell a repetition from a new request."""
        request = caller.request("MESSAGE", callee.aor)
        request.put("Via", f"SIP/2.0/UDP {caller.address};branch=1")
        caller.send(request)
        callee.reply(callee.get("MESSAGE"), 200)
        caller.final(request)
        callee.collect(0.05)
        caller.send(request)
        assert caller.final(request).status == 200
        callee.no_request("MESSAGE")
        later = request.copy().put("CSeq", "2 MESSAGE").put("Call-ID", fresh())
        caller.send(later)
        callee.reply(callee.get("MESSAGE"), 202)
        assert caller.final(later).status == 202

    @rows("3263-4-01", "3263-4.1-02", "3263-4.2-01", "3263-4.1-01")
    def test_numeric_hosts(self, caller: Agent, agents: MakeAgent) -> None:
        """A number is used as it is: by UDP, or by the transport that is named."""
        for transport in ("udp", "tcp"):
            other = agents(transport=transport)
            request = caller.send(caller.request("MESSAGE", other.contact))
            came = other.get("MESSAGE")
            assert f"/{transport.upper()} " in came.values("via")[0]
            other.reply(came, 200)
            caller.final(request)
            assert address(came.value("to")) == other.contact
