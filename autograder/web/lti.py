"""LTI's endpoints: login, launch, keys, registration, and the answer to deep linking.

IMS: Security Framework 1.0 (section 5, third-party login), LTI Core 1.3, Deep Linking 2.0, Dynamic
Registration 1.0.
"""

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from autograder.bridge.course import CourseError
from autograder.bridge.totals import Facts, read_facts
from autograder.lms.addresses import is_safe, origin_of
from autograder.lms.lti import launch as launches
from autograder.lms.lti.deep_links import DeepLinkError, DeepLinkItem, deep_link_response
from autograder.lms.lti.dynamic import register_dynamically
from autograder.lms.lti.identities import others_in
from autograder.lms.lti.launch import Launch, LaunchError
from autograder.lms.lti.registrations import RegistrationError
from autograder.lms.lti.tool import canvas_configuration
from autograder.lms.schema import Context
from autograder.messages import translate as _
from autograder.web import errors, sessions
from autograder.web.access import State, Teacher
from autograder.web.errors import WebError
from autograder.web.front import landing
from autograder.web.pages import page, policy
from autograder.web.routes import MANY, Answers, Posted, fields, pages, see, value, values
from autograder.web.security import address_of
from autograder.web.sessions import Visitor
from autograder.web.state import AppState

router = APIRouter()
log: Final = logging.getLogger(__name__)

_LONGEST: Final = 64 * 1024
"""Of a parameter; hints and tokens of some platforms are long."""
_MOST_FIELDS: Final = 40
_JWKS_SECONDS: Final = 300
_ROSTER_SECONDS: Final = 3600.0
_LOGIN: Final = fields(
    with_token=False, iss=None, login_hint=None, target_link_uri=None, lti_message_hint=None,
    client_id=None, lti_deployment_id=None,
)  # fmt: skip
_LAUNCH: Final = fields(with_token=False, state=None, id_token=None)


def _redirect(status: int, told: str) -> Answers:
    return {status: {"description": told, "content": {}}} | pages(400, 429, 503)


async def _form(request: Request) -> AsyncIterator[dict[str, str]]:
    """What a platform sends as a form, without a token of ours."""
    async with request.form(max_files=0, max_fields=_MOST_FIELDS, max_part_size=_LONGEST) as form:
        yield _clean({name: value for name, value in form.items() if isinstance(value, str)})


def _clean(params: Mapping[str, str]) -> dict[str, str]:
    """Parameters as a platform sends them.

    Raises:
        WebError: there is one that no platform sends, and no database takes.
    """
    for name, given in params.items():
        if len(name) + len(given) > _LONGEST or not (name + given).isprintable():
            raise errors.bad_form(400)
    return dict(params)


Form = Annotated[dict[str, str], Depends(_form)]


# Login and launch


@router.get(
    "/lti/login",
    response_class=RedirectResponse,
    status_code=302,
    responses=_redirect(302, "To the platform."),
)
def login_by_address(request: Request, state: State) -> Response:
    """Begin a login, as the platform asks for by an address."""
    return _begin(request, state, _clean(request.query_params))


@router.post(
    "/lti/login",
    response_class=RedirectResponse,
    status_code=302,
    responses=_redirect(302, "To the platform."),
    openapi_extra=_LOGIN,
)
def login_by_form(request: Request, state: State, form: Form) -> Response:
    """Begin a login, as the platform asks for by a form."""
    return _begin(request, state, form)


def _begin(request: Request, state: AppState, params: dict[str, str]) -> Response:
    state.limiter.hit("login", address_of(request))
    try:
        begun = launches.begin_login(
            state.engine, state.keys, params, state.base_url, clock=state.clock
        )
    except LaunchError as error:
        raise _told(error) from error
    response = RedirectResponse(begun.redirect_url, 302)
    name, seconds = _cookie(state, begun.state), begun.expires - state.clock()
    sessions.set_cookie(state, response, name, begun.state, seconds)
    return response


def _cookie(state: AppState, login: str) -> str:
    """The name of the cookie of one login: there may be several at once in a browser."""
    name = f"lti-{hashlib.sha256(login.encode()).hexdigest()[:16]}"
    return f"__Host-{name}" if state.secure else name


@router.post(
    "/lti/launch",
    response_class=RedirectResponse,
    status_code=303,
    responses=_redirect(303, "To what was opened."),
    openapi_extra=_LAUNCH,
)
def launch(request: Request, state: State, form: Form) -> Response:
    """Let a user in whom a platform sends."""
    state.limiter.hit("login", address_of(request))
    cookie = _cookie(state, form.get("state", ""))
    try:
        done = launches.finish(
            state.engine,
            state.keys,
            form,
            request.cookies.get(cookie),
            state.base_url,
            clock=state.clock,
            assignments=state.course.assignments(),
            others=lambda students: others_in(state.course, students),
        )
    except LaunchError as error:
        raise _told(error) from error
    except CourseError as error:
        log.warning("launch refused: %s", errors.trace(error))
        raise errors.busy() from error
    state.origins_changed()
    if done.role == "teacher":
        _renew_roster(state, done.context)
    response = see(_landing(state, done))
    sessions.begin(state, response, done.session_token, done.expires - state.clock())
    sessions.set_cookie(state, response, cookie, "", 0)
    return response


