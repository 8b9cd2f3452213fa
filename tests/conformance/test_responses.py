"""What a proxy does with responses: RFC 3261 section 16.7 and RFC 6026."""

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import establish, refuse, ring
from tests.conformance.message import ack_to, response_to
from tests.conformance.targets import Target

rows = pytest.mark.rows


class ProvisionalTests:
    """1xx."""

    @rows("3261-16.2-01", "3261-17.2.1-01", "3261-17.2.1-02", "3261-17.2.1-03")
    def test_trying(self, caller: Agent, callee: Agent) -> None:
        """An INVITE that nobody answers at once gets a 100 without a To tag in time."""
        invite = caller.send(caller.request("INVITE", callee.aor))
        trying = caller.response(invite, lambda status: status == 100, "100", within=0.4)
        assert not trying.tag("to")
        callee.reply(callee.get("INVITE"), 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-8.2.6.1-03")
    def test_timestamp(self, caller: Agent, callee: Agent) -> None:
        """The 100 has the Timestamp of the INVITE."""
        invite = caller.send(caller.request("INVITE", callee.aor).add("Timestamp", "54.25"))
        trying = caller.response(invite, lambda status: status == 100, "100")
        assert trying.value("timestamp").split()[:1] == ["54.25"]
        callee.reply(callee.get("INVITE"), 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-16.7-10", "3261-17.1.1.2-10", "3261-17.1.1.2-11", "3261-17.2.1-04", "3261-16.7-27",
          "3261-16.7-28")  # fmt: skip
    def test_forwarded_at_once(self, caller: Agent, callee: Agent) -> None:
        """Each 1xx reaches the caller as it came, tags and all."""
        invite, came = ring(caller, callee)
        for status in (180, 183, 182, 199):
            callee.reply(came, status, tag=f"early{status}")
            heard = caller.response(invite, status.__eq__, str(status))
            assert heard.tag("to") == f"early{status}"
        untagged = response_to(came, 181)
        callee.send(untagged, came.source)
        assert not caller.response(invite, lambda got: got == 181, "181").tag("to")
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-16.7-17", "3261-16.7-16")
    def test_100_stays_here(self, caller: Agent, callee: Agent) -> None:
        """The callee's 100 is not forwarded."""
        invite, came = ring(caller, callee)
        caller.collect(0.3)
        callee.reply(came, 100, phrase="Trying-Downstream")
        caller.nothing(lambda m: "Downstream" in m.start, "the 100 of the callee")
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-8.2.6.1-01", "3261-16.2-02", "4320-4.1-01", "4320-4.1-02", "4320-4.1-03")
    def test_none_for_other_requests(self, caller: Agent, callee: Agent) -> None:
        """A request other than INVITE gets no 1xx, not even one that the callee sent."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.reply(came, 100)
        callee.reply(came, 183)
        caller.nothing(lambda m: 0 < m.status < 200, "a provisional response", within=0.3)
        callee.reply(came, 200)
        assert caller.final(request).status == 200


class FinalTests:
    """2xx and failures as they pass."""

    @rows("3261-16.7-04", "3261-16.7-35", "3261-16.7-34", "3261-16.7-37", "3261-17.1.1.2-19",
          "3261-17.2.1-06", "3261-16.7-11", "3261-17.1.1.2-12", "3261-18.1.2-02")  # fmt: skip
    @pytest.mark.parametrize("status", [200, 299, 404, 488, 500, 604, 699])
    def test_unchanged(self, caller: Agent, callee: Agent, status: int) -> None:
        """Our Via is taken off, and nothing else is changed."""
        invite, came = ring(caller, callee)
        answer = response_to(came, status, "callee", "Odd Words, Indeed")
        answer.add("Contact", f"<{callee.contact}>").add("X-Odd", "a;b=c, d").add("Warning", "x")
        answer.add("Content-Type", "x/y")
        answer.body = bytes(range(256))
        callee.send(answer, came.source)
        heard = caller.final(invite)
        assert heard.start == answer.start
        assert heard.values("via") == came.values("via")[1:]
        for name in ("to", "from", "x-odd", "warning", "content-type", "contact", "record-route"):
            assert heard.lines(name) == answer.lines(name), name
        assert heard.body == answer.body
        if status >= 300:
            caller.send(ack_to(invite, heard))

    @rows("3261-16.7-36")
    def test_received_stays(self, caller: Agent, callee: Agent) -> None:
        """The received that the proxy wrote into the caller's Via comes back to the caller."""
        request = caller.request("MESSAGE", callee.aor)
        request.put("Via", f"SIP/2.0/UDP name.invalid:{caller.port};branch={request.branch}")
        caller.send(request)
        callee.reply(callee.get("MESSAGE"), 200)
        assert ";received=127.0.0.1" in caller.final(request).value("via")

    @rows("3261-16.7-29", "3261-16.7-18", "3261-16.7-20", "3261-21.4.22-01", "3261-21.4.4-01")
    @pytest.mark.parametrize("status", [302, 403, 480, 484, 486, 600])
    def test_failures(self, caller: Agent, callee: Agent, status: int) -> None:
        """A failure reaches the caller with its To tag."""
        answer = refuse(caller, callee, status)
        assert answer.status == status and answer.tag("to") == f"{callee.user}t"

    @rows("3261-16.7-25", "3261-16.7-26")
    def test_503(self, caller: Agent, callee: Agent) -> None:
        """A 503 says something of the callee's server; the caller gets a 500."""
        assert refuse(caller, callee, 503).status == 500

    @rows("3261-16.7-30")
    def test_tag_inside_dialog(self, caller: Agent, callee: Agent) -> None:
        """A request with a To tag has that tag in its answers, whatever the status."""
        call = establish(caller, callee)
        bye = caller.send(call.inside("BYE"))
        callee.reply(callee.get("BYE"), 481)
        assert caller.final(bye).tag("to") == call.ok.tag("to")

    @rows("3261-22.3-03")
    def test_challenge_of_another(self, caller: Agent, callee: Agent) -> None:
        """A 407 with its challenge passes like any other answer."""
        invite, came = ring(caller, callee)
        answer = response_to(came, 407, "c").add("Proxy-Authenticate", 'Digest realm="far"')
        callee.send(answer, came.source)
        heard = caller.final(invite)
        caller.send(ack_to(invite, heard))
        assert heard.lines("proxy-authenticate") == ['Digest realm="far"']

    @rows("3261-22.3-02", "3261-22.3-04", "3261-7.3.1-04")
    def test_credentials_for_others(self, caller: Agent, callee: Agent) -> None:
        """Credentials for other realms stay in the request, each in its line."""
        request = caller.request("MESSAGE", callee.aor)
        for realm in ("one", "two"):
            request.add("Proxy-Authorization", f'Digest realm="{realm}", nonce="n", uri="sip:x"')
            request.add("Authorization", f'Digest realm="{realm}", nonce="n", uri="sip:x"')
        caller.send(request)
        came = callee.get("MESSAGE")
        callee.reply(came, 200)
        caller.final(request)
        for name in ("authorization", "proxy-authorization"):
            assert came.lines(name) == request.lines(name)

    @rows("3261-16.7-13", "3261-16.7-20")
    def test_redirection_is_handed_on(self, caller: Agent, callee: Agent) -> None:
        """The contacts of a 3xx that the server does not try itself reach the caller."""
        invite, came = ring(caller, callee)
        answer = response_to(came, 302, "c").add("Contact", "<sip:x@127.0.0.1:9;a=b>;q=0.5")
        callee.send(answer, came.source)
        heard = caller.final(invite)
        caller.send(ack_to(invite, heard))
        assert heard.lines("contact") == answer.lines("contact")


class StrayTests:
    """Responses that nobody waits for."""

    @rows("3261-16.7-01", "6026-8.9-01", "3261-17.1.3-01", "3261-18.1.2-03")
    def test_unknown_branch(self, caller: Agent, callee: Agent, target: Target) -> None:
        """A response with a branch that was never used is dropped."""
        invite, came = ring(caller, callee)
        stray = response_to(came, 200, "stray")
        first, *others = came.values("via")
        vias = [first.replace(came.branch, "z9hG4bKneverused"), *others]
        callee.send(stray.put("Via", ", ".join(vias)), came.source)
        caller.nothing(lambda m: m.tag("to") == "stray", "the stray response")
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-17.1.3-01")
    def test_wrong_method(self, caller: Agent, callee: Agent) -> None:
        """A response with the right branch and another CSeq method is not the answer."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.send(response_to(came, 200, "wrong").put("CSeq", "1 INFO"), came.source)
        caller.nothing(lambda m: m.status > 0, "an answer")
        callee.reply(came, 200)
        assert caller.final(request).tag("to") == f"{callee.user}t"

    @rows("3261-18.1.2-01")
    def test_foreign_sent_by(self, caller: Agent, callee: Agent) -> None:
        """A response whose top Via names another host is dropped."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        vias = came.values("via")
        foreign = [f"SIP/2.0/UDP 192.0.2.9:5060;branch={came.branch}", *vias[1:]]
        callee.send(response_to(came, 200, "x").put("Via", ", ".join(foreign)), came.source)
        caller.nothing(lambda m: m.status > 0, "an answer")
        callee.reply(came, 200)
        caller.final(request)

    @rows("3261-16.7-05")
    def test_no_via_left(self, caller: Agent, callee: Agent) -> None:
        """A response with our Via only is not forwarded to anybody."""
        caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        callee.send(response_to(came, 200, "x").put("Via", came.values("via")[0]), came.source)
        caller.nothing(lambda m: m.tag("to") == "x", "that answer")
        callee.reply(came, 200)

    @rows("6026-7.2-01", "6026-7.2-02", "3261-16.7-15", "3261-16.7-38", "6026-7.1-01",
          "6026-7.1-03")  # fmt: skip
    def test_repeated_2xx(self, caller: Agent, callee: Agent) -> None:
        """Each repetition of a 2xx reaches the caller."""
        invite, came = ring(caller, callee)
        for _ in range(3):
            callee.reply(came, 200)
            assert caller.final(invite).status == 200

    @rows("6026-7.1-04")
    def test_2xx_is_not_repeated(self, caller: Agent, callee: Agent, target: Target) -> None:
        """The proxy does not repeat a 2xx; that is the callee's task."""
        invite, came = ring(caller, callee)
        callee.reply(came, 200)
        caller.final(invite)
        caller.nothing(lambda m: m.status == 200, "another 200", within=target.t1 * 8)

    @rows("6026-7.2-03", "3261-17.1.1.2-17")
    def test_other_after_2xx(self, caller: Agent, callee: Agent) -> None:
        """After a 2xx the same branch can neither ring nor refuse."""
        invite, came = ring(caller, callee)
        callee.reply(came, 200)
        caller.final(invite)
        callee.reply(came, 180)
        callee.reply(came, 486)
        caller.nothing(lambda m: m.status in (180, 486), "a response after the 200")

    @rows("6026-7.1-02", "3261-17.2.3-01")
    def test_repeated_invite_after_2xx(self, caller: Agent, callee: Agent) -> None:
        """An INVITE repeated after the 2xx starts no second call."""
        invite, came = ring(caller, callee)
        callee.reply(came, 200)
        caller.final(invite)
        caller.send(invite)
        callee.no_request("INVITE")

    @rows("3261-16.11-13", "6026-7.1-05", "3261-22.1-04")
    def test_ack_for_2xx(self, caller: Agent, callee: Agent) -> None:
        """The ACK for a 2xx reaches the callee by Route and Request-URI, also a second time."""
        call = establish(caller, callee)
        assert call.ack.uri == callee.contact and not call.ack.has("route")
        caller.send(call.inside("ACK", cseq=1))
        assert callee.get("ACK").value("call-id") == call.invite.value("call-id")
