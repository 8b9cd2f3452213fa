"""Sockets: RFC 3261 section 18 and RFC 3581."""

import socket
import time

import pytest

from tests.conformance.agent import LOOPBACK, PATIENCE, Agent
from tests.conformance.calls import establish, relay, ring
from tests.conformance.conftest import MakeAgent
from tests.conformance.message import Message, ack_to, fresh, parameter
from tests.conformance.targets import Target

rows = pytest.mark.rows


class SourceTests:
    """Where a request came from, and where its answer goes."""

    @rows("3261-18.2.1-04", "3261-18.2.1-05", "3261-18.2.1-06", "3261-18.2.2-06")
    @pytest.mark.parametrize("host", ["phone.invalid", "192.0.2.33"])
    def test_received(self, caller: Agent, callee: Agent, host: str) -> None:
        """A sent-by that is not the source gets received; the answer goes there."""
        request = caller.request("MESSAGE", callee.aor)
        request.put("Via", f"SIP/2.0/UDP {host}:{caller.port};branch={request.branch}")
        came = relay(caller, callee, request)
        assert parameter(came.values("via")[1], "received") == LOOPBACK

    @rows("3581-4-05", "3261-18.2.2-09")
    def test_port_of_sent_by(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """Without rport the answer goes to the port of sent-by, not to the source port."""
        other = agents()
        request = caller.request("OPTIONS", target.uri)
        request.put("Via", f"SIP/2.0/UDP {other.address};branch={request.branch}")
        caller.send(request)
        answer = other.final(request)
        assert parameter(answer.value("via"), "rport") is None

    @rows("3581-4-01", "3581-4-02", "3581-4-03", "3581-4-04")
    def test_rport(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """With rport the answer goes back to the source, from where the request went to."""
        other = agents()
        request = caller.request("OPTIONS", target.uri)
        request.put("Via", f"SIP/2.0/UDP {other.address};rport;branch={request.branch}")
        answer = caller.ask(request)
        via = answer.value("via")
        assert parameter(via, "rport") == str(caller.port)
        assert parameter(via, "received") == LOOPBACK
        assert answer.source == target.address

    @rows("3261-18.2.2-04")
    def test_maddr(self, caller: Agent, target: Target) -> None:
        """An answer goes to the maddr of the Via and the port of sent-by."""
        request = caller.request("OPTIONS", target.uri)
        via = f"SIP/2.0/UDP 192.0.2.34:{caller.port};maddr={LOOPBACK};branch={request.branch}"
        assert caller.ask(request.put("Via", via)).status == 200

    @rows("3581-4-06", "3261-18.1.1-09")
    def test_own_port(self, caller: Agent, callee: Agent, target: Target) -> None:
        """What the server sends comes from the port in its Via."""
        caller.send(request := caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        assert came.source == target.address
        callee.reply(came, 200)
        caller.final(request)

    @rows("3261-18.2.2-07")
    def test_default_port(self, target: Target) -> None:
        """A sent-by without a port means 5060; tried with an address that nobody uses."""
        host = "127.0.77.60"
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
        ):
            listener.bind((host, 5060))
            listener.settimeout(PATIENCE)
            sender.bind((host, 0))
            request = Message(f"OPTIONS {target.uri} SIP/2.0")
            request.add("Via", f"SIP/2.0/UDP {host};branch=z9hG4bK{fresh()}")
            request.add("Max-Forwards", "70").add("From", f"<sip:x@{host}>;tag=1")
            request.add("To", f"<{target.uri}>").add("Call-ID", fresh()).add("CSeq", "1 OPTIONS")
            sender.sendto(request.write(), target.address)
            assert listener.recv(65535).startswith(b"SIP/2.0 ")


class StreamTests:
    """TCP."""

    @rows("3261-18-03", "3261-18.2.1-03", "3261-18.2.2-01", "3261-18.2.1-07")
    def test_same_connection(self, agents: MakeAgent, target: Target) -> None:
        """A request over TCP is answered over its connection, whatever its Via says."""
        caller = agents(transport="tcp")
        request = caller.request("OPTIONS", target.uri)
        request.put("Via", f"SIP/2.0/TCP 192.0.2.35:9;branch={request.branch}")
        assert caller.ask(request).status == 200

    @rows("3261-18.2.2-02")
    def test_new_connection_for_the_answer(self, agents: MakeAgent, callee: Agent) -> None:
        """When the caller's connection is gone, the answer opens one to the port of sent-by."""
        caller = agents(transport="tcp")
        invite = caller.send(caller.request("INVITE", callee.aor))
        came = callee.get("INVITE")
        caller.hang_up()
        callee.reply(came, 200)
        assert caller.final(invite).status == 200

    @rows("3261-7.5-01")
    def test_empty_lines(self, agents: MakeAgent, target: Target) -> None:
        """Empty lines before a request are skipped."""
        caller = agents(transport="tcp")
        request = caller.request("OPTIONS", target.uri)
        caller.send_raw(b"\r\n\r\n\r\n" + request.write())
        assert caller.final(request).status == 200

    @rows("3261-18.3-05", "3261-18.3-06")
    def test_framing(self, agents: MakeAgent, target: Target) -> None:
        """Three requests in pieces of odd sizes are three requests, bodies and all."""
        caller = agents(transport="tcp")
        requests = []
        data = b""
        for number in range(3):
            request = caller.request("OPTIONS", target.uri).add("Content-Type", "text/plain")
            request.body = b"OPTIONS sip:x SIP/2.0\r\n\r\n" * number
            requests.append(request)
            data += request.write()
        for start in range(0, len(data), 301):
            caller.send_raw(data[start : start + 301])
            time.sleep(0.005)
        for request in requests:
            assert caller.final(request).status == 200

    @rows("3261-20-03")
    def test_without_length(self, agents: MakeAgent, callee: Agent, target: Target) -> None:
        """A request without Content-Length on a stream does not get through."""
        caller = agents(transport="tcp")
        request = caller.request("MESSAGE", callee.aor)
        caller.send_raw(request.write().replace(b"Content-Length: 0\r\n", b""))
        callee.no_request("MESSAGE")

    @rows("3261-18-01", "3261-18.1.1-10", "3261-18.1.1-07")
    def test_connection_stays(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """Two requests to a phone go by the connection that it opened, or by one other."""
        callee = agents(transport="tcp")
        callee.register()
        for _ in range(2):
            relay(caller, callee, caller.request("MESSAGE", callee.aor))
        callee.nothing(lambda m: True, "anything", within=0.05)
        assert not callee.closed(within=0.3)

    @rows("3261-18.1.1-08")
    def test_connection_to_sent_by(self, caller: Agent, agents: MakeAgent) -> None:
        """An answer may come by a new connection to the port of our sent-by."""
        callee = agents(transport="tcp")
        request = caller.send(caller.request("MESSAGE", callee.contact))
        came = callee.get("MESSAGE")
        callee.hang_up()
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("5658-5-05", "5658-5-01", "5658-5-02", "5658-5-03", "5658-5-04", "3261-16.7-32",
          "3261-16.6-15")  # fmt: skip
    def test_call_between_transports(self, caller: Agent, agents: MakeAgent) -> None:
        """From UDP to TCP: two entries, each for its side, and BYE works from both ends."""
        for by_callee in (False, True):
            callee = agents(transport="tcp")
            callee.register()
            call = establish(caller, callee)
            entries = call.came.values("record-route")
            assert len(entries) == 2
            assert "transport=tcp" in entries[0] and "transport=tcp" not in entries[1]
            assert call.ok.values("record-route") == entries
            sender, hearer = (callee, caller) if by_callee else (caller, callee)
            bye = call.inside("BYE", by_callee)
            sender.send(bye)
            came = hearer.get("BYE")
            assert not came.has("route")
            hearer.reply(came, 200)
            assert sender.final(bye).status == 200


class DatagramTests:
    """Sizes and ends of datagrams."""

    @rows("3261-18.3-01")
    def test_more_than_the_body(self, caller: Agent, callee: Agent) -> None:
        """What follows the body is dropped."""
        request = caller.request("MESSAGE", callee.aor).add("Content-Length", "3")
        request.body = b"abcdefg"
        assert relay(caller, callee, request).body == b"abc"

    @rows("3261-18.3-03")
    def test_less_than_the_body(self, caller: Agent, callee: Agent) -> None:
        """A request that ends too early is answered 400."""
        request = caller.request("MESSAGE", callee.aor).add("Content-Length", "30")
        request.body = b"abc"
        assert caller.ask(request).status == 400
        callee.no_request("MESSAGE")

    @rows("3261-18.3-02")
    def test_short_response(self, caller: Agent, callee: Agent) -> None:
        """A response that ends too early is dropped."""
        request = caller.send(caller.request("MESSAGE", callee.aor))
        came = callee.get("MESSAGE")
        lines = [f"{name}: {value}" for name, value in came.headers
                 if name in ("via", "from", "to", "call-id", "cseq")]  # fmt: skip
        text = "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 30", "", "abc"])
        callee.send_raw(text.encode(), came.source)
        caller.nothing(lambda m: m.status > 0, "an answer")
        callee.reply(came, 202)
        assert caller.final(request).status == 202

    @rows("3261-18.3-04")
    def test_no_length(self, caller: Agent, callee: Agent) -> None:
        """Without Content-Length the body reaches to the end."""
        request = caller.request("MESSAGE", callee.aor)
        request.body = b"to the very end"
        caller.send_raw(request.write().replace(b"Content-Length: 15\r\n", b""))
        came = callee.get("MESSAGE")
        assert came.body == request.body
        callee.reply(came, 200)
        caller.final(request)

    @rows("3261-18.1.1-03")
    def test_large_datagram(self, caller: Agent, target: Target) -> None:
        """A datagram of 60,000 octets is understood."""
        request = caller.request("OPTIONS", target.uri).add("Content-Type", "text/plain")
        request.body = b"x" * 60_000
        assert caller.ask(request).status == 200

    @rows("3261-18.1.1-01", "3261-18.1.1-02")
    def test_large_request_goes_by_tcp(self, caller: Agent, agents: MakeAgent) -> None:
        """A request of more than 1300 octets goes over TCP, and its Via says so."""
        callee = agents(transport="tcp")
        request = caller.request("MESSAGE", f"sip:{callee.user}@{callee.address}")
        request.add("X-Long", "x" * 1500)
        caller.send(request)
        came = callee.get("MESSAGE")
        assert "/TCP " in came.values("via")[0]
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("3261-18.1.1-04", "3261-16.6-30", "3263-4.3-01", "3263-4.3-02")
    def test_large_request_falls_back(self, caller: Agent, agents: MakeAgent) -> None:
        """Where TCP is refused it goes over UDP, with another branch."""
        callee = agents()
        request = caller.request("MESSAGE", f"sip:{callee.user}@{callee.address}")
        request.add("X-Long", "x" * 1500)
        caller.send(request)
        came = callee.get("MESSAGE")
        assert "/UDP " in came.values("via")[0]
        callee.reply(came, 200)
        assert caller.final(request).status == 200

    @rows("3263-4.3-03")
    def test_failure_is_final(self, caller: Agent, agents: MakeAgent) -> None:
        """A 404 over TCP is not tried again over UDP."""
        callee = agents(transport="tcp")
        request = caller.request("MESSAGE", f"sip:{callee.user}@{callee.address}")
        caller.send(request.add("X-Long", "x" * 1500))
        callee.reply(callee.get("MESSAGE"), 404)
        assert caller.final(request).status == 404
        callee.no_request("MESSAGE")

    @rows("3261-18.2.1-01", "3263-4.2-02", "3263-4.1-03")
    def test_name_with_port(self, caller: Agent, callee: Agent) -> None:
        """localhost with a port is found by its address, and reached by UDP."""
        caller.send(caller.request("MESSAGE", f"sip:{callee.user}@localhost:{callee.port}"))
        came = callee.get("MESSAGE")
        assert "/UDP " in came.values("via")[0]
        callee.reply(came, 200)

    @rows("3263-4-02")
    def test_one_host_for_one_request(self, caller: Agent, callee: Agent) -> None:
        """INVITE, its CANCEL and its ACK go to one place, though the name has several."""
        uri = f"sip:{callee.user}@localhost:{callee.port}"
        invite = caller.request("INVITE", uri)
        _, came = ring(caller, callee, invite)
        callee.reply(came, 486, tag=fresh())
        callee.get("ACK")
        caller.send(ack_to(invite, caller.final(invite)))

    @rows("3263-5-02")
    def test_numeric_sent_by(self, caller: Agent, agents: MakeAgent, target: Target) -> None:
        """A numeric sent-by is tried at its port."""
        other = agents()
        request = caller.request("OPTIONS", target.uri)
        request.put("Via", f"SIP/2.0/UDP {other.address};branch={request.branch}")
        caller.send(request)
        assert other.final(request).status == 200
