"""What the conformance tests stand on: the server they are pointed at, and agents to script.

``--server udp:HOST:PORT`` takes a server that runs already, ``--server kamailio`` starts the
reference, and without it our own server is started.  ``--results FILE`` keeps what came out.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from tests.conformance.agent import Agent
from tests.conformance.rows import load_rows, rows_of
from tests.conformance.targets import Target, given, started, version_of
from tests.live.server import must_be_sound

HERE: Final = Path(__file__).parent
OURS: Final = "sipproxy"
_RESULTS: Final = pytest.StashKey[dict[str, dict[str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; they are there when pytest is pointed at this folder."""
    group = parser.getgroup("conformance")
    group.addoption("--server", default=OURS, help="sipproxy, kamailio or udp:HOST:PORT")
    group.addoption("--t1", type=float, default=0.5, help="T1 of a server that was given, seconds")
    group.addoption("--results", default="", help="file to keep the results in")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "rows(*ids): the rows of docs/ledger that a test proves")
    config.stash[_RESULTS] = {}


def _which(config: pytest.Config) -> str:
    return str(config.getoption("--server", OURS))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect of our server what the ledger says of it: rows not met fail, all others pass."""
    rows = load_rows()
    for item in items:
        if not item.path.is_relative_to(HERE) or not rows_of(item):
            continue
        item.add_marker(pytest.mark.live)
        reasons = [rows[name].not_met for name in rows_of(item) if name in rows]
        reasons = [reason for reason in reasons if reason]
        if reasons and _which(config) == OURS:
            item.add_marker(pytest.mark.xfail(reason=reasons[0], strict=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """Keep what came out of each test that proves rows."""
    report: pytest.TestReport = yield
    if item.path.is_relative_to(HERE) and rows_of(item):
        name = f"{item.path.name}::{item.nodeid.split('::', 1)[1].partition('[')[0]}"
        kept = item.config.stash[_RESULTS].get(name, {"outcome": "passed", "why": ""})
        if hasattr(report, "wasxfail") or report.failed:
            lines = str(call.excinfo.value).strip().splitlines() if call.excinfo else [""]
            outcome = "failed" if report.when == "call" else "error"
            kept = {"outcome": outcome, "why": (lines or [""])[0][:160]}
        elif report.skipped and kept["outcome"] == "passed":
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            kept = {"outcome": "skipped", "why": str(why).removeprefix("Skipped: ")}
        item.config.stash[_RESULTS][name] = kept
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results where they are wanted."""
    path = str(session.config.getoption("--results", ""))
    if path:
        which = _which(session.config)
        results = dict(sorted(session.config.stash[_RESULTS].items()))
        today = datetime.now(UTC).date().isoformat()
        kept = {"server": version_of(which), "date": today, "tests": results}
        Path(path).write_text(json.dumps(kept, indent=1) + "\n")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The server under test."""
    which = _which(request.config)
    if ":" in which:
        yield given(which, float(request.config.getoption("--t1")))
        return
    with _running(which) as running:
        yield running


@contextlib.contextmanager
def _running(which: str, variant: str = "") -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        server, target = started(which, Path(folder), variant)
        with server:
            yield target
            must_be_sound(server)


def _variant(request: pytest.FixtureRequest, variant: str) -> Iterator[Target]:
    which = _which(request.config)
    if ":" in which:
        pytest.skip("the server that was given has one job only")
    with _running(which, variant) as running:
        yield running


@pytest.fixture(scope="session")
def redirector(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The server under test as a redirect server."""
    yield from _variant(request, "redirect")


@pytest.fixture(scope="session")
def recursor(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The server under test as a proxy that tries the contacts of a 3xx itself."""
    yield from _variant(request, "recursive")


class MakeAgent(Protocol):
    """Makes agents that are closed after the test."""

    def __call__(
        self, user: str = "", transport: str = "udp", server: Target | None = None
    ) -> Agent:
        """Make an agent that sends to the server, or to another one."""


@pytest.fixture
def agents(target: Target) -> Iterator[MakeAgent]:
    """Make agents."""
    made: list[Agent] = []

    def make(user: str = "", transport: str = "udp", server: Target | None = None) -> Agent:
        made.append(Agent((server or target).address, user, transport))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def caller(agents: MakeAgent) -> Agent:
    """One who calls; not registered."""
    return agents()


@pytest.fixture
def callee(agents: MakeAgent) -> Agent:
    """One who is called; registered."""
    agent = agents()
    assert agent.register().status == 200
    return agent
