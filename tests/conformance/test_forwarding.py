"""The copy that a proxy sends: RFC 3261 section 16.6, and the targets of 16.5."""

import pytest

from tests.conformance.agent import Agent
from tests.conformance.calls import relay, ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, parameter
from tests.conformance.targets import Target

rows = pytest.mark.rows


class CopyTests:
    """What is in the copy."""

    def _rich(self, caller: Agent, callee: Agent) -> Message:
        request = caller.request("MESSAGE", callee.aor)
        request.add("X-One", "1").add("Accept-Contact", "*;audio").add("X-Two", "a, b")
        request.add("X-One", "2").add("P-Odd", '"quoted, comma" <sip:a@b>;c=d').add("X-One", "3")
        request.add("Content-Type", "text/plain;charset=x-odd").add("Content-Encoding", "x-none")
        request.body = bytes(range(256))
        return request

    @rows("3261-16.6-01", "3261-16.6-02", "3261-7.4.1-01")
    def test_all_fields(self, caller: Agent, callee: Agent) -> None:
        """Each field of the request is in the copy, known or not."""
        request = self._rich(caller, callee)
        came = relay(caller, callee, request)
        for name, value in request.headers:
            if name not in ("Via", "Max-Forwards"):
                assert value in came.lines(name), name

    @rows("3261-16.6-03", "3261-16.6-04")
    def test_order(self, caller: Agent, callee: Agent) -> None:
        """Fields, and values of one field, stay in order."""
        came = relay(caller, callee, self._rich(caller, callee))
        assert came.lines("x-one") == ["1", "2", "3"]
        names = [name for name, _ in came.headers if name.startswith(("x-", "p-", "accept-"))]
        assert names == ["x-one", "accept-contact", "x-two", "x-one", "p-odd", "x-one"]

    @rows("3261-16.6-05")
    def test_body(self, caller: Agent, callee: Agent) -> None:
        """The body arrives octet by octet."""
        assert relay(caller, callee, self._rich(caller, callee)).body == bytes(range(256))

    @rows("3261-16.6-06", "3261-19.1.5-01", "3261-19.1.5-03", "3261-16.5-03")
    def test_request_uri(self, caller: Agent, agents: MakeAgent) -> None:
        """The Request-URI is the registered contact with all its parameters."""
        callee = agents()
        contact = f"{callee.contact};transport=udp;user=phone;x-odd=1"
        callee.register(f"<{contact}>")
        request = caller.request("MESSAGE", f"{callee.aor};x-other=2")
        assert relay(caller, callee, request).uri == contact

    @rows("3261-16.6-07", "3261-19.1.5-02")
    def test_method_parameter(self, caller: Agent, agents: MakeAgent) -> None:
        """A method parameter of a contact does not get into the Request-URI."""
        callee = agents()
        if callee.register(f"<{callee.contact};method=BYE>").status != 200:
            return  # refusing it is as good
        came = relay(caller, callee, caller.request("MESSAGE", callee.aor))
        assert "method=" not in came.uri

    @rows("3261-19.1.5-04", "3261-19.1.1-03")
    def test_headers_of_a_contact(self, caller: Agent, agents: MakeAgent) -> None:
        """A contact cannot smuggle a Route into what is sent to it."""
        callee = agents()
        hidden = "?Route=%3Csip:192.0.2.1%3E&Subject=smuggled"
        if callee.register(f"<{callee.contact}{hidden}>").status != 200:
            return  # refusing it is as good
        came = relay(caller, callee, caller.request("MESSAGE", callee.aor))
        assert not came.has("route") and not came.has("subject") and "?" not in came.uri

    @rows("3261-19.1.2-03", "3261-19.1.1-01")
    def test_escapes(self, caller: Agent, agents: MakeAgent) -> None:
        """Escapes in a contact's user part go on as they were written."""
        callee = agents()
        contact = f"sip:a%20b%2f@{callee.address};y-z"
        callee.register(f"<{contact}>")
        assert relay(caller, callee, caller.request("MESSAGE", callee.aor)).uri == contact

    @rows("3261-19.1.2-01")
    def test_escaped_host(self, caller: Agent, callee: Agent, target: Target) -> None:
        """A host with escapes in it is not taken for ours."""
        host = "%31" + target.host[1:]
        answer = caller.ask(caller.request("MESSAGE", f"sip:{callee.user}@{host}:{target.port}"))
        assert answer.status >= 400
        callee.no_request("MESSAGE")


