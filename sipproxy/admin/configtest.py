"""``sipctl configtest``: is this configuration fit to start a server with?"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sipproxy.admin.command import FAILED, add_file_options, load_configuration

if TYPE_CHECKING:
    from sipproxy.admin.command import Verbs
    from sipproxy.config.tree import Fault


def register(verbs: "Verbs") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "configtest",
        help="check a configuration and name everything that is wrong with it",
        description="Check a configuration and name everything that is wrong with it.",
        allow_abbrev=False,
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="be silent when all is well")
    add_file_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print faults and a verdict."""
    configuration = load_configuration(arguments)
    errors, notes = configuration.errors, configuration.notes
    if errors or not arguments.quiet:
        for fault in configuration.faults:
            print(fault)
        print(verdict(errors, notes))
    return FAILED if errors else 0


def verdict(errors: Sequence["Fault"], notes: Sequence["Fault"]) -> str:
    """Return the last line: what the faults before it amount to."""
    if not errors:
        return "Syntax OK"
    count = counted(len(errors), "fault")
    if notes:
        count += f" and {counted(len(notes), 'note')}"
    return f"{count}; no server starts with this, and a running one keeps the configuration it has"


def counted(number: int, noun: str) -> str:
    """Return ``1 fault`` or ``2 faults``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
