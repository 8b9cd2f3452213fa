"""Drives baresip, a telephone other people wrote, through its ctrl_tcp module."""

import contextlib
import json
import socket
import subprocess
import time
import wave
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bench.processes import LOOPBACK, free_port

_PATIENCE: Final = 20.0
_AUDIO_RATE: Final = 8000
#: RTP ports for one phone; taken from a place that free_port() has just found free.
_RTP_PORTS: Final = 10
_CONFIGURATION: Final = """\
sip_listen {host}:{port}
net_interface {host}
audio_source aufile,{folder}/said.wav
audio_player aufile,{folder}/heard.wav
audio_alert aufile,{folder}/alert.wav
ctrl_tcp_listen {host}:{control}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
rtp_ports {audio}-{audio_end}
"""


class Baresip:
    """A running baresip with one account; it answers by itself when called."""

    def __init__(
        self, folder: Path, user: str, server: tuple[str, int], transport: str = "udp"
    ) -> None:
        folder.mkdir()
        host, port = server
        self.uri = f"sip:{user}@{host}:{port}"
        self._user = user
        self._control = free_port()
        self._events: list[dict[str, Any]] = []
        self._unread = b""
        audio = free_port() & ~1
        configuration = _CONFIGURATION.format(
            host=LOOPBACK, port=free_port(), folder=folder, control=self._control,
            audio=audio, audio_end=audio + _RTP_PORTS,
        )  # fmt: skip
        (folder / "config").write_text(configuration)
        account = f"<{self.uri};transport={transport}>;regint=60;answermode=auto\n"
        (folder / "accounts").write_text(account)
        (folder / "contacts").write_text("")
        with wave.open(str(folder / "said.wav"), "wb") as said:
            said.setnchannels(1)
            said.setsampwidth(2)
            said.setframerate(_AUDIO_RATE)
            said.writeframes(b"\x00\x10\x00\xf0" * _AUDIO_RATE * 20)
        self._screen = folder / "screen"
        with self._screen.open("wb") as screen:
            self._process = subprocess.Popen(
                ["baresip", "-f", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
            )
        try:
            self._line = self._connect()
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _connect(self) -> socket.socket:
        limit = time.monotonic() + _PATIENCE
        while time.monotonic() < limit and self._process.poll() is None:
            try:
                return socket.create_connection((LOOPBACK, self._control), _PATIENCE)
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"baresip does not start:\n{self._screen.read_text()}")

    def tell(self, command: str, parameters: str = "") -> None:
        """Give it a command of its menu, such as dial or hangup."""
        text = json.dumps({"command": command, "params": parameters})
        self._line.sendall(f"{len(text)}:{text},".encode())

    def wait_until_registered(self) -> None:
        """Wait for the 200 to its REGISTER; that may come before we can hear of any event."""
        limit = time.monotonic() + _PATIENCE
        while "} 200 OK" not in (said := self._screen.read_text(errors="replace")):
            assert time.monotonic() < limit, f"baresip of {self._user} cannot register:\n{said}"
            time.sleep(0.02)

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Wait for an event of a kind, such as CALL_ESTABLISHED."""
        limit = time.monotonic() + _PATIENCE
        while time.monotonic() < limit:
            for event in self._events:
                if event.get("type") == kind:
                    self._events.remove(event)
                    return event
            try:
                self._read()
            except TimeoutError:
                break
        raise AssertionError(
            f"baresip of {self._user} did not say {kind}, but {self._events}\n"
            + self._screen.read_text(errors="replace")[-3000:]
        )

    def _read(self) -> None:
        data = self._line.recv(65535)
        assert data, "baresip has closed its control connection"
        self._unread += data
        while b":" in self._unread:
            length, _, rest = self._unread.partition(b":")
            end = int(length)
            if len(rest) <= end:
                return
            self._events.append(json.loads(rest[:end]))
            self._unread = rest[end + 1 :]
