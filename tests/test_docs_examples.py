"""What the pages tell people to type is accepted, and what they tell them to write works."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from twisted.python.usage import Options as TwistedOptions
from twisted.scripts._twistd_unix import ServerOptions

from docs.pages import DOCS, ROOT, code_lines, files_of
from sipproxy.admin.cli import parser as sipctl_parser
from sipproxy.tap import Options

WRITE_A_MODULE: Final = DOCS / "howto" / "write-a-module.rst"


class OnlyOptions(Options):
    """The server's options without what comes of them."""

    def postOptions(self) -> None:
        """Read no file."""


def sipctl_fault(arguments: Sequence[str]) -> str:
    """Say why sipctl would not take these words; empty when it does."""
    try:
        parsed = sipctl_parser().parse_args(arguments)
    except SystemExit as left:
        return "" if left.code == 0 else f"status {left.code}"
    return "" if parsed.verb is not None or not arguments else "no verb"


def twistd_fault(arguments: Sequence[str]) -> str:
    """Say why twistd would not take these words."""
    if "sipproxy" not in arguments:
        return ""
    at = list(arguments).index("sipproxy")
    return options_fault(ServerOptions(), arguments[:at]) or options_fault(
        OnlyOptions(), arguments[at + 1 :]
    )


def options_fault(options: Any, words: Sequence[str]) -> str:
    """Say which of these words is no option of a Twisted program."""
    assert isinstance(options, TwistedOptions)
    names = {str(name).rstrip("=") for name in options.longOpt}
    names |= set(str(options.shortOpt).replace(":", ""))
    for word in words:
        if word.startswith("-") and word.lstrip("-").partition("=")[0] not in names:
            return f"{word} is no option"
    return ""


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Find the calls of a program in the pages, as lists of words."""
    found = []
    pattern = re.compile(rf"(?:^|[\s/=]){program}((?: [^;|>]*)?)$")
    for page, line in code_lines():
        match = pattern.search(line.split("#")[0].rstrip())
        if match:
            found.append((page, shlex.split(match.group(1))))
    return found


class CommandTests:
    """What the pages tell people to type."""

    def test_sipctl_takes_them(self) -> None:
        """Every ``sipctl`` line of the pages has a verb and options that exist."""
        found = commands("sipctl")
        assert len(found) > 5
        wrong = [(page, words, why) for page, words in found if (why := sipctl_fault(words))]
        assert not wrong

    def test_twistd_takes_them(self) -> None:
        """Every ``twistd`` line of the pages has options that exist."""
        found = commands("twistd")
        assert len(found) >= 3
        wrong = [(page, words, why) for page, words in found if (why := twistd_fault(words))]
        assert not wrong

    def test_make_has_the_verbs(self) -> None:
        """Every ``make`` line of the pages names a verb of the Makefile."""
        text = (ROOT / "Makefile").read_text("utf-8")
        verbs = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
        called = {words[0] for _page, words in commands("make") if words and words[0].isalpha()}
        assert {"run", "test"} <= called <= verbs

    def test_wrong_ones_are_noticed(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The checks above would see a verb or an option that is not there."""
        assert sipctl_fault(["configtset"])
        assert sipctl_fault(["configtest", "--no-such"])
        assert twistd_fault(["sipproxy", "--no-such"])
        assert twistd_fault(["--no-such", "sipproxy"])
        assert "configtset" in capsys.readouterr().err

    def test_verbs_are_all_described(self) -> None:
        """The reference has a section for each verb."""
        text = (DOCS / "reference" / "command-line.rst").read_text("utf-8")
        action: Any = next(
            action
            for action in sipctl_parser()._actions
            if isinstance(action, argparse._SubParsersAction)
        )
        for verb in action.choices:
            assert f"\nsipctl {verb}\n~" in text


def run_in(folder: Path, *arguments: str) -> str:
    """Run a Python program as a reader of the page would, and give what it printed."""
    done = subprocess.run(
        (sys.executable, "-m", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def follow(page: Path, folder: Path) -> list[str]:
    """Write the files that a page shows, run each test as soon as it is there, say what passed."""
    passed = []
    for name, text in files_of(page):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        if name.startswith("test_"):
            printed = run_in(folder, "pytest", "-q", "-p", "no:cacheprovider", name)
            passed += re.findall(r"^(\d+ passed)", printed, re.MULTILINE)
    return passed


class HowToTests:
    """The pages in docs/howto, followed step by step."""

    def test_write_a_module(self, tmp_path: Path) -> None:
        """The tests on the page pass with the files that the reader has by then."""
        assert follow(WRITE_A_MODULE, tmp_path) == ["2 passed", "2 passed"]
        assert "Syntax OK" in run_in(tmp_path, "sipproxy.admin.cli", "configtest")

    def test_module_is_short(self) -> None:
        """The finished module has under thirty lines and its test under twenty-five."""
        files = dict(files_of(WRITE_A_MODULE))
        assert len(files["mod_sip_night.py"].splitlines()) < 30
        assert len(files["test_mod_sip_night.py"].splitlines()) < 25

    def test_play_a_call(self, tmp_path: Path) -> None:
        """The calls on the page go as the page says."""
        page = DOCS / "howto" / "play-a-call.rst"
        assert follow(page, tmp_path) == ["1 passed", "2 passed", "2 passed"]
