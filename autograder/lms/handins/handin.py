"""A student hands in, and sees what became of it.

What was uploaded is stored, byte for byte and with its place in line, before anything is answered.
"""

import hashlib
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, CourseError, GradebookError
from autograder.bridge.notebooks import UnreadableNotebook, parse_submission
from autograder.bridge.restore import grade_id_of
from autograder.bridge.totals import Facts, Totals, read_grade_ids, read_totals
from autograder.classwork.layouts import meant_notebook
from autograder.lms.database import reading, writing
from autograder.lms.handins.attempts import ahead_of
from autograder.lms.schema import (
    ID_LENGTH,
    Extension,
    FeedbackPage,
    Released,
    Submission,
    SubmissionState,
    SubmittedFile,
)
from autograder.lms.settings import LateRule, Policy, Serve, late_rule
from autograder.messages import translate as _

_SUFFIX: Final = ".ipynb"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_MIB: Final = 1024 * 1024
_known: dict[tuple[str, str], "_Assignment"] = {}
"""What the gradebook last had of assignments, for the moments in which it cannot be read."""


class HandInError(Exception):
    """What was uploaded is not taken; the message is for the student."""

    def __init__(self, told: str, again: float | None = None) -> None:
        """Say why.

        Args:
            told: why, for the student.
            again: when it would be taken, in UTC seconds since 1970, if that is a matter of time.
        """
        super().__init__(told)
        self.again = again


@dataclass(frozen=True)
class Upload:
    """A file as a browser sends it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class _Read:
    """An uploaded notebook."""

    name: str
    data: bytes
    grade_ids: frozenset[str]
    """Those that its cells claim to have."""

    @property
    def stem(self) -> str:
        return self.name[: -len(_SUFFIX)] if self.name.lower().endswith(_SUFFIX) else self.name


@dataclass(frozen=True)
class _Assignment:
    """What handing in depends on."""

    facts: Facts
    grade_ids: Mapping[tuple[str, str], set[str]]
    """By assignment and notebook, of all assignments."""


# Handing in


def hand_in(
    engine: Engine,
    course: Course,
    settings: Serve,
    *,
    assignment: str,
    identity_student: str,
    files: Sequence[Upload],
    clock: Callable[[], float] = time.time,
) -> Submission:
    """Store what a student hands in; then it is certain to be graded.

    The same bytes again, as when a button was pressed twice, are the same attempt.

    Args:
        engine: the database.
        course: the course.
        settings: the rules.
        assignment: nbgrader's name of it.
        identity_student: nbgrader's id of the student.
        files: what was uploaded.
        clock: the time, in UTC seconds since 1970.

    Raises:
        HandInError: it is not taken.
    """
    found, deadline = _look_up(engine, course, assignment, identity_student)
    notebooks = _matched(_read(files, settings), assignment, found)
    rows = {name: _row(name, one) for name, one in notebooks.items()}
    with writing(engine) as session:
        before = _attempts(session, assignment, identity_student)
        if before and _is_same(session, before[-1], rows):
            return before[-1]
        received = clock()
        _require_allowed(settings.policy(assignment), before, received, deadline)
        made = Submission(
            assignment=assignment,
            student=identity_student,
            number=before[-1].number + 1 if before else 1,
            received=received,
            state="received",
            faults=[],
        )
        session.add(made)
        session.flush()
        for row in rows.values():
            row.submission_id = made.id
            session.add(row)
    return made


def _look_up(
    engine: Engine, course: Course, assignment: str, student: str
) -> tuple[_Assignment, float | None]:
    """What the gradebook has of the assignment, and the student's deadline.

    A gradebook that is locked must not keep anybody from handing in: what it had before is good
    enough, and to know its notebooks' names is.
    """
    key = (course.directory.db_url, assignment)
    extension = None
    try:
        totals = read_totals(course, assignment, [student])
        extension = _extension_of(totals, student)
        _known[key] = _Assignment(totals.facts, read_grade_ids(course, assignment))
    except GradebookError:
        nothing_known = _Assignment(
            Facts(0.0, None, course.notebooks(assignment)),
            {(assignment, name): set() for name in course.notebooks(assignment)},
        )
        _known.setdefault(key, nothing_known)
    except CourseError as error:
        raise HandInError(_("This assignment cannot be handed in yet.")) from error
    with reading(engine) as session:
        own = _own_extension(session, assignment, student)
    return _known[key], _deadline(_known[key].facts, extension if own is None else own)


def _extension_of(totals: Totals, student: str) -> float | None:
    """What nbgrader's gradebook has for a student whom we have given nothing."""
    return totals.students[student].extension if student in totals.students else None


