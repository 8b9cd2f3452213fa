"""``sipctl configtest``: is this configuration fit to start a server with?"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sipproxy.admin.command import FAILED, add_file_options, load_configuration

if TYPE_CHECKING:
    from sipproxy.admin.command import Verbs
    from sipproxy.config.settings import Configuration
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
    notes = configuration.notes
    errors = configuration.errors
    faults = configuration.faults
    if not errors:
        errors = refused_by_modules(configuration)
        faults = sorted([*notes, *errors], key=lambda fault: (fault.file, fault.line))
    if errors or not arguments.quiet:
        for fault in faults:
            print(fault)
        print(verdict(errors, notes))
    return FAILED if errors else 0


def refused_by_modules(configuration: "Configuration") -> "list[Fault]":
    """Let the modules look at their values and be put in order, as when a server starts.

    What passes here must not be refused later, so that it is the same code that looks.
    """
    from sipproxy.assembly import ConfigurationFaults, Host, build_domains, build_modules
    from sipproxy.core.module import NotConfigured

    class NoServer:
        """Stands for what only a running server has."""

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            raise NotConfigured(f"it needs {name} of a running server, and this is only a test")

    absent: Any = NoServer()
    domains = build_domains(configuration, absent)
    host = Host(absent, absent, absent, domains, configuration.server, lambda: 0.0, lambda: b"")
    try:
        build_modules(configuration, host)
    except ConfigurationFaults as refused:
        return refused.faults
    return []


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
