"""What is kept of a graded submission, so that only what has changed is graded again.

A record holds a digest of all that the grading depended on, and each check's result with a digest
of all that this check depended on. Records lie in a folder of their own in the course: what is
beside the autograded notebooks is copied to the feedback, and they hold what only teachers read.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from autograder.grading.results import CheckResult

FOLDER: Final = ".autograder"
_current: "Record | None" = None


@dataclass
class Record:
    """A graded submission."""

    inputs: str = ""
    """A digest of all that its grading depended on."""
    score: float = 0.0
    """Its automatic score."""
    submission: str = ""
    """A digest of what was handed in."""
    summary: dict[str, Any] = field(default_factory=dict)
    """What was told of it."""
    checks: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """By notebook and check: a digest of what it depended on, and its result."""

    @classmethod
    def read(cls, path: Path) -> "Record":
        """The record in a file; an empty one if there is none."""
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            checks = {name: (key, dict(result)) for name, (key, result) in facts["checks"].items()}
            for _key, result in checks.values():
                CheckResult(**result)
            return cls(
                inputs=str(facts["inputs"]),
                score=float(facts["score"]),
                submission=str(facts["submission"]),
                summary=dict(facts["summary"]),
                checks=checks,
            )
        except (OSError, ValueError, KeyError, TypeError):  # none, or of another version
            return cls()

    def write(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)


def path_of(course: Path, assignment: str, student: str) -> Path:
    """Where the record of a submission is."""
    return course / FOLDER / student / f"{assignment}.json"


@contextmanager
def grading(known: Record) -> Iterator[Record]:
    """Let the checks of one grading be looked up in a record, and kept in a new one."""
    global _current
    _current = Record(checks=dict(known.checks))
    try:
        yield _current
    finally:
        _current = None


def known_checks(notebook: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """The results that are known of a notebook's checks, by check."""
    if _current is None:
        return {}
    prefix = f"{notebook}:"
    return {
        name.removeprefix(prefix): kept
        for name, kept in _current.checks.items()
        if name.startswith(prefix)
    }


def keep_checks(notebook: str, found: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Keep the results of a notebook's checks in the place of those that were known."""
    if _current is not None:
        for name in known_checks(notebook):
            del _current.checks[f"{notebook}:{name}"]
        _current.checks |= {f"{notebook}:{name}": kept for name, kept in found.items()}


def digest(*facts: Any) -> str:
    """A digest of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
