"""A whole server in memory: the real core, modules, registry and transports on a `Network`.

Only sockets and disk are replaced.  ``SimulatedServer(network, text)`` takes the text of a
configuration; its Listen lines say which addresses of the network are the server's.
"""

import socket
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from sipproxy.assembly import (
    ConfigurationFaults,
    Host,
    build_domains,
    build_generation,
    build_modules,
)
from sipproxy.config.loader import Configuration, load
from sipproxy.config.reader import read_from_table
from sipproxy.core.generation import Generation, Options
from sipproxy.core.registrar import FLOW_FIRST, FLOW_ONLY
from sipproxy.core.server import ProxyCore
from sipproxy.modules import always_loaded, directives_of, known_modules
from sipproxy.resolve.health import Health
from sipproxy.resolve.locator import Locator
from sipproxy.stores.records import Binding
from sipproxy.stores.registry import Registry
from sipproxy.testing.names import NameTable
from sipproxy.testing.network import Address, Network
from sipproxy.testing.stores import MemoryJournal
from sipproxy.testing.streams import HostReactor
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.connections import Connections, StreamLimits
from sipproxy.transport.driver import Driver
from sipproxy.transport.ends import Outlet
from sipproxy.transport.flow import Flows
from sipproxy.transport.sockets import ListenAddress, Listener
from sipproxy.transport.tcp import Accepting

#: A configuration for tests that need no particular one.
PLAIN: Final = """
Listen 10.0.0.1:5060
ProxyDomain example.com
CustomLog Off
"""

#: Seconds between two looks for bindings that have expired.
SWEEP: Final = 1.0


def configuration_of(text: str, before: Sequence[str] = ()) -> Configuration:
    """Read a configuration from text; ``before`` are lines in front of it that it may override.

    Raises `ConfigurationFaults`.
    """
    configuration = load(
        "/sim/sipd.conf",
        read_from_table({"/sim/sipd.conf": text}),
        directives_of,
        always=always_loaded(),
        known=known_modules(),
        before=before,
    )
    if configuration.errors:
        raise ConfigurationFaults(configuration.faults)
    return configuration


class _SimulatedSocket:
    """As much of a socket as a `Listener` looks at."""

    def __init__(self, host: str, port: int) -> None:
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._name = (host, port)

    def getsockname(self) -> Address:
        return self._name


