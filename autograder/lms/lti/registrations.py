"""Platforms that this tool is registered with, and invitations for those that register themselves.

A registration is a client of an issuer: all tenants of Canvas's cloud share one issuer. Its
deployments are the tool's installations in the platform (IMS: LTI Core 1.3, section 3.1.3).
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from autograder.lms.addresses import AddressError, origin_of, require_safe
from autograder.lms.audit import note
from autograder.lms.database import reading, writing
from autograder.lms.schema import (
    ID_LENGTH,
    URL_LENGTH,
    Context,
    Delivery,
    Deployment,
    Invitation,
    Registration,
)

MOST_ORIGINS: Final = 20
INVITATION_SECONDS: Final = 7 * 24 * 3600.0
_COMMAND: Final = "command"
_PRODUCT_LENGTH: Final = 64


class RegistrationError(Exception):
    """A platform cannot be registered, or is not; the message says why and how to mend it."""


@dataclass(frozen=True)
class RegistrationFacts:
    """What a platform says of itself, and of this tool at it."""

    issuer: str
    client_id: str
    auth_login_url: str
    auth_token_url: str
    key_set_url: str
    auth_audience: str = ""
    name: str = ""
    product: str = ""
    deployments: Sequence[str] = ()
    """Where there are none, the first launch brings one."""
    origins: Sequence[str] = ()
    """More addresses of its pages, which may show ours in a frame."""


@dataclass(frozen=True)
class Registered:
    """A registration as it is listed."""

    id: int
    issuer: str
    client_id: str
    name: str
    product: str
    key_set_url: str
    deployments: tuple[str, ...]
    courses: int
    """Courses of the platform's from which this tool was opened."""


def add(
    engine: Engine,
    facts: RegistrationFacts,
    *,
    update_known: bool = True,
    clock: Callable[[], float] = time.time,
) -> int:
    """Register a platform; its number.

    Args:
        engine: our database.
        facts: what is known of it. Deployments and origins are added to those that are there.
        update_known: whether a client of an issuer that is registered already is changed; else it
            is refused.
        clock: the time.

    Raises:
        RegistrationError: something is missing, or cannot be used.
    """
    _check(facts)
    with writing(engine) as session:
        row = find(session, facts.issuer, facts.client_id)
        if row is None:
            row = Registration(
                issuer=facts.issuer, client_id=facts.client_id, created=clock(), origins=[]
            )
            session.add(row)
        elif not update_known:
            raise RegistrationError(
                f"the client {facts.client_id} of {facts.issuer} is registered already, as "
                f"number {row.id}"
            )
        row.auth_login_url = facts.auth_login_url
        row.auth_token_url = facts.auth_token_url
        row.key_set_url = facts.key_set_url
        row.auth_audience = facts.auth_audience
        row.name = facts.name or row.name or ""
        row.product = facts.product[:_PRODUCT_LENGTH] or row.product or ""
        add_origins(row, [facts.issuer, facts.auth_login_url, *facts.origins])
        session.flush()
        for deployment in facts.deployments:
            add_deployment(session, row.id, deployment)
        note(session, clock(), _COMMAND, "register", after=f"{row.issuer} {row.client_id}")
        return row.id


def add_deployment(session: Session, registration_id: int, deployment: str) -> None:
    """Let a registration have one more deployment, unless it has it already."""
    if deployment not in deployments_of(session, registration_id):
        session.add(Deployment(registration_id=registration_id, deployment=deployment))
        session.flush()


def deployments_of(session: Session, registration_id: int) -> list[str]:
    """The deployments of a registration, in the order in which they came."""
    query = select(Deployment.deployment).where(Deployment.registration_id == registration_id)
    return list(session.scalars(query.order_by(Deployment.id)))


def add_origins(row: Registration, urls: Iterable[str]) -> None:
    """Let pages of these addresses show ours in a frame, up to a limit."""
    origins = [origin for url in urls if (origin := origin_of(url)) is not None]
    both = list(dict.fromkeys([*(row.origins or ()), *origins]))[:MOST_ORIGINS]
    if both != row.origins:
        row.origins = both


