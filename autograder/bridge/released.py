"""What an assignment's source says otherwise than what was released of it."""

from collections.abc import Iterator
from pathlib import Path

import nbformat

from autograder.bridge.course import Course
from autograder.bridge.scores import CellKey, read_scores


def changes_of_source(course: Course, assignment: str) -> list[str]:
    """The grade cells whose points the gradebook has otherwise, or not at all, one text each.

    Raises:
        CourseError: the assignment is not in the gradebook, or that cannot be used.
    """
    released, source = read_scores(course, assignment).points, _source(course, assignment)
    if source is None:
        return []
    told = [
        f"{name}: {released[notebook, name]:g} → {points:g} points"
        if (notebook, name) in released
        else f"{name} is new"
        for (notebook, name), points in source.items()
        if released.get((notebook, name)) != points
    ]
    return told + [f"{key[1]} is gone" for key in released if key not in source]


def _source(course: Course, assignment: str) -> dict[CellKey, float] | None:
    """The grade cells of the source and their points; None where it cannot be read."""
    paths = sorted(course.folder("source", assignment).glob("*.ipynb"))
    try:
        return {(path.stem, name): points for path in paths for name, points in _cells(path)}
    except (OSError, ValueError, TypeError):  # `autograder check` says so
        return None


def _cells(path: Path) -> Iterator[tuple[str, float]]:
    for cell in nbformat.read(path, as_version=4).cells:
        facts = cell.metadata.get("nbgrader", {})
        if (facts.get("grade") or facts.get("task")) and "grade_id" in facts:
            yield str(facts["grade_id"]), float(facts.get("points") or 0.0)
