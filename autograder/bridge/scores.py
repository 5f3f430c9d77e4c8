"""The scores that the gradebook has of one assignment, read with a few queries for all students."""

from dataclasses import dataclass, field

from nbgrader.api import Grade, MissingEntry, Student
from sqlalchemy import Connection, select

from autograder.bridge.course import Course, CourseError
from autograder.bridge.gradebook import not_released
from autograder.bridge.stored import cells_of, pages_of, rows_of, submissions_of

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
        _read_grades(gradebook.db.connection(), assignment, found)
    return found


def _read_grades(connection: Connection, assignment: str, found: AssignmentScores) -> None:
    """Add the grades of all who have a submission."""
    cells = cells_of(connection, assignment)
    assert cells is not None  # it was found just now
    for (student,) in submissions_of(connection, cells, None):
        found.grades[student] = {}
    pages = pages_of(connection, cells, None)
    query = select(Grade.notebook_id, Grade.cell_id, Grade.score, Grade.needs_manual_grade)
    for page, cell, score, needs_person in rows_of(connection, cells, pages, query, Grade):
        grades = found.grades.setdefault(pages.rows[page].student, {})
        grades[cells.names[cell]] = StoredGrade(float(score or 0.0), bool(needs_person))
