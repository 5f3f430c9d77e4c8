"""What takes long, or leaves as a file: what would change, statistics, and files of grades."""

import re
from collections.abc import Sequence
from html import unescape
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from autograder.bridge.course import CourseError
from autograder.lms.gradefiles import gradescope
from autograder.lms.gradefiles.files import (
    KINDS,
    NEED_TEMPLATE,
    GradeFileError,
    Kind,
    Row,
    content_type,
    file_name,
    grade_file,
    rows_of,
    titles_of,
)
from autograder.web import errors
from autograder.web.access import Scope, State, Teacher, scope_of
from autograder.web.jobs import Job, Key
from autograder.web.jobs import Kind as JobKind
from autograder.web.notes import Note
from autograder.web.pages import page, with_way_back
from autograder.web.routes import (
    AssignmentName,
    Posted,
    fields,
    file_of,
    forms,
    pages,
    see,
)
from autograder.web.security import PAGE_POLICY
from autograder.web.sessions import Visitor
from autograder.web.state import AppState
from autograder.web.teacher import cannot

router = APIRouter()

_LABELS: Final[dict[str, str]] = {
    "canvas": "Canvas",
    "moodle": "Moodle",
    "openedx": "Open edX",
    "blackboard": "Blackboard",
    "sakai": "Sakai",
    "gradescope": "Gradescope",
}
_GRADESCOPE: Final = "gradescope"
_POLICY: Final = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


def _key(state: AppState, visitor: Visitor, kind: JobKind, name: str) -> tuple[Key, Scope]:
    if name not in state.course.assignments():
        raise errors.not_found()
    scope = scope_of(state, visitor)
    return (kind, name, () if scope.whole else scope.contexts), scope


def _students(state: AppState, scope: Scope, name: str) -> Sequence[str] | None:
    """The students whose work is meant; None for all."""
    if scope.whole:
        return None
    return scope.only(state.course.students(name))


def _start(state: AppState, visitor: Visitor, kind: JobKind, name: str) -> None:
    key, scope = _key(state, visitor, kind, name)
    state.limiter.hit("job", str(visitor.identity.id))
    state.work.start(key, _students(state, scope, name))


# What would change


@router.get("/teacher/{name}/changes", response_class=HTMLResponse, responses=pages())
def changes(request: Request, state: State, visitor: Teacher, name: AssignmentName) -> Response:
    """What grading again would change, as far as it is known."""
    return _job_page(request, state, visitor, "changes", name)


@router.post(
    "/teacher/{name}/changes",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(429),
    openapi_extra=fields(),
)
def find_changes(state: State, visitor: Teacher, name: AssignmentName, form: Posted) -> Response:
    """Grade in a copy of the course, to see what would change."""
    _start(state, visitor, "changes", name)
    return see(state.at("teacher", name, "changes"))


# Statistics


@router.get("/teacher/{name}/statistics", response_class=HTMLResponse, responses=pages())
def statistics(request: Request, state: State, visitor: Teacher, name: AssignmentName) -> Response:
    """Statistics of the class, as far as they are made."""
    return _job_page(request, state, visitor, "statistics", name)


@router.post(
    "/teacher/{name}/statistics",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(429),
    openapi_extra=fields(),
)
def make_statistics(state: State, visitor: Teacher, name: AssignmentName, form: Posted) -> Response:
    """Make the statistics anew."""
    _start(state, visitor, "statistics", name)
    return see(state.at("teacher", name, "statistics"))


@router.get("/teacher/{name}/statistics/report", response_class=HTMLResponse, responses=pages())
def report(request: Request, state: State, visitor: Teacher, name: AssignmentName) -> Response:
    """The report itself, which brings its own policy for its one script."""
    job = _find(state, visitor, "statistics", name)
    if job is None or job.result is None:
        raise errors.not_found()
    made = job.result["page"]
    text = with_way_back(request, made, state.at("teacher", name, "statistics"), "Statistics")
    return HTMLResponse(text, headers={"content-security-policy": _policy_in(made)})


def _policy_in(html: str) -> str:
    """The policy that a page of ours states itself, as the header has to allow as much."""
    found = _POLICY.search(html)
    return unescape(found[1]) if found else PAGE_POLICY


def _find(state: AppState, visitor: Visitor, kind: JobKind, name: str) -> Job | None:
    return state.work.find(_key(state, visitor, kind, name)[0])


