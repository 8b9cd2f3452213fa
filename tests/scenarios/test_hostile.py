"""Messages that nobody should send: the server treats them as the RFCs say, and stays whole."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory, Protocol

from sipproxy.log import SINK
from sipproxy.message.builder import make_response
from sipproxy.message.errors import ParseError
from sipproxy.message.message import Request, Response
from sipproxy.message.parser import parse
from sipproxy.message.uri import SipUri
from sipproxy.testing.bare import Bare
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.damage import damaged
from sipproxy.testing.names import NameTable
from sipproxy.testing.network import Network, Passage
from sipproxy.testing.server import SimulatedServer
from sipproxy.testing.vectors import TortureCase, load_torture

VECTORS: Final = Path(__file__).parent.parent / "vectors"
CASES: Final = load_torture(VECTORS / "torture")
WIRE: Final = [path.read_bytes() for path in sorted((VECTORS / "wire").rglob("*.msg"))]

SEED: Final = int(os.environ.get("FUZZ_SEED", "1"))

TEXT: Final = """
Listen 10.0.0.1:5060
Listen [2001:db8::1]:5060
CustomLog Off
RelayPolicy Open
"""

#: Where every name leads.
SINK_HOST: Final = "10.0.3.1"

#: Longer than the longest registration: when it is over nothing at all may be left.
ALL_OVER: Final = 90_000.0

#: Longer than every timer of a transaction, timer C included.
TIMERS_OVER: Final = 400.0


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gather the lines of level error or worse: there must be none."""
    lines: list[str] = []

    def write(level: str, module: str, text: str) -> None:
        if level in ("error", "crit", "alert", "emerg"):
            lines.append(f"[{module}] {text}")

    monkeypatch.setattr(SINK, "write", write)
    return lines


