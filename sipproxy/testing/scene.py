"""Everything that a scenario needs, in one place: clock, network, server, phones and the ladder.

    scene = Scene("RelayPolicy Open")
    alice, bob = scene.registered("alice", "bob")
    bob.answers(after=2)
    call = alice.call("bob")
    scene.run(5)
    call.hang_up()
    scene.settle()                # the time of all timers; fails when anything is left anywhere

The server is 10.0.0.1:5060, udp and tcp, for the domain example.com; phones stand at 10.0.1.1,
10.0.1.2 and so on, each on port 5060.
"""

from typing import Any, Final

from sipproxy.testing.bare import Bare
from sipproxy.testing.clock import VirtualClock
from sipproxy.testing.ladder import Ladder, label_of
from sipproxy.testing.names import NameTable
from sipproxy.testing.nat import Nat
from sipproxy.testing.network import Network, Passage, Wire
from sipproxy.testing.phone import Phone
from sipproxy.testing.server import SimulatedServer, configuration_of

#: What stands before the text of a scene's configuration.
AROUND: Final = ("Listen 10.0.0.1:5060", "ProxyDomain example.com", "CustomLog Off")

#: Seconds within which everything of a scene must be over: timer C, and all others after it.
LONGEST: Final = 600.0


class Scene:
    """One server and whoever talks to it."""

    def __init__(
        self,
        text: str = "",
        *,
        seed: int = 0,
        delay: float = 0.001,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicates: float = 0.0,
        modules: tuple[Any, ...] = (),
    ) -> None:
        self.clock = VirtualClock()
        self.network = Network(
            self.clock, seed=seed, delay=delay, jitter=jitter, loss=loss, duplicates=duplicates
        )
        self.names = NameTable()
        self.ladder = Ladder(self.network)
        self.server = SimulatedServer(
            self.network, configuration_of(text, AROUND), names=self.names, modules=modules
        )
        self.phones: list[Phone] = []
        self._hosts = 0

    # --- who is there

    def phone(self, name: str, wire: Wire | None = None, host: str = "", **options: Any) -> Phone:
        """Put a phone there; ``options`` are those of `Phone`."""
        host = host or self._next_host(1)
        self._name(host, name)
        phone = Phone(wire or self.network, name, (host, options.pop("port", 5060)), **options)
        self.phones.append(phone)
        return phone

    def registered(self, *names: str, **options: Any) -> list[Phone]:
        """Put phones there that are registered, and forget how they did it."""
        phones = [self.phone(name, **options) for name in names]
        sent = [phone.register() for phone in phones]
        self.run(0.5)
        assert [one.status for one in sent] == [200] * len(sent), str(self.ladder)
        self.ladder.clear()
        return phones

    def bare(self, name: str = "mallory", wire: Wire | None = None) -> Bare:
        """Put an end there that does nothing by itself."""
        host = self._next_host(2)
        self._name(host, name)
        return Bare(wire or self.network, (host, 5060))

    def nat(self, host: str = "203.0.113.9", name: str = "nat", **options: Any) -> Nat:
        """Put a NAT box there."""
        self._name(host, name)
        return Nat(self.network, host, **options)

    def _next_host(self, net: int) -> str:
        self._hosts += 1
        more, last = divmod(self._hosts, 250)
        return f"10.{more}.{net}.{last}"

    def _name(self, host: str, name: str) -> None:
        self.ladder.name(host, name)
        self.ladder.name(self.server.configuration.server["Listen"][0].host, "proxy")

    # --- what happens

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(seconds)

    def lose(self, label: str, times: int = 1, source: str = "", target: str = "") -> None:
        """Lose the next messages of a method or status, from and to a host where one is given."""

        def choose(passage: Passage) -> bool:
            return (
                label_of(passage.data).split()[0] == label
                and source in ("", passage.source[0])
                and target in ("", passage.target[0])
            )

        self.network.lose(choose, times)

    def settle(self, limit: float = LONGEST) -> None:
        """Let time pass until everything is over.  Raises AssertionError when something stays."""
        self.clock.run_until(lambda: not self.remains(), limit)
        remains = self.remains()
        assert not remains, f"left after {limit:g} s: {remains}\n{self.ladder}"
        errors = self.server.driver.counters.core_errors
        assert not errors, f"the core raised {errors} times; see the log"

    def remains(self) -> str:
        """Say what is left of requests at the server and at the phones; empty when nothing is."""
        left = self.server.remains()
        if left:
            return f"at the server {left}"
        for phone in self.phones:
            if len(phone.layer):
                return f"at {phone.name} {len(phone.layer)} transactions"
        return ""

    def bindings(self, user: str) -> list[str]:
        """Give the contacts registered for a user of our domain."""
        found = self.server.registry.lookup(f"{user}@example.com")
        return [binding.contact.decode() for binding in found]
