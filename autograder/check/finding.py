"""What is told of something wrong with an assignment."""

from dataclasses import dataclass
from pathlib import Path

from autograder.bridge.course import Course


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
