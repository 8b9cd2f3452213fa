"""The values of one owner, by name."""

from typing import Any

import pytest

from sipproxy.config.directive import Directive, Take, each, flag, integer, path, word
from sipproxy.config.settings import Settings
from sipproxy.config.tree import Position
from sipproxy.testing.config import MAIN, load_text

ROWS = (
    Directive("Limit", Take.ONE, integer(), "5", "A number."),
    Directive("Sound", Take.ONE, path, "sounds/a.wav", "A file."),
    Directive("Note", Take.ONE, word, None, "A word."),
    Directive("Users", Take.MANY, each(word), "root", "Names.", multiple=True),
    Directive("Level", Take.ONE, word, "low", "Words.", multiple=True, keeps_default=True),
    Directive("Old", Take.ONE, word, "x", "Gone.", ignored="it is gone"),
)


def settings(text: str = "") -> Settings:
    """The settings of a module with the rows above."""
    return load_text(text, ROWS).settings("mod_test")


class ValueTests:
    """Values, given and not."""

    @pytest.mark.parametrize(
        ("text", "name", "value"),
        [
            ("", "Limit", 5),
            ("Limit 7", "Limit", 7),
            ("limit 7", "LIMIT", 7),
            ("Limit many", "Limit", 5),
            ("", "Note", None),
            ("", "Users", ["root"]),
            ("Users a b\nUsers c", "Users", ["a", "b", "c"]),
            ("", "Level", ["low"]),
            ("Level high", "Level", ["low", "high"]),
            ("", "Sound", "/sip/sounds/a.wav"),
            ("Sound /x", "Sound", "/x"),
            ("Old y", "Old", None),
        ],
    )
    def test_value(self, text: str, name: str, value: Any) -> None:
        """A given value replaces the default or, where the row says so, comes after it."""
        assert settings(text)[name] == value

    def test_unknown_name(self) -> None:
        """Asking for a directive that has no row is a mistake of the program."""
        with pytest.raises(KeyError):
            settings()["Limits"]

    def test_names(self) -> None:
        """All rows, as they are spelt."""
        assert list(settings()) == [row.name for row in ROWS]

    def test_values_are_not_shared(self) -> None:
        """Who changes a list changes no other configuration."""
        settings()["Users"].append("intruder")
        assert settings()["Users"] == ["root"]


class PositionTests:
    """Where values came from, for explain and for faults."""

    def test_given(self) -> None:
        """A legal line counts as given, a faulty one and a default do not."""
        found = settings("Limit 7\nNote a b")
        assert (found.given("limit"), found.given("Note"), found.given("Users")) == (
            True,
            False,
            False,
        )

    def test_positions_go_with_values(self) -> None:
        """Each value of a list has the place of its own line; a default has none."""
        found = settings("Users a b\nLevel high\nUsers c")
        one, two, three = (Position(MAIN, line) for line in (1, 2, 3))
        assert found.positions("Users") == [one, one, three]
        assert found.positions("Level") == [None, two]
        assert found.position("Users") == one

    def test_fault(self) -> None:
        """A module that finds its values at odds can say so with file and line."""
        assert str(settings("\nLimit 7").fault("Limit", "is odd")) == f"{MAIN}:2: Limit: is odd"
        assert str(settings().fault("Limit", "is odd")) == "mod_test: Limit: is odd"


class DefaultTests:
    """Rows that are wrong themselves."""

    def test_illegal_default(self) -> None:
        """It is named; a module with such a row is not loaded half."""
        with pytest.raises(ValueError, match="the default of Bad is not legal: On or Off"):
            Settings("mod_test", (Directive("Bad", Take.FLAG, flag, "Maybe", "Bad."),))
