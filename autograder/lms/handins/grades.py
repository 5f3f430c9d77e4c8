"""What a teacher does with grades: see them, release them to the LMS, give more time, grade again.

Points are read from nbgrader's gradebook when they are released, so that what a person has given in
formgrader is in them. Nothing is released of a student whose work is being graded: the gradebook
may then have another attempt than the one that counts.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Engine, Text, case, cast, false, func, select, update
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, CourseError
from autograder.bridge.totals import (
    Facts,
    Total,
    Totals,
    read_facts,
    read_names,
    read_submissions,
    read_totals,
)
from autograder.lms import audit
from autograder.lms.database import reading, writing
from autograder.lms.handins.attempts import take_total
from autograder.lms.schema import (
    Context,
    Delivery,
    DeliveryState,
    Enrolment,
    Extension,
    Identity,
    Link,
    Registration,
    Released,
    Submission,
    SubmissionState,
)
from autograder.lms.services import outbox
from autograder.lms.services.outbox import Key
from autograder.lms.settings import Counts, Serve
from autograder.messages import in_language
from autograder.messages import translate as _

_STUDENTS_AT_ONCE: Final = 100
"""In one transaction, for which others wait."""
_LOOKED_AT_ONCE: Final = 1000
"""Students who are named in a query that nobody waits for."""
_WAITING: Final[Sequence[SubmissionState]] = ("grading", "received")
_WORST_FIRST: Final[Sequence[DeliveryState]] = ("stopped", "due", "delivered")
_Clock = Callable[[], float]
_Query = Any
"""A ``Select``; SQLAlchemy 2.0 and 2.1 name its type differently."""


# Releasing


@dataclass
class ReleaseReport:
    """What became of a release; the lists have students."""

    released: list[str] = field(default_factory=list)
    """Their grade is new, or another one than before."""
    first: list[str] = field(default_factory=list)
    """Those of them who had none before."""
    unchanged: list[str] = field(default_factory=list)
    queued: int = 0
    """Scores that are on their way to the LMS now."""
    waiting: list[str] = field(default_factory=list)
    """Their work is being graded: release again when that is done."""
    needs_person: list[str] = field(default_factory=list)
    """A person has still to give points in formgrader; released only where asked for by name."""
    no_grade: list[str] = field(default_factory=list)
    """There is no graded work."""
    not_in_lms: list[str] = field(default_factory=list)
    """The gradebook has them, and no user of the LMS is known to be them."""


def release(
    engine: Engine,
    course: Course,
    settings: Serve,
    assignment: str,
    students: Sequence[str] | None = None,
    *,
    actor: str,
    finished_only: bool = False,
    clock: _Clock = time.time,
) -> ReleaseReport:
    """Release the grades of an assignment, to be shown to students and sent to the LMS.

    A grade that was released before is sent again only if it has changed. Each student's is
    released whole or not at all, whatever is killed.

    Args:
        engine: the database.
        course: the course.
        settings: the rules.
        assignment: which.
        students: whose; None for all, but for those who need a person still.
        actor: who does it, for the audit.
        finished_only: leave those who need a person still out where they are named as well.
        clock: the time, in UTC seconds since 1970.

    Raises:
        CourseError: the gradebook has no such assignment, or no points can be had in it.
        GradebookError: it cannot be read.
    """
    run, wanted = _begun(
        engine, course, settings, assignment, students,
        finished_only=finished_only, actor=actor, by_hand=True,
    )  # fmt: skip
    for start in range(0, len(wanted), _STUDENTS_AT_ONCE):
        with writing(engine) as session:
            run.release(session, wanted[start : start + _STUDENTS_AT_ONCE], clock())
    return run.report


def would_release(
    engine: Engine,
    course: Course,
    settings: Serve,
    assignment: str,
    students: Sequence[str] | None = None,
    *,
    finished_only: bool = False,
) -> ReleaseReport:
    """What `release` would do now, but for what is on its way to the LMS; nothing is written.

    Raises:
        CourseError: as `release`.
        GradebookError: as `release`.
    """
    run, wanted = _begun(
        engine, course, settings, assignment, students,
        finished_only=finished_only, actor="", by_hand=False,
    )  # fmt: skip
    with reading(engine) as session:
        run.look(session, wanted, students)
    return run.report


def _begun(
    engine: Engine,
    course: Course,
    settings: Serve,
    assignment: str,
    students: Sequence[str] | None,
    *,
    finished_only: bool,
    actor: str,
    by_hand: bool,
) -> tuple["_Release", Sequence[str]]:
    """A release of which nothing is done yet, and the students whom it is about."""
    with reading(engine) as session:
        before = _states(session, assignment, students)
    totals = read_totals(course, assignment, students, by_hand=by_hand)
    if totals.facts.maximum <= 0:
        raise CourseError(
            f"no points can be had in {assignment!r}, so there is no grade to release: give its "
            f"cells points and run `autograder release {assignment}`"
        )
    by_name = students is not None and not finished_only
    run = _Release(course, settings, assignment, totals, before, by_name, actor)
    return run, students if students is not None else sorted({*before, *totals.students})


@dataclass
class _Release:
    """One release."""

    course: Course
    settings: Serve
    assignment: str
    totals: Totals
    before: dict[str, list[Any]]
    """The attempts as they were before the gradebook was read, as ``_states`` has them."""
    by_name: bool
    actor: str
    report: ReleaseReport = field(default_factory=ReleaseReport)

    def release(self, session: Session, students: Sequence[str], at: float) -> None:
        """Release the grades of some students, in a transaction."""
        attempts = _attempts(session, self.assignment, students)
        known = set(session.scalars(_only(select(Identity.student), students)))
        ready = self._ready(students, attempts, known)
        query = select(Released).where(*_these(Released, self.assignment, ready))
        old = {row.student: row for row in session.scalars(query)}
        for student in ready:
            counting = _counting(attempts.get(student, []))
            self._release(session, student, counting, old.get(student), at)
        self._send(session, ready)

    def look(self, session: Session, students: Sequence[str], asked: Sequence[str] | None) -> None:
        """Report what `release` would do with some students' grades.

        Args:
            session: of our database.
            students: whose.
            asked: whom to read of; None for all.
        """
        known: set[str] = set()
        old: dict[str, tuple[float, float]] = {}
        for part in _parts(asked, _LOOKED_AT_ONCE):
            known.update(session.scalars(_only(select(Identity.student), part)))
            old |= _released(session, self.assignment, part)
        for student in self._ready(students, _states(session, self.assignment, asked), known):
            self._note(student, old.get(student))

    def _note(self, student: str, old: tuple[float, float] | None) -> bool:
        """Report whether a grade is another one than before, or the first; whether it is."""
        total, maximum = self.totals.students[student], self.totals.facts.maximum
        if old is None:
            self.report.first.append(student)
        elif _is_close(old[0], total.score) and _is_close(old[1], maximum):
            self.report.unchanged.append(student)
            return False
        self.report.released.append(student)
        return True

    def _ready(
        self, students: Sequence[str], attempts: Mapping[str, Sequence[Any]], known: set[str]
    ) -> list[str]:
        """Those whose grade is released; the others are in the report then."""
        ready: list[str] = []
        for student in students:
            found = attempts.get(student, [])
            held_back = self._held_back(student, found, student in known)
            (ready if held_back is None else held_back).append(student)
        return ready

    def _held_back(self, student: str, attempts: Sequence[Any], is_known: bool) -> list[str] | None:
        """The list of the report for a student whose grade is not released, if it is not."""
        total = self.totals.students.get(student)
        counting = _counting(attempts)
        if _is_unsettled(attempts) or not _are_same(attempts, self.before.get(student, [])):
            return self.report.waiting
        if total is None or not total.graded or (attempts and counting is None):
            return self.report.no_grade
        if not is_known:
            return self.report.not_in_lms
        return self.report.needs_person if total.needs_person and not self.by_name else None

    def _release(
        self,
        session: Session,
        student: str,
        counting: Submission | None,
        old: Released | None,
        at: float,
    ) -> None:
        total, maximum = self.totals.students[student], self.totals.facts.maximum
        if counting is not None:
            if counting.by_hand != total.by_hand or counting.score != total.score:
                counting.feedback_due = True
            take_total(counting, total)
            counting.maximum = maximum
        row = old or Released(assignment=self.assignment, student=student)
        before = audit.points(row.score, row.maximum) if old else ""
        row.submission_id = None if counting is None else counting.id
        if not self._note(student, None if old is None else (old.score, old.maximum)):
            return
        row.score, row.maximum, row.released = total.score, maximum, at
        session.add(row)
        audit.note(
            session,
            at,
            self.actor,
            "release",
            assignment=self.assignment,
            student=student,
            before=before,
            after=audit.points(total.score, maximum),
        )

    def _send(self, session: Session, students: Sequence[str]) -> None:
        """Have the LMS get the scores that it has not been sent."""
        keys = _keys(session, self.assignment, students)
        sent = _deliveries(session, [key for _student, key in keys])
        for student, key in keys:
            total, maximum = self.totals.students[student], self.totals.facts.maximum
            row = sent.get(key)
            if (
                row is not None
                and row.state != "stopped"
                and _is_close(row.given, total.score)
                and _is_close(row.maximum, maximum)
            ):
                continue
            with in_language(self.course.settings.language_of(student)):
                comment = self._comment(total)
            outbox.release(session, key, total.score, maximum, comment)
            self.report.queued += 1

    def _comment(self, total: Total) -> str:
        """What students read beside the score in the LMS: plain text, and short."""
        lines = []
        if total.penalty:
            points = f"{total.penalty:g}"
            lines.append(_("Points taken for being late: {points}.", points=points))
        if self.settings.url:
            address = f"{self.settings.url}/assignments/{quote(self.assignment, safe='')}"
            lines.append(_("Feedback: {address}", address=address))
        return " ".join(lines)


def _attempts(
    session: Session, assignment: str, students: Sequence[str] | None
) -> dict[str, list[Submission]]:
    """The attempts by student, the first one first."""
    query = select(Submission).where(Submission.assignment == assignment)
    found: dict[str, list[Submission]] = defaultdict(list)
    for part in _parts(students):
        some = query if part is None else query.where(Submission.student.in_(part))
        for row in session.scalars(some.order_by(Submission.student, Submission.number)):
            found[row.student].append(row)
    return found


def _states(
    session: Session, assignment: str, students: Sequence[str] | None
) -> dict[str, list[Any]]:
    """What a release looks at of the attempts, by student, the first one first."""
    columns = (
        *(Submission.student, Submission.id, Submission.state, Submission.graded),
        *(Submission.counts, Submission.in_gradebook),
    )
    query = select(*columns).where(Submission.assignment == assignment)
    query = query.order_by(Submission.student, Submission.number)
    found: dict[str, list[Any]] = defaultdict(list)
    for part in _parts(students, _LOOKED_AT_ONCE):
        some = query if part is None else query.where(Submission.student.in_(part))
        for row in session.connection().execute(some).all():
            found[row.student].append(row)
    return found


def _parts(
    students: Sequence[str] | None, at_once: int = _STUDENTS_AT_ONCE
) -> Iterator[Sequence[str] | None]:
    """Students, so many at once that every database takes them; None for all."""
    if students is None:
        yield None
        return
    for start in range(0, len(students), at_once):
        yield students[start : start + at_once]


def _counting(attempts: Iterable[Any]) -> Any:
    return next((row for row in attempts if row.counts), None)


def _is_unsettled(attempts: Sequence[Any]) -> bool:
    """Whether the gradebook may have, or soon get, another attempt than the one that counts."""
    counting = _counting(attempts)
    waits = any(row.state in _WAITING for row in attempts)
    return waits or (counting is not None and not counting.in_gradebook)


def _are_same(attempts: Sequence[Any], before: Sequence[Any]) -> bool:
    """Whether no attempt was graded meanwhile."""

    def facts(rows: Sequence[Any]) -> list[Any]:
        return [(row.id, row.state, row.graded, row.counts, row.in_gradebook) for row in rows]

    return facts(attempts) == facts(before)


def _is_close(one: float, other: float) -> bool:
    return abs(one - other) < 1e-9


def _keys(session: Session, assignment: str, students: Sequence[str]) -> list[tuple[str, Key]]:
    """Where in the LMS the scores of students go: each line item of a course that they are in."""
    query = (
        select(
            Identity.student,
            Context.registration_id,
            Context.deployment,
            Link.line_item,
            Identity.sub,
        )
        .select_from(Link)
        .join(Context, Context.id == Link.context_id)
        .join(Enrolment, Enrolment.context_id == Context.id)
        .join(Identity, Identity.id == Enrolment.identity_id)
        .where(
            Link.assignment == assignment,
            Link.line_item != "",
            Enrolment.active,
            Enrolment.role == "student",
            Identity.student.in_(students),
        )
    )
    rows: Any = session.execute(query)
    return sorted(
        {(student, Key(*place)) for student, *place in rows}, key=lambda one: (one[0], str(one[1]))
    )


def _deliveries(session: Session, keys: Collection[Key]) -> dict[Key, Delivery]:
    found = {}
    users, items = {key.user for key in keys}, {key.line_item for key in keys}
    for row in session.scalars(
        select(Delivery).where(Delivery.user.in_(users), Delivery.line_item.in_(items))
    ):
        found[Key(row.registration, row.deployment, row.line_item, row.user)] = row
    return found


# More time, and grading again


def extend(
    engine: Engine,
    course: Course,
    assignment: str,
    student: str,
    seconds: float,
    *,
    actor: str,
    clock: _Clock = time.time,
) -> float:
    """Give a student more time, or other time than before; 0 takes it away.

    What came after the deadline is graded again, since nbgrader's penalty is another one then.

    Returns:
        The student's deadline, in UTC seconds since 1970.

    Raises:
        CourseError: the gradebook has no such assignment, or it has no deadline.
        GradebookError: it cannot be read.
        ValueError: less time than the deadline's.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{seconds} seconds are no extension")
    deadline = read_facts(course, assignment).deadline
    if deadline is None:
        raise CourseError(
            f"{assignment!r} has no deadline to extend: set its due date in formgrader first"
        )
    with writing(engine) as session:
        row = session.scalar(
            select(Extension).where(
                Extension.assignment == assignment, Extension.student == student
            )
        )
        before = 0.0 if row is None else row.seconds
        row = row or Extension(assignment=assignment, student=student)
        row.seconds = seconds
        session.add(row)
        session.execute(
            update(Submission)
            .where(
                Submission.assignment == assignment,
                Submission.student == student,
                Submission.received > deadline,
            )
            .values(state="received", tries=0)
        )
        audit.note(
            session,
            clock(),
            actor,
            "extend",
            assignment=assignment,
            student=student,
            before=f"{before:g} s",
            after=f"{seconds:g} s",
        )
    return deadline + seconds


