"""A flow as text: letters, digits, ``-`` and ``_`` only, so that a SIP URI's user part may hold it.

Not secret and not signed; whoever lets a token out into the world signs it.
"""

import socket
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

# Kind, check number of the listener, port; then the packed host; for a scoped address the number of
# the interface; for a stream the process and the connection.
_HEAD: Final = struct.Struct(">BIH")
_SCOPE: Final = struct.Struct(">I")
_STREAM: Final = struct.Struct(">IQ")

_IS_V6: Final = 1
_IS_STREAM: Final = 2
_IS_SCOPED: Final = 4


class FlowName:
    """What a token says.  ``process`` and ``connection`` are 0 for UDP."""

    __slots__ = ("check", "connection", "host", "is_stream", "port", "process", "scope")

    def __init__(
        self,
        check: int,
        host: str,
        port: int,
        scope: int = 0,
        is_stream: bool = False,
        process: int = 0,
        connection: int = 0,
    ) -> None:
        self.check = check
        self.host = host
        self.port = port
        self.scope = scope
        self.is_stream = is_stream
        self.process = process
        self.connection = connection

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of the host."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def pack(name: FlowName) -> bytes:
    """Write a token.  The host is numeric: OSError otherwise."""
    kind = 0
    tail = b""
    if name.family == socket.AF_INET6:
        kind |= _IS_V6
    if name.scope:
        kind |= _IS_SCOPED
        tail += _SCOPE.pack(name.scope)
    if name.is_stream:
        kind |= _IS_STREAM
        tail += _STREAM.pack(name.process, name.connection)
    packed = _HEAD.pack(kind, name.check, name.port)
    packed += socket.inet_pton(name.family, name.host) + tail
    return urlsafe_b64encode(packed).rstrip(b"=")


def unpack(token: bytes) -> FlowName | None:
    """Read a token; None when it is not one."""
    try:
        return _unpack(urlsafe_b64decode(token + b"=" * (-len(token) % 4)))
    except (ValueError, struct.error, OSError):
        return None


def _unpack(packed: bytes) -> FlowName | None:
    kind, check, port = _HEAD.unpack_from(packed)
    at = _HEAD.size
    family, size = (socket.AF_INET6, 16) if kind & _IS_V6 else (socket.AF_INET, 4)
    name = FlowName(check, socket.inet_ntop(family, packed[at : at + size]), port)
    at += size
    if kind & _IS_SCOPED:
        (name.scope,) = _SCOPE.unpack_from(packed, at)
        at += _SCOPE.size
    if kind & _IS_STREAM:
        name.is_stream = True
        name.process, name.connection = _STREAM.unpack_from(packed, at)
        at += _STREAM.size
    return name if at == len(packed) else None
