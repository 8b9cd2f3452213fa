"""The error log: levels, lines that stay lines, and files that come and go."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from sipproxy.log import (
    DEFAULT_LEVEL,
    LEVELS,
    MAX_KEPT_LINES,
    SINK,
    ErrorLog,
    Logger,
    console,
    get_logger,
    set_levels,
)

#: A file on a disk that is always full.
FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def levels_as_before() -> Iterator[None]:
    """Leave the levels of the process as they were."""
    yield
    set_levels(DEFAULT_LEVEL, {})


def said(say: Callable[[Logger], object], level: str = "debug") -> list[str]:
    """Give the lines that a logger writes, without their time."""
    sink, out = ErrorLog(), StringIO()
    sink.open("/dev/null", out)
    try:
        say(Logger("mod_x", sink, LEVELS.index(level)))
    finally:
        sink.close()
    return [line.partition("] ")[2] for line in out.getvalue().splitlines()]


class LineTests:
    """What a line looks like."""

    def test_form(self) -> None:
        """Time to the millisecond, level, module, event and sentence."""
        sink, out = ErrorLog(), StringIO()
        sink.open("/dev/null", out)
        sink.write("warn", "mod_x", "x.y: something")
        sink.close()
        form = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[warn\] \[mod_x\] x\.y: something\n"
        assert re.fullmatch(form, out.getvalue())

    @pytest.mark.parametrize("level", ["error", "warn", "notice", "info", "debug"])
    def test_voices(self, level: str) -> None:
        """Each method writes its own level."""
        lines = said(lambda log: getattr(log, level)("x.y", "text", number=5))
        assert lines == [f"[{level}] [mod_x] x.y: text number=5"]

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("plain", "plain"),
            (b"octets", "octets"),
            (12, "12"),
            ("two words", '"two words"'),
            ("", '""'),
            ('quo"ted', '"quo\\"ted"'),
            ("a\nb", '"a\\nb"'),
            (b"a\r\nVia: x", '"a\\r\\nVia: x"'),
            (b"\xff", "\\xff"),
            ("\x1b[31m", '"\\x1b[31m"'),
        ],
    )
    def test_fields(self, value: object, shown: str) -> None:
        """Whatever a peer sends, a line stays one line and its fields can be told apart."""
        (line,) = said(lambda log: log.info("x.y", "text", field=value))
        assert line.endswith(f"text field={shown}")


class LevelTests:
    """What is written at all."""

    @pytest.mark.parametrize("level", ["error", "warn", "notice", "info", "debug"])
    def test_threshold(self, level: str) -> None:
        """The level itself and what is more severe."""

        def say_all(log: Logger) -> None:
            for name in ("error", "warn", "notice", "info", "debug"):
                getattr(log, name)("x.y", name)

        written = [line.split("]")[0][1:] for line in said(say_all, level)]
        assert written == list(LEVELS[3 : LEVELS.index(level) + 1])

    def test_own_level(self) -> None:
        """A module may have a level of its own, whether its logger is there already or not."""
        early, other = get_logger("test_early"), get_logger("test_other")
        set_levels("warn", {"test_early": "debug", "test_late": "info"})
        late = get_logger("test_late")
        assert early.is_debug() and not other.is_debug()
        assert late.threshold == LEVELS.index("info")
        assert other.threshold == LEVELS.index("warn")
        assert get_logger("test_new").threshold == LEVELS.index("warn")

    def test_set_again(self) -> None:
        """A level that is no longer set is forgotten."""
        logger = get_logger("test_again")
        set_levels("notice", {"test_again": "debug"})
        set_levels("error", {})
        assert logger.threshold == LEVELS.index("error")

    def test_one_logger_a_name(self) -> None:
        """There is one logger for a name, and it writes to the log of the process."""
        assert get_logger("test_one") is get_logger("test_one")
        assert get_logger("test_one").sink is SINK


class FailureTests:
    """Unexpected exceptions."""

    def raised(self) -> Exception:
        """Give an exception that was raised here."""
        try:
            raise KeyError("what\nis this")
        except KeyError as error:
            return error

    def test_one_line(self) -> None:
        """One line with what and where."""
        error = self.raised()
        (line,) = said(lambda log: log.failure("x.y", "it broke", error, call=1), "notice")
        assert line.startswith("[error] [mod_x] x.y: it broke: KeyError: 'what\\nis this' at ")
        assert re.search(r"test_log\.py:\d+ call=1$", line)

    def test_traceback(self) -> None:
        """At debug the traceback as well, each line under the event's name."""
        error = self.raised()
        lines = said(lambda log: log.failure("x.y", "it broke", error))
        assert len(lines) > 3
        assert all("x.y: " in line or not line for line in lines if "[" in line)

    def test_never_raised(self) -> None:
        """An exception without a traceback has no place."""
        (line,) = said(lambda log: log.failure("x.y", "it broke", ValueError("no")), "notice")
        assert line == "[error] [mod_x] x.y: it broke: ValueError: no"

    def test_lines_in_the_message(self) -> None:
        """An exception whose text holds what a peer sent cannot forge a line."""
        forged = ValueError("no\n[2026-01-01] [notice] [service] service.started: all is well")
        assert len(said(lambda log: log.failure("x.y", "it broke", forged), "notice")) == 1


