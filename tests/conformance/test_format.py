"""The form of messages: RFC 3261 sections 7, 19 and 20, over the wire."""

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import relay
from tests.conformance.message import Message, fresh
from tests.conformance.targets import Target

rows = pytest.mark.rows


class SentTests:
    """What the server writes."""

    @rows("3261-7-01", "3261-7-02", "3261-7.1-01", "3261-7.4.2-01", "3261-20.14-01",
          "3261-20.14-02")  # fmt: skip
    def test_own_response(self, caller: Agent, target: Target) -> None:
        """An answer is made of lines with CR LF, in upper case, and says that it has no body."""
        answer = caller.ask(caller.request("OPTIONS", target.uri))
        head, end, body = answer.raw.partition(b"\r\n\r\n")
        assert end and b"\n" not in head.replace(b"\r\n", b"")
        assert answer.raw.startswith(b"SIP/2.0 200 ")
        assert answer.lines("content-length") == [str(len(body))] == ["0"]
        assert not answer.has("transfer-encoding")

    @rows("3261-7-01", "3261-7.1-01")
    def test_forwarded_request(self, caller: Agent, callee: Agent) -> None:
        """A copy is written well too."""
        came = relay(caller, callee, caller.request("MESSAGE", callee.aor))
        head, end, _ = came.raw.partition(b"\r\n\r\n")
        assert end and b"\n" not in head.replace(b"\r\n", b"")
        assert came.start.endswith(" SIP/2.0")

    @rows("3261-19.3-01", "3261-20-02")
    def test_tags(self, caller: Agent, target: Target) -> None:
        """Tags of the server differ, and are long enough for 32 bits."""
        tags = set()
        for _ in range(5):
            answer = caller.ask(caller.request("MESSAGE", target.user("nobody-at-all")))
            for name in ("via", "from", "to", "call-id", "cseq"):
                assert answer.has(name)
            tags.add(answer.tag("to"))
        assert len(tags) == 5 and all(len(tag) >= 6 for tag in tags)


class UnderstoodTests:
    """What the server reads."""

    @rows("3261-7.3.3-01", "3261-7.3.1-07", "3261-20.42-02", "3261-7.3.1-08")
    def test_spelling(self, caller: Agent, callee: Agent) -> None:
        """Short names, odd case and white space change nothing."""
        request = Message(f"MESSAGE {callee.aor} SIP/2.0")
        request.add("v", f"sip/2.0/udp {caller.address};BRANCH=z9hG4bK{fresh()}")
        request.add("f", f"<{caller.aor}>;tag=1").add("t   ", f"   <{callee.aor}>  ")
        request.add("i", fresh()).add("cSEQ", "1    MESSAGE").add("MAX-forwards", "  70")
        request.add("l", "0")
        caller.send(request)
        came = callee.get("MESSAGE")
        assert came.lines("max-forwards") == ["69"]
        callee.reply(came, 200)
        assert caller.expect(lambda m: m.status == 200, "200")

    @rows("3261-7.1-02")
    def test_case_of_version(self, caller: Agent, callee: Agent) -> None:
        """sip/2.0 is SIP/2.0."""
        request = caller.request("MESSAGE", callee.aor)
        request.start = f"MESSAGE {callee.aor} sip/2.0"
        assert relay(caller, callee, request).start.endswith(" SIP/2.0")

    @rows("3261-7.3.1-06")
    def test_folding(self, caller: Agent, callee: Agent) -> None:
        """A field that goes on in the next line is one field."""
        request = caller.request("MESSAGE", callee.aor).put("Max-Forwards", "\r\n 70")
        request.put("From", f"<{caller.aor}>\r\n\t;tag=folded").add("Subject", "one\r\n   two")
        came = relay(caller, callee, request)
        assert came.tag("from") == "folded" and came.value("subject").split() == ["one", "two"]
        assert came.lines("max-forwards") == ["69"]

    @rows("3261-7.3.1-02", "3261-7.3.1-03", "3261-16.6-23")
    @pytest.mark.parametrize("joined", [True, False])
    def test_commas_and_lines(self, caller: Agent, target: Target, joined: bool) -> None:
        """Routes in one line or in several lead the same way; those of the server are taken off."""
        hop = Agent(target.address)
        request = caller.request("MESSAGE", "sip:far@example.invalid")
        own, next_hop = f"<{target.uri};lr>", f"<sip:{hop.address};lr>"
        if joined:
            request.add("Route", f"{own}, {next_hop},<sip:192.0.2.8;lr>")
        else:
            request.add("Route", own).add("Route", f"{next_hop} ,<sip:192.0.2.8;lr>")
        came = relay(caller, hop, request)
        hop.close()
        assert came.values("route") == [next_hop, "<sip:192.0.2.8;lr>"]

    @rows("3261-7.3.2-01", "3261-20-04")
    def test_fields_out_of_place(self, caller: Agent, callee: Agent) -> None:
        """Fields of responses, and parameters that nobody knows, have no effect in a request."""
        request = caller.request("MESSAGE", callee.aor).add("Retry-After", "18000")
        request.add("WWW-Authenticate", 'Digest realm="x"').add("Min-Expires", "100")
        request.put("From", f'<{caller.aor}>;odd;tag=1;strange="a;b"')
        relay(caller, callee, request)

    @rows("3261-20.14-03")
    def test_odd_length(self, caller: Agent, callee: Agent) -> None:
        """A Content-Length that is no number makes a request that is not sent on."""
        caller.send(caller.request("MESSAGE", callee.aor).add("Content-Length", "many"))
        callee.no_request("MESSAGE")


