"""``sipctl directives`` and the page of the reference."""

import json
import re

import pytest

from sipproxy.admin import cli
from sipproxy.admin.directives import (
    CORE,
    all_rows,
    directive_block,
    in_full,
    listing,
    reference_page,
)
from sipproxy.config.directive import Directive, Take, choice, each, flag, word
from sipproxy.config.loader import CORE as CORE_SETTINGS
from sipproxy.modules import directives_of, known_modules

SLOW = Directive(
    "EnumWhenSlow",
    Take.ONE,
    choice("NextModule", "Refuse"),
    "NextModule",
    "What to do with a *call* when `DNS` is slow_ or pipes | break.",
    example="EnumWhenSlow Refuse",
)
USERS = Directive("Users", Take.MANY, each(word), ("a b", "c"), "Names.", multiple=True)
OLD = Directive("Old", Take.FLAG, flag, None, "Gone.", ignored="it is gone")


class CommandTests:
    """The verb, as a shell sees it."""

    def test_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A name, in any case, gives all about that directive."""
        assert cli.main(["directives", "maxforks"]) == 0
        assert capsys.readouterr().out == (
            "MaxForks NUMBER\n"
            "  The most phones that ring at a time for one call.\n"
            "  default   5\n"
            "  legal     anywhere in the configuration, once\n"
            "  module    core\n"
            "  page      docs/reference/directives.rst\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["MaxFork"], 'there is no directive "MaxFork"; did you mean MaxForks?'),
            (["Zebra"], 'there is no directive "Zebra"; sipctl directives lists them all'),
            (["--module", "croe"], 'there is no module "croe"; did you mean core?'),
            (["--module", "zebra"], 'there is no module "zebra"; sipctl directives --module core'),
            (
                ["MaxForks", "--module", "mod_sip_registry"],
                'there is no directive "MaxForks" in mod_sip_registry',
            ),
        ],
    )
    def test_unknown(
        self, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is not there is refused with the nearest name, as misuse."""
        assert cli.main(["directives", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"sipctl: {sentence}")

    def test_all(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a name every row is listed, below its owner."""
        assert cli.main(["directives"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line.startswith(("core", "mod_"))] == [
            CORE,
            *(name for name in known_modules() if directives_of(name)),
        ]
        for _owner, row in all_rows():
            assert f"  {row.syntax_line}" in lines

    def test_lines_fit_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Prose fits 80 columns; only a long syntax may be longer."""
        cli.main(["directives"])
        lines = capsys.readouterr().out.splitlines()
        assert max(len(line) for line in lines if line.startswith("      ")) < 80

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Programs get the same as data."""
        assert cli.main(["directives", "--module", CORE, "--json"]) == 0
        rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows["MaxForks"]["default"] == "5"
        assert rows["Listen"]["default"] == ["5060"]
        assert rows["Listen"]["multiple"] is True
        assert {row["module"] for row in rows.values()} == {CORE}

    def test_broken_module(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A module that cannot be imported is named; the others are listed all the same."""

        def broken(name: str) -> None:
            raise ImportError(f"{name} is broken")

        monkeypatch.setattr("sipproxy.modules.directives_of", broken)
        assert cli.main(["directives", "Listen"]) == 0
        captured = capsys.readouterr()
        assert "cannot be loaded" in captured.err
        assert captured.out.startswith("Listen ")


class TextTests:
    """Rows as text for a terminal."""

    def test_owner_has_the_loader_s_name(self) -> None:
        """Both call the server's own rows the same."""
        assert CORE == CORE_SETTINGS

    def test_in_full(self) -> None:
        """Example, page of the module and repetition are told."""
        text = in_full("mod_sip_enum", SLOW)
        assert "  example   EnumWhenSlow Refuse\n" in text
        assert text.endswith("  page      docs/modules/mod_sip_enum.rst")
        assert "any number of times" in in_full("mod_x", USERS)
        assert "  no effect it is gone" in in_full("mod_x", OLD)

    def test_listing(self) -> None:
        """A default is told when there is one."""
        text = listing([("mod_x", USERS), ("mod_y", OLD)])
        assert "Names. Default: a b, c." in text
        assert "Gone." in text
        assert text.count("Default") == 1


class ReferencePageTests:
    """docs/reference/directives.rst."""

    PAGE = reference_page([*all_rows(), ("mod_sip_enum", SLOW)])

    def test_every_row_has_a_label_and_a_title(self) -> None:
        """Other pages can link to each directive."""
        for _owner, row in all_rows():
            title = f"{row.name}\n{'~' * len(row.name)}\n"
            assert f"\n.. _directive-{row.name.lower()}:\n\n{title}" in self.PAGE

    def test_titles_are_underlined_in_full(self) -> None:
        """A short underline is a warning of docutils."""
        lines = self.PAGE.splitlines()
        marks = [n for n, line in enumerate(lines) if re.fullmatch(r"([=~-])\1+", line)]
        assert marks
        for number in marks:
            assert len(lines[number]) == len(lines[number - 1])

    def test_marks_in_prose_are_escaped(self) -> None:
        """Help is text: asterisks, backquotes and underscores in it mean themselves."""
        block = directive_block("mod_sip_enum", SLOW)
        assert r"\*call\* when \`DNS\` is slow\_ or pipes \| break" in block
        assert ":Syntax: ``EnumWhenSlow NextModule|Refuse``" in block
        assert ":Default: ``NextModule``" in block
        assert "For example::\n\n    EnumWhenSlow Refuse\n" in block

    def test_kinds_of_defaults(self) -> None:
        """Several lines, words instead of a value, and none at all."""
        assert ":Default: ``a b``, ``c``" in directive_block("mod_x", USERS)
        assert ":Default: not set" in directive_block("mod_x", OLD)
        assert ":Default: the folder that holds conf/" in self.PAGE

    def test_one_heading_an_owner(self) -> None:
        """The page is divided by owner."""
        assert self.PAGE.count("\nThe server itself\n---") == 1
        assert self.PAGE.count("\nmod_sip_enum\n---") == 1
