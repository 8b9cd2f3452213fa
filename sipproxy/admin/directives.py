"""``sipctl directives``: the reference, as the rows of the server and of its modules have it."""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sipproxy.admin.command import MISUSED, CommandFailed
from sipproxy.config.spelling import did_you_mean, quoted

if TYPE_CHECKING:
    from sipproxy.admin.command import Verbs
    from sipproxy.config.directive import Directive

    #: A row with the name of its owner.
    Owned = tuple[str, Directive]

#: The owner of what belongs to no module.
CORE: Final = "core"

_WIDTH: Final = 79


def register(verbs: "Verbs") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "directives",
        help="say what may stand in a configuration",
        description="Say what may stand in a configuration.",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="one directive, in full")
    parser.add_argument("--module", metavar="MODULE", help=f"only those of one module, or {CORE}")
    parser.add_argument("--json", action="store_true", help="print data for a program")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the rows that are asked for."""
    rows = _chosen(list(all_rows()), arguments.name, arguments.module)
    if arguments.json:
        print(json.dumps([as_data(owner, row) for owner, row in rows], indent=2))
    elif arguments.name is not None:
        print("\n\n".join(in_full(owner, row) for owner, row in rows))
    else:
        print(listing(rows))
    return 0


def all_rows() -> "Iterator[Owned]":
    """Give every row there is: the loader's, the server's, then each module's in run order."""
    from sipproxy.config.server_directives import (
        SECTION_DIRECTIVES,
        SERVER_DIRECTIVES,
        STRUCTURE_DIRECTIVES,
    )
    from sipproxy.modules import directives_of, known_modules

    for row in (*STRUCTURE_DIRECTIVES, *SECTION_DIRECTIVES, *SERVER_DIRECTIVES):
        yield CORE, row
    for module in known_modules():
        try:
            rows = directives_of(module) or ()
        except Exception as error:  # one broken module must not hide the others
            print(f"sipctl: {module} cannot be loaded: {error}", file=sys.stderr)
            continue
        for row in rows:
            yield module, row


def _chosen(rows: "list[Owned]", name: str | None, module: str | None) -> "list[Owned]":
    if module is not None:
        owners = _owners(rows)
        if module not in owners:
            near = did_you_mean(module, owners) or f"; sipctl directives --module {CORE} works"
            raise CommandFailed(f"there is no module {quoted(module)}{near}", MISUSED)
        rows = [(owner, row) for owner, row in rows if owner == module]
    if name is None:
        return rows
    found = [(owner, row) for owner, row in rows if row.name.lower() == name.lower()]
    if not found:
        where = f" in {module}" if module else ""
        near = did_you_mean(name, (row.name for _owner, row in rows))
        hint = near or "; sipctl directives lists them all"
        raise CommandFailed(f"there is no directive {quoted(name)}{where}{hint}", MISUSED)
    return found


def _owners(rows: "Iterable[Owned]") -> list[str]:
    from sipproxy.modules import known_modules

    return list(dict.fromkeys([CORE, *known_modules(), *(owner for owner, _row in rows)]))


# --- facts about a row ----------------------------------------------------------------------------


def has_default(row: "Directive") -> bool:
    """Say whether something is in effect when the directive is not given."""
    return row.default_words is not None or bool(row.default_lines)


def default_of(row: "Directive") -> str:
    """Return the default in words."""
    if row.default_words is not None:
        return row.default_words
    return ", ".join(row.default_lines) if row.default_lines else "not set"


def times_of(row: "Directive") -> str:
    """Return how often the directive may be given."""
    return "any number of times" if row.multiple else "once"


def page_of(owner: str) -> str:
    """Return the page that explains the directive's owner."""
    return "docs/reference/directives.rst" if owner == CORE else f"docs/modules/{owner}.rst"


def as_data(owner: str, row: "Directive") -> dict[str, Any]:
    """Return a row for JSON."""
    return {
        "name": row.name,
        "module": owner,
        "syntax": row.syntax_line,
        "default": list(row.default_lines) if row.multiple else row.default,
        "default_in_words": default_of(row),
        "context": row.context.value,
        "multiple": row.multiple,
        "help": row.help,
        "example": row.example,
        "ignored": row.ignored,
        "page": page_of(owner),
    }


# --- text -----------------------------------------------------------------------------------------


def in_full(owner: str, row: "Directive") -> str:
    """Return everything about one directive."""
    facts = [
        ("default", default_of(row) if has_default(row) else None),
        ("legal", f"{row.context.value}, {times_of(row)}"),
        ("example", row.example),
        ("no effect", row.ignored),
        ("module", owner),
        ("page", page_of(owner)),
    ]
    lines = [row.syntax_line, *_wrapped(row.help, "  ")]
    for name, fact in facts:
        if fact is not None:
            lines += _wrapped(f"{name:<9} {fact}", "  ", " " * 12)
    return "\n".join(lines)


def listing(rows: "Iterable[Owned]") -> str:
    """Return a short entry for each row, by owner."""
    lines: list[str] = []
    for owner, group in groupby(rows, lambda owned: owned[0]):
        lines += ["", owner] if lines else [owner]
        for _owner, row in group:
            tail = f" Default: {default_of(row)}." if has_default(row) else ""
            lines += [f"  {row.syntax_line}", *_wrapped(row.help + tail, "      ")]
    return "\n".join(lines)


def _wrapped(text: str, first: str, rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


# --- the page in the documents --------------------------------------------------------------------

_PAGE_HEAD: Final = """\
..
   Made from the rows in the source by sipproxy.admin.directives; a change here is lost.

Directives
==========

Everything that may stand in ``sipd.conf``.  Names are taken in any case, times are in milliseconds
unless the text says otherwise, and a relative path is below ``ServerRoot``.  ``sipctl directives
NAME`` prints one of these entries, ``sipctl configtest`` checks a file.
"""


def reference_page(rows: "Iterable[Owned]") -> str:
    """Render docs/reference/directives.rst from pairs of owner and row (see `all_rows`)."""
    blocks = [_PAGE_HEAD]
    for owner, group in groupby(rows, lambda owned: owned[0]):
        title = "The server itself" if owner == CORE else owner
        blocks.append(f"{title}\n{'-' * len(title)}\n")
        blocks.extend(directive_block(owner, row) for _owner, row in group)
    return "\n".join(blocks)


def directive_block(owner: str, row: "Directive") -> str:
    """Render one directive, for the reference or for the page of its module."""
    facts = [
        ("Syntax", f"``{row.syntax_line}``"),
        ("Default", _default_as_rst(row)),
        ("Legal", f"{row.context.value}, {times_of(row)}"),
        ("Module", owner if owner == CORE else f"``{owner}``"),
    ]
    lines = [f".. _directive-{row.name.lower()}:", "", row.name, "~" * len(row.name), ""]
    lines += [f":{name}: {fact}" for name, fact in facts]
    lines += ["", *_wrapped(_escaped(row.help), ""), ""]
    if row.ignored is not None:
        lines += [*_wrapped(_escaped(f"It has no meaning here: {row.ignored}."), ""), ""]
    if row.example is not None:
        lines += ["For example::", "", f"    {row.example}", ""]
    return "\n".join(lines)


def _default_as_rst(row: "Directive") -> str:
    if row.default_words is not None or not row.default_lines:
        return _escaped(default_of(row))
    return ", ".join(f"``{line}``" for line in row.default_lines)


def _escaped(text: str) -> str:
    """Keep reStructuredText from seeing marks in ordinary text."""
    return re.sub(r"([\\*`|]|_(?=\W|$))", r"\\\1", text)
