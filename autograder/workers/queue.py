"""What is queued, begun and done: each step is one transaction, after which a kill loses nothing.

A *ticket*, procrastinate's job, says that a student has something to grade. Who gets one takes the
oldest submission of that student that is not graded. Each taking counts the submission's *lease*
up, and only who has the newest one can store anything: a worker that was cut off and comes back
cannot.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from procrastinate import App
from procrastinate.jobs import Job
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    Text,
    any_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_unless
from sqlalchemy.orm import Session, undefer

from autograder.plain import printable
from autograder.workers.bundle import CourseBundle
from autograder.workers.database import driver_connection, transaction
from autograder.workers.schema import Bundle, Result, Submission, Worker

TASK: Final = "autograder.grade"
"""The name of procrastinate's task."""
STUDENT_WAITS: Final = 1
CLASS: Final = 0
AGAIN: Final = -1
"""Urgencies: a student who waits, a class, what was graded before and is graded again."""
MOST_FAILURES: Final = 3
"""So often a grading may fail before it is set aside."""
MOST_INTERRUPTIONS: Final = 10
"""So often it may begin and not end: each time, the worker or its machine ended."""
KEPT_SECONDS: Final = 30 * 86_400.0
"""How long it stays known, without its bytes, what came of a submission that is collected."""
_UNUSED_SECONDS: Final = 86_400.0
_BAND: Final = 1_000_000_000
"""Between two urgencies, in procrastinate's priority of 32 bits."""
_NAME_LENGTH: Final = 32
_OPEN: Final = ("waiting", "grading")
_JOBS_OPEN: Final = "('todo', 'doing')"
_FROM_A_FOLDER: Final = cast(Submission.facts, Text) == "{}"
_HAS_ENDED: Final = Submission.state.in_(("graded", "set aside"))
_NEWER: Final = "it was queued again, in a newer version, before it was graded"


@dataclass(frozen=True)
class Parcel:
    """A submission to queue."""

    assignment: str
    student: str
    inputs: str
    """A digest of all that its grading depends on."""
    stamp: str
    """A digest of what was handed in."""
    content: bytes
    """What was handed in."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What goes with an attempt from an LMS; empty for a folder."""


@dataclass(frozen=True)
class Taken:
    """A submission that this worker grades now."""

    id: int
    lease: int
    course: str
    bundle: str
    assignment: str
    student: str
    content: bytes
    facts: dict[str, Any]


@dataclass(frozen=True)
class Graded:
    """What became of a submission."""

    summary: dict[str, Any]
    """The fields of a ``Summary``."""
    content: bytes | None = None
    """The autograded notebooks and the record of their grading."""
    lost: bool = False
    """Whether the submission was given to another worker meanwhile."""

    @property
    def error(self) -> str:
        """Why it could not be graded; empty if it was."""
        return str(self.summary.get("error", ""))


class BusyError(Exception):
    """Another worker grades an earlier submission of that student."""


class ElsewhereError(Exception):
    """The student's next submission needs another version of the course."""

    def __init__(self, bundle: str) -> None:
        """Remember which."""
        super().__init__(bundle)
        self.bundle = bundle


class LeaseError(Exception):
    """The submission was given to another worker meanwhile, so that nothing of it is stored."""


# Queueing


def send_bundle(engine: Engine, bundle: CourseBundle) -> str:
    """Make a version of a course known; its hash."""
    row = {
        "hash": bundle.hash, "course": bundle.course, "needs": bundle.needs,
        "content": bundle.content, "created": time.time(),
    }  # fmt: skip
    with transaction(engine) as session:
        known = insert_unless(Bundle).values(row)
        again = {"created": known.excluded.created}  # so that `clean` leaves it
        session.execute(known.on_conflict_do_update(index_elements=["hash"], set_=again))
    return bundle.hash


