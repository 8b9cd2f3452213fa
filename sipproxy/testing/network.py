"""A simulated datagram network on a virtual clock: drop, delay, duplicate, reorder, all by one seed.

    clock = Clock()                                  # twisted.internet.task.Clock
    network = Network(clock, seed=1, loss=0.05)
    network.attach(("10.0.0.1", 5060), receive)      # receive(data, source)
    network.send(data, ("10.0.0.1", 5060), ("10.0.0.2", 5060))
    clock.advance(0.1)

What is sent nowhere is counted and gone, as in life.  Watchers see every datagram that is delivered.
"""

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from twisted.internet.task import Clock

Address: TypeAlias = tuple[str, int]
Receive: TypeAlias = Callable[[bytes, Address], None]
Watch: TypeAlias = Callable[[float, Address, Address, bytes], None]


class Network:
    """Carries datagrams between attached addresses.  Times in seconds; loss from 0.0 to 1.0."""

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        delay: float = 0.001,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicates: float = 0.0,
    ) -> None:
        self.clock = clock
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.duplicates = duplicates
        self.sent = self.lost = self.delivered = self.nowhere = 0
        self._random = Random(seed)
        self._ends: dict[Address, Receive] = {}
        self._watchers: list[Watch] = []
        self._cut: set[Address] = set()

    def attach(self, address: Address, receive: Receive) -> None:
        """Deliver what is sent to an address."""
        self._ends[address] = receive

    def detach(self, address: Address) -> None:
        """Let an address disappear."""
        self._ends.pop(address, None)

    def cut(self, address: Address) -> None:
        """Lose everything to and from an address until `mend`."""
        self._cut.add(address)

    def mend(self, address: Address) -> None:
        """Take a `cut` back."""
        self._cut.discard(address)

    def watch(self, watcher: Watch) -> None:
        """Tell ``watcher(time, source, target, data)`` of every datagram that arrives."""
        self._watchers.append(watcher)

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Send a datagram; it may be lost, late or doubled."""
        self.sent += 1
        if source in self._cut or target in self._cut or self._random.random() < self.loss:
            self.lost += 1
            return
        copies = 2 if self._random.random() < self.duplicates else 1
        for _ in range(copies):
            late = self.delay + self.jitter * self._random.random()
            self.clock.callLater(late, self._arrive, data, source, target)

    def _arrive(self, data: bytes, source: Address, target: Address) -> None:
        receive = self._ends.get(target)
        if receive is None:
            self.nowhere += 1
            return
        self.delivered += 1
        for watcher in self._watchers:
            watcher(self.clock.seconds(), source, target, data)
        receive(data, source)
