"""Measures from outside how long the server stands still: an OPTIONS every few milliseconds.

Runs as a program of its own, so that nothing else delays it.  The moment an answer arrives is the
kernel's (SO_TIMESTAMPNS), so that a delay of this program does not look like one of the server.
"""

import json
import select
import socket
import struct
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

from bench.processes import LOOPBACK, started_on
from bench.servers import ROOT

INTERVAL: Final = 0.005
_LINGER: Final = 2.0
_TIMESPEC: Final = struct.Struct("qq")
#: SO_TIMESTAMPNS of asm-generic/socket.h; the socket module has no name for it.
_SO_TIMESTAMPNS: Final = 35
_REQUEST: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {own_host}:{own};branch=z9hG4bK-probe-{number};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:probe@{host}>;tag=probe\r\n"
    "To: <sip:{host}:{port}>\r\n"
    "Call-ID: {number:010d}-{own}\r\n"
    "CSeq: {number} OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


@dataclass(frozen=True)
class Pauses:
    """What the probe saw; times in milliseconds.  ``lost`` were not answered within 2 s."""

    sent: int
    lost: int
    median_ms: float
    p99_ms: float
    worst_ms: float


class Probe:
    """A running prober; `finish` ends it early or waits for its end."""

    def __init__(self, target: tuple[str, int], seconds: float, cores: set[int]) -> None:
        host, port = target
        with started_on(cores):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.prober", host, str(port), str(seconds)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def finish(self) -> Pauses:
        """End it (closing its input says so) and give what it saw."""
        output, _ = self._process.communicate()
        return Pauses(**json.loads(output))


def probe(target: tuple[str, int], seconds: float) -> Pauses:
    """Ask for so many seconds, or until the standard input is closed."""
    host, port = target
    sent_at: dict[int, int] = {}
    latencies: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        ours.bind((LOOPBACK, 0))
        ours.connect(target)
        own_host, own = ours.getsockname()
        begin = time.monotonic()
        end = begin + seconds
        number = 0
        while (now := time.monotonic()) < end and not _told_to_stop():
            due = begin + number * INTERVAL
            if now < due:
                _collect(ours, due - now, sent_at, latencies)
                continue
            text = _REQUEST.format(
                host=host, port=port, own_host=own_host, own=own, number=number + 1
            )
            sent_at[number + 1] = time.time_ns()
            ours.send(text.encode())
            number += 1
        limit = time.monotonic() + _LINGER
        while sent_at and time.monotonic() < limit:
            _collect(ours, 0.05, sent_at, latencies)
    latencies.sort()
    return Pauses(
        sent=number,
        lost=len(sent_at),
        median_ms=_quantile(latencies, 0.5),
        p99_ms=_quantile(latencies, 0.99),
        worst_ms=_quantile(latencies, 1.0),
    )


def _told_to_stop() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable)


def _collect(
    ours: socket.socket, patience: float, sent_at: dict[int, int], latencies: list[float]
) -> None:
    readable, _, _ = select.select([ours], [], [], patience)
    if not readable:
        return
    data, ancillary, _, _ = ours.recvmsg(65535, 256)
    arrived = time.time_ns()
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value[: _TIMESPEC.size])
            arrived = seconds * 1_000_000_000 + nanoseconds
    at = data.find(b"Call-ID: ") + len(b"Call-ID: ")
    begun = sent_at.pop(int(data[at : at + 10]), None)
    if begun is not None:
        latencies.append((arrived - begun) / 1e6)


def _quantile(ordered: list[float], share: float) -> float:
    if not ordered:
        return float("nan")
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


if __name__ == "__main__":
    print(json.dumps(asdict(probe((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])))))
