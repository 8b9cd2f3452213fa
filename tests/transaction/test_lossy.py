"""Two layers, and between them a network that loses, repeats, delays and reorders."""

from heapq import heappop, heappush
from random import Random

import pytest

from sipproxy.message.builder import make_response
from sipproxy.message.message import Request
from sipproxy.message.parser import parse
from sipproxy.testing.script import request_bytes
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import ClientTransaction, ServerTransaction, State, Transaction
from sipproxy.transaction.outputs import (
    AckReceived,
    Failed,
    Fired,
    Output,
    RequestReceived,
    ResponseReceived,
    Send,
    Terminated,
    TimedOut,
)
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers

CALLER = Peer("udp", "192.0.2.1", 5060)
CALLEE = Peer("udp", "192.0.2.2", 5060)
START = 10.0


class Network:
    """Datagrams under way between two sides, in virtual time."""

    def __init__(self, random: Random, loss: float) -> None:
        self.random = random
        self.loss = loss
        self.now = START
        self.serial = 0
        self.flying: list[tuple[float, int, bytes, Peer]] = []

    def carry(self, data: bytes, to: Peer) -> None:
        """Lose it, or deliver it after a while, one time in ten twice."""
        if self.random.random() < self.loss:
            return
        for _ in range(2 if self.loss and self.random.random() < 0.1 else 1):
            self.serial += 1
            delay = self.random.uniform(0.001, 0.3 if self.loss else 0.01)
            heappush(self.flying, (self.now + delay, self.serial, data, to))


