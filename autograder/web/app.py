"""The application: its routes, and what stands around them."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from autograder import __version__
from autograder.web import actions, errors, front, links, lti, student, teacher, work
from autograder.web.errors import WebError
from autograder.web.pages import STATIC, error_response
from autograder.web.security import Body, Boundary, SecurityHeaders, Visitors
from autograder.web.state import AppState

_KEPT_SECONDS: Final = 7 * 24 * 3600


class _Static(StaticFiles):
    """Files whose address changes when they do, so browsers may keep them."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["cache-control"] = f"public, max-age={_KEPT_SECONDS}"
        return response


def create_app(state: AppState) -> FastAPI:
    """The application that serves one course.

    Raises:
        CourseError: the course's time zone is none.
    """
    assert state.zone  # one error now, rather than one on every page
    app = FastAPI(
        title="autograder",
        description="Hand in nbgrader assignments from a learning platform, by LTI 1.3.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        root_path=state.prefix,
        middleware=[
            Middleware(SecurityHeaders, state),
            Middleware(Boundary),
            Middleware(Body, state),
            Middleware(Visitors, state),
        ],
    )
    app.state.autograder = state
    for part in (front, lti, student, teacher, links, actions, work):
        app.include_router(part.router)
    app.mount("/static", _Static(directory=STATIC), name="static")
    app.add_exception_handler(WebError, _on_web_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    return app


def _on_web_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WebError)
    return error_response(request, error)


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(request, errors.of_status(error.status_code, error.headers))


def _on_invalid(request: Request, error: Exception) -> Response:
    """An address with something in it that cannot be is one that leads nowhere."""
    assert isinstance(error, RequestValidationError)
    in_path = any(one["loc"][0] == "path" for one in error.errors())
    return error_response(request, errors.not_found() if in_path else errors.bad_form())
