"""What is told of something wrong with an assignment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autograder.bridge.course import Course

_LONGEST: Final = 300


@dataclass(frozen=True)
class Finding:
    """Something wrong with an assignment, and how to mend it."""

    assignment: str
    what: str
    mend: str
    where: str = ""
    """The file, below the course's folder, and the cell or line, where there is one."""


def place_of(course: Course, path: Path) -> str:
    """A file as it is told: below the course's folder, if it is there."""
    return str(path.relative_to(course.root) if path.is_relative_to(course.root) else path)


def error_told(outputs: Iterable[Mapping[str, Any]]) -> str:
    """The last error among a cell's outputs, in one line: ``NameError: …``; nothing without one."""
    errors = [one for one in outputs if one.get("output_type") == "error"]
    told = f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else ""
    return " ".join(told.split())[:_LONGEST]
