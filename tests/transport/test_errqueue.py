"""What counts as unreachable (RFC 3261 section 18.4), and what does not."""

import socket
import struct
from typing import Any

import pytest

from sipproxy.transport import errqueue
from sipproxy.transport.errqueue import Bounced
from tests.transport.fakes import FakeSocket

ICMP = 2
ICMP6 = 3
LOCAL = 1


def entry(origin: int, kind: int, code: int, family: int = socket.AF_INET) -> Any:
    """Read one queued error."""
    fake = FakeSocket(family)
    detail = struct.pack("=IBBBxII", 111, origin, kind, code, 0, 0)
    level = (socket.IPPROTO_IP, errqueue.IP_RECVERR)
    address: tuple[Any, ...] = ("192.0.2.2", 5062)
    if family == socket.AF_INET6:
        level = (socket.IPPROTO_IPV6, errqueue.IPV6_RECVERR)
        address = ("2001:db8::2", 5062, 0, 0)
    fake.errors.append((b"INVITE", [(*level, detail)], 0, address))
    sock: Any = fake
    return errqueue.read(sock)


class CountingTests:
    """Which errors are a failure to deliver."""

    @pytest.mark.parametrize(
        ("kind", "code", "reason"),
        [
            (3, 0, "network unreachable"),
            (3, 1, "host unreachable"),
            (3, 2, "destination unreachable"),
            (3, 3, "port unreachable"),
            (3, 13, "destination unreachable"),
            (12, 0, "parameter problem"),
        ],
    )
    def test_ipv4(self, kind: int, code: int, reason: str) -> None:
        """Unreachable in any way, or a parameter problem."""
        found = entry(ICMP, kind, code)
        assert isinstance(found, Bounced)
        assert (found.address, found.reason) == (("192.0.2.2", 5062), reason)
        assert found.quoted == b"INVITE"

    @pytest.mark.parametrize(
        ("kind", "code", "reason"),
        [(1, 4, "port unreachable"), (1, 3, "host unreachable"), (4, 1, "parameter problem")],
    )
    def test_ipv6(self, kind: int, code: int, reason: str) -> None:
        """The same over IPv6, whose numbers differ."""
        found = entry(ICMP6, kind, code, socket.AF_INET6)
        assert isinstance(found, Bounced)
        assert (found.address, found.reason) == (("2001:db8::2", 5062), reason)

    @pytest.mark.parametrize(
        ("origin", "kind", "code"),
        [(ICMP, 4, 0), (ICMP, 11, 0), (ICMP, 3, 4), (ICMP6, 2, 0), (ICMP6, 3, 0), (LOCAL, 0, 0)],
        ids=["quench", "ttl", "mtu", "mtu6", "hops6", "local"],
    )
    def test_no_failure(self, origin: int, kind: int, code: int) -> None:
        """Source quench, hop limits and a smaller MTU are taken from the queue and forgotten."""
        assert entry(origin, kind, code) is True


class ReadingTests:
    """The queue itself."""

    def test_empty(self) -> None:
        """An empty queue says so."""
        sock: Any = FakeSocket()
        assert errqueue.read(sock) is False

    def test_odd_entries(self) -> None:
        """An entry without, or with too short, details is passed over."""
        fake = FakeSocket()
        fake.errors.append((b"", [], 0, ("192.0.2.2", 1)))
        short = (socket.IPPROTO_IP, errqueue.IP_RECVERR, b"\0")
        fake.errors.append((b"", [short], 0, ("192.0.2.2", 1)))
        sock: Any = fake
        assert [errqueue.read(sock) for _ in range(3)] == [True, True, False]

    def test_enable_by_family(self) -> None:
        """Each family has its own option."""
        four, six = FakeSocket(), FakeSocket(socket.AF_INET6)
        one: Any = four
        two: Any = six
        assert errqueue.enable(one) and errqueue.enable(two)
        assert list(four.options) == [(socket.IPPROTO_IP, errqueue.IP_RECVERR)]
        assert list(six.options) == [(socket.IPPROTO_IPV6, errqueue.IPV6_RECVERR)]
