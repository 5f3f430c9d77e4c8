"""Names of assignments and exercises: what they may be, and which files they stand for."""

import builtins
import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autograder.bridge.course import Course, CourseError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_LONGEST: Final = 60


def check_name(kind: str, name: str) -> None:
    """Refuse a name that cannot be a folder, a grade_id and a Python name everywhere.

    Raises:
        CourseError: it is none; with what it may be.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise CourseError(
            f"{name!r} cannot be the name of an {kind}: take letters from a to z, digits and "
            f"single hyphens, beginning with a letter, at most {_LONGEST}, such as first-steps"
        )
    if keyword.iskeyword(python_name(name)):
        raise CourseError(f"{name!r} cannot be the name of an {kind}: it is a keyword of Python")


def python_name(name: str) -> str:
    """The name as Python can have it."""
    return name.replace("-", "_")


@dataclass(frozen=True)
class Place:
    """Where an assignment's parts are."""

    course: Course
    assignment: str

    @property
    def notebook(self) -> Path:
        """The source notebook."""
        return self.course.folder("source", self.assignment) / f"{self.assignment}.ipynb"

    @property
    def reference(self) -> Path:
        """The module of reference solutions."""
        return self.course.root / "solutions" / f"{self.module}.py"

    @property
    def module(self) -> str:
        """The name of that module."""
        return python_name(self.assignment)

    def grader(self, grade_id: str) -> Path:
        """The file of an exercise's graders."""
        folder = self.course.graders / self.assignment
        return folder / f"test_{python_name(grade_id)}.py"

    def corpus(self, grade_id: str) -> Path:
        """The file of solutions to try an exercise's graders on."""
        folder = self.course.root / self.course.settings.corpus / self.assignment
        return folder / f"{grade_id}.toml"


@dataclass(frozen=True)
class Exercise:
    """An exercise that is to be made."""

    grade_id: str
    function: str
    """What the student writes in it."""
    title: str
    points: float

    @classmethod
    def of(cls, assignment: str, name: str, title: str, points: float) -> "Exercise":
        """The exercise with this name, given with or without the assignment's.

        Raises:
            CourseError: it cannot have this name.
        """
        short = name.removeprefix(f"{assignment}-")
        check_name("exercise", short)
        function = python_name(short).lower()
        if hasattr(builtins, function):
            raise CourseError(
                f"{name!r} cannot be the name of an exercise: its function would hide Python's own "
                f"`{function}`; take another, such as my-{short}"
            )
        return cls(f"{assignment}-{short}", function, title_of(short, title), points)


def title_of(name: str, given: str = "") -> str:
    """The title that was given, on one line; without one, a title made of the name."""
    words = re.sub("[-_]", " ", name)
    return " ".join(given.split()) or words[0].upper() + words[1:]
