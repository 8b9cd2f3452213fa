"""What the registry costs: memory a binding, time an operation, and the longest pause.

    python bench/registry_memory.py [--folder DIR] [BINDINGS ...]

Every size runs in a process of its own, over a real journal and a real SQLite file in DIR. Times
are wall clock; where a second figure stands in brackets it is the processor time of the reactor's
thread, which other programs on the machine do not spoil.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from sipproxy.stores.records import Binding
from sipproxy.stores.registry import Registry
from sipproxy.stores.state import OpenRegistry, open_registry

LIFE = 3600.0
TURN_SECONDS = 0.005
PAUSE_SECONDS = 15.0


def make(number: int) -> Binding:
    """Give a binding of usual size: a phone behind NAT with outbound and an edge proxy's Path."""
    host = b"10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255)
    return Binding(
        contact=b"sip:user%d@%s:5060;transport=tcp;ob" % (number, host),
        call_id=b"%016x%016x@%s" % (number * 7919, number * 104729, host),
        cseq=number & 0xFFFF,
        expires=time.time() + LIFE,
        q=1000,
        path=(b"<sip:edge%d.example.com;lr;ob>" % (number & 3),),
        instance=b"<urn:uuid:%08x-0000-1000-8000-%012x>" % (number, number),
        reg_id=1,
        params=b'+sip.instance="<urn:uuid:%08x-0000-1000-8000-%012x>";reg-id=1' % (number, number),
        received=b"1/tcp/198.51.100.%d:%d" % (number & 255, 1024 + number % 60000),
        user_agent=b"Linphone-Desktop/5.1.2 (Debian) LinphoneSDK/5.2.%d" % (number & 7),
        updated=time.time(),
    )


def aor(number: int) -> str:
    """Give the AoR of a number."""
    return f"user{number:07d}@sip.example.com"


