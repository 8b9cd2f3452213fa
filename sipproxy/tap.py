"""``twistd sipproxy``: the command line's options, and the service made from them.

Configuration, folders and sockets are seen to before the process goes into the background, so that
whatever is wrong is said where somebody reads it: one sentence, exit status 1.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python import usage
from zope.interface import implementer

from sipproxy.admin.configtest import refused_by_modules
from sipproxy.assembly import ConfigurationFaults, read_configuration
from sipproxy.config.loader import Configuration, Fault
from sipproxy.log import SINK, console
from sipproxy.service import SipService, StartError, prepare

DEFAULT_FILE = "conf/sipd.conf"


class Options(usage.Options):
    """Options of ``twistd sipproxy``; twistd's own stand before the word."""

    synopsis = "[options]"
    longdesc = "A modular SIP proxy, redirect server and registrar, configured by a sipd.conf."

    optParameters = [  # the form that usage.Options asks for
        ["file", "f", DEFAULT_FILE, "The configuration file."],
    ]
    optFlags = [
        ["test", "t", "Check the configuration and exit: status 0 when it is good, else 1."]
    ]

    def __init__(self) -> None:
        super().__init__()
        self.defines: set[str] = set()
        self.before: list[str] = []
        self.after: list[str] = []

    def opt_define(self, name: str) -> None:
        """Define NAME for <IfDefine NAME> sections; may be given several times."""
        self.defines.add(name)

    opt_D = opt_define

    def opt_before(self, line: str) -> None:
        """Take a directive before the file is read, as if it stood on top of it."""
        self.before.append(line)

    opt_C = opt_before

    def opt_after(self, line: str) -> None:
        """Take a directive after the file is read, as if it stood at its end."""
        self.after.append(line)

    opt_c = opt_after

    def postOptions(self) -> None:
        """Read the configuration: with -t that is all; else tell twistd what it needs of it."""
        self.configuration = self._read()
        if self["test"]:
            refused = refused_by_modules(self.configuration)
            if refused:
                self._refuse(refused)
            for fault in self.configuration.faults:
                print(fault, file=sys.stderr)
            print("Syntax OK")
            sys.exit(0)
        parent: Any = getattr(self, "parent", None)
        if parent is None:
            return
        if parent.get("pidfile") in ("twistd.pid", ""):
            # twistd's own default is a file in the present folder, where two servers would meet.
            parent["pidfile"] = self.configuration.server["PidFile"]
            _make_folder(os.path.dirname(parent["pidfile"]))
        if not parent.get("logger") and not parent.get("logfile"):
            parent["logger"] = "sipproxy.tap.observer"

    def _read(self) -> Configuration:
        try:
            return read_configuration(
                self["file"],
                frozenset(self.defines),
                self.before,
                self.after,
                working_directory=os.getcwd(),
            )
        except ConfigurationFaults as problem:
            self._refuse(problem.faults)

    def _refuse(self, faults: "Sequence[Fault]") -> NoReturn:
        for fault in faults:
            print(fault, file=sys.stderr)
        print(
            f"{len(faults)} fault{'s' if len(faults) != 1 else ''}; nothing was started",
            file=sys.stderr,
        )
        sys.exit(1)


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        sys.exit(f"cannot make the folder {folder}: {error.strerror}")


def makeService(options: Options) -> IService:
    """Bind the sockets and give the service; exits with one sentence when that cannot be."""
    from twisted.internet import reactor

    # Timers run by a clock that nobody sets back; nothing has been scheduled yet.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    parent: Any = getattr(options, "parent", None)
    foreground = bool(parent is not None and parent.get("nodaemon"))
    configuration = options.configuration
    try:
        secret = prepare(configuration, console() if foreground else None)
        return SipService(reactor, configuration, secret)
    except ConfigurationFaults as problem:
        sys.exit("\n".join(str(fault) for fault in problem.faults))
    except StartError as problem:
        sys.exit(str(problem))


@implementer(ILogObserver)
class _Observer:
    """Takes Twisted's own log events into the error log."""

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        if level < LogLevel.warn:
            return
        name = "error" if level >= LogLevel.error else "warn"
        text = " ".join(str(formatEvent(event)).split())
        failure = event.get("log_failure")
        if failure is not None:
            where = failure.getTracebackObject()
            place = ""
            while where is not None:
                place = f" at {where.tb_frame.f_code.co_filename}:{where.tb_lineno}"
                where = where.tb_next
            text = f"{text}: {failure.type.__name__}: {failure.getErrorMessage()}{place}"
        SINK.write(name, "twisted", text)


def observer() -> _Observer:
    """Give the observer that twistd is told to log with."""
    return _Observer()