class AnsweringTests:
    """The server as the one who answers: sections 8.2 and 11.2."""

    @rows("3261-8.2.6.2-01", "3261-8.2.6.2-02", "3261-8.2.6.2-03", "3261-8.2.6.2-04",
          "3261-8.2.6.2-06")  # fmt: skip
    def test_copied_fields(self, caller: Agent, target: Target) -> None:
        """What a response must copy, it copies."""
        request = caller.request("MESSAGE", target.user("nobody-at-all"))
        request.put("From", f'"Me; \\" myself" <{caller.aor}>;tag=1;odd=2')
        request.put("To", '"You, of course" <sip:you@example.test>;odd')
        request.put("CSeq", "4711 MESSAGE")
        request.add("Via", "SIP/2.0/UDP far.invalid;branch=z9hG4bKfar, SIP/2.0/TCP end.invalid:99")
        answer = caller.ask(request)
        assert answer.status >= 300
        for name in ("from", "call-id", "cseq"):
            assert answer.lines(name) == request.lines(name)
        assert answer.values("via")[1:] == request.values("via")[1:]
        assert answer.value("to").startswith(request.value("to")) and answer.tag("to")

    @rows("3261-8.2.6.2-05")
    def test_tag_stays(self, caller: Agent, target: Target) -> None:
        """A To with a tag comes back as it was."""
        request = caller.request("OPTIONS", target.uri, to=f"<{target.uri}>;tag=mine")
        assert caller.ask(request).value("to") == request.value("to")

    @rows("3261-8.2.6.2-07", "3261-17.2.1-11")
    def test_one_tag(self, caller: Agent, target: Target) -> None:
        """Repetitions of an answer have one tag."""
        request = caller.request("INVITE", target.user("nobody-at-all"))
        caller.send(request)
        answers = caller.collect(target.t1 * 6)
        tags = {m.tag("to") for m in answers if m.status >= 200}
        assert len(tags) == 1 and sum(m.status >= 200 for m in answers) > 1

    @rows("3261-8.2.1-01", "3261-8.2.1-02", "3261-8.2.1-03", "3261-21.4.6-01")
    def test_method_not_allowed(self, caller: Agent, target: Target) -> None:
        """PUBLISH to the server itself, which it does not serve, is 405 with Allow."""
        answer = caller.ask(caller.request("PUBLISH", target.uri))
        assert answer.status == 405 and "OPTIONS" in answer.values("allow")

    @rows("3261-8.2-03")
    def test_order_of_checks(self, caller: Agent, target: Target) -> None:
        """Of two faults, one in method and one in Require, the method's is told."""
        request = caller.request("PUBLISH", target.uri).add("Require", "conjuring")
        assert caller.ask(request).status == 405

    @rows("3261-11.2-01", "3261-8.2.6.1-02", "3261-17.1-01", "3261-17.2.2-01", "3261-11.2-08")
    def test_options(self, caller: Agent, target: Target) -> None:
        """OPTIONS to the server is answered 200 at once."""
        request = caller.send(caller.request("OPTIONS", target.uri))
        assert caller.final(request, within=0.5).status == 200

    @rows("3261-11.2-02", "3261-11.2-03", "3261-11.2-04", "3261-11.2-05", "3261-11.2-06",
          "3261-20.5-01")  # fmt: skip
    def test_capabilities(self, caller: Agent, target: Target) -> None:
        """It says what the server can do."""
        answer = caller.ask(caller.request("OPTIONS", target.uri))
        assert {"INVITE", "ACK", "CANCEL", "OPTIONS"} <= set(answer.values("allow"))
        for name in ("accept", "accept-encoding", "accept-language", "supported"):
            assert answer.has(name), name

    @rows("3261-11.2-08")
    def test_options_without_hops(self, caller: Agent, callee: Agent) -> None:
        """OPTIONS for a user with no hops left is answered here, by 200 or 483."""
        answer = caller.ask(caller.request("OPTIONS", callee.aor).put("Max-Forwards", "0"))
        assert answer.status in (200, 483)
        callee.no_request("OPTIONS")

    @rows("3261-11.2-09", "3261-11.2-07")
    def test_options_for_user(self, caller: Agent, callee: Agent) -> None:
        """OPTIONS for a user reaches the user, without Record-Route."""
        came = relay(caller, callee, caller.request("OPTIONS", callee.aor))
        assert not came.has("record-route")

    @rows("3261-8.2.2.3-01", "3261-8.2.2.3-02")
    def test_require_in_options(self, caller: Agent, target: Target) -> None:
        """An option that is not known is answered 420 in OPTIONS to the server too."""
        answer = caller.ask(caller.request("OPTIONS", target.uri).add("Require", "conjuring"))
        assert answer.status == 420 and answer.values("unsupported") == ["conjuring"]
