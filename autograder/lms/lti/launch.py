"""A launch: somebody opens a link in the platform and is let in here, if all of it is right.

Third-party initiated login of OpenID Connect, as the IMS Security Framework 1.0 (section 5.1) and
LTI Core 1.3 ask for. The protocol is pylti1p3's, with our checks before and after it.
"""

import shlex
import time
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pylti1p3.exception import LtiException
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from autograder.lms.database import reading, writing
from autograder.lms.fetch import FetchError
from autograder.lms.lti import id_token, launch_store
from autograder.lms.lti.adapters import (
    Cookies,
    LoginMemory,
    Message,
    OneRegistration,
    Params,
    library_registration,
)
from autograder.lms.lti.deep_links import settings_of
from autograder.lms.lti.id_token import CLAIM, Claims, InvalidTokenError
from autograder.lms.lti.identities import find_identity, role_of, student_ids
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.launch_facts import Facts, User, facts_of
from autograder.lms.lti.logins import (
    LaunchError,
    LoginBegun,
    begin_login,
    broken,
    login_of,
    registration_of,
    unknown_platform,
    use_up,
)
from autograder.lms.lti.platform_keys import PlatformKeys, UnknownKeyError
from autograder.lms.lti.registrations import add_deployment, deployments_of
from autograder.lms.schema import Context, Identity, Link, Login, Registration, Role
from autograder.messages import translate as _

__all__ = ["Launch", "LaunchError", "LoginBegun", "begin_login", "finish"]

_PLATFORM_KEYS: Final = PlatformKeys()


@dataclass(frozen=True)
class Launch:
    """Somebody who was let in."""

    session_token: str
    """For the browser's cookie; it is not stored."""
    expires: float
    role: Role
    identity: Identity
    context: Context
    link: Link | None
    """None in a deep linking request."""
    deep_link: dict[str, Any] | None
    """What ``deep_link_response`` needs; None in a launch of a link."""
    target: str
    """The target_link_uri. It is no address to send a browser to."""


def finish(
    engine: Engine,
    keys: Keys,
    form: Mapping[str, str],
    state_cookie: str | None,
    base_url: str,
    *,
    clock: Callable[[], float] = time.time,
    assignments: Container[str] | None = None,
    others: Callable[[Collection[str]], Container[str]] | None = None,
    platform_keys: PlatformKeys = _PLATFORM_KEYS,
) -> Launch:
    """Let somebody in whom a platform sends with a message.

    Args:
        engine: our database.
        keys: the tool's keys.
        form: what the browser posted.
        state_cookie: what the login's cookie holds; None if the browser did not send it.
        base_url: where this tool is, without a slash at the end.
        clock: the time.
        assignments: those that a new link may open; None for any.
        others: which of some ids nbgrader has for somebody else, as ``identities.others_in`` says.
        platform_keys: where the platforms' keys are read.

    Raises:
        LaunchError: something is not right; nothing was stored then.
    """
    now = clock()
    login = login_of(engine, form, state_cookie, now)
    row = registration_of(engine, login.params["iss"], login.params["client_id"])
    token = form.get("id_token", "")
    claims = _checked(token, row, base_url, now)
    _check_with_library(keys, form, login, row, claims, platform_keys=platform_keys)
    role, facts = _role(claims), facts_of(claims, base_url)
    if facts.deep_linking is not None and role != "teacher":
        raise LaunchError(
            _("Only teachers choose what a link opens."),
            HTTPStatus.FORBIDDEN,
            "a deep linking request of somebody who is no teacher",
        )
    if not facts.context:
        raise LaunchError(
            _("The learning platform does not say from which course this was opened."),
            HTTPStatus.BAD_REQUEST,
            "the claim context is missing, or has no id",
        )
    deep_link = settings_of(row, facts)
    taken = _taken(engine, row.issuer, facts, others)
    with writing(engine) as session:
        use_up(session, login, now)
        _check_registration(session, row, facts.deployment)
        launch_store.store_platform(session, row.id, facts)
        context = launch_store.store_context(session, row.id, facts)
        link = launch_store.store_link(session, context.id, facts, assignments)
        identity = launch_store.store_user(
            session, row.issuer, facts.deployment, facts.user, now=now, taken=taken
        )
        launch_store.store_enrolment(session, context.id, identity.id, role)
        session_token = launch_store.begin_session(
            session, identity=identity, context=context, link=link, role=role,
            deep_link=deep_link, now=now,
        )  # fmt: skip
    expires = now + launch_store.SESSION_SECONDS
    return Launch(session_token, expires, role, identity, context, link, deep_link, facts.target)


