"""What links of a platform's course open, which a teacher chooses here."""

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from autograder.bridge.course import CourseError
from autograder.bridge.totals import read_facts
from autograder.lms import audit
from autograder.lms.database import reading, writing
from autograder.lms.schema import Link
from autograder.lms.services.line_items import LineItemError, ensure_line_item
from autograder.web import errors
from autograder.web.access import Scope, State, Teacher, scope_of
from autograder.web.notes import Note
from autograder.web.routes import Posted, RowId, fields, forms, see, value
from autograder.web.state import AppState

router = APIRouter()


@router.post(
    "/links/{number}",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(),
    openapi_extra=fields(assignment=None),
)
def choose(state: State, visitor: Teacher, number: RowId, form: Posted) -> Response:
    """Choose what a link opens."""
    scope, name = scope_of(state, visitor), value(form, "assignment")
    notes: list[Note] = []
    with reading(state.engine) as session:
        link = session.get(Link, number)
    if link is None or link.context_id not in scope.contexts:
        raise errors.not_found()
    if name not in state.course.assignments():
        raise errors.bad_form()
    if link.assignment != name:
        _set(state, number, name, visitor.student)
        notes.append(Note(f"The link “{link.title or link.resource_link}” opens {name} now."))
    notes += missing_line_items(state, scope, name)
    state.notes.add(visitor.session.token_hash, *notes)
    return see(state.at("teacher", name))


def _set(state: AppState, number: int, name: str, actor: str) -> None:
    with writing(state.engine) as session:
        link = session.get_one(Link, number)
        before, link.assignment = link.assignment, name
        if link.maximum is not None:  # a column that was made for the other assignment
            link.line_item, link.maximum = "", None
        audit.note(
            session, state.clock(), actor, "link", assignment=name,
            before=before, after=f"{link.id}: {name}",
        )  # fmt: skip


def _no_line_item(error: Exception) -> Note:
    return Note(f"Scores cannot be sent to the platform yet: {error}", "warn")


def missing_line_items(state: AppState, scope: Scope, name: str) -> list[Note]:
    """See to it that the links of an assignment have line items; what to say where one has none."""
    with reading(state.engine) as session:
        links = session.scalars(
            select(Link.id).where(Link.assignment == name, Link.context_id.in_(scope.contexts))
        ).all()
    try:
        points = read_facts(state.course, name).maximum
    except CourseError as error:
        return [_no_line_item(error)]
    notes = []
    for number in links:
        try:
            ensure_line_item(state.engine, state.services, number, points)
        except LineItemError as error:  # another platform's may still be had
            notes.append(_no_line_item(error))
    return notes
