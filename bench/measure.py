"""What is measured, a function each: calls, registrations, memory, parked calls, pauses."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.prober import Pauses, Probe
from bench.processes import LOOPBACK, free_port
from bench.registrator import register_many, user_name
from bench.servers import Server
from bench.sipp import Job, Outcome, Sipp

#: Users that are called; SIPp goes through them in turn.
CALLEES: Final = 1000
#: The users that the registration rounds make begin here, beyond all others.
_NEW_USERS: Final = 5_000_000
#: Registrations of one SIPp call of register_mix.xml: a new one and three refreshes.
REGISTRATIONS_A_CALL: Final = 4
_SLACK: Final = 40


class MeasureFailed(RuntimeError):
    """A measurement cannot be made; the text says what went wrong."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.  Rates a second, times in seconds (`hold` in milliseconds)."""

    rounds: int
    rate: int
    seconds: int
    lead_in: int
    hold: int
    registration_rate: int
    registration_seconds: int
    bindings: int
    parked: int
    parked_rate: int
    pause_seconds: int


#: The lead-in of the full plan is longer than 64*T1: transactions then end as fast as they begin,
#: so that a call's share of the timers is in the figure.
FULL: Final = Plan(
    rounds=3, rate=200, seconds=20, lead_in=34, hold=200, registration_rate=250,
    registration_seconds=10, bindings=100_000, parked=10_000, parked_rate=500, pause_seconds=30,
)  # fmt: skip
QUICK: Final = Plan(
    rounds=2, rate=250, seconds=4, lead_in=0, hold=100, registration_rate=500,
    registration_seconds=2, bindings=100_000, parked=10_000, parked_rate=2000, pause_seconds=3,
)  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One server's share of one round; `cpu_us` is for each unit that succeeded."""

    server: str
    work: str
    done: int
    failed: int
    resent: int
    cpu_us: float


