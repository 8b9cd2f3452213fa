"""Rows and converters: what is taken, what is refused and in which words."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from sipproxy.config.directive import (
    Directive,
    RootedPath,
    Take,
    address,
    choice,
    each,
    flag,
    host,
    host_port,
    integer,
    milliseconds,
    network,
    path,
    seconds,
    single,
    size,
    text,
    word,
    words,
)


def row(take: Take, convert: Callable[..., Any] = words, **more: Any) -> Directive:
    """A row where only its shape matters."""
    return Directive("Name", take, convert, more.pop("default", None), "Help.", **more)


class ConverterTests:
    """The ready converters."""

    @pytest.mark.parametrize(
        ("convert", "written", "value"),
        [
            (flag, "on", True),
            (flag, "OFF", False),
            (integer(0, 9), "007", 7),
            (milliseconds(0), "24000", 24000),
            (seconds(), "3600", 3600),
            (size(), "0", 0),
            (choice("Proxy", "None"), "pROXY", "Proxy"),
            (path, "logs/x y", "logs/x y"),
            (word, "a", "a"),
            (text, "", ""),
            (address, "[2001:DB8::0:1]", "2001:db8::1"),
            (address, "192.0.2.1", "192.0.2.1"),
            (network, "192.0.2.1", ip_network("192.0.2.1/32")),
            (network, "[2001:db8::]/32", ip_network("2001:db8::/32")),
            (host, "SIP.Example.COM.", "sip.example.com"),
            (host, "::1", "::1"),
            (host, "_sip.example", "_sip.example"),
            (host_port, "example.com", ("example.com", None)),
            (host_port, "192.0.2.1:5062", ("192.0.2.1", 5062)),
            (host_port, "[::1]:5062", ("::1", 5062)),
        ],
    )
    def test_takes(self, convert: Callable[..., Any], written: str, value: Any) -> None:
        """Legal text becomes a value in one canonical form."""
        assert convert([written]) == value

    @pytest.mark.parametrize(
        ("convert", "written", "part"),
        [
            (flag, "true", 'On or Off was expected, got "true"'),
            (integer(1, 9), "10", "of 1 to 9 was expected, got 10"),
            (integer(5), "4", "of 5 or more was expected, got 4"),
            (integer(), "٣", "is not a whole number, for example 10"),
            (integer(), "²", "is not a whole number"),
            (integer(), "1_000", "is not a whole number"),
            (milliseconds(0, 100), "1s", "is not a number of milliseconds, for example 100"),
            (seconds(), "", '"" is not a number of seconds'),
            (choice("Proxy"), "Porxy", 'Proxy was expected, got "Porxy"; did you mean Proxy?'),
            (choice("A", "B", later=("C",)), "c", "c is not available in this release; A or B is"),
            (path, "", "a path was expected"),
            (path, "|rotate", "name a file"),
            (path, "a\0b", "a path was expected"),
            (word, "a b", "one word without blanks"),
            (address, "example.com", "an IP address was expected"),
            (address, "[192.0.2.1", "an IP address was expected"),
            (network, "192.0.2.9/24", "192.0.2.0/24 is that network"),
            (network, "nowhere", "an address or a network was expected"),
            (host, "", "a host name or an address was expected"),
            (host, "a..b", "a host name or an address was expected"),
            (host, "1.2.3.999", "an IP address was expected"),
            (host, "a.example:5060", "no port belongs here: write a.example"),
            (host, "x" * 64, "a host name or an address was expected"),
            (host_port, "a.example:", "is not a port number"),
            (host_port, "a.example:0", "a port number of 1 to 65535"),
            (host_port, "::1:5060", "an IPv6 address needs brackets"),
        ],
    )
    def test_refuses(self, convert: Callable[..., Any], written: str, part: str) -> None:
        """Anything else is refused with what would have been right."""
        with pytest.raises(ValueError) as caught:
            convert([written])
        assert part in str(caught.value)

    def test_each(self) -> None:
        """A converter of one word serves many."""
        assert each(integer())(["1", "2"]) == [1, 2]
        assert each(integer()).syntax == "NUMBER"

    def test_single(self) -> None:
        """A function of a text is enough for a new converter."""
        assert single(str.upper, "SHOUT")(["a"]) == "A"


class TakeTests:
    """Numbers of arguments."""

    @pytest.mark.parametrize(
        ("take", "right", "wrong"),
        [
            (Take.FLAG, [1], [0, 2]),
            (Take.ONE, [1], [0, 2]),
            (Take.TWO, [2], [1, 3]),
            (Take.THREE, [3], [2, 4]),
            (Take.ONE_OR_TWO, [1, 2], [0, 3]),
            (Take.ONE_TO_THREE, [1, 2, 3], [0, 4]),
            (Take.TWO_OR_THREE, [2, 3], [1, 4]),
            (Take.MANY, [1, 2, 99], [0]),
        ],
    )
    def test_counts(self, take: Take, right: list[int], wrong: list[int]) -> None:
        """Each kind takes as many as its name says."""
        for count in right:
            assert row(take).value_of("x " * count) == ["x"] * count
        for count in wrong:
            with pytest.raises(
                ValueError, match=f"takes {take.words}, got {count or 'none'}; write"
            ):
                row(take).value_of("x " * count)

    def test_raw(self) -> None:
        """RAW gets the line as it was written, bad quotes and all."""
        assert row(Take.RAW, text).value_of('say "hi  there') == 'say "hi  there'
        with pytest.raises(ValueError, match="takes some text, got none"):
            row(Take.RAW, text).value_of("")


class DirectiveTests:
    """What a row knows by itself."""

    @pytest.mark.parametrize(
        ("directive", "line"),
        [
            (row(Take.FLAG, flag), "Name On|Off"),
            (row(Take.ONE, choice("A", "B")), "Name A|B"),
            (row(Take.TWO, each(host)), "Name HOST HOST"),
            (row(Take.MANY, words), "Name WORD ..."),
            (row(Take.ONE, lambda arguments: arguments), "Name VALUE"),
            (row(Take.ONE, flag, syntax="Name PERHAPS"), "Name PERHAPS"),
        ],
    )
    def test_syntax_line(self, directive: Directive, line: str) -> None:
        """The syntax follows from the converter unless the row says otherwise."""
        assert directive.syntax_line == line

    def test_defaults_are_converted(self) -> None:
        """A default is written as in the file: one line, several lines, or none."""
        assert row(Take.ONE, integer(), default="5").default_values() == [5]
        many = row(Take.MANY, each(integer()), default=("1 2", "3"), multiple=True)
        assert many.default_values() == [1, 2, 3]
        assert row(Take.ONE).default_values() == []

    def test_list_of_a_single_row_is_one_value(self) -> None:
        """Only rows that may be given many times are joined."""
        assert row(Take.MANY, words, default="a b").default_values() == [["a", "b"]]

    def test_rooted_path_is_a_str(self) -> None:
        """A path can be used as it is."""
        assert isinstance(path(["x"]), RootedPath)
        assert isinstance(path(["x"]), str)
