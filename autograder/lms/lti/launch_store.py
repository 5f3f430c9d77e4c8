"""What is stored of a launch: the course, the link, who opened it, and the session that begins."""

import secrets
from collections.abc import Container
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from autograder.lms.lti.identities import student_for
from autograder.lms.lti.launch_facts import Facts, User
from autograder.lms.lti.registrations import add_origins, token_hash
from autograder.lms.schema import (
    Context,
    Enrolment,
    Identity,
    Link,
    Registration,
    Role,
    WebSession,
)

SESSION_SECONDS: Final = 8 * 3600.0
_PRODUCT_LENGTH: Final = 64


def store_platform(session: Session, registration_id: int, facts: Facts) -> Registration:
    """Keep what a launch says of its platform."""
    row = session.get_one(Registration, registration_id)
    add_origins(row, facts.pages)
    if facts.product and not row.product:
        row.product = facts.product[:_PRODUCT_LENGTH]
    return row


def store_context(session: Session, registration_id: int, facts: Facts) -> Context:
    """The course that a launch is from; what it does not say stays as it was."""
    row = session.scalar(
        select(Context).where(
            Context.registration_id == registration_id,
            Context.deployment == facts.deployment,
            Context.context == facts.context,
        )
    )
    if row is None:
        row = Context(
            registration_id=registration_id, deployment=facts.deployment, context=facts.context
        )
        session.add(row)
    row.title = facts.context_title or row.title or ""
    row.memberships_url = facts.memberships_url or row.memberships_url or ""
    row.line_items_url = facts.line_items_url or row.line_items_url or ""
    if facts.scopes and list(facts.scopes) != row.scopes:
        row.scopes = list(facts.scopes)
    session.flush()
    return row


def store_link(
    session: Session, context_id: int, facts: Facts, known: Container[str] | None
) -> Link | None:
    """The link that was opened; the assignment that it has is not changed by opening it.

    Args:
        session: of the launch's transaction.
        context_id: our number of the course.
        facts: what the launch says.
        known: the assignments that there are; None to take what the launch says.
    """
    if not facts.resource_link:
        return None
    row = session.scalar(
        select(Link).where(Link.context_id == context_id, Link.resource_link == facts.resource_link)
    )
    if row is None:
        row = Link(context_id=context_id, resource_link=facts.resource_link)
        session.add(row)
    row.title = facts.link_title or row.title or ""
    if facts.line_item and facts.line_item != row.line_item:
        row.maximum = None  # it is the platform's, whatever was made here
    row.line_item = facts.line_item or row.line_item or ""
    row.line_items_url = facts.line_items_url or row.line_items_url or ""
    row.assignment = row.assignment or ""
    if not row.assignment and (known is None or facts.assignment in known):
        row.assignment = facts.assignment
    session.flush()
    return row


def store_user(
    session: Session,
    issuer: str,
    deployment: str,
    user: User,
    *,
    now: float,
    taken: Container[str],
) -> Identity:
    """Who opened it."""
    identity = student_for(
        session, issuer, deployment, user.sub, name=user.name, given_name=user.given_name,
        family_name=user.family_name, email=user.email, person=user.person, login=user.login,
        taken=taken,
    )  # fmt: skip
    identity.seen = now
    return identity


def store_enrolment(session: Session, context_id: int, identity_id: int, role: Role) -> None:
    """That somebody is in the course, as what."""
    row = session.scalar(
        select(Enrolment).where(
            Enrolment.context_id == context_id, Enrolment.identity_id == identity_id
        )
    )
    if row is None:
        row = Enrolment(context_id=context_id, identity_id=identity_id)
        session.add(row)
    row.role, row.active = role, True


def begin_session(
    session: Session,
    *,
    identity: Identity,
    context: Context,
    link: Link | None,
    role: Role,
    deep_link: dict[str, Any] | None,
    now: float,
) -> str:
    """Let somebody in for some hours; the token for the browser, of which only a hash is kept."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(WebSession).where(WebSession.expires <= now))
    session.add(
        WebSession(
            token_hash=token_hash(token),
            identity_id=identity.id,
            context_id=context.id,
            link_id=None if link is None else link.id,
            role=role,
            csrf=secrets.token_urlsafe(32),
            expires=now + SESSION_SECONDS,
            deep_link=deep_link,
        )
    )
    return token
