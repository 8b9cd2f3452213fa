"""The access log: one line for each transaction, in Apache's manner, with formats for SIP.

``LogFormat`` gives formats a nickname, ``CustomLog`` writes a file in one.  What a format may hold:

=============  ==============================================================
``%h %a``      the address that the request came from
``%p``         the port that it came from
``%H``         the transport that it came by (UDP, TCP)
``%l``         always ``-`` (there for the sake of Apache's formats)
``%u``         the authenticated user
``%t``         the local time; ``%{FORMAT}t`` in strftime's form
``%r``         the request line
``%m %U``      the method; the Request-URI as it came
``%s %>s``     the status of the final response
``%b %B``      ``-`` and 0: bodies are not counted
``%D %T``      how long the answer took, in microseconds; in seconds
``%P``         the number of the server's process
``%{NAME}i``   a header of the request
``%{NAME}x``   ``from``, ``to``, ``target``, ``module``, ``number``, ``reason``
``%%``         a percent sign
=============  ==============================================================
"""

import os
import re
import time
from collections.abc import Callable
from io import RawIOBase
from typing import Final

from zope.interface import implementer

from sipproxy.config.directive import Directive
from sipproxy.core.context import RequestContext
from sipproxy.core.decisions import reason_text
from sipproxy.core.module import ConfigurationRefused, Module
from sipproxy.interfaces import ITransactionLog

Getter = Callable[[RequestContext], str]

#: Lines wait at the most this long (seconds) or until so many are there.
_FLUSH_EVERY: Final = 1.0
_FLUSH_AT: Final = 500

_ITEM: Final = re.compile(r"%(?:[!0-9,]*)(?:\{([^}]*)\})?(>?[a-zA-Z%])")


class AccessFile:
    """One access log: a file, the lines that wait to be written, and how a line is made."""

    __slots__ = ("_file", "_format", "_getters", "_lines", "lost", "path")

    def __init__(self, path: str, line_format: str) -> None:
        """Raises OSError when the file cannot be opened, ValueError for an unknown format item."""
        self.path = path
        self._format, self._getters = compile_format(line_format)
        self._lines: list[str] = []
        self._file: RawIOBase | None = None
        self.lost = 0

    def open(self) -> None:
        """Open (again, after the file was moved away).  Raises OSError; then the old one stays."""
        new = open(self.path, "ab", buffering=0)  # what a full disk refuses must not stay behind
        self.flush()
        if self._file is not None:
            self._file.close()
        self._file = new

    def add(self, context: RequestContext) -> None:
        """Take a line; True when enough of them wait."""
        self._lines.append(self._format % tuple([getter(context) for getter in self._getters]))
        if len(self._lines) >= _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Write what waits.  What a full disk does not take is counted, not kept."""
        lines, self._lines = self._lines, []
        if lines and self._file is not None:
            try:
                self._file.write("".join(lines).encode("utf-8", "backslashreplace"))
            except OSError:
                self.lost += len(lines)

    def close(self) -> None:
        """Write what waits and close."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


@implementer(ITransactionLog)
class AccessLog(Module):
    """Phase log: writes the line of each transaction to every ``CustomLog``."""

    name = "mod_sip_log"

    def configured(self) -> None:
        """Compile the formats; nothing is opened yet."""
        server = self.host.settings
        formats = {given.nickname: given.format for given in server["LogFormat"]}
        self.files: list[AccessFile] = []
        for given in server["CustomLog"]:
            try:
                self.files.append(AccessFile(given.path, formats.get(given.format, given.format)))
            except ValueError as error:
                raise ConfigurationRefused("CustomLog", str(error)) from None

    def applies(self, phase: str, method: str, in_dialog: bool) -> bool:
        """Log everything that has a transaction."""
        return method != "ACK" and bool(self.files)

    def log_transaction(self, context: RequestContext) -> None:
        """Write the line."""
        context.ended = self.host.transactions.now
        for file in self.files:
            file.add(context)

    def startService(self) -> None:
        """Open the files.  Raises OSError for one that cannot be opened."""
        super().startService()
        for file in self.files:
            file.open()
        if self.files:
            self._look_again()

    def stopService(self) -> None:
        """Write what waits and close the files."""
        super().stopService()
        for file in self.files:
            file.close()

    def reopen(self) -> None:
        """Open the files again, for whoever rotates them."""
        for file in self.files:
            file.open()

    def fire(self) -> None:
        """Write what waits, once a second."""
        if self.running:
            for file in self.files:
                file.flush()
            self._look_again()

    def _look_again(self) -> None:
        transactions = self.host.transactions
        transactions.schedule(transactions.now + _FLUSH_EVERY, self)


