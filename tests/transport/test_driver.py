"""The driver: from bytes to the core and back, in turns, and nothing gets through the wall."""

import random
from typing import Any

import pytest
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipproxy.interfaces import ITransactions, ITransactionUser
from sipproxy.message.builder import make_response
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.driver import Driver
from tests.transport.fakes import INVITE, OPTIONS, response

ALICE = Peer("udp", "192.0.2.1", 5060, 0)
BOB = Peer("udp", "192.0.2.2", 5062, 0)
REGISTER = OPTIONS.replace(b"OPTIONS", b"REGISTER")


class Wire:
    """An outlet that keeps what is sent, and may fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Peer]] = []
        self.fails: Any = None

    def send(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        """Keep it."""
        self.sent.append((data, peer))
        if self.fails is not None:
            self.fails(peer, transaction)

    def first_lines(self) -> list[bytes]:
        """Give the first line of each."""
        return [data.partition(b"\r\n")[0] for data, _ in self.sent]


@implementer(ITransactionUser)
class Core:
    """A core that notes what it is told and does what the test wants."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.on_request: Any = None

    def request_received(self, transaction: Any, request: Request) -> None:
        """Note, and act."""
        self.heard.append(("request", request.method))
        if self.on_request is not None:
            self.on_request(transaction, request)

    def ack_received(self, request: Request, peer: Peer, transaction: Any) -> None:
        """Note."""
        self.heard.append(("ack", request.method))

    def response_received(self, transaction: Any, response: Response, peer: Peer) -> None:
        """Note."""
        self.heard.append(("response", transaction and transaction.user, response.status))

    def timed_out(self, transaction: Any) -> None:
        """Note."""
        self.heard.append(("timed out", transaction.user))

    def failed(self, transaction: Any, reason: str) -> None:
        """Note."""
        self.heard.append(("failed", transaction.user, reason))

    def terminated(self, transaction: Any) -> None:
        """Note."""
        self.heard.append(("terminated", transaction.user))

    def fired(self, token: object) -> None:
        """Note."""
        self.heard.append(("fired", token))


class DriverTestCase:
    """A driver on a clock, with one wire and a core."""

    def setup_method(self) -> None:
        """Put it together."""
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.layer = TransactionLayer(Timers())
        self.driver = Driver(self.clock, self.layer)
        self.core = Core()
        self.driver.user = self.core
        self.wire = Wire()
        self.driver.outlets = [self.wire]

    def turn(self, *messages: bytes, peer: Peer = ALICE) -> None:
        """Have one turn receive messages."""
        for data in messages:
            self.driver.received(data, peer)
        self.driver.end_of_turn()

    def answer(self, status: int) -> None:
        """Have the core answer requests at once."""
        self.core.on_request = lambda transaction, request: self.driver.respond(
            transaction, make_response(request, status, to_tag=b"t1")
        )

    def request(self, data: bytes, branch: bytes = b"z9hG4bKours", peer: Peer = BOB) -> Any:
        """Start a client transaction, as the core would."""
        message = parse(data.replace(b"z9hG4bKfirst", branch))
        assert isinstance(message, Request)
        return self.driver.request(message, peer, branch.decode())


class InwardTests(DriverTestCase):
    """From bytes to the core."""

    def test_provides_transactions(self) -> None:
        """The core finds every method it may call."""
        assert verifyObject(ITransactions, self.driver)

    def test_request(self) -> None:
        """A request reaches the core, its answer the wire: within the turn, at its end."""
        self.answer(200)
        self.driver.received(OPTIONS, ALICE)
        assert self.core.heard[0] == ("request", "OPTIONS")
        assert self.wire.sent == []
        self.driver.end_of_turn()
        assert self.wire.first_lines() == [b"SIP/2.0 200 OK"]
        assert self.wire.sent[0][1] == ALICE

    def test_retransmission(self) -> None:
        """A repeated request never reaches the core, and is answered as before."""
        self.answer(200)
        self.turn(OPTIONS, OPTIONS, OPTIONS)
        assert self.core.heard == [("request", "OPTIONS")]
        assert len(self.wire.sent) == 3

    def test_response_to_its_transaction(self) -> None:
        """A response comes back with the user that its request was given."""
        self.request(OPTIONS)
        self.turn(response(b"200 OK", b"1 OPTIONS", b"z9hG4bKours"), peer=BOB)
        assert self.core.heard == [("response", "z9hG4bKours", 200)]

    def test_stray_response_and_ack(self) -> None:
        """What matches nothing goes up as such."""
        self.turn(response(b"200 OK"), INVITE.replace(b"INVITE", b"ACK"))
        assert self.core.heard == [("response", None, 200), ("ack", "ACK")]

    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"])
    def test_keep_alive(self, data: bytes) -> None:
        """A datagram that only keeps a hole open is no error."""
        self.turn(data)
        assert self.driver.counters.keepalives == 1
        assert self.driver.counters.parse_errors == 0

    def test_nobody_there(self) -> None:
        """Without a core, requests are dropped, and nothing breaks."""
        self.driver.user = None
        self.turn(OPTIONS)
        assert self.wire.sent == []
        assert self.driver.counters.dropped == 1