class SimulatedPort:
    """The `Outlet` of one UDP listener: what the driver sends goes to the network."""

    def __init__(self, network: Any, address: Address, driver: Driver, listener: int) -> None:
        self.address = address
        self._network = network
        self._driver = driver
        self._listener = listener

    def open(self) -> None:
        """Receive from now on."""
        self._network.attach(self.address, self._receive, self._refused)

    def send(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        """Send a datagram."""
        self._network.send(data, self.address, (peer.host, peer.port))

    def _receive(self, data: bytes, source: Address) -> None:
        self._driver.received(data, Peer("udp", source[0], source[1], self._listener))
        self._driver.end_of_turn()

    def _refused(self, quoted: bytes, target: Address) -> None:
        peer = Peer("udp", target[0], target[1], self._listener)
        self._driver.unreachable(peer, "connection refused", quoted)
        self._driver.end_of_turn()


def listener_of(index: int, address: ListenAddress) -> Listener:
    """Give a listener without a socket."""
    sock: Any = _SimulatedSocket(address.host, address.port)
    return Listener(index, address, sock)


class SimulatedServer:
    """One server on a simulated network.  Attributes give access to all of its parts."""

    def __init__(
        self,
        network: Network,
        text: str | Configuration = PLAIN,
        *,
        secret: bytes = b"s" * 32,
        run: bytes = b"sim",
        modules: tuple[Any, ...] = (),
        names: NameTable | None = None,
        bare: bool = False,
    ) -> None:
        """``modules`` are ready made ones that are added to those of the configuration.

        A ``bare`` server has only them.
        """
        self.network = network
        self.clock = network.clock
        self.configuration = configuration_of(text) if isinstance(text, str) else text
        server = self.configuration.server
        timers = Timers(
            server["SIP_T1_in_ms"] / 1000,
            server["SIP_T2_in_ms"] / 1000,
            server["SIP_T4_in_ms"] / 1000,
        )
        reactor: Any = HostReactor(network.streams, server["Listen"][0].host)
        self.layer = TransactionLayer(timers, server["MaxTransactions"])
        self.flows = Flows(self.clock.seconds, source_of=self._source_of, process=1)
        self.driver = Driver(reactor, self.layer)
        self.connections = Connections(
            reactor, self.driver, self.driver.counters, self.driver.throttle, self._limits()
        )
        self.names = names or NameTable()
        self.locator = Locator(
            reactor,
            self.names.resolve,
            health=Health(self.clock.seconds, skip_for=server["SkipFailedFor"] / 1000),
            transports=lambda: {spec.transport for spec in server["Listen"]},
            has_ipv6=lambda: any(":" in spec.host for spec in server["Listen"]),
            draw=Random(0).random,
        )
        self.journal = MemoryJournal()
        self.registry = Registry(
            self.clock.seconds, self.journal, shards=16, max_bindings=server["MaxBindings"]
        )
        self.domains = build_domains(self.configuration, self.flows)
        empty = Generation(0, ({}, {}), self.domains, Options())
        self.core = ProxyCore(
            self.driver, self.flows, self.locator, empty, secret, run, self.clock.seconds
        )
        self.host = Host(
            self.registry,
            self.flows,
            self.driver,
            self.domains,
            server,
            self.clock.seconds,
            self.core.answers.new_tag,
        )
        self.modules: list[Any] = []
        if not bare:
            self.modules += build_modules(self.configuration, self.host)
        self.take_modules(*modules)
        self.registry.observe(self._binding_changed)
        self.driver.before_sending(self.registry.flush)
        self.driver.user = self.core
        self._open()
        self._sweep()

    def take_modules(self, *modules: Any) -> None:
        """Add modules that were configured with ``self.host``."""
        self.modules.extend(modules)
        self.core.generation = build_generation(1, self.configuration, self.modules, self.domains)

    def is_clean(self) -> bool:
        """Say whether nothing is left of any request: no transaction, context or ringing branch."""
        return not self.remains()

    def remains(self) -> str:
        """Say what is left of requests, in words; empty when nothing is."""
        left = []
        if len(self.layer):
            left.append(f"{len(self.layer)} transactions")
        if self.layer.acks:
            left.append(f"{len(self.layer.acks)} keys of ACKs")
        if self.core.live:
            left.append(f"{len(self.core.live)} contexts")
        if len(self.core.timer_c):
            left.append(f"{len(self.core.timer_c)} branches on timer C")
        return ", ".join(left)

    def stop(self) -> None:
        """Take no new requests from now on, as at the end of the service."""
        self.core.stop()
        self.driver.end_of_turn()

    # --- what service.py does with sockets

    def _limits(self) -> StreamLimits:
        server = self.configuration.server
        return StreamLimits(
            connections=server["MaxTcpConnections"],
            per_source=server["MaxTcpConnectionsPerSource"],
            connect_timeout=server["TcpConnectTimeout"] / 1000,
            idle=server["TcpIdleTimeout"] / 1000,
            unsent=server["TcpWriteBuffer"],
        )

    def _open(self) -> None:
        self.listeners: list[Listener] = []
        outlets: list[Outlet] = []
        ports: list[SimulatedPort] = []
        for index, spec in enumerate(self.configuration.server["Listen"]):
            address = ListenAddress(*spec)
            place = (address.host, address.port)
            self.listeners.append(listener_of(index, address))
            if address.transport == "udp":
                ports.append(SimulatedPort(self.network, place, self.driver, index))
                outlets.append(ports[-1])
            else:
                outlets.append(self.connections)
                self.network.streams.listen(place, Accepting(self.connections, index))
        self.connections.listeners = self.listeners
        self.flows.open(self.listeners, self.connections)
        self.driver.outlets = outlets
        for port in ports:
            port.open()

    def _source_of(self, host: str, local: str) -> str | None:
        """Play the routing table: the listener that shares the most of an address reaches it."""
        if local:
            return local
        hosts = [spec.host for spec in self.configuration.server["Listen"]]
        hosts = [own for own in hosts if (":" in own) == (":" in host)]
        return max(hosts, key=lambda own: _common(own, host), default=None)

    def _binding_changed(self, aor: str, before: list[Binding], after: list[Binding]) -> None:
        """Keep the connections that bindings are reached by."""
        for bindings, change in ((after, self.flows.pin), (before, self.flows.unpin)):
            for binding in bindings:
                if binding.received[:1] in (FLOW_ONLY, FLOW_FIRST):
                    peer = self.flows.peer_of(binding.received[1:])
                    if peer is not None and peer.reliable:
                        change(peer)

    def _sweep(self) -> None:
        self.registry.sweep()
        self.clock.callLater(SWEEP, self._sweep)


def _common(one: str, other: str) -> int:
    """Count the parts that two addresses have in common from the left."""
    count = 0
    for left, right in zip(one.split("."), other.split("."), strict=False):
        if left != right:
            break
        count += 1
    return count
