"""SIPp as a program: start it with a scenario, wait for it, read what it counted."""

import csv
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.processes import LOOPBACK, free_port, is_bound

SCENARIOS: Final = Path(__file__).parent / "scenarios"
#: How long SIPp may need beyond its own -timeout to write its files and leave.
_GRACE: Final = 15.0
_MISSING: Final = "sipp is not installed: apt-get install sip-tester"
_COUNTED_RETRANSMISSION: Final = re.compile(r"\d+_.*_Retrans$")


class SippFailed(RuntimeError):
    """SIPp did not do what it was started for."""


class SippMissing(RuntimeError):
    """The program is not there; the text says how to get it."""


@dataclass(frozen=True)
class Outcome:
    """What one SIPp counted.

    ``resent`` are messages that SIPp had to send again, because no answer came in time, and
    messages that came to it again: over the loopback both are somebody's fault.
    """

    name: str
    exit_code: int
    successful: int
    failed: int
    resent: int
    strays: int
    seconds: float
    errors: str

    @property
    def clean(self) -> bool:
        """Whether everything went as the scenario says, at the first attempt."""
        return self.exit_code == 0 and not (self.failed or self.resent or self.strays)

    def __str__(self) -> str:
        text = (
            f"{self.name}: exit {self.exit_code}, {self.successful} successful,"
            f" {self.failed} failed, {self.resent} retransmissions, {self.strays} strays"
        )
        return f"{text}\n{self.errors}" if self.errors else text


@dataclass(frozen=True)
class Job:
    """What SIPp is to do.  Times in seconds, but ``hold`` in milliseconds as SIPp has it."""

    scenario: str
    target: tuple[str, int]
    calls: int
    rate: int = 10
    transport: str = "u1"
    local_port: int | None = None
    at_a_time: int | None = None
    hold: int = 0
    timeout: int = 60
    rows: Sequence[Sequence[str]] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    #: What stands in the scenario as @name@, where SIPp takes neither keys nor variables.
    words: Mapping[str, str] = field(default_factory=dict)
    more: Sequence[str] = ()

    def lasting(self, hold: int) -> "Job":
        """The same with pauses of so many milliseconds."""
        return replace(self, hold=hold)


class Sipp:
    """One running SIPp; leaving the ``with`` block ends it if it still runs."""

    def __init__(self, job: Job, folder: Path) -> None:
        program = shutil.which("sipp")
        if program is None:
            raise SippMissing(_MISSING)
        self._job = job
        self._folder = _fresh_folder(folder, job.scenario)
        self._started = time.monotonic()
        with (self._folder / "screen").open("wb") as screen:
            self._process = subprocess.Popen(
                [program, *_arguments(job, self._folder)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_until_listening(self) -> None:
        """Wait until its port is taken.  Raises SippFailed when it leaves before that."""
        port = self._job.local_port
        assert port is not None, "give the job a local_port"
        datagrams = self._job.transport.startswith("u")
        limit = time.monotonic() + _GRACE
        while not is_bound(port, datagrams):
            if not self.running or time.monotonic() > limit:
                raise SippFailed(f"SIPp does not listen: {self._outcome()}")
            time.sleep(0.01)

    def wait(self) -> Outcome:
        """Wait until SIPp has done its calls or run into its time-out; give what it counted."""
        try:
            self._process.wait(self._job.timeout + _GRACE)
        except subprocess.TimeoutExpired:
            self.stop()
        return self._outcome()

    @property
    def running(self) -> bool:
        """Whether it has not left yet."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it now, calls or no calls."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def counted(self, column: str) -> int:
        """Read one figure of the latest line of statistics; 0 before there is any."""
        return _number(_last_row(self._folder / "stat.csv", ";"), column)

    @property
    def resent(self) -> int:
        """Messages sent again or received again, by the latest line of counts."""
        total = 0
        for path in self._folder.glob("*_counts.csv"):
            for name, value in _last_row(path, ";").items():
                if _COUNTED_RETRANSMISSION.match(name):
                    total += int(value)
        return total

    def _outcome(self) -> Outcome:
        stat = _last_row(self._folder / "stat.csv", ";")
        errors = self._folder / "errors.log"
        return Outcome(
            name=self._job.scenario,
            exit_code=self._process.returncode,
            successful=_number(stat, "SuccessfulCall(C)"),
            failed=_number(stat, "FailedCall(C)"),
            resent=self.resent,
            strays=_number(stat, "DeadCallMsgs(C)") + _number(stat, "OutOfCallMsgs(C)"),
            seconds=time.monotonic() - self._started,
            errors=errors.read_text(errors="replace")[:3000] if errors.exists() else "",
        )


def _fresh_folder(parent: Path, name: str) -> Path:
    for number in range(10_000):
        folder = parent / f"sipp-{name}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RuntimeError(f"too many runs of SIPp in {parent}")


def _arguments(job: Job, folder: Path) -> list[str]:
    host, port = job.target
    scenario = (SCENARIOS / f"{job.scenario}.xml").read_text()
    for name, value in job.words.items():
        scenario = scenario.replace(f"@{name}@", value)
    (folder / f"{job.scenario}.xml").write_text(scenario)
    given = [
        f"{host}:{port}", "-sf", f"{job.scenario}.xml", "-t", job.transport,
        "-i", LOOPBACK, "-p", str(job.local_port or free_port()),
        "-m", str(job.calls), "-r", str(job.rate), "-d", str(job.hold),
        "-nostdin", "-timeout", str(job.timeout), "-timeout_error",
        "-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_counts",
        "-trace_err", "-error_file", "errors.log",
    ]  # fmt: skip
    if job.at_a_time is not None:
        given += ["-l", str(job.at_a_time)]
    if job.rows:
        lines = ["SEQUENTIAL", *(";".join(row) + ";" for row in job.rows)]
        (folder / "rows.csv").write_text("\n".join(lines) + "\n")
        given += ["-inf", "rows.csv"]
    for name, value in job.keys.items():
        given += ["-key", name, value]
    return [*given, *job.more]


def _last_row(path: Path, delimiter: str) -> dict[str, str]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    # A row that SIPp is just writing is shorter than the head.
    whole = [row for row in rows[1:] if len(row) >= len(rows[0])]
    return dict(zip(rows[0], whole[-1], strict=False)) if whole else {}


def _number(row: Mapping[str, str], column: str) -> int:
    return int(row.get(column) or 0)
