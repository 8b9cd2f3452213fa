"""The import rules of the house, checked on the syntax tree of every file of the package.

Files are not imported for this: what a file *says* it imports is what counts, wherever in the file
it says so.  Imports under ``TYPE_CHECKING`` count like any other, because they are knowledge of
another room too; only ``interfaces.py`` may name the types of every room that way.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = "sipproxy"

#: Where each room stands.  Imports go downwards only; rooms with one number are strangers.
LEVELS: Final = {
    "tap": 8,
    "service": 7,
    "admin": 6,
    "testing": 6,
    "collector": 6,
    "assembly": 5.5,
    "modules": 5,
    "farm": 5,
    "core": 4,
    "transport": 3,
    "resolve": 3,
    "stores": 3,
    "clients": 3,
    "interfaces": 2,
    "log": 2,
    "transaction": 1,
    "config": 1,
    "message": 0,
    "stores.records": 0.5,
}

#: Rooms and files that are pure: same input, same output, on any machine at any time.
PURE: Final = (
    "message",
    "transaction",
    "config",
    "core.ranking",
    "core.loops",
    "resolve.srv",
    "resolve.naptr",
    "stores.records",
    "farm.replica",
    "farm.wire",
)

#: Files in a pure room that are not, because they fetch what the rest is given.  Pure code does not
#: know them either.
IMPURE: Final = ("config.reader",)

#: Time, chance, the network and the disk come to pure code as arguments.
IMPURE_LIBRARIES: Final = frozenset(
    "asyncio glob logging os pathlib random secrets select selectors shutil socket ssl subprocess "
    "tempfile threading time".split()
)

#: What some rooms must not import although the levels would let them.
FORBIDDEN: Final = {
    "core": ("modules", "transport", "stores", "farm"),
    "modules": ("modules", "transport", "farm"),
}

#: The exceptions from `FORBIDDEN`: plain values.
ALLOWED: Final = {"core": ("stores.records",)}


class Import:
    """One imported name, as an absolute dotted path, and where it is imported."""

    def __init__(self, line: int, dotted: str, typing_only: bool, level: int = 0) -> None:
        self.line = line
        self.dotted = dotted
        self.typing_only = typing_only
        self.level = level


def is_type_checking(test: ast.expr) -> bool:
    """Recognise ``if TYPE_CHECKING:``."""
    return "TYPE_CHECKING" in ast.unparse(test)


def imports_of(tree: ast.AST, typing_only: bool = False) -> Iterator[Import]:
    """Give every import below ``tree``, those inside functions as well."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, typing_only)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                dotted = f"{node.module or ''}.{alias.name}"
                yield Import(node.lineno, dotted, typing_only, node.level)
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                yield from imports_of(ast.Module([child], []), True)
            for child in node.orelse:
                yield from imports_of(ast.Module([child], []), typing_only)
        else:
            yield from imports_of(node, typing_only)


def room_of(inside: str) -> str:
    """Give the row of `LEVELS` for a dotted path in the package (``stores.records.X``)."""
    parts = inside.split(".")
    two = ".".join(parts[:2])
    return two if two in LEVELS else parts[0]


def is_within(inside: str, place: str) -> bool:
    """Say whether a dotted path is that place or below it."""
    return inside == place or inside.startswith(place + ".")


def is_pure(inside: str) -> bool:
    """Say whether a dotted path inside the package names pure code."""
    if any(is_within(inside, place) for place in IMPURE):
        return False
    wire = any(part.endswith("_wire") for part in inside.split("."))
    return wire or any(is_within(inside, place) for place in PURE)


