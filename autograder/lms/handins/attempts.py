"""The attempts that wait for something: to be graded, put back into the gradebook, shown anew.

The tables are the truth, so each step here is one transaction that leaves them true whatever is
killed afterwards: what was begun and is not stored is begun again.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal

from sqlalchemy import case, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from autograder.bridge.handin import HandIn, Marked, Person
from autograder.bridge.totals import Total
from autograder.lms import audit
from autograder.lms.schema import (
    Extension,
    FeedbackPage,
    Identity,
    Submission,
    SubmissionState,
    SubmittedFile,
)
from autograder.lms.settings import Counts, Serve

Kind = Literal["grade", "restore", "feedback"]
"""``restore``: grade an attempt again that counts, since the gradebook has another one."""

MOST_BEGUN: Final = 10
"""An attempt whose grading began so often and never ended must not begin again by itself."""
_NEVER_ENDED: Final = (
    f"its grading was interrupted {MOST_BEGUN} times, perhaps by what it does to the machine; "
    "grade it again to try once more"
)
_Query = Any
"""A ``Select`` of attempts; SQLAlchemy 2.0 and 2.1 name its type differently."""
_WAITING: Final = ("received", "grading")
_DURING: Final[dict[Kind, SubmissionState]] = {
    "grade": "grading",
    "restore": "graded",
    "feedback": "graded",
}
"""An attempt's state while a job is done."""


@dataclass(frozen=True)
class Job:
    """An attempt and what is to be done with it."""

    id: int
    assignment: str
    student: str
    kind: Kind
    again: bool = False
    """Whether it was graded before, so that somebody has asked for it."""


def find(session: Session, busy: Collection[str], most: int, rest: bool) -> list[Job]:
    """What is to be done next: one attempt of a student at once, new ones first.

    Args:
        session: to read with.
        busy: students of whom something is being done.
        most: at most so many.
        rest: also look for what no student waits for, which takes longer.
    """
    found: dict[str, Job] = {}
    queries: list[tuple[Kind, _Query]] = [("grade", query) for query in _to_grade()]
    if rest:
        queries += [("restore", _to_restore()), ("feedback", _to_show_anew())]
    for kind, query in queries:
        if len(found) >= most:
            break
        taken = [*busy, *found]
        rows = session.execute(query.where(Submission.student.not_in(taken)).limit(4 * most))
        for row_id, assignment, student, graded in rows:
            if student not in found and len(found) < most:
                found[student] = Job(row_id, assignment, student, kind, graded is not None)
    return [_first(session, job) for job in found.values()]


def ahead_of(session: Session, number: int) -> int:
    """How many attempts are graded before one that waits."""
    before = Submission.state.in_(_WAITING), Submission.id < number
    return session.scalar(select(func.count(Submission.id)).where(*before)) or 0


def settled(session: Session, assignment: str) -> dict[str, tuple[int, float] | None]:
    """The students who have handed in, and which attempt the gradebook has of each and since when.

    None where the gradebook may have, or soon get, another attempt than the one that counts.
    """
    waits = Submission.state.in_(_WAITING) | (Submission.counts & ~Submission.in_gradebook)
    is_good = Submission.counts & Submission.graded.is_not(None)
    query = select(
        Submission.student,
        func.max(case((waits, 1), else_=0)),
        func.max(case((is_good, Submission.id))),  # one of them counts
        func.max(case((is_good, Submission.graded))),
    )
    of_this = query.where(Submission.assignment == assignment).group_by(Submission.student)
    return {
        student: None if waiting or number is None else (number, graded)
        for student, waiting, number, graded in session.connection().execute(of_this).all()
    }


def _columns() -> _Query:
    return select(Submission.id, Submission.assignment, Submission.student, Submission.graded)


def _to_grade() -> Iterator[_Query]:
    """New attempts, then those to be graded again, then what has failed or was interrupted."""
    older = aliased(Submission)
    before = exists().where(
        older.assignment == Submission.assignment,
        older.student == Submission.student,
        older.number < Submission.number,
        older.state == "received",
    )
    waiting = _columns().where(Submission.state == "received")
    new = Submission.graded.is_(None)
    untried = Submission.tries == 0
    before_new = before.where(older.graded.is_(None))
    yield waiting.where(untried, new, ~before_new).order_by(Submission.id)
    yield waiting.where(untried, ~new, ~before).order_by(Submission.id)
    yield waiting.where(~untried, ~before).order_by(Submission.tries, Submission.id)


