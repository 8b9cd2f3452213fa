"""The listeners of the server: bound all or none, started, described, stopped.

How a server is put together::

    flows = Flows(reactor.seconds)
    driver = Driver(reactor, TransactionLayer(Timers()))
    listeners = Listeners(reactor, addresses, driver, flows)
    listeners.bind()       # ListenError; while still root, for ports below 1024
    driver.user = core
    listeners.start()      # from here on messages come
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort

from sipproxy.log import get_logger
from sipproxy.transport.connections import Connections, StreamLimits
from sipproxy.transport.descriptors import room_for
from sipproxy.transport.driver import Driver
from sipproxy.transport.ends import Outlet
from sipproxy.transport.flow import Flows
from sipproxy.transport.polling import DirectPoll, direct_poll
from sipproxy.transport.sockets import (
    ListenAddress,
    Listener,
    ListenError,
    bind_all,
    host_port,
)
from sipproxy.transport.tcp import Accepting
from sipproxy.transport.udp import UdpPort

__all__ = ["ListenAddress", "ListenError", "Listener", "Listeners"]

log = get_logger("transport")


class Listeners:
    """What the Listen directives ask for.  The reactor must be able to watch descriptors."""

    def __init__(
        self,
        reactor: Any,
        addresses: Sequence[ListenAddress],
        driver: Driver,
        flows: Flows,
        limits: StreamLimits | None = None,
    ) -> None:
        self.addresses = tuple(addresses)
        #: What is bound, in the order of the addresses.
        self.bound: list[Listener] = []
        self._reactor = reactor
        self._driver = driver
        self._flows = flows
        self.connections = Connections(reactor, driver, driver.counters, driver.throttle, limits)
        self.udp_ports: list[UdpPort] = []
        self._stream_ports: list[IListeningPort] = []
        self._direct: DirectPoll | None = None

    def bind(self) -> None:
        """Bind every address.  Raises ListenError, and then nothing stays bound."""
        if not self.bound:
            self.bound = bind_all(self.addresses)

    def start(self) -> None:
        """Begin to receive; binds first where `bind` was not called.  Raises ListenError."""
        self.bind()
        self.connections.listeners = self.bound
        self._flows.open(self.bound, self.connections)
        outlets: list[Outlet] = []
        for listener in self.bound:
            outlets.append(self._udp(listener) if listener.transport == "udp" else self.connections)
        self._driver.outlets = outlets
        self._direct = direct_poll(self._reactor)
        for port in self.udp_ports:
            port.start()
            if self._direct is not None:
                self._direct.add(port.fileno(), port.doRead)
        if len(self.udp_ports) < len(self.bound):
            self._limit_connections()
        for listener in self.bound:
            if listener.transport != "udp":
                self._accept(listener)
        log.notice("transport.listening", self.describe())

    def stop(self) -> "Deferred[None]":
        """Close everything; the result comes when all is closed, after two seconds at most."""
        self._driver.end_of_turn()
        for port in self.udp_ports:
            if self._direct is not None:
                self._direct.remove(port.fileno())
            port.stop()
        waiting: list[Deferred[Any]] = [
            maybeDeferred(port.stopListening) for port in self._stream_ports
        ]
        waiting.append(self.connections.stop())
        if not self._stream_ports and not self.udp_ports:
            for listener in self.bound:
                listener.sock.close()  # bound, but never started
        done: Deferred[None] = DeferredList(waiting, consumeErrors=True).addCallback(_nothing)
        return done

    def describe(self) -> str:
        """Say what is listened on: ``127.0.0.1:5070 udp, tcp; [::1]:5070 udp``."""
        places: dict[str, list[str]] = {}
        for listener in self.bound:
            place = host_port(listener.host, listener.port)
            places.setdefault(place, []).append(listener.transport)
        return "; ".join(f"{place} {', '.join(kinds)}" for place, kinds in places.items())

    def kernel_drops(self) -> int:
        """Say how many datagrams the kernel had no room for, since the start."""
        return sum(port.kernel_drops() for port in self.udp_ports)

    def _udp(self, listener: Listener) -> UdpPort:
        driver = self._driver
        port = UdpPort(
            self._reactor, listener.sock, listener.index, driver, driver.counters, driver.throttle
        )
        self.udp_ports.append(port)
        return port

    def _limit_connections(self) -> None:
        """Keep the limit on connections below what the system gives descriptors for."""
        limits = self.connections.limits
        room = room_for(limits.connections)
        if room < limits.connections:
            self.connections.limits = replace(limits, connections=room)
            text = f"the limit of open files leaves room for {room:,} connections only"
            log.warn("transport.few_descriptors", text, wanted=limits.connections)

    def _accept(self, listener: Listener) -> None:
        factory = Accepting(self.connections, listener.index)
        # The reactor works on a descriptor of its own.
        number = listener.sock.fileno()
        port = self._reactor.adoptStreamPort(number, listener.family, factory)
        self._stream_ports.append(port)
        listener.sock.close()


def _nothing(_: object) -> None:
    """Give no result but that it is over."""
