"""`sipctl`, the one program for people and scripts.

Every verb is a file of its own with a function ``register(verbs)``, which adds a parser and sets
its ``run``: a function of the parsed arguments that returns the exit status.  To add a verb, add
its ``register`` to `VERBS`.  What a verb needs is imported inside its ``run``, so that the others
start fast.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sipproxy import __version__
from sipproxy.admin.command import CommandFailed, Parser, add_file_options
from sipproxy.admin.configtest import register as configtest
from sipproxy.admin.directives import register as directives
from sipproxy.config.spelling import listed

if TYPE_CHECKING:
    from sipproxy.admin.command import Verbs

VERBS: "Final[tuple[Callable[[Verbs], None], ...]]" = (
    configtest,
    directives,
)


def parser() -> Parser:
    """Build the parser with all verbs."""
    top = Parser(
        prog="sipctl",
        description="Look at a SIP server and its configuration.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"sipctl {__version__}")
    add_file_options(top, prefix="")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=Parser)
    for register in VERBS:
        register(verbs)
    top.verbs = tuple(verbs.choices)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 1 failed, 2 misused."""
    top = parser()
    parsed = top.parse_args(arguments)
    if parsed.verb is None:
        top.error(f"a verb is needed: {listed(sorted(top.verbs))}")
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except CommandFailed as failure:
        print(f"sipctl: {failure}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        # Whoever read our output has gone (``| head``): nothing may be flushed there at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
