"""What made a score: kept with the autograded notebook, so that a later one can be compared."""

import functools
import importlib.metadata
import platform
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from autograder import __version__
from autograder.bridge.inputs import environment
from autograder.runner.limits import Limits

MADE_BY: Final = "made_by"
"""The key of it in our metadata of an autograded notebook."""
_ALWAYS: Final = ("torch", "numpy", "matplotlib", "pytest", "nbgrader", "nbconvert", "ipython")
_WHEN: Final = "graded"
_TOLD: Final[Mapping[str, str]] = {
    "cells": "the submission",
    "points": "points",
    "files": "files beside the submission",
    "graders": "the graders",
    "solutions": "the solutions or other modules of the course",
    "secret": "the secret",
    "engine": "the engine",
    "packages": "packages",
    "limits": "limits",
    "settings": "settings",
    "walls": "the walls",
}
"""What a score depends on, by key, as a teacher reads it."""


def made_by(
    *,
    versions: Mapping[str, Any],
    cells: str,
    points: Mapping[str, float],
    files: str,
    secret: str,
    seed: int,
    limits: Limits,
    settings: Mapping[str, Any],
    packages: Collection[str],
) -> dict[str, Any]:
    """All that made the scores of a notebook, as plain data.

    Args:
        versions: digests of the graders and solutions, and the walls, as the grading process ran.
        cells: a digest of the notebook's code cells.
        points: those of its grade cells.
        files: a digest of what lies beside the notebook.
        secret: the fingerprint of the course's secret.
        seed: that of the hidden inputs. It is kept as a fingerprint would be: whoever reads an
            autograded notebook reads the graders as well.
        limits: what the submission could use.
        settings: other settings that a result depends on.
        packages: the names of packages that the course preloads.
    """
    return {
        _WHEN: datetime.now(UTC).isoformat(timespec="seconds"),
        "cells": cells,
        "points": {name: f"{most:g}" for name, most in points.items()},
        "files": files,
        **versions,
        "secret": {"fingerprint": secret},
        "seed": seed,
        "engine": {"version": __version__, "environment": environment()},
        "packages": _versions((*_ALWAYS, *packages)),
        "limits": asdict(limits),
        "settings": dict(settings),
    }


def _versions(names: Collection[str]) -> dict[str, str]:
    return {"python": platform.python_version()} | {
        name: version for name in sorted(set(names)) if (version := _version(name))
    }


@functools.cache
def _version(name: str) -> str:
    """The version of an installed package; nothing for a module that none is named after."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What of all that made a score has changed, for a teacher: ``packages: torch 2.12 → 2.13``."""
    if not before:
        return ["it was graded before this was recorded, or not at all"]
    found = []
    for key, told in _TOLD.items():
        old, new = before.get(key), after.get(key)
        if old != new:
            found.append(f"{told}{_in_detail(old, new)}")
    return found


def _in_detail(old: Any, new: Any) -> str:
    """The entries of two mappings that differ, where they are short enough to read."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return ""
    entries = [
        f"{name} {old.get(name, '–')} → {new.get(name, '–')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
        and all(len(str(one.get(name, ""))) <= 20 for one in (old, new))
    ]
    return f": {', '.join(entries)}" if entries else ""