class ViaTests:
    """Our own Via."""

    @rows("3261-16.6-33", "3261-7.3.1-01", "3261-20.42-01", "3261-7.3.1-05", "3261-18.1.1-06")
    def test_own_via(self, caller: Agent, callee: Agent) -> None:
        """A Via with a branch stands on top, above the caller's, in the first line of all."""
        request = caller.request("MESSAGE", callee.aor)
        came = relay(caller, callee, request)
        top, second = came.values("via")
        assert came.headers[0][0] == "via"
        assert came.branch.startswith("z9hG4bK")
        assert request.branch in second
        assert top.count("branch=") == 1

    @rows("3261-16.6-44", "3261-18.1.1-09")
    def test_sent_by(self, caller: Agent, callee: Agent) -> None:
        """An answer sent to the sent-by of that Via reaches the proxy."""
        caller.send(request := caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        host, _, port = came.values("via")[0].split()[1].partition(";")[0].rpartition(":")
        came.source = (host, int(port))
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("3261-16.6-35", "3261-16.6-41")
    def test_unique_branches(self, caller: Agent, callee: Agent) -> None:
        """Two requests have two branches, though they differ in nothing that matters."""
        branches = set()
        for number in range(1, 4):
            request = caller.request("MESSAGE", callee.aor).put("CSeq", f"{number} MESSAGE")
            branches.add(relay(caller, callee, request).branch)
        assert len(branches) == 3

    @rows("3261-16.6-39", "3261-17.1.1.3-03")
    def test_branch_of_ack(self, caller: Agent, callee: Agent) -> None:
        """The ACK for a failure has the branch of the INVITE."""
        invite, came = ring(caller, callee)
        callee.reply(came, 486)
        ack = callee.get("ACK")
        assert ack.branch == came.branch and len(ack.values("via")) == 1
        caller.send(ack_to(invite, caller.final(invite)))


class TargetTests:
    """Who gets the request."""

    @rows("3261-16.5-02", "3261-16.5-06", "3261-16.6-28")
    def test_foreign_domain(self, caller: Agent, agents: MakeAgent) -> None:
        """A request for somebody elsewhere goes there, and the Request-URI stays."""
        stranger = agents()
        request = caller.request("MESSAGE", f"sip:{stranger.user}@{stranger.address};odd=1")
        assert relay(caller, stranger, request).uri == request.uri

    @rows("3261-16.5-01")
    def test_foreign_maddr(self, caller: Agent, callee: Agent, agents: MakeAgent) -> None:
        """With the maddr of another, a Request-URI goes there although its host is ours."""
        uri = f"sip:{callee.user}@example.invalid:{callee.port};maddr=127.0.0.1"
        caller.send(caller.request("MESSAGE", uri))
        assert callee.get("MESSAGE").uri == uri

    @rows("3261-16.4-03", "3261-16.4-04")
    def test_own_maddr(self, caller: Agent, callee: Agent, target: Target) -> None:
        """A maddr that names the proxy has done its work and is taken off."""
        uri = f"{callee.aor};maddr={target.host}"
        came = relay(caller, callee, caller.request("MESSAGE", uri))
        assert came.uri == callee.contact

    @rows("3261-16.5-09", "3261-16.5-10", "3261-8.2.2.1-03", "3261-21.4.10-01")
    def test_nobody(self, caller: Agent, target: Target) -> None:
        """A user whom nobody has heard of is answered 404."""
        assert caller.ask(caller.request("INVITE", target.user("nobody-at-all"))).status == 404

    @rows("3261-16.5-11", "3261-21.4.18-01")
    def test_not_there_now(self, caller: Agent, target: Target, agents: MakeAgent) -> None:
        """A user who was here and whose phone has gone is answered 480, with a reason."""
        callee = agents(transport="tcp")
        gone = f"<sip:{callee.user}@192.0.2.1:5060;transport=tcp>"
        via = f"SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK{callee.user};rport"
        request = callee.request("REGISTER", target.uri, f"<{callee.aor}>").put("Via", via)
        assert callee.ask(request.add("Contact", gone)).status == 200
        callee.hang_up()
        answer = caller.ask(caller.request("INVITE", callee.aor))
        assert answer.status == 480
        assert len(answer.start) > len("SIP/2.0 480 ")

    @rows("3261-16.5-05")
    def test_no_target_twice(self, caller: Agent, agents: MakeAgent) -> None:
        """Two contacts that are equal by the rules of URIs are rung once."""
        callee = agents()
        callee.register(f"<{callee.contact};a=1;b=2>")
        callee.register(f"<{callee.contact};b=2;a=1>")
        invite = caller.send(caller.request("INVITE", callee.aor))
        came = callee.get("INVITE")
        callee.reply(came, 180)
        callee.nothing(lambda m: m.method == "INVITE" and m.branch != came.branch, "a second")
        callee.reply(came, 486)
        caller.send(ack_to(invite, caller.final(invite)))


class DeliveryTests:
    """Addresses that cannot be reached."""

    @rows("3261-16.9-01", "3261-17.1.4-01", "3261-18.4-03")
    def test_refused_connection(self, caller: Agent, agents: MakeAgent) -> None:
        """A connection that is refused counts as 503, which the caller hears as a 500 or so."""
        gone = agents(transport="tcp")
        gone.close()
        answer = caller.ask(caller.request("INVITE", gone.contact))
        assert answer.status in (500, 502, 504, 477, 408)

    @rows("3261-18.4-01")
    def test_unreachable_port(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """A port that nobody listens at is known by ICMP long before the time-out."""
        gone = agents()
        gone.close()
        request = caller.send(caller.request("INVITE", gone.contact))
        answer = caller.final(request, within=20 * target.t1)
        caller.send(ack_to(request, answer))
        assert answer.status >= 500

    @rows("3261-16.6-40", "3261-20-03", "3261-16.1-03")
    def test_udp_to_tcp(self, caller: Agent, agents: MakeAgent) -> None:
        """From UDP without Content-Length to TCP: the copy says its length, the answer returns."""
        callee = agents(transport="tcp")
        assert callee.register().status == 200
        request = caller.request("MESSAGE", callee.aor).add("Content-Type", "text/plain")
        request.body = b"hello"
        data = request.write().replace(b"Content-Length: 5\r\n", b"")
        caller.send_raw(data)
        came = callee.get("MESSAGE")
        assert came.lines("content-length") == ["5"] and came.body == b"hello"
        assert parameter(came.values("via")[0], "branch")
        assert "TCP" in came.values("via")[0]
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("3261-16.6-29")
    def test_sips_goes_by_tls_only(self, caller: Agent, agents: MakeAgent) -> None:
        """A sips URI is not called in the clear, whatever its port."""
        for transport in ("udp", "tcp"):
            callee = agents(transport=transport)
            request = caller.request("MESSAGE", f"sips:{callee.user}@{callee.address}")
            caller.send(request)
            callee.no_request("MESSAGE")

    @rows("3261-16.9-02", "3261-16.1-04")
    def test_caller_who_has_gone(self, agents: MakeAgent, callee: Agent) -> None:
        """A 180 that can't be delivered is no reason to stop ringing."""
        caller = agents(transport="tcp")
        caller.send(caller.request("INVITE", callee.aor))
        came = callee.get("INVITE")
        caller.hang_up()
        callee.reply(came, 180)
        callee.no_request("CANCEL", within=0.3)
        callee.reply(came, 486)
        callee.get("ACK")
