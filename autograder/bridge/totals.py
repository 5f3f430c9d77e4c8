"""What the gradebook has of an assignment for each student, read with a few queries for all.

Only read, and safe in any thread: nbgrader's own ``Gradebook`` looks at every table when it is
opened, and makes a file where there is none.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Notebook,
    SourceCell,
    Student,
    SubmittedAssignment,
)
from sqlalchemy import Connection, Integer, case, cast, func, or_, select
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, CourseError, gradebook_errors
from autograder.bridge.gradebook import engine_of, is_made, not_released
from autograder.bridge.record import digest
from autograder.bridge.stored import Cells, Pages, cells_of, pages_of, rows_of, submissions_of

_STUDENTS_AT_ONCE: Final = 500
_NOTHING_BY_HAND: Final = ""


@dataclass(frozen=True)
class Total:
    """What the gradebook has of one submission."""

    points: float = 0.0
    """Of all its cells: a person's in the place of the automatic ones, with extra credit."""
    penalty: float = 0.0
    """Points that nbgrader took for being late."""
    needs_person: bool = False
    graded: bool = False
    """Whether any cell has been given points, be they 0."""
    handed_in: float | None = None
    """The time stamp that nbgrader read, in UTC seconds since 1970."""
    extension: float | None = None
    """Seconds after the deadline that nbgrader knows of."""
    by_hand: str = _NOTHING_BY_HAND
    """A digest of what persons gave: points, extra credit, comments; empty if they gave nothing.

    And where it was not asked for.
    """

    @property
    def score(self) -> float:
        """The points less the penalty, as nbgrader exports them."""
        return max(0.0, self.points - self.penalty)


@dataclass(frozen=True)
class Facts:
    """What the gradebook has of an assignment itself."""

    maximum: float
    deadline: float | None
    """UTC seconds since 1970."""
    notebooks: Sequence[str]


@dataclass
class Totals:
    """What the gradebook has of an assignment."""

    facts: Facts
    students: dict[str, Total] = field(default_factory=dict)
    """By student, those who have a submission there."""


def read_facts(course: Course, assignment: str) -> Facts:
    """Read what the gradebook has of an assignment itself.

    Raises:
        CourseError: it does not have the assignment.
        GradebookError: it cannot be read.
    """
    with _reading(course, assignment) as session:
        return _facts(session, assignment)


def read_deadlines(course: Course) -> dict[str, float | None]:
    """The deadline of every assignment, in UTC seconds since 1970; None where there is none.

    Without a gradebook there are no assignments.

    Raises:
        GradebookError: it cannot be read.
    """
    if not has_gradebook(course):
        return {}
    with reading(course) as session:
        rows = session.execute(select(Assignment.name, Assignment.duedate))
        return {name: _seconds(due) for name, due in rows}


def read_totals(
    course: Course, assignment: str, students: Sequence[str] | None = None, *, by_hand: bool = True
) -> Totals:
    """Read the totals of some students, or of all who have a submission in the gradebook.

    Args:
        course: the course.
        assignment: its name.
        students: whose; None for all.
        by_hand: whether to read what persons gave, which takes a third of the time.

    Raises:
        CourseError: it does not have the assignment.
        GradebookError: it cannot be read.
    """
    with _reading(course, assignment) as session:
        found = Totals(_facts(session, assignment))
        if students is None:
            found.students = _totals(session, assignment, None, by_hand)
        else:
            for start in range(0, len(students), _STUDENTS_AT_ONCE):
                part = students[start : start + _STUDENTS_AT_ONCE]
                found.students |= _totals(session, assignment, part, by_hand)
    return found


def read_submissions(course: Course, assignment: str) -> Totals:
    """Read when all who have a submission handed in, and their extensions: no points.

    Raises:
        CourseError: the gradebook does not have the assignment.
        GradebookError: it cannot be read.
    """
    with _reading(course, assignment) as session:
        found = Totals(_facts(session, assignment))
        connection = session.connection()
        if (cells := cells_of(connection, assignment)) is not None:
            for student, dates in _dates(connection, cells, None).items():
                found.students[student] = Total(handed_in=dates[0], extension=dates[1])
    return found


