"""Flows: which listener a request leaves by, what our Via says, tokens of flows, what is ours."""

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from sipproxy.interfaces import IFlows
from sipproxy.transaction.peer import Peer
from sipproxy.transport import flow
from sipproxy.transport.flow import KEPT, Flows, canonical
from sipproxy.transport.sockets import Listener
from tests.transport.fakes import listener


class RoutingTable:
    """A kernel with two networks: answers which address it would send from."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, host: str, local: str) -> str | None:
        """Answer."""
        self.asked.append((host, local))
        if host.startswith("127."):
            return local or "127.0.0.1"
        if host.startswith("10."):
            return None if local == "127.0.0.1" else "10.0.0.9"
        if host.startswith("192.0.2."):
            return None if local == "127.0.0.1" else "192.0.2.9"
        if host.startswith("2001:db8:"):
            return "2001:db8::9"
        if host.startswith("fe80:") and "%" in host:
            return "fe80::9"
        return None


class FakeConnections:
    """Connections by number."""

    def __init__(self) -> None:
        self.alive: dict[int, Any] = {}
        self.pins: list[tuple[str, int]] = []

    def get(self, number: int) -> Any:
        """Find one."""
        return self.alive.get(number)

    def pin(self, number: int) -> None:
        """Note it."""
        self.pins.append(("pin", number))

    def unpin(self, number: int) -> None:
        """Note it."""
        self.pins.append(("unpin", number))


class Held:
    """A connection, as far as flows look at it."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer


class Setup:
    """Flows over some listeners."""

    def __init__(self, *listeners: Listener, process: int = 7) -> None:
        self.now = 100.0
        self.table = RoutingTable()
        self.connections = FakeConnections()
        self.flows = Flows(lambda: self.now, self.table, process)
        connections: Any = self.connections
        self.flows.open(listeners, connections)


def two_networks() -> Setup:
    """A machine with a leg in two networks, and loopback."""
    return Setup(
        listener(0, "udp", "127.0.0.1"),
        listener(1, "udp", "10.0.0.9", 5070),
        listener(2, "udp", "192.0.2.9", advertised=("sip.example.com", 5060)),
        listener(3, "tcp", "192.0.2.9"),
        listener(4, "udp", "2001:db8::9"),
    )


def way(setup: Setup, transport: str, host: str, port: int = 5062) -> tuple[int, bytes] | None:
    """Give the listener and the sent-by towards a host."""
    peer = setup.flows.peer_for(transport, host, port)
    return None if peer is None else (peer.listener, peer.sent_by)


