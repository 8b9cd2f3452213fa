"""Throws tortured and damaged messages at a server, and asks it now and then whether it lives.

The seed is printed by whoever uses this, so that a find can be made again.
"""

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Final

from bench.processes import LOOPBACK
from bench.servers import ROOT, answers
from sipproxy.testing.damage import damaged

VECTORS: Final = ROOT / "tests" / "vectors" / "torture"
_MOST: Final = 60_000
#: After so many datagrams the server is asked whether it still answers: none is lost for want
#: of room in its socket, and a crash is found near its cause.
_BATCH: Final = 32
_SENDS_A_CONNECTION: Final = 4
_PATIENCE: Final = 20.0
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_SOUND: Final = tuple(
    text.replace("\n", "\r\n").encode()
    for text in (
        "INVITE sip:bob@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKd1;rport\n"
        "Max-Forwards: 70\nFrom: <sip:a@127.0.0.1>;tag=1\nTo: <sip:bob@127.0.0.1>\n"
        "Call-ID: damage-1\nCSeq: 1 INVITE\nContact: <sip:a@127.0.0.1:9>\n"
        "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\n",
        "REGISTER sip:127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKd2;rport\n"
        "Max-Forwards: 70\nFrom: <sip:a@127.0.0.1>;tag=1\nTo: <sip:a@127.0.0.1>\n"
        "Call-ID: damage-2\nCSeq: 1 REGISTER\nContact: <sip:a@127.0.0.1:9>;expires=60;q=0.5\n"
        "Path: <sip:127.0.0.1:9;lr>\nExpires: 60\nContent-Length: 0\n\n",
        "BYE sip:a@127.0.0.1:9 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKd3;rport\n"
        "Max-Forwards: 70\nRoute: <sip:127.0.0.1:9;lr>, <sip:127.0.0.1:9;lr;x=y>\n"
        "From: <sip:a@127.0.0.1>;tag=1\nTo: <sip:b@127.0.0.1>;tag=2\n"
        "Call-ID: damage-3\nCSeq: 2 BYE\nContent-Length: 0\n\n",
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKd4\n"
        "From: <sip:a@127.0.0.1>;tag=1\nTo: <sip:b@127.0.0.1>;tag=2\n"
        "Call-ID: damage-4\nCSeq: 1 INVITE\nContact: <sip:b@127.0.0.1:9>\nContent-Length: 0\n\n",
    )
)


def vectors() -> list[bytes]:
    """Give the messages of the torture folder, in order of name."""
    return [path.read_bytes() for path in sorted(VECTORS.glob("*.msg"))]


def damaged_messages(count: int, seed: int) -> Iterator[bytes]:
    """Give so many messages, each made from a sound or a tortured one."""
    originals = [*_SOUND, *vectors()]
    for number in range(count):
        yield damaged(originals, seed, number)[:_MOST]


def throw_datagrams(target: tuple[str, int], messages: Iterable[bytes]) -> int:
    """Throw them at the UDP port; gives their number.  Raises TimeoutError: no more answers."""
    count = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind((LOOPBACK, 0))
        for message in messages:
            ours.sendto(message, target)
            count += 1
            if count % _BATCH == 0:
                still_serves(target, count)
                _drain(ours)
    still_serves(target, count)
    return count


def throw_on_connections(target: tuple[str, int], messages: Iterable[bytes]) -> int:
    """Throw them at the TCP port, a few on each connection; gives their number."""
    count = 0
    connection: socket.socket | None = None
    for message in messages:
        if connection is None:
            connection = socket.create_connection(target, timeout=_PATIENCE)
            # A reset frees the port at once; 100,000 connections would use them up otherwise.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        count += 1
        if not _offer(connection, message) or count % _SENDS_A_CONNECTION == 0:
            connection.close()
            connection = None
        if count % (_BATCH * _SENDS_A_CONNECTION) == 0:
            still_serves(target, count)
    if connection is not None:
        connection.close()
    still_serves(target, count)
    return count


def still_serves(target: tuple[str, int], number: int) -> None:
    """Wait for an answer to OPTIONS over UDP.  Raises TimeoutError when none comes."""
    limit = time.monotonic() + _PATIENCE
    while not answers(*target, number=number, patience=1.0):
        if time.monotonic() > limit:
            raise TimeoutError(f"no answer any more after {number} messages")


def _offer(connection: socket.socket, message: bytes) -> bool:
    try:
        connection.sendall(message)
        connection.setblocking(False)
        return bool(connection.recv(65535))
    except BlockingIOError:
        return True
    except OSError:
        return False  # The server has closed it, as it may.
    finally:
        connection.settimeout(_PATIENCE)


def _drain(ours: socket.socket) -> None:
    ours.setblocking(False)
    try:
        while True:
            ours.recv(65535)
    except BlockingIOError:
        pass
    finally:
        ours.setblocking(True)
