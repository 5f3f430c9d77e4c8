"""The roster of a platform's course, read into our tables and nbgrader's gradebook.

IMS: LTI Names and Role Provisioning Services 2.0. Who has left keeps all work.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from nbgrader.api import Student
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, gradebook_errors
from autograder.lms.database import reading, writing
from autograder.lms.lti.identities import others_in, role_of, student_for, student_ids
from autograder.lms.schema import Context, Enrolment, Identity, Registration, Role
from autograder.lms.services.ags import NoAnswerError
from autograder.lms.services.platform import Member, PlatformServices

_AT_ONCE: Final = 200
"""Members in one transaction, for which others wait."""
_Any = TypeVar("_Any")


class RosterError(Exception):
    """The roster cannot be read; the message says why and how to mend it."""


@dataclass
class RosterChange:
    """What a reading of the roster has changed; the lists have nbgrader's ids of students."""

    added: list[str] = field(default_factory=list)
    """They were not in the course before, or had left it."""
    left: list[str] = field(default_factory=list)
    students: int = 0
    """How many are in the course now."""
    teachers: int = 0


@dataclass(frozen=True)
class _Place:
    """The course of the platform's."""

    context_id: int
    registration: int
    issuer: str
    deployment: str
    memberships_url: str


@dataclass(frozen=True)
class _Enrolled:
    """Somebody in the course."""

    enrolment: int
    identity: int
    student: str
    role: Role


def sync(
    engine: Engine,
    services: Callable[[int], PlatformServices],
    course: Course,
    context_id: int,
    clock: Callable[[], float] = time.time,
) -> RosterChange:
    """Read the roster, and take note of who has come and who has left.

    Args:
        engine: the database.
        services: the services of a registration.
        course: the course.
        context_id: the platform's course.
        clock: the time, in UTC seconds since 1970.

    Raises:
        RosterError: the platform does not give it.
        GradebookError: the gradebook cannot be used.
    """
    place = _place(engine, context_id)
    before = _enrolled(engine, context_id)
    try:
        members = services(place.registration).members(place.memberships_url)
    except NoAnswerError as error:
        raise RosterError(f"the LMS does not give the roster: {error}") from error
    present = _present(members)
    if not present:
        raise RosterError(
            "the LMS gives a roster with no teacher and no student in it, so nothing was changed: "
            "does the tool's setting there let it read names and roles?"
        )
    change = RosterChange()
    seen: set[int] = set()
    for part in _parts(list(present.values())):
        seen |= _take(engine, course, place, part, change)
    _leave(engine, place, [one for one in before if one.identity not in seen], change, clock())
    return change


def _place(engine: Engine, context_id: int) -> _Place:
    with reading(engine) as session:
        context = session.get(Context, context_id)
        if context is None:
            raise RosterError(f"there is no course {context_id}")
        registration = session.get(Registration, context.registration_id)
        assert registration is not None
    if not context.memberships_url:
        raise RosterError(
            "the LMS offers no roster: let the tool use Names and Role Provisioning in its "
            "settings there, and open it once more from the course"
        )
    return _Place(
        context.id,
        registration.id,
        registration.issuer,
        context.deployment,
        context.memberships_url,
    )


def _enrolled(engine: Engine, context_id: int) -> list[_Enrolled]:
    """Who is in the course as far as we know; who comes from now on has not left it."""
    with reading(engine) as session:
        rows = session.execute(
            select(Enrolment.id, Enrolment.identity_id, Identity.student, Enrolment.role)
            .join(Identity, Identity.id == Enrolment.identity_id)
            .where(Enrolment.context_id == context_id, Enrolment.active)
        )
        return [_Enrolled(*row) for row in rows]


def _present(members: Sequence[Member]) -> dict[str, tuple[Member, Role]]:
    """Teachers and students who are in the course, by the platform's id."""
    return {
        member.user: (member, role)
        for member in members
        if member.active and (role := role_of(member.roles)) is not None
    }


