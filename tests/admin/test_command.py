"""Options that name a configuration, before the verb and after it."""

from pathlib import Path

import pytest

from sipproxy.admin import cli
from sipproxy.admin.command import CommandFailed, load_configuration
from sipproxy.config.settings import Configuration


def load(*arguments: str) -> Configuration:
    """Load what ``sipctl ARGUMENTS`` would."""
    return load_configuration(cli.parser().parse_args(arguments))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    """Write a file, with its folders."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


class FileTests:
    """Which file is meant."""

    def test_default(self, in_a_folder: Path) -> None:
        """Without -f it is the one in conf/."""
        write(in_a_folder, "conf/sipd.conf", "MaxForks 3")
        assert load("configtest").server["MaxForks"] == 3

    def test_no_default(self) -> None:
        """Without any file the answer says how to name one."""
        with pytest.raises(CommandFailed, match=r"no conf/sipd.conf here; name the file with -f"):
            load("configtest")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-f", "a.conf", "configtest"],
            ["configtest", "-f", "a.conf"],
            ["-f", "b.conf", "configtest", "-f", "a.conf"],
        ],
    )
    def test_named(self, in_a_folder: Path, arguments: list[str]) -> None:
        """-f works before the verb and after it; the later one counts."""
        write(in_a_folder, "a.conf", "MaxForks 3")
        assert load(*arguments).server["MaxForks"] == 3

    def test_missing(self) -> None:
        """A file that is not there is one sentence."""
        with pytest.raises(CommandFailed) as caught:
            load("-f", "none.conf", "configtest")
        assert str(caught.value) == "none.conf cannot be read: no such file or directory"
        assert caught.value.status == 1

    def test_relative_paths_become_absolute(self, in_a_folder: Path) -> None:
        """Faults name the file as it was typed; values do not depend on the folder any more."""
        write(in_a_folder, "conf/sipd.conf", "MaxForks x")
        configuration = load("configtest")
        assert configuration.faults[0].file == "conf/sipd.conf"
        assert configuration.server["PidFile"] == str(in_a_folder / "logs/sipd.pid")


class OptionTests:
    """-D, -C and -c."""

    def test_on_both_sides(self, in_a_folder: Path) -> None:
        """They add up, wherever they stand."""
        write(
            in_a_folder,
            "conf/sipd.conf",
            "<IfDefine One>\nMaxForks 7\n</IfDefine>\n<IfDefine Two>\nRecursive On\n</IfDefine>\n",
        )
        server = load(
            *("-D", "One", "-C", "PidFile /a", "configtest"),
            *("-D", "Two", "-c", "AddRecordRoute Off"),
        ).server
        assert (server["MaxForks"], server["Recursive"]) == (7, True)
        assert (server["PidFile"], server["AddRecordRoute"]) == ("/a", False)
