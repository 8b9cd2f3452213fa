"""What the verbs of `sipctl` share: how they fail and which configuration they speak about."""

import argparse
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from sipproxy.config.spelling import did_you_mean, listed, quoted

if TYPE_CHECKING:
    from sipproxy.config.settings import Configuration

    #: What ``register`` of a verb is given; argparse's class is generic for type checkers only.
    Verbs = argparse._SubParsersAction["Parser"]

#: The file that is meant when none is named.
DEFAULT_FILE: Final = "conf/sipd.conf"

#: The verb could not do what was asked.
FAILED: Final = 1
#: What was asked makes no sense.
MISUSED: Final = 2


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence instead of printing its usage."""

    #: Names of the verbs, for the nearest one to a misspelt one.
    verbs: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Leave with one sentence and the status for misuse."""
        wrong = re.search(r"invalid choice: '([^']*)'", message)
        if wrong and self.verbs:
            near = did_you_mean(wrong.group(1), self.verbs)
            message = f"there is no verb {quoted(wrong.group(1))}{near or self._known()}"
        else:
            message += f"; {self.prog} -h says what there is"
        self.exit(MISUSED, f"{self.prog}: {message}\n")

    def _known(self) -> str:
        return f"; the verbs are {listed(sorted(self.verbs), 'and')}"


class CommandFailed(Exception):
    """A verb gives up; the text is one sentence for the person who typed it."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def add_file_options(parser: argparse.ArgumentParser, prefix: str = "late_") -> None:
    """Add ``-f``, ``-D``, ``-C`` and ``-c``, which are legal before the verb and after it.

    argparse lets the options after the verb forget those before it, so that they are kept apart.
    """
    options = parser.add_argument_group("the configuration that is meant")
    options.add_argument(
        "-f", dest=prefix + "file", metavar="FILE", help=f"the file, if not {DEFAULT_FILE}"
    )
    for letter, name, metavar, text in (
        ("-D", "defines", "NAME", "make <IfDefine NAME> true"),
        ("-C", "before", "DIRECTIVE", "take this directive before the file"),
        ("-c", "after", "DIRECTIVE", "take this directive after the file"),
    ):
        options.add_argument(
            letter, dest=prefix + name, metavar=metavar, action="append", default=[], help=text
        )


def load_configuration(arguments: argparse.Namespace) -> "Configuration":
    """Read the configuration that the options mean.

    Raises `CommandFailed` when there is no such file; faults in it are in ``faults``.
    """
    # Imported here because the modules bring Twisted with them, which not every verb needs.
    from sipproxy.config.loader import load
    from sipproxy.config.reader import read_from_disk
    from sipproxy.modules import always_loaded, directives_of, known_modules

    path = _option(arguments, "file") or _default_file()
    configuration = load(
        path,
        read_from_disk,
        directives_of,
        frozenset(_list_option(arguments, "defines")),
        always_loaded(),
        known=known_modules(),
        before=_list_option(arguments, "before"),
        after=_list_option(arguments, "after"),
        working_directory=os.getcwd(),
    )
    if configuration.unreadable is not None:
        raise CommandFailed(f"{path} cannot be read: {configuration.unreadable}")
    return configuration


def _default_file() -> str:
    if not os.path.exists(DEFAULT_FILE):
        raise CommandFailed(f"there is no {DEFAULT_FILE} here; name the file with -f FILE")
    return DEFAULT_FILE


def _option(arguments: argparse.Namespace, name: str) -> str | None:
    found: str | None = getattr(arguments, "late_" + name, None) or getattr(arguments, name, None)
    return found


def _list_option(arguments: argparse.Namespace, name: str) -> list[str]:
    return [*getattr(arguments, name, ()), *getattr(arguments, "late_" + name, ())]
