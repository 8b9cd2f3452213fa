"""A directive as a row of data, and the converters that rows are made with.

A module lists its rows in a tuple named ``DIRECTIVES``; the loader, ``sipctl directives``, the
reference page and the tests all read that tuple, so a default or a legal value is written once::

    DIRECTIVES = (
        Directive("CallForwardBusy", Take.FLAG, flag, "Off", "Forward a call that met a 486."),
        Directive("CallForwardNoAnswerTimer", Take.ONE, milliseconds(1000, 300_000), "24000",
                  "How long a phone rings before the call is forwarded."),
    )

A converter is called with the sequence of argument words and returns the value, or raises
`ValueError` with what is wrong and what was expected; the loader puts file, line and name before
that.  The default is written as one would write it in the file and goes through the same converter.
"""

import ipaddress
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sipproxy.config.lexer import split_words
from sipproxy.config.spelling import did_you_mean, listed, quoted

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)$")


class Take(Enum):
    """How many arguments a directive takes: fewest, most (None: no limit), and that in words."""

    FLAG = (1, 1, "On or Off")
    ONE = (1, 1, "one argument")
    TWO = (2, 2, "two arguments")
    THREE = (3, 3, "three arguments")
    ONE_OR_TWO = (1, 2, "one or two arguments")
    ONE_TO_THREE = (1, 3, "one to three arguments")
    TWO_OR_THREE = (2, 3, "two or three arguments")
    MANY = (1, None, "one or more arguments")
    #: The rest of the line as one text, quotes and all.
    RAW = (1, None, "some text")

    def allows(self, count: int) -> bool:
        """Say whether that number of arguments is right."""
        fewest, most, _words = self.value
        return bool(fewest <= count and (most is None or count <= most))

    @property
    def words(self) -> str:
        """What is taken, for a fault."""
        return str(self.value[2])


class Context(Enum):
    """Where a directive is legal."""

    SERVER = "anywhere in the configuration"
    #: For what must be known before anything else is read.
    MAIN = "the main file, outside of sections"


class Converter:
    """A converter that also knows what its argument looks like in a syntax line."""

    __slots__ = ("_function", "syntax")

    def __init__(self, function: Callable[[Sequence[str]], Any], syntax: str) -> None:
        self._function = function
        self.syntax = syntax

    def __call__(self, arguments: Sequence[str]) -> Any:
        return self._function(arguments)


@dataclass(frozen=True)
class Directive:
    """One row.  ``default`` is text as in the file (a tuple: several lines); None is "not set".

    A directive with ``multiple`` may be given many times and its value is a list; a converter that
    returns a list then contributes each element (so ``ProxyDomain a b`` equals two lines).
    ``keeps_default``: given lines come after the default ones instead of replacing them.
    ``identity``: two values with the same identity are "given twice".
    ``default_words`` replaces the default in documents where it is computed.
    ``ignored``: why it is accepted without effect.
    """

    name: str
    take: Take
    convert: Callable[[Sequence[str]], Any]
    default: str | tuple[str, ...] | None
    help: str
    context: Context = Context.SERVER
    multiple: bool = False
    syntax: str | None = None
    example: str | None = None
    keeps_default: bool = False
    identity: Callable[[Any], Hashable] | None = None
    default_words: str | None = None
    ignored: str | None = None

    @property
    def syntax_line(self) -> str:
        """The directive as a line with placeholders."""
        if self.syntax is not None:
            return self.syntax
        placeholder = str(getattr(self.convert, "syntax", "VALUE"))
        if self.take is Take.TWO:
            placeholder = f"{placeholder} {placeholder}"
        elif self.take is Take.MANY:
            placeholder = f"{placeholder} ..."
        return f"{self.name} {placeholder}"

    @property
    def default_lines(self) -> tuple[str, ...]:
        """The default as lines of arguments; empty when there is none."""
        if self.default is None:
            return ()
        return (self.default,) if isinstance(self.default, str) else self.default

    def value_of(self, raw: str) -> Any:
        """Convert one line's arguments; raises `ValueError` in words for whoever wrote it."""
        if self.take is Take.RAW:
            arguments = [raw] if raw else []
        else:
            arguments = split_words(raw)
        if not self.take.allows(len(arguments)):
            raise ValueError(
                f"takes {self.take.words}, got {len(arguments) or 'none'}; write {self.syntax_line}"
            )
        return self.convert(arguments)

    def default_values(self) -> list[Any]:
        """Convert the default: one value a line (lists of a ``multiple`` row are joined)."""
        values: list[Any] = []
        for line in self.default_lines:
            values.extend(self.spread(self.value_of(line)))
        return values

    def spread(self, value: Any) -> list[Any]:
        """Return the values that one line contributes."""
        return value if self.multiple and isinstance(value, list) else [value]


class RootedPath(str):
    """A path from the file; the loader makes it absolute by putting ServerRoot before it."""

    __slots__ = ()


def single(function: Callable[[str], Any], syntax: str) -> Converter:
    """Make a converter for one argument out of a function of one text."""
    return Converter(lambda arguments: function(arguments[0]), syntax)


def each(convert: Converter) -> Converter:
    """Make a converter that applies ``convert`` to every argument and returns the list."""
    return Converter(lambda words: [convert([word]) for word in words], convert.syntax)


