"""A telephone that other people wrote registers and calls."""

from pathlib import Path

import pytest

from bench.servers import Server
from bench.sipp import Job, Sipp
from tests.live.baresip import Baresip
from tests.live.conftest import Callees

pytestmark = pytest.mark.live


class BaresipTests:
    """What works with SIPp must work with a telephone, which has a mind of its own."""

    @pytest.mark.parametrize("transports", [("udp", "udp"), ("tcp", "tcp"), ("udp", "tcp")])
    def test_calls_another(
        self, server: Server, tmp_path: Path, transports: tuple[str, str]
    ) -> None:
        """Both register; one calls, the other answers; the one called hangs up."""
        names = ["-".join((who, *transports)) for who in ("anna", "ben")]
        with (
            Baresip(tmp_path / "a", names[0], server.address, transports[0]) as anna,
            Baresip(tmp_path / "b", names[1], server.address, transports[1]) as ben,
        ):
            for phone in (anna, ben):
                phone.wait_until_registered()
            anna.tell("dial", ben.uri)
            for phone in (anna, ben):
                phone.wait_for("CALL_ESTABLISHED")
            ben.tell("hangup")
            for phone in (anna, ben):
                phone.wait_for("CALL_CLOSED")

    def test_calls_sipp(self, server: Server, callees: Callees, tmp_path: Path) -> None:
        """It calls SIPp and hangs up."""
        port, rows = callees.register(1)
        job = Job("uas_call", server.address, 1, local_port=port, timeout=30)
        with (
            Sipp(job, tmp_path) as callee,
            Baresip(tmp_path / "a", "anna", server.address) as anna,
        ):
            callee.wait_until_listening()
            anna.wait_until_registered()
            anna.tell("dial", f"sip:{rows[0][1]}@{server.host}:{server.port}")
            anna.wait_for("CALL_ESTABLISHED")
            anna.tell("hangup")
            anna.wait_for("CALL_CLOSED")
            outcome = callee.wait()
        assert outcome.clean, outcome
