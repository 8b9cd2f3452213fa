"""Locating servers with a real name server: chains, cut answers, lame and dead servers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.epollreactor import EPollReactor
from twisted.names import dns
from twisted.python.failure import Failure

from bench.processes import LOOPBACK, free_port
from sipproxy.message.uri import parse_uri
from sipproxy.resolve.answer import Kind
from sipproxy.resolve.build import build_locator
from sipproxy.resolve.dns import Dns
from sipproxy.resolve.locator import Locator, NoAddress
from sipproxy.resolve.wire import Address
from tests.live.nameserver import NameServer

PATIENCE = 10.0

Result = TypeVar("Result")

#: A domain with everything: NAPTR that prefers TCP, SRV, both kinds of addresses, aliases.
GOOD = """
@       NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp
@       NAPTR 20 10 "s" "SIP+D2T" "" _sip._tcp
@       NAPTR 30 10 "s" "SIP+D2U" "" _sip._udp
_sip._tcp SRV 1 0 5062 two
_sip._tcp SRV 0 0 5061 alias
_sip._udp SRV 0 0 5060 one
alias   CNAME other
other   CNAME one
one     A 192.0.2.1
one     AAAA 2001:db8::1
two     A 192.0.2.2
away    CNAME h.elsewhere.test.
out     CNAME nowhere
_sip._udp.closed SRV 0 0 0 .
closed  A 192.0.2.3
""" + "\n".join(f"_sip._udp.big SRV {number} 0 {6000 + number} one" for number in range(60))

ZONES: dict[str, str | None] = {
    "good.test": GOOD,
    "elsewhere.test": "h A 192.0.2.4",
    "broken.test": None,
}


class Resolving:
    """A locator on a reactor of its own that runs in a thread; counts the packets it sends."""

    def __init__(self, folder: Path, servers: list[Address], **settings: Any) -> None:
        self.reactor: Any = EPollReactor()
        self.system: dict[str, list[str]] = {}
        self.system_asked: list[str] = []
        self.sent: list[str] = []
        settings.setdefault("has_ipv6", lambda: False)
        self.locator: Locator = build_locator(
            self.reactor,
            servers=servers,
            hosts_file=str(folder / "hosts"),
            look_up=self._look_up,
            **settings,
        )
        assert isinstance(self.locator.dns, Dns)
        self.dns = self.locator.dns
        self._exchange = self.dns.servers.exchange
        self.dns.servers.exchange = self._counted
        self._thread = threading.Thread(target=self.reactor.run, args=(False,))
        self._thread.start()

    def _counted(self, server: Address, name: str, kind: Kind) -> "Deferred[dns.Message]":
        self.sent.append(f"{kind} {name}")
        return self._exchange(server, name, kind)

    def _look_up(self, name: str) -> list[str]:
        """Play the system's name service, in a thread."""
        self.system_asked.append(name)
        if name.startswith("slow"):
            time.sleep(1.5)
        if name not in self.system:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.system[name]

    def do(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Do something in the reactor's thread, and wait for its outcome."""
        outcomes: SimpleQueue[Any] = SimpleQueue()

        def run() -> None:
            maybeDeferred(call, *arguments).addBoth(outcomes.put)

        self.reactor.callFromThread(run)
        outcome = outcomes.get(timeout=PATIENCE)
        if isinstance(outcome, Failure):
            outcome.raiseException()
        return outcome

    def locate(self, uri: str) -> str:
        """Locate; print the hops."""
        hops = self.do(self.locator.locate, parse_uri(uri.encode()))
        return " ".join(f"{hop.transport}:{hop.host}:{hop.port}" for hop in hops)

    def timed(self, uri: str) -> tuple[str, float]:
        """Locate; give the hops and the seconds it took."""
        began = time.monotonic()
        return self.locate(uri), time.monotonic() - began

    def records(self, name: str, kind: Kind) -> Any:
        """Ask for records."""
        return self.do(self.dns.query, name, kind)

    def packets(self) -> list[str]:
        """List the questions sent, and forget them."""
        sent, self.sent = self.sent, []
        return sent

    def stop(self) -> None:
        """Stop the reactor; no socket may be left open."""
        open_sockets = self.do(lambda: len(self.reactor.getReaders()))
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        for reader in self.reactor._internalReaders:
            reader.connectionLost(None)
        self.reactor._poller.close()
        assert open_sockets <= len(self.reactor._internalReaders), "a socket was left open"


@contextmanager
def resolving(folder: Path, *servers: Address, **settings: Any) -> Iterator[Resolving]:
    """Run a locator for a while."""
    running = Resolving(folder, list(servers), **settings)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def serving(folder: Path, zones: dict[str, str | None], **times: int) -> Iterator[NameServer]:
    """Run a name server for a while."""
    server = NameServer(folder, zones, **times)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    """A name server that knows everything."""
    with serving(tmp_path_factory.mktemp("nsd"), ZONES) as server:
        yield server


class ChainTests:
    """NAPTR, SRV, A, AAAA and CNAME as a real server tells them."""

    def test_naptr_srv_alias_address(self, tmp_path: Path, good: NameServer) -> None:
        """The whole way; the second time nothing is sent."""
        with resolving(tmp_path, good.address) as here:
            assert here.locate("sip:bob@good.test") == "tcp:192.0.2.1:5061 tcp:192.0.2.2:5062"
            assert here.packets() == [
                "NAPTR good.test",
                "SRV _sip._tcp.good.test",
                "A alias.good.test",
                "A two.good.test",
            ]
            assert here.locate("sip:bob@good.test") == "tcp:192.0.2.1:5061 tcp:192.0.2.2:5062"
            assert here.packets() == []

    def test_ipv6(self, tmp_path: Path, good: NameServer) -> None:
        """With IPv6 here, AAAA is asked for too."""
        with resolving(tmp_path, good.address, has_ipv6=lambda: True) as here:
            assert (
                here.locate("sip:good.test;transport=udp")
                == "udp:2001:db8::1:5060 udp:192.0.2.1:5060"
            )

    def test_tls(self, tmp_path: Path, good: NameServer) -> None:
        """With TLS here, NAPTR leads to it; it has no SRV record, so the name's address counts."""
        with resolving(tmp_path, good.address, transports=lambda: ("udp", "tcp", "tls")) as here:
            assert here.locate("sip:good.test") == ""  # good.test itself has no address
            assert here.packets()[:2] == ["NAPTR good.test", "SRV _sips._tcp.good.test"]

    def test_alias_into_another_zone(self, tmp_path: Path, good: NameServer) -> None:
        """A chain across zones is followed to its end."""
        with resolving(tmp_path, good.address) as here:
            assert here.locate("sip:away.good.test:5060") == "udp:192.0.2.4:5060"

    def test_alias_to_nowhere(self, tmp_path: Path, good: NameServer) -> None:
        """A chain that ends at a name that is not there is a negative answer."""
        with resolving(tmp_path, good.address) as here:
            assert here.records("out.good.test", "A") == ()

    def test_service_not_available(self, tmp_path: Path, good: NameServer) -> None:
        """The target "." ends the search."""
        with resolving(tmp_path, good.address) as here:
            assert here.locate("sip:closed.good.test") == ""

    def test_cut_answer(self, tmp_path: Path, good: NameServer) -> None:
        """An answer too long for UDP is fetched whole by TCP."""
        with resolving(tmp_path, good.address) as here:
            assert len(here.records("_sip._udp.big.good.test", "SRV")) == 60
            first = here.locate("sip:big.good.test").split()[0]
            assert first == "udp:192.0.2.1:6000"

    def test_many_at_once(self, tmp_path: Path, good: NameServer) -> None:
        """Fifty requests for one name cost one question of each kind."""
        with resolving(tmp_path, good.address) as here:

            def all_at_once() -> Any:
                uri = parse_uri(b"sip:good.test")
                waiting: list[Any] = [here.locator.locate(uri) for _ in range(50)]
                return waiting[-1].addCallback(lambda _: all(one.called for one in waiting))

            here.do(all_at_once)
            assert len(here.packets()) == 4


class CacheTests:
    """What is remembered of a real server's answers."""

    def test_negative_answers(self, tmp_path: Path, good: NameServer) -> None:
        """Neither an unknown name nor a missing record is asked for twice."""
        with resolving(tmp_path, good.address) as here:
            for _ in range(3):
                assert here.records("none.good.test", "A") == ()
                assert here.records("two.good.test", "AAAA") == ()
            assert here.packets() == ["A none.good.test", "AAAA two.good.test"]

    def test_negative_answers_run_out(self, tmp_path: Path) -> None:
        """They hold as long as the zone's SOA says."""
        with (
            serving(tmp_path / "nsd", {"t.test": ""}, negative=1) as server,
            resolving(tmp_path, server.address, cache_min=0.5) as here,
        ):
            assert here.records("h.t.test", "A") == ()
            time.sleep(1.1)
            assert here.records("h.t.test", "A") == ()
            assert len(here.packets()) == 2

    def test_changed_zone(self, tmp_path: Path) -> None:
        """When an answer has run out, the new one is fetched."""
        with (
            serving(tmp_path / "nsd", {"t.test": "h A 192.0.2.1"}, ttl=1) as server,
            resolving(tmp_path, server.address, cache_min=0.5) as here,
        ):
            assert here.locate("sip:h.t.test:5060") == "udp:192.0.2.1:5060"
            server.change("t.test", "h A 192.0.2.9")
            assert here.locate("sip:h.t.test:5060") == "udp:192.0.2.1:5060"
            until = time.monotonic() + PATIENCE
            while here.locate("sip:h.t.test:5060") != "udp:192.0.2.9:5060":
                assert time.monotonic() < until, server.log
                time.sleep(0.1)

    def test_server_stopped(self, tmp_path: Path) -> None:
        """With the only server stopped, answers that have run out serve without a wait; that it
        runs again is noticed.
        """
        with (
            serving(tmp_path / "nsd", {"t.test": "_sip._udp SRV 0 0 5070 h\nh A 192.0.2.1"}, ttl=1)
            as server,
            resolving(tmp_path, server.address, cache_min=0.5) as here,
        ):  # fmt: skip
            before = here.locate("sip:t.test")
            assert before == "udp:192.0.2.1:5070"
            server.stop()
            time.sleep(1.1)
            for _ in range(3):
                hops, seconds = here.timed("sip:t.test")
                assert hops == before
                assert seconds < 0.3
            server.zone("t.test", "@ A 192.0.2.9")
            server.start()
            until = time.monotonic() + PATIENCE
            while here.locate("sip:t.test") != "udp:192.0.2.9:5060":
                assert time.monotonic() < until, server.log
                time.sleep(0.2)


class TroubleTests:
    """Servers that are lame, broken, closed or silent."""

    def test_lame_server(self, tmp_path: Path, good: NameServer) -> None:
        """A server that only points to others, or refuses, is passed over without a wait."""
        delegating: dict[str, str | None] = {"test": "good NS ns.good\nns.good A 192.0.2.53"}
        with (
            serving(tmp_path / "nsd", delegating) as lame,
            resolving(tmp_path, lame.address, good.address) as here,
        ):
            hops, seconds = here.timed("sip:good.test")
            assert hops == "tcp:192.0.2.1:5061 tcp:192.0.2.2:5062"
            assert seconds < 0.4
        with (
            serving(tmp_path / "refusing", {"other.test": ""}) as refusing,
            resolving(tmp_path, refusing.address, good.address) as here,
        ):
            hops, seconds = here.timed("sip:good.test")
            assert hops.startswith("tcp:192.0.2.1:5061") and seconds < 0.4

    def test_broken_zone(self, tmp_path: Path, good: NameServer) -> None:
        """A zone that its server cannot load is a failure, not "no such name"; others work."""
        with resolving(tmp_path, good.address) as here:
            assert here.records("h.broken.test", "A") is None
            assert here.locate("sip:good.test") != ""
            here.system["h.broken.test"] = ["192.0.2.8"]
            assert here.locate("sip:h.broken.test") == "udp:192.0.2.8:5060"

    def test_closed_port(self, tmp_path: Path, good: NameServer) -> None:
        """A first server whose port is closed costs nothing that a call would feel."""
        with resolving(tmp_path, (LOOPBACK, free_port()), good.address) as here:
            hops, seconds = here.timed("sip:good.test")
            assert hops != "" and seconds < 0.3

    def test_silent_server(self, tmp_path: Path, good: NameServer) -> None:
        """A first server that swallows questions costs its half second once."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOOPBACK, 0))
            with resolving(tmp_path, silent.getsockname(), good.address) as here:
                hops, seconds = here.timed("sip:good.test")
                assert hops != "" and 0.4 < seconds < 0.9
                hops, seconds = here.timed("sip:away.good.test")
                assert hops != "" and seconds < 0.3

    def test_all_silent(self, tmp_path: Path) -> None:
        """With every server silent a call fails at the deadline, and others do not notice."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOOPBACK, 0))
            (tmp_path / "hosts").write_text("192.0.2.5 gw.test\n")
            with resolving(tmp_path, silent.getsockname(), timeout=1.5) as here:
                failures: SimpleQueue[Any] = SimpleQueue()

                def begin() -> None:
                    found: Any = here.locator.locate(parse_uri(b"sip:slow.test"))
                    found.addErrback(failures.put)

                here.do(begin)
                began = time.monotonic()
                while time.monotonic() - began < 0.5:
                    for uri in ("sip:192.0.2.1", "sip:gw.test:5060"):
                        hops, seconds = here.timed(uri)
                        assert hops != "" and seconds < 0.1
                failure = failures.get(timeout=PATIENCE)
                assert failure.check(NoAddress)
                assert time.monotonic() - began < 2.0

    def test_system_is_slow(self, tmp_path: Path, good: NameServer) -> None:
        """While threads wait for the system's name service, other names are found at once."""
        with resolving(tmp_path, good.address) as here:

            def begin() -> None:
                for number in range(20):
                    found: Any = here.locator.locate(parse_uri(b"sip:slow%d" % number))
                    found.addErrback(lambda _: None)

            here.do(begin)
            hops, seconds = here.timed("sip:good.test")
            assert hops != "" and seconds < 0.3
            assert len(here.system_asked) <= 4