def regrade(
    engine: Engine,
    assignment: str,
    students: Sequence[str] | None,
    actor: str,
    *,
    counts: Counts = "best",
    clock: _Clock = time.time,
) -> int:
    """Have attempts graded again, as when a grader was mended; how many they are.

    Args:
        engine: the database.
        assignment: which.
        students: whose; None for all.
        actor: who asks for it, for the audit.
        counts: the rule for what counts: where it is the ``best`` one, every attempt is graded
            again, since another may be the best then; else the one that counts, those whose grading
            failed, and what is being graded, which may be with the graders of before.
        clock: the time, in UTC seconds since 1970.
    """
    wanted = update(Submission).where(Submission.assignment == assignment)
    if counts == "last":
        wanted = wanted.where(Submission.counts | Submission.state.in_(("failed", "grading")))
    count = 0
    with writing(engine) as session:
        for part in _parts(students):
            some = wanted if part is None else wanted.where(Submission.student.in_(part))
            done: Any = session.execute(some.values(state="received", tries=0))
            count += done.rowcount
        for student in students if students is not None else [""]:
            audit.note(session, clock(), actor, "regrade", assignment=assignment, student=student)
    return count


def regrade_late(
    engine: Engine,
    course: Course,
    assignment: str,
    actor: str,
    *,
    counts: Counts = "best",
    clock: _Clock = time.time,
) -> int:
    """Have attempts graded again that are late by another time now than when they were graded.

    So it is when the deadline was changed, here or in formgrader. What is being graded at the
    moment may be so with the old deadline, so it is graded again as well.

    Args:
        engine: the database.
        course: the course.
        assignment: which.
        actor: who changed the deadline, for the audit.
        counts: the rule for what counts: of attempts that do not count only the ``best`` rule
            needs the new points.
        clock: the time, in UTC seconds since 1970.

    Returns:
        How many attempts they are.

    Raises:
        CourseError: the gradebook has no such assignment.
        GradebookError: it cannot be read.
    """
    deadline = read_facts(course, assignment).deadline
    is_late = Submission.received > deadline if deadline is not None else false()
    graded = (Submission.state == "graded") & ((Submission.late_seconds > 0) | is_late)
    if counts == "last":
        graded &= Submission.counts
    columns = Submission.id, Submission.student, Submission.received, Submission.late_seconds
    query = select(*columns, Submission.state).where(
        Submission.assignment == assignment, graded | (Submission.state == "grading")
    )
    with reading(engine) as session:
        rows: Any = session.connection().execute(query).all()
        own = _extensions(session, assignment)
    if not rows:
        return 0
    totals = read_submissions(course, assignment)
    again = [row for row in rows if row.state == "grading" or _is_late_otherwise(row, totals, own)]
    for start in range(0, len(again), _STUDENTS_AT_ONCE):
        with writing(engine) as session:
            for row in again[start : start + _STUDENTS_AT_ONCE]:
                session.execute(
                    update(Submission)
                    .where(Submission.id == row.id, Submission.state == row.state)
                    .values(state="received", tries=0)
                )
                audit.note(
                    session, clock(), actor, "regrade", assignment=assignment, student=row.student
                )
    return len(again)