def enqueue(
    engine: Engine,
    app: App,
    course: str,
    bundle: str,
    parcels: Sequence[Parcel],
    *,
    urgency: int = CLASS,
    again: bool = False,
) -> list[int]:
    """Queue submissions of one course, all or none.

    What is queued already, or graded and not collected yet, is not queued twice. Of a submission
    from a folder, what still waits in an older version is set aside: nobody wants it any more.

    Args:
        engine: the queue's database.
        app: procrastinate's.
        course: the course's id.
        bundle: the hash of its version, which is known.
        parcels: one at most of a student and assignment.
        urgency: ``STUDENT_WAITS``, ``CLASS`` or ``AGAIN``.
        again: whether to grade again also what is graded and not collected.

    Returns:
        The submissions' numbers, in the order of ``parcels``.
    """
    with transaction(engine) as session:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(course))))
        turn = _first_turn(session, course, urgency)
        numbers, jobs, from_folders = [], [], []
        for parcel in parcels:
            known = _newest(session, course, parcel)
            if known is not None and _serves(known, again):
                numbers.append(known.id)
                continue
            times = 1 if known is None else known.time + 1
            numbers.append(
                _add(
                    session, course=course, bundle=bundle, parcel=parcel, times=times,
                    urgency=urgency, turn=turn,
                )
            )  # fmt: skip
            if not parcel.facts:
                from_folders.append((parcel.assignment, parcel.student))
            jobs.append(_ticket(course, parcel.student, bundle, urgency * _BAND - turn))
            turn += 1
        if from_folders:
            _withdraw(
                session, course, bundle, _FROM_A_FOLDER,
                tuple_(Submission.assignment, Submission.student).in_(from_folders),
            )  # fmt: skip
        if jobs:
            app.job_manager.batch_defer_jobs(jobs, connection=driver_connection(session))
    return numbers


def _first_turn(session: Session, course: str, urgency: int) -> int:
    """The turn of a course's next submission: after its own that wait, and not before others'.

    So courses take turns, however many submissions each has queued (start-time fair queueing:
    Goyal, Vin, Cheng, 1996, with the turn after what is graded as the virtual time).
    """
    waiting = Submission.state == "waiting", Submission.urgency == urgency
    # While something is graded, what waits and is never begun does not hold the turns back.
    others = session.scalar(
        select(func.max(Submission.turn) + 1).where(
            Submission.state == "grading", Submission.urgency == urgency
        )
    )
    if others is None:
        others = session.scalar(select(func.min(Submission.turn)).where(*waiting))
    own = session.scalar(
        select(func.max(Submission.turn)).where(*waiting, Submission.course == course)
    )
    return max(others or 0, 0 if own is None else own + 1)


def _serves(known: Any, again: bool) -> bool:
    """Does what is queued, or what has come of it, serve who queues the same once more?"""
    is_new = known.state == "graded" and not known.collected
    return known.state in _OPEN or (is_new and not again)


def _the_same(course: str, parcel: Parcel) -> tuple[ColumnElement[bool], ...]:
    return (
        Submission.course == course,
        Submission.assignment == parcel.assignment,
        Submission.student == parcel.student,
        Submission.inputs == parcel.inputs,
    )


def _newest(session: Session, course: str, parcel: Parcel) -> Any:
    """The newest row of the same submission and the same version of all that judges it."""
    return session.execute(
        select(Submission.id, Submission.state, Submission.time, Submission.collected)
        .where(*_the_same(course, parcel))
        .order_by(Submission.time.desc())
        .limit(1)
    ).one_or_none()


def _add(
    session: Session,
    *,
    course: str,
    bundle: str,
    parcel: Parcel,
    times: int,
    urgency: int,
    turn: int,
) -> int:
    older = update(Submission).where(*_the_same(course, parcel))
    session.execute(older.values(collected=True, content=None))
    return session.execute(
        insert(Submission)
        .values(
            course=course, bundle=bundle, assignment=parcel.assignment, student=parcel.student,
            inputs=parcel.inputs, stamp=parcel.stamp, facts=parcel.facts,
            content=parcel.content, time=times, urgency=urgency, turn=turn, queued=time.time(),
        )
        .returning(Submission.id)
    ).scalar_one()  # fmt: skip


def _withdraw(session: Session, course: str, bundle: str, *which: ColumnElement[bool]) -> None:
    """Set aside what waits in other versions; its tickets are for this one then.

    A ticket that no worker fetches would hold back the student's later ones.
    """
    waiting = (
        Submission.course == course,
        Submission.bundle != bundle,
        Submission.state == "waiting",
    )
    withdrawn = update(Submission).where(*waiting, *which).returning(Submission.student)
    students = session.scalars(
        withdrawn.values(state="set aside", error=_NEWER, collected=True, content=None)
    )
    if locks := sorted({_lock_of(course, student) for student in students}):
        session.execute(
            text(
                "UPDATE procrastinate_jobs SET queue_name = :queue "
                "WHERE status = 'todo' AND lock = ANY(:locks)"
            ),
            {"queue": name_of(bundle), "locks": locks},
        )


