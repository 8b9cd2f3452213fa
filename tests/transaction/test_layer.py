"""The layer's verbs, limits and clock."""

import pytest

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.testing.script import LOCAL, Script, request_bytes, run_script
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import Counters, ServerTransaction, State
from sipproxy.transaction.outputs import (
    AckReceived,
    Fired,
    RequestReceived,
    ResponseReceived,
    Send,
    Terminated,
)
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers

PEER = Peer("udp", "192.0.2.1", 5060, sent_by=LOCAL.encode())


def request(
    method: str, branch: str = "z9hG4bK-1", sent_by: str = "192.0.2.1:5060", tag: str = ""
) -> Request:
    """A parsed request."""
    options = {"branch": branch} | ({"tag": tag} if tag else {})
    message = parse(request_bytes(method, PEER, options, sent_by))
    assert isinstance(message, Request)
    return message


def server_of(layer: TransactionLayer) -> ServerTransaction:
    """The machine of the request that was just received."""
    output = layer.take_outputs()[0]
    assert isinstance(output, RequestReceived)
    return output.transaction


class ReceiveTests:
    """From the wire."""

    def test_new_request_is_stamped(self) -> None:
        """Section 18.2.1: the Via says where the request really came from."""
        layer = TransactionLayer(Timers())
        layer.receive(request("INVITE", sent_by="10.0.0.1:5060"), PEER, 1.0)
        server = server_of(layer)
        assert server.request.top_via.received == "192.0.2.1"
        assert server.reply_to is PEER and server.peer is PEER

    def test_passed_ack_is_stamped(self) -> None:
        """An ACK for a 2xx travels on, so its Via needs the same."""
        layer = TransactionLayer(Timers())
        layer.receive(request("ACK", sent_by="10.0.0.1:5060"), PEER, 1.0)
        (output,) = layer.take_outputs()
        assert isinstance(output, AckReceived) and output.transaction is None
        assert output.request.top_via.received == "192.0.2.1"
        assert output.peer is PEER
        assert layer.counters.stray_acks == 1

    def test_message_without_via_is_counted_and_dropped(self) -> None:
        """Nobody can be answered."""
        layer = TransactionLayer(Timers())
        for message in (request("INVITE"), make_response(request("INVITE"), 200)):
            message.remove(b"via")
            layer.receive(message, PEER, 1.0)
        assert layer.take_outputs() == []
        assert layer.counters.malformed == 2

    def test_stray_response_goes_up_with_its_peer(self) -> None:
        """RFC 6026 section 8.9: what matches nothing is for the core to judge."""
        layer = TransactionLayer(Timers())
        layer.receive(make_response(request("INVITE"), 200), PEER, 1.0)
        (output,) = layer.take_outputs()
        assert isinstance(output, ResponseReceived)
        assert output.transaction is None and output.peer is PEER
        assert layer.counters.stray_responses == 1


