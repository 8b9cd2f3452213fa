"""The figures of one run as a table for people and as JSON for programs."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bench.measure import Plan, Round
from bench.prober import Pauses
from bench.processes import cpu_model
from bench.servers import ROOT

RESULTS: Final = ROOT / "bench" / "results"
OURS: Final = "sipproxy"
YARDSTICK: Final = "kamailio-tlsf"
OTHER: Final = "kamailio-default"


@dataclass
class Findings:
    """Everything one run found out, by name of server where there are several."""

    plan: Plan
    #: What is measured, as of the start: the tree may be edited while this runs.
    commit: str = field(default_factory=lambda: commit())
    rounds: list[Round] = field(default_factory=list)
    #: Resident bytes a binding, by server; and which number of bindings it was measured with.
    bytes_a_binding: dict[str, float] = field(default_factory=dict)
    bytes_a_binding_of_a_million: float | None = None
    pauses: dict[str, Pauses] = field(default_factory=dict)
    #: Without and with parked calls, microseconds a call.
    parked: dict[str, tuple[Round, Round]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def costs(self, server: str, work: str) -> list[float]:
        """The CPU microseconds of each round."""
        return [one.cpu_us for one in self.rounds if one.server == server and one.work == work]

    def median(self, server: str, work: str) -> float | None:
        """The middle of the rounds; None where nothing was measured."""
        costs = self.costs(server, work)
        return statistics.median(costs) if costs else None

    def ratio(self, work: str, other: str, server: str = OURS) -> float | None:
        """How many times as much CPU as another server one of ours uses."""
        ours, theirs = self.median(server, work), self.median(other, work)
        return ours / theirs if ours is not None and theirs else None

    @property
    def servers(self) -> list[str]:
        """Who was measured, in the order of the first round."""
        return list(dict.fromkeys(one.server for one in self.rounds))


def commit() -> str:
    """The short hash of the commit that is measured, with + when the tree has changes."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return name + ("+" if _git("status", "--porcelain", "sipproxy") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def machine() -> str:
    """Say on what was measured, without naming the machine."""
    cores = os.cpu_count() or 1
    python = platform.python_version()
    return f"{cores} {'core' if cores == 1 else 'cores'}, {cpu_model()}, Python {python}"


def write(findings: Findings) -> Path:
    """Write both files; gives the path of the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    stem = f"{time.strftime('%Y-%m-%d')}-{findings.commit.replace('+', '-changed')}"
    table = RESULTS / f"{stem}.md"
    table.write_text(text_of(findings))
    facts = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        **asdict(findings),
    }
    (RESULTS / f"{stem}.json").write_text(json.dumps(facts, indent=1) + "\n")
    return table


def text_of(findings: Findings) -> str:
    """The table, in Markdown."""
    plan = findings.plan
    lines = [
        f"# Measured {time.strftime('%Y-%m-%d')}, commit {findings.commit}",
        "",
        f"Machine: {machine()}. {plan.rounds} rounds of {plan.seconds} s at {plan.rate} calls/s,"
        f" after {plan.lead_in} s of the same load; CPU is user and system time of all processes"
        " of a server, median (lowest to highest round).",
        "",
        _row("", [*findings.servers, "aim"]),
        "|---" * (len(findings.servers) + 2) + "|",
        *_cost_rows(findings),
        *_ratio_rows(findings),
        *_other_rows(findings),
        "",
        *[f"- {remark}" for remark in findings.remarks],
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([name, *cells]) + " |"


def _cost_rows(findings: Findings) -> list[str]:
    rows = []
    for work in ("call", "registration"):
        cells = []
        for server in findings.servers:
            costs = findings.costs(server, work)
            cells.append(
                f"{statistics.median(costs):.0f} ({min(costs):.0f} to {max(costs):.0f})"
                if costs
                else "-"
            )
        rows.append(_row(f"CPU µs per {work}", [*cells, ""]))
    for work in ("call", "registration"):
        chosen = [one for one in findings.rounds if one.work == work]
        cells = [
            " / ".join(
                str(sum(getattr(one, what) for one in chosen if one.server == server))
                for what in ("done", "failed", "resent")
            )
            for server in findings.servers
        ]
        rows.append(_row(f"{work}s done / failed / retransmissions", [*cells, "x / 0 / 0"]))
    return rows


def _ratio_rows(findings: Findings) -> list[str]:
    rows = []
    ours = [server for server in findings.servers if server.startswith(OURS)]
    for work in ("call", "registration"):
        for other, most in ((YARDSTICK, 2.0), (OTHER, 1.0)):
            ratios = {server: findings.ratio(work, other, server) for server in ours}
            known = [ratio for ratio in ratios.values() if ratio is not None]
            if known:
                aim = f"<= {most} {_verdict(min(known) <= most)}" if work == "call" else ""
                cells = [
                    "" if (ratio := ratios.get(server)) is None else f"{ratio:.2f}"
                    for server in findings.servers
                ]
                rows.append(_row(f"times {other}'s CPU per {work}", [*cells, aim]))
    return rows


def _other_rows(findings: Findings) -> list[str]:
    rows = []
    servers = findings.servers
    ours = findings.bytes_a_binding.get(OURS)
    cells = [_number(findings.bytes_a_binding.get(server)) for server in servers]
    aim = "<= 1500" + (f" {_verdict(ours <= 1500)}" if ours is not None else "")
    rows.append(_row(f"resident bytes a binding, {findings.plan.bindings:,}", [*cells, aim]))
    million = findings.bytes_a_binding_of_a_million
    if million is not None:
        cells = [_number(million if server == OURS else None) for server in servers]
        aim = f"<= 1500 {_verdict(million <= 1500)}"
        rows.append(_row("resident bytes a binding, 1,000,000", [*cells, aim]))
    cells = []
    for server in servers:
        pair = findings.parked.get(server)
        cells.append(f"{pair[0].cpu_us:.0f} / {pair[1].cpu_us:.0f}" if pair else "-")
    name = f"CPU µs per call beside 0 / {findings.plan.parked:,} parked"
    rows.append(_row(name, [*cells, "same"]))
    seen = findings.pauses.get(OURS)
    cells = [
        f"{one.worst_ms:.1f} ({one.p99_ms:.1f})" if (one := findings.pauses.get(server)) else "-"
        for server in servers
    ]
    aim = "< 50" + (f" {_verdict(seen.worst_ms < 50 and not seen.lost)}" if seen else "")
    rows.append(_row("worst pause seen from outside, ms (99th percentile)", [*cells, aim]))
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _verdict(met: bool) -> str:
    return "(met)" if met else "(NOT met)"
