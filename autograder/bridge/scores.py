"""The scores that the gradebook has of one assignment, read with a few queries for all students."""

from dataclasses import dataclass, field
from typing import Any

from nbgrader.api import (
    BaseCell,
    Grade,
    MissingEntry,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import select

from autograder.bridge.course import Course, CourseError
from autograder.bridge.gradebook import not_released

CellKey = tuple[str, str]
"""The notebook of a grade cell, and its name there."""


@dataclass(frozen=True)
class StoredGrade:
    """What the gradebook has of one grade cell of a submission."""

    score: float
    """With a manual score in the place of the automatic one, and extra credit."""
    awaits_person: bool
    """A person must still give its score, or look again at the one that they gave."""


@dataclass
class AssignmentScores:
    """What the gradebook has of an assignment."""

    points: dict[CellKey, float] = field(default_factory=dict)
    """The grade cells of the assignment and their points."""
    students: set[str] = field(default_factory=set)
    """All students whom the gradebook knows."""
    grades: dict[str, dict[CellKey, StoredGrade]] = field(default_factory=dict)
    """The grade cells of each student who has a submission."""


def read_scores(course: Course, assignment: str) -> AssignmentScores:
    """Read an assignment's scores.

    Raises:
        CourseError: there is no such assignment, or the gradebook cannot be used.
    """
    course.require(assignment)
    course.require_gradebook({assignment})
    with course.gradebook() as gradebook:
        try:
            master = gradebook.find_assignment(assignment)
        except MissingEntry as error:
            raise CourseError(not_released(assignment)) from error
        found = AssignmentScores(
            points={
                (notebook.name, cell.name): float(cell.max_score or 0.0)
                for notebook in master.notebooks
                for cell in (*notebook.grade_cells, *notebook.task_cells)
            },
            students=set(gradebook.db.scalars(select(Student.id))),
        )
        of_this = SubmittedAssignment.assignment_id == master.id
        for student in gradebook.db.scalars(select(SubmittedAssignment.student_id).where(of_this)):
            found.grades[student] = {}
        for student, notebook, cell, score, needs_person in gradebook.db.execute(
            _grades().where(of_this)
        ):
            grade = StoredGrade(float(score or 0.0), bool(needs_person))
            found.grades[student][notebook, cell] = grade
    return found


def _grades() -> Any:
    """The query of all grades, with whose they are."""
    return (
        select(
            SubmittedAssignment.student_id,
            Notebook.name,
            BaseCell.name,
            Grade.score,
            Grade.needs_manual_grade,
        )
        .select_from(Grade)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(Notebook, SubmittedNotebook.notebook_id == Notebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(BaseCell, Grade.cell_id == BaseCell.id)
    )
