"""Reads the pages as forges do, with docutils, for the tests that check what they say."""

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from docutils import nodes
from docutils.core import publish_doctree

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted([ROOT / "README.rst", *DOCS.rglob("*.rst")])

#: A comment that begins so says that the code block behind it is that file.
FILE_MARK: Final = "file: "


def name_of(path: Path) -> str:
    """Name a page as a reader would."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> nodes.document:
    """Read a page.  What docutils has to say stands in ``warnings`` of the tree."""
    said = io.StringIO()
    settings = {"report_level": 2, "halt_level": 6, "warning_stream": said}
    text = path.read_text("utf-8")
    tree = publish_doctree(text, source_path=str(path), settings_overrides=settings)
    tree["warnings"] = said.getvalue()
    return tree


def blocks_of(path: Path) -> Iterator[tuple[str, str]]:
    """Give the literal blocks of a page, each with the language that it is marked with."""
    for block in tree_of(path).findall(nodes.literal_block):
        language = " ".join(name for name in block["classes"] if name != "code")
        yield language, block.astext()


def links_of(path: Path) -> Iterator[tuple[Path, str]]:
    """Give the links of a page that lead into the tree: the file, and the place in it."""
    for link in tree_of(path).findall(nodes.reference):
        target, _, fragment = str(link.get("refuri", "")).partition("#")
        if target and ":" not in target:
            yield (path.parent / target).resolve(), fragment


def code_lines() -> Iterator[tuple[str, str]]:
    """Give each line of each literal block, and each literal in a sentence, with its page."""
    for path in PAGES:
        for _language, text in blocks_of(path):
            for line in text.splitlines():
                yield name_of(path), line
        for literal in tree_of(path).findall(nodes.literal):
            yield name_of(path), literal.astext()


def files_of(path: Path) -> list[tuple[str, str]]:
    """Give the files that a page shows, in order; a later one of a name replaces the earlier."""
    found = []
    name = ""
    for node in tree_of(path).findall():
        if isinstance(node, nodes.comment) and node.astext().startswith(FILE_MARK):
            name = node.astext().removeprefix(FILE_MARK).strip()
        elif isinstance(node, nodes.literal_block) and name:
            found.append((name, node.astext() + "\n"))
            name = ""
    return found