# --- formats


def compile_format(line_format: str) -> tuple[str, list[Getter]]:
    """Turn a log format into a %-format and what fills it.  Raises ValueError."""
    getters: list[Getter] = []
    parts: list[str] = []
    end = 0
    for match in _ITEM.finditer(line_format):
        parts.append(_literal(line_format[end : match.start()], line_format))
        end = match.end()
        argument, item = match.groups()
        if item == "%":
            parts.append("%%")
        else:
            parts.append("%s")
            getters.append(_getter(argument, item.lstrip(">"), match.group()))
    parts.append(_literal(line_format[end:], line_format))
    return "".join(parts) + "\n", getters


def _literal(text: str, line_format: str) -> str:
    if "%" in text:
        raise ValueError(
            f"{line_format!r} holds a % that means nothing; write %% for a percent sign"
        )
    return text


def _getter(argument: str | None, item: str, written: str) -> Getter:
    if item == "i" and argument:
        return _Header(argument)
    if item == "t":
        return _Time(argument)
    if item == "x" and argument in _NAMED:
        return _NAMED[argument]
    if item in _SIMPLE and argument is None:
        return _SIMPLE[item]
    known = " ".join(f"%{name}" for name in sorted(_SIMPLE))
    raise ValueError(
        f"{written} is not known in a log format; there are {known} %t %{{NAME}}i and %{{NAME}}x"
    )


def _text(raw: bytes | None) -> str:
    """Print a header value so that it cannot break a line or leave its quotes."""
    if not raw:
        return "-"
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable() and '"' not in text:
        return text
    return text.encode("unicode_escape").decode("ascii").replace('"', '\\"')


class _Header:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name.lower().encode()

    def __call__(self, context: RequestContext) -> str:
        return _text(context.request.value(self._name))


class _Time:
    """The local time, put together once a second."""

    __slots__ = ("_format", "_second", "_text")

    def __init__(self, argument: str | None) -> None:
        self._format = argument or "[%d/%b/%Y:%H:%M:%S %z]"
        self._second = 0
        self._text = ""

    def __call__(self, context: RequestContext) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = time.strftime(self._format, time.localtime(second))
        return self._text


def _request_line(context: RequestContext) -> str:
    return f"{context.method} {_text(context.received_uri)} SIP/2.0"


def _from(context: RequestContext) -> str:
    return _text(context.request.from_.uri_raw)


def _to(context: RequestContext) -> str:
    return _text(context.request.to.uri_raw)


def _target(context: RequestContext) -> str:
    return _text(context.chosen.uri_raw) if context.chosen is not None else "-"


def _reason(context: RequestContext) -> str:
    return reason_text(context.trail[-1][3]) or "-" if context.trail else "-"


def _user(context: RequestContext) -> str:
    return context.identity.user if context.identity is not None else "-"


def _microseconds(context: RequestContext) -> str:
    return str(int((context.ended - context.began) * 1e6))


_SIMPLE: Final[dict[str, Getter]] = {
    "h": lambda context: context.peer.host,
    "a": lambda context: context.peer.host,
    "p": lambda context: str(context.peer.port),
    "H": lambda context: context.peer.transport.upper(),
    "l": lambda context: "-",
    "u": _user,
    "r": _request_line,
    "m": lambda context: context.method,
    "U": lambda context: _text(context.received_uri),
    "s": lambda context: str(context.status),
    "b": lambda context: "-",
    "B": lambda context: "0",
    "D": _microseconds,
    "T": lambda context: str(int(context.ended - context.began)),
    "P": lambda context: str(os.getpid()),
}

_NAMED: Final[dict[str, Getter]] = {
    "from": _from,
    "to": _to,
    "target": _target,
    "module": lambda context: context.decided_by or "-",
    "number": lambda context: context.number or "-",
    "reason": _reason,
}

DIRECTIVES: Final[tuple[Directive, ...]] = ()
