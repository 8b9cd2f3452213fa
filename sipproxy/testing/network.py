"""A simulated network on a virtual clock: it drops, delays, doubles and reorders, all by one seed.

    clock = VirtualClock()
    network = Network(clock, seed=1, loss=0.05, jitter=0.02)
    network.attach(("10.0.0.1", 5060), receive)      # receive(data, source)
    network.send(data, ("10.0.0.1", 5060), ("10.0.0.2", 5060))
    clock.run(0.1)

Every datagram, and every piece written to a stream (`sipproxy.testing.streams`), is a `Passage`.
Watchers are told of it when it sets out; its ``fate`` says later what became of it.

A datagram for a port that nobody listens on is reported to its sender, as the ICMP error does, when
the host is there; a host that is not there, or that was `cut` off, swallows everything in silence.
"""

from collections.abc import Callable
from random import Random
from typing import Final, Protocol, TypeAlias

from twisted.internet.interfaces import IDelayedCall

from sipproxy.testing.streams import StreamNetwork

Address: TypeAlias = tuple[str, int]
Receive: TypeAlias = Callable[[bytes, Address], None]
#: Told that a datagram (its beginning, and where it went) reached a host but no listener.
Refused: TypeAlias = Callable[[bytes, Address], None]

#: What can become of a passage.
UNDER_WAY: Final = "under way"
DELIVERED: Final = "delivered"
LOST: Final = "lost"
NOWHERE: Final = "nowhere"

#: How much of a datagram an ICMP error quotes at least (RFC 1812 section 4.3.2.3).
_QUOTED: Final = 500


class Time(Protocol):
    """What of a clock is needed here: Twisted's task clock, or ours."""

    def seconds(self) -> float:
        """Give the time."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object
    ) -> IDelayedCall:
        """Call once, later."""


class Passage:
    """One datagram, or one write to a stream, on its way."""

    __slots__ = ("data", "fate", "source", "stream", "target", "time")

    def __init__(
        self, time: float, source: Address, target: Address, data: bytes, stream: bool = False
    ) -> None:
        self.time = time
        self.source = source
        self.target = target
        self.data = data
        self.stream = stream
        self.fate = UNDER_WAY

    def __repr__(self) -> str:
        first = self.data.partition(b"\r\n")[0]
        return f"<{self.source} to {self.target} {first!r} {self.fate}>"


Watch: TypeAlias = Callable[[Passage], None]
Choose: TypeAlias = Callable[[Passage], bool]


class Wire(Protocol):
    """What hosts are connected to: the network, or the inside of a NAT box."""

    @property
    def clock(self) -> Time:
        """Give the clock that everything here lives by."""

    @property
    def streams(self) -> StreamNetwork:
        """Give the streams."""

    @property
    def place(self) -> str:
        """Tell apart hosts that have one address in two places."""

    def attach(self, address: Address, receive: Receive, refused: Refused | None = None) -> None:
        """Deliver what is sent to an address."""

    def detach(self, address: Address, gone: bool = False) -> None:
        """Deliver there no more; the host is ``gone`` too, or there and says so."""

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Send a datagram."""


class _Rule:
    """Datagrams to lose: those that ``choose`` picks, so many times."""

    __slots__ = ("choose", "times")

    def __init__(self, choose: Choose, times: int) -> None:
        self.choose = choose
        self.times = times


class Network:
    """Carries datagrams between attached addresses.  Times in seconds; chances from 0.0 to 1.0.

    ``jitter`` is added to ``delay`` by chance, so that one datagram overtakes the other.
    """

    place = ""

    def __init__(
        self,
        clock: Time,
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
        self.streams = StreamNetwork(clock, self.delay, self.is_cut, self._stream_passage)
        self._random = Random(seed)
        self._ends: dict[Address, tuple[Receive, Refused | None]] = {}
        self._hosts: set[str] = set()
        self._watchers: list[Watch] = []
        self._cut: set[str] = set()
        self._rules: list[_Rule] = []

    def attach(self, address: Address, receive: Receive, refused: Refused | None = None) -> None:
        """Deliver what is sent to an address; ``refused`` hears of datagrams it sent in vain."""
        self._hosts.add(address[0])
        self._ends[address] = (receive, refused)

    def detach(self, address: Address, gone: bool = False) -> None:
        """Close a port.

        Its host still is there, and says so to who sends to it, unless it is ``gone`` with all its
        ports: then what is sent there is never heard of again.
        """
        self._ends.pop(address, None)
        if gone:
            for other in [other for other in self._ends if other[0] == address[0]]:
                del self._ends[other]
            self._hosts.discard(address[0])

    def cut(self, host: str) -> None:
        """Lose everything to and from a host until `mend`; its streams stand still meanwhile."""
        self._cut.add(host)

    def mend(self, host: str) -> None:
        """Take a `cut` back."""
        self._cut.discard(host)

    def is_cut(self, source: Address, target: Address) -> bool:
        """Say whether one of the two is cut off."""
        return bool(self._cut) and (source[0] in self._cut or target[0] in self._cut)

    def lose(self, choose: Choose, times: int = 1) -> None:
        """Lose the next ``times`` datagrams that ``choose(passage)`` says yes to."""
        self._rules.append(_Rule(choose, times))

    def watch(self, watcher: Watch) -> None:
        """Tell ``watcher(passage)`` of everything that sets out."""
        self._watchers.append(watcher)

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Send a datagram; it may be lost, late or doubled."""
        passage = Passage(self.clock.seconds(), source, target, data)
        self.sent += 1
        if self._is_lost(passage):
            self.lost += 1
            passage.fate = LOST
        else:
            twice = self.duplicates and self._random.random() < self.duplicates
            for _ in range(2 if twice else 1):
                late = self.delay + (self.jitter * self._random.random() if self.jitter else 0.0)
                self.clock.callLater(late, self._arrive, passage)
        for watcher in self._watchers:
            watcher(passage)

    def _is_lost(self, passage: Passage) -> bool:
        if self.is_cut(passage.source, passage.target):
            return True
        for rule in self._rules:
            if rule.choose(passage):
                rule.times -= 1
                if not rule.times:
                    self._rules.remove(rule)
                return True
        return bool(self.loss) and self._random.random() < self.loss

    def _arrive(self, passage: Passage) -> None:
        end = self._ends.get(passage.target)
        if end is None:
            self.nowhere += 1
            passage.fate = NOWHERE
            sender = self._ends.get(passage.source)
            if passage.target[0] in self._hosts and sender is not None and sender[1] is not None:
                refused = sender[1]
                self.clock.callLater(self.delay, refused, passage.data[:_QUOTED], passage.target)
            return
        self.delivered += 1
        passage.fate = DELIVERED
        end[0](passage.data, passage.source)

    def _stream_passage(self, source: Address, target: Address, data: bytes) -> None:
        """Tell the watchers what was written to a stream: it arrives, if the stream lives."""
        passage = Passage(self.clock.seconds(), source, target, data, True)
        passage.fate = DELIVERED
        for watcher in self._watchers:
            watcher(passage)