class Arena:
    """A server that relays everything, an attacker, and somebody at the end of every name."""

    def __init__(self, text: str = TEXT, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        self.passages: list[Passage] = []
        self.server = SimulatedServer(self.network, text, names=NameTable(otherwise=[SINK_HOST]))
        self.attacker = Bare(self.network, ("10.0.2.1", 5060))
        self.sink = Bare(self.network, (SINK_HOST, 5060))
        self.chance = Random(seed)

    def treatment(self, case: TortureCase) -> set[object]:
        """Send a case and say what was done with it: ``forward``, ``drop``, or statuses."""
        self.network.watch(self.passages.append)
        self.attacker.send(case.data)
        self.clock.run(0.3)
        seen: set[object] = set()
        for passage in self.passages:
            if passage.source[0] == self.attacker.address[0]:
                continue
            if passage.data.startswith(b"SIP/2.0 "):
                status = int(passage.data[8:11])
                seen |= {status} if status >= 200 else set()
            else:
                seen.add("forward")
        return seen or {"drop"}

    def left(self, seconds: float) -> list[str]:
        """Let everything come to its end; say what is left all the same."""
        self.clock.run(seconds)
        server = self.server
        layer = server.layer
        sizes = {
            "servers": len(layer.servers),
            "clients": len(layer.clients),
            "acks": len(layer.acks),
            "alarms": len(layer.alarms),
            "lanes": sum(len(lane.times) for lane in layer.lanes),
            "retries": len(layer.server_retries) + len(layer.client_retries),
            "contexts": len(server.core.live),
            "timer C": len(server.core.timer_c),
            "bindings": server.registry.count,
            "connections": len(server.connections),
        }
        return [f"{count} {name}" for name, count in sizes.items() if count]


def responsible_for(case: TortureCase) -> str:
    """Give the lines that make a server responsible for what a REGISTER is about."""
    try:
        request = parse(case.data)
        assert isinstance(request, Request)
        uris = [request.uri, request.to.uri]
    except ParseError:
        return ""
    lines = []
    for uri in uris:
        if isinstance(uri, SipUri):
            host = f"Listen [{uri.host}]:{uri.port or 5060}"
            lines.append(host if ":" in uri.host else f"ProxyDomain {uri.host}")
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def marked(cases: list[TortureCase], reasons: dict[str, str]) -> list[Any]:
    """Give the cases as parameters, those with a known bug as expected to fail."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=pytest.mark.xfail(strict=True, reason=reasons[case.name])
            if case.name in reasons
            else (),
        )
        for case in cases
    ]


class TortureTests:
    """RFC 4475, RFC 5118 and more of that kind, with the whole server."""

    @pytest.mark.parametrize(
        "case",
        marked(
            CASES,
            {
                "version-unknown": "server-bugs 5: dropped instead of 505",
                "ipv6-three-colons": "server-bugs 8: 500 instead of forwarded",
            },
        ),
    )
    def test_proxy(self, case: TortureCase, errors: list[str]) -> None:
        """A server that relays everything does with it what the case allows."""
        arena = Arena()
        seen = arena.treatment(case)
        allowed = set(case.proxy)
        if case.data.startswith(b"SIP/2.0 "):
            allowed = {"drop"}  # it answers nothing that this server asked (RFC 6026 section 8.9)
        assert seen & allowed, (seen, allowed, case.what)
        assert not errors and arena.server.driver.counters.core_errors == 0
        assert arena.left(TIMERS_OVER) == []

    @pytest.mark.parametrize(
        "case",
        [pytest.param(case, id=case.name) for case in CASES if case.registrar],
    )
    def test_registrar(self, case: TortureCase, errors: list[str]) -> None:
        """A server that is responsible for its domain answers it as a registrar."""
        arena = Arena(TEXT + responsible_for(case))
        seen = arena.treatment(case)
        assert seen & set(case.registrar), (seen, case.registrar, case.what)
        assert not errors
        arena.clock.run(1)
        bound = arena.server.registry.count
        assert [what for what in arena.left(TIMERS_OVER) if what != f"{bound} bindings"] == []


DIALOG: Final = b"""INVITE sip:bob@example.com SIP/2.0\r
Via: SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bKdialog;rport\r
Max-Forwards: 70\r
Route: <sip:10.0.0.1;lr>\r
From: "Alice" <sip:alice@example.com>;tag=a1\r
To: <sip:bob@example.com>\r
Call-ID: dialog@10.0.2.1\r
CSeq: 1 INVITE\r
Contact: <sip:alice@10.0.2.1:5060>\r
Supported: path\r
Content-Length: 4\r
\r
v=0\r
"""

REGISTER: Final = b"""REGISTER sip:example.com SIP/2.0\r
Via: SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bKregister\r
Max-Forwards: 70\r
From: <sip:bob@example.com>;tag=b1\r
To: <sip:bob@example.com>\r
Call-ID: register@10.0.2.1\r
CSeq: 7 REGISTER\r
Contact: <sip:bob@10.0.3.1:5060>;q=0.7;expires=600, <sip:bob@far.example>\r
Path: <sip:edge@10.0.3.1;lr>\r
Expires: 3600\r
Content-Length: 0\r
\r
"""

OCTETS: Final = [
    *[case.data for case in CASES],
    *WIRE,
    *[DIALOG, REGISTER] * 10,
    *[DIALOG.replace(b"INVITE", method) for method in (b"BYE", b"ACK", b"CANCEL", b"OPTIONS")] * 3,
]


def hostile_callee(arena: Arena, seed: int) -> None:
    """Have whoever is called answer with damaged responses, some of them good."""
    count = iter(range(10**9))

    def answer(request: Request) -> None:
        if request.method == "ACK":
            return
        for status in arena.chance.choices((100, 180, 183, 200, 302, 407, 486, 503, 603), k=2):
            try:
                response: Response = make_response(request, status, None, b"sink")
            except ParseError:
                return
            data = response.to_bytes()
            if arena.chance.random() < 0.7:
                data = damaged([data, *OCTETS[:5]], seed, next(count))
            arena.sink.send(data)

    arena.sink.on_request = answer


def messages(seed: int, count: int) -> Iterator[bytes]:
    """Give damaged messages, a few of them unharmed."""
    for number in range(count):
        yield damaged(OCTETS, seed, number) if number % 10 else OCTETS[number % len(OCTETS)]


class DamageTests:
    """Damaged messages without end."""

    def test_datagrams(self, errors: list[str]) -> None:
        """Of 20,000 damaged messages none raises anything, and none leaves anything."""
        text = TEXT + "ProxyDomain example.com\nMaxTransactions 5000\n"
        arena = Arena(text, SEED)
        hostile_callee(arena, SEED)
        for number, data in enumerate(messages(SEED, 20_000)):
            arena.attacker.send(data)
            if number % 20 == 0:
                arena.clock.run(0.05)
            assert not errors, (SEED, number, data, errors)
            if len(arena.attacker.received) > 1000:
                arena.attacker.received.clear()
                arena.attacker.sources.clear()
                arena.attacker.rubbish.clear()
            if len(arena.sink.received) > 1000:
                arena.sink.received.clear()
                arena.sink.sources.clear()
        assert arena.server.driver.counters.core_errors == 0
        assert arena.left(ALL_OVER) == [], SEED
        assert not errors

    def test_streams(self, errors: list[str]) -> None:
        """Damaged messages on connections close those at the worst."""
        arena = Arena(TEXT + "ProxyDomain example.com\n", SEED)
        hostile_callee(arena, SEED)
        for number, data in enumerate(messages(SEED + 1, 3000)):
            attack = Attack(data)
            arena.network.streams.connect("10.0.2.7", ("10.0.0.1", 5060), attack)
            if number % 10 == 0:
                arena.clock.run(1)
                arena.sink.received.clear()
                arena.sink.sources.clear()
            assert not errors, (SEED, number, data, errors)
        assert arena.server.driver.counters.core_errors == 0
        assert arena.left(ALL_OVER) == [], SEED
        assert not errors


class Attack(ClientFactory):
    """Opens a connection, writes, and waits for what the server does."""

    noisy = False

    def __init__(self, data: bytes) -> None:
        self.data = data

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Give a protocol that writes at once."""
        return Writer(self.data)


class Writer(Protocol):
    """Writes in two pieces."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def connectionMade(self) -> None:
        """Write."""
        assert self.transport is not None
        middle = len(self.data) // 2
        self.transport.write(self.data[:middle])
        self.transport.write(self.data[middle:])