def _is_late_otherwise(row: Any, totals: Totals, own: Mapping[str, float]) -> bool:
    """Whether an attempt is late by another time than when it was graded."""
    if row.late_seconds is None:
        return False
    total = totals.students.get(row.student)
    extension = own.get(row.student, (total and total.extension) or 0.0)
    return not _is_close(_late(totals.facts, row.received, extension), row.late_seconds)


# The class


@dataclass(frozen=True)
class Row:
    """A student of the class, as a teacher sees an assignment."""

    student: str
    name: str = ""
    on_roster: bool = False
    """Whether the student is in a course of the LMS that has the assignment."""
    attempts: int = 0
    state: SubmissionState | None = None
    """None where nothing was handed in."""
    submission: int | None = None
    """The attempt that counts; None as well for work that came by another way."""
    received: float | None = None
    """When what counts came."""
    score: float | None = None
    maximum: float = 0.0
    penalty: float = 0.0
    late_seconds: float = 0.0
    extension: float = 0.0
    needs_person: bool = False
    problem: str = ""
    """Why it could not be graded, in the student's language."""
    faults: Sequence[str] = ()
    error: str = ""
    """Why the grading of an attempt failed."""
    released: float | None = None
    released_maximum: float | None = None
    delivery: DeliveryState | None = None
    """Of the scores on their way to the LMS, the worst; None where there are none."""
    delivery_error: str = ""

    @property
    def is_from_folder(self) -> bool:
        """Whether the work was not handed in here, but graded from the course's folder."""
        return self.state is not None and not self.attempts

    @property
    def is_outdated(self) -> bool:
        """Whether what was released is not what the gradebook has now."""
        return (
            self.released is not None
            and self.released_maximum is not None
            and self.score is not None
            and not (
                _is_close(self.released, self.score)
                and _is_close(self.released_maximum, self.maximum)
            )
        )


