"""The loader as a whole: golden files, and the promise that nothing written makes it raise."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from sipproxy.config.directive import Directive, Take, choice, each, flag, integer, path, text, word
from sipproxy.config.loader import CORE, Configuration, load
from sipproxy.config.reader import read_from_table
from sipproxy.config.server_directives import SERVER_DIRECTIVES, STRUCTURE_DIRECTIVES
from sipproxy.config.tree import Position, parse
from sipproxy.testing.config import (
    MAIN,
    ConfigCase,
    load_text,
    read_config_case,
    tree_as_text,
    values_as_text,
)

VECTORS: Final = Path(__file__).parent.parent / "vectors" / "config"

CASES: Final = [read_config_case(path) for path in sorted(VECTORS.glob("*.txt"))]


def _broken(arguments: Sequence[str]) -> str:
    return {"y": "why"}[arguments[0]]


def _pair(arguments: Sequence[str]) -> tuple[int, ...]:
    return tuple(integer(0, 23)([one]) for one in arguments)


_pair.syntax = "NUMBER"  # type: ignore[attr-defined]

MOON: Final = Directive("MoonPhase", Take.ONE, choice("new", "full"), "new", "How it looks.")

#: Modules as a test wants them: none of these exists.
ROWS: Final[dict[str, tuple[Directive, ...]]] = {
    "mod_day": (
        Directive("DayBroken", Take.ONE, _broken, None, "Fails."),
        Directive("DayFile", Take.ONE, path, None, "A file."),
        Directive("NightGreeting", Take.RAW, text, None, "What is said."),
        Directive("NightHours", Take.TWO, _pair, None, "From and to."),
        Directive("NightUsers", Take.MANY, each(word), None, "Who.", multiple=True),
    ),
    "mod_moon": (MOON,),
    "mod_thief": (MOON,),
    "mod_bad_default": (Directive("Wrong", Take.FLAG, flag, "Maybe", "Is wrong."),),
}
KNOWN: Final = (*ROWS, "mod_broken")


def rows_of(name: str) -> Sequence[Directive] | None:
    """Stand in for the table of modules."""
    if name == "mod_broken":
        raise ImportError("no star in sight")
    return ROWS.get(name)


def loaded(case: ConfigCase) -> Configuration:
    """Load a case with the modules above."""
    return case.load(rows_of, ("mod_day",), KNOWN)


class GoldenTests:
    """Files with what should become of them."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_faults(self, case: ConfigCase) -> None:
        """Every fault is reported, in the order of the text and in these words, and no other."""
        assert [str(fault) for fault in loaded(case).faults] == case.expected.get("faults", [])

    @pytest.mark.parametrize(
        "case", [case for case in CASES if "values" in case.expected], ids=lambda case: case.name
    )
    def test_values(self, case: ConfigCase) -> None:
        """What was given, and legal, has these values."""
        assert values_as_text(loaded(case)) == case.expected["values"]

    @pytest.mark.parametrize(
        "case", [case for case in CASES if "tree" in case.expected], ids=lambda case: case.name
    )
    def test_tree(self, case: ConfigCase) -> None:
        """The lines of the file are seen like this."""
        nodes, _faults = parse(case.files[MAIN], MAIN)
        assert tree_as_text(nodes) == case.expected["tree"]


class PromisedFileTests:
    """The smallest file of the documents works for ever."""

    TEXT: Final = (
        "ServerRoot /some/dir\n"
        "Listen 127.0.0.1:5070 udp\n"
        "Listen 127.0.0.1:5070 tcp\n"
        "ProxyDomain 127.0.0.1\n"
    )

    def test_it_is_enough(self) -> None:
        """Four lines give two listeners, one domain, and defaults for all the rest."""
        configuration = load(
            "/some/dir/sipd.conf", read_from_table({"/some/dir/sipd.conf": self.TEXT}), rows_of
        )
        assert configuration.faults == []
        assert configuration.count == 4
        assert configuration.server_root == "/some/dir"
        listeners = [
            (spec.transport, spec.host, spec.port) for spec in configuration.server["Listen"]
        ]
        assert listeners == [("udp", "127.0.0.1", 5070), ("tcp", "127.0.0.1", 5070)]
        assert configuration.server["ProxyDomain"] == ["127.0.0.1"]
        assert configuration.server["PidFile"] == "/some/dir/logs/sipd.pid"


class ConfigurationTests:
    """What a configuration knows besides values."""

    def test_modules_in_order(self) -> None:
        """Modules loaded always come first, then those of LoadModule in the order of the text."""
        case = ConfigCase("x", {MAIN: "LoadModule mod_moon\nLoadModule mod_day\n"})
        assert loaded(case).modules == ["mod_day", "mod_moon"]

    def test_count_is_of_directives_in_effect(self) -> None:
        """Skipped sections, ignored rows and the loader's own verbs do not count; faults do."""
        text = (
            "MaxForks 3\nStartServers 4\nLoadModule mod_test\nAddRecordRoute perhaps\n"
            "<IfDefine Never>\nRecursive On\n</IfDefine>\n"
        )
        assert load_text(text).count == 2

    def test_errors_and_notes(self) -> None:
        """Only errors keep a server from starting."""
        configuration = load_text("StartServers 4\nMaxForks x\n")
        assert [fault.line for fault in configuration.errors] == [2]
        assert [fault.line for fault in configuration.notes] == [1]

    def test_settings_of_a_module_that_is_not_loaded(self) -> None:
        """Asking for them is a mistake of the program."""
        with pytest.raises(KeyError):
            load_text("").settings("mod_moon")

    def test_core_settings_under_their_name(self) -> None:
        """The server's own settings can be asked for like a module's."""
        configuration = load_text("")
        assert configuration.settings(CORE) is configuration.server


