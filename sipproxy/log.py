"""The error log: Apache's levels, one threshold per module, and stable event names.

Every event has a dotted name (``registry.replayed``) that never changes; its sentence may.  A line:

    [2026-11-21 14:32:52.120] [warn] [transport] udp.send_dropped: the socket is full
    peer=192.0.2.1:5060

Until a file is given, lines are kept (a bounded number) and written to it later, so that what
happens while the configuration is read is not lost.
"""

import sys
import time
import traceback
from typing import IO, Any, Final

#: Apache's levels, most severe first.
LEVELS: Final = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")

#: Every module that sets no level of its own uses this one until the configuration says otherwise.
DEFAULT_LEVEL: Final = "notice"

#: Lines kept while there is no file yet.
MAX_KEPT_LINES: Final = 1000

_NUMBER: Final = {name: number for number, name in enumerate(LEVELS)}
_ERROR, _WARN, _NOTICE, _INFO, _DEBUG = (_NUMBER[n] for n in LEVELS[3:])


class ErrorLog:
    """Where lines go: a file that can be reopened, and the console as well when asked."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.console: IO[str] | None = None
        self._file: IO[str] | None = None
        self._kept: list[str] = []
        self._written_second = 0
        self._stamp = ""

    def open(self, path: str, console: IO[str] | None = None) -> None:
        """Append to ``path`` from now on, and echo to ``console``.  Raises OSError."""
        new = open(path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)
        if self._file is not None:
            self._file.close()
        self._file = new
        self.path = path
        self.console = console
        kept, self._kept = self._kept, []
        for line in kept:
            self._put(line)

    def reopen(self) -> None:
        """Close and open again, after the file was moved away.  Keeps the old one on failure."""
        if self.path is not None:
            new = open(self.path, "a", encoding="utf-8", errors="backslashreplace", buffering=1)
            old, self._file = self._file, new
            if old is not None:
                old.close()

    def close(self) -> None:
        """Stop writing; lines are kept again."""
        old, self._file = self._file, None
        self.path = self.console = None
        if old is not None:
            try:
                old.close()
            except OSError:
                pass  # what it still held does not fit on the disk

    def write(self, level: str, module: str, text: str) -> None:
        """Write one line, stamped with the local time; what would break the line is escaped."""
        if not text.isprintable():
            text = text.encode("unicode_escape").decode("ascii")
        now = time.time()
        second = int(now)
        if second != self._written_second:
            self._written_second = second
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        line = f"[{self._stamp}.{int(now * 1000) % 1000:03d}] [{level}] [{module}] {text}\n"
        if self._file is not None:
            self._put(line)
        elif len(self._kept) < MAX_KEPT_LINES:
            self._kept.append(line)

    def _put(self, line: str) -> None:
        for stream in (self._file, self.console):
            if stream is not None:
                try:
                    stream.write(line)
                except (OSError, ValueError):
                    pass  # a full disk, or a console that is gone, must not take the server along


class Logger:
    """One module's voice.  ``event`` is the stable name, ``text`` a sentence, fields come after
    it.
    """

    __slots__ = ("name", "sink", "threshold")

    def __init__(self, name: str, sink: ErrorLog, threshold: int) -> None:
        self.name = name
        self.sink = sink
        self.threshold = threshold

    def error(self, event: str, text: str, **fields: object) -> None:
        """Something failed that should have worked."""
        self._write(_ERROR, event, text, fields)

    def warn(self, event: str, text: str, **fields: object) -> None:
        """Something that an operator should look at some day."""
        self._write(_WARN, event, text, fields)

    def notice(self, event: str, text: str, **fields: object) -> None:
        """A normal event that is worth a line by default."""
        self._write(_NOTICE, event, text, fields)

    def info(self, event: str, text: str, **fields: object) -> None:
        """A normal event of interest when looking closer."""
        self._write(_INFO, event, text, fields)

    def debug(self, event: str, text: str, **fields: object) -> None:
        """Detail for one who debugs."""
        self._write(_DEBUG, event, text, fields)

    def failure(self, event: str, text: str, error: BaseException, **fields: object) -> None:
        """An unexpected exception: one line that names the place; the rest at level debug."""
        place = ""
        frames = traceback.extract_tb(error.__traceback__)
        if frames:
            place = f" at {frames[-1].filename}:{frames[-1].lineno}"
        self._write(_ERROR, event, f"{text}: {type(error).__name__}: {error}{place}", fields)
        if self.threshold >= _DEBUG:
            for line in traceback.format_exception(error):
                self.sink.write("debug", self.name, f"{event}: {line.rstrip()}")

    def is_debug(self) -> bool:
        """Say whether debug lines are written, before work is put into one."""
        return self.threshold >= _DEBUG

    def _write(self, level: int, event: str, text: str, fields: dict[str, Any]) -> None:
        if level > self.threshold:
            return
        if fields:
            text += "".join(f" {name}={_shown(value)}" for name, value in fields.items())
        self.sink.write(LEVELS[level], self.name, f"{event}: {text}")


def _shown(value: object) -> str:
    """Print a field's value so that a line stays one line and splits at spaces."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = str(value)
    if not text.isprintable() or " " in text or '"' in text or not text:
        return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
    return text


#: The one sink of the process and the loggers made so far.
SINK: Final = ErrorLog()
_LOGGERS: Final[dict[str, Logger]] = {}
_OWN_LEVELS: Final[dict[str, int]] = {}
_DEFAULT: Final = [_NUMBER[DEFAULT_LEVEL]]


def get_logger(name: str) -> Logger:
    """Give the logger of a module; always the same one for a name."""
    logger = _LOGGERS.get(name)
    if logger is None:
        logger = Logger(name, SINK, _OWN_LEVELS.get(name, _DEFAULT[0]))
        _LOGGERS[name] = logger
    return logger


def set_levels(default: str, own: dict[str, str]) -> None:
    """Set the threshold of all modules, and the ones that have their own."""
    _DEFAULT[0] = _NUMBER[default]
    _OWN_LEVELS.clear()
    _OWN_LEVELS.update({name: _NUMBER[level] for name, level in own.items()})
    for name, logger in _LOGGERS.items():
        logger.threshold = _OWN_LEVELS.get(name, _DEFAULT[0])


def console() -> IO[str]:
    """Give the stream that foreground servers echo their log to."""
    return sys.stderr
