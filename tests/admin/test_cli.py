"""`sipctl` as a whole: how it is called, how it refuses, and that it starts fast."""

import os
import subprocess
import sys

import pytest

from sipproxy import __version__
from sipproxy.admin import cli
from sipproxy.admin.command import CommandFailed


def outcome(arguments: list[str]) -> int:
    """Run `sipctl`; argparse leaves by exception, which a shell would not notice."""
    try:
        return cli.main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)


class MisuseTests:
    """What makes no sense is answered with one sentence and status 2."""

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ([], "sipctl: a verb is needed: "),
            (["confgtest"], 'sipctl: there is no verb "confgtest"; did you mean configtest?'),
            (["zzz"], 'sipctl: there is no verb "zzz"; the verbs are '),
            (["--fiel", "x"], "sipctl: "),
            (["configtest", "--quite"], "sipctl: unrecognized arguments: --quite"),
            (["configtest", "-f"], "sipctl configtest: argument -f: expected one argument"),
        ],
    )
    def test_one_sentence(
        self, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No usage is dumped; the sentence goes where errors go."""
        assert outcome(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(sentence)
        assert captured.err.count("\n") == 1


class VerbTests:
    """Verbs in general."""

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """It says what it is."""
        assert outcome(["--version"]) == 0
        assert capsys.readouterr().out == f"sipctl {__version__}\n"

    def test_help_names_every_verb(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A verb without a line of help could not be found."""
        assert outcome(["-h"]) == 0
        text = capsys.readouterr().out
        for verb in cli.parser().verbs:
            assert f"\n    {verb} " in text

    def test_verb_that_gives_up(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its sentence is printed and its status is the program's."""

        def run(_arguments: object) -> int:
            raise CommandFailed("the moon is missing", 3)

        monkeypatch.setattr("sipproxy.admin.configtest.run", run)
        assert outcome(["configtest"]) == 3
        assert capsys.readouterr().err == "sipctl: the moon is missing\n"

    def test_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control-C ends it as it ends every program of a shell."""

        def run(_arguments: object) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr("sipproxy.admin.configtest.run", run)
        assert outcome(["configtest"]) == 130


class ProcessTests:
    """The real program."""

    def test_starts_without_twisted(self) -> None:
        """A verb that needs no module does not wait for Twisted to be imported."""
        code = (
            "import sys; from sipproxy.admin import cli; cli.parser();"
            "print(sorted(name for name in sys.modules if name in ('twisted', 'zope.interface')))"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.stdout == "[]\n", found.stderr

    def test_reader_that_goes_away(self) -> None:
        """`sipctl directives | head -1` ends without a complaint."""
        read_end, write_end = os.pipe()
        os.close(read_end)
        program = [sys.executable, "-m", "sipproxy.admin.cli", "directives"]
        found = subprocess.run(program, stdout=write_end, stderr=subprocess.PIPE, text=True)
        os.close(write_end)
        assert found.returncode == 1
        assert found.stderr == ""
