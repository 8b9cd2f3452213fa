"""Several name servers: the first useful answer counts, and dead ones cost once."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import dns

from sipproxy.resolve.answer import Reply
from sipproxy.resolve.servers import MAX_QUESTIONS, NameServers, NoAnswer
from sipproxy.resolve.wire import NoSocket
from tests.resolve.fakes import ONE, TWO, Zone, a, message


class NameServersTests:
    """Two servers that know one address."""

    clock: Clock
    zone: Zone
    servers: NameServers

    @pytest.fixture(autouse=True)
    def _make(self) -> None:
        self.clock = Clock()
        self.zone = Zone(("h.test", a("192.0.2.1")))
        self.servers = self.make(ONE, TWO)

    def make(self, *addresses: tuple[str, int]) -> NameServers:
        """Give name servers on the zone."""
        return NameServers(self.clock, addresses, self.zone.exchange, step=0.5, limit=2.5)

    def ask(self, name: str = "h.test") -> list[Any]:
        """Ask; give a list that will hold the addresses or the failure."""
        outcome: list[Any] = []
        asking: Deferred[Reply] = self.servers.ask(name, "A")
        asking.addCallbacks(
            lambda reply: outcome.append(reply.records), lambda failure: outcome.append(failure)
        )
        return outcome

    def no_answer(self, outcome: list[Any]) -> str:
        """Give the reason of a failure, which must be there."""
        (failure,) = outcome
        assert failure.check(NoAnswer)
        return str(failure.getErrorMessage())

    def after(self, *steps: float) -> None:
        """Let time pass."""
        self.clock.pump(steps)

    def test_first_server_answers(self) -> None:
        """The second server hears nothing of a question that the first has answered."""
        assert self.ask() == [("192.0.2.1",)]
        assert self.zone.servers_asked() == [ONE]
        assert not self.clock.getDelayedCalls()
        assert not len(self.servers)

    def test_dead_server_costs_one_moment(self) -> None:
        """After a moment the second server is asked; from then on it comes first."""
        self.zone.silent.add(ONE)
        outcome = self.ask()
        self.after(0.49)
        assert outcome == []
        self.after(0.02)
        assert outcome == [("192.0.2.1",)]
        assert not self.zone.open
        self.zone.asked.clear()
        assert self.ask() == [("192.0.2.1",)]
        assert self.zone.servers_asked() == [TWO]

    def test_closed_port_costs_nothing(self) -> None:
        """Where nobody listens, the next server is asked in the same instant."""
        self.zone.closed.add(ONE)
        assert self.ask() == [("192.0.2.1",)]
        self.zone.asked.clear()
        self.ask()
        assert self.zone.servers_asked() == [TWO]

    def test_dead_server_is_tried_again_beside_another(self) -> None:
        """Whether it is back is found out by one question, and nobody waits for that."""
        self.zone.silent.add(ONE)
        self.ask()
        self.after(0.5, 15)
        self.zone.asked.clear()
        assert self.ask() == [("192.0.2.1",)]
        assert self.zone.servers_asked() == [ONE, TWO]
        assert self.ask() == [("192.0.2.1",)]
        assert self.zone.servers_asked() == [TWO]

    def test_still_dead(self) -> None:
        """A trial without an answer ends, and the next one comes after twice the time."""
        self.zone.silent.add(ONE)
        self.ask()
        self.after(0.5, 15)
        self.ask()
        self.after(2.5)
        assert not self.zone.open and not self.clock.getDelayedCalls()
        self.after(29)
        self.zone.asked.clear()
        self.ask()
        assert self.zone.servers_asked() == [TWO]
        self.after(1)
        self.ask()
        assert self.zone.servers_asked() == [ONE, TWO]

    def test_back_again(self) -> None:
        """A server that answers a trial, however late, is in its old place again."""
        self.zone.silent.add(ONE)
        self.ask()
        self.after(0.5, 15)
        assert self.ask() == [("192.0.2.1",)]
        self.after(2)
        (trial,) = self.zone.open
        trial.callback(message(("h.test", a("192.0.2.1"))))
        self.zone.asked.clear()
        self.ask()
        assert self.zone.servers_asked() == [ONE]

    def test_slow_answer_is_still_taken(self) -> None:
        """That the next server was asked does not shut out the first one's answer."""
        self.zone.silent |= {ONE, TWO}
        outcome = self.ask()
        self.after(0.5)
        self.zone.open[0].callback(message(("h.test", a("192.0.2.7"))))
        assert outcome == [("192.0.2.7",)]

    def test_all_dead(self) -> None:
        """It is given up at the limit, everything closed; the next question sooner."""
        self.zone.silent |= {ONE, TWO}
        outcome = self.ask()
        self.after(0.5, 0.5, 0.5, 0.5, 0.4)
        assert outcome == []
        self.after(0.1)
        assert "in time" in self.no_answer(outcome)
        assert not self.zone.open and not self.clock.getDelayedCalls()
        assert self.zone.servers_asked() == [ONE, TWO, ONE, TWO]
        outcome = self.ask()
        self.after(1.0)
        assert self.no_answer(outcome)

    def test_question_that_is_too_much(self) -> None:
        """A server that answers other questions is not called dead for being silent about one."""
        self.zone.silent_about.add("slow.test")
        self.ask("slow.test")
        self.after(0.3)
        self.ask("h.test")
        self.after(0.3)
        self.zone.silent.clear()
        self.after(3)
        self.zone.asked.clear()
        self.ask()
        assert self.zone.servers_asked() == [ONE]

    @pytest.mark.parametrize("code", [dns.EREFUSED, dns.ESERVER])
    def test_useless_answer(self, code: int) -> None:
        """A refusal or a failure sends the question on at once, and the server stays first."""
        self.zone.saying[ONE] = lambda: message(code=code)
        assert self.ask() == [("192.0.2.1",)]
        assert self.zone.servers_asked() == [ONE, TWO]
        self.ask()
        assert self.zone.servers_asked() == [ONE, TWO]

    def test_all_useless(self) -> None:
        """When every server has said that it can't, nobody waits for the time to run out."""
        for server in (ONE, TWO):
            self.zone.saying[server] = lambda: message(code=dns.EREFUSED)
        assert "refused" in self.no_answer(self.ask())
        assert self.zone.servers_asked() == [ONE, TWO]

    def test_no_socket(self) -> None:
        """That we are out of sockets says nothing about the server."""

        def refuse(*_: Any) -> "Deferred[dns.Message]":
            refused: Deferred[dns.Message] = Deferred()
            refused.errback(NoSocket("too many open files"))
            return refused

        self.servers.exchange = refuse
        assert self.no_answer(self.ask())
        self.servers.exchange = self.zone.exchange
        self.ask()
        assert self.zone.servers_asked() == [ONE]

    def test_one_server(self) -> None:
        """A single server is asked again, for a datagram may be lost."""
        self.servers = self.make(ONE)
        self.zone.silent.add(ONE)
        outcome = self.ask()
        self.after(0.4)
        self.zone.silent.clear()
        self.after(0.1)
        assert outcome == [("192.0.2.1",)]

    def test_questions_are_bounded(self) -> None:
        """When too many wait, the oldest is given up for the newest."""
        self.zone.silent_about |= {f"n{number}.test" for number in range(MAX_QUESTIONS)}
        outcomes = [self.ask(f"n{number}.test") for number in range(MAX_QUESTIONS)]
        assert self.ask() == [("192.0.2.1",)]
        assert "too many" in self.no_answer(outcomes[0])
        assert outcomes[1] == []
        assert len(self.zone.open) == MAX_QUESTIONS - 1

    def test_snapshot(self) -> None:
        """The status display is told which servers answer."""
        self.zone.closed.add(ONE)
        self.ask()
        assert self.servers.snapshot() == [
            {"server": "192.0.2.53:53", "answers": False},
            {"server": "192.0.2.54:53", "answers": True},
        ]
