"""The servers under measurement as subprocesses: ours, and Kamailio doing the same job."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from bench.processes import LOOPBACK, cpu_seconds, family, free_port, resident_bytes, started_on

ROOT: Final = Path(__file__).parent.parent
_START_DEADLINE: Final = 30.0
_STOP_DEADLINE: Final = 30.0
_FAULT_SIGNS: Final = ("Traceback", "[error]", "[crit]", "Unhandled", "Segmentation")
#: What twistd says, as an error, about the file that a killed process could not take away.
_STALE: Final = "Removing stale pidfile"
_PROBE: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bK-up-{number};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:probe@{host}>;tag=up\r\n"
    "To: <sip:{host}:{port}>\r\n"
    "Call-ID: up-{number}-{own}\r\n"
    "CSeq: {number} OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


class StartFailed(RuntimeError):
    """The server left, or did not answer, before it could be used; the text has what it said."""


class Server:
    """A SIP server on one loopback port for UDP and TCP; usable as a context manager."""

    name = "server"

    def __init__(self, folder: Path, host: str = LOOPBACK, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = host
        self.port = free_port() if port is None else port
        self.cores: set[int] = os.sched_getaffinity(0)
        self.environment: dict[str, str] = {"PYTHONPATH": str(ROOT)}
        self._process: subprocess.Popen[bytes] | None = None
        self._console: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.host, self.port

    @property
    def console(self) -> str:
        """Everything it has printed since the first start."""
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pids(self) -> list[int]:
        """All of its processes."""
        return family(self._running().pid)

    def start(self, probe: bool = True) -> None:
        """Start it, and unless told otherwise wait until it answers a request."""
        self._console = (self.folder / "console").open("ab")
        with started_on(self.cores):
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self._console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if probe:
            self.wait_until_up()

    def wait_until_up(self) -> None:
        """Ask OPTIONS until any answer comes.  Raises StartFailed."""
        deadline = time.monotonic() + _START_DEADLINE
        number = 0
        while time.monotonic() < deadline and self._running().poll() is None:
            number += 1
            if answers(self.host, self.port, number):
                return
        self.kill()
        raise StartFailed(f"{self.name} does not answer on port {self.port}:\n{self.console}")

    def command(self) -> list[str]:
        """Write what the server reads, and give the command that starts it."""
        raise NotImplementedError

    def cpu(self) -> float:
        """The seconds of CPU all of its processes have used."""
        return cpu_seconds(self.pids)

    def resident(self) -> int:
        """The bytes of memory that all of its processes hold."""
        return resident_bytes(self.pids)

    def stop(self) -> int:
        """Ask it to leave (TERM), wait for that, and give its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_DEADLINE)
        return self.kill()

    def kill(self) -> int:
        """End it and its children at once (KILL), as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if self._console is not None:
            self._console.close()
            self._console = None
        return code

    @property
    def alive(self) -> bool:
        """Whether its first process is there."""
        return self._process is not None and self._process.poll() is None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StartFailed(f"{self.name} is not running")
        return self._process


class SipProxy(Server):
    """Our server, with the shortest `sipd.conf` that does the job."""

    name = "sipproxy"

    def __init__(
        self,
        folder: Path,
        host: str = LOOPBACK,
        port: int | None = None,
        lines: Sequence[str] = (),
        domain: str = LOOPBACK,
    ) -> None:
        super().__init__(folder, host, port)
        self.lines = list(lines)
        self.domain = domain
        self.launcher = [str(Path(sys.executable).parent / "twistd")]

    @property
    def error_log(self) -> str:
        """What stands in its error log."""
        path = self.folder / "logs" / "error_log"
        return path.read_text(errors="replace") if path.exists() else ""

    def faults(self) -> list[str]:
        """Give the lines of error log and console that tell of an error of its own making."""
        lines = (self.error_log + self.console).splitlines()
        return [
            line
            for line in lines
            if any(sign in line for sign in _FAULT_SIGNS) and _STALE not in line
        ]

    def command(self) -> list[str]:
        """Write sipd.conf and its folders, and give the twistd command."""
        (self.folder / "logs").mkdir(exist_ok=True)
        configuration = self.folder / "sipd.conf"
        lines = [
            f"ServerRoot {self.folder}",
            f"Listen {self.host}:{self.port} udp",
            f"Listen {self.host}:{self.port} tcp",
            f"ProxyDomain {self.domain}",
            *self.lines,
        ]
        configuration.write_text("\n".join(lines) + "\n")
        words = ["--nodaemon", "--pidfile=", "sipproxy", "-f", str(configuration)]
        return [*self.launcher, *words]


class Kamailio(Server):
    """Kamailio with one worker and one of its allocators."""

    def __init__(
        self,
        folder: Path,
        host: str = LOOPBACK,
        port: int | None = None,
        allocator: str | None = None,
        defines: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, host, port)
        self.name = f"kamailio-{allocator or 'default'}"
        self.allocator = allocator
        self.defines = list(defines)

    @staticmethod
    def installed() -> bool:
        """Whether the program is on this machine."""
        return shutil.which("kamailio") is not None

    def command(self) -> list[str]:
        """Give the command; kamailio.cfg needs no editing."""
        command = [
            "kamailio", "-DD", "-E", "-f", str(ROOT / "bench" / "kamailio.cfg"),
            "-m", "1024", "-M", "16", "-Y", str(self.folder), "-P", str(self.folder / "pid"),
            "-l", f"udp:{self.host}:{self.port}",
        ]  # fmt: skip
        for name in self.defines:
            command += ["-A", name]
        if "WITH_TCP" in self.defines:
            command += ["-l", f"tcp:{self.host}:{self.port}"]
        if self.allocator:
            command += ["-x", self.allocator, "-X", self.allocator]
        return command


def answers(host: str, port: int, number: int = 1, patience: float = 0.3) -> bool:
    """Whether anything comes back to one OPTIONS over UDP within `patience` seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(patience)
        ours.bind((LOOPBACK if host == LOOPBACK else "", 0))
        own = ours.getsockname()[1]
        ours.connect((host, port))
        try:
            ours.send(_PROBE.format(host=host, port=port, own=own, number=number).encode())
            return bool(ours.recv(65535))
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            time.sleep(0.05)
            return False