def _own_extension(session: Session, assignment: str, student: str) -> float | None:
    return session.scalar(
        select(Extension.seconds).where(
            Extension.assignment == assignment, Extension.student == student
        )
    )


def _deadline(facts: Facts, extension: float | None) -> float | None:
    return None if facts.deadline is None else facts.deadline + (extension or 0.0)


def _read(files: Sequence[Upload], settings: Serve) -> list[_Read]:
    """The uploaded notebooks, each as far as its cells can be told from others'."""
    files = [file for file in files if file.name or file.data]
    if not files:
        raise HandInError(_("No file was chosen."))
    size = sum(len(file.data) for file in files)
    largest = max(len(file.data) for file in files)
    if size > settings.upload_mib * _MIB or largest > settings.notebook_bytes:
        raise HandInError(too_large(size, settings))
    return [_read_one(_plain_name(file.name), file.data) for file in files]


def too_large(size: int, settings: Serve) -> str:
    """What a student reads whose files have more bytes than are taken."""
    return _(
        "The file has {size} MB, more than the {limit} MB allowed. Clear the outputs and hand it "
        "in again.",
        size=round(size / _MIB),
        limit=settings.notebook_bytes // _MIB,
    )


def _read_one(name: str, data: bytes) -> _Read:
    if data.startswith(_ZIP) or name.lower().endswith(".zip"):
        raise HandInError(
            _("{name} is a zip archive: unpack it and hand in the notebook itself.", name=name)
        )
    try:
        notebook = parse_submission(data)
    except UnreadableNotebook as error:
        raise HandInError(f"{name}: {error}") from error
    claimed = {grade_id_of(cell) for cell in notebook.cells}
    return _Read(name, data, frozenset(one for one in claimed if one is not None))


def _plain_name(name: str) -> str:
    """The last part of a file's name, with nothing in it that a page or a list would obey."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(char for char in last if char.isprintable()).strip()
    return plain[-ID_LENGTH:] or f"notebook{_SUFFIX}"


# Which notebook is which


def _matched(files: list[_Read], assignment: str, found: _Assignment) -> dict[str, _Read]:
    """The uploaded files by the names of the assignment's notebooks."""
    matched: dict[str, _Read] = {}
    for file in files:
        name = _notebook_of(file, assignment, found)
        if name in matched:
            raise HandInError(
                _(
                    "{first} and {second} are both {notebook}: hand in only one of them.",
                    first=matched[name].name,
                    second=file.name,
                    notebook=f"{name}{_SUFFIX}",
                )
            )
        matched[name] = file
    return matched


def _notebook_of(file: _Read, assignment: str, found: _Assignment) -> str:
    """The assignment's notebook that a file is: by its cells, else by its name."""
    shared = {
        place: len(file.grade_ids & grade_ids) for place, grade_ids in found.grade_ids.items()
    }
    ours = {name: count for (owner, name), count in shared.items() if owner == assignment}
    most = max(ours.values(), default=0)
    owner, others = max(
        ((owner, count) for (owner, _), count in shared.items() if owner != assignment),
        key=lambda one: one[1],
        default=("", 0),
    )
    if others > most:
        raise HandInError(
            _(
                "{name} is a notebook of the assignment {other}, and not of this one.",
                name=file.name,
                other=owner,
            )
        )
    likely = [name for name, count in ours.items() if count == most]
    named = meant_notebook(file.stem, list(ours))
    if named in likely and not (most == 0 and file.grade_ids and _has_grade_ids(found)):
        return named
    if most and len(likely) == 1:
        return likely[0]
    raise HandInError(_not_ours(file, sorted(ours)))


