"""The short way from epoll to a UDP port, on a made-up reactor and a made-up epoll object."""

import select
from collections.abc import Callable
from typing import Any

import pytest

from sipproxy.log import SINK
from sipproxy.transport.polling import ROUNDS, DirectPoll, Events, direct_poll

IN = select.EPOLLIN


class FakeEpoll:
    """Gives what it was told to give, one answer a poll, then nothing."""

    def __init__(self, *answers: Events) -> None:
        self.answers = list(answers)
        self.waits: list[float] = []
        self.calls: list[tuple[str, int]] = []
        self.closed = False

    def poll(self, timeout: float, maxevents: int) -> Events:
        """Give the next answer."""
        self.waits.append(timeout)
        return self.answers.pop(0) if self.answers else []

    def register(self, descriptor: int, events: int) -> None:
        """Note the call."""
        self.calls.append(("register", descriptor))

    def modify(self, descriptor: int, events: int) -> None:
        """Note the call."""
        self.calls.append(("modify", descriptor))

    def unregister(self, descriptor: int) -> None:
        """Note the call."""
        self.calls.append(("unregister", descriptor))

    def close(self) -> None:
        """Note the call."""
        self.closed = True


class FakeReactor:
    """As much of an epoll reactor as is relied on."""

    def __init__(self, poller: Any) -> None:
        self._poller = poller
        self._newDelayedCalls: list[object] = []
        self._justStopped = False
        self._selectables: dict[int, object] = {}
        self.time = 100.0

    def seconds(self) -> float:
        """Give the time."""
        return self.time


def made(*answers: Events) -> tuple[FakeReactor, FakeEpoll, DirectPoll]:
    """Make the three that belong together."""
    epoll = FakeEpoll(*answers)
    reactor = FakeReactor(epoll)
    return reactor, epoll, DirectPoll(reactor)


class PollTests:
    """What is read here, and what goes to Twisted."""

    def test_reads_its_own_and_waits_on(self) -> None:
        """A readable port is read, the next wake-up waited for with what is left of the time."""
        reactor, epoll, direct = made([(7, IN)], [(7, IN)])
        reads: list[float] = []

        def read() -> None:
            reads.append(reactor.time)
            reactor.time += 0.25

        direct.add(7, read)
        assert direct.poll(1.0, 10) == []
        assert reads == [100.0, 100.25]
        assert epoll.waits == [1.0, 0.75, 0.5]

    def test_gives_back_what_is_not_its_own(self) -> None:
        """Other descriptors, and errors on ours, are Twisted's to handle."""
        _, _, direct = made([(7, IN), (8, IN), (7, IN | select.EPOLLERR)])
        reads: list[int] = []
        direct.add(7, lambda: reads.append(1))
        assert direct.poll(1.0, 10) == [(8, IN), (7, IN | select.EPOLLERR)]
        assert reads == [1]

    def test_no_time_means_one_look(self) -> None:
        """With a timer due, one look and no waiting."""
        _, epoll, direct = made([(7, IN)], [(7, IN)])
        direct.add(7, lambda: None)
        assert direct.poll(0, 10) == []
        assert epoll.waits == [0]

    def test_waits_for_ever_when_told(self) -> None:
        """Without any timer the time left is still for ever."""
        _, epoll, direct = made([(7, IN)])
        direct.add(7, lambda: None)
        assert direct.poll(-1, 10) == []
        assert epoll.waits == [-1, -1]

    @pytest.mark.parametrize("change", ["timer", "stop"])
    def test_lets_the_loop_have_what_it_must_see(self, change: str) -> None:
        """A timer that reading has set, or a stop, must not wait for the next datagram."""
        reactor, epoll, direct = made([(7, IN)], [(7, IN)])

        def read() -> None:
            if change == "timer":
                reactor._newDelayedCalls.append(object())
            else:
                reactor._justStopped = True

        direct.add(7, read)
        assert direct.poll(5.0, 10) == []
        assert len(epoll.waits) == 1

    def test_does_not_go_round_for_ever(self) -> None:
        """However many datagrams come, Twisted's loop has its turn."""
        _, epoll, direct = made(*[[(7, IN)]] * (ROUNDS + 10))
        direct.add(7, lambda: None)
        direct.poll(-1, 10)
        assert len(epoll.waits) == ROUNDS

    def test_a_port_that_raises_hurts_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The exception is one line in the log, and the other descriptors are served."""
        lines: list[str] = []
        monkeypatch.setattr(SINK, "write", lambda level, module, text: lines.append(text))
        _, _, direct = made([(7, IN), (8, IN)])

        def read() -> None:
            raise RuntimeError("broken")

        direct.add(7, read)
        assert direct.poll(1.0, 10) == [(8, IN)]
        assert len(lines) == 1 and "udp.read_failed" in lines[0] and "broken" in lines[0]

    def test_removed_goes_the_long_way(self) -> None:
        """A descriptor may be somebody else's after it was closed."""
        _, _, direct = made([(7, IN)])
        direct.add(7, lambda: pytest.fail("must not be read"))
        direct.remove(7)
        assert direct.poll(1.0, 10) == [(7, IN)]


class StandingInTests:
    """It is an epoll object in all else."""

    def test_passes_the_rest_on(self) -> None:
        """What Twisted asks of its poller reaches the real one."""
        _, epoll, direct = made()
        calls: list[Callable[..., None]] = [direct.register, direct.modify]
        for call in calls:
            call(5, IN)
        direct.unregister(5)
        direct.close()
        assert epoll.calls == [("register", 5), ("modify", 5), ("unregister", 5)]
        assert epoll.closed

    def test_put_in_once(self) -> None:
        """Two services in one reactor share it."""
        with select.epoll() as real:
            reactor = FakeReactor(real)
            first = direct_poll(reactor)
            assert first is not None and reactor._poller is first
            assert direct_poll(reactor) is first

    def test_other_reactors_stay_as_they_are(self) -> None:
        """A reactor without the parts relied on, or with another poller, takes the long way."""
        assert direct_poll(object()) is None
        reactor = FakeReactor(FakeEpoll())
        assert direct_poll(reactor) is None
        assert isinstance(reactor._poller, FakeEpoll)
