"""The running server: it starts or says in one sentence why not, and stops in order."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.processes import LOOPBACK, free_port
from bench.servers import answers
from sipproxy.log import DEFAULT_LEVEL, SINK, get_logger, set_levels
from sipproxy.service import StartError, prepare
from sipproxy.testing.server import configuration_of

ROOT = Path(__file__).parent.parent

#: Seconds that a server may take to start or to stop on a busy machine.
_PATIENCE = 30


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Leave the log of the process closed."""
    yield
    SINK.close()
    set_levels(DEFAULT_LEVEL, {})


class PrepareTests:
    """What is made before the process goes into the background."""

    def prepared(self, folder: Path, *lines: str) -> bytes:
        """Prepare a server whose root is a folder; give its secret."""
        SINK.close()
        return prepare(configuration_of("\n".join([f"ServerRoot {folder}", *lines])), None)

    def test_folders(self, tmp_path: Path) -> None:
        """Folders of logs and state are made, the state is nobody else's to read."""
        self.prepared(tmp_path / "deep" / "root")
        root = tmp_path / "deep" / "root"
        assert (root / "logs" / "error_log").exists() and (root / "logs" / "access_log").exists()
        assert stat.S_IMODE((root / "state").stat().st_mode) & 0o007 == 0

    def test_secret_is_kept(self, tmp_path: Path) -> None:
        """The secret outlives a restart, and only we can read it."""
        first = self.prepared(tmp_path)
        second = self.prepared(tmp_path)
        assert first == second and len(first) == 32
        assert stat.S_IMODE((tmp_path / "state" / "secret").stat().st_mode) == 0o600

    def test_secrets_differ(self, tmp_path: Path) -> None:
        """No two servers have the same."""
        one = self.prepared(tmp_path / "one")
        assert one != self.prepared(tmp_path / "two")

    def test_secret_cut_off(self, tmp_path: Path) -> None:
        """A secret that a full disk cut off is made anew."""
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "secret").write_bytes(b"short")
        secret = self.prepared(tmp_path)
        assert len(secret) == 32
        assert (tmp_path / "state" / "secret").read_bytes() == secret

    def test_levels(self, tmp_path: Path) -> None:
        """LogLevel is in force from here on: the general one, and those of modules."""
        lines = ("LogLevel error", "LogLevel mod_sip_relay debug")
        self.prepared(tmp_path, *lines)
        assert get_logger("mod_sip_relay").is_debug()
        assert not get_logger("service").is_debug()
        get_logger("service").warn("x.y", "too quiet")
        get_logger("service").error("x.y", "loud enough")
        text = (tmp_path / "logs" / "error_log").read_text()
        assert "loud enough" in text and "too quiet" not in text

    @pytest.mark.parametrize("line", ["ErrorLog f/x/log", "CustomLog f/x/log", "StateDir f/x"])
    def test_cannot_be_written(self, tmp_path: Path, line: str) -> None:
        """A folder that cannot be made is one sentence with the path in it."""
        (tmp_path / "f").write_text("a file stands in the way")
        with pytest.raises(StartError) as caught:
            self.prepared(tmp_path, line)
        assert str(tmp_path / "f") in str(caught.value) and "\n" not in str(caught.value)


