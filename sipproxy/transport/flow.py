"""Flows: from an address to the listener that reaches it, from a flow to a token and back.

Which listener a request leaves by is the routing table's decision: the kernel is asked which of the
machine's addresses it would send from (connecting a UDP socket sends nothing), and the listener on
that address is taken, or one on every address; failing both, any listener of the family that the
kernel agrees to reach the target from.

A token names a flow in the user part of a SIP URI or in a stored binding.  It is not secret and not
signed; the core signs.  That of a UDP flow stays good over a restart, that of a connection carries
the number of the process that had it.
"""

import os
import socket
from binascii import crc32
from collections.abc import Callable, Sequence
from typing import Final

from zope.interface import classImplements

from sipproxy.interfaces import IFlows
from sipproxy.transaction.peer import Address, Peer
from sipproxy.transport.connections import Connections
from sipproxy.transport.sockets import Listener, family_of
from sipproxy.transport.tokens import FlowName, pack, unpack

#: What was learnt from the routing table is forgotten after so many seconds, or entries.
KEPT: Final = 30.0
MAX_KEPT: Final = 20_000

_MAX_PORT: Final = 65535

SourceOf = Callable[[str, str], str | None]


class _Route:
    """How a host is reached by one transport."""

    __slots__ = ("host", "listener", "scope", "sent_by")

    def __init__(self, host: str, listener: int, scope: int, sent_by: bytes) -> None:
        self.host = host
        self.listener = listener
        self.scope = scope
        self.sent_by = sent_by


class Flows:
    """All flows of the server.  Reaches nothing until `open` was called."""

    def __init__(
        self,
        seconds: Callable[[], float],
        source_of: SourceOf | None = None,
        process: int | None = None,
    ) -> None:
        self._seconds = seconds
        self._source_of = source_of or kernel_source
        self._process = int.from_bytes(os.urandom(4), "big") if process is None else process
        self._listeners: Sequence[Listener] = ()
        self._by_check: dict[int, Listener] = {}
        self._connections: Connections | None = None
        self._fixed: set[tuple[str, int]] = set()
        self._routes: dict[tuple[str, str], _Route | None] = {}
        self._own: dict[tuple[str, int | None], bool] = {}
        self._fresh_until = 0.0

    def open(self, listeners: Sequence[Listener], connections: Connections) -> None:
        """Take the listeners, whose index is their place, and the table of connections."""
        self._listeners = listeners
        self._connections = connections
        self._by_check = {_check(listener): listener for listener in listeners}
        self._fixed = set()
        for listener in listeners:
            if not listener.wildcard:
                self._fixed.add((listener.host, listener.port))
            if listener.address.advertised is not None:
                host, port = listener.address.advertised
                self._fixed.add((canonical(host), port))
        self._forget()

    # To an address.

    def peer_for(self, transport: str, host: str, port: int) -> Peer | None:
        """Give the peer at a numeric address; None when no listener reaches it."""
        if self._seconds() >= self._fresh_until:
            self._forget()
        key = (transport, host)
        try:
            route = self._routes[key]
        except KeyError:
            route = self._find_route(transport, host)
            if len(self._routes) >= MAX_KEPT:
                self._forget()
            self._routes[key] = route
        if route is None or not 0 < port <= _MAX_PORT:
            return None
        address: Address | None = None
        if ":" in route.host:
            address = (route.host, port, 0, route.scope)
        return Peer(transport, route.host, port, route.listener, 0, route.sent_by, address)

    def complete(self, peer: Peer) -> Peer:
        """Fill in what our Via says towards a peer that something was received from."""
        if not peer.sent_by and peer.listener < len(self._listeners):
            listener = self._listeners[peer.listener]
            local = listener.host
            if listener.wildcard and listener.address.advertised is None:
                local = self._source_of(_scoped(peer), "") or _loopback(listener)
            peer.sent_by = listener.sent_by(local)
        return peer

    def is_own(self, host: str, port: int | None) -> bool:
        """Say whether one of the listeners answers at that host and port (None: at any)."""
        if self._seconds() >= self._fresh_until:
            self._forget()
        key = (host, port)
        own = self._own.get(key)
        if own is None:
            own = self._is_own(canonical(host), port)
            if len(self._own) >= MAX_KEPT:
                self._forget()
            self._own[key] = own
        return own

    # Tokens.

    def token_of(self, peer: Peer) -> bytes:
        """Name a flow in letters, digits, ``-`` and ``_``."""
        name = FlowName(_check(self._listeners[peer.listener]), peer.host, peer.port, _scope(peer))
        if peer.reliable:
            name.is_stream = True
            name.process = self._process
            name.connection = peer.connection
        return pack(name)

    def peer_of(self, token: bytes) -> Peer | None:
        """Give the flow of a token; None when it is gone, or the token makes no sense."""
        name = unpack(token)
        listener = None if name is None else self._by_check.get(name.check)
        if name is None or listener is None or not name.port:
            return None
        if name.is_stream:
            if name.process != self._process or self._connections is None:
                return None
            connection = self._connections.get(name.connection)
            return None if connection is None else self.complete(connection.peer)
        if listener.transport != "udp" or listener.family != name.family:
            return None
        host, port = name.host, name.port
        address: Address = (host, port, 0, name.scope) if ":" in host else (host, port)
        return self.complete(Peer("udp", host, port, listener.index, 0, b"", address))

    def host_of(self, token: bytes) -> str:
        """Give the remote host of a token, also of a flow that is gone; empty for nonsense."""
        name = unpack(token)
        return "" if name is None else name.host

    def is_datagram(self, token: bytes) -> bool:
        """Say whether a token names a UDP flow."""
        name = unpack(token)
        return name is not None and not name.is_stream

    # Connections that a binding needs.

    def pin(self, peer: Peer) -> None:
        """Keep the connection of a peer, should it be one, until `unpin`."""
        if peer.connection and self._connections is not None:
            self._connections.pin(peer.connection)

    def unpin(self, peer: Peer) -> None:
        """Take one `pin` back."""
        if peer.connection and self._connections is not None:
            self._connections.unpin(peer.connection)

    # What the routing table says.

    def _forget(self) -> None:
        self._routes.clear()
        self._own.clear()
        self._fresh_until = self._seconds() + KEPT

    def _find_route(self, transport: str, host: str) -> _Route | None:
        family = family_of(host)
        plain = canonical(host)
        if family is None or _not_unicast(family, plain):
            return None
        candidates = [
            listener
            for listener in self._listeners
            if listener.transport == transport and listener.family == family
        ]
        if not candidates:
            return None
        target = plain
        if plain.startswith("fe80:"):
            # A link-local address means something only on one interface.
            candidates = [listener for listener in candidates if listener.scope]
            if not candidates:
                return None
            target = f"{plain}%{candidates[0].scope}"
        chosen = self._choose(candidates, target)
        if chosen is None:
            return None
        listener, local = chosen
        return _Route(plain, listener.index, listener.scope, listener.sent_by(local))

    def _choose(self, candidates: Sequence[Listener], target: str) -> tuple[Listener, str] | None:
        first = candidates[0]
        if len(candidates) == 1 and (first.address.advertised or not first.wildcard):
            return first, first.host  # no choice, and nothing to find out: sending will tell
        source = self._source_of(target, "")
        if source is not None:
            for listener in candidates:
                if listener.host == source:
                    return listener, source
            for listener in candidates:
                if listener.wildcard:
                    return listener, source
        for listener in candidates:
            if not listener.wildcard and self._source_of(target, listener.bindable) is not None:
                return listener, listener.host
        return None

    def _is_own(self, host: str, port: int | None) -> bool:
        for own_host, own_port in self._fixed:
            if own_host == host and port in (None, own_port):
                return True
        family = family_of(host)
        for listener in self._listeners:
            if listener.wildcard and listener.family == family and port in (None, listener.port):
                return self._is_local(host)
        return False

    def _is_local(self, host: str) -> bool:
        """Whether the machine has this address: then it sends to it from that very address."""
        return host.startswith("127.") or self._source_of(host, "") == host


