"""The first page, the state of the server, and a page in a frame opened in a window of its own."""

import re
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from autograder.lms.database import reading
from autograder.messages import translate as _
from autograder.web import errors, sessions
from autograder.web.access import State
from autograder.web.errors import WebError
from autograder.web.pages import page
from autograder.web.routes import pages, see
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
    return page(request, "front.html", demo=state.demo)


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
    except DBAPIError:
        return JSONResponse(facts | {"status": "down", "database": "unreachable"}, 503)
    return JSONResponse(facts | {"database": "ok"})


@router.get(
    "/window/{code}",
    response_class=RedirectResponse,
    status_code=303,
    responses=pages(429),
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
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        # somebody else's link would have this browser go on as somebody else
        raise errors.window_of_others()
    hashed = state.windows.redeem(code, state.clock())
    visitor = None if hashed is None else sessions.visitor_with(state, hashed)
    here = visitor_of(request)
    if visitor is None and here is None:
        raise WebError(
            401,
            _("This link was used already"),
            _("It opens a new window once, and for an hour."),
            _("Load the page in your course again, and use its link."),
        )
    chosen = visitor or here
    assert chosen is not None
    response = see(to if _OWN_PATH.fullmatch(to) else landing(state, chosen))
    if visitor is not None:
        sessions.begin_same(state, response, visitor)
    return response


@router.get("/not-set-up", response_class=HTMLResponse, responses=pages())
def not_set_up(request: Request) -> Response:
    """Tell a student that a link leads nowhere yet."""
    if visitor_of(request) is None:
        raise errors.no_session()
    raise errors.not_set_up()
