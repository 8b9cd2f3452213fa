"""The reference page of the error log's events, read from the calls that log them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docs.rst import literal, page_of, table

PACKAGE: Final = Path(__file__).parent.parent / "sipproxy"

_INTRODUCTION: Final = """\
Every event of the error log.  The names never change; the sentences may.  An ellipsis is what
differs from time to time.  ``LogLevel`` says how much is written: a level includes those above it.

"""

_LOG_METHODS: Final = frozenset(("error", "warn", "notice", "info", "debug", "failure"))
_EVENT: Final = re.compile(r"[a-z_]+(\.[a-z_0-9]+)+$")


def logged_events() -> Iterator[tuple[str, str, str, str]]:
    """Find every event that the code logs: its name, level, sentence and file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE.parent).as_posix()
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef):
                texts = assigned_texts(function)
                for event, level, text in log_calls(function):
                    yield event, level, sentence_of(text, texts), file


def log_calls(function: ast.FunctionDef) -> Iterator[tuple[str, str, ast.expr]]:
    """Find the calls of a logger in a function: the event, its level, and the text."""
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=level), args=[ast.Constant(value=str(event)), text, *_]
            ) if level in _LOG_METHODS and _EVENT.match(event):
                yield event, "error" if level == "failure" else level, text


def assigned_texts(function: ast.FunctionDef) -> dict[str, str]:
    """Give the variables of a function that hold a text which stands in the code."""
    return {
        target.id: sentence_of(node.value, {})
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def sentence_of(node: ast.expr, texts: dict[str, str]) -> str:
    """Give the text of a log call, with an ellipsis for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(sentence_of(part, texts) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return sentence_of(node.left, texts) + sentence_of(node.right, texts)
    if isinstance(node, ast.Name):
        return texts.get(node.id, "…")
    return "…"


def log_events_page() -> str:
    """List every event of the error log."""
    rows = sorted({(literal(e), level, text, file) for e, level, text, file in logged_events()})
    return page_of(
        "Log events", _INTRODUCTION + table(("Event", "Level", "Sentence", "Said by"), rows)
    )
