"""The first page, the state of the server, and a page in a frame opened in a window of its own."""

import re
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from autograder.lms.addresses import origin_of
from autograder.lms.database import reading
from autograder.messages import translate as _
from autograder.web import errors, sessions
from autograder.web.access import AnyVisitor, State
from autograder.web.errors import WebError
from autograder.web.pages import page
from autograder.web.routes import Posted, fields, forms, pages, see, value
from autograder.web.security import address_of
from autograder.web.sessions import Visitor, visitor_of
from autograder.web.state import AppState

router = APIRouter()

_OWN_PATH: Final = re.compile(r"(/[A-Za-z0-9._~%-]+)+")
"""A path of ours, and nothing that a browser takes for another host."""


@router.get(
    "/",
    response_class=HTMLResponse,
    responses={303: {"description": "The user's page.", "content": {}}},
)
def first_page(request: Request, state: State) -> Response:
    """Lead a user to where they came for, and tell anybody else how to come in."""
    visitor = visitor_of(request)
    if visitor is not None:
        return see(landing(state, visitor))
    return page(request, "front.html", out="out" in request.query_params)


def landing(state: AppState, visitor: Visitor) -> str:
    """Where a user goes first."""
    assignment = visitor.link.assignment if visitor.link is not None else ""
    if visitor.role == "teacher":
        if visitor.session.deep_link is not None:
            return state.at("lti", "deep-link")
        return state.at("teacher", assignment) if assignment else state.at("teacher")
    return state.at("assignments", assignment) if assignment else state.at("not-set-up")


@router.get("/health", response_class=JSONResponse)
def health(state: State) -> Any:
    """Whether the server can do its work; for monitoring."""
    facts = {"status": "ok", "grading": "off" if state.grading is None else "ok"}
    if state.grading is not None and state.grading.problem:
        facts |= {"status": "degraded", "grading": "waits"}
    try:
        with reading(state.engine) as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return JSONResponse(facts | {"status": "down", "database": "unreachable"}, 503)
    return JSONResponse(facts | {"database": "ok"})


@router.get(
    "/window/{code}",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(429, asks=True),
)
def new_window(request: Request, state: State, code: str, to: str = "") -> Response:
    """Go on in a window of its own, in which the frame's cookie is not there.

    Args:
        request: the request.
        state: the application's.
        code: of the page in the frame.
        to: the page to go to; the user's first one by default.
    """
    state.limiter.hit("window", address_of(request))
    if not _is_from_own_page(request, state):
        # somebody else's link would have this browser go on as somebody else
        raise errors.window_of_others()
    here, owner = visitor_of(request), _owner(state, code)
    if here is not None and owner is not None and owner.identity.id != here.identity.id:
        return page(
            request, "window.html", here=here, owner=owner, code=code, to=to,
            csrf=here.session.csrf,
        )  # fmt: skip
    return _go_on(state, here, code, to)


@router.post(
    "/window/{code}",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(429),
    openapi_extra=fields(to=None),
)
def other_person(
    request: Request, state: State, visitor: AnyVisitor, code: str, form: Posted
) -> Response:
    """Go on as another person in this browser, whose user was asked."""
    state.limiter.hit("window", address_of(request))
    return _go_on(state, visitor, code, value(form, "to"))


def _is_from_own_page(request: Request, state: AppState) -> bool:
    """Whether a link on a page of ours was followed; old browsers tell the page alone."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return origin_of(request.headers.get("referer", "")) == origin_of(state.base_url)


def _owner(state: AppState, code: str, *, use: bool = False) -> Visitor | None:
    """Whose session a code goes on with."""
    hashed = state.windows.find(code, state.clock(), use=use)
    return None if hashed is None else sessions.visitor_with(state, hashed)


def _go_on(state: AppState, here: Visitor | None, code: str, to: str) -> Response:
    """Go on with the session of a code, which is used with that, or with the browser's own."""
    owner = _owner(state, code, use=True)
    chosen = owner or here
    if chosen is None:
        raise WebError(
            401,
            _("This link was used already"),
            _("It opens a new window once, and for an hour."),
            _("Load the page in your course again, and use its link."),
        )
    response = see(to if _OWN_PATH.fullmatch(to) else landing(state, chosen))
    if owner is not None:
        sessions.begin_same(state, response, owner)
    return response


@router.post(
    "/log-out",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(),
    openapi_extra=fields(),
)
def log_out(state: State, visitor: AnyVisitor, form: Posted) -> Response:
    """End the session."""
    response = see(f"{state.at()}/?out")
    sessions.end(state, response, visitor)
    return response


@router.get("/not-set-up", response_class=HTMLResponse, responses=pages())
def not_set_up(request: Request) -> Response:
    """Tell a student that a link leads nowhere yet."""
    if visitor_of(request) is None:
        raise errors.no_session()
    raise errors.not_set_up()