def class_table(
    engine: Engine, course: Course, assignment: str, students: Collection[str] | None = None
) -> list[Row]:
    """All students of an assignment: those of the LMS's roster, and those whom nbgrader knows.

    Args:
        engine: the database.
        course: the course.
        assignment: which.
        students: only these, of whom those are left out who are in neither; None for all.

    Raises:
        CourseError: the gradebook has no such assignment.
        GradebookError: it cannot be read.
    """
    some = None if students is None else sorted(students)
    totals = read_totals(course, assignment, some, by_hand=False)
    names = read_names(course, assignment, some)
    with reading(engine) as session:
        found = _Found(
            totals=totals,
            attempts=_summaries(session, assignment, some),
            roster=_roster(session, assignment, some),
            released=_released(session, assignment, some),
            deliveries=_delivery_states(session, assignment, some),
            extensions=_extensions(session, assignment, some),
        )
        everybody = {*totals.students, *found.attempts, *found.roster, *found.released}
        for student, name in _names(session, some):
            if student in everybody and name:
                names[student] = name
    rows = [_row(found, student, names.get(student, "")) for student in everybody]
    return sorted(rows, key=lambda row: ((row.name or row.student).casefold(), row.student))


@dataclass(frozen=True)
class _Attempts:
    """What is shown of a student's attempts."""

    count: int
    state: SubmissionState
    counting: Any
    """The attempt that counts, if one does."""
    error: str
    """Why the grading of an attempt failed; of several, the last one's."""