class LimitTests:
    """More transactions than allowed."""

    def full(self) -> TransactionLayer:
        """A layer with room for one, taken by an INVITE."""
        layer = TransactionLayer(Timers(), max_transactions=1)
        layer.receive(request("INVITE", "z9hG4bK-taken"), PEER, 1.0)
        layer.take_outputs()
        return layer

    def test_new_request_gets_a_stateless_503(self) -> None:
        """With Retry-After, and the same To tag each time it is asked."""
        layer = self.full()
        answers = []
        for _ in range(2):
            layer.receive(request("OPTIONS", "z9hG4bK-new"), PEER, 1.0)
            (output,) = layer.take_outputs()
            assert isinstance(output, Send) and output.transaction is None
            response = parse(output.data)
            assert isinstance(response, Response) and response.status == 503
            assert response.value(b"retry-after") == b"5"
            assert response.to_tag
            answers.append(output.data)
        assert answers[0] == answers[1]
        assert len(layer) == 1 and layer.counters.refused == 2

    def test_ack_for_that_503_is_absorbed(self) -> None:
        """It would look like an ACK for a 2xx and travel on to nowhere."""
        layer = self.full()
        layer.receive(request("INVITE", "z9hG4bK-new"), PEER, 1.0)
        (output,) = layer.take_outputs()
        assert isinstance(output, Send)
        tag = (parse(output.data).to_tag or b"").decode()
        layer.receive(request("ACK", "z9hG4bK-new", tag=tag), PEER, 1.0)
        assert layer.take_outputs() == []
        layer.receive(request("ACK", "z9hG4bK-new", tag="another"), PEER, 1.0)
        assert isinstance(layer.take_outputs()[0], AckReceived)

    def test_what_is_known_still_works(self) -> None:
        """Retransmissions, and the CANCEL that makes room."""
        layer = self.full()
        layer.receive(request("INVITE", "z9hG4bK-taken"), PEER, 1.0)
        assert layer.take_outputs() == []
        layer.receive(request("CANCEL", "z9hG4bK-taken"), PEER, 1.0)
        assert isinstance(layer.take_outputs()[0], RequestReceived)

    def test_our_own_requests_are_not_refused(self) -> None:
        """A branch of a call that was let in must go out."""
        layer = self.full()
        layer.request(request("INVITE", "z9hG4bK-out", LOCAL), PEER, None, 1.0)
        assert len(layer) == 2


class RequestTests:
    """Client transactions."""

    def test_branch_must_be_new(self) -> None:
        """Two transactions on one branch could not be told apart, whatever the case."""
        layer = TransactionLayer(Timers())
        layer.request(request("OPTIONS", "z9hG4bK-a", LOCAL), PEER, None, 1.0)
        for branch in ("z9hG4bK-a", "z9hG4bK-A", "none"):
            with pytest.raises(ValueError, match="branch"):
                layer.request(request("OPTIONS", branch, LOCAL), PEER, None, 1.0)

    def test_ack_has_no_transaction(self) -> None:
        """An ACK is sent without one."""
        with pytest.raises(ValueError, match="ACK"):
            TransactionLayer(Timers()).request(request("ACK"), PEER, None, 1.0)

    def test_cancel_means_invites_alone(self) -> None:
        """Section 9.1: a CANCEL for anything else always loses the race."""
        layer = TransactionLayer(Timers())
        client = layer.request(request("OPTIONS", "z9hG4bK-a", LOCAL), PEER, None, 1.0)
        layer.take_outputs()
        layer.cancel(client, 1.0)
        assert layer.take_outputs() == [] and len(layer) == 1

    def test_cancel_transaction_is_silent_even_when_it_fails(self) -> None:
        """The user never started it, so it hears neither of its time-out nor of its end."""
        layer = TransactionLayer(Timers())
        invite = request("INVITE", "z9hG4bK-a", LOCAL)
        client = layer.request(invite.clone(), PEER, None, 1.0)
        layer.receive(make_response(invite, 180), PEER, 1.0)
        layer.cancel(client, 1.0)
        cancel = layer.take_outputs()[-1]
        assert isinstance(cancel, Send) and cancel.transaction is not None
        assert cancel.transaction is not client
        layer.transport_failed(cancel.transaction, "unreachable", 1.1)
        assert layer.take_outputs() == []
        assert len(layer) == 1


class RespondTests:
    """Server transactions."""

    def test_late_responses_are_counted(self) -> None:
        """A user that answers after the end does no harm."""
        layer = TransactionLayer(Timers())
        for method in ("INVITE", "OPTIONS"):
            message = request(method)
            layer.receive(message.clone(), PEER, 1.0)
            server = server_of(layer)
            layer.respond(server, make_response(message, 404), 1.0)
            layer.advance(40.0)
            assert server.state is State.TERMINATED
            layer.take_outputs()
            layer.respond(server, make_response(message, 200), 41.0)
            layer.trying(server, 41.0)
        assert layer.take_outputs() == []
        assert layer.counters.dropped == 2

    def test_trying_means_invites_alone(self) -> None:
        """RFC 4320 section 4.1: no early 100 for anything else."""
        layer = TransactionLayer(Timers())
        layer.receive(request("OPTIONS"), PEER, 1.0)
        layer.trying(server_of(layer), 1.0)
        assert layer.take_outputs() == []

    def test_matching_invite(self) -> None:
        """Section 9.2: same branch, same sent-by."""
        layer = TransactionLayer(Timers())
        layer.receive(request("INVITE", "z9hG4bK-a"), PEER, 1.0)
        server = server_of(layer)
        layer.receive(request("OPTIONS", "z9hG4bK-b"), PEER, 1.0)
        assert layer.matching_invite(request("CANCEL", "z9hG4bK-a")) is server
        assert layer.matching_invite(request("CANCEL", "z9hG4bK-b")) is None
        elsewhere = request("CANCEL", "z9hG4bK-a", "192.0.2.7:5060")
        assert layer.matching_invite(elsewhere) is None


