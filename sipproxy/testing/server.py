"""A whole server in memory: the real core, modules, registry and transaction layer on a `Network`.

Only sockets and disk are replaced.  ``SimulatedServer(network, "ProxyDomain example.com")`` takes the
text of a configuration; Listen lines say which addresses of the network are the server's.
"""

import socket
from typing import Any

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
from sipproxy.core.server import ProxyCore
from sipproxy.modules import always_loaded, directives_of, known_modules
from sipproxy.resolve.locator import Locator
from sipproxy.stores.registry import Registry
from sipproxy.testing.names import NameTable
from sipproxy.testing.network import Address, Network
from sipproxy.testing.stores import MemoryJournal
from sipproxy.transaction.layer import TransactionLayer
from sipproxy.transaction.machine import Transaction
from sipproxy.transaction.peer import Peer
from sipproxy.transaction.timers import Timers
from sipproxy.transport.driver import Driver
from sipproxy.transport.flow import Flows
from sipproxy.transport.sockets import ListenAddress, Listener

#: A configuration for tests that need no particular one.
PLAIN = """
Listen 10.0.0.1:5060 udp
ProxyDomain example.com
CustomLog Off
"""


def configuration_of(text: str) -> Configuration:
    """Read a configuration from text.  Raises `ConfigurationFaults`."""
    configuration = load(
        "/sim/sipd.conf",
        read_from_table({"/sim/sipd.conf": text}),
        directives_of,
        always=always_loaded(),
        known=known_modules(),
    )
    if configuration.errors:
        raise ConfigurationFaults(configuration.faults)
    return configuration


class _SimulatedSocket:
    """As much of a socket as a `Listener` looks at."""

    family = socket.AF_INET

    def __init__(self, host: str, port: int) -> None:
        self._name = (host, port)

    def getsockname(self) -> Address:
        return self._name


class _SimulatedPort:
    """The `Outlet` of one listener: what the driver sends goes to the network."""

    def __init__(self, network: Network, address: Address) -> None:
        self._network = network
        self._address = address

    def send(self, data: bytes, peer: Peer, transaction: Transaction | None) -> None:
        self._network.send(data, self._address, (peer.host, peer.port))


class SimulatedServer:
    """One server on a simulated network.  Attributes give access to all of its parts."""

    def __init__(
        self,
        network: Network,
        text: str = PLAIN,
        *,
        secret: bytes = b"s" * 32,
        modules: tuple[Any, ...] = (),
        names: NameTable | None = None,
    ) -> None:
        """``modules`` are ready made modules that are added to those of the configuration."""
        self.network = network
        self.clock = network.clock
        self.configuration = configuration_of(text)
        server = self.configuration.server
        timers = Timers(
            server["SIP_T1_in_ms"] / 1000,
            server["SIP_T2_in_ms"] / 1000,
            server["SIP_T4_in_ms"] / 1000,
        )
        self.layer = TransactionLayer(timers, server["MaxTransactions"])
        self.flows = Flows(self.clock.seconds, source_of=self._source_of, process=1)
        self.driver = Driver(self.clock, self.layer)
        self.names = names or NameTable()
        self.locator = Locator(self.clock, self.names.resolve)
        self.journal = MemoryJournal()
        self.registry = Registry(
            self.clock.seconds, self.journal, shards=16, max_bindings=server["MaxBindings"]
        )
        self.domains = build_domains(self.configuration, self.flows)
        empty = Generation(0, ({}, {}), self.domains, Options())
        self.core = ProxyCore(self.driver, self.flows, self.locator, empty, secret, b"sim")
        self.host = Host(
            self.registry,
            self.flows,
            self.driver,
            self.domains,
            server,
            self.clock.seconds,
            self.core.new_tag,
        )
        self.modules = [*build_modules(self.configuration, self.host), *modules]
        self.core.generation = build_generation(1, self.configuration, self.modules, self.domains)
        self.driver.before_sending(self.registry.flush)
        self.driver.user = self.core
        self._open()

    def _open(self) -> None:
        addresses = [
            ListenAddress(*spec)
            for spec in self.configuration.server["Listen"]
            if spec.transport == "udp"
        ]
        self.listeners: list[Listener] = []
        outlets = []
        for index, address in enumerate(addresses):
            place = (address.host, address.port)
            sock: Any = _SimulatedSocket(*place)
            self.listeners.append(Listener(index, address, sock))
            outlets.append(_SimulatedPort(self.network, place))
            self.network.attach(place, self._receiver(index))
        connections: Any = None
        self.flows.open(self.listeners, connections)
        self.driver.outlets = outlets

    def _source_of(self, host: str, local: str) -> str | None:
        """Play the routing table: the listener that shares the most of an address reaches it."""
        if local:
            return local
        hosts = [spec.host for spec in self.configuration.server["Listen"]]
        return max(hosts, key=lambda own: _common(own, host), default=None)

    def _receiver(self, index: int) -> Any:
        def receive(data: bytes, source: Address) -> None:
            self.driver.received(data, Peer("udp", source[0], source[1], index))
            self.driver.end_of_turn()

        return receive

    def is_clean(self) -> bool:
        """Say whether nothing is left of any request: no transaction, context or ringing branch."""
        return not len(self.layer) and not self.core.live and not len(self.core.timer_c)


def _common(one: str, other: str) -> int:
    """Count the parts that two addresses have in common from the left."""
    count = 0
    for left, right in zip(one.split("."), other.split("."), strict=False):
        if left != right:
            break
        count += 1
    return count