def _to_restore() -> _Query:
    other = aliased(Submission)
    waits = exists().where(
        other.assignment == Submission.assignment,
        other.student == Submission.student,
        other.state.in_(_WAITING),
    )
    counts = Submission.counts, ~Submission.in_gradebook, Submission.state == "graded"
    return _columns().where(*counts, ~waits).order_by(Submission.id)


def _to_show_anew() -> _Query:
    due = Submission.feedback_due, Submission.in_gradebook, Submission.state == "graded"
    return _columns().where(*due).order_by(Submission.id)


def _first(session: Session, job: Job) -> Job:
    """The job; or first the feedback that the next attempt would take out of the gradebook."""
    if job.kind == "feedback":
        return job
    query = select(Submission.id, Submission.state).where(
        *_of(job), Submission.in_gradebook, Submission.feedback_due, Submission.id != job.id
    )
    # the state is no condition, lest SQLite look for it among all that were ever graded
    for number, state in session.execute(query.order_by(Submission.number)):
        if state == "graded":
            return Job(number, job.assignment, job.student, "feedback", True)
    return job


def held(session: Session, jobs: Iterable[Job]) -> dict[int, tuple[str, str]]:
    """The attempts that the gradebook has now, and that the jobs will take out of it."""
    found = {}
    for job in jobs:
        if job.kind != "feedback":
            query = select(Submission.id).where(*_of(job), Submission.in_gradebook)
            for row_id in session.scalars(query):
                found[row_id] = job.assignment, job.student
    return found


def claim(session: Session, job: Job, settings: Serve, at: float, totals: dict[int, Total]) -> bool:
    """Begin a job, unless it is not to be done any more.

    Args:
        session: of the transaction.
        job: what is to be done.
        settings: the rules for what counts.
        at: UTC seconds since 1970.
        totals: what the gradebook has of attempts that it holds, which a person may have changed.
    """
    row = session.get(Submission, job.id)
    if row is None or row.state != ("received" if job.kind == "grade" else "graded"):
        return False
    if job.kind == "feedback":
        return row.feedback_due
    if job.kind == "grade":
        row.state, row.tries = "grading", row.tries + 1
        if row.tries > MOST_BEGUN:
            fail(session, job, settings, at, _NEVER_ENDED)
            return False
    for other in session.scalars(select(Submission).where(*_of(job), Submission.in_gradebook)):
        other.in_gradebook = False
        if (total := totals.get(other.id)) is not None:
            take_total(other, total)
    return True


def take_total(row: Submission, total: Total) -> None:
    """Take over what the gradebook has of an attempt."""
    row.score, row.penalty, row.needs_person = total.score, total.penalty, total.needs_person


def hand_in(session: Session, job: Job) -> HandIn:
    """What is given to the process that does the job."""
    row = session.get_one(Submission, job.id)
    if job.kind == "feedback":
        return HandIn(job.id, job.assignment, job.student)
    files = session.execute(
        select(SubmittedFile.notebook, SubmittedFile.content).where(
            SubmittedFile.submission_id == job.id
        )
    )
    person = session.execute(
        select(Identity.given_name, Identity.family_name, Identity.email).where(
            Identity.student == job.student
        )
    ).one_or_none()
    return HandIn(
        key=job.id,
        assignment=job.assignment,
        student=job.student,
        received=row.received,
        extension=session.scalar(
            select(Extension.seconds).where(
                Extension.assignment == job.assignment, Extension.student == job.student
            )
        ),
        notebooks={notebook: zlib.decompress(content) for notebook, content in files},
        person=Person() if person is None else Person(*person),
        force=job.kind == "grade" and job.again,
    )


def store(
    session: Session, job: Job, settings: Serve, at: float, marked: Marked, *, is_fresh: bool = True
) -> None:
    """Store what became of a job, unless somebody has asked meanwhile to grade it again.

    Args:
        session: of the transaction.
        job: what was done.
        settings: the rules for what counts.
        at: UTC seconds since 1970.
        marked: what became of it.
        is_fresh: whether the feedback shows what the gradebook has now.
    """
    row = session.get(Submission, job.id)
    if row is None or row.state != _DURING[job.kind]:
        return
    before = audit.points(row.score, row.maximum)
    row.score, row.maximum, row.penalty = marked.score, marked.max_score, marked.penalty
    row.needs_person, row.by_hand = marked.needs_person, marked.by_hand
    if job.kind != "feedback":
        row.late_seconds = marked.late_seconds
    row.feedback_due = not is_fresh
    if marked.pages:
        session.execute(delete(FeedbackPage).where(FeedbackPage.submission_id == job.id))
        for notebook, html in marked.pages.items():
            session.add(FeedbackPage(submission_id=job.id, notebook=notebook, html=html))
    if job.kind == "feedback":
        return
    row.problem, row.faults, row.error = marked.problem, list(marked.faults), ""
    row.state, row.tries, row.graded = "graded", 0, at
    session.execute(
        update(Submission).where(*_of(job), Submission.id != job.id).values(in_gradebook=False)
    )
    row.in_gradebook = True
    after = audit.points(row.score, row.maximum)
    if job.kind == "grade" or before != after:
        _note(session, job, at, before, after)
    if job.kind == "grade":  # to restore one must not change which one counts
        recount(session, job.assignment, job.student, settings.policy(job.assignment).counts)


