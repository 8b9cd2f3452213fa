"""Record-Route and Route: RFC 3261 sections 16.4, 16.6 steps 4 and 6, and 16.12."""

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import establish, relay, ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, address
from tests.conformance.targets import Target

rows = pytest.mark.rows


class RecordRouteTests:
    """Staying in the way."""

    @rows("3261-16.6-11", "3261-16.6-13", "3261-16.6-14", "3261-26.3.2.2-02")
    def test_entry(self, caller: Agent, callee: Agent, target: Target) -> None:
        """Our entry goes above those that are there, is a SIP URI of ours and has lr."""
        invite = caller.request("INVITE", callee.aor).add("Route", f"<{target.uri};lr>")
        invite.add("Record-Route", "<sip:192.0.2.40;lr>")
        _, came = ring(caller, callee, invite)
        entry, *others = came.values("record-route")
        assert others == ["<sip:192.0.2.40;lr>"]
        uri = address(entry)
        assert uri.startswith("sip:") and ";lr" in uri
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3261-16.6-15")
    def test_no_transport(self, caller: Agent, callee: Agent) -> None:
        """On a call by UDP alone it names no transport."""
        call = establish(caller, callee)
        assert "transport" not in call.came.value("record-route")

    @rows("3261-16.6-16", "3261-16.4-05", "3261-16.12-01")
    @pytest.mark.parametrize("by_callee", [False, True])
    def test_leads_back(self, caller: Agent, callee: Agent, by_callee: bool) -> None:
        """A BYE by that entry comes through us, without the entry, its Request-URI untouched."""
        call = establish(caller, callee)
        sender, hearer = (callee, caller) if by_callee else (caller, callee)
        bye = call.inside("BYE", by_callee)
        came = relay(sender, hearer, bye)
        assert came.uri == bye.uri == hearer.contact
        assert not came.has("route") and len(came.values("via")) == 2

    @rows("3261-16.6-12")
    def test_inside_dialog(self, caller: Agent, callee: Agent) -> None:
        """A re-INVITE gets Record-Route too."""
        call = establish(caller, callee)
        again = caller.send(call.inside("INVITE"))
        came = callee.get("INVITE")
        callee.reply(came, 486)
        caller.send(ack_to(again, caller.final(again)))
        assert came.has("record-route")


class RouteTests:
    """Ways that the caller wants."""

    @rows("3261-16.4-06", "3261-16.6-28", "3261-16.12-01")
    def test_loose(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """The first foreign Route decides, stays, and leaves the Request-URI alone."""
        hop = agents()
        request = caller.request("MESSAGE", "sip:far@example.invalid;x=y")
        request.add("Route", f"<{target.uri};lr>").add("Route", f"<sip:{hop.address};lr>")
        came = relay(caller, hop, request)
        assert came.uri == request.uri and came.values("route") == [f"<sip:{hop.address};lr>"]

    @rows("3261-16.6-23", "3261-16.6-24", "3261-16.6-25", "3261-16.6-27")
    def test_strict_next(self, caller: Agent, agents: MakeAgent) -> None:
        """A strict router next gets its URI as Request-URI, and the target as last Route."""
        hop = agents()
        request = caller.request("MESSAGE", "sip:far@example.invalid;x=y")
        request.add("Route", f"<sip:strict@{hop.address}>").add("Route", "<sip:192.0.2.41;lr>")
        came = relay(caller, hop, request)
        assert came.uri == f"sip:strict@{hop.address}"
        assert [address(value) for value in came.values("route")] == [
            "sip:192.0.2.41;lr", "sip:far@example.invalid;x=y"
        ]  # fmt: skip

    @rows("3261-16.4-01", "3261-16.4-02", "3261-16.12-02")
    def test_strict_before(self, caller: Agent, callee: Agent) -> None:
        """A strict router before us put our entry into the Request-URI; that is undone."""
        call = establish(caller, callee)
        bye = call.inside("BYE")
        own = address(call.ok.values("record-route")[0])
        bye.start = f"BYE {own} SIP/2.0"
        bye.put("Route", f"<{callee.contact}>")
        came = relay(caller, callee, bye)
        assert came.uri == callee.contact and not came.has("route")

    @rows("3261-16.12-02")
    def test_strict_on_both_sides(self, caller: Agent, callee: Agent, agents: MakeAgent) -> None:
        """From a strict router to a strict router the request arrives as each wants it."""
        hop = agents()
        call = establish(caller, callee)
        bye = call.inside("BYE")
        own = address(call.ok.values("record-route")[0])
        bye.start = f"BYE {own} SIP/2.0"
        bye.put("Route", f"<sip:{hop.address}>, <{callee.contact}>")
        came = relay(caller, hop, bye)
        assert came.uri == f"sip:{hop.address}"
        assert [address(value) for value in came.values("route")] == [callee.contact]

    @rows("3261-16.4-05")
    def test_own_route_of_a_new_request(self, caller: Agent, callee: Agent, target: Target) -> None:
        """A phone that names us as its outbound proxy is served."""
        request: Message = caller.request("MESSAGE", callee.aor)
        came = relay(caller, callee, request.add("Route", f"<{target.uri};lr>"))
        assert not came.has("route") and came.uri == callee.contact
