"""The server for the live tests: a real `twistd sipproxy` on free ports, in a folder of its own.

With SIPPROXY_LIVE_SERVER=kamailio in the environment the same tests run against Kamailio, which
shows whether a test that fails is at fault itself.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.processes import LOOPBACK
from bench.servers import Kamailio, Server, SipProxy

#: Whether the reference stands in for the server.
REFERENCE: Final = os.environ.get("SIPPROXY_LIVE_SERVER") == "kamailio"
#: Seconds that a watched server may take to answer, and that its timers may take to run out.
_ANSWER: Final = 10.0
_DRAIN: Final = 30.0


def make_server(
    folder: Path,
    host: str = LOOPBACK,
    port: int | None = None,
    domain: str = LOOPBACK,
    lines: Sequence[str] = (),
) -> Server:
    """A server that is not started yet."""
    if REFERENCE:
        defines = ["WITH_TCP", *(["WITH_NAT"] if host != LOOPBACK else [])]
        return Kamailio(folder, host, port, allocator="tlsf", defines=defines)
    return SipProxy(folder, host, port, lines=lines, domain=domain)


def make_watched(folder: Path, lines: Sequence[str] = ()) -> Server:
    """A server that can be asked what it holds: see `holdings`."""
    server = make_server(folder, lines=lines)
    if isinstance(server, SipProxy):
        server.launcher = [sys.executable, str(Path(__file__).parent / "watched.py")]
        server.environment["WATCHED_FILE"] = str(folder / "held.json")
    return server


def holdings(server: Server) -> dict[str, int]:
    """How many transactions and contexts of requests a watched server holds at this moment."""
    answer = server.folder / "held.json"
    answer.unlink(missing_ok=True)
    os.kill(server.pids[0], signal.SIGUSR2)
    limit = time.monotonic() + _ANSWER
    while not answer.exists():
        assert server.alive and time.monotonic() < limit, "the watched server does not answer"
        time.sleep(0.02)
    counts: dict[str, int] = json.loads(answer.read_text())
    return counts


def wait_until_empty(server: Server) -> None:
    """Wait for the timers: then a watched server must hold no transaction and no context."""
    limit = time.monotonic() + _DRAIN
    while any((counts := holdings(server)).values()):
        assert time.monotonic() < limit, f"still there: {counts}"
        time.sleep(0.2)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """A server that runs while the block lasts; afterwards it must have ended well."""
    with server:
        yield server
        must_be_sound(server)
        code = server.stop()
        # twistd ends by the signal that it was sent, once everything is put away.
        assert code in (0, -signal.SIGTERM), f"the server ended with {code}\n{server.console}"
        must_be_sound(server)
        assert not isinstance(server, SipProxy) or "service.stopped" in server.error_log


def must_be_sound(server: Server) -> None:
    """Fail when the server has noted an error of its own making."""
    if isinstance(server, SipProxy):
        bad = server.faults()
        assert not bad, f"{server.folder}:\n" + "\n".join(bad[:20])