class AbandonTests:
    """A non-INVITE that is best left without an answer (RFC 4320 section 4.2)."""

    def test_ends_without_a_response(self) -> None:
        """The user hears that it is over; a retransmission would begin anew."""
        layer = TransactionLayer(Timers())
        layer.receive(request("OPTIONS"), PEER, 1.0)
        server = server_of(layer)
        layer.abandon(server)
        (output,) = layer.take_outputs()
        assert isinstance(output, Terminated) and output.transaction is server
        assert len(layer) == 0

    def test_twice_is_once(self) -> None:
        """And a transaction that came later under the same key is another one."""
        layer = TransactionLayer(Timers())
        layer.receive(request("OPTIONS"), PEER, 1.0)
        server = server_of(layer)
        layer.abandon(server)
        layer.take_outputs()
        layer.receive(request("OPTIONS"), PEER, 2.0)
        assert server_of(layer) is not server
        layer.abandon(server)
        assert layer.take_outputs() == [] and len(layer) == 1


#: A story, and the counters it leaves above zero.
COUNTED = [
    ("inject_wire INVITE\nexpect_tu request INVITE", {"requests": 1}),
    (
        "inject_wire OPTIONS\nexpect_tu request OPTIONS\ninject_wire OPTIONS\ninject_tu 200\n"
        "expect_wire 200\ninject_wire OPTIONS\nexpect_wire 200\ninject_tu 200",
        {"requests": 1, "absorbed": 2, "resent": 1, "dropped": 1},
    ),
    (
        "inject_wire INVITE\nexpect_tu request INVITE\ninject_wire ACK\ninject_tu 486\n"
        "expect_wire 486\ninject_wire INVITE\nexpect_wire 486\nadvance 0.5\nexpect_wire 486\n"
        "inject_wire ACK tag=ours\ninject_wire ACK tag=ours\ninject_tu 200",
        {"requests": 1, "absorbed": 3, "resent": 2, "dropped": 2},
    ),
    (
        "inject_tu send INVITE\nexpect_wire INVITE\nadvance 0.5\nexpect_wire INVITE\n"
        "inject_wire 486\nexpect_wire ACK\nexpect_tu response 486\ninject_wire 486\n"
        "expect_wire ACK\ninject_wire 180",
        {"absorbed": 1, "resent": 2, "dropped": 1},
    ),
    (
        "inject_tu send BYE\nexpect_wire BYE\nadvance 0.5\nexpect_wire BYE\ninject_wire 200\n"
        "expect_tu response 200\ninject_wire 200",
        {"absorbed": 1, "resent": 1},
    ),
    (
        "inject_tu send BYE\nexpect_wire BYE\ninject_wire error\nexpect_tu failed\n"
        "expect_tu terminated",
        {"failed": 1},
    ),
    (
        "inject_tu send INVITE\nexpect_wire INVITE\ninject_wire error\nexpect_tu failed\n"
        "expect_tu terminated",
        {"failed": 1},
    ),
    (
        "inject_wire BYE\nexpect_tu request BYE\ninject_wire error\nexpect_tu failed",
        {"requests": 1, "failed": 1},
    ),
    (
        "inject_wire INVITE\nexpect_tu request INVITE\ninject_wire error\nexpect_tu failed",
        {"requests": 1, "failed": 1},
    ),
    (
        "transport tcp\ninject_tu send BYE\nexpect_wire BYE\nadvance 32\nexpect_tu timed_out\n"
        "expect_tu terminated",
        {"timed_out": 1},
    ),
    (
        "transport tcp\ninject_wire INVITE\nexpect_tu request INVITE\ninject_tu 486\n"
        "expect_wire 486\nadvance 32\nexpect_tu timed_out\nexpect_tu terminated",
        {"requests": 1, "timed_out": 1},
    ),
]


