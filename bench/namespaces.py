"""Network namespaces of Linux: machines and routers made of nothing, for one test.

Needs root and the programs ``ip`` and ``nft``.  A socket belongs to the namespace in which it was
made, and a program to the one in which it was started, so one test process can be everywhere.
"""

import contextlib
import ctypes
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_CLONE_NEWNET: Final = 0x40000000
_HERE: Final = Path("/proc/thread-self/ns/net")


class Namespace:
    """One network namespace with its loopback up; gone when the ``with`` block is left."""

    def __init__(self, label: str) -> None:
        self.name = f"{label}-{uuid.uuid4().hex[:8]}"
        self._cables: dict[str, str] = {}

    def __enter__(self) -> Self:
        _run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _run("ip", "netns", "delete", self.name)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make sockets and start programs inside, from this thread, while the block lasts."""
        back = os.open(_HERE, os.O_RDONLY)
        try:
            _enter(f"/run/netns/{self.name}")
            try:
                yield
            finally:
                _set(back)
        finally:
            os.close(back)

    def run(self, *command: str, given: str | None = None) -> None:
        """Run a command inside.  Raises CalledProcessError, with what it said, when it fails."""
        _run("ip", "netns", "exec", self.name, *command, given=given)

    def join(self, address: str, other: "Namespace", other_address: str) -> None:
        """Lay a cable to another namespace, with an address (and prefix length) at each end."""
        ours, theirs = (f"v{uuid.uuid4().hex[:10]}" for _ in range(2))
        _run(
            "ip", "link", "add", ours, "netns", self.name,
            "type", "veth", "peer", "name", theirs, "netns", other.name,
        )  # fmt: skip
        for space, interface, own in ((self, ours, address), (other, theirs, other_address)):
            space.run("ip", "address", "add", own, "dev", interface)
            space.run("ip", "link", "set", interface, "up")
        self._cables[other.name] = ours
        other._cables[self.name] = theirs

    def route_by(self, gateway: str) -> None:
        """Send everything that is not at hand to this gateway."""
        self.run("ip", "route", "add", "default", "via", gateway)

    def route_to(self, address: str, neighbour: "Namespace") -> None:
        """Reach one address over the cable to a neighbour, for when the two share no network."""
        self.run("ip", "route", "add", f"{address}/32", "dev", self._cables[neighbour.name])

    def masquerade(self, inside: str) -> None:
        """Be a NAT router: what comes from the network `inside` leaves under our own address."""
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        rules = (
            "table ip nat {\n chain out {\n  type nat hook postrouting priority srcnat\n"
            f"  ip saddr {inside} ip daddr != {inside} masquerade\n }}\n}}\n"
        )
        self.run("nft", "-f", "-", given=rules)


def _run(*command: str, given: str | None = None) -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def _enter(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        _set(handle)
    finally:
        os.close(handle)


def _set(handle: int) -> None:
    # os.setns came with Python 3.12 only.
    if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter the network namespace: {os.strerror(number)}")