def _landing(state: AppState, done: Launch) -> str:
    visitor = sessions.find_visitor(state, done.session_token)
    assert visitor is not None  # it has just begun
    return landing(state, visitor)


def _renew_roster(state: AppState, context: Context) -> None:
    """Read the roster when a teacher comes, if that was long ago."""
    is_old = context.synced is None or state.clock() - context.synced > _ROSTER_SECONDS
    if context.memberships_url and is_old:
        state.rosters.start(context.id)


def _told(error: LaunchError) -> WebError:
    """What the user reads; the log has what the one who runs the server needs, and no names."""
    log.warning("launch refused: %s", error.detail)
    return WebError(
        error.status,
        _("The assignment could not be opened"),
        error.told,
        retry=error.retry,
        detail=error.detail,
    )


# What platforms read


@router.get("/lti/jwks.json", response_class=JSONResponse)
def jwks(state: State) -> Any:
    """The tool's public keys (RFC 7517)."""
    headers = {"cache-control": f"public, max-age={_JWKS_SECONDS}"}
    return JSONResponse(state.keys.jwks(), headers=headers)


@router.get("/lti/canvas.json", response_class=JSONResponse)
def canvas(state: State) -> Any:
    """The configuration that an administrator of Canvas's gives as an address."""
    return JSONResponse(canvas_configuration(state.base_url))


@router.get("/lti/register/{token}", response_class=HTMLResponse, responses=pages(400, 429))
def register(
    request: Request,
    state: State,
    token: str,
    openid_configuration: str = "",
    registration_token: str = "",
) -> Response:
    """Let a platform register itself, whose administrator has an invitation."""
    state.limiter.hit("register", address_of(request))
    origin = origin_of(openid_configuration) if is_safe(openid_configuration) else None
    headers = {"content-security-policy": _framed_by(state, origin)}
    try:
        made = register_dynamically(
            state.engine, token, openid_configuration, registration_token, state.base_url,
            clock=state.clock,
        )  # fmt: skip
    except RegistrationError as error:
        return page(request, "register.html", 400, headers, problem=str(error), made=None)
    state.origins_changed()
    return page(request, "register.html", 200, headers, problem="", made=made)


def _framed_by(state: AppState, origin: str | None) -> str:
    """The policy of a page that a platform shows in a frame before it is registered."""
    origins = " ".join(("'self'", *state.frame_origins(), *([origin] if origin else [])))
    return f"{policy()}; frame-ancestors {origins}"


# What a new link is to open


@router.get("/lti/deep-link", response_class=HTMLResponse, responses=pages())
def picker(request: Request, state: State, visitor: Teacher) -> Response:
    """The assignments among which a teacher chooses what a new link opens."""
    return _picker(request, state, visitor)


def _picker(request: Request, state: AppState, visitor: Visitor, problem: str = "") -> Response:
    asked = visitor.session.deep_link
    if asked is None:
        raise errors.not_found()
    choices: list[tuple[str, Facts | None, str]] = []
    for name in state.course.assignments():
        try:
            choices.append((name, read_facts(state.course, name), ""))
        except CourseError as error:
            choices.append((name, None, str(error)))
    return page(
        request,
        "picker.html",
        422 if problem else 200,
        choices=choices,
        multiple=asked["multiple"],
        problem=problem,
        asked=_name_of(asked),
        csrf=visitor.session.csrf,
    )


def _name_of(asked: Mapping[str, Any]) -> str:
    """A name of a platform's request: in two tabs, two may wait for an answer."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


@router.post(
    "/lti/deep-link",
    response_class=HTMLResponse,
    responses=pages(409, 422),
    openapi_extra=fields(assignments=MANY, asked=None, cancel=None),
)
def pick(request: Request, state: State, visitor: Teacher, form: Posted) -> Response:
    """Send the platform what a teacher has chosen."""
    asked = visitor.session.deep_link
    if asked is None:
        raise errors.not_found()
    if value(form, "asked") != _name_of(asked):
        raise WebError(
            HTTPStatus.CONFLICT,
            "Another page has asked meanwhile",
            "This page was opened for another link or course, and nothing was chosen.",
            "Begin again in your learning platform.",
        )
    wanted = set() if "cancel" in form else set(values(form, "assignments"))
    chosen = [name for name in state.course.assignments() if name in wanted]
    if not chosen and "cancel" not in form:
        return _picker(request, state, visitor, "Choose an assignment.")
    try:
        items = [
            DeepLinkItem(name, name, read_facts(state.course, name).maximum) for name in chosen
        ]
        address, answer = deep_link_response(state.keys, asked, items, state.base_url)
    except (CourseError, DeepLinkError) as error:
        return _picker(request, state, visitor, str(error))
    origin = origin_of(address) or "'none'"
    headers = {"content-security-policy": policy(form_action=origin)}
    return page(request, "picked.html", 200, headers, address=address, answer=answer, chosen=chosen)