def _has_grade_ids(found: _Assignment) -> bool:
    return any(found.grade_ids.values())


def _not_ours(file: _Read, names: list[str]) -> str:
    return _(
        "It cannot be told that {name} is a notebook of this assignment. Hand in the one that you "
        "downloaded here; if this is it, call it {expected}.",
        name=file.name,
        expected=_(" or ").join(f"{name}{_SUFFIX}" for name in names),
    )


def _row(notebook: str, file: _Read) -> SubmittedFile:
    return SubmittedFile(
        notebook=notebook,
        name=file.name,
        sha256=hashlib.sha256(file.data).hexdigest(),
        size=len(file.data),
        content=zlib.compress(file.data),
    )


# Whether it may be handed in now


def _attempts(session: Session, assignment: str, student: str) -> Sequence[Submission]:
    """A student's attempts, the first one first."""
    return session.scalars(
        select(Submission)
        .where(Submission.assignment == assignment, Submission.student == student)
        .order_by(Submission.number)
    ).all()


def _is_same(session: Session, attempt: Submission, rows: Mapping[str, SubmittedFile]) -> bool:
    """Whether an attempt has the very same files."""
    known = session.execute(
        select(SubmittedFile.notebook, SubmittedFile.sha256).where(
            SubmittedFile.submission_id == attempt.id
        )
    )
    return {tuple(one) for one in known} == {(name, row.sha256) for name, row in rows.items()}


def _require_allowed(
    policy: Policy, before: Sequence[Submission], now: float, deadline: float | None
) -> None:
    if _is_closed(policy, now, deadline):
        raise HandInError(_("The deadline has passed: nothing can be handed in any more."))
    if policy.attempts and len(before) >= policy.attempts:
        raise HandInError(
            _("All {count} attempts have been used.", count=policy.attempts)
            if policy.attempts > 1
            else _("The only attempt has been used.")
        )
    again = _next_time(policy, before, now)
    if again is not None:
        raise HandInError(
            _(
                "The next attempt can be handed in in {minutes} minutes.",
                minutes=max(1, round((again - now) / 60)),
            ),
            again,
        )


def _is_closed(policy: Policy, now: float, deadline: float | None) -> bool:
    return policy.late == "refuse" and deadline is not None and now > deadline


def _next_time(policy: Policy, before: Sequence[Submission], now: float) -> float | None:
    """When the next attempt may come, if it may not come now."""
    if not before or not policy.cooldown_seconds:
        return None
    again = before[-1].received + policy.cooldown_seconds
    return again if again > now else None


# The receipt


