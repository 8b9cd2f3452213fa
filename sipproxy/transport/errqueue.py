"""The error queue of a UDP socket (Linux, ``ip(7)`` under IP_RECVERR): which datagram came back.

An unconnected UDP socket normally hears of no ICMP error.  With IP_RECVERR the kernel queues each
one, together with the address that the lost datagram was for and the part of it that the ICMP
message quoted.  Not every error counts: RFC 3261 section 18.4 names unreachable host, network, port
and protocol, and parameter problems; source quench and exceeded hop limits are to be ignored.
"""

import socket
import struct
import sys
from typing import Final

#: From <linux/in.h> and <linux/in6.h>; Python 3.11 has no names for them.
IP_RECVERR: Final = 11
IPV6_RECVERR: Final = 25

MSG_ERRQUEUE: Final = 0x2000

#: struct sock_extended_err of <linux/errqueue.h>: errno, origin, type, code, padding, info, data.
_EXTENDED: Final = struct.Struct("=IBBBxII")
_ORIGIN_ICMP: Final = 2
_ORIGIN_ICMP6: Final = 3

#: (type, code that does not count).  Code 4 of type 3 only tells a smaller MTU, which the kernel
#: has noted by then: the next retransmission goes out in fragments.
_UNREACHABLE4: Final = 3
_FRAGMENTATION_NEEDED: Final = 4
_PARAMETER_PROBLEM4: Final = 12
_UNREACHABLE6: Final = 1
_PARAMETER_PROBLEM6: Final = 4

_WORDS4: Final = {0: "network unreachable", 1: "host unreachable", 3: "port unreachable"}
_WORDS6: Final = {0: "network unreachable", 3: "host unreachable", 4: "port unreachable"}

#: Enough of the lost datagram to recognise it by its Via.
QUOTED: Final = 512


class Bounced:
    """One datagram that an ICMP message reported as undeliverable."""

    __slots__ = ("address", "quoted", "reason")

    def __init__(self, address: tuple[str, int], reason: str, quoted: bytes) -> None:
        self.address = address
        self.reason = reason
        self.quoted = quoted


def enable(sock: socket.socket) -> bool:
    """Have ICMP errors queued; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    except OSError:
        return False
    return True


def read(sock: socket.socket) -> Bounced | bool:
    """Take one entry: what bounced, True for an entry that does not count, False when empty."""
    try:
        quoted, ancillary, _, address = sock.recvmsg(QUOTED, 512, MSG_ERRQUEUE)
    except OSError:
        return False
    for level, kind, data in ancillary:
        if (level, kind) in (
            (socket.IPPROTO_IP, IP_RECVERR),
            (socket.IPPROTO_IPV6, IPV6_RECVERR),
        ):
            reason = _reason(data)
            if reason and address:
                return Bounced((address[0], address[1]), reason, quoted)
    return True


def _reason(data: bytes) -> str:
    """Say in words why a datagram bounced; empty when the error does not count."""
    if len(data) < _EXTENDED.size:
        return ""
    _, origin, kind, code, _, _ = _EXTENDED.unpack_from(data)
    if origin == _ORIGIN_ICMP:
        if kind == _UNREACHABLE4 and code != _FRAGMENTATION_NEEDED:
            return _WORDS4.get(code, "destination unreachable")
        return "parameter problem" if kind == _PARAMETER_PROBLEM4 else ""
    if origin == _ORIGIN_ICMP6:
        if kind == _UNREACHABLE6:
            return _WORDS6.get(code, "destination unreachable")
        return "parameter problem" if kind == _PARAMETER_PROBLEM6 else ""
    return ""
