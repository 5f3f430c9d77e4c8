"""What a worker must have to give the scores that another machine would: the same versions."""

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import autograder
from autograder.grading.dependencies import files_digest

_GRADING: Final = (
    "ipython",
    "matplotlib",
    "matplotlib-inline",
    "nbconvert",
    "nbformat",
    "nbgrader",
    "numpy",
    "pytest",
    "torch",
)
"""The packages that what a submission earns, or what is shown of it, can depend on."""
_ENGINE: Final = "autograder"
_PYTHON: Final = "python"
_ABSENT: Final = "none"


def needs(packages: Iterable[str] = ()) -> dict[str, str]:
    """What is here: the engine, Python and the packages that grading depends on, by name.

    Args:
        packages: further ones, such as those that a course's graders import.
    """
    names = {*_GRADING, *packages}
    return {
        _ENGINE: _engine(),
        _PYTHON: ".".join(platform.python_version_tuple()[:2]),
        **{name: _version_of(name) for name in sorted(names)},
    }


def differences(wanted: Mapping[str, str]) -> list[str]:
    """What is needed and is not here, each as a teacher reads it; nothing if all is."""
    here = needs(set(wanted) - {_ENGINE, _PYTHON})
    return [
        f"{name} {wanted[name]} is needed, {here.get(name, _ABSENT)} is here"
        for name in sorted(wanted)
        if here.get(name, _ABSENT) != wanted[name]
    ]


def distributions_of(modules: Iterable[str]) -> set[str]:
    """The installed distributions that these top-level modules come from."""
    known = _distributions()
    return {one for module in modules for one in known.get(module, ())}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@functools.cache
def _version_of(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return _ABSENT


@functools.cache
def _engine() -> str:
    """The engine's version with a digest of its code, which tells two states of one version."""
    folder = Path(__file__).parents[1]
    rooms = [folder / room for room in ("bridge", "cuda", "explain", "grading", "runner")]
    code = [path for room in rooms for path in room.rglob("*.py")]
    digest = hashlib.sha256(files_digest(folder, code).encode()).hexdigest()
    return f"{autograder.__version__} ({digest[:12]})"
