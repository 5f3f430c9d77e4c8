"""The first half of a launch: a platform asks to log somebody in, and gets the browser back.

Third-party initiated login of OpenID Connect, as the IMS Security Framework 1.0 (section 5.1.1) and
LTI Core 1.3 (section 4.1) ask for.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pylti1p3.exception import OIDCException
from sqlalchemy import Engine, delete, update
from sqlalchemy.orm import Session

from autograder.lms.database import reading, writing
from autograder.lms.lti.adapters import (
    Cookies,
    Login,
    LoginMemory,
    OneRegistration,
    Params,
    library_registration,
)
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import find, is_id
from autograder.lms.schema import Login as LoginRow
from autograder.lms.schema import Registration
from autograder.messages import translate as _

LOGIN_SECONDS: Final = 600.0
"""How long a login may take: people enter passwords in between."""
LAUNCH_PATH: Final = "/lti/launch"
"""Where platforms send their messages, below the tool's address."""
_PASSED_ON: Final = (
    "iss", "login_hint", "target_link_uri", "lti_message_hint", "lti_deployment_id", "client_id",
)  # fmt: skip
"""What a platform begins a login with (LTI Core 1.3, section 4.1)."""
_LONGEST_PARAMETER: Final = 8192
_ERROR_CODE: Final = re.compile(r"[\w.-]{1,64}")


class LaunchError(Exception):
    """Somebody cannot be let in."""

    def __init__(
        self,
        told: str,
        status: int,
        detail: str,
        retry: Mapping[str, str] | None = None,
    ) -> None:
        """Say why.

        Args:
            told: for the user, translated.
            status: of HTTP; a client's error, or 503 where the platform does not answer.
            detail: for the log, in English, without personal data.
            retry: the parameters with which the login begins again in a window of its own.
        """
        super().__init__(f"{detail} ({told})")
        self.told = told
        self.status = status
        self.detail = detail
        self.retry = retry


@dataclass(frozen=True)
class LoginBegun:
    """A login for which the browser is sent to the platform."""

    redirect_url: str
    state: str
    """The value of a cookie of this login's own, by which the browser is known again."""
    expires: float


def begin_login(
    engine: Engine,
    keys: Keys,
    params: Mapping[str, str],
    base_url: str,
    *,
    clock: Callable[[], float] = time.time,
) -> LoginBegun:
    """Answer a platform that asks to log somebody in.

    Args:
        engine: our database.
        keys: the tool's keys.
        params: what the platform sent, in the query or a form.
        base_url: where this tool is, without a slash at the end.
        clock: the time.

    Raises:
        LaunchError: it is of no registered platform, or not complete.
    """
    passed = {name: params[name] for name in _PASSED_ON if params.get(name)}
    if any(len(value) > _LONGEST_PARAMETER or "\0" in value for value in passed.values()):
        raise LaunchError(broken(), HTTPStatus.BAD_REQUEST, "a parameter of the login is too long")
    row = registration_of(engine, passed.get("iss", ""), passed.get("client_id"))
    memory, cookies = LoginMemory(), Cookies()
    login = Login(
        Params(passed, base_url.startswith("https:")),
        OneRegistration(library_registration(row, keys.current)),
        session_service=memory,
        cookie_service=cookies,
    )
    try:
        url = login.get_redirect_object(f"{base_url}{LAUNCH_PATH}").get_redirect_url()
    except OIDCException as error:
        raise LaunchError(broken(), HTTPStatus.BAD_REQUEST, f"the login: {error}") from error
    state, now = cookies.value, clock()
    assert state is not None  # the library has set it
    with writing(engine) as session:
        session.execute(delete(LoginRow).where(LoginRow.expires <= now))
        session.add(
            LoginRow(
                state=state,
                nonce=memory.nonce,
                params={**passed, "client_id": row.client_id},
                expires=now + LOGIN_SECONDS,
            )
        )
    return LoginBegun(url, state, now + LOGIN_SECONDS)


def login_of(
    engine: Engine, form: Mapping[str, str], state_cookie: str | None, now: float
) -> LoginRow:
    """The login that a message answers, if the browser is the one that began it.

    Raises:
        LaunchError: there is none, it is over, it is another browser's, or the platform refuses.
    """
    state = form.get("state", "")
    if not is_id(state):
        raise LaunchError(broken(), HTTPStatus.BAD_REQUEST, "a message without a state")
    with reading(engine) as session:
        login = session.get(LoginRow, state)
    if login is None or login.used is not None or login.expires <= now:
        raise LaunchError(_over(), HTTPStatus.FORBIDDEN, "the state is of no login that is open")
    if not state_cookie:
        raise LaunchError(
            _(
                "Your browser keeps no cookies for a page that is shown inside another one. Open "
                "it in a window of its own."
            ),
            HTTPStatus.FORBIDDEN,
            "the login's cookie did not come back",
            retry=dict(login.params),
        )
    if not secrets.compare_digest(state.encode(), state_cookie.encode(errors="replace")):
        raise LaunchError(broken(), HTTPStatus.FORBIDDEN, "the state is another browser's")
    if error := form.get("error"):
        code = error if _ERROR_CODE.fullmatch(error) else "error"
        raise LaunchError(
            _(
                "The learning platform did not log you in here. Log in there anew, and open the "
                "assignment from your course again."
            ),
            HTTPStatus.FORBIDDEN,
            f"the platform answers the login with {code}",
        )
    return login


def registration_of(engine: Engine, issuer: str, client_id: str | None) -> Registration:
    """The registration that a login or a message is of.

    Raises:
        LaunchError: there is none, or no single one.
    """
    row = None
    if is_id(issuer) and (client_id is None or is_id(client_id)):
        with reading(engine) as session:
            row = find(session, issuer, client_id)
    if row is None:
        client = "no client_id" if client_id is None else f"the client {client_id[:255]!r}"
        raise unknown_platform(
            f"no registration of {issuer[:255]!r} with {client}: see `autograder lms list`"
        )
    return row


def unknown_platform(detail: str) -> LaunchError:
    """What a user is told whose platform, or part of it, is not registered."""
    return LaunchError(
        _("Your learning platform is not connected with this page. Tell your teacher."),
        HTTPStatus.FORBIDDEN,
        detail,
    )


def use_up(session: Session, login: LoginRow, now: float) -> None:
    """Let a login's nonce be good for this message and for no other one.

    Raises:
        LaunchError: it was used meanwhile.
    """
    used = session.execute(
        update(LoginRow)
        .where(
            LoginRow.state == login.state,
            LoginRow.nonce == login.nonce,
            LoginRow.used.is_(None),
            LoginRow.expires > now,
        )
        .values(used=now)
        .returning(LoginRow.state)
    )
    if used.scalar_one_or_none() is None:
        raise LaunchError(_over(), HTTPStatus.FORBIDDEN, "the nonce was used already")


def broken() -> str:
    """What a user is told of a message that is not right."""
    return _(
        "What the learning platform sent cannot be accepted. Open the assignment from your course "
        "again; if this comes again, tell your teacher."
    )


def _over() -> str:
    return _(
        "This login is over: it was used already, or it took too long. Open the assignment from "
        "your course again."
    )
