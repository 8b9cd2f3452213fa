"""A crash in the middle of the work: what was answered 200 is there afterwards."""

from pathlib import Path

import pytest

from bench.processes import LOOPBACK, free_port
from bench.registrator import ask_many, register_many
from tests.live.server import REFERENCE, make_server, must_be_sound

pytestmark = pytest.mark.live

_USERS = 6000


class CrashTests:
    """kill -9 while phones register."""

    @pytest.mark.parametrize("killed_after", [1, 700, 4000])
    def test_every_answered_registration_is_there(self, tmp_path: Path, killed_after: int) -> None:
        """Who was answered 200 before the crash is found after the restart, and can re-register."""
        server = make_server(tmp_path)
        contact = f"{LOOPBACK}:{free_port()}"

        def crash(accepted: int) -> None:
            if accepted == killed_after:
                server.kill()

        with server:
            before = register_many(server.address, _USERS, contact, patience=1.0, on_accepted=crash)
            assert killed_after <= before.accepted < _USERS
            assert not server.alive

            server.start()
            found = ask_many(server.address, before.bound)
            assert found.accepted == len(before.bound), found.first_refusal
            lost = set(before.bound) - set(found.bound)
            if REFERENCE:
                assert lost, "this Kamailio keeps everything in memory only"
                return
            assert not lost, f"{len(lost)} of {len(before.bound)} are lost: {sorted(lost)[:10]}"
            after = register_many(server.address, _USERS, contact, cseq=2)
            assert after.accepted == _USERS, after.first_refusal
            must_be_sound(server)