class CountersTests:
    """An operator sees in numbers what the network does."""

    @pytest.mark.parametrize(("text", "wanted"), COUNTED)
    def test_counted(self, text: str, wanted: dict[str, int]) -> None:
        """Each kind of event in its own counter, and nowhere else."""
        counters = run_script(Script("story", text)).counters
        found = {name: getattr(counters, name) for name in Counters.__slots__}
        assert {name: count for name, count in found.items() if count} == wanted


class ClockTests:
    """Deadlines and alarms."""

    def test_idle_layer_wants_nothing(self) -> None:
        """No transaction, no deadline."""
        layer = TransactionLayer(Timers())
        assert layer.next_deadline() is None
        layer.advance(5.0)
        assert layer.next_deadline() is None

    def test_next_deadline_is_the_first(self) -> None:
        """200 ms for the 100 Trying, then, rung, none."""
        layer = TransactionLayer(Timers())
        message = request("INVITE")
        layer.receive(message, PEER, 1.0)
        assert layer.next_deadline() == pytest.approx(1.2)
        layer.respond(server_of(layer), make_response(message, 180), 1.1)
        layer.advance(1.2)
        assert layer.next_deadline() is None

    def test_forgetting_may_wait_a_little(self) -> None:
        """Many machines are forgotten in one wake-up: the deadline has slack, the timer has not."""
        layer = TransactionLayer(Timers())
        message = request("OPTIONS")
        layer.receive(message.clone(), PEER, 1.0)
        layer.respond(server_of(layer), make_response(message, 200), 1.0)
        layer.take_outputs()
        deadline = layer.next_deadline()
        assert deadline is not None and 33.0 < deadline <= 33.2
        layer.advance(33.0)
        assert isinstance(layer.take_outputs()[0], Terminated)

    def test_a_steady_load_does_not_wake_all_the_time(self) -> None:
        """A hundred BYEs a second over a minute make under fifteen wake-ups a second."""
        layer = TransactionLayer(Timers())
        wakes = 0
        for number in range(6000):
            now = 1.0 + number / 100
            deadline = layer.next_deadline()
            while deadline is not None and deadline <= now:
                layer.advance(deadline)
                wakes += 1
                deadline = layer.next_deadline()
            message = request("BYE", f"z9hG4bK-{number}", LOCAL)
            layer.request(message.clone(), PEER, None, now)
            layer.receive(make_response(message, 200), PEER, now + 0.001)
            layer.take_outputs()
        assert wakes < 15 * 60

    def test_alarms_fire_with_their_token(self) -> None:
        """The core's timers are on the same clock, and can be taken back."""
        layer = TransactionLayer(Timers())
        first = layer.schedule(5.0, "first")
        layer.schedule(7.0, "second")
        assert layer.next_deadline() == 5.0
        layer.unschedule(first)
        layer.advance(5.0)
        assert layer.take_outputs() == [] and layer.next_deadline() == 7.0
        layer.advance(7.5)
        (output,) = layer.take_outputs()
        assert isinstance(output, Fired) and output.token == "second"
        layer.unschedule(first)

    def test_end_comes_before_retransmission(self) -> None:
        """Late by a minute, a machine is not told to repeat what has timed out."""
        layer = TransactionLayer(Timers())
        layer.request(request("OPTIONS", "z9hG4bK-a", LOCAL), PEER, None, 1.0)
        layer.take_outputs()
        layer.advance(100.0)
        assert not any(isinstance(output, Send) for output in layer.take_outputs())