def kernel_source(host: str, local: str) -> str | None:
    """Ask the kernel which address it sends from to a numeric ``host``; None: it cannot.

    With ``local`` the question is whether it can be reached from there.
    """
    family = family_of(host)
    if family is None:
        return None
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if local:
                probe.bind((local, 0))
            probe.connect((host, 9))  # no datagram is sent; the port (discard) does not matter
            name: str = probe.getsockname()[0]
    except OSError:
        return None
    return name.partition("%")[0]


def canonical(host: str) -> str:
    """Give an IPv6 address in its usual spelling, without scope; another host in lower case."""
    if ":" not in host:
        return host.lower()
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return host.lower()
    return socket.inet_ntop(socket.AF_INET6, packed)


def _not_unicast(family: socket.AddressFamily, host: str) -> bool:
    """Nothing of ours is sent to everybody, to a group, or to no address at all."""
    packed = socket.inet_pton(family, host)
    if family == socket.AF_INET6:
        return packed[0] == 0xFF or packed == bytes(16) or packed[:12] == bytes(10) + b"\xff\xff"
    return packed[0] == 0 or packed[0] >= 224


def _check(listener: Listener) -> int:
    """Give what a token knows a listener by; the same after a restart."""
    return crc32(f"{listener.transport} {listener.host} {listener.port}".encode())


def _scope(peer: Peer) -> int:
    return peer.address[3] if len(peer.address) == 4 else 0


def _scoped(peer: Peer) -> str:
    scope = _scope(peer)
    return f"{peer.host}%{scope}" if scope else peer.host


def _loopback(listener: Listener) -> str:
    return "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"


# Not a decorator: the class may be compiled, and then takes none.
classImplements(Flows, IFlows)