def withdraw_attempts(engine: Engine, course: str, bundle: str) -> None:
    """Let go of attempts from an LMS that were queued in another version of the course.

    Who serves the course queues them anew in this one. What is graded meanwhile stays.

    Args:
        engine: the queue's database.
        course: the course's id.
        bundle: the hash of its version.
    """
    with transaction(engine) as session:
        _withdraw(session, course, bundle, ~_FROM_A_FOLDER)
        done = select(Submission.id).where(
            Submission.course == course,
            Submission.bundle != bundle,
            ~_FROM_A_FOLDER,
            _HAS_ENDED,
            ~Submission.collected,
        )
        _drop(session, list(session.scalars(done)))


def _ticket(course: str, student: str, bundle: str, priority: int) -> Job:
    return Job(
        task_name=TASK,
        queue=name_of(bundle),
        lock=_lock_of(course, student),
        queueing_lock=None,
        priority=priority,
        task_kwargs={"course": course, "student": student},
    )


def name_of(bundle: str) -> str:
    """Procrastinate's name of the queue for a version of a course.

    It becomes a part of a channel's name, which in Postgres has at most 63 bytes.
    """
    return bundle[:_NAME_LENGTH]


def _lock_of(course: str, student: str) -> str:
    return f"{course}\n{student}"


# Grading


def take(
    engine: Engine, job: int, *, course: str, student: str, worker: str, bundles: Collection[str]
) -> Taken | None:
    """Begin the student's oldest submission that is not graded; None where there is none.

    Args:
        engine: the queue's database.
        job: procrastinate's, of the ticket.
        course: the course's id.
        student: the student's.
        worker: who begins it.
        bundles: the versions of courses that this worker grades.

    Raises:
        BusyError: another worker grades it.
        ElsewhereError: it needs a version that this worker does not grade.
    """
    with transaction(engine) as session:
        for row in session.scalars(_open_of(course, student).with_for_update()):
            if row.state == "grading" and row.job != job and _is_doing(session, row.job):
                raise BusyError
            if row.bundle not in bundles:
                raise ElsewhereError(row.bundle)
            row.interruptions += row.state == "grading"
            if row.interruptions >= MOST_INTERRUPTIONS:
                _set_aside(
                    row,
                    f"its grading was interrupted {MOST_INTERRUPTIONS} times, perhaps by what it "
                    "does to the machine; grade it again to try once more",
                )
                continue
            row.state, row.job, row.worker = "grading", job, worker
            row.lease, row.began = row.lease + 1, time.time()
            assert row.content is not None  # as long as it is not graded
            return Taken(
                row.id, row.lease, course, row.bundle, row.assignment, student, row.content,
                row.facts,
            )  # fmt: skip
    return None


def _open_of(course: str, student: str) -> Any:
    return (
        select(Submission)
        .where(
            Submission.course == course,
            Submission.student == student,
            Submission.state.in_(_OPEN),
        )
        .order_by(Submission.id)
    )


def _is_doing(session: Session, job: int | None) -> bool:
    found = text("SELECT 1 FROM procrastinate_jobs WHERE id = :job AND status = 'doing'")
    return session.execute(found, {"job": job}).first() is not None


def _set_aside(row: Submission, error: str) -> None:
    row.state, row.error = "set aside", error


def require_lease(session: Session, submission: int, lease: int) -> None:
    """Make sure that a submission is still this worker's until the transaction's end.

    Raises:
        LeaseError: it is not.
    """
    held = select(Submission.id).where(*_held(submission, lease)).with_for_update(read=True)
    if session.scalar(held) is None:
        raise LeaseError


def _held(submission: int, lease: int) -> tuple[ColumnElement[bool], ...]:
    return (
        Submission.id == submission,
        Submission.lease == lease,
        Submission.state == "grading",
    )


def finish(
    engine: Engine, taken: Taken, summary: dict[str, Any], content: bytes | None, worker: str
) -> None:
    """Store what came of a submission.

    Raises:
        LeaseError: another worker has it.
        DataError: the database does not take it, as JSON does not have NaN.
    """
    now = time.time()
    with transaction(engine) as session:
        began = session.execute(
            update(Submission)
            .where(*_held(taken.id, taken.lease))
            .values(state="graded", error="")
            .returning(Submission.began)
        ).scalar_one_or_none()
        if began is None:
            raise LeaseError
        session.execute(
            insert(Result).values(
                submission_id=taken.id, summary=summary, content=content, graded=now,
                seconds=now - began, worker=worker,
            )
        )  # fmt: skip