def resident() -> int:
    """Give the resident memory of this process in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Worst:
    """The longest of many runs."""

    def __init__(self) -> None:
        self.wall = self.cpu = self.total = 0.0
        self.runs = 0

    def run(self, call: Callable[[], object]) -> None:
        """Run and measure."""
        cpu = time.thread_time()
        wall = time.perf_counter()
        call()
        wall = time.perf_counter() - wall
        cpu = time.thread_time() - cpu
        self.wall = max(self.wall, wall)
        self.cpu = max(self.cpu, cpu)
        self.total += wall
        self.runs += 1

    def __str__(self) -> str:
        return f"{self.wall * 1e3:.2f} ({self.cpu * 1e3:.2f}) ms"


def per_call(call: Callable[[int], object], count: int) -> float:
    """Give the microseconds a call takes; best of three."""
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        for number in range(count):
            call(number)
        best = min(best, time.perf_counter() - start)
    return round(best / count * 1e6, 2)


def fill(registry: Registry, count: int) -> Worst:
    """Register ``count`` phones, ten a turn; give the longest turn."""
    worst = Worst()

    def turn() -> None:
        for binding, name in work:
            registry.replace(name, [binding])
        registry.flush()

    for start in range(0, count, 10):
        work = [(make(number), aor(number)) for number in range(start, start + 10)]
        worst.run(turn)
    return worst


def operations(registry: Registry, count: int) -> dict[str, Any]:
    """Time single operations on AoRs spread over the registry."""
    step = 7919
    names = [aor(number * step % count) for number in range(20_000)]
    strangers = [f"nobody{number}@sip.example.com" for number in range(20_000)]
    fresh = [[make(number * step % count)] for number in range(20_000)]

    def refresh(number: int) -> None:
        fresh[number][0].expires += 1.0
        registry.replace(names[number], fresh[number])

    def refresh_and_flush(number: int) -> None:
        refresh(number)
        registry.flush()

    figures = {
        "lookup us": per_call(lambda number: registry.lookup(names[number]), 20_000),
        "lookup unknown us": per_call(lambda number: registry.lookup(strangers[number]), 20_000),
        "replace us": per_call(refresh, 20_000),
    }
    registry.flush()
    figures["replace and flush us"] = per_call(refresh_and_flush, 20_000)
    return figures


def collect() -> str:
    """Time a full garbage collection."""
    worst = Worst()
    for _ in range(5):
        worst.run(gc.collect)
    return str(worst)


def steady(registry: Registry, count: int) -> dict[str, str]:
    """Live like a busy server, the follower at work: longest turn, sweep and wake-up."""
    turns, sweeps, late = Worst(), Worst(), Worst()
    number = 0

    def turn() -> None:
        nonlocal number
        for _ in range(5):
            number = (number + 7919) % count
            registry.replace(aor(number), [make(number)])
        registry.flush()
        for offset in range(20):
            registry.lookup(aor((number + offset) % count))

    end = time.perf_counter() + PAUSE_SECONDS
    while time.perf_counter() < end:
        late.run(lambda: time.sleep(TURN_SECONDS))
        turns.run(turn)
        if turns.runs % 20 == 0:
            sweeps.run(registry.sweep)
    late.wall -= TURN_SECONDS
    return {
        "longest turn": str(turns),
        "longest sweep slice": str(sweeps),
        "latest wake-up": f"{late.wall * 1e3:.2f} ms",
    }


def measure(folder: str, count: int) -> dict[str, Any]:
    """Measure everything at one size."""
    gc.collect()
    empty = resident()
    opened = open_registry(folder, time.time)
    start = time.perf_counter()
    longest = fill(opened.registry, count)
    figures: dict[str, Any] = {
        "bindings": count,
        "registered a second": round(count / (time.perf_counter() - start)),
        "longest turn while filling": str(longest),
        "behind after filling": opened.follower.status().behind,
        "bytes a value": len(opened.registry.raw(aor(count // 2))),
    }
    figures["resident bytes a binding"] = round((resident() - empty) / count)
    figures |= operations(opened.registry, count)
    figures["full collection"] = collect()
    figures |= steady(opened.registry, count)
    figures["sweep of everything ms"] = round(sweep_all(opened) * 1e3, 1)
    start = time.perf_counter()
    figures["database complete"] = opened.close(300.0)
    figures["stop s"] = round(time.perf_counter() - start, 2)
    return figures


def sweep_all(opened: OpenRegistry) -> float:
    """Give the seconds one whole round of sweeping takes."""
    start = time.perf_counter()
    opened.registry.sweep(1 << 60)
    return time.perf_counter() - start


def restart(folder: str, count: int) -> dict[str, Any]:
    """Measure a start with a full database."""
    gc.collect()
    empty = resident()
    opened = open_registry(folder, time.time)
    figures = {
        "start s": round(opened.report.seconds, 2),
        "loaded": opened.report.bindings,
        "resident bytes a binding after a start": round((resident() - empty) / count),
        "database bytes a binding": round(
            os.path.getsize(os.path.join(folder, "bindings.sqlite")) / count
        ),
    }
    opened.close()
    return figures


def in_process(step: str, folder: str, count: int) -> dict[str, Any]:
    """Run a step of this program in a fresh process."""
    command = [sys.executable, __file__, "--step", step, "--folder", folder, str(count)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def main() -> None:
    """Run all sizes, or one step of one size when asked by ourselves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=None, help="where the files go; a temporary folder")
    parser.add_argument("--step", choices=("measure", "restart"), help=argparse.SUPPRESS)
    parser.add_argument("bindings", nargs="*", type=int)
    options = parser.parse_args()
    if options.step:
        run = measure if options.step == "measure" else restart
        print(json.dumps(run(options.folder, options.bindings[0])))
        return
    for count in options.bindings or [100_000, 1_000_000]:
        folder = tempfile.mkdtemp(prefix="registry-", dir=options.folder)
        try:
            figures = in_process("measure", folder, count) | in_process("restart", folder, count)
        finally:
            shutil.rmtree(folder)
        for name, value in figures.items():
            print(f"{name:40} {value}")
        print()


if __name__ == "__main__":
    main()
