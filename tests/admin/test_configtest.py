"""``sipctl configtest``."""

from pathlib import Path

import pytest

from sipproxy.admin import cli
from sipproxy.admin.configtest import counted, verdict
from sipproxy.config.tree import Fault


def configtest(folder: Path, text: str, *options: str) -> int:
    """Check a text."""
    path = folder / "x.conf"
    path.write_text(text)
    return cli.main(["-f", str(path), "configtest", *options])


class ConfigtestTests:
    """The verb, as a shell sees it."""

    def test_good(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A good file is answered as Apache does."""
        assert configtest(tmp_path, "MaxForks 3") == 0
        assert capsys.readouterr().out == "Syntax OK\n"

    def test_good_and_quiet(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With -q the status says it all, even when there would be notes."""
        assert configtest(tmp_path, "StartServers 3", "-q") == 0
        assert capsys.readouterr().out == ""

    def test_notes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Notes are shown and do no harm."""
        assert configtest(tmp_path, "StartServers 3") == 0
        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith(f"{tmp_path}/x.conf:1: note: StartServers: has no meaning here")
        assert second == "Syntax OK"

    @pytest.mark.parametrize("options", [[], ["-q"]])
    def test_faults(
        self, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every fault on a line of its own, then their number; never silent."""
        assert configtest(tmp_path, "MaxFroks 3\nStartServers 3\nRecursive x", *options) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == (
            f"{tmp_path}/x.conf:1: MaxFroks: no such directive; did you mean MaxForks?"
        )
        assert lines[2] == f'{tmp_path}/x.conf:3: Recursive: On or Off was expected, got "x"'
        assert lines[3].startswith("2 faults and 1 note; ")
        assert len(lines) == 4

    def test_modules_are_asked(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What a module would refuse when the server starts is refused here, with its line."""
        assert configtest(tmp_path, "StartServers 3\nRegistrationDefaultExpires 30") == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].startswith(f"{tmp_path}/x.conf:2: RegistrationDefaultExpires: 30 must")
        assert lines[2].startswith("1 fault and 1 note; ")

    def test_missing_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        """One sentence, status 1."""
        assert cli.main(["configtest", "-f", "/none/x.conf"]) == 1
        captured = capsys.readouterr()
        assert captured.err == "sipctl: /none/x.conf cannot be read: no such file or directory\n"
        assert captured.out == ""


class VerdictTests:
    """The last line."""

    def test_singular(self) -> None:
        """One fault is one fault."""
        assert verdict([Fault("f", 1, "x")], []).startswith("1 fault; no server starts")

    def test_thousands(self) -> None:
        """Large numbers are written for people."""
        assert counted(1234, "fault") == "1,234 faults"