def read_grade_ids(course: Course, assignment: str) -> dict[tuple[str, str], set[str]]:
    """The grade_ids of the released cells: by assignment and notebook, of all assignments.

    Raises:
        CourseError: the gradebook does not have ``assignment``.
        GradebookError: it cannot be read.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    with _reading(course, assignment) as session:
        query = (
            select(Assignment.name, Notebook.name, SourceCell.name)
            .select_from(Assignment)
            .join(Notebook, Notebook.assignment_id == Assignment.id)
            .outerjoin(SourceCell, SourceCell.notebook_id == Notebook.id)
        )
        for owner, notebook, cell in session.execute(query):
            found[owner, notebook] |= {cell} - {None}
    if not any(owner == assignment for owner, _notebook in found):
        raise CourseError(not_released(assignment))
    return dict(found)


def read_names(
    course: Course, assignment: str, students: Sequence[str] | None = None
) -> dict[str, str]:
    """The names of the students who have a submission in the gradebook, as far as it knows them.

    Args:
        course: the course.
        assignment: which.
        students: only these; None for all.

    Raises:
        CourseError: it does not have the assignment.
        GradebookError: it cannot be read.
    """
    with _reading(course, assignment) as session:
        query = (
            select(Student.id, Student.first_name, Student.last_name)
            .join(SubmittedAssignment, SubmittedAssignment.student_id == Student.id)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .where(Assignment.name == assignment)
        )
        if students is not None:
            query = query.where(Student.id.in_(students))
        return {
            student: " ".join(filter(None, (first, last)))
            for student, first, last in session.connection().execute(query).all()
        }


@contextmanager
def _reading(course: Course, assignment: str) -> Iterator[Session]:
    """A session of the gradebook, for an assignment.

    Raises:
        CourseError: there is no gradebook yet.
        GradebookError: it cannot be read.
    """
    if not has_gradebook(course):
        raise CourseError(not_released(assignment))
    with reading(course) as session:
        yield session


@contextmanager
def reading(course: Course) -> Iterator[Session]:
    """A session of a gradebook that is there, which only reads.

    Raises:
        GradebookError: it cannot be read.
    """
    with gradebook_errors("read"), Session(engine_of(course.directory.db_url)) as session:
        yield session


def has_gradebook(course: Course) -> bool:
    """Whether the course has a gradebook yet.

    Raises:
        GradebookError: it cannot be read.
    """
    with gradebook_errors("read"):
        return is_made(course.directory.db_url)


def _facts(session: Session, assignment: str) -> Facts:
    row = session.execute(
        select(Assignment.id, Assignment.duedate, Assignment.max_score).where(
            Assignment.name == assignment
        )
    ).one_or_none()
    if row is None:
        raise CourseError(not_released(assignment))
    notebooks = session.scalars(
        select(Notebook.name).where(Notebook.assignment_id == row[0]).order_by(Notebook.name)
    )
    return Facts(float(row[2] or 0.0), _seconds(row[1]), tuple(notebooks))


def _totals(
    session: Session, assignment: str, students: Sequence[str] | None, by_hand: bool
) -> dict[str, Total]:
    connection = session.connection()
    cells = cells_of(connection, assignment)
    if cells is None:
        return {}
    pages = pages_of(connection, cells, students)
    points, needs_person, graded = _points(connection, cells, pages)
    given = _by_hand(connection, cells, pages) if by_hand else {}
    of_student: dict[str, list[str]] = defaultdict(list)
    for page, one in pages.rows.items():
        of_student[one.student].append(page)
    found = {}
    for student, (handed_in, extension) in _dates(connection, cells, students).items():
        mine = of_student[student]
        found[student] = Total(
            points=sum(points.get(page, 0.0) for page in mine),
            penalty=sum(pages.rows[page].penalty for page in mine),
            needs_person=not needs_person.isdisjoint(mine),
            graded=not graded.isdisjoint(mine),
            handed_in=handed_in,
            extension=extension,
            by_hand=given.get(student, _NOTHING_BY_HAND),
        )
    return found


def _dates(
    connection: Connection, cells: Cells, students: Sequence[str] | None
) -> dict[str, tuple[float | None, float | None]]:
    """By student: when the work was handed in, and the extension, both in seconds."""
    columns = SubmittedAssignment.timestamp, SubmittedAssignment.extension
    return {
        student: (
            _seconds(stamp),
            extension.total_seconds() if isinstance(extension, timedelta) else None,
        )
        for student, stamp, extension in submissions_of(connection, cells, students, *columns)
    }


def _points(
    connection: Connection, cells: Cells, pages: Pages
) -> tuple[dict[str, float], set[str], set[str]]:
    """By submitted notebook: its points; those that need a person; those with any points given."""
    given = case((or_(Grade.auto_score.is_not(None), Grade.manual_score.is_not(None)), 1), else_=0)
    query = select(
        Grade.notebook_id,
        func.sum(Grade.score),
        func.max(cast(Grade.needs_manual_grade, Integer)),
        func.max(given),
    ).group_by(Grade.notebook_id)
    points, needs_person, graded = {}, set(), set()
    for page, total, needs, has in rows_of(connection, cells, pages, query, Grade):
        points[page] = float(total or 0.0)
        if needs:
            needs_person.add(page)
        if has:
            graded.add(page)
    return points, needs_person, graded


def _by_hand(connection: Connection, cells: Cells, pages: Pages) -> dict[str, str]:
    """Digests of what persons gave, by student."""
    found: dict[str, list[Any]] = defaultdict(list)
    for kind, *given in (
        (Grade, Grade.manual_score, Grade.extra_credit),
        (Comment, Comment.manual_comment),
    ):
        query = select(kind.notebook_id, kind.cell_id, *given).where(
            or_(*(column.is_not(None) for column in given))
        )
        for page, cell, *facts in rows_of(connection, cells, pages, query, kind):
            found[pages.rows[page].student].append([kind.__tablename__, *cells.names[cell], *facts])
    return {student: digest(sorted(map(str, facts))) for student, facts in found.items()}


def seconds_of(moment: datetime) -> float:
    """A time of nbgrader's, which is in UTC and does not say so, in seconds since 1970."""
    return moment.replace(tzinfo=UTC).timestamp()


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else seconds_of(moment)
