"""The teacher's pages: all assignments, a class, and a student."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy import Select, case, func, select
from starlette.responses import HTMLResponse, Response

from autograder.bridge.course import CourseError
from autograder.bridge.totals import Facts, read_facts
from autograder.lms.database import reading
from autograder.lms.handins.grades import Row, class_table
from autograder.lms.schema import (
    Audit,
    Context,
    Delivery,
    FeedbackPage,
    Identity,
    Link,
    Registration,
    Released,
    Submission,
    SubmittedFile,
)
from autograder.lms.settings import late_rule
from autograder.web import errors, formats
from autograder.web.access import Scope, State, Teacher, scope_of
from autograder.web.classlist import FILTERS, Shown, Sort, View, table
from autograder.web.errors import WebError
from autograder.web.pages import page
from autograder.web.routes import AssignmentName, pages
from autograder.web.state import AppState

router = APIRouter()

_MOST_AUDIT: Final = 200
_MOST_PAGES: Final = 100_000


@dataclass(frozen=True)
class _Known:
    """An assignment in the list."""

    name: str
    facts: Facts | None
    problem: str
    handed_in: int
    """Students, of those whom the teacher teaches."""
    released: int
    links: Sequence[Link]


@router.get("/teacher", response_class=HTMLResponse, responses=pages())
def assignments(request: Request, state: State, visitor: Teacher) -> Response:
    """All assignments, and what of the platform is connected."""
    scope = scope_of(state, visitor)
    with reading(state.engine) as session:
        links = session.scalars(
            select(Link).where(Link.context_id.in_(scope.contexts)).order_by(Link.id)
        ).all()
        contexts = session.scalars(
            select(Context).where(Context.id.in_(scope.contexts)).order_by(Context.id)
        ).all()
        platforms = _platforms(session, {one.registration_id for one in contexts})
        counts = _counts(session, scope)
    return page(
        request,
        "teacher.html",
        known=[_known(state, name, links, counts) for name in state.course.assignments()],
        unset=[one for one in links if not one.assignment],
        links=links,
        contexts=contexts,
        rosters={one.id: state.rosters.state(one.id) for one in contexts},
        platforms=platforms,
        problem=state.grading.problem if state.grading is not None else "",
        notes=state.notes.take(visitor.session.token_hash),
        csrf=visitor.session.csrf,
    )


def _known(
    state: AppState, name: str, links: Sequence[Link], counts: dict[str, tuple[int, int]]
) -> _Known:
    facts, problem = None, ""
    try:
        facts = read_facts(state.course, name)
    except CourseError as error:
        problem = str(error)
    handed_in, released = counts.get(name, (0, 0))
    mine = [one for one in links if one.assignment == name]
    return _Known(name, facts, problem, handed_in, released, mine)


def _counts(session: Any, scope: Scope) -> dict[str, tuple[int, int]]:
    """How many of a teacher's students handed in, and have a released grade, by assignment."""
    columns = (
        (Submission.assignment, Submission.student),
        (Released.assignment, Released.student),
    )
    handed_in, released = (
        Counter(
            assignment
            for assignment, student in session.execute(select(*pair).distinct())
            if scope.has(student)
        )
        for pair in columns
    )
    return {name: (handed_in[name], released[name]) for name in {*handed_in, *released}}


def _platforms(session: Any, registrations: set[int]) -> list[Any]:
    """The platforms of a teacher's courses, with the scores that are still to be delivered."""
    due = func.sum(case((Delivery.state == "due", 1), else_=0))
    stopped = func.sum(case((Delivery.state == "stopped", 1), else_=0))
    query = (
        select(Registration, due, stopped)
        .outerjoin(Delivery, Delivery.registration == Registration.id)
        .where(Registration.id.in_(registrations))
        .group_by(Registration.id)
        .order_by(Registration.id)
    )
    return list(session.execute(query).all())


def class_of(
    state: AppState, scope: Scope, name: str, students: Collection[str] | None = None
) -> list[Row]:
    """The rows of a teacher's students.

    Args:
        state: the application's.
        scope: whom the teacher teaches.
        name: the assignment.
        students: only these; None for all.

    Raises:
        WebError: there is no such assignment, or the gradebook cannot be read.
    """
    if name not in state.course.assignments():
        raise errors.not_found()
    try:
        asked = None if students is None else [one for one in students if _is_text(one)]
        rows = class_table(state.engine, state.course, name, asked)
    except CourseError as error:
        raise cannot(error) from error
    return [row for row in rows if scope.has(row.student)]


def _is_text(student: str) -> bool:
    """Whether a database can be asked for it; what else comes in an address is nobody's id."""
    return "\0" not in student and student.encode("utf-8", "replace").decode() == student