def _job_page(
    request: Request, state: AppState, visitor: Visitor, kind: JobKind, name: str
) -> Response:
    return page(
        request,
        f"{kind}.html",
        assignment=name,
        kind=kind,
        job=_find(state, visitor, kind, name),
        csrf=visitor.session.csrf,
    )


@router.get(
    "/teacher/{name}/{kind}/state",
    response_class=JSONResponse,
    responses={"default": {"description": "What is wrong.", "content": {"application/json": {}}}},
)
def job_state(state: State, visitor: Teacher, name: AssignmentName, kind: JobKind) -> Any:
    """How such work goes, for a page that waits for it."""
    job = _find(state, visitor, kind, name)
    if job is None:
        return {"state": "none", "done": 0, "total": 0}
    return {"state": job.state, "done": job.done, "total": job.total}


# Files of grades


@router.get("/teacher/{name}/grades", response_class=HTMLResponse, responses=pages(409))
def grade_files(request: Request, state: State, visitor: Teacher, name: AssignmentName) -> Response:
    """Files of grades for learning platforms, with what each would leave out."""
    rows = _rows(state, visitor, name)
    kinds = []
    for kind in KINDS:
        told: list[str] = []
        problem = ""
        if kind not in NEED_TEMPLATE:
            try:
                _file(state, kind, rows, name, told)
            except GradeFileError as error:
                problem = str(error)
        kinds.append((kind, _LABELS[kind], kind in NEED_TEMPLATE, told, problem))
    return page(
        request,
        "grades.html",
        assignment=name,
        kinds=kinds,
        notes=state.notes.take(visitor.session.token_hash),
        csrf=visitor.session.csrf,
    )


def _rows(state: AppState, visitor: Visitor, name: str) -> list[Row]:
    if name not in state.course.assignments():
        raise errors.not_found()
    scope = scope_of(state, visitor)
    try:
        rows = rows_of(state.engine, state.course, [name])
    except CourseError as error:
        raise cannot(error) from error
    return [row for row in rows if scope.has(row.student)]


def _file(
    state: AppState,
    kind: str,
    rows: list[Row],
    name: str,
    told: list[str],
    *,
    template: bytes | None = None,
) -> bytes:
    called = titles_of(state.engine, [name])
    return grade_file(kind, rows, [name], template, called=called, warn=told.append)


@router.get(
    "/teacher/{name}/grades/{kind}",
    responses=file_of("text/csv", "application/zip"),
)
def grades(
    state: State, visitor: Teacher, name: AssignmentName, kind: Kind | Literal["gradescope"]
) -> Response:
    """A file of grades."""
    rows = _rows(state, visitor, name)
    try:
        if kind == _GRADESCOPE:
            made = gradescope.archive(gradescope.results(state.course, name, rows))
            return _attachment(made, f"{name}-gradescope.zip", gradescope.CONTENT_TYPE)
        made = _file(state, kind, rows, name, [])
    except CourseError as error:
        raise cannot(error) from error
    return _attachment(made, file_name(kind, [name]), content_type(kind))


@router.post(
    "/teacher/{name}/grades/{kind}",
    responses=file_of("text/csv") | forms(413),
    openapi_extra=fields(files="template"),
)
def filled_grades(
    state: State, visitor: Teacher, name: AssignmentName, kind: Kind, form: Posted
) -> Response:
    """The platform's own export, with the grades filled in."""
    file = form.get("template")
    template = file.file.read() if isinstance(file, UploadFile) else b""
    here = state.at("teacher", name, "grades")
    told: list[str] = []
    try:
        if not template:
            raise GradeFileError(f"choose the file that {_LABELS[kind]} exported")
        made = _file(state, kind, _rows(state, visitor, name), name, told, template=template)
    except CourseError as error:
        state.notes.add(visitor.session.token_hash, Note(str(error), "bad"))
        return see(here)
    state.notes.add(visitor.session.token_hash, *(Note(one, "warn") for one in told))
    return _attachment(made, file_name(kind, [name]), content_type(kind))


def _attachment(content: bytes, name: str, media: str) -> Response:
    disposition = f"attachment; filename*=utf-8''{quote(name, safe='')}"
    return Response(content, media_type=media, headers={"content-disposition": disposition})
