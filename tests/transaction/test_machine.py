"""What machines leave behind: nothing."""

import gc
from collections.abc import Iterator

import pytest

from sipproxy.message.builder import make_response
from sipproxy.message.message import Message, Request, Response
from sipproxy.message.parser import parse
from sipproxy.testing.script import LOCAL, request_bytes
from sipproxy.transaction.deadlines import NEVER
from sipproxy.transaction.key import client_key
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import (
    ClientTransaction,
    ServerTransaction,
    State,
    Transaction,
)
from sipproxy.transaction.outputs import Output, RequestReceived
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers

PEER = Peer("udp", "192.0.2.1", 5060)


def living(kind: type) -> int:
    """How many objects of a class, or of one below it, are alive."""
    return sum(isinstance(thing, kind) for thing in gc.get_objects())


@pytest.fixture
def refcounting_alone() -> Iterator[None]:
    """No garbage collector: what is freed is freed by the last reference going."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def request(method: str, number: int, sent_by: str = "192.0.2.1:5060") -> Request:
    """A parsed request with a branch of its own."""
    options = {"branch": f"z9hG4bK-{number}", "call": f"call-{number}"}
    message = parse(request_bytes(method, PEER, options, sent_by))
    assert isinstance(message, Request)
    return message


def receive(layer: TransactionLayer, message: Request, now: float) -> ServerTransaction:
    """Let a request arrive; the machine made for it."""
    layer.receive(message, PEER, now)
    for output in layer.take_outputs():
        if isinstance(output, RequestReceived):
            return output.transaction
    raise AssertionError("not new")


def answer(to: Request, status: int) -> Response:
    """A response as it comes from the wire."""
    message = parse(make_response(to, status, to_tag=b"x").to_bytes())
    assert isinstance(message, Response)
    return message


def relay(layer: TransactionLayer, method: str, status: int, number: int, now: float) -> None:
    """A request in and out, its final response in and out."""
    message = request(method, number)
    server = receive(layer, message.clone(), now)
    outgoing = request(method, -number, LOCAL)
    client = layer.request(outgoing, PEER, server, now)
    layer.receive(answer(outgoing, status), PEER, now + 0.01)
    layer.respond(server, make_response(message, status, to_tag=b"x"), now + 0.01)
    assert client.user is server
    layer.take_outputs()


@pytest.mark.usefixtures("refcounting_alone")
class MemoryTests:
    """Reference counting frees everything, as early as it can."""

    def test_requests_are_let_go_with_the_final_response(self) -> None:
        """The 32 seconds after a call hold machines, not messages."""
        layer = TransactionLayer(Timers())
        before = living(Message)
        for number in range(1, 51):
            relay(layer, "INVITE", 200, number, 1.0)
            relay(layer, "INVITE", 486, 1000 + number, 1.0)
            relay(layer, "BYE", 200, 2000 + number, 1.0)
        assert len(layer) == 300
        assert living(Message) == before

    def test_everything_is_freed_at_terminated(self) -> None:
        """No cycle holds a machine, no forgotten deadline, no table."""
        layer = TransactionLayer(Timers())
        before = living(Transaction)
        for number in range(1, 51):
            relay(layer, "INVITE", 200, number, 1.0)
            relay(layer, "INVITE", 486, 1000 + number, 1.0)
            relay(layer, "BYE", 200, 2000 + number, 1.0)
        assert living(Transaction) == before + 300
        layer.advance(40.0)
        layer.take_outputs()
        assert len(layer) == 0
        assert living(Transaction) == before

    @pytest.mark.parametrize("method", ["INVITE", "BYE"])
    def test_terminated_machines_hold_no_messages(self, method: str) -> None:
        """A user may keep a transaction that timed out or failed, not by that its request."""
        layer = TransactionLayer(Timers())
        before = living(Message)
        late = layer.request(request(method, 1, LOCAL), PEER, None, 1.0)
        lost = layer.request(request(method, 2, LOCAL), PEER, None, 1.0)
        left = receive(layer, request(method, 3), 1.0)
        layer.transport_failed(lost, "unreachable", 1.0)
        layer.abandon(left)
        layer.advance(40.0)
        layer.take_outputs()
        assert living(Message) == before
        assert late.data == lost.data == b""

    def test_short_lived_machines_do_not_wait_for_their_long_timers(self) -> None:
        """A BYE is over after timer K; that its timer F would have lasted 32 s keeps nothing."""
        layer = TransactionLayer(Timers())
        before = living(ClientTransaction)
        for number in range(50):
            outgoing = request("BYE", number, LOCAL)
            layer.request(outgoing, PEER, None, 1.0)
            layer.receive(answer(outgoing, 200), PEER, 1.1)
        layer.take_outputs()
        layer.advance(6.2)
        layer.take_outputs()
        assert living(ClientTransaction) == before

    def test_one_traversed_object_a_machine(self) -> None:
        """The collector walks machines and nothing beside them: keys and bytes are leaves."""
        layer = TransactionLayer(Timers())
        outgoing = [request("BYE", number, LOCAL) for number in range(1000)]
        answers = [answer(message, 200) for message in outgoing]
        # What reading their keys caches in the messages is not the machines'.
        assert [client_key(each) for each in outgoing] == [client_key(each) for each in answers]
        before = len(gc.get_objects())
        for message, final in zip(outgoing, answers, strict=True):
            layer.request(message, PEER, None, 1.0)
            layer.receive(final, PEER, 1.1)
            layer.take_outputs()
        # The deques and tables grow by a few objects in all.
        assert len(gc.get_objects()) - before <= 1000 + 20


class ParkedTests:
    """Calls that ring for minutes."""

    def test_parked_invites_have_no_timers(self) -> None:
        """Once their short timers are past, ten thousand ringing calls leave no deadline."""
        layer = TransactionLayer(Timers())
        for number in range(10_000):
            server = receive(layer, request("INVITE", number + 1), 1.0)
            layer.trying(server, 1.0)
            outgoing = request("INVITE", -number, LOCAL)
            layer.request(outgoing, PEER, None, 1.0)
            layer.receive(answer(outgoing, 180), PEER, 1.1)
            layer.take_outputs()
        layer.advance(1.8)
        assert layer.next_deadline() is None
        assert layer.take_outputs() == []
        assert len(layer) == 20_000


class RequestTests:
    """The request a transaction remembers."""

    def test_gone_after_the_final_response(self) -> None:
        """Asking too late is a clear error, not an empty message."""
        layer = TransactionLayer(Timers())
        message = request("OPTIONS", 1)
        server = receive(layer, message, 1.0)
        assert server.request is message
        layer.respond(server, make_response(message, 200), 1.0)
        with pytest.raises(LookupError, match="final response"):
            _ = server.request

    def test_accepted_invite_repeats_nothing(self) -> None:
        """A 2xx is the user's to repeat, so its bytes are not kept; its status is."""
        layer = TransactionLayer(Timers())
        message = request("INVITE", 1)
        server = receive(layer, message.clone(), 1.0)
        layer.respond(server, make_response(message, 180, to_tag=b"x"), 1.1)
        assert server.retry_at == NEVER
        layer.respond(server, make_response(message, 200, to_tag=b"x"), 1.2)
        assert (server.status, server.last_response) == (200, b"")

    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_status_and_last_response(self, method: str) -> None:
        """Status 0 before any; the bytes as long as they may be sent again."""
        layer = TransactionLayer(Timers())
        message = request(method, 1)
        server = receive(layer, message.clone(), 1.0)
        assert (server.status, server.last_response) == (0, b"")
        response = make_response(message, 486, to_tag=b"x")
        layer.respond(server, response, 1.0)
        assert (server.status, server.last_response) == (486, response.to_bytes())
        layer.advance(40.0)
        assert (server.state, server.last_response) == (State.TERMINATED, b"")