class RouteTests:
    """Which listener a request leaves by, and what its Via says."""

    def test_provides_flows(self) -> None:
        """The core finds every method it may call."""
        assert verifyObject(IFlows, Setup().flows)

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("10.1.2.3", (1, b"10.0.0.9:5070")),
            ("192.0.2.77", (2, b"sip.example.com:5060")),
            ("127.0.0.1", (0, b"127.0.0.1:5060")),
            ("2001:db8::77", (4, b"[2001:db8::9]:5060")),
        ],
    )
    def test_listener_that_reaches_it(self, host: str, expected: tuple[int, bytes]) -> None:
        """Multi-homed: the listener on the address that the routing table sends from."""
        assert way(two_networks(), "udp", host) == expected

    def test_transport_counts(self) -> None:
        """The same place over TCP has its own listener."""
        assert way(two_networks(), "tcp", "192.0.2.77") == (3, b"192.0.2.9:5060")

    @pytest.mark.parametrize(
        ("transport", "host"),
        [("tls", "192.0.2.77"), ("tcp", "2001:db8::77"), ("udp", "203.0.113.1")],
        ids=["transport", "family", "route"],
    )
    def test_no_way(self, transport: str, host: str) -> None:
        """No listener of the transport, of the family, or no route: there is no peer."""
        assert way(two_networks(), transport, host) is None

    def test_all_addresses(self) -> None:
        """A listener on all addresses names the one that the kernel will send from."""
        setup = Setup(listener(0, "udp", "0.0.0.0"))
        assert way(setup, "udp", "10.1.2.3") == (0, b"10.0.0.9:5060")
        assert way(setup, "udp", "192.0.2.77") == (0, b"192.0.2.9:5060")

    def test_exact_address_before_all(self) -> None:
        """A listener on the very address is preferred, whatever the order of the lines."""
        setup = Setup(listener(0, "udp", "0.0.0.0", 5060), listener(1, "udp", "10.0.0.9", 5070))
        assert way(setup, "udp", "10.1.2.3") == (1, b"10.0.0.9:5070")
        assert way(setup, "udp", "192.0.2.77") == (0, b"192.0.2.9:5060")

    def test_next_best(self) -> None:
        """Without a match it is the first that the kernel lets us send from: never loopback."""
        setup = Setup(listener(0, "udp", "127.0.0.1"), listener(1, "udp", "10.0.0.9"))
        assert way(setup, "udp", "192.0.2.77") == (1, b"10.0.0.9:5060")

    def test_single_listener_asks_nobody(self) -> None:
        """With one concrete listener there is no choice, and no system call per phone."""
        setup = Setup(listener(0, "udp", "10.0.0.9"))
        assert way(setup, "udp", "192.0.2.77") == (0, b"10.0.0.9:5060")
        assert setup.table.asked == []

    @pytest.mark.parametrize(
        "host",
        ["example.com", "1.2.3.999", "224.0.1.75", "255.255.255.255", "0.0.0.0", "::", "ff02::1",
         "::ffff:10.0.0.1", ""],
    )  # fmt: skip
    def test_no_single_place(self, host: str) -> None:
        """Names, groups, everybody and nobody are no peers, and ask the kernel nothing."""
        setup = Setup(listener(0, "udp", "0.0.0.0"), listener(1, "udp", "::"))
        assert way(setup, "udp", host) is None
        assert setup.table.asked == []

    @pytest.mark.parametrize("port", [0, -1, 65536])
    def test_no_such_port(self, port: int) -> None:
        """A port that cannot be sent to makes no peer."""
        assert way(two_networks(), "udp", "10.1.2.3", port) is None

    def test_one_spelling(self) -> None:
        """IPv6 addresses compare equal however they were written."""
        peer = two_networks().flows.peer_for("udp", "2001:DB8:0::77", 5060)
        assert peer is not None
        assert peer.host == "2001:db8::77"
        assert peer.address == ("2001:db8::77", 5060, 0, 0)

    def test_link_local_needs_its_interface(self) -> None:
        """A link-local target is reached through a link-local listener, by its interface."""
        assert way(two_networks(), "udp", "fe80::77") is None
        setup = Setup(listener(0, "udp", "2001:db8::9"), listener(1, "udp", "fe80::9", scope=3))
        peer = setup.flows.peer_for("udp", "fe80::77", 5060)
        assert peer is not None
        assert (peer.listener, peer.address) == (1, ("fe80::77", 5060, 0, 3))
        assert peer.sent_by == b"[fe80::9]:5060"

    def test_learnt_once_and_forgotten(self) -> None:
        """The kernel is asked once for each host, and again some time later: routes change."""
        setup = two_networks()
        for port in range(5060, 5070):
            way(setup, "udp", "10.1.2.3", port)
        assert len(setup.table.asked) == 1
        setup.now += KEPT
        way(setup, "udp", "10.1.2.3")
        assert len(setup.table.asked) == 2

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A scan through all addresses fills nothing."""
        monkeypatch.setattr(flow, "MAX_KEPT", 10)
        setup = two_networks()
        for number in range(100):
            way(setup, "udp", f"10.0.1.{number}")
            setup.flows.is_own(f"10.0.1.{number}", 5060)
        assert len(setup.flows._routes) <= 10
        assert len(setup.flows._own) <= 10

    def test_nothing_open(self) -> None:
        """Before the listeners are there, nothing is reached."""
        assert Flows(lambda: 0.0, RoutingTable()).peer_for("udp", "10.1.2.3", 5060) is None


class CompleteTests:
    """A received peer, made fit to send requests to."""

    def test_concrete(self) -> None:
        """The listener it was received on is what our Via names."""
        peer = Peer("udp", "192.0.2.77", 40000, 2)
        assert two_networks().flows.complete(peer) is peer
        assert peer.sent_by == b"sip.example.com:5060"

    def test_all_addresses(self) -> None:
        """A listener on all addresses names the one the kernel answers from."""
        peer = Peer("udp", "10.1.2.3", 40000, 0)
        Setup(listener(0, "udp", "0.0.0.0")).flows.complete(peer)
        assert peer.sent_by == b"10.0.0.9:5060"

    def test_asked_once(self) -> None:
        """A completed peer stays so."""
        setup = Setup(listener(0, "udp", "0.0.0.0"))
        peer = setup.flows.complete(setup.flows.complete(Peer("udp", "10.1.2.3", 40000, 0)))
        assert len(setup.table.asked) == 1
        assert peer.sent_by

    def test_unroutable(self) -> None:
        """Even when the kernel knows no way back, the Via is a valid one."""
        peer = Setup(listener(0, "udp", "0.0.0.0")).flows.complete(Peer("udp", "203.0.113.1", 1, 0))
        assert peer.sent_by == b"127.0.0.1:5060"


class TokenTests:
    """From a flow to a token and back."""

    def test_udp(self) -> None:
        """The token of a UDP flow gives the same peer, fit to send to."""
        setup = two_networks()
        peer = Peer("udp", "192.0.2.77", 40000, 2)
        token = setup.flows.token_of(peer)
        again = setup.flows.peer_of(token)
        assert again == peer
        assert again is not None and again.sent_by == b"sip.example.com:5060"
        assert setup.flows.is_datagram(token)
        assert setup.flows.host_of(token) == "192.0.2.77"

    def test_udp_after_restart(self) -> None:
        """It survives a restart, though the Listen lines stand in another order."""
        token = two_networks().flows.token_of(Peer("udp", "10.1.2.3", 40000, 1))
        later = Setup(
            listener(0, "tcp", "10.0.0.9", 5070), listener(1, "udp", "127.0.0.1"),
            listener(2, "udp", "10.0.0.9", 5070), process=8,
        )  # fmt: skip
        peer = later.flows.peer_of(token)
        assert peer is not None
        assert (peer.listener, peer.host, peer.port) == (2, "10.1.2.3", 40000)

    def test_listener_is_gone(self) -> None:
        """Without the listener that it came by, a flow is gone."""
        token = two_networks().flows.token_of(Peer("udp", "10.1.2.3", 40000, 1))
        assert Setup(listener(0, "udp", "127.0.0.1")).flows.peer_of(token) is None

    def test_scope(self) -> None:
        """A link-local flow keeps its interface."""
        setup = Setup(listener(0, "udp", "fe80::9", scope=3))
        peer = Peer("udp", "fe80::77", 5060, 0, 0, b"", ("fe80::77%eth0", 5060, 0, 3))
        again = setup.flows.peer_of(setup.flows.token_of(peer))
        assert again is not None
        assert again.address == ("fe80::77", 5060, 0, 3)

    def test_connection(self) -> None:
        """The token of a connection gives its peer while it is open."""
        setup = two_networks()
        peer = Peer("tcp", "192.0.2.77", 40000, 3, 12)
        token = setup.flows.token_of(peer)
        assert setup.flows.peer_of(token) is None
        setup.connections.alive[12] = Held(peer)
        assert setup.flows.peer_of(token) is peer
        assert peer.sent_by == b"192.0.2.9:5060"
        assert not setup.flows.is_datagram(token)

    def test_connection_of_an_earlier_process(self) -> None:
        """Connection 12 of the last run is not connection 12 of this one."""
        peer = Peer("tcp", "192.0.2.77", 40000, 3, 12)
        token = two_networks().flows.token_of(peer)
        later = Setup(listener(0, "tcp", "192.0.2.9"), process=8)
        later.connections.alive[12] = Held(peer)
        assert later.flows.peer_of(token) is None
        assert later.flows.host_of(token) == "192.0.2.77"

    def test_nonsense(self) -> None:
        """What a stranger wrote names no flow."""
        flows = two_networks().flows
        assert flows.peer_of(b"hello") is None
        assert flows.host_of(b"hello") == ""
        assert not flows.is_datagram(b"hello")

    def test_udp_token_of_a_stream_listener(self) -> None:
        """A token that contradicts itself is refused."""
        setup = two_networks()
        assert setup.flows.peer_of(setup.flows.token_of(Peer("udp", "10.1.2.3", 1, 3))) is None


class PinTests:
    """Connections that bindings need."""

    def test_connections_only(self) -> None:
        """A connection is pinned by its number; a UDP flow needs no keeping."""
        setup = two_networks()
        setup.flows.pin(Peer("udp", "10.1.2.3", 1, 1))
        setup.flows.pin(Peer("tcp", "10.1.2.3", 1, 3, 5))
        setup.flows.unpin(Peer("tcp", "10.1.2.3", 1, 3, 5))
        assert setup.connections.pins == [("pin", 5), ("unpin", 5)]


class OwnTests:
    """What is ours."""

    @pytest.mark.parametrize(
        ("host", "port", "own"),
        [
            ("10.0.0.9", 5070, True),
            ("10.0.0.9", 5060, False),
            ("10.0.0.9", None, True),
            ("sip.example.com", 5060, True),
            ("SIP.example.com", None, True),
            ("sip.example.com", 5061, False),
            ("2001:DB8::0:9", 5060, True),
            ("10.0.0.8", None, False),
            ("example.com", None, False),
        ],
    )
    def test_concrete(self, host: str, port: int | None, own: bool) -> None:
        """Listeners' addresses and advertised names, each at its own port."""
        assert two_networks().flows.is_own(host, port) is own

    @pytest.mark.parametrize(
        ("host", "port", "own"),
        [
            ("192.0.2.9", 5060, True),
            ("127.0.0.5", 5060, True),
            ("192.0.2.77", 5060, False),
            ("192.0.2.9", 5061, False),
            ("2001:db8::9", 5060, False),
            ("example.com", 5060, False),
        ],
    )
    def test_all_addresses(self, host: str, port: int, own: bool) -> None:
        """A listener on all addresses answers at each address of the machine, of its family."""
        assert Setup(listener(0, "udp", "0.0.0.0")).flows.is_own(host, port) is own


class CanonicalTests:
    """One spelling for each host."""

    @pytest.mark.parametrize(
        ("written", "usual"),
        [
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("EXAMPLE.com", "example.com"),
            ("a:b", "a:b"),
        ],
    )
    def test_spelling(self, written: str, usual: str) -> None:
        """IPv6 as the system prints it; names in lower case; nonsense as it is."""
        assert canonical(written) == usual
