"""nbgrader's CSV of all scores, with a few queries for each assignment.

nbgrader's own plugin asks for every student and assignment by itself, and each time the database
looks at every grade that there is: hours for a class of 5,000. The bytes are the same, but for the
last digit of a sum of fractions, which no database adds in a fixed order.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Grade, SubmittedAssignment
from sqlalchemy import Connection, func, select

from autograder.bridge.stored import cells_of, pages_of, rows_of, submissions_of

_COLUMNS: Final = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)
_Scores = dict[str, tuple[Any, float, float]]
"""By student: when the work was handed in, its points, and those taken for being late."""


def write_csv(gradebook: Any, plugin: Any, to: Path) -> None:
    """Write the CSV.

    Args:
        gradebook: nbgrader's, open.
        plugin: nbgrader's ``CsvExportPlugin``, which may be configured to leave out students and
            assignments.
        to: the file.

    Raises:
        OSError: it cannot be written.
        DBAPIError: the gradebook cannot be read.
    """
    only, assignments = set(map(str, plugin.student)), set(map(str, plugin.assignment))
    students = {
        one.id: _joined(one.id, one.last_name, one.first_name, one.email)
        for one in gradebook.students
        if not only or one.id in only
    }
    connection = gradebook.db.connection()
    with open(to, "w") as file:  # in the encoding in which nbgrader writes it
        file.write(",".join(_COLUMNS) + "\n")
        for assignment in gradebook.assignments:
            if not assignments or assignment.name in assignments:
                scores = _scores(connection, assignment.name)
                file.writelines(_lines(assignment, students, scores))


def _scores(connection: Connection, assignment: str) -> _Scores:
    cells = cells_of(connection, assignment)
    if cells is None:  # it was removed a moment ago
        return {}
    points: dict[str, float] = defaultdict(float)
    penalties: dict[str, float] = defaultdict(float)
    pages = pages_of(connection, cells, None)
    for one in pages.rows.values():
        penalties[one.student] += one.penalty
    query = select(Grade.notebook_id, func.sum(Grade.score)).group_by(Grade.notebook_id)
    for page, total in rows_of(connection, cells, pages, query, Grade):
        points[pages.rows[page].student] += total or 0.0
    stamps = submissions_of(connection, cells, None, SubmittedAssignment.timestamp)
    return {student: (stamp, points[student], penalties[student]) for student, stamp in stamps}


def _lines(assignment: Any, students: Mapping[str, str], scores: _Scores) -> Iterator[str]:
    """A line for each student; nbgrader gives 0 for what is missing."""
    about, most = _joined(assignment.name, assignment.duedate), _joined(assignment.max_score)
    for student, who in students.items():
        stamp, points, penalty = scores.get(student, (None, 0.0, 0.0))
        when = "" if stamp is None else stamp
        yield f"{about},{when},{who},{points},{penalty},{max(0.0, points - penalty)},{most}\n"


def _joined(*values: object) -> str:
    """Values in a line as nbgrader writes them, which quotes nothing."""
    return ",".join("" if value is None else str(value) for value in values)
