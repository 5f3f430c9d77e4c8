"""The project as somebody has it who installed it: from its wheel, in an environment of its own.

The environment gets the project from the wheel that was built from the sdist, and nothing else of
this repository. What it depends on is not downloaded again: the distributions that are installed
here are put there by hard links, but only those that follow from what the project itself says it
depends on. So ``pip install --no-index`` fails where a dependency was forgotten, and what only an
extra brings is missing there, as it would be.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = "pytorch-autograder"
OUTSIDE: Final = ("tests", "solutions", "source", "release", "docs", "deploy", "shared", "build")
"""What lies beside the package and must not be installed with it."""
NO_SOURCE: Final = (
    ".git",
    ".venv",
    ".*_cache",
    "__pycache__",
    "*.egg-info",
    "demo",
    "build",
    "dist",
)
"""What a folder of the repository may hold that is not of it."""
_BUILD: Final = ("-m", "build", "--no-isolation")
_SCRIPT: Final = """#!{python}
import sys
from {module} import {first}
sys.exit({attribute}())
"""


@dataclass(frozen=True)
class Built:
    """What a release consists of."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Installed:
    """An environment with the project in it."""

    prefix: Path
    built: Built

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.prefix / "bin/python"

    def environment(self) -> Mapping[str, str]:
        """What a shell has in which the environment is activated, without this repository."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        }
        path = os.pathsep.join([str(self.prefix / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
        return {**inherited, "PATH": path, "VIRTUAL_ENV": str(self.prefix)}

    def run(self, *command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run a command of the environment in a folder; its status is for the caller to look at."""
        return subprocess.run(
            command,
            cwd=folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


_MADE: Final = pytest.StashKey[Installed]()


def build(folder: Path) -> Built:
    """Build the sdist from a copy of the repository, and the wheel from that sdist."""
    copy = shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*NO_SOURCE))
    to = folder / "dist"
    _succeed([sys.executable, *_BUILD, "--outdir", str(to), str(copy)])
    (sdist,), (wheel,) = to.glob("*.tar.gz"), to.glob("*.whl")
    return Built(sdist, wheel)


def needed(requirements: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The distributions that follow from requirements, as they are installed here."""
    found: dict[tuple[str, str], importlib.metadata.Distribution] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra_of_parent = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra_of_parent}):
            continue
        for extra in ("", *requirement.extras):
            key = canonicalize_name(requirement.name), extra
            if key not in found:
                found[key] = importlib.metadata.distribution(requirement.name)
                waiting += [(Requirement(text), extra) for text in found[key].requires or ()]
    return list({name: one for (name, _), one in found.items()}.values())


def install(built: Built, prefix: Path) -> Installed:
    """Make an environment with what the project depends on, and install the wheel there.

    Args:
        built: what to install.
        prefix: the folder of the environment.
    """
    venv.create(prefix, with_pip=False, symlinks=True)
    made = Installed(prefix, built)
    packages = next(prefix.glob("lib/python3.*/site-packages"))
    for distribution in needed(_requirements(built.wheel)):
        _link(distribution, packages, scripts=str(prefix / "bin"))
        _write_scripts(distribution, made)
    pip = [sys.executable, "-m", "pip", "--python", str(made.python)]
    command = [*pip, "install", "--no-index", "--no-compile", "--quiet", str(built.wheel)]
    _succeed(command, made.environment())
    return made


def _requirements(wheel: Path) -> list[str]:
    """What a wheel depends on without any extra."""
    (metadata,) = importlib.metadata.distributions(path=[str(wheel)])
    return [text for text in metadata.requires or () if "extra ==" not in text]


def _link(distribution: importlib.metadata.Distribution, packages: Path, scripts: str) -> None:
    """Put what a distribution installed into another environment, at the same places."""
    folders: set[str] = set()
    for file in distribution.files or ():
        to = os.path.normpath(packages / file)
        folder = os.path.dirname(to)
        if folder == scripts:
            continue  # they name the interpreter of this environment
        if folder not in folders:
            os.makedirs(folder, exist_ok=True)
            folders.add(folder)
        source = str(distribution.locate_file(file))
        try:
            os.link(source, to)
        except FileNotFoundError:
            continue  # a compiled file that Python has removed since
        except OSError:  # another file system
            shutil.copy2(source, to)


def _write_scripts(distribution: importlib.metadata.Distribution, made: Installed) -> None:
    for point in distribution.entry_points.select(group="console_scripts"):
        path = made.prefix / "bin" / point.name
        path.write_text(
            _SCRIPT.format(
                python=made.python,
                module=point.module,
                first=point.attr.partition(".")[0],
                attribute=point.attr,
            )
        )
        path.chmod(0o755)


def _succeed(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="session")
def installed(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The project, installed from its wheel; once for all folders of tests that import this."""
    made = pytestconfig.stash.get(_MADE, None)
    if made is None:
        folder = tmp_path_factory.mktemp("installed")
        made = pytestconfig.stash[_MADE] = install(build(folder), folder / "env")
    return made