class Bench:
    """One running server with a callee's phone registered for every user that is called."""

    def __init__(self, server: Server, folder: Path, plan: Plan) -> None:
        self.server = server
        self.plan = plan
        self._folder = folder
        self._callee_port = free_port()
        self._registered = 0
        self._register_callees()

    def _register_callees(self) -> None:
        contact = f"{LOOPBACK}:{self._callee_port}"
        tally = register_many(self.server.address, CALLEES, contact)
        if tally.accepted != CALLEES:
            raise MeasureFailed(
                f"{self.server.name}: {tally.accepted} of {CALLEES} callees could register"
                f"\n{tally.first_refusal}"
            )

    def calls(self, steady: bool = True) -> Round:
        """Make calls at the plan's rate; the lead-in, there when `steady`, is not counted."""
        plan = self.plan
        answering = Job(
            "uas_call", self.server.address, _far(plan), local_port=self._callee_port,
            timeout=plan.lead_in + plan.seconds + _SLACK,
        )  # fmt: skip
        with Sipp(answering, self._folder) as callee:
            callee.wait_until_listening()
            if plan.lead_in and steady:
                self._call(plan.lead_in)
            before = self.server.cpu()
            caller = self._call(plan.seconds)
            used = self.server.cpu() - before
            resent_to_callee = callee.resent
        return _round(self.server, "call", caller, used, 1, resent_to_callee)

    def _call(self, seconds: int) -> Outcome:
        plan = self.plan
        rows = [(f"caller{number:04d}", user_name(number)) for number in range(CALLEES)]
        job = Job(
            "uac_call", self.server.address, plan.rate * seconds, plan.rate, hold=plan.hold,
            at_a_time=plan.rate * 4, rows=rows, timeout=seconds + _SLACK,
        )  # fmt: skip
        with Sipp(job, self._folder) as caller:
            return caller.wait()

    def registrations(self) -> Round:
        """Register users that are new to the server, and refresh each three times."""
        plan = self.plan
        calls = plan.registration_rate * plan.registration_seconds // REGISTRATIONS_A_CALL
        first = _NEW_USERS + self._registered
        self._registered += calls
        job = Job(
            "register_mix", self.server.address, calls,
            plan.registration_rate // REGISTRATIONS_A_CALL, hold=20,
            rows=[(user_name(number),) for number in range(first, first + calls)],
            keys={"contact": f"{LOOPBACK}:{self._callee_port}"},
            timeout=plan.registration_seconds + _SLACK,
        )  # fmt: skip
        before = self.server.cpu()
        with Sipp(job, self._folder) as phones:
            outcome = phones.wait()
        used = self.server.cpu() - before
        return _round(self.server, "registration", outcome, used, REGISTRATIONS_A_CALL, 0)

    def calls_beside_parked(self) -> tuple[Round, Round]:
        """Make calls as always, then again while very many other calls ring for ever."""
        plan = self.plan
        without = self.calls(steady=False)
        silent_port = free_port()
        silent = CALLEES
        register_many(self.server.address, 1, f"{LOOPBACK}:{silent_port}", first=silent)
        timeout = plan.parked // plan.parked_rate + plan.lead_in + plan.seconds + 2 * _SLACK
        ringing = Job(
            "uas_ringing", self.server.address, plan.parked, local_port=silent_port,
            at_a_time=plan.parked, timeout=timeout,
        )  # fmt: skip
        waiting = Job(
            "uac_parked", self.server.address, plan.parked, plan.parked_rate,
            at_a_time=plan.parked, rows=[("caller", user_name(silent))], timeout=timeout,
        )  # fmt: skip
        with Sipp(ringing, self._folder) as callee, Sipp(waiting, self._folder) as caller:
            _wait_until_parked(self.server, callee, caller, plan)
            beside = self.calls(steady=False)
        return without, beside

    def bytes_a_binding(self, count: int) -> float:
        """Register so many users more; give the growth of the resident memory for each.

        Over TCP, where no transaction lingers: what grows is what a binding takes.
        """
        before = self.server.resident()
        contact = f"{LOOPBACK}:{self._callee_port}"
        tally = register_many(self.server.address, count, contact, CALLEES + 1, transport="tcp")
        if tally.accepted != count:
            raise MeasureFailed(
                f"{self.server.name}: {tally.accepted} of {count} users could register"
                f"\n{tally.first_refusal}"
            )
        return (self.server.resident() - before) / count

    def pauses(self, cores: set[int]) -> Pauses:
        """Watch how long an OPTIONS takes while calls go on at the plan's rate."""
        seconds = self.plan.pause_seconds
        answering = Job(
            "uas_call", self.server.address, _far(self.plan), local_port=self._callee_port,
            timeout=seconds + _SLACK,
        )  # fmt: skip
        with Sipp(answering, self._folder) as callee:
            callee.wait_until_listening()
            probe = Probe(self.server.address, seconds + _SLACK, cores)
            try:
                self._call(seconds)
            finally:
                seen = probe.finish()
        return seen


def _far(plan: Plan) -> int:
    """More calls than the callee's SIPp will see: it is ended by us, not by its own count."""
    return 10 * plan.rate * (plan.lead_in + plan.seconds + plan.pause_seconds)


def _wait_until_parked(server: Server, callee: Sipp, caller: Sipp, plan: Plan) -> None:
    limit = time.monotonic() + plan.parked / plan.parked_rate + _SLACK
    while time.monotonic() < limit:
        time.sleep(0.5)
        if callee.counted("TotalCallCreated") >= plan.parked:
            time.sleep(1.5)
            return
        if not (caller.running and callee.running):
            break
    raise MeasureFailed(
        f"{server.name}: only {callee.counted('TotalCallCreated')} of {plan.parked} calls parked"
    )


def _round(
    server: Server, work: str, outcome: Outcome, used: float, units: int, resent: int
) -> Round:
    done = outcome.successful * units
    if not done:
        raise MeasureFailed(f"{server.name}: no {work} succeeded\n{outcome}")
    return Round(
        server=server.name,
        work=work,
        done=done,
        failed=outcome.failed,
        resent=outcome.resent + resent,
        cpu_us=used / done * 1e6,
    )