class UnreadableTests:
    """A main file that is not there."""

    def test_missing(self) -> None:
        """It is one fault; settings are there all the same, at their defaults."""
        configuration = load("conf/sipd.conf", read_from_table({}), rows_of)
        assert [str(fault) for fault in configuration.faults] == [
            "conf/sipd.conf: cannot be read: no such file or directory"
        ]
        assert configuration.unreadable == "no such file or directory"
        assert configuration.server["MaxForks"] == 5

    def test_folder(self) -> None:
        """Naming the folder instead of the file is told as such."""
        configuration = load("conf", read_from_table({"conf/sipd.conf": ""}), rows_of)
        assert configuration.unreadable == "it is a folder"

    def test_not_text(self) -> None:
        """A file in another encoding is a fault with the place of the first strange byte."""

        def read(path: str) -> str:
            return b"ServerSignature caf\xe9".decode()

        configuration = load("conf/sipd.conf", read, rows_of)
        assert configuration.unreadable == "it is not UTF-8 text (byte 20)"


class ServerRootTests:
    """What relative paths start from when the file does not say."""

    @pytest.mark.parametrize(
        ("path", "working_directory", "root"),
        [
            ("/sip/conf/sipd.conf", "", "/sip"),
            ("/etc/sipd.conf", "", "/etc"),
            ("/conf/sipd.conf", "", "/"),
            ("conf/sipd.conf", "", "."),
            ("conf/sipd.conf", "/home/op", "/home/op"),
            ("sipd.conf", "/home/op/conf", "/home/op"),
            ("../sipd.conf", "/home/op/x", "/home/op"),
        ],
    )
    def test_default(self, path: str, working_directory: str, root: str) -> None:
        """It is the folder above conf/, or else the folder of the file."""
        configuration = load(
            path, read_from_table({path: ""}), rows_of, working_directory=working_directory
        )
        assert configuration.server_root == root
        assert configuration.server["ServerRoot"] == root

    def test_resolve(self) -> None:
        """Code that has a path of its own can put it where the file's paths are."""
        assert load_text("ServerRoot /srv").resolve("state/x") == "/srv/state/x"


class LimitTests:
    """Files that include files end somewhere."""

    def test_depth(self) -> None:
        """A chain of includes is followed a limited number of levels."""
        files = {f"/{number}": f"Include /{number + 1}" for number in range(40)}
        faults = load("/0", read_from_table(files), rows_of).faults
        assert [str(fault) for fault in faults] == [
            "/19:1: Include: files include each other more than 20 deep"
        ]

    def test_number(self) -> None:
        """Includes that double at each level are stopped by their number, with one fault."""
        files = {f"/{n}": f"Include /{n + 1}\nInclude /{n + 1}" for n in range(15)}
        faults = load("/0", read_from_table({**files, "/15": "MaxForks 2"}), rows_of).faults
        texts = {fault.text for fault in faults}
        assert "Include: more than 1000 files are included in all" in texts
        assert sum(text.startswith("Include") for text in (fault.text for fault in faults)) == 1


#: Pieces that garbage is made of: half of it looks like something.
PIECES: Final = (
    *(row.name for row in (*SERVER_DIRECTIVES, *STRUCTURE_DIRECTIVES)),
    *("<IfModule", "</IfModule>", "<IfDefine X>", "</IfDefine>", "<", ">", "</", "!", "mod_day"),
    *('"', "\\", "\\\n", "\n", "\n", "\n", "\r\n", "\t", " ", " ", " ", "#", "%", "[", "]", ":"),
    *("On", "5060", "127.0.0.1", "::1", "udp", "advertise", "-1", "9" * 30, "٣", "²", "é", "\0"),
    *(
        "\ufeff",
        "\ud800",
        "\u2028",
        "*",
        "?",
        "|",
        "/",
        MAIN,
        "conf",
        "conf/*.conf",
        "1/2/3",
        "0/0",
    ),
)


class GarbageTests:
    """Whatever is in the file, loading gives a configuration."""

    @pytest.mark.parametrize("seed", range(300))
    def test_load_never_raises(self, seed: int) -> None:
        """Random lines give faults, values that are still usable, and no exception."""
        chance = random.Random(seed)
        pieces = chance.choices(PIECES, k=chance.randrange(200))
        configuration = loaded(ConfigCase("garbage", {MAIN: "".join(pieces)}))
        for fault in configuration.faults:
            assert str(fault).isprintable()
        assert isinstance(configuration.server["MaxForks"], int)

    def test_position_of_a_default(self) -> None:
        """A value that was not given has no place; a given one has."""
        settings = load_text("MaxForks 3").server
        assert settings.position("MaxForks") == Position(MAIN, 1)
        assert settings.position("Recursive") is None
