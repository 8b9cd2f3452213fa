"""What the kernel knows about processes: CPU time, memory, children; and which ports are free."""

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
#: How often a port is tried before we give up; each try meets a port nobody had a moment ago.
_PORT_TRIES: Final = 100


def free_port() -> int:
    """Give a port of the loopback that is free for UDP and for TCP at this moment."""
    for _ in range(_PORT_TRIES):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
        ):
            datagrams.bind((LOOPBACK, 0))
            port = int(datagrams.getsockname()[1])
            try:
                stream.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free for both UDP and TCP")


def is_bound(port: int, datagrams: bool) -> bool:
    """Whether somebody in this network namespace has taken the port."""
    table = Path("/proc/thread-self/net") / ("udp" if datagrams else "tcp")
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        waits = datagrams or fields[3] == _LISTENING
        if waits and int(fields[1].rpartition(":")[2], 16) == port:
            return True
    return False


def family(pid: int) -> list[int]:
    """List a process and everything descended from it."""
    found = [pid]
    for parent in found:
        for task in _tasks(parent):
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


def cpu_seconds(pids: Iterable[int]) -> float:
    """Add up what the processes have used so far, user and system time (proc(5), fields 14, 15)."""
    ticks = 0
    for pid in pids:
        stat = (_PROC / str(pid) / "stat").read_text()
        # The name of the program stands in brackets and may hold anything, spaces included.
        fields = stat[stat.rindex(")") + 2 :].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def resident_bytes(pids: Iterable[int]) -> int:
    """Add up the resident memory of the processes; a page shared by several counts once."""
    kilobytes = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024


def cpu_model() -> str:
    """Say which CPU this machine has."""
    for line in (_PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown CPU"


def split_cores() -> tuple[set[int], set[int]]:
    """Give the cores for a server and those for everything that drives it."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return set(cores), set(cores)
    return {cores[-1]}, set(cores[:-1])


@contextlib.contextmanager
def started_on(cores: set[int]) -> Iterator[None]:
    """Let programs started in this block run on the given cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
