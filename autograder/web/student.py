"""The student's pages: an assignment, handing in, what became of it, and the receipt."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.datastructures import FormData, UploadFile
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from autograder.bridge.course import CourseError
from autograder.lms.database import reading
from autograder.lms.handins import handin
from autograder.lms.handins.attempts import ahead_of
from autograder.lms.handins.handin import Attempt, HandedIn, HandInError, Status, Upload
from autograder.lms.schema import FeedbackPage, Submission, SubmissionState
from autograder.messages import in_language
from autograder.messages import translate as _
from autograder.web import errors
from autograder.web.access import Access, AnyVisitor, State, access, require_hand_in, submission
from autograder.web.pages import page, readable, with_way_back
from autograder.web.release import release_of
from autograder.web.routes import (
    AssignmentName,
    Posted,
    RowId,
    fields,
    file_of,
    forms,
    pages,
    see,
)
from autograder.web.security import READ_ONLY_POLICY
from autograder.web.sessions import Visitor, in_frame
from autograder.web.state import AppState

router = APIRouter()

NOTEBOOK_TYPE: Final = "application/x-ipynb+json"
_FINAL: Final = ("graded", "failed")


@router.get("/assignments/{name}", response_class=HTMLResponse, responses=pages())
def assignment_page(
    *,
    request: Request,
    state: State,
    visitor: AnyVisitor,
    name: AssignmentName,
    handed: int = 0,
    again: int = 0,
) -> Response:
    """An assignment, as its student sees it: a teacher in the course's language."""
    found = access(state, visitor, name)
    if found.preview:
        language = str(state.course.settings.language)
        request.scope["autograder.language"] = language
        with in_language(language):
            return _page(request, state, visitor, name, found)
    return _page(request, state, visitor, name, found, handed=handed, again=bool(again))


def _page(
    request: Request,
    state: AppState,
    visitor: Visitor,
    name: str,
    found: Access,
    *,
    handed: int = 0,
    again: bool = False,
    problem: str = "",
) -> Response:
    try:
        status = handin.status(
            state.engine, state.course, state.settings, name, visitor.student, clock=state.clock
        )
    except CourseError:
        raise errors.not_ready() from None
    return page(
        request,
        "assignment.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        assignment=name,
        access=found,
        status=status,
        latest=status.attempts[0] if status.attempts else None,
        told=_told(status.attempts[0], status.ahead) if status.attempts else "",
        handed=next((one for one in status.attempts if one.id == handed), None),
        again=again,
        problem=problem,
        release=release_of(state.course, name),
        hub=state.settings.hub_url(name),
        most_mib=state.settings.notebook_bytes // 1024 // 1024,
        now=state.clock(),
        window=state.windows.code(visitor.session.token_hash, state.clock())
        if in_frame(request)
        else "",
        csrf=visitor.session.csrf,
        is_late=status.deadline is not None and state.clock() > status.deadline,
    )


def _told_waiting(state: SubmissionState, ahead: int) -> str:
    """One sentence on where an attempt is that has not been graded."""
    if state == "grading":
        return _("Being graded now.")
    if ahead == 1:
        return _("Waiting to be graded; one other is before it.")
    if ahead:
        return _("Waiting to be graded; {count} others are before it.", count=ahead)
    return _("Waiting to be graded.")


def _told(attempt: Attempt, ahead: int) -> str:
    """One sentence on what has become of an attempt."""
    if attempt.state not in _FINAL:
        return _told_waiting(attempt.state, ahead)
    if attempt.state == "failed":
        return _(
            "It could not be graded, and that is no fault of yours. Your teacher sees it and will "
            "have it graded again; you need not do anything."
        )
    if attempt.problem:
        return _("It was read, but could not be graded as it is.")
    if not attempt.shown:
        return _("Graded. You will see points and feedback when your teacher releases them.")
    if attempt.needs_person:
        return _("Graded in part: your teacher still has to grade the rest.")
    return _("Graded.")


@router.get("/assignments/{name}/release", responses=file_of(NOTEBOOK_TYPE, "application/zip"))
def download(state: State, visitor: AnyVisitor, name: AssignmentName) -> Response:
    """The released notebook, or all released files."""
    access(state, visitor, name)
    release = release_of(state.course, name)
    if release is None:
        raise errors.not_ready()
    if release.is_single:
        path = release.folder / release.paths[0]
        return FileResponse(path, media_type=NOTEBOOK_TYPE, filename=release.name)
    path = state.archives.path(release)
    return FileResponse(path, media_type="application/zip", filename=release.name)


@router.post(
    "/assignments/{name}/submissions",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(408, 413, 429),
    openapi_extra=fields(files="files"),
)
def submit(
    request: Request, state: State, visitor: AnyVisitor, name: AssignmentName, form: Posted
) -> Response:
    """Hand in."""
    found = access(state, visitor, name)
    require_hand_in(visitor, found)
    state.limiter.hit("hand-in", str(visitor.identity.id))
    begun = state.clock()
    try:
        made = handin.hand_in(
            state.engine,
            state.course,
            state.settings,
            assignment=name,
            identity_student=visitor.student,
            files=_uploads(form),
            clock=state.clock,
        )
    except HandInError as error:
        return _page(request, state, visitor, name, found, problem=str(error))
    state.wake()
    again = "&again=1" if made.received < begun else ""
    return see(f"{state.at('assignments', name)}?handed={made.id}{again}#handed")


