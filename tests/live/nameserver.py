"""A real name server (NSD) on a free port of the loopback, with zones as the test writes them."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from bench.processes import LOOPBACK, free_port
from sipproxy.resolve.wire import Address

_PATIENCE: Final = 10.0

_CONFIGURATION: Final = """
server:
    ip-address: {host}@{port}
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: "{folder}/nsd.pid"
    logfile: "{folder}/nsd.log"
    xfrdfile: ""
    zonelistfile: "{folder}/zone.list"
    xfrdir: "{folder}"
    rrl-ratelimit: 0
    zonefiles-check: yes
    server-count: 1
remote-control:
    control-enable: no
"""

#: Answered with a time to live of ``ttl`` and, for what is not there, of ``negative`` seconds.
_HEAD: Final = """$ORIGIN {zone}.
$TTL {ttl}
@ {negative} SOA ns root 1 3600 600 86400 {negative}
@ NS ns
ns A {host}
"""


class NameServer:
    """One server.  ``zones``: the name of each and its records, in the syntax of RFC 1035; a zone
    without text is broken: the server is to serve it, but has no data.
    """

    def __init__(
        self, folder: Path, zones: dict[str, str | None], *, ttl: int = 60, negative: int = 60
    ) -> None:
        self.folder = folder
        self.address: Address = (LOOPBACK, free_port())
        self._ttl = ttl
        self._negative = negative
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        text = _CONFIGURATION.format(host=LOOPBACK, port=self.address[1], folder=folder)
        for zone, records in zones.items():
            text += f'zone:\n    name: "{zone}"\n    zonefile: "{zone}.zone"\n'
            if records is not None:
                self.zone(zone, records)
        (folder / "nsd.conf").write_text(text)

    def zone(self, zone: str, records: str) -> None:
        """Write a zone's file."""
        head = _HEAD.format(zone=zone, ttl=self._ttl, negative=self._negative, host=LOOPBACK)
        (self.folder / f"{zone}.zone").write_text(head + records + "\n")

    def start(self) -> None:
        """Start, and wait until it answers."""
        program = shutil.which("nsd")
        assert program is not None
        self._process = subprocess.Popen(
            [program, "-d", "-c", str(self.folder / "nsd.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.05)
            until = time.monotonic() + _PATIENCE
            while not self._answers(probe):
                assert time.monotonic() < until, self.log

    def _answers(self, probe: socket.socket) -> bool:
        """Ask for the root, and see whether anything comes back."""
        try:
            probe.sendto(b"\0\1\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1", self.address)
            return bool(probe.recv(512))
        except (TimeoutError, ConnectionError):
            time.sleep(0.01)
            return False

    def change(self, zone: str, records: str) -> None:
        """Change a zone of the running server; it takes a moment until that is served."""
        self.zone(zone, records)
        path = self.folder / f"{zone}.zone"
        later = path.stat().st_mtime + 10  # it looks at the time of the file, in whole seconds
        os.utime(path, (later, later))
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Stop; the port is closed after that."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(_PATIENCE)

    @property
    def log(self) -> str:
        """What it has to say."""
        path = self.folder / "nsd.log"
        return path.read_text() if path.exists() else "nothing was logged"