class Checker:
    """Checks one file and collects sentences of the form ``file:line: what and which rule``."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.tree = ast.parse(source)
        parts = Path(path).with_suffix("").parts
        self.is_init = parts[-1] == "__init__"
        #: The file's dotted name in the package: ``core.server``; ``""`` for the package itself.
        self.inside = ".".join(parts[1:-1] if self.is_init else parts[1:])
        self.faults: list[str] = []

    def fault(self, line: int, text: str) -> None:
        """Note a broken rule."""
        self.faults.append(f"{self.path}:{line}: {text}")

    def check(self) -> list[str]:
        """Apply every rule."""
        for found in imports_of(self.tree):
            self.check_form(found)
            self.check_reactor(found)
            if found.dotted.split(".")[0] == PACKAGE:
                self.check_levels(found)
                self.check_forbidden(found)
            self.check_pure(found)
            self.check_timers(found)
        self.check_init()
        self.check_calls()
        return self.faults

    def check_form(self, found: Import) -> None:
        """Imports are absolute and name what they take."""
        if found.level:
            self.fault(found.line, "relative import; write the whole path from sipproxy on")
        if found.dotted.endswith(".*"):
            self.fault(found.line, f"wildcard import of {found.dotted[:-2]}; name what is used")

    def check_reactor(self, found: Import) -> None:
        """The reactor is an argument everywhere but in tap.py."""
        if is_within(found.dotted, "twisted.internet.reactor") and self.inside != "tap":
            self.fault(found.line, "imports the reactor; only tap.py does, others are given it")

    def check_levels(self, found: Import) -> None:
        """Imports go downwards only."""
        target = found.dotted.removeprefix(PACKAGE).lstrip(".")
        if not self.inside or target == "__version__":
            return
        here, there = room_of(self.inside), room_of(target)
        if here not in LEVELS:
            self.fault(1, f"{here} has no level; give it one in tests/test_layering.py")
        elif there not in LEVELS:
            self.fault(found.line, f"imports {found.dotted}, which has no level")
        elif self.inside == "interfaces":
            if not found.typing_only:
                self.fault(found.line, "interfaces.py imports types only under TYPE_CHECKING")
        elif LEVELS[there] >= LEVELS[here] and not is_within(self.inside, there):
            what = f"{here} (level {LEVELS[here]:g}) imports {there} (level {LEVELS[there]:g})"
            self.fault(found.line, what + "; imports go downwards only")

    def check_forbidden(self, found: Import) -> None:
        """Core knows no module, socket or store; modules know neither each other nor sockets."""
        target = found.dotted.removeprefix(PACKAGE).lstrip(".")
        here = self.inside.split(".")[0]
        if self.inside in ("modules", "core") or any(
            is_within(target, place) for place in ALLOWED.get(here, ())
        ):
            return
        for place in FORBIDDEN.get(here, ()):
            if is_within(target, place) and not is_within(target, self.inside):
                self.fault(found.line, f"{here} must not import {place}; it is given interfaces")

    def check_pure(self, found: Import) -> None:
        """Pure code uses the standard library, less what touches the world, and pure code."""
        if not is_pure(self.inside):
            return
        top = found.dotted.split(".")[0]
        if top == PACKAGE:
            if not is_pure(found.dotted.removeprefix(PACKAGE + ".")):
                self.fault(found.line, f"pure code imports {found.dotted}, which is not pure")
        elif top in IMPURE_LIBRARIES or top not in sys.stdlib_module_names:
            self.fault(found.line, f"pure code imports {top}; what it gives has to be an argument")

    def check_timers(self, found: Import) -> None:
        """Twisted's timers are imported where sockets are."""
        if is_within(found.dotted, "twisted.internet.task"):
            self.check_timer(found.line)

    def check_timer(self, line: int) -> None:
        """Core and modules set timers on the layer's wheel."""
        room = self.inside.split(".")[0]
        if room in ("core", "modules"):
            self.fault(line, f"{room} sets timers through ITransactions.schedule only")

    def check_init(self) -> None:
        """A package's __init__ holds a docstring; the top one a version, modules/ its list."""
        if not self.is_init:
            return
        if not ast.get_docstring(self.tree):
            self.fault(1, "__init__.py says in a docstring what the package is for")
        if self.inside == "modules":
            return
        for node in self.tree.body:
            text = ast.unparse(node)
            is_version = not self.inside and text.startswith("__version__")
            if not is_version and not (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            ):
                self.fault(node.lineno, "__init__.py holds a docstring and nothing else")

    def check_calls(self) -> None:
        """No reactor timers in core and modules; no files in pure code."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and node.attr == "callLater":
                self.check_timer(node.lineno)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("open", "print", "input") and is_pure(self.inside):
                    self.fault(node.lineno, f"pure code calls {node.func.id}()")


def faults_in(path: str, source: str) -> list[str]:
    """Check one file as if it stood at ``path`` (``sipproxy/core/server.py``)."""
    return Checker(path, source).check()


class PackageTests:
    """Every file of the package."""

    def test_every_file_keeps_the_rules(self) -> None:
        """Nothing in the package breaks an import rule; the answer names file, line and rule."""
        files = sorted((ROOT / PACKAGE).rglob("*.py"))
        assert len(files) > 20
        faults = [
            fault
            for file in files
            for fault in faults_in(str(file.relative_to(ROOT)), file.read_text("utf-8"))
        ]
        assert not faults, "\n" + "\n".join(faults)

    def test_every_row_is_about_something(self) -> None:
        """A pure place that nobody wrote is a spelling mistake, or planned."""
        planned = {"farm.replica", "farm.wire"}
        for place in PURE:
            path = ROOT / PACKAGE / place.replace(".", "/")
            assert place in planned or path.is_dir() or path.with_suffix(".py").is_file(), place


TYPES_ONLY: Final = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "

BROKEN: Final = {
    "upwards": ("sipproxy/message/uri.py", "from sipproxy.core.server import Server", "downwards"),
    "sideways": ("sipproxy/transport/udp.py", "import sipproxy.stores.journal", "downwards"),
    "same level": ("sipproxy/log.py", "from sipproxy import interfaces", "downwards"),
    "nobody imports service": (
        "sipproxy/admin/cli.py",
        "from sipproxy.service import Server",
        "downwards",
    ),
    "types only": (
        "sipproxy/transaction/layer.py",
        TYPES_ONLY + "from sipproxy.core.server import X",
        "downwards",
    ),
    "inside a function": (
        "sipproxy/stores/registry.py",
        "def f():\n    from sipproxy.core import server",
        "downwards",
    ),
    "core and a store": (
        "sipproxy/core/registrar.py",
        "from sipproxy.stores.registry import Registry",
        "must not import stores",
    ),
    "core and the transport": (
        "sipproxy/core/server.py",
        "from sipproxy.transport.driver import Driver",
        "must not import transport",
    ),
    "module and module": (
        "sipproxy/modules/mod_sip_a.py",
        "from sipproxy.modules.mod_sip_b import B",
        "must not import modules",
    ),
    "module and transport": (
        "sipproxy/modules/mod_sip_a.py",
        "from sipproxy.transport.flow import Flows",
        "must not import transport",
    ),
    "Twisted in pure code": (
        "sipproxy/transaction/layer.py",
        "from twisted.internet import defer",
        "pure code imports twisted",
    ),
    "clock in pure code": ("sipproxy/message/parser.py", "import time", "pure code imports time"),
    "chance in a pure file": (
        "sipproxy/resolve/srv.py",
        "from random import random",
        "pure code imports random",
    ),
    "impure neighbour": (
        "sipproxy/core/ranking.py",
        "from sipproxy.core.context import RequestContext",
        "which is not pure",
    ),
    "files for the pure": (
        "sipproxy/config/loader.py",
        "from sipproxy.config.reader import read_from_disk",
        "which is not pure",
    ),
    "wire file": ("sipproxy/clients/radius_wire.py", "import socket", "pure code imports socket"),
    "file in pure code": ("sipproxy/config/loader.py", "x = open('a')", "pure code calls open()"),
    "reactor": (
        "sipproxy/service.py",
        "from twisted.internet import reactor",
        "imports the reactor",
    ),
    "reactor as a module": (
        "sipproxy/transport/udp.py",
        "import twisted.internet.reactor",
        "imports the reactor",
    ),
    "timer in core": (
        "sipproxy/core/timer_c.py",
        "def f(reactor):\n    reactor.callLater(1, f)",
        "ITransactions.schedule",
    ),
    "looping call in a module": (
        "sipproxy/modules/mod_sip_a.py",
        "from twisted.internet.task import LoopingCall",
        "ITransactions.schedule",
    ),
    "relative": ("sipproxy/core/server.py", "from . import context", "relative"),
    "wildcard": ("sipproxy/core/server.py", "from typing import *", "wildcard import"),
    "concrete types in interfaces": (
        "sipproxy/interfaces.py",
        "from sipproxy.message.uri import Uri",
        "under TYPE_CHECKING",
    ),
    "code in __init__": ("sipproxy/core/__init__.py", '"""Doc."""\nx = 1', "nothing else"),
    "bare __init__": ("sipproxy/core/__init__.py", "", "says in a docstring"),
    "unknown room": (
        "sipproxy/attic/old.py",
        "from sipproxy.message.uri import Uri",
        "has no level",
    ),
}

SOUND: Final = {
    "downwards": ("sipproxy/core/server.py", "from sipproxy.message.uri import Uri"),
    "records for core": (
        "sipproxy/core/registrar.py",
        "from sipproxy.stores.records import Binding",
    ),
    "records in their own room": (
        "sipproxy/stores/registry.py",
        "from sipproxy.stores.records import Binding",
    ),
    "uri for records": ("sipproxy/stores/records.py", "from sipproxy.message.uri import SipUri"),
    "reader of files": ("sipproxy/config/reader.py", "import os"),
    "own room": ("sipproxy/core/server.py", "from sipproxy.core.context import RequestContext"),
    "types for interfaces": (
        "sipproxy/interfaces.py",
        TYPES_ONLY + "from sipproxy.core.context import X",
    ),
    "reactor in tap": ("sipproxy/tap.py", "from twisted.internet import reactor"),
    "version": ("sipproxy/__init__.py", '"""Doc."""\n\n__version__ = "1"'),
    "list of modules": ("sipproxy/modules/__init__.py", '"""Doc."""\n\nSTANDARD_MODULES = ()'),
    "version for anybody": ("sipproxy/core/server.py", "from sipproxy import __version__"),
}


class CheckerTests:
    """The checker itself: a rule that catches nothing is no rule."""

    @pytest.mark.parametrize("case", BROKEN)
    def test_broken_rule_is_named(self, case: str) -> None:
        """Each rule catches the line that breaks it, and says which rule it is."""
        path, source, expected = BROKEN[case]
        faults = faults_in(path, source)
        assert any(expected in fault and fault.startswith(path + ":") for fault in faults), faults

    @pytest.mark.parametrize("case", SOUND)
    def test_what_is_allowed_passes(self, case: str) -> None:
        """What the rules allow is not reported."""
        path, source = SOUND[case]
        assert faults_in(path, source) == []