def _flag(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError(f"On or Off was expected, got {quoted(text)}")
    return text.lower() == "on"


def _path(text: str) -> RootedPath:
    if not text or "\0" in text:
        raise ValueError(f"a path was expected, got {quoted(text)}")
    if text.startswith("|"):
        raise ValueError("writing to a program is not available in this release; name a file")
    return RootedPath(text)


def _word(text: str) -> str:
    if not text or any(letter.isspace() for letter in text):
        raise ValueError(f"one word without blanks was expected, got {quoted(text)}")
    return text


def _number(text: str, what: str, least: int, most: int | None, example: int) -> int:
    """Read a whole number within limits; ``what`` names it with its unit."""
    # isdigit() alone lets other scripts' digits and superscripts through.
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ValueError(f"{quoted(text)} is not {what}, for example {example}")
    value = int(text)
    if value < least or (most is not None and value > most):
        limits = f"{least} to {most}" if most is not None else f"{least} or more"
        raise ValueError(f"{what} of {limits} was expected, got {value}")
    return value


def _quantity(what: str, placeholder: str, least: int, most: int | None, example: int) -> Converter:
    return single(lambda text: _number(text, what, least, most, example), placeholder)


def _example(least: int, most: int | None, wanted: int) -> int:
    return max(least, wanted if most is None else min(most, wanted))


def integer(least: int = 0, most: int | None = None) -> Converter:
    """A whole number within limits."""
    return _quantity("a whole number", "NUMBER", least, most, _example(least, most, 10))


def milliseconds(least: int = 0, most: int | None = None) -> Converter:
    """A time; the value is the number of milliseconds, an int."""
    example = _example(least, most, 24000)
    return _quantity("a number of milliseconds", "MILLISECONDS", least, most, example)


def seconds(least: int = 0, most: int | None = None) -> Converter:
    """A time of registrations, which SIP itself counts in seconds; the value is an int."""
    return _quantity("a number of seconds", "SECONDS", least, most, _example(least, most, 3600))


def size(least: int = 0, most: int | None = None) -> Converter:
    """A number of bytes."""
    return _quantity("a number of bytes", "BYTES", least, most, _example(least, most, 65536))


def choice(*words: str, later: Sequence[str] = ()) -> Converter:
    """One of ``words``, in any case; the value is spelt as here.

    Words in ``later`` are known but refused: they are not available in this release.
    """
    spelling = {word.lower(): word for word in words}

    def convert(text: str) -> str:
        known = spelling.get(text.lower())
        if known is not None:
            return known
        if text.lower() in {word.lower() for word in later}:
            raise ValueError(f"{text} is not available in this release; {listed(words)} is")
        near = did_you_mean(text, words)
        kind = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
        raise ValueError(f"{kind} was expected, got {quoted(text)}{near}")

    return single(convert, "|".join(words))


def _address(text: str) -> str:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        raise ValueError(
            f"an IP address was expected, for example 192.0.2.1 or [2001:db8::1], "
            f"got {quoted(text)}"
        ) from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""))
    except ValueError:
        raise ValueError(_network_fault(text)) from None


def _network_fault(text: str) -> str:
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return (
            "an address or a network was expected, for example 192.0.2.7 or 192.0.2.0/24, "
            f"got {quoted(text)}"
        )
    return f"{quoted(text)} has bits set to the right of its mask; {loose} is that network"


def host_of(text: str) -> str:
    """Check a host name or address: lower case, without brackets or a last dot."""
    bare = text.lower().removesuffix(".")
    if bare.startswith("[") or bare.replace(".", "").isdigit() or ":" in bare:
        return _host_address(text, bare)
    if not bare or len(bare) > 253 or not all(map(_HOST_LABEL.match, bare.split("."))):
        raise ValueError(
            f"a host name or an address was expected, for example example.com, got {quoted(text)}"
        )
    return bare


def _host_address(text: str, bare: str) -> str:
    with_port = re.fullmatch(r"(\[[^\]]*\]|[^:]*):[0-9]+", bare)
    if with_port:
        raise ValueError(f"no port belongs here: write {with_port[1]}, not {quoted(text)}")
    return _address(bare)


def port_of(text: str) -> int:
    """Check a port number."""
    return _number(text, "a port number", 1, 65535, 5060)


def host_port_of(text: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port`` or ``[v6]:port``; the port is None when it is not written."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?", text)
    if match is None:
        raise ValueError(
            f"a host, with or without :port, was expected, got {quoted(text)} "
            "(an IPv6 address needs brackets: [2001:db8::1]:5060)"
        )
    host, port = match.groups()
    return host_of(host), None if port is None else port_of(port)


#: On or Off; the value is a bool.
flag = single(_flag, "On|Off")
#: A path; relative ones are below ServerRoot, and the value is absolute.
path = single(_path, "PATH")
#: One word.
word = single(_word, "WORD")
#: All arguments, as a list.
words = Converter(list, "WORD")
#: Any text, blanks included (in double quotes in the file, or with `Take.RAW`).
text = single(str, "TEXT")
#: An IP address; the value is its shortest spelling, IPv6 without brackets.
address = single(_address, "ADDRESS")
#: An address or a network; the value is an ``ipaddress`` network.
network = single(_network, "ADDRESS[/BITS]")
#: A host name or an address, lower case, IPv6 without brackets.
host = single(host_of, "HOST")
#: ``HOST[:PORT]``; the value is a pair, the port None when it is not written.
host_port = single(host_port_of, "HOST[:PORT]")
