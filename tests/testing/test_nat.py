"""A NAT box does to phones what those at home do."""

from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.nat import Nat
from sipproxy.testing.network import Address, Network

PUBLIC: Address = ("10.0.0.1", 5060)
OTHER: Address = ("10.0.0.2", 5060)
PRIVATE: Address = ("192.168.1.10", 5060)

Got = list[tuple[bytes, Address]]


class NatTests:
    """Out at once, in only as an answer."""

    def setup_method(self) -> None:
        """Give a network with two hosts and a box on it."""
        self.clock = VirtualClock()
        self.network = Network(self.clock)
        self.got: Got = []
        self.network.attach(PUBLIC, lambda data, source: self.got.append((data, source)))
        self.network.attach(OTHER, lambda data, source: None)
        self.box = Nat(self.network, "203.0.113.9")
        self.inside = self.behind(self.box)

    def behind(self, box: Nat) -> Got:
        """Put somebody behind a box."""
        got: Got = []
        box.attach(PRIVATE, lambda data, source: got.append((data, source)))
        return got

    def out(self, box: Nat | None = None, target: Address = PUBLIC) -> Address:
        """Send something out; gives where it came from, as the other side sees it."""
        (box or self.box).send(b"out", PRIVATE, target)
        self.clock.run(1)
        return self.got[-1][1]

    def test_out_and_back(self) -> None:
        """The other side sees the box, and its answer reaches the sender."""
        seen = self.out()
        assert seen[0] == "203.0.113.9"
        self.network.send(b"back", PUBLIC, seen)
        self.clock.run(1)
        assert self.inside == [(b"back", PUBLIC)]

    def test_same_private_address(self) -> None:
        """The same private address behind two boxes is two ports of two hosts outside."""
        second = Nat(self.network, "203.0.113.10")
        other = self.behind(second)
        self.network.send(b"one", PUBLIC, self.out())
        self.network.send(b"two", PUBLIC, self.out(second))
        self.clock.run(1)
        assert (self.inside, other) == ([(b"one", PUBLIC)], [(b"two", PUBLIC)])

    def test_box_behind_box(self) -> None:
        """Two boxes with the same inside may stand behind one router."""
        homes = [Nat(self.box, f"100.64.0.{number}") for number in (1, 2)]
        got = [self.behind(home) for home in homes]
        seen = [self.out(home) for home in homes]
        assert seen[0][0] == seen[1][0] == "203.0.113.9" and seen[0] != seen[1]
        for number, address in enumerate(seen):
            self.network.send(b"%d" % number, PUBLIC, address)
        self.clock.run(1)
        assert [one[0][0] for one in got] == [b"0", b"1"]

    def test_strangers(self) -> None:
        """Who was not written to is not let in."""
        seen = self.out()
        self.network.send(b"hello", OTHER, seen)
        self.clock.run(1)
        assert self.inside == [] and self.box.kept_out == 1

    def test_forgotten(self) -> None:
        """A mapping that nobody used for a minute is gone; the next one has another port."""
        seen = self.out()
        self.clock.run(61)
        self.network.send(b"late", PUBLIC, seen)
        self.clock.run(1)
        assert self.inside == []
        assert self.out() != seen

    def test_unplugged(self) -> None:
        """After a power cut of the box, nothing gets in by the old port."""
        seen = self.out()
        self.box.forget()
        self.network.send(b"back", PUBLIC, seen)
        self.clock.run(1)
        assert self.inside == []

    def test_symmetric(self) -> None:
        """A symmetric box shows another port to everybody."""
        box = Nat(self.network, "203.0.113.11", symmetric=True)
        self.behind(box)
        first = self.out(box)
        seen: Got = []
        self.network.attach(OTHER, lambda data, source: seen.append((data, source)))
        box.send(b"out", PRIVATE, OTHER)
        self.clock.run(1)
        assert seen[0][1] != first