@dataclass
class _Found:
    """What the databases have of an assignment, by student."""

    totals: Totals
    attempts: dict[str, _Attempts]
    roster: set[str]
    released: dict[str, tuple[float, float]]
    deliveries: dict[str, tuple[DeliveryState, str]]
    extensions: dict[str, float]


def _row(found: _Found, student: str, name: str) -> Row:
    attempts = found.attempts.get(student)
    counting = attempts.counting if attempts else None
    total = found.totals.students.get(student)
    extension = found.extensions.get(student, (total and total.extension) or 0.0)
    received = counting.received if counting else None
    if not attempts and total is not None and total.graded:
        received = total.handed_in
    released, released_maximum = found.released.get(student, (None, None))
    delivery, delivery_error = found.deliveries.get(student, (None, ""))
    marked = _marked(counting, None if attempts and counting is None else total)
    return Row(
        student=student,
        name=name,
        on_roster=student in found.roster,
        attempts=attempts.count if attempts else 0,
        state=attempts.state if attempts else ("graded" if marked else None),
        submission=counting.id if counting else None,
        received=received,
        score=marked.score if marked else None,
        maximum=found.totals.facts.maximum,
        penalty=marked.penalty if marked else 0.0,
        late_seconds=_late(found.totals.facts, received, extension),
        extension=extension,
        needs_person=marked is not None and marked.needs_person,
        problem=counting.problem if counting else "",
        faults=_faults(counting.faults) if counting else (),
        error=attempts.error if attempts else "",
        released=released,
        released_maximum=released_maximum,
        delivery=delivery,
        delivery_error=delivery_error,
    )