def fail(engine: Engine, taken: Taken, error: str) -> bool:
    """Take note that a grading failed; whether it is set aside.

    Args:
        engine: the queue's database.
        taken: the submission.
        error: why; what a database does not take of it, such as a NUL, becomes a space.

    Raises:
        LeaseError: another worker has it.
    """
    with transaction(engine) as session:
        row = _row_held(session, taken)
        row.failures, row.error = row.failures + 1, printable(error)
        row.state = "set aside" if row.failures >= MOST_FAILURES else "waiting"
        return row.state == "set aside"


def put_back(engine: Engine, taken: Taken) -> None:
    """Let a submission be graded as if it had not been begun.

    Raises:
        LeaseError: another worker has it.
    """
    with transaction(engine) as session:
        _row_held(session, taken).state = "waiting"


def _row_held(session: Session, taken: Taken) -> Submission:
    row = session.scalar(select(Submission).where(*_held(taken.id, taken.lease)).with_for_update())
    if row is None:
        raise LeaseError
    return row


def issue_tickets(engine: Engine, app: App) -> int:
    """Give those students a ticket who have something to grade and none, as after a bad end."""
    jobs = text(f"""
        SELECT DISTINCT ON (s.course, s.student) s.course, s.student, s.bundle, s.urgency, s.turn
        FROM queue_submission AS s
        WHERE s.state IN ('waiting', 'grading') AND NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs AS j
            WHERE j.lock = s.course || chr(10) || s.student AND j.status IN {_JOBS_OPEN}
        )
        ORDER BY s.course, s.student, s.id
        LIMIT 1000
    """)
    with transaction(engine) as session:
        found = session.execute(jobs).all()
        tickets = [_ticket(c, s, b, urgency * _BAND - turn) for c, s, b, urgency, turn in found]
        if tickets:
            app.job_manager.batch_defer_jobs(tickets, connection=driver_connection(session))
    return len(tickets)


def leads(engine: Engine, worker: int, dead_seconds: float) -> bool:
    """Whether a worker is the one that sees to what dead ones have left: the oldest that lives.

    Args:
        engine: the queue's database.
        worker: procrastinate's number of it.
        dead_seconds: a worker that says nothing for so long is dead.
    """
    oldest = text(
        "SELECT min(id) FROM procrastinate_workers "
        "WHERE last_heartbeat > now() - make_interval(secs => :seconds)"
    )
    with Session(engine) as session:
        return bool(session.scalar(oldest, {"seconds": dead_seconds}) == worker)


def clean(engine: Engine) -> None:
    """Remove what courses have long collected, and versions of courses that nothing needs."""
    month, day = time.time() - KEPT_SECONDS, time.time() - _UNUSED_SECONDS
    with transaction(engine) as session:
        nobody_asks = Submission.collected | (_HAS_ENDED & ~_FROM_A_FOLDER)
        session.execute(delete(Submission).where(nobody_asks, Submission.queued < month))
        used = exists().where(Submission.bundle == Bundle.hash)
        session.execute(delete(Bundle).where(Bundle.created < day, ~used))


# Following


def others_with(engine: Engine, course: str, assignments: Collection[str]) -> dict[str, str]:
    """Assignments that another course has queued under the same name: by name, that course."""
    with Session(engine) as session:
        rows = session.execute(
            select(Submission.assignment, Submission.course)
            .where(Submission.course != course, Submission.assignment.in_(assignments))
            .distinct()
        )
        return {assignment: other for assignment, other in rows}


@dataclass(frozen=True)
class Ended:
    """A submission that is graded or set aside."""

    id: int
    bundle: str
    assignment: str
    student: str
    inputs: str
    stamp: str
    error: str
    """Why it was set aside; empty where it is graded."""
    summary: dict[str, Any]
    content: bytes | None
    """What was graded; None where there is nothing, or somebody has collected it."""


