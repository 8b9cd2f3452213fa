"""The documentation is true: links lead somewhere, commands are accepted, examples run.

The pages are read with docutils, which is what forges show them with.
"""

import argparse
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from twisted.python.usage import Options as TwistedOptions
from twisted.scripts._twistd_unix import ServerOptions

from docs import generate
from sipproxy.admin.cli import parser as sipctl_parser
from sipproxy.admin.directives import all_rows
from sipproxy.config.loader import Configuration, load
from sipproxy.config.reader import read_from_disk, read_from_table
from sipproxy.modules import always_loaded, directives_of, known_modules
from sipproxy.tap import Options

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
FRAGMENTS: Final = DOCS / "newsfragments"
PAGES: Final = sorted([ROOT / "README.rst", *DOCS.rglob("*.rst")])
SAMPLES: Final = sorted((ROOT / "conf").glob("*.conf"))

#: Sections and words that are no directives of a line of their own.
IN_BRACKETS: Final = frozenset(("IfModule", "IfDefine"))

#: A word that could be a directive: two humps at least, nothing but letters, digits, underscores.
CAMEL: Final = re.compile(r"(?:SIP_|[A-Z][a-z]+(?=[A-Z0-9_]))\w+$")


def name_of(path: Path) -> str:
    """Name a page as a reader would."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> nodes.document:
    """Read a page.  What docutils has to say stands in ``warnings`` of the tree."""
    said = io.StringIO()
    settings = {"report_level": 2, "halt_level": 6, "warning_stream": said}
    tree = publish_doctree(
        path.read_text("utf-8"), source_path=str(path), settings_overrides=settings
    )
    tree["warnings"] = said.getvalue()
    return tree


def blocks_of(path: Path) -> Iterator[nodes.literal_block]:
    """Give the literal blocks of a page."""
    yield from tree_of(path).findall(nodes.literal_block)


def language_of(block: nodes.literal_block) -> str:
    """Give what a code block says it is written in; empty for a plain block."""
    return " ".join(name for name in block["classes"] if name != "code")


def code_lines() -> Iterator[tuple[str, str]]:
    """Give each line of each literal block, and each literal in a sentence, with its page."""
    for path in PAGES:
        for block in blocks_of(path):
            for line in block.astext().splitlines():
                yield name_of(path), line
        for literal in tree_of(path).findall(nodes.literal):
            yield name_of(path), literal.astext()


@cache
def directive_names() -> frozenset[str]:
    """Give the names of all directives."""
    return frozenset(row.name for _owner, row in all_rows())


def load_text(text: str) -> Configuration:
    """Load a configuration that stands in a text."""
    read = read_from_table({"/etc/sip/conf/sipd.conf": text})
    return load(
        "/etc/sip/conf/sipd.conf",
        read,
        directives_of,
        always=always_loaded(),
        known=known_modules(),
    )


class PageTests:
    """Every page by itself."""

    @pytest.mark.parametrize("path", PAGES, ids=name_of)
    def test_is_well_formed(self, path: Path) -> None:
        """docutils has nothing to say about it."""
        assert tree_of(path)["warnings"] == ""

    @pytest.mark.parametrize("path", PAGES, ids=name_of)
    def test_links_lead_somewhere(self, path: Path) -> None:
        """A link into the tree names a file that is there, and a heading that is on that page."""
        broken = []
        for link in tree_of(path).findall(nodes.reference):
            target, _, fragment = str(link.get("refuri", "")).partition("#")
            if not target or ":" in target:
                continue
            file = (path.parent / target).resolve()
            if not file.exists() or (fragment and fragment not in tree_of(file).ids):
                broken.append(str(link["refuri"]))
        assert not broken

    def test_every_page_is_in_the_contents(self) -> None:
        """A page that docs/README.rst does not lead to is not found by anybody."""
        contents = DOCS / "README.rst"
        linked = {
            (DOCS / str(link["refuri"])).resolve()
            for link in tree_of(contents).findall(nodes.reference)
            if "refuri" in link
        }
        hidden = {
            name_of(page)
            for page in PAGES
            if page not in linked and page.parent != FRAGMENTS and page.name != "README.rst"
        }
        assert not hidden


class GeneratedTests:
    """What is written from the code."""

    def test_pages_are_current(self) -> None:
        """``make docs`` would change nothing."""
        outdated = [
            name_of(path)
            for path, text in generate.wanted_pages().items()
            if not path.exists() or path.read_text("utf-8") != text
        ]
        assert not outdated, "run make docs"

    @pytest.mark.parametrize("name", known_modules())
    def test_module_page_has_its_directives(self, name: str) -> None:
        """A module's page describes all directives of the module, and none of another's."""
        text = (DOCS / "modules" / f"{name}.rst").read_text("utf-8")
        described = set(re.findall(r"^\.\. generated: directive (\S+)$", text, re.MULTILINE))
        assert described == {row.name for row in directives_of(name) or ()}

    def test_a_block_for_nothing_is_noticed(self) -> None:
        """A directive that was renamed cannot stay on a page."""
        page = ".. generated: directive NoSuchThing\n.. end of generated\n"
        with pytest.raises(LookupError, match="NoSuchThing"):
            generate.filled(page)

    def test_a_new_directive_gets_its_block(self) -> None:
        """A directive without a block is put at the end of its page."""
        text = generate.filled("Page\n", ["Listen"])
        assert text.startswith("Page\n\n.. generated: directive Listen\n")
        assert ":Syntax: ``Listen [ADDRESS:]PORT" in text


class DirectiveTests:
    """What the pages say about the configuration."""

    def test_no_page_speaks_of_a_directive_that_is_not_there(self) -> None:
        """A name in a page that looks like a directive is one, or another name of the code."""
        source = "\n".join(
            path.read_text("utf-8")
            for folder in ("sipproxy", "docs")
            for path in (ROOT / folder).rglob("*.py")
        )
        known = set(re.findall(r"\w+", source)) | directive_names()
        strange = {
            (page, word)
            for page, line in code_lines()
            if "=" not in line and (word := line.split()[0] if line.split() else "")
            if CAMEL.match(word) and word not in known
        }
        assert not strange

    @pytest.mark.parametrize("path", PAGES, ids=name_of)
    def test_examples_of_configurations_are_right(self, path: Path) -> None:
        """A block that begins with a directive can be put into a file as it stands."""
        for block in blocks_of(path):
            words = block.astext().split()
            if language_of(block) or not words or words[0].strip("<") not in directive_names():
                continue
            if "FILE" in words or "NAME" in words or "..." in words:
                continue  # a syntax line
            wrong = [str(fault) for fault in load_text(block.astext() + "\n").errors]
            assert not wrong

    @pytest.mark.parametrize("path", SAMPLES, ids=name_of)
    def test_sample_has_no_fault(self, path: Path) -> None:
        """A file in conf/ can be used as it is."""
        found = load(
            str(path), read_from_disk, directives_of, always=always_loaded(), known=known_modules()
        )
        assert [str(fault) for fault in found.faults] == []

    def test_sample_describes_every_directive(self) -> None:
        """conf/sipd.conf has each directive, commented out, with a sentence before it."""
        text = (ROOT / "conf" / "sipd.conf").read_text("utf-8")
        given = set(re.findall(r"^\s*#?([A-Z]\w+)\b", text, re.MULTILINE))
        explained = set(re.findall(r"^\s*# (\w+): ", text, re.MULTILINE))
        wanted = {row.name for _owner, row in all_rows() if not row.ignored} - IN_BRACKETS
        assert wanted - given == set()
        assert wanted - explained - {"Include", "IncludeOptional", "LoadModule"} == set()

    def test_examples_of_the_sample_are_right(self) -> None:
        """Each example of conf/sipd.conf works when its comment sign is taken away."""
        text = (ROOT / "conf" / "sipd.conf").read_text("utf-8")
        examples = re.findall(r"^\s*#([A-Z]\w+ .*)$", text, re.MULTILINE)
        assert len(examples) > 30
        wrong = [
            f"{line}: {fault.text}"
            for line in examples
            if not line.startswith("Include")
            for fault in load_text(
                "".join(f"LoadModule {m}\n" for m in known_modules()) + line
            ).errors
        ]
        assert not wrong


# --- commands -------------------------------------------------------------------------------------


class OnlyOptions(Options):
    """The server's options without what comes of them."""

    def postOptions(self) -> None:
        """Read no file."""


