"""Where the loader gets its text from: the disk, or a table in memory.

The loader itself opens nothing; it is given one of these (`sipproxy.config.walk.Reader`).  This is
the only file of the package that knows of disks.
"""

import fnmatch
import glob
import os
from collections.abc import Iterable, Mapping

from sipproxy.config.walk import Reader

#: Larger files are certainly no configuration, and reading one of gigabytes would hang the program.
MAX_FILE = 4_000_000


def read_from_disk(path: str) -> str | list[str]:
    """Read a file as UTF-8, or list a directory or a pattern."""
    if os.path.isdir(path):
        return _wanted(os.path.join(path, name) for name in os.listdir(path))
    if glob.has_magic(path) and not os.path.exists(path):
        return _wanted(glob.glob(path))
    with open(path, encoding="utf-8") as file:
        text = file.read(MAX_FILE + 1)
    if len(text) > MAX_FILE:
        raise ValueError(f"is larger than {MAX_FILE:,} characters")
    return text


def read_from_table(files: Mapping[str, str]) -> Reader:
    """Return a reader of the texts in ``files``, whose folders exist by being named in paths."""

    def read(path: str) -> str | list[str]:
        if path in files:
            return files[path]
        if glob.has_magic(path):
            return _wanted(name for name in files if fnmatch.fnmatch(name, path))
        inside = [name for name in files if os.path.dirname(name) == path.rstrip("/")]
        if not inside:
            raise FileNotFoundError(2, "No such file or directory", path)
        return _wanted(inside)

    return read


def _wanted(paths: Iterable[str]) -> list[str]:
    """Leave out hidden files and what editors and packagers leave behind."""
    return sorted(
        path
        for path in paths
        if not os.path.basename(path).startswith(".")
        and not path.endswith(("~", ".bak", ".orig", ".rej", ".swp", ".dpkg-old", ".rpmsave"))
    )
