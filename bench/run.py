"""``make bench``: what a call and a registration cost, beside Kamailio on the same machine.

Every round takes each server in turn, so that whatever else the machine does meets all of them.
The server has a core for itself; SIPp and the prober share the others.
"""

import argparse
import contextlib
import dataclasses
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.measure import FULL, QUICK, Bench, MeasureFailed, Plan
from bench.processes import split_cores
from bench.report import OURS, Findings, commit, text_of, write
from bench.servers import Kamailio, Server, SipProxy, StartFailed
from bench.sipp import SippMissing

_MILLION: Final = 1_000_000
#: Everything as it is by default, the access log included (Kamailio writes none).
_LINES: Final = (f"MaxBindings {2 * _MILLION}",)
#: The same server compiled (setup.py), as ``pip install`` has it.
_COMPILED: Final = f"{OURS}-compiled"
#: The folder of the compiled tree; ``make bench`` sets it.
_COMPILED_TREE: Final = os.environ.get("SIPPROXY_COMPILED", "")
_NAMES: Final = (
    *((OURS, _COMPILED) if _COMPILED_TREE else (OURS,)),
    "kamailio-default",
    "kamailio-tlsf",
)


def main(arguments: Sequence[str]) -> int:
    """Measure, print and write the table; 1 when something could not be measured."""
    options = _options(arguments)
    plan = _plan(options)
    findings = Findings(plan)
    names = _available(options.servers.split(","), findings)
    _, driving = split_cores()
    os.sched_setaffinity(0, driving)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            _measure(names, plan, Path(folder), findings, driving)
            if options.million and OURS in names:
                _say("1,000,000 bindings")
                findings.bytes_a_binding_of_a_million = _million(plan, Path(folder))
    except (MeasureFailed, StartFailed, SippMissing) as error:
        print(error, file=sys.stderr)
        return 1
    if commit() != findings.commit:
        findings.remarks.append(
            f"The tree was edited meanwhile ({commit()} at the end): memory, pauses and"
            " parked calls may be of later code than the rounds."
        )
    print(text_of(findings))
    if not options.dry:
        print("written to", write(findings))
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough answer in about 80 seconds")
    parser.add_argument("--million", action="store_true", help="memory with 1,000,000 bindings too")
    parser.add_argument("--rounds", type=int, help="instead of the plan's")
    parser.add_argument("--rate", type=int, help="calls a second instead of the plan's")
    parser.add_argument("--servers", default=",".join(_NAMES), help="which (default: %(default)s)")
    parser.add_argument("--dry", action="store_true", help="print only; write no result files")
    return parser.parse_args(arguments)


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    given = {name: getattr(options, name) for name in ("rounds", "rate")}
    return dataclasses.replace(plan, **{name: value for name, value in given.items() if value})


def _available(names: Sequence[str], findings: Findings) -> list[str]:
    unknown = sorted(set(names) - set(_NAMES))
    if unknown:
        sys.exit(f"no such server: {', '.join(unknown)}; there are {', '.join(_NAMES)}")
    if not Kamailio.installed():
        findings.remarks.append(
            "Kamailio is not installed here (apt-get install kamailio): nothing to compare with."
        )
        return [name for name in names if name.startswith(OURS)]
    return list(names)


def _server(name: str, folder: Path, tcp: bool = False) -> Server:
    server: Server
    if name in (OURS, _COMPILED):
        server = SipProxy(folder, lines=_LINES)
        server.name = name
        if name == _COMPILED:
            server.environment = {"PYTHONPATH": _COMPILED_TREE}
    else:
        kind = name.removeprefix("kamailio-")
        defines = ["WITH_TCP"] if tcp else []
        server = Kamailio(folder, allocator=None if kind == "default" else kind, defines=defines)
    server.cores, _ = split_cores()
    return server


def _measure(
    names: Sequence[str], plan: Plan, folder: Path, findings: Findings, driving: set[int]
) -> None:
    watched = [name for name in names if name not in ("kamailio-default", _COMPILED)]
    if not plan.lead_in and OURS in names:
        watched = [OURS]
    with contextlib.ExitStack() as running:
        benches = []
        for name in names:
            server = running.enter_context(_server(name, folder / name))
            benches.append(Bench(server, folder / f"{name}-sipp", plan))
        for number in range(plan.rounds):
            # Whoever was first in this round is last in the next.
            turn = benches[number % len(benches) :] + benches[: number % len(benches)]
            for bench in turn:
                _say(f"round {number + 1} of {plan.rounds}: {bench.server.name}")
                findings.rounds.append(bench.calls())
                findings.rounds.append(bench.registrations())
    findings.rounds.sort(key=lambda one: _NAMES.index(one.server))
    for name in names:
        _say(f"memory and pauses: {name}")
        with _server(name, folder / f"{name}-memory", tcp=True) as server:
            bench = Bench(server, folder / f"{name}-memory-sipp", plan)
            findings.bytes_a_binding[name] = bench.bytes_a_binding(plan.bindings)
            if name in watched:
                findings.pauses[name] = bench.pauses(driving)
    for name in watched:
        _say(f"parked calls: {name}")
        with _server(name, folder / f"{name}-parked") as server:
            bench = Bench(server, folder / f"{name}-parked-sipp", plan)
            findings.parked[name] = bench.calls_beside_parked()


def _million(plan: Plan, folder: Path) -> float:
    with _server(OURS, folder / "million") as server:
        return Bench(server, folder / "million-sipp", plan).bytes_a_binding(_MILLION)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
