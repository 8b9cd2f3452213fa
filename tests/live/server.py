"""The server for the live tests: a real `twistd sipproxy` on free ports, in a folder of its own.

With SIPPROXY_LIVE_SERVER=kamailio in the environment the same tests run against Kamailio, which
shows whether a test that fails is at fault itself.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from bench.processes import LOOPBACK
from bench.servers import Kamailio, Server, SipProxy

LiveServer: TypeAlias = Server

#: Whether the reference stands in for the server.
REFERENCE: Final = os.environ.get("SIPPROXY_LIVE_SERVER") == "kamailio"
_BAD_SIGNS: Final = ("Traceback", "[error]", "[crit]", "Unhandled", "Segmentation")


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


@contextlib.contextmanager
def live_server(
    folder: Path,
    host: str = LOOPBACK,
    port: int | None = None,
    domain: str = LOOPBACK,
    lines: Sequence[str] = (),
) -> Iterator[Server]:
    """A server that runs while the block lasts; afterwards it must have ended well."""
    with make_server(folder, host, port, domain, lines) as server:
        yield server
        must_be_sound(server)
        code = server.stop()
        # twistd ends by the signal that it was sent, once everything is put away.
        assert code in (0, -signal.SIGTERM), f"the server ended with {code}\n{server.console}"
        must_be_sound(server)
        assert not isinstance(server, SipProxy) or "service.stopped" in server.error_log


def must_be_sound(server: Server) -> None:
    """Fail when the server has noted an error of its own making."""
    if not isinstance(server, SipProxy):
        return
    for where, text in (("error_log", server.error_log), ("console", server.console)):
        bad = [line for line in text.splitlines() if any(sign in line for sign in _BAD_SIGNS)]
        assert not bad, f"{where} of {server.folder}:\n" + "\n".join(bad[:20])
