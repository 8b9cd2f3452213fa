"""``twistd sipproxy`` as an operator meets it: options, -t, and what is said before it starts."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IServiceMaker
from twisted.logger import LogLevel
from twisted.plugin import getPlugins
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from sipproxy.log import DEFAULT_LEVEL, SINK, set_levels
from sipproxy.tap import Options, makeService, observer
from sipproxy.testing.core import log_lines


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Leave the log of the process closed."""
    yield
    SINK.close()
    set_levels(DEFAULT_LEVEL, {})


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Give a configuration file that is good and says nothing."""
    path = tmp_path / "sipd.conf"
    path.write_text("ServerRoot " + str(tmp_path) + "\nListen 127.0.0.1:1 udp\n")
    return path


def parsed(conf: Path, *arguments: str, parent: dict[str, Any] | None = None) -> Options:
    """Parse a command line."""
    options: Any = Options()
    if parent is not None:
        options.parent = parent
    options.parseOptions(["-f", str(conf), *arguments])
    return options  # type: ignore[no-any-return]


def exit_of(conf: Path, *arguments: str) -> Any:
    """Parse a command line that ends the program; give what it exits with."""
    with pytest.raises(SystemExit) as caught:
        parsed(conf, *arguments)
    return caught.value.code


class PluginTests:
    """How twistd finds us."""

    def test_word(self) -> None:
        """There is a word ``sipproxy`` that leads here."""
        maker: Any = next(it for it in getPlugins(IServiceMaker) if it.tapname == "sipproxy")
        assert maker.module == "sipproxy.tap"
        assert maker.options is Options and maker.makeService is makeService


class OptionTests:
    """What stands after the word."""

    def test_file(self, conf: Path) -> None:
        """-f names the file, whose values are there at once."""
        assert parsed(conf).configuration.server["Listen"][0].port == 1

    def test_default_file(self) -> None:
        """Without -f it is conf/sipd.conf."""
        assert Options()["file"] == "conf/sipd.conf"

    def test_defines(self, conf: Path) -> None:
        """-D opens IfDefine sections; several may be given."""
        conf.write_text(
            conf.read_text() + "<IfDefine A>\n<IfDefine B>\nMaxForks 2\n</IfDefine>\n</IfDefine>\n"
        )
        assert parsed(conf).configuration.server["MaxForks"] == 5
        assert parsed(conf, "-D", "A").configuration.server["MaxForks"] == 5
        assert parsed(conf, "-D", "A", "-D", "B").configuration.server["MaxForks"] == 2

    def test_before_and_after(self, conf: Path) -> None:
        """-C stands on top of the file, -c at its end."""
        conf.write_text(conf.read_text() + "MaxForks 3\n")
        server = parsed(conf, "-C", "MaxForks 2", "-C", "MaxBindings 7").configuration.server
        assert (server["MaxForks"], server["MaxBindings"]) == (3, 7)
        assert parsed(conf, "-c", "MaxForks 4").configuration.server["MaxForks"] == 4

    def test_unknown(self, conf: Path) -> None:
        """A wrong option is a usage error, as for any twistd program."""
        with pytest.raises(UsageError):
            parsed(conf, "--no-such-option")


class CheckTests:
    """-t: check and exit."""

    def test_good(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A good file is "Syntax OK", status 0, and leaves no trace on the disk."""
        assert exit_of(conf, "-t") == 0
        assert capsys.readouterr().out == "Syntax OK\n"
        assert [path.name for path in conf.parent.iterdir()] == ["sipd.conf"]

    def test_faults(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Every fault is a line on standard error with its place; status 1."""
        conf.write_text("MaxForks none\nNonsense 1\n")
        assert exit_of(conf, "-t") == 1
        out, err = capsys.readouterr()
        lines = err.splitlines()
        assert out == "" and len(lines) == 3
        assert f"{conf}:1" in lines[0] and f"{conf}:2" in lines[1]
        assert lines[2] == "2 faults; nothing was started"

    def test_one_fault(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One is counted as one."""
        conf.write_text("MaxForks none\n")
        assert exit_of(conf, "-t") == 1
        assert capsys.readouterr().err.endswith("\n1 fault; nothing was started\n")

    def test_missing_file(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that is not there is a fault too."""
        assert exit_of(conf.with_name("no.conf"), "-t") == 1
        assert "no.conf" in capsys.readouterr().err

    def test_notes(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What is only worth saying is said, and the file is good."""
        conf.write_text(conf.read_text() + "StartServers 5\n")
        assert exit_of(conf, "-t") == 0
        out, err = capsys.readouterr()
        assert out == "Syntax OK\n" and "StartServers" in err

    def test_modules_are_asked(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What only a module can find wrong is found as well."""
        conf.write_text(conf.read_text() + 'CustomLog access "%q"\n')
        assert exit_of(conf, "-t") == 1
        out, err = capsys.readouterr()
        assert out == "" and f"{conf}:3" in err and "%q" in err

    def test_faults_without_t(self, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A server is not started with a faulty file either."""
        conf.write_text("MaxForks none\n")
        assert exit_of(conf) == 1
        assert "nothing was started" in capsys.readouterr().err


class ParentTests:
    """What twistd itself is told."""

    def test_pid_file_and_logger(self, conf: Path) -> None:
        """PidFile and our log are twistd's, and the folder is there."""
        parent = {"pidfile": "twistd.pid", "logger": None, "logfile": None}
        parsed(conf, parent=parent)
        assert parent["pidfile"] == str(conf.parent / "logs" / "sipd.pid")
        assert parent["logger"] == "sipproxy.tap.observer"
        assert (conf.parent / "logs").is_dir()

    def test_given_on_the_command_line(self, conf: Path) -> None:
        """What the operator gave to twistd is left alone."""
        given: dict[str, Any] = {"pidfile": "/tmp/mine.pid", "logger": "mine.observer"}
        parent = dict(given)
        parsed(conf, parent=parent)
        assert parent == given
        parent = {"pidfile": "/tmp/mine.pid", "logfile": "mine.log"}
        parsed(conf, parent=parent)
        assert "logger" not in parent

    def test_pid_folder_cannot_be_made(self, conf: Path) -> None:
        """A folder that cannot be made is one sentence."""
        (conf.parent / "logs").write_text("a file stands in the way")
        with pytest.raises(SystemExit) as caught:
            parsed(conf, "-C", "PidFile logs/run/sipd.pid", parent={"pidfile": "twistd.pid"})
        assert "cannot make the folder" in str(caught.value.code)
        assert "\n" not in str(caught.value.code)


class MakeServiceTests:
    """What can go wrong before the process goes into the background."""

    def test_log_cannot_be_written(self, conf: Path) -> None:
        """A log below a file: one sentence that names the path."""
        (conf.parent / "logs").write_text("a file stands in the way")
        with pytest.raises(SystemExit) as caught:
            makeService(parsed(conf))
        text = str(caught.value.code)
        assert text.startswith("cannot write ") and str(conf.parent / "logs") in text
        assert "\n" not in text

    @pytest.mark.live
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_port_in_use(self, conf: Path, transport: str) -> None:
        """A port that somebody has: one sentence that names it."""
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if transport == "tcp":
                taken.listen()
            port = taken.getsockname()[1]
            conf.write_text(f"ServerRoot {conf.parent}\nListen 127.0.0.1:{port} {transport}\n")
            with pytest.raises(SystemExit) as caught:
                makeService(parsed(conf))
        text = str(caught.value.code)
        assert f"127.0.0.1:{port}" in text and "in use" in text and "\n" not in text


class ObserverTests:
    """Twisted's own log goes into ours."""

    def test_quiet_below_warn(self) -> None:
        """What Twisted says about itself is not an operator's business."""
        with log_lines("debug") as lines:
            observer()({"log_level": LogLevel.info, "log_format": "hello"})
            observer()({"log_format": "no level at all"})
        assert lines() == []

    @pytest.mark.parametrize(
        ("level", "ours"),
        [(LogLevel.warn, "warn"), (LogLevel.error, "error"), (LogLevel.critical, "error")],
    )
    def test_levels(self, level: Any, ours: str) -> None:
        """Warnings and errors are lines, folded into one each."""
        with log_lines() as lines:
            observer()({"log_level": level, "log_format": "one\n  {what}", "what": "two"})
        (line,) = lines()
        assert f"[{ours}] [twisted] one two" in line

    def test_failure(self) -> None:
        """A failure is one line that names exception and place."""
        try:
            raise KeyError("lost")
        except KeyError:
            failure = Failure()
        event = {"log_level": LogLevel.critical, "log_format": "oops", "log_failure": failure}
        with log_lines() as lines:
            observer()(event)
        (line,) = lines()
        assert "oops: KeyError: 'lost' at " in line and "test_tap.py:" in line
