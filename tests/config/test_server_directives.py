"""The server's rows as data: each is complete, legal by its own rules, and in the sample file."""

import re
from pathlib import Path
from typing import Final

import pytest

from sipproxy.admin.directives import all_rows
from sipproxy.config.directive import Directive, Take
from sipproxy.config.loader import Configuration, load
from sipproxy.config.reader import read_from_disk, read_from_table
from sipproxy.config.server_directives import (
    SECTION_DIRECTIVES,
    SERVER_DIRECTIVES,
    STRUCTURE_DIRECTIVES,
)
from sipproxy.config.tree import SECTIONS
from sipproxy.modules import always_loaded, directives_of, known_modules
from sipproxy.testing.config import load_text

CONF: Final = Path(__file__).parent.parent.parent / "conf"
ROWS: Final = (*STRUCTURE_DIRECTIVES, *SECTION_DIRECTIVES, *SERVER_DIRECTIVES)
OWNED: Final = tuple(all_rows())
#: A directive that is there to be uncommented: no blank after the mark, unlike prose.
EXAMPLE: Final = re.compile(r"^(\s*)#(\w+ .*)$", re.MULTILINE)


def loaded(path: Path, text: str) -> Configuration:
    """Load a text as if it were in that file, with the modules of the product."""
    return load(
        str(path),
        read_from_table({str(path): text}),
        directives_of,
        always=always_loaded(),
        known=known_modules(),
    )


class RowTests:
    """Every row there is, of the server and of its modules."""

    @pytest.mark.parametrize(
        ("owner", "row"), OWNED, ids=lambda value: getattr(value, "name", value)
    )
    def test_default_is_legal(self, owner: str, row: Directive) -> None:
        """A default passes its own converter: nobody gets a fault for repeating it."""
        row.default_values()

    @pytest.mark.parametrize(
        ("owner", "row"), OWNED, ids=lambda value: getattr(value, "name", value)
    )
    def test_help_is_a_sentence(self, owner: str, row: Directive) -> None:
        """The line of help begins with a capital and ends with a full stop."""
        assert row.help[0].isupper()
        assert row.help.endswith(".")

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
    def test_example_is_legal(self, row: Directive) -> None:
        """An example begins with the directive's name and can be written as it stands."""
        if row.example is None or row in SECTION_DIRECTIVES:
            return
        name, _, rest = row.example.partition(" ")
        assert name == row.name
        assert row.value_of(rest) != row.default_values()

    def test_no_name_twice(self) -> None:
        """A name belongs to one owner."""
        names = [row.name.lower() for _owner, row in OWNED]
        assert sorted(names) == sorted(set(names))

    def test_flags_take_a_flag(self) -> None:
        """On or Off, nothing else, for all of that kind."""
        for owner, row in OWNED:
            if row.take is Take.FLAG:
                assert row.value_of("On") is True, f"{owner} {row.name}"
                assert row.value_of("off") is False, f"{owner} {row.name}"

    def test_sections_are_those_of_the_tree(self) -> None:
        """The reference lists the sections that the reader of files knows."""
        assert tuple(row.name for row in SECTION_DIRECTIVES) == SECTIONS


class DefaultTests:
    """What an empty file means."""

    def test_values(self) -> None:
        """The values that other rooms build on."""
        server = load_text("").server
        assert [spec[:3] for spec in server["Listen"]] == [
            ("udp", "0.0.0.0", 5060),
            ("tcp", "0.0.0.0", 5060),
        ]
        assert (server["SIP_T1_in_ms"], server["SIP_T2_in_ms"], server["SIP_T4_in_ms"]) == (
            500,
            4000,
            5000,
        )
        assert server["InviteExpiration"] == 185_000
        assert server["RelayPolicy"] == "Registered"
        assert server["PreferTcpAbove"] == 1300
        assert server["JournalSync"] is False
        assert server["ServerSignature"] == "sipproxy"


class SampleFileTests:
    """conf/sipd.conf is complete, true, and changes nothing as it comes."""

    PATH: Final = CONF / "sipd.conf"
    TEXT: Final = PATH.read_text("utf-8")
    EXAMPLES: Final = [found[2] for found in EXAMPLE.finditer(TEXT)]

    def test_nothing_is_wrong_with_it(self) -> None:
        """As it comes it is legal, and everything is at its default."""
        configuration = loaded(self.PATH, self.TEXT)
        assert configuration.faults == []
        assert configuration.count == 0

    def test_examples_are_legal(self) -> None:
        """With every comment mark taken away, line for line, it is still legal."""
        text = EXAMPLE.sub(r"\1\2", self.TEXT)
        for name in known_modules():
            text = f"LoadModule {name}\n{text}"
        faults = [str(fault) for fault in loaded(self.PATH, text).errors]
        assert faults == []

    @pytest.mark.parametrize(
        ("owner", "row"), OWNED, ids=lambda value: getattr(value, "name", value)
    )
    def test_every_directive_is_there(self, owner: str, row: Directive) -> None:
        """Each directive that does something has an explanation and an example."""
        if row.ignored is not None or row in (*STRUCTURE_DIRECTIVES, *SECTION_DIRECTIVES):
            assert row.ignored or row.name in self.TEXT
            return
        assert re.search(rf"^\s*# {row.name}: ", self.TEXT, re.MULTILINE), f"say what {row.name} is"
        examples = [line for line in self.EXAMPLES if line.split()[0] == row.name]
        assert examples, f"give an example of {row.name}, commented out"

    @pytest.mark.parametrize("line", EXAMPLES)
    def test_examples_depart_from_the_default(self, line: str) -> None:
        """An example that says the default again would teach nothing."""
        rows = {row.name: row for _owner, row in OWNED}
        name, _, rest = line.partition(" ")
        if name in ("ServerType", "StatefulServer"):
            return  # there is one legal value in this release
        row = rows[name]
        assert row.spread(row.value_of(rest)) != row.default_values()


class MinimalFileTests:
    """conf/sipd-minimal.conf is what its first line says."""

    PATH: Final = CONF / "sipd-minimal.conf"

    def test_it_is_legal(self) -> None:
        """It listens and has a domain."""
        configuration = loaded(self.PATH, str(read_from_disk(str(self.PATH))))
        assert configuration.faults == []
        assert configuration.server.given("Listen")
        assert configuration.server["ProxyDomain"] == ["example.com"]

    def test_it_is_short(self) -> None:
        """Ten lines, it promises."""
        assert len(self.PATH.read_text("utf-8").splitlines()) <= 10
