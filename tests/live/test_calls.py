"""Calls by SIPp through the running server: the first thing anybody tries."""

import pytest

from bench.servers import Server
from bench.sipp import Job, Outcome
from tests.live.conftest import Callees, RunCalls

pytestmark = pytest.mark.live

_SIPP_NAMES = {"udp": "u1", "tcp": "t1"}


def jobs(
    server: Server,
    callees: Callees,
    scenarios: tuple[str, str],
    calls: int,
    rate: int,
    transports: tuple[str, str] = ("udp", "udp"),
    status: str = "",
) -> tuple[Job, Job]:
    """Describe the callee's SIPp and the caller's."""
    caller, callee = transports
    port, rows = callees.register(20, callee)
    timeout = calls // rate + 40
    answering = Job(
        scenarios[0], server.address, calls, transport=_SIPP_NAMES[callee], local_port=port,
        timeout=timeout,
    )  # fmt: skip
    calling = Job(
        scenarios[1], server.address, calls, rate, transport=_SIPP_NAMES[caller], hold=100,
        rows=rows, timeout=timeout, at_a_time=calls, words={"status": status},
    )  # fmt: skip
    return answering, calling


def must_be_clean(outcomes: tuple[Outcome, Outcome], calls: int) -> None:
    """Every call went as its scenario says, and nobody had to send anything twice."""
    for outcome in outcomes:
        assert outcome.clean, outcome
        assert outcome.successful == calls, outcome


class CompleteCallTests:
    """INVITE, 180, 200, ACK, BYE, 200 with Record-Route, to callees found in the registry."""

    def test_a_thousand_over_udp(
        self, server: Server, callees: Callees, run_calls: RunCalls
    ) -> None:
        """A thousand calls at a hundred a second: no failure, nothing sent twice."""
        both = jobs(server, callees, ("uas_call", "uac_call"), 1000, 100)
        must_be_clean(run_calls(*both), 1000)

    def test_three_hundred_over_tcp(
        self, server: Server, callees: Callees, run_calls: RunCalls
    ) -> None:
        """Three hundred calls, both phones on TCP."""
        both = jobs(server, callees, ("uas_call", "uac_call"), 300, 100, ("tcp", "tcp"))
        must_be_clean(run_calls(*both), 300)

    @pytest.mark.parametrize("transports", [("udp", "tcp"), ("tcp", "udp")])
    def test_across_transports(
        self,
        server: Server,
        callees: Callees,
        run_calls: RunCalls,
        transports: tuple[str, str],
    ) -> None:
        """A phone on one transport calls a phone on the other: ACK and BYE find their way."""
        both = jobs(server, callees, ("uas_call", "uac_call"), 100, 50, transports)
        must_be_clean(run_calls(*both), 100)


class UnansweredCallTests:
    """Calls that come to nothing, as they should."""

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_the_caller_gives_up(
        self, server: Server, callees: Callees, run_calls: RunCalls, transport: str
    ) -> None:
        """CANCEL reaches the phone that rings, and its 487 comes back."""
        scenarios = ("uas_cancelled", "uac_cancel")
        both = jobs(server, callees, scenarios, 100, 50, (transport, transport))
        must_be_clean(run_calls(*both), 100)

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_the_callee_is_busy(
        self, server: Server, callees: Callees, run_calls: RunCalls, transport: str
    ) -> None:
        """486 passes through; its ACK is hop by hop."""
        scenarios = ("uas_busy", "uac_failure")
        both = jobs(server, callees, scenarios, 100, 50, (transport, transport), status="486")
        must_be_clean(run_calls(*both), 100)

    def test_nobody_answers(self, server: Server, callees: Callees, run_calls: RunCalls) -> None:
        """A phone rings for three seconds, then its caller gives up."""
        answering, calling = jobs(server, callees, ("uas_cancelled", "uac_cancel"), 20, 20)
        must_be_clean(run_calls(answering, calling.lasting(3000)), 20)