class Launched:
    """A ``twistd --nodaemon sipproxy`` in a folder of its own."""

    def __init__(self, folder: Path, *lines: str, before: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        listen = f"Listen {LOOPBACK}:{self.port}"
        text = "\n".join([f"ServerRoot {folder}", listen, *lines, ""])
        self.conf = folder / f"sipd-{self.port}.conf"
        self.conf.write_text(text)
        program = [str(Path(sys.executable).parent / "twistd"), "--nodaemon", *before]
        self.process = subprocess.Popen(
            [*program, "sipproxy", "-f", str(self.conf)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, event: str) -> str:
        """Read what it says until a line names the event; give that line."""
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if event in line:
                return line
        raise AssertionError(f"{event} never came:\n" + "".join(said))

    def up(self) -> str:
        """Wait until it answers requests: only then signals are its reactor's; what it said."""
        line = self.wait_for("service.started")
        assert any(answers(LOOPBACK, self.port, number) for number in range(100))
        return line

    def ended(self) -> tuple[int, str]:
        """Wait for its end; give the status and the rest of what it said."""
        _, said = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, said

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it by a signal."""
        self.process.send_signal(number)
        return self.ended()

    def __enter__(self) -> "Launched":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        elif self.process.stderr is not None:
            self.process.stderr.close()


@pytest.mark.live
class RunTests:
    """From start to stop."""

    def test_start_and_term(self, tmp_path: Path) -> None:
        """It says where it listens; at TERM it leaves in order and takes its pid file along."""
        with Launched(tmp_path) as server:
            line = server.up()
            assert f"{LOOPBACK}:{server.port}" in line and "0 bindings restored" in line
            pid_file = tmp_path / "logs" / "sipd.pid"
            assert int(pid_file.read_text()) == server.process.pid
            status, said = server.stop()
        assert status in (0, -signal.SIGTERM)
        assert "service.stopped" in said and "Traceback" not in said
        assert not pid_file.exists()
        assert "service.stopped" in (tmp_path / "logs" / "error_log").read_text()

    def test_int(self, tmp_path: Path) -> None:
        """Control-C is a stop like any other."""
        with Launched(tmp_path) as server:
            server.up()
            status, said = server.stop(signal.SIGINT)
        assert status in (0, -signal.SIGINT)
        assert "service.stopped" in said and "Traceback" not in said

    @pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
    def test_logs_are_opened_again(self, tmp_path: Path, number: int) -> None:
        """USR1 and HUP let log files be moved away; nothing else happens."""
        with Launched(tmp_path) as server:
            server.up()
            logs = tmp_path / "logs"
            for name in ("error_log", "access_log"):
                (logs / name).rename(logs / f"{name}.1")
            server.process.send_signal(number)
            server.wait_for("service.logs_reopened")
            assert (logs / "error_log").exists() and (logs / "access_log").exists()
            server.stop()
        assert "service.stopped" in (logs / "error_log").read_text()

    def test_again(self, tmp_path: Path) -> None:
        """A folder may be started from again and again, with the same secret."""
        secrets = set()
        for _ in range(2):
            with Launched(tmp_path) as server:
                server.up()
                server.stop()
            secrets.add((tmp_path / "state" / "secret").read_bytes())
        assert len(secrets) == 1


@pytest.mark.live
class RefuseTests:
    """It does not start: one clear sentence, status 1."""

    def refused(self, server: Launched) -> str:
        """Wait for the end; give the one sentence."""
        status, said = server.ended()
        assert status == 1, said
        assert "Traceback" not in said
        return said.strip().splitlines()[-1]

    def test_unknown_module(self, tmp_path: Path) -> None:
        """A module that nobody has is a fault with file and line."""
        with Launched(tmp_path, "LoadModule mod_sip_nothing") as server:
            status, said = server.ended()
        assert status == 1 and "Traceback" not in said
        assert f"{server.conf}:3" in said and "mod_sip_nothing" in said

    def test_state_in_use(self, tmp_path: Path) -> None:
        """Two servers cannot share a state folder, and the second says what to do."""
        with Launched(tmp_path) as first:
            first.up()
            with Launched(tmp_path, "PidFile logs/other.pid", "ErrorLog logs/other") as second:
                said = self.refused(second)
            assert f"the state folder {tmp_path / 'state'} is in use by another server" in said
            assert "StateDir" in said
            assert first.stop()[0] in (0, -signal.SIGTERM)

    def test_same_folder(self, tmp_path: Path) -> None:
        """A second server from the same folder is refused, and the first one lives on."""
        with Launched(tmp_path) as first:
            first.up()
            with Launched(tmp_path) as second:
                status, said = second.ended()
            assert status == 1 and str(first.process.pid) in said
            assert first.process.poll() is None
            assert (tmp_path / "logs" / "sipd.pid").exists()
            first.stop()

    def test_state_is_a_file(self, tmp_path: Path) -> None:
        """A state folder that is none is said before anything else."""
        (tmp_path / "f").write_text("")
        with Launched(tmp_path, "StateDir f") as server:
            assert str(tmp_path / "f") in self.refused(server)

    def test_module_that_refuses(self, tmp_path: Path) -> None:
        """What a module finds wrong has file and line."""
        lines = ("RegistrationMinExpires 100", "RegistrationDefaultExpires 50")
        with Launched(tmp_path, *lines) as server:
            said = self.refused(server)
        assert f"{server.conf}:4" in said and "RegistrationDefaultExpires" in said
