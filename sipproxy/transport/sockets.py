"""Binding: from the addresses that are to be listened on to sockets, all of them or none."""

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

#: Transports that there is code for.
TRANSPORTS: Final = ("udp", "tcp")

#: Connections that may wait to be accepted.
BACKLOG: Final = 1024

_WORDS: Final = {
    errno.EADDRINUSE: "the port is in use (by another program?)",
    errno.EACCES: "not permitted (ports below 1024 are for root)",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine does not speak that protocol (no IPv6?)",
    errno.EMFILE: "too many open files",
}

MakeSocket = Callable[[socket.AddressFamily, socket.SocketKind], socket.socket]


class ListenError(Exception):
    """An address cannot be listened on; the text is one sentence for the operator."""


@dataclass(frozen=True)
class ListenAddress:
    """One address to listen on.  ``host`` is numeric, IPv6 without brackets.

    ``advertised`` is what Via and Record-Route say instead of it: a host (a name, or an address
    without brackets) and a port.
    """

    transport: str
    host: str
    port: int
    advertised: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{host_port(self.host, self.port)} {self.transport}"


class Listener:
    """A bound socket and what it is known by.  ``index`` is what `Peer.listener` says."""

    __slots__ = ("address", "family", "host", "index", "port", "scope", "sock", "transport")

    def __init__(self, index: int, address: ListenAddress, sock: socket.socket) -> None:
        self.index = index
        self.address = address
        self.sock = sock
        self.transport = address.transport
        self.family = sock.family
        name = sock.getsockname()
        #: The address in the form that the system prints it in; no scope.
        self.host: str = name[0].partition("%")[0]
        #: The port that was really bound, should port 0 have been asked for.
        self.port: int = name[1]
        #: The interface number of a link-local IPv6 address, else 0.
        self.scope: int = name[3] if len(name) == 4 else 0

    @property
    def wildcard(self) -> bool:
        """Whether it listens on every address of its family."""
        return self.host in ("0.0.0.0", "::")

    @property
    def bindable(self) -> str:
        """The address as ``bind`` wants it: a link-local one with its interface."""
        return f"{self.host}%{self.scope}" if self.scope else self.host

    def sent_by(self, local: str) -> bytes:
        """Give what a Via of ours says; ``local`` is the address that a wildcard stands for."""
        if self.address.advertised is not None:
            return host_port(*self.address.advertised).encode()
        return host_port(local if self.wildcard else self.host, self.port).encode()


def host_port(host: str, port: int) -> str:
    """Print a host and a port, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def family_of(host: str) -> socket.AddressFamily | None:
    """Tell the family of a numeric address (a scope may follow); None when it is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except (OSError, ValueError):
        return None
    return family


def bind_all(
    addresses: Sequence[ListenAddress], make: MakeSocket = socket.socket
) -> list[Listener]:
    """Bind every address, in that order.  Raises ListenError, and then none stays bound."""
    _refuse_doubles(addresses)
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners.append(Listener(len(listeners), address, _bind(address, make)))
    except ListenError:
        for listener in listeners:
            listener.sock.close()
        raise
    return listeners


def _refuse_doubles(addresses: Sequence[ListenAddress]) -> None:
    """Name our own mistake before the system blames another program for it."""
    seen: set[tuple[str, str, int]] = set()
    for address in addresses:
        key = (address.transport, address.host, address.port)
        if address.port and key in seen:
            raise ListenError(f"cannot listen on {address}: it is listed twice")
        seen.add(key)


def _bind(address: ListenAddress, make: MakeSocket) -> socket.socket:
    if address.transport not in TRANSPORTS:
        raise ListenError(f"cannot listen on {address}: no such transport")
    family = family_of(address.host)
    if family is None or not 0 <= address.port <= 65535:
        raise ListenError(f"cannot listen on {address}: not a numeric address and port")
    stream = address.transport != "udp"
    try:
        sock = make(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {_words(error)}") from error
    try:
        _bind_socket(sock, address, stream)
    except OSError as error:
        sock.close()
        raise ListenError(f"cannot listen on {address}: {_words(error)}") from error
    return sock


def _bind_socket(sock: socket.socket, address: ListenAddress, stream: bool) -> None:
    sock.setblocking(False)
    if sock.family == socket.AF_INET6:
        # Else [::] takes the IPv4 port along, and 0.0.0.0 could not be bound beside it.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if stream:
        # Connections of a server that was just stopped linger, and would keep the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if "%" in address.host:
        # Only this form needs the resolver, which for a numeric host asks nobody.
        flags = socket.AI_NUMERICHOST
        name = socket.getaddrinfo(address.host, address.port, sock.family, 0, 0, flags)[0][4]
        sock.bind(name)
    else:
        sock.bind((address.host, address.port))
    if stream:
        # Now, not later: two sockets may share a TCP port until one of them listens.
        sock.listen(BACKLOG)


def _words(error: OSError) -> str:
    known = _WORDS.get(error.errno or 0)
    return known or (error.strerror or str(error)).lower()