class DataTests:
    """The bytes a client machine would send again."""

    @pytest.mark.parametrize(("method", "status"), [("INVITE", 180), ("INVITE", 200), ("BYE", 200)])
    def test_let_go_when_nothing_is_repeated_any_more(self, method: str, status: int) -> None:
        """A ringing or answered call keeps no copy of its INVITE."""
        layer = TransactionLayer(Timers())
        outgoing = request(method, 1, LOCAL)
        client = layer.request(outgoing, PEER, None, 1.0)
        assert client.data == outgoing.to_bytes()
        layer.receive(answer(outgoing, status), PEER, 1.1)
        assert client.data == b""

    def test_kept_while_a_request_may_be_repeated(self) -> None:
        """A provisional response does not stop timer E."""
        layer = TransactionLayer(Timers())
        outgoing = request("BYE", 1, LOCAL)
        client = layer.request(outgoing, PEER, None, 1.0)
        layer.receive(answer(outgoing, 100), PEER, 1.1)
        assert client.data == outgoing.to_bytes()

    def test_bad_final_response_changes_nothing(self) -> None:
        """One that no ACK can be made for is counted; the call goes on, and can still end."""
        layer = TransactionLayer(Timers())
        outgoing = request("INVITE", 1, LOCAL)
        client = layer.request(outgoing, PEER, None, 1.0)
        bad = answer(outgoing, 486)
        bad.remove(b"to")
        layer.receive(bad, PEER, 1.1)
        states = [client.state]
        assert layer.counters.malformed == 1
        layer.receive(answer(outgoing, 486), PEER, 1.2)
        assert [*states, client.state] == [State.CALLING, State.COMPLETED]


class UserTests:
    """The slot of the transaction user."""

    def test_given_back_with_everything(self) -> None:
        """What was given to `request` is there when the transaction is over."""
        layer = TransactionLayer(Timers())
        user = object()
        layer.request(request("OPTIONS", 1, LOCAL), PEER, user, 1.0)
        layer.take_outputs()
        layer.advance(33.0)
        outputs: list[Output] = layer.take_outputs()
        told = [getattr(output, "transaction", None) for output in outputs]
        assert told and all(each is not None and each.user is user for each in told)