def _uploads(form: FormData) -> list[Upload]:
    return [
        Upload(file.filename or "", file.file.read())
        for file in form.getlist("files")
        if isinstance(file, UploadFile)
    ]


@router.get(
    "/assignments/{name}/state",
    response_class=JSONResponse,
    responses={
        200: {
            "description": "The state of the latest attempt.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "number": {"type": "integer"},
                            "state": {"type": "string"},
                            "told": {"type": "string"},
                            "final": {"type": "boolean"},
                        },
                    }
                }
            },
        },
        "default": {"description": "What is wrong.", "content": {"application/json": {}}},
    },
)
def live_state(state: State, visitor: AnyVisitor, name: AssignmentName) -> Any:
    """The state of the latest attempt, for a page that waits for it."""
    access(state, visitor, name)
    mine = Submission.assignment == name, Submission.student == visitor.student
    with reading(state.engine) as session:
        row = session.scalar(
            select(Submission).where(*mine).order_by(Submission.number.desc()).limit(1)
        )
        if row is None:
            return {"number": 0, "state": "none", "told": "", "final": True}
        ahead = ahead_of(session, row.id)
    final = row.state in _FINAL
    told = _("Graded.") if final else _told_waiting(row.state, ahead)
    return {"number": row.number, "state": row.state, "told": told, "final": final}


def _page_of_attempt(state: AppState, visitor: Visitor, row: Submission) -> tuple[Status, Attempt]:
    """An attempt as its student sees it, with all that belongs to it.

    Raises:
        WebError: the gradebook does not have the assignment any more.
    """
    try:
        status = handin.status(
            state.engine, state.course, state.settings, row.assignment, row.student,
            clock=state.clock,
        )  # fmt: skip
    except CourseError:
        raise errors.not_ready() from None
    return status, next(one for one in status.attempts if one.id == row.id)


@router.get("/submissions/{number}", response_class=HTMLResponse, responses=pages())
def attempt_page(request: Request, state: State, visitor: AnyVisitor, number: RowId) -> Response:
    """One attempt."""
    row = submission(state, visitor, number)
    status, attempt = _page_of_attempt(state, visitor, row)
    return page(
        request,
        "attempt.html",
        row=row,
        attempt=attempt,
        status=status,
        told=_told(attempt, status.ahead),
        feedback=_feedback_shown(state, visitor, attempt),
    )


def _feedback_shown(state: AppState, visitor: Visitor, attempt: Attempt) -> list[str]:
    """The notebooks of an attempt whose feedback a visitor may read."""
    if not visitor.is_teacher:
        return list(attempt.feedback)
    query = select(FeedbackPage.notebook).where(FeedbackPage.submission_id == attempt.id)
    with reading(state.engine) as session:
        return list(session.scalars(query.order_by(FeedbackPage.notebook)))


@router.get("/submissions/{number}/receipt", response_class=HTMLResponse, responses=pages())
def receipt_page(request: Request, state: State, visitor: AnyVisitor, number: RowId) -> Response:
    """What proves that an attempt was handed in."""
    row = submission(state, visitor, number)
    receipt = handin.receipt(row, handin.files_of(state.engine, row.id))
    return page(request, "receipt.html", receipt=receipt, row=row)


@router.get(
    "/submissions/{number}/files/{notebook}",
    responses=file_of(NOTEBOOK_TYPE),
)
def submitted_file(state: State, visitor: AnyVisitor, number: RowId, notebook: str) -> Response:
    """A notebook as it was handed in, byte for byte."""
    row = submission(state, visitor, number)
    file = _file_named(handin.files_of(state.engine, row.id), notebook)
    content = handin.submitted_notebook(state.engine, row.id, file.notebook)
    if content is None:
        raise errors.not_found()
    return Response(
        content,
        media_type=NOTEBOOK_TYPE,
        headers={
            "content-disposition": f"attachment; filename*=utf-8''{quote(file.name, safe='')}"
        },
    )


def _file_named(files: list[HandedIn], notebook: str) -> HandedIn:
    for file in files:
        if file.notebook == notebook:
            return file
    raise errors.not_found()


@router.get(
    "/submissions/{number}/feedback/{notebook}", response_class=HTMLResponse, responses=pages()
)
def feedback(
    request: Request, state: State, visitor: AnyVisitor, number: RowId, notebook: str
) -> Response:
    """The feedback on a notebook: nbgrader's page, with a way back above it.

    What is in it was written by others, so browsers are told to run nothing of it.
    """
    row = submission(state, visitor, number)
    _status, attempt = _page_of_attempt(state, visitor, row)
    if notebook not in _feedback_shown(state, visitor, attempt):
        raise errors.not_found()
    html = handin.feedback_page(state.engine, row.id, notebook)
    if html is None:
        raise errors.not_found()
    own = row.student == visitor.student
    back = state.at("assignments", row.assignment) if own else state.at("submissions", row.id)
    told = _("Feedback on attempt {number}", number=attempt.number)
    text = with_way_back(request, readable(html.decode("utf-8", "replace")), back, told)
    return HTMLResponse(text, headers={"content-security-policy": READ_ONLY_POLICY})
