"""Compiles the paths that every message takes with mypyc, where that can be done.

Everything else about the package is in setup.cfg.  The same files run interpreted when there is no
compiler, when mypy is not there, or when SIPPROXY_COMPILE=0 asks for it; SIPPROXY_COMPILE=1 makes a
failure to compile an error instead.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import setup

#: Folders and files that follow the rules of docs/internals for compiled code.
COMPILED = (
    "message/*.py",
    "transaction/*.py",
    "core/*.py",
    "resolve/hop.py",
    "stores/records.py",
    "stores/registry.py",
    "transport/driver.py",
    "transport/wakeup.py",
    "transport/flow.py",
    "transport/tokens.py",
    "transport/counters.py",
    "transport/udp.py",
)

#: What in those folders stays interpreted: it is made of Twisted's or zope's classes.
INTERPRETED = ("__init__.py", "phases.py", "module.py", "figures.py")


def can_compile() -> bool:
    """Say whether there is a C compiler, and what Python's own header files say."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include"), "Python.h")
    return shutil.which(compiler) is not None and header.is_file()


def extensions() -> list[Any]:
    """Give the extension modules to build: none where the server is to run interpreted."""
    wish = os.environ.get("SIPPROXY_COMPILE", "auto")
    if wish == "0" or (wish != "1" and not can_compile()):
        return []
    try:
        from mypyc.build import mypycify

        root = Path("sipproxy")
        files = sorted(
            str(path)
            for pattern in COMPILED
            for path in root.glob(pattern)
            if path.name not in INTERPRETED
        )
        built = mypycify(["--config-file=compile.ini", *files], opt_level="3")
    except BaseException as problem:  # mypy ends the process when it finds a fault
        if wish == "1":
            raise
        print(f"sipproxy is not compiled, and will run interpreted: {problem}", file=sys.stderr)
        return []
    for extension in built:
        extension.optional = wish != "1"
    return list(built)


setup(ext_modules=extensions())