def list_registrations(engine: Engine) -> list[Registered]:
    """All registrations, in the order in which they were made."""
    with reading(engine) as session:
        counted = select(Context.registration_id, func.count()).group_by(Context.registration_id)
        courses = {number: count for number, count in session.execute(counted)}
        return [
            Registered(
                row.id, row.issuer, row.client_id, row.name, row.product, row.key_set_url,
                tuple(deployments_of(session, row.id)), courses.get(row.id, 0),
            )
            for row in session.scalars(select(Registration).order_by(Registration.id))
        ]  # fmt: skip


def remove(engine: Engine, registration_id: int, *, clock: Callable[[], float] = time.time) -> None:
    """Forget a platform, its courses and links, who is logged in from it and what is owed to it.

    Submissions and grades stay, and so do the students' ids.

    Raises:
        RegistrationError: there is none with this number.
    """
    with writing(engine) as session:
        row = session.get(Registration, registration_id)
        if row is None:
            raise RegistrationError(f"there is no registration {registration_id}")
        told = f"{row.issuer} {row.client_id}"
        session.execute(delete(Delivery).where(Delivery.registration == registration_id))
        session.execute(delete(Registration).where(Registration.id == registration_id))
        note(session, clock(), _COMMAND, "unregister", before=told)


def find(session: Session, issuer: str, client_id: str | None) -> Registration | None:
    """The registration of a client; without its id, the issuer's only one, or None."""
    query = select(Registration).where(Registration.issuer == issuer)
    if client_id:
        query = query.where(Registration.client_id == client_id)
    rows = session.scalars(query.limit(2)).all()
    return rows[0] if len(rows) == 1 else None


def invite(
    engine: Engine,
    name: str,
    lifetime: float = INVITATION_SECONDS,
    *,
    clock: Callable[[], float] = time.time,
) -> str:
    """A token with which one platform may register itself; only its hash is kept.

    Args:
        engine: our database.
        name: how the platform is called.
        lifetime: for how many seconds it may be used.
        clock: the time.
    """
    token = secrets.token_urlsafe(32)
    now = clock()
    with writing(engine) as session:
        session.execute(delete(Invitation).where(Invitation.expires < now))
        session.add(
            Invitation(token_hash=token_hash(token), name=name[:ID_LENGTH], expires=now + lifetime)
        )
    return token


def take_invitation(engine: Engine, token: str, now: float) -> str:
    """Use an invitation, which nobody else can then use; the name it was made with.

    Raises:
        RegistrationError: there is no such invitation, it was used or is too old.
    """
    with writing(engine) as session:
        taken = session.execute(
            update(Invitation)
            .where(
                Invitation.token_hash == token_hash(token),
                Invitation.used.is_(None),
                Invitation.expires > now,
            )
            .values(used=now)
            .returning(Invitation.name)
        ).scalar_one_or_none()
    if taken is None:
        raise RegistrationError(
            "this invitation is not valid: it was used already, or it is too old. Make another one "
            "with `autograder lms invite`"
        )
    return taken


def return_invitation(engine: Engine, token: str) -> None:
    """Let an invitation be used again, as nothing was registered with it."""
    with writing(engine) as session:
        session.execute(
            update(Invitation).where(Invitation.token_hash == token_hash(token)).values(used=None)
        )


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _check(facts: RegistrationFacts) -> None:
    names = [
        ("the issuer", facts.issuer),
        ("the client id", facts.client_id),
        *(("a deployment", one) for one in facts.deployments),
    ]
    for what, text in names:
        if not is_id(text):
            raise RegistrationError(f"{what} must have 1 to {ID_LENGTH} characters, not {text!r}")
    if len(facts.name) > ID_LENGTH or not facts.name.isprintable():
        raise RegistrationError(f"the name must have at most {ID_LENGTH} characters, in one line")
    if len(facts.auth_audience) > URL_LENGTH or not facts.auth_audience.isprintable():
        raise RegistrationError(f"the audience must have at most {URL_LENGTH} characters")
    urls = {
        "the login URL": facts.auth_login_url,
        "the token URL": facts.auth_token_url,
        "the key set's URL": facts.key_set_url,
    }
    try:
        for what, url in urls.items():
            require_safe(what, url)
    except AddressError as error:
        raise RegistrationError(str(error)) from error


def is_id(text: object) -> bool:
    """Whether it is a text that can be an id of LTI's, and that any database can hold."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= ID_LENGTH
        and text.isprintable()
        and text == text.strip()
    )