def _faults(text: str) -> Sequence[str]:
    """A list of faults from its JSON, which is that of an empty one for almost all attempts."""
    return () if text == "[]" else tuple(json.loads(text))


def _marked(counting: Any, total: Total | None) -> Any:
    """What has the points of what counts: the gradebook, or the attempt while it is not there."""
    if counting is not None and not counting.in_gradebook:
        return counting
    return total if total is not None and total.graded else None


def _late(facts: Facts, received: float | None, extension: float) -> float:
    if facts.deadline is None or received is None:
        return 0.0
    return max(0.0, received - facts.deadline - extension)


def _summaries(
    session: Session, assignment: str, students: Sequence[str] | None
) -> dict[str, _Attempts]:
    """What is shown of the attempts, by student: counted there, and only what counts is read."""
    of_these = _these(Submission, assignment, students)
    counting = _read(session, Submission.counts, *of_these)
    failed = _read(session, Submission.error != "", *of_these)
    numbers = [
        func.max(case((Submission.state == state, Submission.number), else_=0))
        for state in (*_WAITING, "failed")
    ]
    rows = session.connection().execute(
        select(Submission.student, func.count(), func.max(Submission.number), *numbers)
        .where(*of_these)
        .group_by(Submission.student)
    )
    found = {}
    for student, count, last, *waiting, last_failed in rows.all():
        state: SubmissionState = "failed" if last_failed == last else "graded"
        state = next(
            (name for name, number in zip(_WAITING, waiting, strict=True) if number), state
        )
        error = failed[student].error if student in failed else ""
        found[student] = _Attempts(count, state, counting.get(student), error)
    return found


