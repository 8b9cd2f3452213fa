"""Binding: all or none, and one clear sentence when it cannot be."""

import errno
import os
import socket
from typing import Any

import pytest

from sipproxy.transport.sockets import ListenAddress, ListenError, bind_all, family_of, host_port
from tests.transport.fakes import FakeSocket, listener


class BindableSocket(FakeSocket):
    """A fake that can be bound, or refuses to be."""

    def __init__(self, family: int, kind: int, refusals: dict[tuple[str, int], int]) -> None:
        super().__init__(family)
        self.kind = kind
        self.refusals = refusals
        self.listening = False

    def bind(self, address: tuple[Any, ...]) -> None:
        """Bind, or refuse with the error number told."""
        number = self.refusals.get((address[0], address[1]))
        if number is not None:
            raise OSError(number, os.strerror(number))
        self.name = address

    def listen(self, backlog: int) -> None:
        """Listen."""
        self.listening = True


class Machine:
    """Makes sockets, and remembers them."""

    def __init__(self, refusals: dict[tuple[str, int], int] | None = None) -> None:
        self.refusals = refusals or {}
        self.made: list[BindableSocket] = []

    def __call__(self, family: socket.AddressFamily, kind: socket.SocketKind) -> Any:
        """Make one."""
        self.made.append(BindableSocket(family, kind, self.refusals))
        return self.made[-1]


def sentence(number: int, transport: str = "udp") -> str:
    """Give what the operator reads when binding fails with an error number."""
    address = ListenAddress(transport, "127.0.0.1", 5070)
    with pytest.raises(ListenError) as caught:
        bind_all([address], Machine({("127.0.0.1", 5070): number}))
    return str(caught.value)


class BindingTests:
    """From addresses to sockets."""

    def test_all(self) -> None:
        """Each address has its socket, in order, and knows its index."""
        machine = Machine()
        bound = bind_all(
            [ListenAddress("udp", "127.0.0.1", 5060), ListenAddress("tcp", "::1", 5062)], machine
        )
        assert [(it.index, it.transport, it.host, it.port) for it in bound] == [
            (0, "udp", "127.0.0.1", 5060),
            (1, "tcp", "::1", 5062),
        ]
        assert [sock.listening for sock in machine.made] == [False, True]

    def test_none(self) -> None:
        """When the third fails the first two are closed again."""
        machine = Machine({("127.0.0.3", 5060): errno.EADDRINUSE})
        addresses = [ListenAddress("udp", f"127.0.0.{n}", 5060) for n in (1, 2, 3, 4)]
        with pytest.raises(ListenError):
            bind_all(addresses, machine)
        assert [sock.closed for sock in machine.made] == [True, True, True]

    def test_families_are_apart(self) -> None:
        """[::] does not take the IPv4 port, so that 0.0.0.0 can stand beside it."""
        machine = Machine()
        bind_all([ListenAddress("tcp", "::", 5060), ListenAddress("tcp", "0.0.0.0", 5060)], machine)
        six, four = machine.made
        assert six.options[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] == 1
        assert (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) not in four.options

    def test_restart_gets_its_port_back(self) -> None:
        """TCP may reuse the address of connections that linger; UDP must not, or it would share."""
        machine = Machine()
        bind_all([ListenAddress("tcp", "::1", 1), ListenAddress("udp", "::1", 1)], machine)
        tcp, udp = machine.made
        assert tcp.options[socket.SOL_SOCKET, socket.SO_REUSEADDR] == 1
        assert (socket.SOL_SOCKET, socket.SO_REUSEADDR) not in udp.options


class SentenceTests:
    """What the operator reads."""

    def test_in_use(self) -> None:
        """The most common mistake has the clearest words."""
        assert sentence(errno.EADDRINUSE) == (
            "cannot listen on 127.0.0.1:5070 udp: the port is in use (by another program?)"
        )

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.EACCES, "not permitted (ports below 1024 are for root)"),
            (errno.EADDRNOTAVAIL, "this machine has no such address"),
            (errno.EIO, "input/output error"),
        ],
    )
    def test_others(self, number: int, words: str) -> None:
        """Known errors in our words, others in the system's."""
        assert sentence(number, "tcp") == f"cannot listen on 127.0.0.1:5070 tcp: {words}"

    def test_no_family(self) -> None:
        """A machine without IPv6 says so."""

        def make(family: int, kind: int) -> Any:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

        with pytest.raises(ListenError, match=r"\[::1\]:5060 udp: .*no IPv6"):
            bind_all([ListenAddress("udp", "::1", 5060)], make)

    @pytest.mark.parametrize(
        "address",
        [
            ListenAddress("udp", "sip.example.com", 5060),
            ListenAddress("udp", "127.0.0.1", 65536),
            ListenAddress("sctp", "127.0.0.1", 5060),
        ],
        ids=str,
    )
    def test_nonsense(self, address: ListenAddress) -> None:
        """What cannot be bound is refused before a socket is made."""
        machine = Machine()
        with pytest.raises(ListenError, match=r"^cannot listen on "):
            bind_all([address], machine)
        assert machine.made == []

    def test_twice(self) -> None:
        """A line written twice is not blamed on another program."""
        address = ListenAddress("udp", "127.0.0.1", 5060)
        with pytest.raises(ListenError, match="it is listed twice"):
            bind_all([address, address], Machine())


class ListenerTests:
    """What a bound listener is known by."""

    def test_sent_by_is_the_address(self) -> None:
        """A Via names the listener's own address, IPv6 in brackets."""
        assert listener(0, "udp", "192.0.2.9").sent_by("") == b"192.0.2.9:5060"
        assert listener(0, "udp", "2001:db8::9").sent_by("") == b"[2001:db8::9]:5060"

    def test_sent_by_of_all_addresses(self) -> None:
        """One on all addresses names the one that is used."""
        assert listener(0, "udp", "0.0.0.0").sent_by("192.0.2.9") == b"192.0.2.9:5060"

    def test_sent_by_as_advertised(self) -> None:
        """An advertised address always comes first."""
        it = listener(0, "udp", "10.0.0.1", advertised=("sip.example.com", 5080))
        assert it.sent_by("10.0.0.1") == b"sip.example.com:5080"


class AddressTests:
    """Small questions about addresses."""

    @pytest.mark.parametrize(
        ("host", "family"),
        [
            ("192.0.2.1", socket.AF_INET),
            ("::1", socket.AF_INET6),
            ("fe80::1%eth0", socket.AF_INET6),
            ("example.com", None),
            ("1.2.3.999", None),
            ("1.2.3", None),
            ("", None),
            ("::zz", None),
            ("1.2.3.4\0", None),
        ],
    )
    def test_family(self, host: str, family: int | None) -> None:
        """Only complete numeric addresses have one."""
        assert family_of(host) == family

    def test_host_port(self) -> None:
        """Brackets where a colon would confuse."""
        assert host_port("::1", 5060) == "[::1]:5060"
        assert host_port("a.example", 1) == "a.example:1"
