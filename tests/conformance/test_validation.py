"""What a proxy looks at before it forwards: RFC 3261 section 16.3."""

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import relay
from tests.conformance.message import Message, cancel_of, fresh
from tests.conformance.targets import Target

rows = pytest.mark.rows


class SyntaxTests:
    """Messages that are wrong, and messages that are only strange."""

    @rows("3261-16.3-01", "3261-16.3-04", "3261-20.16-02", "3261-16.1-01")
    def test_cseq_of_another_method(self, caller: Agent, callee: Agent) -> None:
        """A CSeq whose method is another is answered 400."""
        request = caller.request("MESSAGE", callee.aor).put("CSeq", "1 INFO")
        caller.send(request)
        answer = caller.expect(lambda m: m.status >= 200, "400")
        assert answer.status == 400
        callee.no_request("MESSAGE")

    @rows("3261-20-01", "3261-16.3-03")
    @pytest.mark.parametrize("name", ["To", "From", "Call-ID", "CSeq"])
    def test_missing_field(self, caller: Agent, callee: Agent, name: str) -> None:
        """A request without one of the fields that are always there goes nowhere."""
        caller.send(caller.request("MESSAGE", callee.aor).without(name))
        callee.no_request("MESSAGE")

    @rows("3261-21.4.1-01")
    def test_phrase_of_400(self, caller: Agent, callee: Agent) -> None:
        """The phrase of the 400 is more than the usual one."""
        caller.send(caller.request("MESSAGE", callee.aor).put("Max-Forwards", "many"))
        answer = caller.expect(lambda m: m.status >= 200, "400")
        assert answer.status == 400
        assert answer.start.partition(" 400 ")[2].lower() not in ("bad request", "")

    @rows("3261-16.3-05", "3261-8.2.2-02")
    def test_malformed_but_not_needed(self, caller: Agent, callee: Agent) -> None:
        """A broken Date, Warning or Reply-To is none of the proxy's business."""
        request = caller.request("MESSAGE", callee.aor).add("Date", "yesterday, about four")
        request.add("Reply-To", "<<<").add("Warning", "x")
        assert relay(caller, callee, request).value("reply-to") == "<<<"

    @rows("3261-16.3-06", "3261-16.2-03", "3261-8.2.2-01")
    def test_unknown_method_and_field(self, caller: Agent, callee: Agent) -> None:
        """A method and a field that nobody has heard of pass."""
        request = caller.request("NEWFANGLED", callee.aor).add("X-Strange", "yes; of=course")
        assert relay(caller, callee, request).value("x-strange") == "yes; of=course"

    @rows("3261-7.1-03")
    def test_request_uri_in_brackets(self, caller: Agent, callee: Agent) -> None:
        """A Request-URI in angle brackets is not sent on."""
        request = caller.request("MESSAGE", callee.aor)
        request.start = f"MESSAGE <{callee.aor}> SIP/2.0"
        caller.send(request)
        callee.no_request("MESSAGE")

    @rows("3261-20.22-01")
    @pytest.mark.parametrize("value", ["-1", "256", "ten"])
    def test_max_forwards_that_is_none(self, caller: Agent, callee: Agent, value: str) -> None:
        """Max-Forwards outside 0 to 255 is answered 400."""
        answer = caller.ask(caller.request("MESSAGE", callee.aor).put("Max-Forwards", value))
        assert answer.status == 400

    @rows("3261-20.16-01")
    @pytest.mark.parametrize("number", ["36893488147419103232", "4294967296"])
    def test_cseq_too_large(self, caller: Agent, callee: Agent, number: str) -> None:
        """A CSeq number beyond 32 bits is not sent on."""
        caller.send(caller.request("MESSAGE", callee.aor).put("CSeq", f"{number} MESSAGE"))
        callee.no_request("MESSAGE")

    @rows("3261-19.1.1-02")
    def test_empty_user(self, caller: Agent, target: Target) -> None:
        """A URI with an @ and nothing before it is malformed."""
        answer = caller.ask(caller.request("MESSAGE", f"sip:@{target.host}:{target.port}"))
        assert answer.status in (400, 404, 416, 484)

    @rows("3261-21.5.6-01")
    def test_version(self, caller: Agent, callee: Agent) -> None:
        """SIP/7.0 is answered 505."""
        request = caller.request("MESSAGE", callee.aor)
        request.start = f"MESSAGE {callee.aor} SIP/7.0"
        assert caller.ask(request).status == 505


