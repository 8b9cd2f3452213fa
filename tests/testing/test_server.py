"""The server of the tests is the server: only its sockets and its disk are made up."""

import pytest

from sipproxy.assembly import ConfigurationFaults
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.network import Network
from sipproxy.testing.phone import Phone
from sipproxy.testing.server import SimulatedServer, configuration_of


class SimulatedServerTests:
    """How it is configured and what it says of itself."""

    def test_configured(self) -> None:
        """The text of a configuration decides, as the file would."""
        server = SimulatedServer(Network(VirtualClock()), "Listen 10.9.9.9:5070\nSIP_T1_in_ms 100")
        assert server.layer.timers.t1 == 0.1
        assert [listener.transport for listener in server.listeners] == ["udp", "tcp"]
        assert server.flows.is_own("10.9.9.9", 5070)

    def test_faults(self) -> None:
        """A faulty text says where the fault is."""
        with pytest.raises(ConfigurationFaults, match=r"sipd\.conf:2: "):
            configuration_of("ProxyDomain example.com\nListem 5060")

    def test_remains(self) -> None:
        """What is left of a request is said in words, until nothing is."""
        clock = VirtualClock()
        network = Network(clock)
        server = SimulatedServer(network)
        Phone(network, "alice", ("10.0.1.1", 5060)).send("OPTIONS", "sip:example.com")
        assert server.is_clean()
        clock.run(0.1)
        assert server.remains().startswith("1 transactions")
        clock.run(40)
        assert server.is_clean()

    def test_pinned(self) -> None:
        """A connection that a binding needs stays open however long it is idle."""
        clock = VirtualClock()
        network = Network(clock)
        server = SimulatedServer(network)
        alice = Phone(network, "alice", ("10.0.1.1", 5060), transport="tcp")
        alice.register(3600)
        clock.run(1)
        alice.connections.pin(1)
        clock.run(3000)
        assert len(server.connections) == 1

    def test_expired(self) -> None:
        """A binding that was not refreshed leaves the registry."""
        clock = VirtualClock()
        network = Network(clock)
        server = SimulatedServer(network)
        Phone(network, "alice", ("10.0.1.1", 5060)).register(60)
        clock.run(59)
        assert server.registry.count == 1
        clock.run(3)
        assert server.registry.count == 0