class GarbageTests(DriverTestCase):
    """Whatever a peer sends stays outside."""

    def test_answered_when_possible(self) -> None:
        """A request that is wrong but legible is told so, on the way it came."""
        self.turn(INVITE.replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), peer=BOB)
        assert self.wire.first_lines()[0].startswith(b"SIP/2.0 505")
        assert self.wire.sent[0][1] == BOB
        assert self.driver.counters.parse_errors == 1
        assert len(self.layer) == 0

    def test_not_answered(self) -> None:
        """Responses, ACKs and noise get no answer."""
        bad = (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia")
        self.turn(
            INVITE.replace(b"INVITE", b"ACK").replace(*bad),
            response(b"banana split"),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\xff" * 100,
            b"INVITE sip:bob@example.com SIP/7.0\r\n\r\n",
        )
        assert self.wire.sent == []
        assert self.core.heard == []

    def test_mutations(self) -> None:
        """Damaged messages in large numbers: nothing is raised, and the next good one works."""
        seed = 20261121
        chance = random.Random(seed)
        self.answer(200)
        for _ in range(2000):
            data = bytearray(chance.choice([INVITE, OPTIONS, response(b"200 OK")]))
            for _ in range(chance.randrange(1, 8)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            self.turn(bytes(data[: chance.randrange(len(data)) + 1]))
        self.wire.sent.clear()
        self.turn(OPTIONS.replace(b"z9hG4bKfirst", b"z9hG4bKafter"))
        assert self.wire.first_lines() == [b"SIP/2.0 200 OK"], f"seed {seed}"

    def test_bug_in_the_layers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even an exception that nobody thought of is kept from the reactor."""

        def explode(*_: object) -> None:
            raise RuntimeError("unthought of")

        monkeypatch.setattr(TransactionLayer, "receive", explode)
        self.turn(OPTIONS)
        assert self.driver.counters.dropped == 1


class CoreFailureTests(DriverTestCase):
    """A core that raises."""

    def fail(self, *_: object) -> None:
        """Raise."""
        raise RuntimeError("the core broke")

    def test_unanswered_request(self) -> None:
        """The request gets a 500, and the turn goes on."""
        self.core.on_request = self.fail
        self.turn(OPTIONS, INVITE)
        lines = self.wire.first_lines()
        assert [line[:11] for line in lines] == [b"SIP/2.0 500", b"SIP/2.0 500"]
        assert self.driver.counters.core_errors == 2
        answer = parse(self.wire.sent[0][0])
        assert answer.to_tag

    def test_answered_request(self) -> None:
        """An answer that was given before stands."""

        def act(transaction: Any, request: Request) -> None:
            self.driver.respond(transaction, make_response(request, 200, to_tag=b"t"))
            self.fail()

        self.core.on_request = act
        self.turn(OPTIONS)
        assert self.wire.first_lines() == [b"SIP/2.0 200 OK"]

    def test_other_events(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Raising in any other event is logged and survived."""
        for name in ("response_received", "ack_received", "terminated", "timed_out", "fired"):
            monkeypatch.setattr(self.core, name, self.fail)
        self.request(OPTIONS)
        self.driver.schedule(1001.0, "x")
        self.turn(response(b"200 OK"), INVITE.replace(b"INVITE", b"ACK"))
        self.clock.pump([1.0] * 40)
        assert self.driver.counters.core_errors == 5
        assert len(self.layer) == 0


class TurnTests(DriverTestCase):
    """What happens when, within a turn and outside of one."""

    def test_saved_before_sent(self) -> None:
        """What must be on disk is, before the answers of the turn leave; once a turn."""
        log: list[object] = []
        self.driver.before_sending(lambda: log.append(len(self.wire.sent)))
        self.answer(200)
        self.turn(OPTIONS, REGISTER, INVITE)
        assert log == [0]
        assert len(self.wire.sent) == 3

    def test_saved_without_answers(self) -> None:
        """A turn that sends nothing is saved all the same."""
        calls: list[None] = []
        self.driver.before_sending(lambda: calls.append(None))
        self.turn()
        assert calls == [None]

    def test_not_saved(self) -> None:
        """When saving fails, registrations are not confirmed; everything else leaves."""
        self.driver.before_sending(lambda: 1 // 0)  # type: ignore[arg-type]
        self.answer(200)
        self.turn(REGISTER, OPTIONS)
        lines = self.wire.first_lines()
        assert lines == [b"SIP/2.0 503 Service Unavailable", b"SIP/2.0 200 OK"]
        assert self.driver.counters.answers_withheld == 1

    def test_saved_again(self) -> None:
        """One failure spoils no later turn."""
        failures = [RuntimeError("disk full")]

        def save() -> None:
            if failures:
                raise failures.pop()

        self.driver.before_sending(save)
        self.answer(200)
        self.turn(REGISTER)
        self.turn(REGISTER.replace(b"z9hG4bKfirst", b"z9hG4bKnext"))
        assert [line[8:11] for line in self.wire.first_lines()] == [b"503", b"200"]

    def test_outside_a_turn(self) -> None:
        """What the core does when a Deferred fires leaves with the next wake-up, at once."""
        self.turn(OPTIONS)
        transaction = next(iter(self.layer.servers.values()))
        self.driver.respond(transaction, make_response(transaction.request, 200, to_tag=b"t"))
        self.driver.send(parse(OPTIONS), BOB)
        assert self.wire.sent == []
        self.clock.advance(0)
        assert len(self.wire.sent) == 2

    def test_now(self) -> None:
        """Within a turn time stands still; outside it passes."""
        seen: list[float] = []

        def act(transaction: Any, request: Request) -> None:
            self.clock.rightNow += 5
            seen.append(self.driver.now)

        self.core.on_request = act
        self.turn(OPTIONS)
        assert seen == [1000.0]
        assert self.driver.now == 1005.0

    def test_abandon(self) -> None:
        """An abandoned transaction ends without a word."""
        self.core.on_request = lambda transaction, request: self.driver.abandon(transaction)
        self.turn(OPTIONS)
        assert len(self.layer) == 0
        assert self.wire.sent == []

    def test_matching_invite(self) -> None:
        """A CANCEL finds its INVITE."""
        found: list[Any] = []

        def act(transaction: Any, request: Request) -> None:
            if request.method == "CANCEL":
                found.append(self.driver.matching_invite(request))

        self.core.on_request = act
        self.turn(INVITE, INVITE.replace(b"INVITE", b"CANCEL"))
        assert [it.method for it in found] == ["INVITE"]

    def test_stop(self) -> None:
        """Stopping sends what waits and leaves no timer behind."""
        self.answer(200)
        self.driver.received(OPTIONS, ALICE)
        self.driver.stop()
        assert len(self.wire.sent) == 1
        assert self.clock.getDelayedCalls() == []
        self.driver.send(parse(OPTIONS), BOB)
        assert self.clock.getDelayedCalls() == []


class TimerTests(DriverTestCase):
    """One reactor call, however many timers run."""

    def test_one_call(self) -> None:
        """A hundred transactions arm one call."""
        for number in range(100):
            self.request(OPTIONS, b"z9hG4bK%d" % number)
        self.driver.end_of_turn()
        self.driver.schedule(1000.2, "a")
        self.driver.schedule(1000.1, "b")
        assert len(self.clock.getDelayedCalls()) == 1

    def test_retransmits_and_times_out(self) -> None:
        """An unanswered request is sent eleven times in 32 s, then the core hears."""
        self.request(OPTIONS)
        self.clock.pump([0.05] * 800)
        assert len(self.wire.sent) == 11
        assert ("timed out", "z9hG4bKours") in self.core.heard

    def test_scheduled(self) -> None:
        """The core's own timers come on time, and not when taken back."""
        self.driver.schedule(1002.0, "wanted")
        entry = self.driver.schedule(1001.0, "not wanted")
        self.driver.unschedule(entry)
        self.clock.pump([0.5] * 3)
        assert self.core.heard == []
        self.clock.pump([0.25] * 3)
        assert self.core.heard == [("fired", "wanted")]

    def test_trying(self) -> None:
        """100 Trying is sent for an INVITE after 200 ms of silence, or when asked."""
        self.turn(INVITE)
        assert self.wire.sent == []
        self.clock.advance(0.25)
        assert self.wire.first_lines() == [b"SIP/2.0 100 Trying"]
        self.core.on_request = lambda transaction, request: self.driver.trying(transaction)
        self.turn(INVITE.replace(b"z9hG4bKfirst", b"z9hG4bKnext"))
        assert self.wire.first_lines() == [b"SIP/2.0 100 Trying"] * 2

    def test_rest(self) -> None:
        """When all has ended, no call is left."""
        self.answer(200)
        self.turn(OPTIONS)
        self.clock.pump([1.0] * 40)
        assert len(self.layer) == 0
        assert self.clock.getDelayedCalls() == []


class UnreachableTests(DriverTestCase):
    """Failures to deliver, and who is told."""

    def test_icmp(self) -> None:
        """All that wait for the address are told in the same turn, and nobody else."""
        self.request(INVITE, b"z9hG4bKone")
        self.request(OPTIONS, b"z9hG4bKtwo")
        self.request(OPTIONS, b"z9hG4bKthree", ALICE)
        self.driver.end_of_turn()
        quoted = self.wire.sent[0][0][:200]
        self.driver.unreachable(BOB, "port unreachable", quoted)
        self.driver.end_of_turn()
        failed = [heard[1:] for heard in self.core.heard if heard[0] == "failed"]
        assert failed == [
            ("z9hG4bKone", "port unreachable"),
            ("z9hG4bKtwo", "port unreachable"),
        ]
        assert self.driver.counters.unreachable == 2

    def test_next_target_in_the_same_turn(self) -> None:
        """A core that moves on when told has its next request on the wire within the turn."""
        self.request(OPTIONS)
        self.driver.end_of_turn()
        told: Any = self.core.failed
        self.core.failed = lambda transaction, reason: (  # type: ignore[method-assign]
            told(transaction, reason),
            self.request(OPTIONS, b"z9hG4bKnext", ALICE),
        )[0]
        self.driver.unreachable(BOB, "port unreachable")
        self.driver.end_of_turn()
        assert self.wire.sent[-1][1] == ALICE

    def test_rate(self) -> None:
        """A second report right after waits for its look, which comes by itself."""
        self.driver.unreachable(ALICE, "port unreachable")
        self.driver.end_of_turn()
        self.request(OPTIONS)
        self.driver.unreachable(BOB, "port unreachable")
        self.driver.end_of_turn()
        assert self.core.heard == []
        self.clock.advance(0.1)
        assert self.core.heard[0] == ("failed", "z9hG4bKours", "port unreachable")

    def test_failure_while_sending(self) -> None:
        """What fails while being sent is told in the same turn, and may be followed by more."""
        self.wire.fails = lambda peer, transaction: (
            self.driver.transport_failed(transaction, "refused") if peer == BOB else None
        )
        self.request(OPTIONS)
        self.driver.end_of_turn()
        assert self.core.heard[0] == ("failed", "z9hG4bKours", "refused")

    def test_endless_failures(self) -> None:
        """A core that always has another target cannot hold the turn for ever."""
        self.wire.fails = lambda peer, transaction: self.driver.transport_failed(transaction, "no")
        count = [0]

        def move_on(transaction: Any, reason: str) -> None:
            count[0] += 1
            if count[0] < 1000:
                self.request(OPTIONS, b"z9hG4bK%d" % count[0])

        self.core.failed = move_on  # type: ignore[method-assign]
        self.request(OPTIONS)
        self.driver.end_of_turn()
        assert count[0] < 50
        self.clock.pump([0.01] * 200)
        assert count[0] == 1000

    def test_failed_twice(self) -> None:
        """A transaction that is over is not told again."""
        transaction = self.request(OPTIONS)
        self.driver.end_of_turn()
        self.driver.transport_failed(transaction, "refused")
        self.driver.transport_failed(transaction, "refused")
        self.driver.transport_failed(None, "refused")
        self.clock.advance(0.1)
        assert [heard[0] for heard in self.core.heard] == ["failed", "terminated"]

    def test_no_such_listener(self) -> None:
        """A peer of a listener that is gone costs its own message only."""
        self.request(OPTIONS, b"z9hG4bKgone", Peer("udp", "192.0.2.2", 5060, 9))
        self.request(OPTIONS)
        self.driver.end_of_turn()
        assert len(self.wire.sent) == 1
        assert self.driver.counters.dropped == 1

    def test_outlet_that_ends_a_turn(self) -> None:
        """A socket that reports within sending does not mix up the turn."""
        self.wire.fails = lambda peer, transaction: self.driver.end_of_turn()
        self.answer(200)
        self.turn(OPTIONS, REGISTER)
        assert len(self.wire.sent) == 2