class RuleTests:
    """Scheme, hops and extensions."""

    @rows("3261-16.3-07", "3261-8.2.2.1-02")
    def test_unknown_scheme(self, caller: Agent) -> None:
        """A scheme nobody knows is answered 416."""
        request = caller.request("MESSAGE", "nobodyknows:who", to="<sip:who@example.test>")
        assert caller.ask(request).status == 416

    @rows("3261-8.2.2.1-01")
    def test_unknown_scheme_in_to(self, caller: Agent, callee: Agent) -> None:
        """The To may have any scheme."""
        request = caller.request("MESSAGE", callee.aor, to="<nobodyknows:who>")
        assert "nobodyknows:who" in relay(caller, callee, request).value("to")

    @rows("3261-16.3-08", "3261-16.3-09")
    def test_no_hops_left(self, caller: Agent, callee: Agent) -> None:
        """Max-Forwards 0 is answered 483 and not sent on."""
        answer = caller.ask(caller.request("INVITE", callee.aor).put("Max-Forwards", "0"))
        assert answer.status == 483
        callee.no_request("INVITE")

    @rows("3261-16.3-10", "3261-16.6-09", "3261-16.6-10")
    def test_no_max_forwards(self, caller: Agent, callee: Agent) -> None:
        """A request without Max-Forwards goes on with one of 70."""
        came = relay(caller, callee, caller.request("MESSAGE", callee.aor).without("Max-Forwards"))
        assert came.lines("max-forwards") == ["70"]

    @rows("3261-16.6-08")
    def test_one_hop_less(self, caller: Agent, callee: Agent) -> None:
        """Max-Forwards goes down by one."""
        came = relay(caller, callee, caller.request("MESSAGE", callee.aor).put("Max-Forwards", "7"))
        assert came.lines("max-forwards") == ["6"]

    @rows("3261-16.3-12", "3261-16.3-13", "3261-21.4.15-01")
    def test_proxy_require(self, caller: Agent, callee: Agent) -> None:
        """A Proxy-Require that is not known is answered 420 with Unsupported."""
        request = caller.request("INVITE", callee.aor).add("Proxy-Require", "conjuring, magic")
        answer = caller.ask(request)
        assert answer.status == 420
        assert set(answer.values("unsupported")) == {"conjuring", "magic"}
        callee.no_request("INVITE")

    @rows("3261-16.3-16")
    def test_require_is_not_for_the_proxy(self, caller: Agent, callee: Agent) -> None:
        """A Require is the callee's business."""
        request = caller.request("MESSAGE", callee.aor).add("Require", "conjuring")
        assert relay(caller, callee, request).value("require") == "conjuring"

    @rows("3261-8.2.2.3-03")
    def test_require_in_cancel(self, caller: Agent, callee: Agent) -> None:
        """Options in a CANCEL are ignored."""
        invite = caller.send(caller.request("INVITE", callee.aor))
        callee.reply(callee.get("INVITE"), 180)
        caller.response(invite, lambda status: status == 180, "180")
        cancel = cancel_of(invite).add("Require", "magic").add("Proxy-Require", "magic")
        assert caller.ask(cancel).status == 200
        callee.reply(callee.get("CANCEL"), 200)

    @rows("3261-16.3-02")
    def test_merged_requests(self, caller: Agent, callee: Agent) -> None:
        """The same request by two ways is two requests; both pass."""
        request = caller.request("MESSAGE", callee.aor)
        relay(caller, callee, request)
        via = f"SIP/2.0/UDP {caller.address};branch=z9hG4bK{fresh('m')}"
        relay(caller, callee, request.copy().put("Via", via))


class LoopTests:
    """Requests that come back: loops and spirals."""

    def _back(self, caller: Agent, callee: Agent, came: Message, uri: str) -> Message:
        """Send a request that came back to the server, as a proxy in the way would."""
        again = came.copy()
        again.start = f"{came.method} {uri} SIP/2.0"
        via = f"SIP/2.0/UDP {callee.address};branch=z9hG4bK{fresh('s')}"
        hops = int(came.value("max-forwards"))
        again.without("content-length").put("Max-Forwards", str(hops - 1)).first("Via", via)
        return callee.send(again)

    @rows("3261-16.3-11", "5393-4.2-01", "5393-4.2-02", "3261-16.6-34", "5393-4.2-04")
    def test_loop(self, caller: Agent, callee: Agent) -> None:
        """A request that comes back with nothing changed is answered 482."""
        caller.send(caller.request("MESSAGE", callee.aor))
        again = self._back(caller, callee, callee.get("MESSAGE"), callee.aor)
        assert callee.final(again).status == 482

    @rows("3261-16.3-15", "5393-4.2-03", "5393-4.2-05", "3261-16.6-36", "3261-16.6-37")
    def test_spiral(self, caller: Agent, callee: Agent) -> None:
        """A request that comes back with another Request-URI is sent on."""
        other = Agent(callee.server)
        assert other.register().status == 200
        caller.send(caller.request("MESSAGE", callee.aor))
        self._back(caller, callee, callee.get("MESSAGE"), other.aor)
        assert len(other.get("MESSAGE").values("via")) == 4
        other.close()

    @rows("3261-16.6-38")
    def test_method_does_not_count(self, caller: Agent, callee: Agent) -> None:
        """A request that comes back with nothing changed but its method is a loop too."""
        caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        self._back(caller, callee, came, callee.aor)
        if callee.expect(lambda m: m.value("call-id") == came.value("call-id"), "it").status != 482:
            pytest.skip("this server does not look for loops")
        came.start = came.start.replace("MESSAGE", "INFO", 1)
        came.put("CSeq", came.value("cseq").replace("MESSAGE", "INFO"))
        again = self._back(caller, callee, came, callee.aor)
        assert callee.final(again).status == 482
