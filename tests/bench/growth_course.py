"""A course that has grown: nbgrader's gradebook and our tables, filled by a script.

Nothing is graded. The rows are what grading would have left: each student hands each assignment in
a few times, the best attempt is in the gradebook with all its grades, is released and delivered.
"""

import random
import secrets
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import nbformat
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import Connection, Engine, create_engine, select

from autograder.bridge.course import Course
from autograder.lms.database import open_database, writing
from autograder.lms.schema import (
    Audit,
    Context,
    Delivery,
    Deployment,
    Enrolment,
    Extension,
    FeedbackPage,
    Identity,
    Link,
    Registration,
    Released,
    Submission,
    SubmittedFile,
    WebSession,
)
from autograder.web.sessions import token_hash
from tests.small_course import nbgrader_cell, notebook_of

ASSIGNMENTS: Final = ("week-1", "week-2", "week-3", "week-4", "week-5")
ATTEMPTS: Final = 4
NOTEBOOKS: Final = ("first", "second")
CELLS: Final = 4
"""Grade cells of a notebook; the last one is also graded by a person."""
POINTS: Final = 5.0
TEACHER: Final = "teacher"
ORIGIN: Final = "https://lms.example"
DEADLINE: Final = 1_900_000_000.0
NOW: Final = DEADLINE + 30 * 86_400
_PAGE_BYTES: Final = 15_000
"""A page of feedback of half an assignment, compressed."""
_NOTEBOOK_BYTES: Final = 3_000
_AT_ONCE: Final = 2_000
_NOISE: Final = random.Random(7).randbytes(1 << 20)
"""What does not get smaller, as what is compressed does not."""
_CONFIG: Final = """
from autograder.bridge import configure

c = get_config()
configure(c)
c.CourseDirectory.course_id = "grown"  # without one nbgrader's gradebook needs SQLite
c.CourseDirectory.db_url = {gradebook!r}
c.Serve.database = {database!r}
c.Serve.counts = "best"
"""
_Rows = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Grown:
    """The course, and what is needed to look at it."""

    course: Course
    engine: Engine
    students: list[str]

    def token(self, student: str) -> str:
        """A token of a session of somebody."""
        token = secrets.token_urlsafe(16)
        with writing(self.engine) as session:
            identity = session.scalars(select(Identity).where(Identity.student == student)).one()
            session.add(_session(token, identity.id, student == TEACHER))
        return token


