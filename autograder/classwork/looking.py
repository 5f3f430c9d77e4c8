"""What grading would make of a notebook that is handed in, so that it is told before."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.bridge.course import Course
from autograder.bridge.notebooks import UnreadableNotebook, parse_submission, read_submission
from autograder.bridge.restore import grade_id_of


@dataclass(frozen=True)
class Cells:
    """The cells of an assignment, by which its notebooks are told from others."""

    grade_ids: frozenset[str]
    ids: frozenset[str]
    """Jupyter's own, which also a program keeps that drops nbgrader's metadata."""


def cells_of(course: Course, assignment: str) -> Cells:
    """The cells of the assignment's source notebooks, as far as they can be read."""
    cells = [
        cell
        for name in course.notebooks(assignment)
        for cell in _source_cells(course.folder("source", assignment) / f"{name}.ipynb")
    ]
    grade_ids = (cell.get("metadata", {}).get("nbgrader", {}).get("grade_id") for cell in cells)
    ids = (cell.get("id") for cell in cells)
    return Cells(frozenset(filter(None, grade_ids)), frozenset(filter(None, ids)))


def _source_cells(path: Path) -> list[dict[str, Any]]:
    try:
        cells = json.loads(path.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError):  # `check` tells a teacher of it
        return []
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


@dataclass(frozen=True)
class Look:
    """What there is to say of a notebook."""

    unreadable: str = ""
    """Why it cannot be graded."""
    is_foreign: bool = False
    """Whether it has none of the assignment's cells."""


def look_at(data: bytes, cells: Cells) -> Look:
    """Read a notebook as grading does."""
    try:
        notebook = parse_submission(data)
    except UnreadableNotebook as error:
        return Look(unreadable=str(error))
    is_ours = any(
        grade_id_of(cell) in cells.grade_ids or cell["id"] in cells.ids for cell in notebook.cells
    )
    return Look(is_foreign=bool(cells.grade_ids) and not is_ours)


def is_readable(path: Path) -> bool:
    """Whether there is a notebook that can be graded."""
    try:
        read_submission(path)
    except UnreadableNotebook:
        return False
    return True
