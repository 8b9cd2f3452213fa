"""Questions that are remembered, shared and answered from old knowledge when need be."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import dns

from sipproxy.resolve.answer import Kind
from sipproxy.resolve.cache import Cache
from sipproxy.resolve.dns import Dns, servers_of
from sipproxy.resolve.servers import NameServers
from tests.resolve.fakes import ONE, Zone, a, cname, message


class _Fixture:
    clock: Clock
    zone: Zone
    dns: Dns

    @pytest.fixture(autouse=True)
    def _make(self) -> None:
        self.clock = Clock()
        self.zone = Zone(("h.test", a("192.0.2.1")))
        servers = NameServers(self.clock, [ONE], self.zone.exchange, step=0.5, limit=2.0)
        self.dns = Dns(self.clock, Cache(self.clock.seconds, shortest=1, stale=600), servers)

    def query(self, name: str = "h.test", kind: Kind = "A") -> list[Any]:
        """Ask; give a list that will hold the records."""
        outcome: list[Any] = []
        answer = self.dns.query(name, kind)
        if isinstance(answer, Deferred):
            answer.addCallback(outcome.append)
        else:
            outcome.append(answer)
        return outcome


class RememberedTests(_Fixture):
    """What is known is not asked for."""

    def test_known(self) -> None:
        """The second question costs no packet, and no Deferred."""
        assert self.query() == [("192.0.2.1",)]
        assert self.dns.query("h.test", "A") == ("192.0.2.1",)
        assert self.zone.questions() == ["A h.test"]

    def test_runs_out(self) -> None:
        """After its time to live it is asked for anew."""
        self.query()
        self.clock.advance(60)
        self.zone.rows = [("h.test", a("192.0.2.9"))]
        assert self.query() == [("192.0.2.9",)]

    def test_no_such_name(self) -> None:
        """That a name does not exist is remembered for as long as its SOA says."""
        assert self.query("x.test") == [()]
        assert self.query("x.test") == [()]
        assert self.zone.questions() == ["A x.test"]
        self.clock.advance(30)
        self.query("x.test")
        assert self.zone.questions() == ["A x.test"]

    def test_no_such_record(self) -> None:
        """So is that it has no such record; other records of it are another question."""
        assert self.query("h.test", "AAAA") == [()]
        assert self.query("h.test", "AAAA") == [()]
        assert self.query("h.test") == [("192.0.2.1",)]
        assert self.zone.questions() == ["AAAA h.test", "A h.test"]

    def test_failure(self) -> None:
        """That nobody answers is remembered for a few seconds."""
        self.zone.saying[ONE] = lambda: message(code=dns.ESERVER)
        assert self.query() == [None]
        assert self.query() == [None]
        assert len(self.zone.questions()) == 1
        self.clock.advance(5)
        self.zone.saying.clear()
        assert self.query() == [("192.0.2.1",)]

    def test_shared(self) -> None:
        """Whoever asks while an answer is on its way gets that answer."""
        self.zone.silent.add(ONE)
        outcomes = [self.query() for _ in range(50)]
        assert self.zone.questions() == ["A h.test"]
        self.zone.open[0].callback(message(("h.test", a("192.0.2.1"))))
        assert outcomes == [[("192.0.2.1",)]] * 50

    def test_one_gives_up(self) -> None:
        """When one of those who wait cancels, the others still get their answer."""
        self.zone.silent.add(ONE)
        first: Any = self.dns.query("h.test", "A")
        first.addErrback(lambda _: None)
        second = self.query()
        first.cancel()
        self.zone.open[0].callback(message(("h.test", a("192.0.2.1"))))
        assert second == [("192.0.2.1",)]

    def test_fetched_ahead(self) -> None:
        """What is still in use near its end is fetched while the old answer is given."""
        self.query()
        self.clock.advance(55)
        self.zone.questions()
        self.zone.rows = [("h.test", a("192.0.2.9"))]
        assert self.query() == [("192.0.2.1",)]
        assert self.zone.questions() == ["A h.test"]
        assert self.query() == [("192.0.2.9",)]

    def test_name_that_cannot_be(self) -> None:
        """What is no name is not asked for."""
        assert self.query("a..b") == [()]
        assert self.query("a b") == [()]
        assert self.zone.questions() == []


class OldAnswersTests(_Fixture):
    """Serve-stale (RFC 8767)."""

    def test_servers_down(self) -> None:
        """An answer that has run out serves when none comes: the first time after a moment,
        then at once.
        """
        self.query()
        self.clock.advance(61)
        self.zone.silent.add(ONE)
        outcome = self.query()
        self.clock.advance(0.3)
        assert outcome == []
        self.clock.advance(0.2)
        assert outcome == [("192.0.2.1",)]
        assert self.query() == [("192.0.2.1",)]
        self.clock.pump([0.5] * 5)
        assert self.query() == [("192.0.2.1",)]
        assert not self.zone.open and not self.clock.getDelayedCalls()

    def test_servers_fail(self) -> None:
        """A server that fails at once lets the old answer serve at once."""
        self.query()
        self.clock.advance(61)
        self.zone.saying[ONE] = lambda: message(code=dns.ESERVER)
        assert self.query() == [("192.0.2.1",)]
        self.zone.questions()
        assert self.query() == [("192.0.2.1",)]
        assert self.zone.questions() == []

    def test_back_again(self) -> None:
        """When servers answer again, their answer counts; whoever finds that out gets the old one,
        as nobody waits for servers that did not answer the last time.
        """
        self.query()
        self.clock.advance(61)
        self.zone.saying[ONE] = lambda: message(code=dns.ESERVER)
        self.query()
        self.zone.saying.clear()
        self.zone.rows = [("h.test", a("192.0.2.9"))]
        self.clock.advance(5)
        assert self.query() == [("192.0.2.1",)]
        assert self.query() == [("192.0.2.9",)]

    def test_nobody_waits_again(self) -> None:
        """With the servers silent for long, only the first request waited."""
        self.query()
        self.clock.advance(61)
        self.zone.silent.add(ONE)
        self.query()
        for _ in range(20):
            self.clock.pump([0.5] * 10)
            assert self.query() == [("192.0.2.1",)]

    def test_that_there_is_none(self) -> None:
        """A negative answer serves like any other."""
        self.query("x.test")
        self.clock.advance(31)
        self.zone.saying[ONE] = lambda: message(code=dns.ESERVER)
        assert self.query("x.test") == [()]

    def test_name_is_gone(self) -> None:
        """That the name no longer exists is an answer: the old one does not serve."""
        self.query()
        self.clock.advance(61)
        self.zone.rows.clear()
        assert self.query() == [()]

    def test_too_old(self) -> None:
        """There is an end to it."""
        self.query()
        self.clock.advance(660)
        self.zone.saying[ONE] = lambda: message(code=dns.ESERVER)
        assert self.query() == [None]


class AliasTests(_Fixture):
    """CNAME chains that leave the zone."""

    def test_asked_on(self) -> None:
        """The end of a chain is asked for where the server left it open."""
        self.zone.saying[ONE] = lambda: (
            message(("h.test", cname("h.other")), ttl=20)
            if self.zone.asked[-1][1] == "h.test"
            else message(("h.other", a("192.0.2.5")), ttl=600)
        )
        assert self.query() == [("192.0.2.5",)]
        assert self.zone.questions() == ["A h.test", "A h.other"]
        self.clock.advance(20)  # the alias has run out
        self.query()
        assert self.zone.questions() == ["A h.test", "A h.other"]

    def test_endless(self) -> None:
        """A chain without end ends."""
        numbers = iter(range(1000))
        self.zone.saying[ONE] = lambda: message(
            (self.zone.asked[-1][1], cname(f"n{next(numbers)}.test"))
        )
        assert self.query() == [()]
        assert len(self.zone.questions()) < 12


class ResolvConfTests:
    """resolv.conf."""

    def test_servers(self) -> None:
        """Name servers in their order; everything else is not ours."""
        text = "# x\nsearch example.com\nnameserver 192.0.2.1\nnameserver ::1\noptions edns0\n"
        assert servers_of(text) == [("192.0.2.1", 53), ("::1", 53)]

    @pytest.mark.parametrize("text", ["", "nameserver", "#nameserver 192.0.2.1"])
    def test_none(self, text: str) -> None:
        """Without any it is this machine, resolv.conf(5)."""
        assert servers_of(text) == [("127.0.0.1", 53)]
