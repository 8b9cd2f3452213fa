"""The servers that the tests can be pointed at: ours, Kamailio, or one that runs already."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.servers import Kamailio, Server, SipProxy

HERE: Final = Path(__file__).parent
#: What ours is told: short timers, so that time-outs can be waited for, and no closed doors.
OUR_LINES: Final = [
    "SIP_T1_in_ms 50",
    "SIP_T2_in_ms 200",
    "SIP_T4_in_ms 200",
    "InviteExpiration 2000",
    "TcpConnectTimeout 500",
    "RelayPolicy Open",
    "RegistrationMinExpires 2",
    "CustomLog Off",
]
#: Other jobs than that of a plain proxy and registrar, and what ours is told then.
VARIANTS: Final = {
    "": [],
    "redirect": ["ServerType Redirect"],
    "recursive": ["Recursive On"],
}


class PlainKamailio(Kamailio):
    """Kamailio from the distribution, with the plain configuration beside this file."""

    def __init__(self, folder: Path, variant: str = "") -> None:
        super().__init__(folder, defines=[f"WITH_{variant.upper()}"] if variant else [])

    def command(self) -> list[str]:
        """Give the command."""
        listeners = [f"-l{transport}:{self.host}:{self.port}" for transport in ("udp", "tcp")]
        files = ["-f", str(HERE / "kamailio.cfg"), "-Y", str(self.folder)]
        files += [word for name in self.defines for word in ("-A", name)]
        return ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", *files,
                "-P", str(self.folder / "pid"), *listeners]  # fmt: skip


class Target:
    """A server under test: where it is, and how long its timers are, in seconds."""

    def __init__(self, name: str, host: str, port: int, t1: float, t2: float) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.t1 = t1
        self.t2 = t2
        #: How long a call may ring (timer C); only for servers that we start.
        self.timer_c = 3.0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.host, self.port

    @property
    def uri(self) -> str:
        """Itself."""
        return f"sip:{self.host}:{self.port}"

    def user(self, name: str) -> str:
        """The address of record of a user."""
        return f"sip:{name}@{self.host}:{self.port}"

    @property
    def give_up(self) -> float:
        """64*T1, with something for the clocks."""
        return 64 * self.t1 + 1.0


def started(which: str, folder: Path, variant: str = "") -> tuple[Server, Target]:
    """A server to start, not started yet; ``variant`` as in VARIANTS."""
    if which == "kamailio":
        server: Server = PlainKamailio(folder, variant)
        return server, Target("kamailio", *server.address, t1=0.125, t2=0.5)
    server = SipProxy(folder, lines=[*OUR_LINES, *VARIANTS[variant]])
    return server, Target("sipproxy", *server.address, t1=0.05, t2=0.2)


def given(text: str, t1: float) -> Target:
    """A server that runs already: ``udp:HOST:PORT``.  Raises ValueError."""
    _transport, host, port = text.rsplit(":", 2)
    return Target(text, host, int(port), t1, max(t1, 4.0))


def version_of(which: str) -> str:
    """What a server says of its version."""
    if which == "kamailio":
        program = shutil.which("kamailio")
        if program is None:
            return "not installed"
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout
        return said.splitlines()[0].removeprefix("version: ").partition(" (")[0]
    from sipproxy import __version__

    return f"sipproxy {__version__}"
