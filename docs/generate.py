"""Writes what the documentation says about the code, from the code: ``make docs``.

Pages in ``docs/reference`` are written whole.  Elsewhere a page holds blocks between the two lines

    .. generated: directive Listen
    .. end of generated

and only what stands between them is written, so that prose can stand around it.  A directive
without a block gets one at the end of its module's page.  With ``--check`` nothing is written; the
pages that would change are named, and the exit status is 1.
"""

import ast
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from zope.interface import implementedBy

from docs.command_line import command_line_page
from docs.drawings import draw
from docs.log_events import log_events_page
from docs.rst import as_literals, heading, indented, literal, page_of, table
from sipproxy.admin.directives import all_rows, directive_block, reference_page
from sipproxy.core.phases import PHASES
from sipproxy.modules import STANDARD_MODULES, class_of
from sipproxy.transaction.figures import FIGURES

DOCS: Final = Path(__file__).parent
PACKAGE: Final = DOCS.parent / "sipproxy"

_BLOCK: Final = re.compile(
    r"^\.\. generated: (?P<what>[^\n]+)\n(?P<text>.*?)^\.\. end of generated$",
    re.DOTALL | re.MULTILINE,
)


# --- modules and their directives -----------------------------------------------------------------


def module_head(name: str) -> str:
    """Describe a module: what it is for, when it runs, where it is."""
    maker = next(maker for maker in STANDARD_MODULES if maker.name == name)
    module = class_of(maker)
    provided = implementedBy(module)
    phases = [phase.name for phase in PHASES if provided.isOrExtends(phase.interface)]
    loaded = "always" if maker.always else literal(f"LoadModule {name}")
    order = [f"before {other}" for other in module.before]
    order += [f"after {other}" for other in module.after]
    source = f"sipproxy/modules/{name}.py"
    fields = [
        ("Description", maker.help),
        ("Phases", ", ".join(phases) or "none"),
        ("Loaded", loaded),
        ("Order", ", ".join(order) or "as the list of standard modules has it"),
        ("Deadline", f"{module.deadline:g} seconds for a hook that waits"),
        ("Source", f"`{source} <../../{source}>`_"),
    ]
    return "\n" + "".join(f":{field}: {value}\n" for field, value in fields) + "\n"


def directives_page() -> str:
    """Describe every directive; ``sipctl`` makes that page, because it prints the same things."""
    return reference_page(all_rows())


# --- the other reference pages --------------------------------------------------------------------


HOW_RUN: Final = {
    "all": "every hook is asked; the first refusal ends the walk",
    "first": "hooks are asked in order until one answers",
    "tell": "every hook is told, and cannot stop the request",
}


def phases_page() -> str:
    """List the phases, who runs in each, and what the words in the table mean."""
    rows = []
    for phase in PHASES:
        ours = [
            maker.name
            for maker in STANDARD_MODULES
            if implementedBy(class_of(maker)).isOrExtends(phase.interface)
        ]
        interface = phase.interface.__name__
        rows.append(
            (
                phase.name,
                f"`{interface} <interfaces.rst#{interface.lower()}>`_",
                phase.run,
                phase.help,
                ", ".join(ours) or "(open)",
            )
        )
    text = "A request walks the phases from top to bottom.\n\n"
    text += table(("Phase", "Interface", "How run", "What it is for", "Modules, in order"), rows)
    text += "\nHow a phase is run:\n\n"
    text += "".join(f"* ``{word}``: {meaning}.\n" for word, meaning in HOW_RUN.items())
    return page_of("Phases", text)


def signature_of(function: ast.FunctionDef) -> str:
    """Print a method as an interface declares it."""
    arguments = ast.unparse(function.args)
    result = "" if function.returns is None else f" -> {ast.unparse(function.returns)}"
    return re.sub(r"'([^']*)'", r"\1", f"{function.name}({arguments}){result}")


def interface_text(node: ast.ClassDef) -> str:
    """Describe one interface."""
    text = f"{heading(node.name, '-')}\n{as_literals(ast.get_docstring(node) or '')}\n\n"
    for child in node.body:
        if isinstance(child, ast.FunctionDef):
            doc = as_literals(ast.get_docstring(child) or "")
            text += f"{literal(signature_of(child))}\n{indented(doc)}\n\n"
        elif isinstance(child, ast.Assign) and isinstance(child.value, ast.Call):
            words = as_literals(str(ast.literal_eval(child.value.args[0])))
            text += f"{literal(ast.unparse(child.targets[0]))}\n{indented(words)}\n\n"
    return text


def interfaces_page() -> str:
    """Print every interface with its methods and attributes."""
    tree = ast.parse((PACKAGE / "interfaces.py").read_text("utf-8"))
    text = as_literals(ast.get_docstring(tree) or "") + "\n\n"
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            text += interface_text(node)
    return page_of("Interfaces", text.rstrip() + "\n")


# --- putting pages together -----------------------------------------------------------------------


def block_text(what: str) -> str:
    """Give what belongs into the block of that name."""
    kind, _, name = what.partition(" ")
    if kind == "module":
        return module_head(name)
    if kind == "figure":
        figure = next(figure for figure in FIGURES if figure.name == name)
        return figure_block(figure)
    if kind == "directive":
        for owner, row in all_rows():
            if row.name == name:
                return f"\n{directive_block(owner, row)}\n"
    raise LookupError(f"nothing in the code is called {what!r}; take its block off the page")


def figure_block(figure: Any) -> str:
    """Draw a machine for both kinds of transport."""
    drawn = {reliable: indented(draw(figure, reliable)) for reliable in (False, True)}
    return f"\n{figure.source}.\n\nOver UDP::\n\n{drawn[False]}\n\nOver TCP::\n\n{drawn[True]}\n\n"


def filled(text: str, directives: Sequence[str] = ()) -> str:
    """Renew the blocks of a page, adding those of ``directives`` that are missing."""
    present = {match["what"] for match in _BLOCK.finditer(text)}
    for name in directives:
        if f"directive {name}" not in present:
            text = text.rstrip("\n") + f"\n\n.. generated: directive {name}\n.. end of generated\n"
    return _BLOCK.sub(
        lambda match: (
            f".. generated: {match['what']}\n{block_text(match['what'])}.. end of generated"
        ),
        text,
    )


WHOLE_PAGES: Final[dict[str, Callable[[], str]]] = {
    "reference/directives.rst": directives_page,
    "reference/phases.rst": phases_page,
    "reference/interfaces.rst": interfaces_page,
    "reference/log-events.rst": log_events_page,
    "reference/command-line.rst": command_line_page,
}


def wanted_pages() -> dict[Path, str]:
    """Give every page that has generated parts, as it should be."""
    wanted = {DOCS / name: make() for name, make in WHOLE_PAGES.items()}
    for path in sorted(DOCS.rglob("*.rst")):
        if path not in wanted:
            is_module = path.parent.name == "modules"
            directives = [row.name for owner, row in all_rows() if is_module and owner == path.stem]
            text = path.read_text("utf-8")
            if directives or _BLOCK.search(text):
                wanted[path] = filled(text, directives)
    return wanted


def main(arguments: Sequence[str]) -> int:
    """Write the pages that changed, or with ``--check`` only name them."""
    check = "--check" in arguments
    changed = [
        (path, text)
        for path, text in wanted_pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    for path, text in changed:
        name = path.relative_to(DOCS.parent)
        print(f"{name} is not what the code says; make docs" if check else f"wrote {name}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