def grow(root: Path, submissions: int, db: str) -> Grown:
    """Make the course.

    Args:
        root: an empty folder.
        submissions: attempts in our tables; a quarter of them is in the gradebook as well.
        db: SQLAlchemy's URL of an empty database for both kinds of tables; empty for two files of
            SQLite in the folder.
    """
    gradebook = db or f"sqlite:///{root / 'gradebook.db'}"
    database = db or f"sqlite:///{root / 'lms.db'}"
    course = _make_course(root, gradebook, database)
    count = max(1, submissions // (len(ASSIGNMENTS) * ATTEMPTS))
    students = [f"s{number:05}" for number in range(1, count + 1)]
    filled = create_engine(gradebook)
    with filled.begin() as connection:
        _fill_gradebook(connection, students)
    filled.dispose()
    _fill_folders(course, students)
    engine = open_database(database)
    with engine.begin() as connection:
        _fill_platform(connection, students)
        _fill_attempts(connection, students)
    _analyze(engine)
    return Grown(course, engine, students)


def _analyze(engine: Engine) -> None:
    """What Postgres's autovacuum does by itself within a minute; SQLite has nothing of the kind."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _make_course(root: Path, gradebook: str, database: str) -> Course:
    config = _CONFIG.format(gradebook=gradebook, database=database)
    (root / "nbgrader_config.py").write_text(config)
    course = Course(root)
    for assignment in ASSIGNMENTS:
        folder = root / "source" / assignment
        folder.mkdir(parents=True)
        for name in NOTEBOOKS:
            nbformat.write(_source(assignment, name), folder / f"{name}.ipynb")
        course.release(assignment)
    return course


def _source(assignment: str, name: str) -> Any:
    cells = []
    for number in range(CELLS):
        key = f"{assignment}-{name}-{number}"
        cells.append(nbgrader_cell(f"x{number} = 0", key))
        cells.append(nbgrader_cell(f"assert x{number}", f"{key}-check", POINTS))
    return notebook_of(cells)


def _score(student: int, attempt: int) -> float:
    """Points of an attempt; students differ, and most get better."""
    return float((student * 7 + attempt * 5) % 37)


def _insert(connection: Connection, table: Any, rows: _Rows) -> None:
    left = iter(rows)
    while part := list(islice(left, _AT_ONCE)):
        connection.execute(table.__table__.insert(), part)


def _id() -> str:
    return uuid.uuid4().hex


# nbgrader's gradebook and folders


def _fill_gradebook(connection: Connection, students: list[str]) -> None:
    people = (
        {
            "id": one,
            "first_name": f"Given {one}",
            "last_name": "Family",
            "email": f"{one}@uni.example",
        }
        for one in students
    )
    _insert(connection, Student, people)
    due = datetime.fromtimestamp(DEADLINE, UTC).replace(tzinfo=None)
    connection.execute(Assignment.__table__.update().values(duedate=due))
    for assignment, name in connection.execute(select(Assignment.id, Assignment.name)).all():
        _fill_assignment(connection, assignment, students, due, late=name == ASSIGNMENTS[0])


def _fill_assignment(
    connection: Connection, assignment: str, students: list[str], due: datetime, *, late: bool
) -> None:
    """The submissions of an assignment; of one that is late every fifth student's is."""
    query = select(Notebook.id, BaseCell.id, BaseCell.type).join(
        BaseCell, BaseCell.notebook_id == Notebook.id
    )
    cells: dict[str, list[tuple[str, str]]] = {}
    of_this = query.where(Notebook.assignment_id == assignment)
    for notebook, cell, kind in connection.execute(of_this):
        cells.setdefault(notebook, []).append((cell, kind))
    handed_in = {student: _id() for student in students}
    pages = [(_id(), student, notebook) for student in students for notebook in cells]
    when = due - timedelta(days=1)
    _insert(connection, SubmittedAssignment, (
        {"id": row, "assignment_id": assignment, "student_id": student,
         "timestamp": due + timedelta(hours=1) if late and number % 5 == 0 else when,
         "extension": timedelta(hours=2) if number % 50 == 0 else None}
        for number, (student, row) in enumerate(handed_in.items())
    ))  # fmt: skip
    _insert(connection, SubmittedNotebook, (
        {"id": row, "assignment_id": handed_in[student], "notebook_id": notebook, "flagged": False,
         "late_submission_penalty": None}
        for row, student, notebook in pages
    ))  # fmt: skip
    _insert(connection, Grade, (
        {"id": _id(), "notebook_id": row, "cell_id": cell, "auto_score": float(place % 6),
         "manual_score": 4.0 if number % 25 == 0 else None, "extra_credit": None,
         "needs_manual_grade": number % 100 == 1}
        for number, (row, _student, notebook) in enumerate(pages)
        for place, (cell, kind) in enumerate(cells[notebook]) if kind == "GradeCell"
    ))  # fmt: skip
    _insert(connection, Comment, (
        {"id": _id(), "notebook_id": row, "cell_id": cell, "auto_comment": None,
         "manual_comment": "Well done." if number % 25 == 0 else None}
        for number, (row, _student, notebook) in enumerate(pages)
        for cell, kind in cells[notebook] if kind == "SolutionCell"
    ))  # fmt: skip


def _fill_folders(course: Course, students: list[str]) -> None:
    """What students handed in for the first assignment, and what nbgrader made of it."""
    assignment = ASSIGNMENTS[0]
    for name in NOTEBOOKS:
        notebook = _source(assignment, name)
        for cell in notebook.cells:
            cell.source += "\n" + "# what a student thinks about it\n" * 50
        text = nbformat.writes(notebook)
        for student in students:
            for step in ("submitted", "autograded"):
                folder = course.folder(step, assignment, student)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}.ipynb").write_text(text)


# Our own tables


def _fill_platform(connection: Connection, students: list[str]) -> None:
    """A platform with one course, everybody in it and a link to each assignment."""
    urls = dict.fromkeys(("auth_login_url", "auth_token_url", "key_set_url"), f"{ORIGIN}/x")
    facts = {"id": 1, "issuer": ORIGIN, "client_id": "c", "name": "Campus", "product": "moodle"}
    _insert(connection, Registration, [facts | urls | {"origins": [ORIGIN], "created": 0.0}])
    _insert(connection, Deployment, [{"registration_id": 1, "deployment": "1"}])
    about = {"title": "Deep learning", "memberships_url": f"{ORIGIN}/members", "synced": NOW}
    _insert(connection, Context, [
        {"id": 1, "registration_id": 1, "deployment": "1", "context": "course", **about}
    ])  # fmt: skip
    _insert(connection, Link, (
        {"id": number, "context_id": 1, "resource_link": f"link-{number}", "title": f"Task {name}",
         "assignment": name, "line_item": _line_item(name)}
        for number, name in enumerate(ASSIGNMENTS, 1)
    ))  # fmt: skip
    people = [*students, TEACHER]
    _insert(connection, Identity, (
        {"id": number, "issuer": ORIGIN, "deployment": "1", "sub": f"sub-{one}", "student": one,
         "name": f"Given {one} Family", "given_name": f"Given {one}", "family_name": "Family",
         "email": f"{one}@uni.example", "login": f"login-{one}", "seen": NOW}
        for number, one in enumerate(people, 1)
    ))  # fmt: skip
    _insert(connection, Enrolment, (
        {"context_id": 1, "identity_id": number, "active": True,
         "role": "teacher" if one == TEACHER else "student"}
        for number, one in enumerate(people, 1)
    ))  # fmt: skip
    _insert(connection, WebSession, (
        vars_of(_session(secrets.token_urlsafe(16), number, False))
        for number in range(1, len(people))
    ))  # fmt: skip