def uncollected(engine: Engine, course: str) -> list[int]:
    """The numbers of a course's submissions from folders that these do not have yet.

    What came from an LMS is left to who serves the course.
    """
    with Session(engine) as session:
        found = select(Submission.id).where(
            Submission.course == course, ~Submission.collected, _FROM_A_FOLDER
        )
        return list(session.scalars(found.order_by(Submission.id)))


def ended(engine: Engine, numbers: Collection[int], most: int) -> list[Ended]:
    """What has ended of these submissions, the oldest first, at most so many.

    What somebody else has collected is among them, without its bytes.
    """
    found = (
        select(Submission, Result)
        .outerjoin(Result, Result.submission_id == Submission.id)
        .options(undefer(Result.content))
        .where(_among(numbers), _HAS_ENDED)
        .order_by(Submission.id)
        .limit(most)
    )
    with Session(engine) as session:
        return [
            Ended(
                row.id, row.bundle, row.assignment, row.student, row.inputs, row.stamp,
                row.error if row.state == "set aside" else "",
                {} if result is None else result.summary,
                None if result is None else result.content,
            )
            for row, result in session.execute(found)
        ]  # fmt: skip


def collect(engine: Engine, numbers: Collection[int]) -> None:
    """Take note that the course's folders have these, whose bytes are then dropped."""
    with transaction(engine) as session:
        _drop(session, numbers)


def _drop(session: Session, numbers: Collection[int]) -> None:
    rows = update(Submission).where(_among(numbers))
    session.execute(rows.values(collected=True, content=None))
    results = update(Result).where(_among(numbers, Result.submission_id))
    session.execute(results.values(content=None))


def _among(numbers: Collection[int], column: Any = Submission.id) -> ColumnElement[bool]:
    """Whether a row is one of these, as one value: a statement has 65,535 at most."""
    return column == any_(literal(list(numbers), ARRAY(BigInteger)))  # type: ignore[no-any-return]


# Looking


def bundles_waiting(engine: Engine) -> dict[str, tuple[str, dict[str, str]]]:
    """The versions of courses of which something waits: by hash, the course and what it needs."""
    waits = exists().where(Submission.bundle == Bundle.hash, Submission.state.in_(_OPEN))
    with Session(engine) as session:
        rows = session.execute(select(Bundle.hash, Bundle.course, Bundle.needs).where(waits))
        return {one: (course, needs) for one, course, needs in rows}


def bundle_content(engine: Engine, bundle: str) -> bytes:
    """The bytes of a version of a course."""
    with Session(engine) as session:
        return session.execute(select(Bundle.content).where(Bundle.hash == bundle)).scalar_one()


def workers(engine: Engine, silent_seconds: float) -> list[tuple[str, int, dict[str, str]]]:
    """The workers that live: each one's name, how many it grades at once, what it refuses."""
    alive = text(
        "queue_worker.id IN (SELECT id FROM procrastinate_workers "
        "WHERE last_heartbeat > now() - make_interval(secs => :seconds))"
    ).bindparams(seconds=silent_seconds)
    with Session(engine) as session:
        rows = session.execute(
            select(Worker.name, Worker.at_once, Worker.refuses).where(alive).order_by(Worker.name)
        )
        return [(name, at_once, refuses) for name, at_once, refuses in rows]


def say_hello(
    engine: Engine, number: int, name: str, at_once: int, refuses: dict[str, str]
) -> None:
    """Say what a worker is, and forget those that are gone."""
    row = {"id": number, "name": name, "at_once": at_once, "refuses": refuses}
    with transaction(engine) as session:
        session.execute(
            text("DELETE FROM queue_worker WHERE id NOT IN (SELECT id FROM procrastinate_workers)")
        )
        session.execute(
            insert_unless(Worker)
            .values(row)
            .on_conflict_do_update(index_elements=["id"], set_={"refuses": refuses})
        )


@dataclass(frozen=True)
class Load:
    """How much of one urgency there is."""

    urgency: int
    state: str
    count: int
    oldest: float
    """When the oldest of them was queued."""


def load(engine: Engine) -> list[Load]:
    """How much waits, is graded and is set aside, by urgency."""
    found = (
        select(Submission.urgency, Submission.state, func.count(), func.min(Submission.queued))
        .where(Submission.state.in_((*_OPEN, "set aside")), Submission.error != _NEWER)
        .group_by(Submission.urgency, Submission.state)
    )
    with Session(engine) as session:
        return [Load(*row) for row in session.execute(found)]
