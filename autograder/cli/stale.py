"""Warnings of scores that are not of what is there now."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from autograder.cli.base import print_warning
from autograder.plain import counted

if TYPE_CHECKING:  # slow to import
    from autograder.bridge.course import Course

_NAMED: Final = 5
"""More are only counted."""


def warn_of_changed(
    course: "Course", assignments: Iterable[str], student: str | None = None
) -> None:
    """Say which submissions have changed since they were graded, or whether a student's has."""
    for name in assignments:
        changed = [one for one in course.changed(name) if student in (None, one)]
        if changed:
            print_warning(
                f"{counted(len(changed), 'submission has', 'submissions have')} changed since "
                f"{'it was' if len(changed) == 1 else 'they were'} graded ({listed(changed)}): "
                f"run `autograder grade {name}`"
            )


def warn_of_source(course: "Course", assignments: Iterable[str]) -> None:
    """Say which assignments have other points in their source than were released."""
    from autograder.bridge.released import changes_of_source

    for name in assignments:
        if changes := changes_of_source(course, name):
            print_warning(
                f"the source of {name} has points or grade cells that were not released "
                f"({listed(changes)}): run `autograder release {name}`"
            )


def listed(texts: list[str]) -> str:
    """The first of several texts, in one."""
    return ", ".join(texts[:_NAMED]) + (" …" if len(texts) > _NAMED else "")