@dataclass(frozen=True)
class HandedIn:
    """A file of an attempt."""

    notebook: str
    """The assignment's notebook that it is, without suffix."""
    name: str
    """What the student called it."""
    size: int
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """What a student can show later: these bytes came at that time."""

    assignment: str
    student: str
    number: int
    received: float
    files: Sequence[HandedIn]

    def text(self) -> str:
        """The receipt as plain text, in the current language."""
        when = datetime.fromtimestamp(self.received, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lines = [
            _("Receipt of a submission"),
            "",
            _("Assignment: {name}", name=self.assignment),
            _("Student: {name}", name=self.student),
            _("Attempt: {number}", number=self.number),
            _("Received: {when}", when=when),
        ]
        for file in self.files:
            lines += [
                "",
                _("File: {name}, {size} bytes", name=file.name, size=file.size),
                f"SHA-256: {file.sha256}",
            ]
        return "\n".join(lines) + "\n"


def receipt(submission: Submission, files: Sequence[SubmittedFile | HandedIn]) -> Receipt:
    """The receipt of an attempt, with a hash of each file."""
    listed = [HandedIn(one.notebook, one.name, one.size, one.sha256) for one in files]
    return Receipt(
        submission.assignment,
        submission.student,
        submission.number,
        submission.received,
        tuple(sorted(listed, key=lambda one: one.notebook)),
    )


def files_of(engine: Engine, submission: int) -> list[HandedIn]:
    """The files of an attempt, without their contents."""
    with reading(engine) as session:
        return _files(session, [submission]).get(submission, [])


def submitted_notebook(engine: Engine, submission: int, notebook: str) -> bytes | None:
    """A notebook as it was handed in, byte for byte; None if the attempt has none of that name."""
    with reading(engine) as session:
        content = session.scalar(
            select(SubmittedFile.content).where(
                SubmittedFile.submission_id == submission, SubmittedFile.notebook == notebook
            )
        )
    return None if content is None else zlib.decompress(content)


def feedback_page(engine: Engine, submission: int, notebook: str) -> bytes | None:
    """The feedback on a notebook, as HTML; None where there is none (yet).

    Whether a student may see it is ``Attempt.shown``'s matter.
    """
    with reading(engine) as session:
        html = session.scalar(
            select(FeedbackPage.html).where(
                FeedbackPage.submission_id == submission, FeedbackPage.notebook == notebook
            )
        )
    return None if html is None else zlib.decompress(html)


def _files(session: Session, submissions: Sequence[int]) -> dict[int, list[HandedIn]]:
    columns = (SubmittedFile.notebook, SubmittedFile.name, SubmittedFile.size, SubmittedFile.sha256)
    rows: Any = session.execute(
        select(SubmittedFile.submission_id, *columns)
        .where(SubmittedFile.submission_id.in_(submissions))
        .order_by(SubmittedFile.notebook)
    )
    found: dict[int, list[HandedIn]] = {}
    for submission, *facts in rows:
        found.setdefault(submission, []).append(HandedIn(*facts))
    return found


# What a student sees


@dataclass(frozen=True)
class Attempt:
    """An attempt as its student sees it."""

    id: int
    number: int
    received: float
    late_seconds: float
    """After the deadline, an extension included; 0: in time."""
    state: SubmissionState
    counts: bool
    """Whether it is the one that counts."""
    shown: bool
    """Whether points and feedback may be seen now."""
    score: float | None
    """None where there is none, or it is not shown yet."""
    maximum: float | None
    penalty: float
    """Points that were taken for being late; the score is without them."""
    needs_person: bool
    """Whether a person has still to give points."""
    problem: str
    """Why it could not be graded; shown in any case, since the student can mend it."""
    files: Sequence[HandedIn]
    feedback: Sequence[str]
    """The notebooks whose feedback can be read now."""


@dataclass(frozen=True)
class ReleasedGrade:
    """The grade that a teacher has released."""

    score: float
    maximum: float
    released: float
    number: int | None
    """The attempt that it is for; None for work that came by another way."""


@dataclass(frozen=True)
class Status:
    """An assignment as its student sees it."""

    assignment: str
    student: str
    points: float | None
    """The most that can be had; None where the gradebook cannot be read."""
    deadline: float | None
    """An extension included; UTC seconds since 1970."""
    extension: float
    """Seconds of it that this student has got."""
    late_rule: LateRule
    attempts_allowed: int
    """0: any number."""
    attempts_left: int | None
    """None: any number."""
    next_time: float | None
    """When the next attempt may come, if not now."""
    blocked: Literal["", "closed", "used up", "cooldown"]
    """Why nothing can be handed in now; empty when it can."""
    counts: Literal["last", "best"]
    feedback: Literal["now", "released"]
    ahead: int
    """Attempts of others that are graded before this student's waiting one."""
    attempts: Sequence[Attempt] = field(default_factory=tuple)
    """The latest one first."""
    released: ReleasedGrade | None = None


def status(
    engine: Engine,
    course: Course,
    settings: Serve,
    assignment: str,
    student: str,
    *,
    clock: Callable[[], float] = time.time,
) -> Status:
    """All that a student's page shows.

    Raises:
        CourseError: the gradebook does not have the assignment.
    """
    policy, now = settings.policy(assignment), clock()
    try:
        totals: Totals | None = read_totals(course, assignment, [student])
    except GradebookError:
        totals = None  # what was handed in can be shown all the same
    with reading(engine) as session:
        rows = _attempts(session, assignment, student)
        own = _own_extension(session, assignment, student)
        pages = _pages(session, rows)
        files = _files(session, [row.id for row in rows])
        released = _released(session, assignment, student)
        waiting = [row.id for row in rows if row.state == "received"]
        ahead = ahead_of(session, waiting[0]) if waiting else 0
    extension = _extension_of(totals, student) if totals and own is None else own
    deadline = _deadline(totals.facts, extension) if totals else None
    attempts = [
        _attempt(
            row,
            shown=_is_shown(row, policy, released),
            late_seconds=0.0 if deadline is None else max(0.0, row.received - deadline),
            files=files.get(row.id, []),
            pages=pages.get(row.id, []),
        )
        for row in reversed(rows)
    ]
    again = _next_time(policy, rows, now)
    return Status(
        assignment=assignment,
        student=student,
        points=totals.facts.maximum if totals else None,
        deadline=deadline,
        extension=extension or 0.0,
        late_rule=late_rule(course, policy),
        attempts_allowed=policy.attempts,
        attempts_left=max(0, policy.attempts - len(rows)) if policy.attempts else None,
        next_time=again,
        blocked=_blocked(policy, rows, now, deadline),
        counts=policy.counts,
        feedback=policy.feedback,
        ahead=ahead,
        attempts=tuple(attempts),
        released=released,
    )


def _blocked(
    policy: Policy, rows: Sequence[Submission], now: float, deadline: float | None
) -> Literal["", "closed", "used up", "cooldown"]:
    if _is_closed(policy, now, deadline):
        return "closed"
    if policy.attempts and len(rows) >= policy.attempts:
        return "used up"
    return "cooldown" if _next_time(policy, rows, now) is not None else ""


def _attempt(
    row: Submission,
    *,
    shown: bool,
    late_seconds: float,
    files: Sequence[HandedIn],
    pages: Sequence[str],
) -> Attempt:
    return Attempt(
        id=row.id,
        number=row.number,
        received=row.received,
        late_seconds=late_seconds,
        state=row.state,
        counts=row.counts,
        shown=shown,
        score=row.score if shown else None,
        maximum=row.maximum,
        penalty=row.penalty if shown else 0.0,
        needs_person=row.needs_person,
        problem=row.problem,
        files=tuple(files),
        feedback=tuple(pages) if shown else (),
    )


def _is_shown(row: Submission, policy: Policy, released: ReleasedGrade | None) -> bool:
    """Whether the student may see points and feedback: once released, also of what came before."""
    if policy.feedback == "now":
        return True
    return released is not None and released.number is not None and row.number <= released.number


def _pages(session: Session, rows: Sequence[Submission]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for submission, notebook in session.execute(
        select(FeedbackPage.submission_id, FeedbackPage.notebook)
        .where(FeedbackPage.submission_id.in_([row.id for row in rows]))
        .order_by(FeedbackPage.notebook)
    ):
        found.setdefault(submission, []).append(notebook)
    return found


def _released(session: Session, assignment: str, student: str) -> ReleasedGrade | None:
    row: Any = session.execute(
        select(Released.score, Released.maximum, Released.released, Submission.number)
        .outerjoin(Submission, Submission.id == Released.submission_id)
        .where(Released.assignment == assignment, Released.student == student)
    ).one_or_none()
    return None if row is None else ReleasedGrade(*row)