def _these(table: Any, assignment: str, students: Sequence[str] | None) -> list[Any]:
    """The conditions for rows of an assignment, of some students or of all."""
    of_these: list[Any] = [table.assignment == assignment]
    return of_these if students is None else [*of_these, table.student.in_(students)]


def _read(session: Session, *conditions: Any) -> dict[str, Any]:
    """What is shown of some attempts, by student; of several, of the last one."""
    columns = (
        *(Submission.student, Submission.id, Submission.received),
        *(Submission.in_gradebook, Submission.score, Submission.penalty),
        *(Submission.needs_person, Submission.problem, Submission.error),
    )
    query = select(*columns, cast(Submission.faults, Text).label("faults"))
    rows = session.connection().execute(query.where(*conditions).order_by(Submission.number))
    return {row.student: row for row in rows.all()}


def _roster(session: Session, assignment: str, students: Sequence[str] | None) -> set[str]:
    """The students of the LMS's courses that have the assignment; of all, if none has it yet."""
    query = (
        select(Identity.student)
        .join(Enrolment, Enrolment.identity_id == Identity.id)
        .where(Enrolment.active, Enrolment.role == "student")
    )
    contexts = set(session.scalars(select(Link.context_id).where(Link.assignment == assignment)))
    if contexts:
        query = query.where(Enrolment.context_id.in_(contexts))
    return set(session.scalars(_only(query, students)))


def _only(query: _Query, students: Sequence[str] | None) -> _Query:
    """A query of identities, for some students or for all."""
    return query if students is None else query.where(Identity.student.in_(students))


def _released(
    session: Session, assignment: str, students: Sequence[str] | None
) -> dict[str, tuple[float, float]]:
    rows = session.execute(
        select(Released.student, Released.score, Released.maximum).where(
            *_these(Released, assignment, students)
        )
    )
    return {student: (score, maximum) for student, score, maximum in rows}


def _delivery_states(
    session: Session, assignment: str, students: Sequence[str] | None
) -> dict[str, tuple[DeliveryState, str]]:
    """How far the scores of each student are; of several, the one that is worst off."""
    items = select(Link.line_item).where(Link.assignment == assignment, Link.line_item != "")
    query = (
        select(Identity.student, Delivery.state, Delivery.error)
        .select_from(Delivery)
        .join(Registration, Registration.id == Delivery.registration)
        .join(
            Identity,
            (Identity.issuer == Registration.issuer)
            & (Identity.deployment == Delivery.deployment)
            & (Identity.sub == Delivery.user),
        )
        .where(Delivery.line_item.in_(items))
    )
    found: dict[str, tuple[DeliveryState, str]] = {}
    for student, state, error in session.connection().execute(_only(query, students)).all():
        before = found.get(student)
        if before is None or _WORST_FIRST.index(state) < _WORST_FIRST.index(before[0]):
            found[student] = (state, error)
    return found


def _extensions(
    session: Session, assignment: str, students: Sequence[str] | None = None
) -> dict[str, float]:
    rows = session.execute(
        select(Extension.student, Extension.seconds).where(*_these(Extension, assignment, students))
    )
    return {student: seconds for student, seconds in rows}


def _names(session: Session, students: Sequence[str] | None) -> Iterable[tuple[str, str]]:
    query = _only(select(Identity.student, Identity.name), students)
    rows: Any = session.connection().execute(query).all()
    return [(student, name) for student, name in rows]