def _take(
    engine: Engine,
    course: Course,
    place: _Place,
    members: Sequence[tuple[Member, Role]],
    change: RosterChange,
) -> set[int]:
    """Store some members; the ids of their identities."""
    candidates = _candidates(engine, place, [member for member, _ in members])
    taken = others_in(course, candidates) if candidates else set()
    students = []
    found: set[int] = set()
    with writing(engine) as session:
        for member, role in members:
            identity = student_for(
                session,
                place.issuer,
                place.deployment,
                member.user,
                name=member.name,
                given_name=member.given_name,
                family_name=member.family_name,
                email=member.email,
                person=member.person,
                login=member.login,
                taken=taken,
            )
            found.add(identity.id)
            is_new = _enrol(session, place.context_id, identity, role)
            if role == "teacher":
                change.teachers += 1
            else:
                students.append(identity)
                change.students += 1
                change.added += [identity.student] if is_new else []
    _store_students(course, students)
    return found


def _candidates(engine: Engine, place: _Place, members: Sequence[Member]) -> set[str]:
    """The ids that those of them could get who have none."""
    with reading(engine) as session:
        known = set(
            session.scalars(
                select(Identity.sub).where(
                    Identity.issuer == place.issuer,
                    Identity.deployment == place.deployment,
                    Identity.sub.in_([member.user for member in members]),
                )
            )
        )
    return {
        student
        for member in members
        if member.user not in known
        for student in student_ids(
            place.issuer,
            place.deployment,
            member.user,
            name=member.name,
            email=member.email,
            login=member.login,
        )
    }


def _enrol(session: Session, context_id: int, identity: Identity, role: Role) -> bool:
    """Have somebody be in the course with a role; whether that is new."""
    row = session.scalar(
        select(Enrolment).where(
            Enrolment.context_id == context_id, Enrolment.identity_id == identity.id
        )
    )
    if row is None:
        session.add(Enrolment(context_id=context_id, identity_id=identity.id, role=role))
        return True
    is_new = not row.active or row.role != role
    row.role, row.active = role, True
    return is_new


def _leave(
    engine: Engine,
    place: _Place,
    gone: Sequence[_Enrolled],
    change: RosterChange,
    now: float,
) -> None:
    """Take note of those who are no longer on the roster, and of when it was read."""
    change.left = [one.student for one in gone if one.role == "student"]
    for part in _parts(gone):
        with writing(engine) as session:
            ids = [one.enrolment for one in part]
            session.execute(update(Enrolment).where(Enrolment.id.in_(ids)).values(active=False))
    with writing(engine) as session:
        session.execute(update(Context).where(Context.id == place.context_id).values(synced=now))


def _store_students(course: Course, identities: Sequence[Identity]) -> None:
    """Let nbgrader's gradebook know students, with the names that the platform tells.

    Raises:
        GradebookError: it cannot be used.
    """
    if not identities:
        return
    with gradebook_errors(), course.gradebook() as gradebook:
        ids = [identity.student for identity in identities]
        rows = {row.id: row for row in gradebook.db.query(Student).filter(Student.id.in_(ids))}
        for identity in identities:
            row = rows.get(identity.student)
            if row is None:
                row = Student(id=identity.student)
                gradebook.db.add(row)
            for name, value in _told(identity).items():
                if value and getattr(row, name) != value:
                    setattr(row, name, value)
        gradebook.db.commit()


def _told(identity: Identity) -> dict[str, str]:
    """What nbgrader's gradebook keeps of a student."""
    first, _, last = identity.name.partition(" ")
    known = bool(identity.given_name or identity.family_name)
    return {
        "first_name": identity.given_name if known else first,
        "last_name": identity.family_name if known else last,
        "email": identity.email,
    }


def _parts(all_of: Sequence[_Any]) -> Iterator[Sequence[_Any]]:
    return (all_of[start : start + _AT_ONCE] for start in range(0, len(all_of), _AT_ONCE))
