"""The tree keeps its shape: tests mirror the package, files stay short, modules come complete."""

import ast
from pathlib import Path
from typing import Final

import pytest

from sipproxy.modules import known_modules

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "sipproxy"
FILES: Final = sorted(
    path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")
)

#: Files without a test file of their own, and where they are tested instead.
TESTED_ELSEWHERE: Final = {
    "interfaces.py": "declarations only; tests/test_assembly.py verifies whoever provides them",
}

#: From here on a file should be cut in two.
SOFT_LIMIT: Final = 400

#: Above this it is, whatever the reason.
HARD_LIMIT: Final = 600

#: Files between the two limits, each with the reason why cutting it would make it harder to read.
LONG_FILES: Final[dict[str, str]] = {}


def name_of(path: Path) -> str:
    """Name a file as a reader would: ``core/server.py``."""
    return path.relative_to(PACKAGE).as_posix()


def length_of(path: Path) -> int:
    """Count lines."""
    return len(path.read_text("utf-8").splitlines())


class MirrorTests:
    """Tests stand where the file they are about stands."""

    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_file_has_its_test(self, path: Path) -> None:
        """sipproxy/a/b.py is tested by tests/a/test_b.py."""
        if name_of(path) in TESTED_ELSEWHERE:
            return
        inside = path.relative_to(PACKAGE)
        wanted = ROOT / "tests" / inside.with_name(f"test_{inside.name}")
        assert wanted.is_file(), f"{name_of(path)} has no {wanted.relative_to(ROOT)}"

    def test_exceptions_exist(self) -> None:
        """An exception for a file that is gone, or has its test now, is taken off the lists."""
        for name in (*TESTED_ELSEWHERE, *LONG_FILES):
            assert (PACKAGE / name).is_file(), name
        for name in TESTED_ELSEWHERE:
            inside = Path(name)
            assert not (ROOT / "tests" / inside.with_name(f"test_{inside.name}")).exists(), name
        for name in LONG_FILES:
            assert length_of(PACKAGE / name) > SOFT_LIMIT, f"{name} is short now"


class FileTests:
    """What every file of the package keeps to."""

    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_length(self, path: Path) -> None:
        """A file that passes the soft limit says why in this file; none passes the hard one."""
        lines = length_of(path)
        assert lines <= HARD_LIMIT, f"{name_of(path)} has {lines} lines; cut it"
        assert lines <= SOFT_LIMIT or name_of(path) in LONG_FILES, (
            f"{name_of(path)} has {lines} lines; cut it, or say in LONG_FILES why not"
        )

    @pytest.mark.parametrize("path", FILES, ids=name_of)
    def test_docstrings(self, path: Path) -> None:
        """A file, and each public class and function in it, says what it is."""
        tree = ast.parse(path.read_text("utf-8"))
        bare = [] if ast.get_docstring(tree) else ["the file itself"]
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                if not node.name.startswith("_") and not ast.get_docstring(node):
                    bare.append(f"{node.name} in line {node.lineno}")
        assert not bare, f"{name_of(path)}: no docstring on {', '.join(bare)}"


class ModuleTests:
    """A module is complete with a page, a test and its directives in the sample file."""

    def test_every_module_file_is_listed(self) -> None:
        """A file in modules/ that STANDARD_MODULES does not list would never run."""
        files = {path.stem for path in (PACKAGE / "modules").glob("mod_*.py")}
        assert files == set(known_modules())

    @pytest.mark.parametrize("name", known_modules())
    def test_page(self, name: str) -> None:
        """Each module has its page."""
        page = ROOT / "docs" / "modules" / f"{name}.rst"
        assert page.is_file(), f"{name} has no page; copy another from docs/modules"

    @pytest.mark.parametrize("name", known_modules())
    def test_test(self, name: str) -> None:
        """Each module has its test."""
        assert (ROOT / "tests" / "modules" / f"test_{name}.py").is_file()
