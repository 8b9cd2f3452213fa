"""The simulated network treats datagrams as a real one would, and the same for the same seed."""

from collections.abc import Callable

from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.network import Address, Network, Passage

ONE: Address = ("10.0.0.1", 5060)
TWO: Address = ("10.0.0.2", 5060)


def pair(**options: float) -> tuple[Network, list[tuple[float, bytes]], Callable[[float], None]]:
    """Give a network, what arrives at TWO with its time, and the way to let time pass."""
    clock = VirtualClock()
    network = Network(clock, seed=3, **options)
    got: list[tuple[float, bytes]] = []
    network.attach(ONE, lambda data, source: None)
    network.attach(TWO, lambda data, source: got.append((clock.seconds(), data)))
    return network, got, clock.run


class DeliveryTests:
    """Loss, delay, doubles and order."""

    def test_delay(self) -> None:
        """A datagram arrives after the delay."""
        network, got, run = pair(delay=0.25)
        network.send(b"a", ONE, TWO)
        run(1)
        assert got == [(0.25, b"a")]

    def test_loss(self) -> None:
        """About as many are lost as was asked for, and the same ones for the same seed."""
        kept = []
        for _ in range(2):
            network, got, run = pair(loss=0.3)
            for number in range(500):
                network.send(b"%d" % number, ONE, TWO)
            run(1)
            assert 300 < len(got) < 400
            assert network.lost == 500 - len(got)
            kept.append([data for _, data in got])
        assert kept[0] == kept[1]

    def test_doubles(self) -> None:
        """Everything may arrive twice."""
        network, got, run = pair(duplicates=1.0)
        network.send(b"a", ONE, TWO)
        run(1)
        assert len(got) == 2

    def test_overtaking(self) -> None:
        """With jitter, datagrams overtake each other."""
        network, got, run = pair(jitter=0.5)
        for number in range(20):
            network.send(b"%02d" % number, ONE, TWO)
        run(1)
        order = [data for _, data in got]
        assert order != sorted(order) and len(order) == 20

    def test_lose_chosen(self) -> None:
        """A test can lose exactly the datagrams that it means."""
        network, got, run = pair()
        network.lose(lambda passage: passage.data == b"b", times=2)
        for data in (b"a", b"b", b"b", b"b"):
            network.send(data, ONE, TWO)
        run(1)
        assert [data for _, data in got] == [b"a", b"b"]


class AbsenceTests:
    """Hosts that are cut off, gone, or not listening."""

    def test_cut(self) -> None:
        """A host that is cut off gets nothing until it is mended."""
        network, got, run = pair()
        network.cut(TWO[0])
        network.send(b"a", ONE, TWO)
        network.mend(TWO[0])
        network.send(b"b", ONE, TWO)
        run(1)
        assert [data for _, data in got] == [b"b"]

    def test_closed_port(self) -> None:
        """Who sends to a closed port of a living host is told, with what he sent."""
        network, _, run = pair()
        told: list[tuple[bytes, Address]] = []
        network.attach(ONE, lambda *_: None, lambda quoted, to: told.append((quoted, to)))
        network.send(b"x" * 2000, ONE, (TWO[0], 9))
        run(1)
        assert told == [(b"x" * 500, (TWO[0], 9))]

    def test_no_host(self) -> None:
        """Who sends to a host that is not there is told nothing."""
        network, _, run = pair()
        told: list[object] = []
        network.attach(ONE, lambda *_: None, lambda *arguments: told.append(arguments))
        network.detach(TWO, gone=True)
        network.send(b"x", ONE, TWO)
        run(1)
        assert told == [] and network.nowhere == 1

    def test_watched(self) -> None:
        """A watcher is told of everything, and can see later what became of it."""
        network, _, run = pair()
        seen: list[Passage] = []
        network.watch(seen.append)
        network.lose(lambda passage: passage.data == b"b")
        for data in (b"a", b"b"):
            network.send(data, ONE, TWO)
        network.send(b"c", ONE, (TWO[0], 9))
        run(1)
        assert [passage.fate for passage in seen] == ["delivered", "lost", "nowhere"]
