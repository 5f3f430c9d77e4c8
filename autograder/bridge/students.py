"""The students that the gradebook knows, and what it knows of them besides their ids."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nbgrader.api import Student
from sqlalchemy import select

from autograder.bridge.course import Course, gradebook_errors
from autograder.bridge.totals import has_gradebook, reading

_LONGEST: Final = 128
"""What nbgrader's columns hold."""


@dataclass(frozen=True)
class Enrolled:
    """A student in the gradebook; all but the id may be empty."""

    student: str
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    user: str = ""
    """nbgrader's ``lms_user_id``: the LMS's own number of the user."""


def read_students(course: Course) -> list[Enrolled]:
    """Every student in the gradebook, by id; nobody where there is no gradebook yet.

    Raises:
        GradebookError: it cannot be read.
    """
    if not has_gradebook(course):
        return []
    query = select(
        Student.id, Student.first_name, Student.last_name, Student.email, Student.lms_user_id
    ).order_by(Student.id)
    with reading(course) as session:
        rows = session.execute(query).all()
    return [Enrolled(*(value or "" for value in row)) for row in rows]


def add_students(course: Course, students: Iterable[Enrolled]) -> None:
    """Let the gradebook know students that it does not have, all of them or none.

    Raises:
        GradebookError: it cannot be used.
    """
    with gradebook_errors("used"), course.gradebook() as gradebook:
        gradebook.db.add_all(
            Student(
                id=one.student,
                first_name=one.given_name[:_LONGEST] or None,
                last_name=one.family_name[:_LONGEST] or None,
                email=one.email[:_LONGEST] or None,
                lms_user_id=one.user[:_LONGEST] or None,
            )
            for one in students
        )
        gradebook.db.commit()
