"""What the live tests stand on: one running server a module, and SIPp with a folder to write to."""

import shutil
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from bench.processes import LOOPBACK, free_port
from bench.registrator import register_many, user_name
from bench.servers import Server
from bench.sipp import Job, Outcome, Sipp
from tests.live.server import make_server, running

RunCalls: TypeAlias = Callable[[Job, Job], tuple[Outcome, Outcome]]

#: Programs and the packages that bring them; tests/install knows them too.
PROGRAMS = {
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "ip": "iproute2",
    "nft": "nftables",
    "nsd": "nsd",
}


@pytest.fixture(autouse=True, scope="session")
def programs() -> None:
    """Fail, not skip, when a program is missing: a test that cannot run has not passed."""
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if missing:
        pytest.fail(
            f"the live tests need programs: apt-get install {' '.join(missing)}", pytrace=False
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a free port; after the last test of the module it must have ended well."""
    with running(make_server(tmp_path_factory.mktemp("server"))) as started:
        yield started


class Callees:
    """Users that nobody else in the module calls, registered at a port where SIPp will answer."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._next = 0

    def register(self, count: int, transport: str = "udp") -> tuple[int, list[tuple[str, str]]]:
        """Give the port to answer at and rows for the caller's SIPp: caller, callee."""
        port = free_port()
        parameter = "" if transport == "udp" else ";transport=tcp"
        first = self._next
        self._next += count
        tally = register_many(
            self._server.address, count, f"{LOOPBACK}:{port}{parameter}", first=first
        )
        assert tally.accepted == count, tally
        return port, [
            (f"caller{number}", user_name(number)) for number in range(first, first + count)
        ]


@pytest.fixture(scope="module")
def callees(server: Server) -> Callees:
    """Give out callees."""
    return Callees(server)


@pytest.fixture
def run_calls(tmp_path_factory: pytest.TempPathFactory) -> RunCalls:
    """Run a callee's SIPp and a caller's SIPp until both have done their calls."""

    def run(callee: Job, caller: Job) -> tuple[Outcome, Outcome]:
        folder = tmp_path_factory.mktemp("sipp")
        with Sipp(callee, folder) as answering:
            answering.wait_until_listening()
            with Sipp(caller, folder) as calling:
                return calling.wait(), answering.wait()

    return run