def sipctl_fault(arguments: Sequence[str]) -> str:
    """Say why sipctl would not take these words; empty when it does."""
    try:
        parsed = sipctl_parser().parse_args(arguments)
    except SystemExit as left:
        return "" if left.code == 0 else f"status {left.code}"
    return "" if parsed.verb is not None or not arguments else "no verb"


def twistd_fault(arguments: Sequence[str]) -> str:
    """Say why twistd would not take these words."""
    if "sipproxy" not in arguments:
        return ""
    at = list(arguments).index("sipproxy")
    for options, words in ((ServerOptions(), arguments[:at]), (OnlyOptions(), arguments[at + 1 :])):
        options_of: Any = options
        fault = options_fault(options_of, words)
        if fault:
            return fault
    return ""


def options_fault(options: TwistedOptions, words: Sequence[str]) -> str:
    """Ask Twisted's parser."""
    names = {name.rstrip("=") for name in options.longOpt} | set(options.shortOpt.replace(":", ""))
    for word in words:
        if word.startswith("-") and word.lstrip("-").partition("=")[0] not in names:
            return f"{word} is no option"
    return ""


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Find the calls of a program in the pages, as lists of words."""
    found = []
    pattern = re.compile(rf"(?:^|[\s/=]){program}((?: [^;|>]*)?)$")
    for page, line in code_lines():
        match = pattern.search(line.split("#")[0].rstrip())
        if match and "program" not in line:
            found.append((page, shlex.split(match.group(1))))
    return found


class CommandTests:
    """What the pages tell people to type."""

    def test_sipctl_takes_them(self) -> None:
        """Every ``sipctl`` line of the pages has a verb and options that exist."""
        found = commands("sipctl")
        assert len(found) > 5
        wrong = [(page, words, why) for page, words in found if (why := sipctl_fault(words))]
        assert not wrong

    def test_twistd_takes_them(self) -> None:
        """Every ``twistd`` line of the pages has options that exist."""
        found = commands("twistd")
        assert len(found) >= 3
        wrong = [(page, words, why) for page, words in found if (why := twistd_fault(words))]
        assert not wrong

    def test_make_has_the_verbs(self) -> None:
        """Every ``make`` line of the pages names a verb of the Makefile."""
        verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
        called = {words[0] for _page, words in commands("make") if words and words[0].isalpha()}
        assert {"run", "test"} <= called <= verbs

    def test_wrong_ones_are_noticed(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The checks above would see a verb or an option that is not there."""
        assert sipctl_fault(["configtset"])
        assert sipctl_fault(["configtest", "--no-such"])
        assert twistd_fault(["sipproxy", "--no-such"])
        assert twistd_fault(["--no-such", "sipproxy"])
        assert "configtset" in capsys.readouterr().err

    def test_verbs_are_all_described(self) -> None:
        """The reference has a section for each verb."""
        text = (DOCS / "reference" / "command-line.rst").read_text("utf-8")
        action: Any = next(
            action
            for action in sipctl_parser()._actions
            if isinstance(action, argparse._SubParsersAction)
        )
        for verb in action.choices:
            assert f"\nsipctl {verb}\n~" in text


class NewsTests:
    """The fragments that the next changelog is made of."""

    @pytest.mark.parametrize("path", sorted(FRAGMENTS.glob("*")), ids=lambda path: path.name)
    def test_fragment(self, path: Path) -> None:
        """Named as towncrier wants it, and one or two sentences long."""
        if path.name == "README.rst":
            return
        assert re.fullmatch(
            r"(\d+|\+[a-z0-9-]+)\.(feature|bugfix|doc|removal|misc)\.rst", path.name
        )
        text = " ".join(path.read_text("utf-8").split())
        assert text.endswith(".")
        assert 1 <= len(re.findall(r"\.(?= [A-Z`]|$)", text)) <= 2

    def test_kinds_are_towncriers(self) -> None:
        """pyproject.toml declares the kinds that the test above allows."""
        text = (ROOT / "pyproject.toml").read_text("utf-8")
        kinds = re.findall(r'\[\[tool.towncrier.type\]\]\ndirectory = "(\w+)"', text)
        assert kinds == ["feature", "bugfix", "doc", "removal", "misc"]
