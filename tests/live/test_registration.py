"""Registration by SIPp and by a small phone, over UDP and TCP."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.processes import LOOPBACK, free_port
from bench.registrator import user_name
from bench.servers import Server
from bench.sipp import Job, Sipp
from tests.live.phone import Phone

pytestmark = [pytest.mark.live, pytest.mark.parametrize("transport", ["udp", "tcp"])]


class RegistrationTests:
    """A phone's life at the registrar."""

    @pytest.mark.parametrize("scenario", ["register", "register_mix", "register_life"])
    def test_by_sipp(self, server: Server, transport: str, scenario: str, tmp_path: Path) -> None:
        """Two hundred phones register, refresh, and (life) ask and take themselves out again."""
        job = Job(
            scenario, server.address, 200, 100, transport={"udp": "u1", "tcp": "t1"}[transport],
            rows=self._users(transport, scenario),
            keys={"contact": f"{LOOPBACK}:{free_port()}"}, timeout=30,
        )  # fmt: skip
        with Sipp(job, tmp_path) as phones:
            outcome = phones.wait()
        assert outcome.clean, outcome
        assert outcome.successful == 200

    def _users(self, transport: str, scenario: str) -> Sequence[tuple[str]]:
        prefix = f"{scenario}-{transport}-"
        return [(prefix + user_name(number),) for number in range(200)]

    def test_twice_is_one_binding(self, server: Server, transport: str) -> None:
        """Registering again refreshes; taking back leaves nothing."""
        with Phone(f"again-{transport}", server.address, transport) as phone:
            for _ in range(3):
                answer = phone.register()
                assert answer.status == 200
                assert len(answer.values("contact")) == 1
            assert phone.contact in phone.bindings()[0]
            assert phone.register(expires=0).status == 200
            assert phone.bindings() == []

    def test_two_phones_of_one_user(self, server: Server, transport: str) -> None:
        """Two phones of a user both ring, and each can go without the other."""
        user = f"pair-{transport}"
        with (
            Phone(user, server.address, transport) as desk,
            Phone(user, server.address, transport) as wall,
        ):
            assert desk.register().status == 200
            assert len(wall.register().values("contact")) == 2
            assert desk.register(expires=0).status == 200
            (left,) = desk.bindings()
            assert wall.contact in left