def compressed(marked: Marked) -> Marked:
    """The pages as they are stored; this takes a moment, so it is done before the transaction."""
    marked.pages = {name: zlib.compress(html) for name, html in marked.pages.items()}
    return marked


def put_back(session: Session, job: Job, begun: bool = False) -> None:
    """Let a job that has not ended be done again.

    Args:
        session: of the transaction.
        job: what was begun.
        begun: whether this counts as a try.
    """
    row = session.get(Submission, job.id)
    if job.kind == "grade" and row is not None and row.state == "grading":
        row.state, row.tries = "received", row.tries if begun else max(0, row.tries - 1)


def fail(session: Session, job: Job, settings: Serve, at: float, error: str) -> None:
    """Take note that a job fails, which a teacher must look at; nothing of it is kept.

    Unless somebody has asked meanwhile to grade it again.
    """
    row = session.get(Submission, job.id)
    if row is None or row.state != _DURING[job.kind]:
        return
    if job.kind == "feedback":
        row.feedback_due = False
        row.faults = [*row.faults, f"the feedback could not be written: {error}"]
        return
    before = audit.points(row.score, row.maximum)
    row.state, row.error, row.graded = "failed", error, None
    row.score, row.maximum, row.penalty, row.needs_person = None, None, 0.0, False
    row.in_gradebook, row.feedback_due, row.problem, row.faults = False, False, "", []
    _note(session, job, at, before, "failed")
    recount(session, job.assignment, job.student, settings.policy(job.assignment).counts)


def recover(session: Session) -> None:
    """Let all that was begun and not stored be done again."""
    session.execute(
        update(Submission).where(Submission.state == "grading").values(state="received")
    )


def recount(session: Session, assignment: str, student: str, counts: Counts) -> None:
    """Mark the attempt of a student that counts."""
    session.flush()
    rows = session.scalars(
        select(Submission).where(Submission.assignment == assignment, Submission.student == student)
    ).all()
    which = _counting([(row.id, row.number, row.score) for row in rows], counts)
    for row in rows:
        row.counts = row.id == which


def miscounted(session: Session, settings: Serve) -> list[tuple[str, str]]:
    """The assignments and students where another attempt counts, as when a rule was changed."""
    columns = (Submission.id, Submission.number, Submission.score, Submission.counts)
    query = select(Submission.assignment, Submission.student, *columns).order_by(
        Submission.assignment, Submission.student
    )
    # plain rows: a session takes twice as long, and these are all that there are
    rows = session.connection().execute(query).all()
    wrong = []
    for (assignment, student), group in groupby(rows, key=lambda row: (row[0], row[1])):
        marks: list[Any] = list(group)
        scores = [(row.id, row.number, row.score) for row in marks]
        which = _counting(scores, settings.policy(assignment).counts)
        if any(row.counts != (row.id == which) for row in marks):
            wrong.append((assignment, student))
    return wrong


def _counting(attempts: Sequence[tuple[int, int, float | None]], counts: Counts) -> int | None:
    """The id of the attempt that counts, of ids, numbers and scores; of equals the later one."""
    graded = [(score, number, row_id) for row_id, number, score in attempts if score is not None]
    if not graded:
        return None
    if counts == "best":
        return max(graded)[2]
    return max(graded, key=lambda one: one[1])[2]


def _of(job: Job) -> tuple[Any, Any]:
    return Submission.assignment == job.assignment, Submission.student == job.student


def _note(session: Session, job: Job, at: float, before: str, after: str) -> None:
    audit.note(
        session,
        at,
        audit.GRADER,
        job.kind,
        assignment=job.assignment,
        student=job.student,
        before=before,
        after=after,
    )
