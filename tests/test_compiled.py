"""Rules for the files that setup.py compiles: what mypyc turns into something else, or refuses."""

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest

ROOT: Final = Path(__file__).parent.parent


def compiled_files() -> list[Path]:
    """Give the files that setup.py names."""
    with patch("setuptools.setup"), patch.dict("os.environ", {"SIPPROXY_COMPILE": "0"}):
        names = runpy.run_path(str(ROOT / "setup.py"))
    package = ROOT / "sipproxy"
    return [
        path
        for pattern in names["COMPILED"]
        for path in sorted(package.glob(pattern))
        if path.name not in names["INTERPRETED"]
    ]


def caught_twice(tree: ast.AST) -> Iterator[str]:
    """Find names that one function gives to exceptions of several types.

    Compiled, a variable has the type of its first use: catching another type under the same name
    raises TypeError at run time.
    """
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            types: dict[str, set[str]] = {}
            for node in ast.walk(function):
                if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
                    types.setdefault(node.name, set()).add(ast.unparse(node.type))
            for name, several in types.items():
                if len(several) > 1:
                    yield f"{function.name}: {name} is {' and '.join(sorted(several))}"


def decorated_classes(tree: ast.AST) -> Iterator[str]:
    """Find classes with decorators, which mypyc leaves interpreted or refuses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.decorator_list:
            yield node.name


class CompiledTests:
    """Every compiled file keeps the rules, and the checks can fail."""

    @pytest.mark.parametrize("path", compiled_files(), ids=lambda path: path.stem)
    def test_rules(self, path: Path) -> None:
        """No exception name with two types, no class decorator."""
        tree = ast.parse(path.read_text())
        assert not list(caught_twice(tree))
        assert not list(decorated_classes(tree))

    def test_finds_a_name_with_two_types(self) -> None:
        """The defect that was once there is found."""
        text = "def f():\n try:\n  g()\n except A as e:\n  pass\n except B as e:\n  pass\n"
        assert list(caught_twice(ast.parse(text))) == ["f: e is A and B"]

    def test_finds_a_decorator(self) -> None:
        """So is a decorated class."""
        assert list(decorated_classes(ast.parse("@x\nclass C:\n pass\n"))) == ["C"]

    def test_there_are_some(self) -> None:
        """The list is not empty by mistake."""
        assert len(compiled_files()) > 40