def _checked(token: str, row: Registration, base_url: str, now: float) -> Claims:
    """The claims of an id_token whose signature is still to be checked."""
    try:
        claims = id_token.unverified(token)
        id_token.check(claims, row.issuer, row.client_id, now, base_url)
    except InvalidTokenError as error:
        raise LaunchError(broken(), HTTPStatus.FORBIDDEN, str(error)) from error
    if claims.get("sub") is None:
        raise LaunchError(
            _("The learning platform does not say who you are. Log in there first."),
            HTTPStatus.FORBIDDEN,
            "the claim sub is missing: users who are not logged in cannot be let in",
        )
    return claims


def _check_with_library(
    keys: Keys,
    form: Mapping[str, str],
    login: Login,
    row: Registration,
    claims: Claims,
    *,
    platform_keys: PlatformKeys,
) -> None:
    """Check state, nonce, signature and message; the deployment is checked where it is stored."""
    message = Message(
        Params(form, secure=True),
        OneRegistration(library_registration(row, keys.current), claims[CLAIM + "deployment_id"]),
        LoginMemory(login.nonce),
        Cookies(login.state),
        platform_keys,
    )
    try:
        message.validate()
    except FetchError as error:
        raise LaunchError(
            _("The learning platform does not answer at the moment. Try it again in a minute."),
            HTTPStatus.SERVICE_UNAVAILABLE,
            str(error),
        ) from error
    except (UnknownKeyError, LtiException) as error:
        raise LaunchError(broken(), HTTPStatus.FORBIDDEN, str(error)) from error
    if message.get_launch_data() != claims:
        raise LaunchError(broken(), HTTPStatus.FORBIDDEN, "the id_token can be read in two ways")


def _role(claims: Claims) -> Role:
    role = role_of(claims[CLAIM + "roles"])
    if role is None:
        raise LaunchError(
            _("Your course in the learning platform lists you neither as student nor as teacher."),
            HTTPStatus.FORBIDDEN,
            "no role of a teacher or a student in the course",
        )
    return role


def _taken(
    engine: Engine,
    issuer: str,
    facts: Facts,
    others: Callable[[Collection[str]], Container[str]] | None,
) -> Container[str]:
    """The ids that nbgrader has for somebody else, among those that a new user could get."""
    if others is None:
        return ()
    user: User = facts.user
    with reading(engine) as session:
        if find_identity(session, issuer, facts.deployment, user.sub) is not None:
            return ()
    return others(
        student_ids(
            issuer, facts.deployment, user.sub, name=user.name, email=user.email, login=user.login
        )
    )


def _check_registration(session: Session, row: Registration, deployment: str) -> None:
    """Check that the platform is still registered, with this deployment.

    Where none is known yet, as after a dynamic registration with Canvas, that of the first launch
    becomes known.
    """
    if session.get(Registration, row.id) is None:
        raise unknown_platform(f"registration {row.id} was removed meanwhile")
    known = deployments_of(session, row.id)
    if not known:
        add_deployment(session, row.id, deployment)
    elif deployment not in known:
        raise unknown_platform(
            f"the deployment {deployment!r} of registration {row.id} is not known: if it is right, "
            f"`autograder lms add --issuer {shlex.quote(row.issuer)} --client-id "
            f"{shlex.quote(row.client_id)} --deployment {shlex.quote(deployment)}`",
        )