class FileTests:
    """The file behind it."""

    def test_kept_until_there_is_a_file(self, tmp_path: Path) -> None:
        """What is said before the configuration is read is not lost."""
        sink = ErrorLog()
        sink.write("notice", "a", "first")
        sink.open(str(tmp_path / "log"))
        sink.write("notice", "a", "second")
        sink.close()
        lines = (tmp_path / "log").read_text().splitlines()
        assert [line.rpartition(" ")[2] for line in lines] == ["first", "second"]

    def test_kept_lines_are_bounded(self, tmp_path: Path) -> None:
        """A file that never comes does not fill the memory."""
        sink = ErrorLog()
        for number in range(MAX_KEPT_LINES + 50):
            sink.write("notice", "a", str(number))
        sink.open(str(tmp_path / "log"))
        sink.close()
        assert len((tmp_path / "log").read_text().splitlines()) == MAX_KEPT_LINES

    def test_appended(self, tmp_path: Path) -> None:
        """A log that is there is gone on with."""
        (tmp_path / "log").write_text("old\n")
        sink = ErrorLog()
        sink.open(str(tmp_path / "log"))
        sink.write("notice", "a", "new")
        sink.close()
        assert (tmp_path / "log").read_text().startswith("old\n[")

    def test_rotated(self, tmp_path: Path) -> None:
        """After it was moved away, lines go to a new file of the old name."""
        sink, path = ErrorLog(), tmp_path / "log"
        sink.open(str(path))
        sink.write("notice", "a", "first")
        path.rename(tmp_path / "log.1")
        sink.write("notice", "a", "second")
        sink.reopen()
        sink.write("notice", "a", "third")
        sink.close()
        assert (tmp_path / "log.1").read_text().count("\n") == 2
        assert "third" in path.read_text()

    def test_rotation_that_fails(self, tmp_path: Path) -> None:
        """When the new file cannot be opened the old one stays."""
        folder = tmp_path / "logs"
        folder.mkdir()
        sink = ErrorLog()
        sink.open(str(folder / "log"))
        moved = folder.rename(tmp_path / "gone")
        with pytest.raises(OSError):
            sink.reopen()
        sink.write("notice", "a", "still")
        sink.close()
        assert "still" in (moved / "log").read_text()

    def test_reopen_without_file(self) -> None:
        """Nothing happens before there is a file."""
        ErrorLog().reopen()

    def test_unwritable(self, tmp_path: Path) -> None:
        """A folder that is not there is an OSError."""
        with pytest.raises(OSError):
            ErrorLog().open(str(tmp_path / "no" / "log"))

    def test_console(self, tmp_path: Path) -> None:
        """A server in the foreground says everything twice."""
        sink, out = ErrorLog(), StringIO()
        sink.write("notice", "a", "before")
        sink.open(str(tmp_path / "log"), out)
        sink.write("notice", "a", "after")
        sink.close()
        assert out.getvalue() == (tmp_path / "log").read_text() and out.getvalue().count("\n") == 2

    @pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
    def test_full_disk(self) -> None:
        """A full disk does not take the server with it, and the console has the line."""
        sink, out = ErrorLog(), StringIO()
        sink.open(str(FULL), out)
        sink.write("notice", "a", "line")
        assert "line" in out.getvalue()
        with suppress(OSError):
            sink.close()

    @pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
    def test_end_on_a_full_disk(self) -> None:
        """A full disk does not keep the server from stopping."""
        sink = ErrorLog()
        sink.open(str(FULL))
        sink.write("notice", "a", "line")
        failed = 0
        try:
            sink.close()
        except OSError as error:
            failed = error.errno or 1
        assert not failed

    def test_console_gone(self, tmp_path: Path) -> None:
        """A console that is gone (a closed terminal or pipe) does not either."""

        class Gone(StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        sink = ErrorLog()
        sink.open(str(tmp_path / "log"), Gone())
        failed = False
        try:
            sink.write("notice", "a", "line")
        except OSError:
            failed = True
        sink.close()
        assert not failed and "line" in (tmp_path / "log").read_text()

    def test_octets_that_are_no_text(self, tmp_path: Path) -> None:
        """What cannot be encoded is spelled out."""
        sink = ErrorLog()
        sink.open(str(tmp_path / "log"))
        sink.write("notice", "a", "sur\udcffrogate")
        sink.close()
        assert "sur\\udcffrogate" in (tmp_path / "log").read_text()


class ConsoleTests:
    """Where a foreground server speaks."""

    def test_standard_error(self, capsys: pytest.CaptureFixture[Any]) -> None:
        """To standard error."""
        console().write("hello")
        assert capsys.readouterr().err == "hello"
