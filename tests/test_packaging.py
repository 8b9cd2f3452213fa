"""What ``pip install .`` gives: the package, the plug-in that twistd finds, and sipctl."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

import sipproxy

ROOT: Final = Path(__file__).parent.parent

#: Runs a script with an installed wheel and the libraries of this environment, but without its
#: ``.pth`` files: an editable install of the clone must not stand in for what the wheel forgot.
RUNNER: Final = """\
import sys
sys.path[:0] = {paths!r}
{script}
"""

FIND_PLUGINS: Final = """\
import json, sys
import sipproxy
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
found = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "sipproxy"]
print(json.dumps({
    "modules": [plugin.module for plugin in found],
    "package": sipproxy.__file__,
    "early": "sipproxy.tap" in sys.modules,
}))
"""

LOAD_OPTIONS: Final = """\
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
(maker,) = [plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == "sipproxy"]
print(maker.options().getUsage())
"""

SIPCTL: Final = """\
from importlib.metadata import entry_points
(script,) = entry_points(group="console_scripts", name="sipctl")
sys.argv = ["sipctl", "--version"]
sys.exit(script.load()())
"""


def run(arguments: Sequence[str], folder: Path) -> str:
    """Run a program and give what it printed; its complaints when it fails."""
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "SIPPROXY_COMPILE": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the clone, so that no build folder stays behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.cfg", "setup.py", "compile.ini", "pyproject.toml", "README.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("sipproxy", "twisted", "tests", "docs", "bench"):
        ignored = shutil.ignore_patterns("__pycache__", "dropin.cache", "vectors")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run((*pip, "--wheel-dir", str(folder), "."), source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """Install the wheel into an empty folder."""
    site = wheel.parent / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run((*pip, "--target", str(site), str(wheel)), wheel.parent)
    return site


def run_installed(installed: Path, script: str) -> str:
    """Run a script that sees the installed wheel."""
    paths = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    program = RUNNER.format(paths=paths, script=script)
    return run((sys.executable, "-S", "-c", program), installed.parent)


class WheelTests:
    """What is in the wheel."""

    def test_holds_the_package_and_nothing_else(self, wheel: Path) -> None:
        """Every file of the package and the plug-in is there; tests, docs and bench are not."""
        names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        package = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "sipproxy").rglob("*")
            if path.suffix == ".py" or path.name == "py.typed"
        }
        assert names == package | {"twisted/plugins/sipproxy_plugin.py"}

    def test_says_what_it_is(self, wheel: Path) -> None:
        """Name, version, licence and what it needs are in the metadata."""
        archive = zipfile.ZipFile(wheel)
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        lines = archive.read(name).decode("utf-8").splitlines()
        assert "Name: sipproxy" in lines
        assert f"Version: {sipproxy.__version__}" in lines
        assert "Requires-Python: >=3.11" in lines
        needed = {
            line.split(":")[1].split(";")[0].strip() for line in lines if "Requires-Dist" in line
        }
        assert {"zope.interface", "service-identity", "pyOpenSSL"} <= needed

    def test_twisted_stays_a_namespace(self) -> None:
        """An __init__.py under twisted/ would hide Twisted itself from whoever is in the clone."""
        assert list((ROOT / "twisted").rglob("__init__.py")) == []


def table_of(name: str) -> tuple[str, ...]:
    """Read a table of setup.py without running it."""
    for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return tuple(ast.literal_eval(node.value))
    raise LookupError(name)


class CompiledTests:
    """What setup.py says about compiling."""

    def test_tables_name_files(self) -> None:
        """A file that was renamed would silently run interpreted, or silently be compiled."""
        package = ROOT / "sipproxy"
        assert [
            pattern for pattern in table_of("COMPILED") if not list(package.glob(pattern))
        ] == []
        for name in table_of("INTERPRETED"):
            assert list(package.rglob(name)), name


class InstalledTests:
    """What works once it is installed."""

    def test_twistd_finds_the_server(self, installed: Path) -> None:
        """twistd offers ``sipproxy``, and looking for it does not import the server."""
        answer = json.loads(run_installed(installed, FIND_PLUGINS))
        assert answer["modules"] == ["sipproxy.tap"]
        assert Path(answer["package"]).is_relative_to(installed)
        assert not answer["early"]

    def test_options_can_be_loaded(self, installed: Path) -> None:
        """``twistd sipproxy --help`` works: everything that the server imports is installed."""
        assert "--file" in run_installed(installed, LOAD_OPTIONS)

    def test_sipctl_is_there(self, installed: Path) -> None:
        """The command line program is installed under its name."""
        assert sipproxy.__version__ in run_installed(installed, SIPCTL)