class Side:
    """A layer, and what both sides' users have in common: keeping the record."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.layer = TransactionLayer(Timers())
        self.ended: dict[Transaction, int] = {}
        self.finals: dict[Transaction, int] = {}
        self.timed_out: set[Transaction] = set()

    def drain(self) -> None:
        """Carry out what the layer wants, until it wants nothing."""
        outputs = self.layer.take_outputs()
        while outputs:
            for output in outputs:
                self.told(output)
            outputs = self.layer.take_outputs()

    def told(self, output: Output) -> None:
        """Send, or note."""
        if isinstance(output, Send):
            self.network.carry(output.data, output.peer)
        elif isinstance(output, Terminated):
            self.ended[output.transaction] = self.ended.get(output.transaction, 0) + 1
        elif isinstance(output, TimedOut):
            self.timed_out.add(output.transaction)
        else:
            self.user(output)

    def user(self, output: Output) -> None:
        """What only one of the sides hears."""
        raise NotImplementedError


class Caller(Side):
    """Starts transactions; acknowledges every 2xx; cancels some calls."""

    def __init__(self, network: Network) -> None:
        Side.__init__(self, network)
        self.started: dict[Transaction, str] = {}

    def start(self, method: str, number: int, cancel: bool) -> None:
        """One more transaction."""
        options = {"branch": f"z9hG4bK-{number}", "call": f"call-{number}"}
        message = parse(request_bytes(method, CALLER, options))
        assert isinstance(message, Request)
        client = self.layer.request(message, CALLEE, None, self.network.now)
        self.started[client] = method
        self.layer.schedule(self.network.now + self.layer.timers.timer_c, client)
        if cancel:
            self.layer.cancel(client, self.network.now)

    def user(self, output: Output) -> None:
        """Note finals, acknowledge a 2xx as a UAC core does; at timer C give up."""
        if isinstance(output, Fired):
            assert isinstance(output.token, ClientTransaction)
            self.layer.cancel(output.token, self.network.now)
            return
        assert isinstance(output, ResponseReceived)
        client, status = output.transaction, output.response.status
        if client is None or status < 200:
            return
        assert self.finals.setdefault(client, status) == status
        if client.method == "INVITE" and status < 300:
            options = {
                "branch": f"z9hG4bK-ack-{output.response.call_id.decode()}",
                "call": output.response.call_id.decode(),
                "tag": "callee",
            }
            self.network.carry(request_bytes("ACK", CALLER, options), CALLEE)


class Plan:
    """An answer to be given later, and `again` after that."""

    def __init__(self, server: ServerTransaction, status: int, again: float) -> None:
        self.server = server
        self.status = status
        self.again = again


class Callee(Side):
    """Answers; repeats its 2xx until the ACK comes, as a UAS core does."""

    def __init__(self, network: Network) -> None:
        Side.__init__(self, network)
        self.requests: dict[ServerTransaction, Request] = {}
        self.unacknowledged: set[bytes] = set()
        self.failed = 0

    def user(self, output: Output) -> None:
        """New requests, ACKs, and the times set for answers."""
        now = self.network.now
        if isinstance(output, RequestReceived):
            self.begin(output.transaction, output.request.clone(), now)
        elif isinstance(output, AckReceived):
            self.unacknowledged.discard(output.request.call_id)
        elif isinstance(output, Fired):
            assert isinstance(output.token, Plan)
            self.answer(output.token.server, output.token.status, output.token.again)
        else:
            assert isinstance(output, Failed)
            self.failed += 1

    def begin(self, server: ServerTransaction, request: Request, now: float) -> None:
        """Ring, and decide when to say what."""
        assert server not in self.requests, "a retransmission was taken for a new request"
        self.requests[server] = request
        if server.method == "INVITE":
            self.layer.trying(server, now)
            self.answer(server, 180, 0.0)
            status = self.network.random.choice((200, 200, 486))
            wait = self.network.random.uniform(0.2, 12.0)
            self.layer.schedule(now + wait, Plan(server, status, 0.5))
        elif server.method == "CANCEL":
            invite = self.layer.matching_invite(request)
            self.answer(server, 200 if invite else 481, 0.0)
            if invite is not None and invite.state is State.PROCEEDING:
                self.answer(invite, 487, 0.0)
        else:
            self.layer.schedule(now + 0.1, Plan(server, 200, 0.0))

    def answer(self, server: ServerTransaction, status: int, again: float) -> None:
        """Say it; `again` is when to repeat a 2xx that nobody acknowledges."""
        request = self.requests[server]
        if server.state is State.PROCEEDING and server.method == "INVITE" and status == 200:
            self.unacknowledged.add(request.call_id)
        response = make_response(request, status, to_tag=b"callee")
        self.layer.respond(server, response, self.network.now)
        self.finals.setdefault(server, server.status)
        if again and request.call_id in self.unacknowledged and again < 32.0:
            self.layer.schedule(self.network.now + min(again, 4.0), Plan(server, status, again * 2))


def simulate(seed: int, loss: float, transactions: int) -> tuple[Caller, Callee]:
    """Run until nothing flies and nothing waits."""
    random = Random(seed)
    network = Network(random, loss)
    caller, callee = Caller(network), Callee(network)
    for number in range(transactions):
        method = random.choice(("INVITE", "INVITE", "OPTIONS", "BYE"))
        caller.start(method, number, method == "INVITE" and random.random() < 0.3)
    caller.drain()
    while step(network, caller, callee):
        pass
    return caller, callee


def step(network: Network, caller: Caller, callee: Callee) -> bool:
    """The next thing to happen, a datagram or a deadline; False when there is none."""
    times = [side.layer.next_deadline() for side in (caller, callee)]
    times.append(network.flying[0][0] if network.flying else None)
    due = [when for when in times if when is not None]
    if not due:
        return False
    network.now = max(network.now, min(due))
    while network.flying and network.flying[0][0] <= network.now:
        _, _, data, to = heappop(network.flying)
        side, source = (caller, CALLEE) if to == CALLER else (callee, CALLER)
        side.layer.receive(parse(data), source, network.now)
        side.drain()
    for side in (caller, callee):
        side.layer.advance(network.now)
        side.drain()
    return True


class LossyTests:
    """Whatever the network does, every transaction ends, once, and nothing stays."""

    @pytest.mark.parametrize("loss", [0.0, 0.1, 0.3, 0.6, 1.0])
    @pytest.mark.parametrize("seed", range(6))
    def test_every_transaction_ends(self, seed: int, loss: float) -> None:
        """Exactly one end each, after a final response or a time-out; empty tables after it."""
        caller, callee = simulate(seed, loss, 40)
        assert set(caller.ended) == set(caller.started)
        assert set(callee.ended) == set(callee.requests)
        for side in (caller, callee):
            assert set(side.ended.values()) <= {1}
            assert len(side.layer) == 0 and side.layer.next_deadline() is None
            assert not side.layer.server_retries and not side.layer.client_retries
        for client in caller.started:
            assert client in caller.finals or client in caller.timed_out
        assert callee.failed == 0

    def test_without_loss_everything_is_answered(self) -> None:
        """Nobody times out, no message is repeated in vain, everybody agrees."""
        caller, callee = simulate(1, 0.0, 200)
        assert set(caller.finals) == set(caller.started)
        assert not caller.timed_out and not callee.timed_out
        assert caller.layer.counters.resent == callee.layer.counters.resent == 0
        assert set(caller.finals.values()) == {200, 486, 487}

    def test_mild_loss_is_repaired(self) -> None:
        """One datagram in ten is lost, yet every transaction gets its answer."""
        caller, callee = simulate(2, 0.1, 200)
        assert set(caller.finals) == set(caller.started)
        assert caller.layer.counters.resent > 0 and callee.layer.counters.resent > 0

    def test_without_network_everything_times_out(self) -> None:
        """All of them are told so; none is left."""
        caller, callee = simulate(3, 1.0, 50)
        assert caller.timed_out == set(caller.started)
        assert not callee.requests
