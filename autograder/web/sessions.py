"""Who is at the other end: the session that a launch began, found by the browser's cookie."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from sqlalchemy import Engine, select
from starlette.responses import Response

from autograder.lms.database import reading, writing
from autograder.lms.schema import Context, Enrolment, Identity, Link, Role, WebSession
from autograder.web.state import AppState

_LONGEST_TOKEN: Final = 256


@dataclass(frozen=True)
class Visitor:
    """A user whom a launch has let in."""

    session: WebSession
    identity: Identity
    context: Context
    link: Link | None
    active: bool
    """Whether the platform's course still has the user, and a teacher still as a teacher."""
    language: str
    """Of what this user reads: a student's own, and English for teachers."""

    @property
    def role(self) -> Role:
        """What the launch said."""
        return self.session.role

    @property
    def is_teacher(self) -> bool:
        """Whether it is a teacher who still is in the course."""
        return self.role == "teacher" and self.active

    @property
    def student(self) -> str:
        """nbgrader's id."""
        return self.identity.student

    @property
    def name(self) -> str:
        """What the user is called, as far as the platform tells."""
        return self.identity.name or self.identity.student


def cookie_name(state: AppState) -> str:
    """The name of the session's cookie.

    Over TLS it has the prefix with which browsers take it only from this very host (RFC 6265bis).
    """
    return "__Host-autograder" if state.secure else "autograder"


def set_cookie(state: AppState, response: Response, name: str, value: str, seconds: float) -> None:
    """Set a cookie that comes back within the platform's frame as well.

    Browsers keep a cookie of a page in another site's frame only if it is ``Partitioned``, which
    Starlette cannot write below Python 3.14. Without TLS, which is for this machine alone, ``Lax``.
    """
    reach = "Secure; SameSite=None; Partitioned" if state.secure else "SameSite=Lax"
    response.headers.append(
        "set-cookie", f"{name}={value}; Max-Age={max(0, int(seconds))}; Path=/; HttpOnly; {reach}"
    )


def token_hash(token: str) -> str:
    """How a session's token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin(state: AppState, response: Response, token: str, seconds: float) -> None:
    """Give the browser the token of its session."""
    set_cookie(state, response, cookie_name(state), token, seconds)


def find_visitor(state: AppState, token: str) -> Visitor | None:
    """Whose session a cookie's token is; None where there is none, or none any more."""
    if not token or len(token) > _LONGEST_TOKEN:
        return None
    return visitor_with(state, token_hash(token))


def visitor_with(state: AppState, hashed: str) -> Visitor | None:
    """Whose session has this hash; None where there is none, or none any more."""
    query = (
        select(WebSession, Identity, Context, Link, Enrolment.active, Enrolment.role)
        .join(Identity, Identity.id == WebSession.identity_id)
        .join(Context, Context.id == WebSession.context_id)
        .outerjoin(Link, Link.id == WebSession.link_id)
        .outerjoin(
            Enrolment,
            (Enrolment.context_id == WebSession.context_id)
            & (Enrolment.identity_id == WebSession.identity_id),
        )
        .where(WebSession.token_hash == hashed, WebSession.expires > state.clock())
    )
    with reading(state.engine) as session:
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    found, identity, context, link, active, role = row
    if found.role == "teacher" and role == "student":
        active = False
    language = (
        "en" if found.role == "teacher" else state.course.settings.language_of(identity.student)
    )
    return Visitor(found, identity, context, link, active is not False, language)


def visitor_of(request: Request) -> Visitor | None:
    """Who asks; None if nobody is logged in."""
    found: Visitor | None = request.scope.get("autograder.visitor")
    return found


def is_own_token(engine: Engine, visitor: Visitor, token: str, now: float) -> bool:
    """Whether a form's token is of this session, or of another one of the same user.

    Somebody who opens a second assignment gets another session; the forms of the first one, still
    open in another tab, are theirs as well.
    """
    if hmac.compare_digest(visitor.session.csrf.encode(), token.encode()):
        return True
    with reading(engine) as session:
        tokens = session.scalars(
            select(WebSession.csrf).where(
                WebSession.identity_id == visitor.identity.id,
                WebSession.role == visitor.role,
                WebSession.expires > now,
            )
        ).all()
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in tokens)


def begin_same(state: AppState, response: Response, visitor: Visitor) -> None:
    """Begin another session of the same user, which ends with the first one."""
    token = secrets.token_urlsafe(32)
    old = visitor.session
    with writing(state.engine) as session:
        session.add(
            WebSession(
                token_hash=token_hash(token),
                identity_id=old.identity_id,
                context_id=old.context_id,
                link_id=old.link_id,
                role=old.role,
                csrf=secrets.token_urlsafe(32),
                expires=old.expires,
                deep_link=old.deep_link,
            )
        )
    begin(state, response, token, old.expires - state.clock())


def in_frame(request: Request) -> bool:
    """Whether the page is shown in a frame, or may be, where the browser does not tell."""
    return request.headers.get("sec-fetch-dest", "iframe") in ("iframe", "frame")
