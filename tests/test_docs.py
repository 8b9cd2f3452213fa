"""The documentation is true: links lead somewhere, generated parts are current, examples are right.

What the pages tell people to type and to write is tried in ``test_docs_examples.py``.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from docs import generate
from docs.drawings import draw
from docs.pages import DOCS, PAGES, ROOT, blocks_of, code_lines, links_of, name_of, tree_of
from sipproxy.admin.directives import all_rows
from sipproxy.config.loader import Configuration, load
from sipproxy.config.reader import read_from_disk, read_from_table
from sipproxy.config.walk import Reader
from sipproxy.modules import always_loaded, directives_of, known_modules
from sipproxy.transaction.figures import CLIENT_NONINVITE, FIGURES, Figure, Row
from sipproxy.transaction.machine import State

FRAGMENTS: Final = DOCS / "newsfragments"
SAMPLES: Final = sorted((ROOT / "conf").glob("*.conf"))

#: Sections: they do not stand on a line by themselves.
SECTIONS: Final = frozenset(("IfModule", "IfDefine"))

#: What acts on the file itself; the sample shows it in passing.
STRUCTURE: Final = frozenset(("Include", "IncludeOptional", "LoadModule"))

#: A word that could be a directive: two humps at least, nothing but letters, digits, underscores.
CAMEL: Final = re.compile(r"(?:SIP_|[A-Z][a-z]+(?=[A-Z0-9_]))\w+$")


@cache
def directive_names() -> frozenset[str]:
    """Give the names of all directives."""
    return frozenset(row.name for _owner, row in all_rows())


def load_with(read: Reader, path: str) -> Configuration:
    """Load a configuration with the modules that come with the server."""
    modules, always = known_modules(), always_loaded()
    return load(path, read, directives_of, always=always, known=modules)


def faults_in(text: str) -> list[str]:
    """Say what is wrong with a text as a configuration."""
    path = "/etc/sip/conf/sipd.conf"
    return [str(fault) for fault in load_with(read_from_table({path: text}), path).errors]


class PageTests:
    """Every page by itself."""

    @pytest.mark.parametrize("path", PAGES, ids=name_of)
    def test_is_well_formed(self, path: Path) -> None:
        """docutils has nothing to say about it."""
        assert tree_of(path)["warnings"] == ""

    @pytest.mark.parametrize("path", PAGES, ids=name_of)
    def test_links_lead_somewhere(self, path: Path) -> None:
        """A link into the tree names a file that is there, and a heading that is on that page."""
        broken = [
            f"{file}#{fragment}"
            for file, fragment in links_of(path)
            if not file.exists() or (fragment and fragment not in tree_of(file).ids)
        ]
        assert not broken

    def test_every_page_is_in_the_contents(self) -> None:
        """A page that docs/README.rst does not lead to is not found by anybody."""
        linked = {file for file, _fragment in links_of(DOCS / "README.rst")}
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

    def test_check_names_what_would_change(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """``--check`` fails and writes nothing; without it the page is written."""
        page = tmp_path / "docs" / "reference" / "new.rst"
        monkeypatch.setattr(generate, "DOCS", page.parent.parent)
        monkeypatch.setattr(generate, "wanted_pages", lambda: {page: "text\n"})
        assert generate.main(["--check"]) == 1
        assert "docs/reference/new.rst" in capsys.readouterr().out
        assert not page.exists()
        assert generate.main([]) == 0
        assert page.read_text("utf-8") == "text\n"
        assert generate.main(["--check"]) == 0


class DrawingTests:
    """The drawings of the transaction machines."""

    @pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
    @pytest.mark.parametrize("reliable", [False, True])
    def test_shows_every_arrow(self, figure: Figure, reliable: bool) -> None:
        """Each row of the table is one line, with its event and what is done."""
        lines = draw(figure, reliable).splitlines()
        for row in figure.arrows(reliable).values():
            label = ": ".join(filter(None, (row.event, ", ".join(row.actions))))
            drawn = [line for line in lines if line.strip("│ ").startswith(label)]
            assert drawn, label

    def test_an_arrow_ends_at_its_state(self) -> None:
        """The lane of Completed begins where a final response is drawn and ends at that box."""
        lines = draw(CLIENT_NONINVITE).splitlines()
        first = next(line for line in lines if "200-699" in line)
        box = next(line for line in lines if "─ Completed" in line)
        assert first.index("┐") == box.index("┘")
        assert box.count("◀") == 1

    def test_an_arrow_upwards_is_refused(self) -> None:
        """A machine that goes back cannot be drawn this way, and that is said."""
        states = (State.TRYING, State.COMPLETED)
        rows = (Row(State.COMPLETED, "again", State.TRYING),)
        figure: Any = Figure("looping", "nowhere", states, ("again",), rows, ())
        with pytest.raises(ValueError, match="points upwards"):
            draw(figure)


class DirectiveTests:
    """What the pages say about the configuration."""

    def test_no_page_speaks_of_a_directive_that_is_not_there(self) -> None:
        """A name in a page that looks like a directive is one, or another name of some code."""
        folders = (ROOT / "sipproxy", DOCS)
        files = [path for folder in folders for path in folder.rglob("*.py")]
        code = [path.read_text("utf-8") for path in files]
        code += [
            text for page in PAGES for language, text in blocks_of(page) if "python" in language
        ]
        known = set(re.findall(r"\w+", "\n".join(code))) | directive_names()
        strange = {
            (page, words[0])
            for page, line in code_lines()
            if "=" not in line and (words := line.split())
            if CAMEL.match(words[0]) and words[0] not in known
        }
        assert not strange

    @pytest.mark.parametrize("path", PAGES, ids=name_of)
    def test_examples_of_configurations_are_right(self, path: Path) -> None:
        """A block that begins with a directive can be put into a file as it stands."""
        for language, text in blocks_of(path):
            words = text.split()
            if language or words[0].strip("<") not in directive_names() or "NAME" in words:
                continue
            if re.fullmatch(r"<\w+ [^>]+>", text):
                text += f"\n</{words[0].strip('<')}>"
            assert faults_in(text + "\n") == []

    def test_lines_of_the_access_log_look_like_that(self) -> None:
        """The access log that the pages show has the form that the server writes by default."""
        server = load_with(read_from_table({"/sipd.conf": ""}), "/sipd.conf").server
        (line_format,) = [row.format for row in server["LogFormat"] if row.nickname == "sip"]
        item = {"%t": r"\[[^]]+\]", "%r": '[^"]+', "%{Call-ID}i": '[^"]+'}
        pattern = re.sub(
            r"%>?(?:\{[^}]+\})?[a-zA-Z]|.",
            lambda match: item.get(match[0], r"\S+" if len(match[0]) > 1 else re.escape(match[0])),
            line_format,
        )
        shown = [(page, line) for page, line in code_lines() if ' SIP/2.0" ' in line]
        assert len(shown) >= 2
        assert [line for line in shown if not re.fullmatch(pattern, line[1])] == []

    @pytest.mark.parametrize("path", SAMPLES, ids=name_of)
    def test_sample_has_no_fault(self, path: Path) -> None:
        """A file in conf/ can be used as it is."""
        assert [str(fault) for fault in load_with(read_from_disk, str(path)).faults] == []

    def test_sample_describes_every_directive(self) -> None:
        """conf/sipd.conf has each directive, commented out, with a sentence before it."""
        text = (ROOT / "conf" / "sipd.conf").read_text("utf-8")
        shown = set(re.findall(r"^\s*#?([A-Z]\w+)\b", text, re.MULTILINE))
        explained = set(re.findall(r"^\s*# (\w+): ", text, re.MULTILINE))
        wanted = {row.name for _owner, row in all_rows() if not row.ignored} - SECTIONS
        assert wanted - shown == set()
        assert wanted - explained - STRUCTURE == set()

    def test_examples_of_the_sample_are_right(self) -> None:
        """Each example of conf/sipd.conf works when its comment sign is taken away."""
        text = (ROOT / "conf" / "sipd.conf").read_text("utf-8")
        examples = re.findall(r"^\s*#([A-Z]\w+ .*)$", text, re.MULTILINE)
        assert len(examples) > 30
        loaded = "".join(f"LoadModule {name}\n" for name in known_modules())
        wrong = [
            (line, faults)
            for line in examples
            if not line.startswith("Include") and (faults := faults_in(loaded + line + "\n"))
        ]
        assert not wrong


class NewsTests:
    """The fragments that the next changelog is made of."""

    @pytest.mark.parametrize("path", sorted(FRAGMENTS.glob("*")), ids=lambda path: path.name)
    def test_fragment(self, path: Path) -> None:
        """Named as towncrier wants it, and one or two sentences long."""
        if path.name == "README.rst":
            return
        kinds = "feature|bugfix|doc|removal|misc"
        assert re.fullmatch(rf"(\d+|\+[a-z0-9-]+)\.({kinds})\.rst", path.name)
        text = " ".join(path.read_text("utf-8").split())
        assert text.endswith(".")
        assert 1 <= len(re.findall(r"\.(?= [A-Z`]|$)", text)) <= 2

    def test_kinds_are_towncriers(self) -> None:
        """pyproject.toml declares the kinds that the test above allows."""
        text = (ROOT / "pyproject.toml").read_text("utf-8")
        kinds = re.findall(r'\[\[tool.towncrier.type\]\]\ndirectory = "(\w+)"', text)
        assert kinds == ["feature", "bugfix", "doc", "removal", "misc"]