def _line_item(assignment: str) -> str:
    return f"{ORIGIN}/mod/lti/services.php/2/lineitems/{assignment}/lineitem?type_id=1"


def _session(token: str, identity: int, teaches: bool) -> WebSession:
    return WebSession(
        token_hash=token_hash(token), identity_id=identity, context_id=1, link_id=1,
        role="teacher" if teaches else "student", csrf=token, expires=NOW + 28_800,
    )  # fmt: skip


def vars_of(row: Any) -> dict[str, Any]:
    """The columns of a row that were given."""
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


def _fill_attempts(connection: Connection, students: list[str]) -> None:
    """The attempts with their files and pages, and what became of the best of each."""
    rows = list(_attempts(students))
    _insert(connection, Submission, rows)
    _insert(connection, SubmittedFile, (
        {"submission_id": row["id"], "notebook": name, "name": f"{name}.ipynb", "size": 20_000,
         "sha256": secrets.token_hex(32), "content": _bytes(_NOTEBOOK_BYTES)}
        for row in rows for name in NOTEBOOKS
    ))  # fmt: skip
    _insert(connection, FeedbackPage, (
        {"submission_id": row["id"], "notebook": name, "html": _bytes(_PAGE_BYTES)}
        for row in rows for name in NOTEBOOKS
    ))  # fmt: skip
    best = [row for row in rows if row["counts"]]
    _insert(connection, Released, (
        {"assignment": row["assignment"], "student": row["student"], "score": row["score"],
         "maximum": row["maximum"], "submission_id": row["id"], "released": NOW}
        for row in best
    ))  # fmt: skip
    _insert(connection, Delivery, (
        {"registration": 1, "deployment": "1", "line_item": _line_item(row["assignment"]),
         "user": f"sub-{row['student']}", "given": row["score"], "maximum": row["maximum"],
         "state": "due" if number % 50 == 0 else "stopped" if number % 500 == 1 else "delivered",
         "next_try": NOW - 60 if number % 100 == 0 else NOW + 60}
        for number, row in enumerate(best)
    ))  # fmt: skip
    _insert(connection, Extension, (
        {"assignment": row["assignment"], "student": row["student"], "seconds": 7200.0}
        for row in best[::50]
    ))  # fmt: skip
    _insert(connection, Audit, _audit(rows, best))


def _attempts(students: list[str]) -> Iterator[dict[str, Any]]:
    """In the order of their coming: everybody's first attempts at the first assignment lead."""
    number = 0
    for assignment in ASSIGNMENTS:
        for attempt in range(1, ATTEMPTS + 1):
            for place, student in enumerate(students):
                number += 1
                scores = [(_score(place, one), one) for one in range(1, ATTEMPTS + 1)]
                counts = max(scores)[1] == attempt
                yield {
                    "id": number, "assignment": assignment, "student": student, "number": attempt,
                    "received": DEADLINE - 86_400 * (ATTEMPTS - attempt) + 7200.0 * (place % 2),
                    "state": "graded", "tries": 0, "counts": counts, "in_gradebook": counts,
                    "score": _score(place, attempt), "maximum": CELLS * len(NOTEBOOKS) * POINTS,
                    "late_seconds": 7200.0 * (place % 2 and attempt == ATTEMPTS),
                    "needs_person": False, "problem": "", "faults": [], "error": "", "graded": NOW,
                }  # fmt: skip


def _audit(rows: list[dict[str, Any]], best: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for action, actor, some in (("grade", "grader", rows), ("release", TEACHER, best)):
        for row in some:
            yield {
                "at": NOW, "actor": actor, "action": action, "assignment": row["assignment"],
                "student": row["student"], "before": "", "after": f"{row['score']:g}/40",
            }  # fmt: skip
    for assignment in ASSIGNMENTS:
        for action in ("deadline", "regrade") * 20:
            yield {
                "at": NOW, "actor": TEACHER, "action": action, "assignment": assignment,
                "student": "", "before": "", "after": "",
            }  # fmt: skip


def _bytes(size: int) -> bytes:
    """So many bytes, as zlib would have made them of something longer."""
    start = random.randrange(len(_NOISE) - size)
    return zlib.compress(_NOISE[start : start + size], 0)
