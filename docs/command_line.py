"""The reference page of the command line, written from the parsers of the programs themselves."""

import argparse
import re
from collections.abc import Iterable, Sequence

from docs.rst import heading, page_of
from sipproxy.admin.cli import parser as sipctl_parser
from sipproxy.tap import Options

_INTRODUCTION = """\
There are two programs.  ``twistd sipproxy`` is the server; ``sipctl`` looks at it and at its
configuration.

twistd sipproxy
---------------

``twistd`` is Twisted's launcher.  Its own options stand before the word ``sipproxy``.  The useful
one is ``--nodaemon``, which stays in the foreground.  The file with the process's number is the one
that ``PidFile`` names, unless ``--pidfile`` names another.  The options below stand after the word.

"""

_SIPCTL = """\
The exit status is 0 when it is done, 1 when it failed, and 2 when the words make no sense.  These
options are legal before the verb and after it:

"""


def options_table(rows: Iterable[tuple[str, str]]) -> str:
    """Make a list of options; empty when there are none."""
    return "".join(f"``{option}``\n    {words}\n\n" for option, words in rows)


def twistd_rows() -> list[tuple[str, str]]:
    """Read the server's options out of their usage text, which has them all together."""
    usage = Options().getUsage(10_000)
    rows = re.findall(r"^ +(-[^ ].*?)  +(\S.*)$", usage, re.MULTILINE)
    return [(option.replace(", ", " or "), words) for option, words in rows]


def option_text(action: argparse.Action) -> str:
    """Spell an option or an argument as it is typed."""
    if not action.option_strings:
        name = str(action.metavar or action.dest)
        return f"[{name}]" if action.nargs in ("?", "*") else name
    words = " or ".join(action.option_strings)
    return words if action.nargs == 0 else f"{words} {action.metavar or action.dest.upper()}"


def parser_rows(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Give the options of one parser, without its verbs and without -h."""
    rows = []
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
            rows.append((option_text(action), sentence(action.help or "")))
    return rows


def sentence(text: str) -> str:
    """Make a sentence of a help text."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:].rstrip(".") + "."


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Give the verbs of a parser, in the order in which its help lists them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def verb_text(words: Sequence[str], parser: argparse.ArgumentParser, common: set[str]) -> str:
    """Describe a verb and the verbs below it."""
    name = " ".join(words)
    text = f"{heading(name, '~')}\n{sentence(parser.description or '')}\n\n"
    text += options_table(row for row in parser_rows(parser) if row[0] not in common)
    for verb, below in verbs_of(parser).items():
        text += verb_text((*words, verb), below, common)
    return text


def command_line_page() -> str:
    """Write the whole page."""
    top = sipctl_parser()
    rows = parser_rows(top)
    text = _INTRODUCTION + options_table(twistd_rows())
    text += f"sipctl\n------\n\n{sentence(top.description or '')}\n\n{_SIPCTL}{options_table(rows)}"
    for verb, below in verbs_of(top).items():
        text += verb_text(("sipctl", verb), below, {option for option, _words in rows})
    return page_of("Command line", text.rstrip() + "\n")
