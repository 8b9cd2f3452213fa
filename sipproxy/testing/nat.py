"""A NAT box: private addresses on its inside, one public address and many ports on its outside.

    home = Nat(network, "203.0.113.9")
    phone = Phone(home, "alice", ("192.168.1.10", 5060), ...)

What stands inside is attached to the box instead of the network, and may have the address that
another has inside of another box; a box may itself stand inside of one.  A mapping is made by the
first datagram out, lives on by each further one out, and lets only those in who were written to
from it (RFC 4787: endpoint-independent mapping, address and port-dependent filtering).
"""

from typing import Any, Final

from sipproxy.testing.network import Address, Receive, Refused, Time, Wire
from sipproxy.testing.streams import Connector, StreamNetwork

#: Seconds that a mapping lives after the last datagram out (RFC 4787 asks for 120 at least; the
#: boxes that people have at home forget sooner).
LIFETIME: Final = 60.0

_FIRST_PORT: Final = 20_000


class _Mapping:
    """One port on the outside, and whom it stands for."""

    __slots__ = ("inside", "known", "outside", "until")

    def __init__(self, inside: Address, outside: Address) -> None:
        self.inside = inside
        self.outside = outside
        self.known: set[Address] = set()
        self.until = 0.0


class Nat:
    """Passes for a network to those behind it; stands in ``outer`` as one host."""

    def __init__(
        self, outer: Wire, host: str, *, lifetime: float = LIFETIME, symmetric: bool = False
    ) -> None:
        """A ``symmetric`` box uses another port for each address that is written to."""
        self.outer = outer
        self.host = host
        self.place = f"{outer.place}-{host}"
        self.lifetime = lifetime
        self.symmetric = symmetric
        #: Datagrams from outside that were not let in.
        self.kept_out = 0
        self.streams: StreamNetwork = _Translated(outer.streams, host)
        self._inside: dict[Address, tuple[Receive, Refused | None]] = {}
        self._mappings: dict[Address | tuple[Address, Address], _Mapping] = {}
        self._next_port = _FIRST_PORT

    @property
    def clock(self) -> Time:
        """Give the clock of the network."""
        return self.outer.clock

    def attach(self, address: Address, receive: Receive, refused: Refused | None = None) -> None:
        """Put somebody behind the box."""
        self._inside[address] = (receive, refused)

    def detach(self, address: Address, gone: bool = False) -> None:
        """Take somebody from behind the box."""
        self._inside.pop(address, None)

    def forget(self) -> None:
        """Lose all mappings, as when somebody pulls the plug of the box."""
        for mapping in self._mappings.values():
            self.outer.detach(mapping.outside)
        self._mappings.clear()

    def send(self, data: bytes, source: Address, target: Address) -> None:
        """Send a datagram from the inside."""
        end = self._inside.get(target)
        if end is not None:
            self.clock.callLater(0.001, end[0], data, source)
            return
        mapping = self._mapping(source, target)
        mapping.known.add(target)
        mapping.until = self.clock.seconds() + self.lifetime
        self.outer.send(data, mapping.outside, target)

    def _mapping(self, source: Address, target: Address) -> _Mapping:
        key = (source, target) if self.symmetric else source
        mapping = self._mappings.get(key)
        if mapping is None or mapping.until < self.clock.seconds():
            if mapping is not None:
                self.outer.detach(mapping.outside)
            self._next_port += 1
            mapping = _Mapping(source, (self.host, self._next_port))
            self._mappings[key] = mapping
            self.outer.attach(mapping.outside, self._way_in(mapping), self._way_back(mapping))
        return mapping

    def _way_in(self, mapping: _Mapping) -> Receive:
        def receive(data: bytes, source: Address) -> None:
            end = self._inside.get(mapping.inside)
            stale = mapping.until < self.clock.seconds()
            if stale or source not in mapping.known or end is None:
                self.kept_out += 1
            else:
                end[0](data, source)

        return receive

    def _way_back(self, mapping: _Mapping) -> Refused:
        def refused(data: bytes, target: Address) -> None:
            end = self._inside.get(mapping.inside)
            if end is not None and end[1] is not None:
                end[1](data, target)

        return refused


class _Translated(StreamNetwork):
    """The streams as they look from behind the box: out they go, in nobody comes."""

    def __init__(self, outer: StreamNetwork, host: str) -> None:
        super().__init__(outer.clock, outer.delay, outer.is_cut, outer.passed)
        self._outer = outer
        self._host = host

    def connect(self, host: str, target: Address, factory: Any, timeout: float = 30.0) -> Connector:
        """Open a connection that the other side sees coming from the box."""
        return self._outer.connect(self._host, target, factory, timeout)
