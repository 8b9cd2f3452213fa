"""``python -m bench.soak``: what only shows after many thousands of times.

Calls at a rate, rubbish by the hundred thousand, crash after crash.  Each part starts a server of
its own, must end without a fault, and adds a line to bench/results/soak-<date>.md.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from bench.hostile import damaged_messages, throw_datagrams, throw_on_connections
from bench.namespaces import Namespace
from bench.processes import LOOPBACK, free_port
from bench.registrator import ask_many, register_many, user_name
from bench.report import RESULTS, commit, machine
from bench.servers import SipProxy
from bench.sipp import Job, Outcome, Sipp

_CALLEES: Final = 1000
_HOLD: Final = 200
_TRANSPORTS: Final = {"udp": "u1", "tcp": "t1"}
_SLACK: Final = 60

#: A part of the soak: does its work in a folder and says in one line what it did.
Part: TypeAlias = Callable[[Path], str]


class SoakFailed(AssertionError):
    """Something went wrong that must not; the text says what."""


def calls(folder: Path, transport: str, count: int, rate: int) -> str:
    """Make calls at a rate; none may fail, and nobody may have to send anything twice."""
    parameter = "" if transport == "udp" else ";transport=tcp"
    port = free_port()
    timeout = count // rate + _SLACK
    with SipProxy(folder / "server") as server:
        tally = register_many(server.address, _CALLEES, f"{LOOPBACK}:{port}{parameter}")
        _must(tally.accepted == _CALLEES, f"only {tally.accepted} callees could register")
        answering = Job(
            "uas_call", server.address, count, transport=_TRANSPORTS[transport],
            local_port=port, timeout=timeout,
        )  # fmt: skip
        calling = Job(
            "uac_call", server.address, count, rate, transport=_TRANSPORTS[transport], hold=_HOLD,
            rows=[("caller", user_name(number)) for number in range(_CALLEES)], timeout=timeout,
            at_a_time=rate * 10,
        )  # fmt: skip
        with Sipp(answering, folder) as callee:
            callee.wait_until_listening()
            with Sipp(calling, folder) as caller:
                outcomes = [caller.wait(), callee.wait()]
        for outcome in outcomes:
            _must_be_clean(outcome, count)
        _must_be_sound(server)
    return f"{count:,} calls over {transport} at {rate}/s, nothing failed or sent twice"


def rubbish(folder: Path, count: int, seed: int) -> str:
    """Throw damaged messages, half of them over UDP, and see that calls still work."""
    half = count // 2
    print(f"seed {seed}", file=sys.stderr)
    with Namespace("soak") as space, space.entered(), SipProxy(folder / "server") as server:
        throw_datagrams(server.address, damaged_messages(half, seed))
        throw_on_connections(server.address, damaged_messages(half, seed + 1))
        _must_be_sound(server)
    return f"{count:,} damaged messages (seed {seed}), still serving, no error logged"


def crashes(folder: Path, count: int, seed: int) -> str:
    """Kill the server in the middle of registrations, over and over; every 200 must hold."""
    chance = random.Random(seed)
    contact = f"{LOOPBACK}:{free_port()}"
    server = SipProxy(folder / "server")
    known: set[int] = set()
    with server:
        for number in range(count):
            after = chance.randint(1, 3000)

            def crash(accepted: int, after: int = after) -> None:
                if accepted == after:
                    server.kill()

            first = number * 10_000
            tally = register_many(
                server.address, 10_000, contact, first, patience=1.0, on_accepted=crash
            )
            _must(not server.alive, "the server was to be killed, and was not")
            known.update(tally.bound)
            server.start()
            found = ask_many(server.address, sorted(known))
            lost = known - set(found.bound)
            _must(not lost, f"after crash {number + 1} {len(lost)} of {len(known)} are lost")
        _must_be_sound(server)
    return f"{count} crashes in the middle of registrations, all {len(known):,} answered kept"


def _must(condition: bool, text: str) -> None:
    if not condition:
        raise SoakFailed(text)


def _must_be_clean(outcome: Outcome, count: int) -> None:
    _must(outcome.clean and outcome.successful == count, str(outcome))


def _must_be_sound(server: SipProxy) -> None:
    bad = server.faults()
    _must(not bad, f"{len(bad)} errors logged, the first: {bad[0] if bad else ''}")


def parts(scale: float = 1.0, seed: int = 1) -> dict[str, Part]:
    """Give the parts by name; with a scale below 1 there is less of everything."""
    many = max(1, int(10_000 * scale))
    return {
        "calls-udp": lambda folder: calls(folder, "udp", many, 300),
        "calls-tcp": lambda folder: calls(folder, "tcp", many, 300),
        "rubbish": lambda folder: rubbish(folder, 10 * many, seed),
        "crashes": lambda folder: crashes(folder, max(2, int(20 * scale)), seed),
    }


def run_part(name: str, part: Part, folder: Path) -> str:
    """Run one part and note the result; gives its line.  Raises SoakFailed."""
    begin = time.monotonic()
    try:
        line = part(folder)
    except Exception as error:
        _note(name, f"FAILED: {str(error).splitlines()[0]}", begin)
        raise
    _note(name, line, begin)
    return line


def _note(name: str, line: str, begin: float) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"soak-{time.strftime('%Y-%m-%d')}.md"
    if not path.exists():
        path.write_text(
            "# Soak\n\n| when | commit | part | seconds | result |\n|---|---|---|---|---|\n"
        )
    seconds = f"{time.monotonic() - begin:.0f}"
    cells = [time.strftime("%H:%M"), commit(), name, seconds, line]
    with path.open("a") as notes:
        notes.write("| " + " | ".join(cells) + " |\n")


def main(arguments: Sequence[str]) -> int:
    """Run the parts asked for; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of everything")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the rubbish")
    parser.add_argument("part", nargs="*", help=f"which; all without: {', '.join(parts())}")
    options = parser.parse_args(arguments)
    print(machine())
    failed = False
    for name, part in parts(options.scale, options.seed).items():
        if options.part and name not in options.part:
            continue
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            try:
                print(f"{name}: {run_part(name, part, Path(folder))}", flush=True)
            except Exception as error:
                print(f"{name}: FAILED\n{error}", flush=True)
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