def cannot(error: Exception) -> WebError:
    """Something that a teacher asked for cannot be had; the error says why and how to mend it."""
    return WebError(409, "That cannot be done now", str(error))


@router.get("/teacher/{name}", response_class=HTMLResponse, responses=pages(409))
def class_page(
    *,
    request: Request,
    state: State,
    visitor: Teacher,
    name: AssignmentName,
    shown: Shown = "all",
    sort: Sort = "name",
    down: bool = False,
    q: Annotated[str, Query(max_length=100)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=_MOST_PAGES)] = 1,
) -> Response:
    """The class, with what each student has handed in and got."""
    scope = scope_of(state, visitor)
    view = View(shown, sort, down, q, number)
    shown_rows = table(class_of(state, scope, name), view)
    try:
        facts = read_facts(state.course, name)
    except CourseError as error:
        raise cannot(error) from error
    with reading(state.engine) as session:
        contexts = session.scalars(
            select(Context).where(Context.id.in_(scope.contexts)).order_by(Context.id)
        ).all()
        linked = session.scalars(
            select(Link.context_id).where(
                Link.context_id.in_(scope.contexts), Link.assignment == name
            )
        ).all()
    policy = state.settings.policy(name)
    return page(
        request,
        "class.html",
        assignment=name,
        view=view,
        table=shown_rows,
        filters=FILTERS,
        facts=facts,
        policy=policy,
        late_rule=late_rule(state.course, policy),
        scope=scope,
        contexts=[one for one in contexts if one.id in linked or len(contexts) == 1],
        rosters={one.id: state.rosters.state(one.id) for one in contexts},
        formgrader=state.settings.formgrader,
        local_deadline=formats.local(facts.deadline, state.zone) if facts.deadline else "",
        now=state.clock(),
        problem=state.grading.problem if state.grading is not None else "",
        notes=state.notes.take(visitor.session.token_hash),
        csrf=visitor.session.csrf,
    )


@router.get("/teacher/{name}/students/{student}", response_class=HTMLResponse, responses=pages(409))
def student_page(
    request: Request, state: State, visitor: Teacher, name: AssignmentName, student: str
) -> Response:
    """All of one student: attempts with their files, where the grade is, and who changed it."""
    rows = class_of(state, scope_of(state, visitor), name, [student])
    if not rows:
        raise errors.not_found()
    with reading(state.engine) as session:
        identity = session.scalar(select(Identity).where(Identity.student == student))
        attempts = session.scalars(
            select(Submission)
            .where(Submission.assignment == name, Submission.student == student)
            .order_by(Submission.number.desc())
        ).all()
        numbers = [one.id for one in attempts]
        files = _by_submission(
            session, SubmittedFile.submission_id, SubmittedFile.notebook, SubmittedFile.name,
            numbers,
        )  # fmt: skip
        feedback = _by_submission(
            session, FeedbackPage.submission_id, FeedbackPage.notebook, FeedbackPage.notebook,
            numbers,
        )  # fmt: skip
        audit = session.scalars(
            select(Audit)
            .where(Audit.assignment == name, Audit.student.in_([student, ""]))
            .order_by(Audit.id.desc())
            .limit(_MOST_AUDIT)
        ).all()
        deliveries = session.scalars(deliveries_of(name, [student])).all()
    return page(
        request,
        "student.html",
        assignment=name,
        row=rows[0],
        identity=identity,
        attempts=attempts,
        files=files,
        feedback=feedback,
        audit=audit,
        deliveries=deliveries,
        now=state.clock(),
        notes=state.notes.take(visitor.session.token_hash),
        csrf=visitor.session.csrf,
    )


def _by_submission(
    session: Any, submission: Any, notebook: Any, name: Any, numbers: Sequence[int]
) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for number, one, called in session.execute(
        select(submission, notebook, name).where(submission.in_(numbers)).order_by(notebook)
    ):
        found.setdefault(number, []).append((one, called))
    return found


def deliveries_of(name: str, students: Sequence[str]) -> Select[Delivery]:
    """The query of some students' scores on their way to the platform, for one assignment."""
    items = select(Link.line_item).where(Link.assignment == name, Link.line_item != "")
    query = (
        select(Delivery)
        .join(Registration, Registration.id == Delivery.registration)
        .join(
            Identity,
            (Identity.issuer == Registration.issuer)
            & (Identity.deployment == Delivery.deployment)
            & (Identity.sub == Delivery.user),
        )
        .where(Identity.student.in_(students), Delivery.line_item.in_(items))
    )
    return query.order_by(Delivery.id)
