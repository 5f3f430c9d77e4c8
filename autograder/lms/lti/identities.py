"""Who a user of a platform is for nbgrader, and what a user may do here.

A user is known by (issuer, deployment, sub). What nbgrader calls a student names a folder, so it is
made here: readable, safe in any file system, and never changed once it is given.
"""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Container, Sequence
from typing import Final

from nbgrader.api import Student
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, gradebook_errors
from autograder.lms.schema import ID_LENGTH, Identity, Role

LONGEST_STUDENT_ID: Final = 60
_SAFE: Final = re.compile(r"[a-z0-9_][a-z0-9._-]*[a-z0-9_-]|[a-z0-9_]")
_UNSAFE: Final = re.compile(r"[^a-z0-9._-]+")
_MADE_UP: Final = "student"
_HASHES: Final = (6, 12, 32)
"""How many digits of the hash an id gets, when shorter ones are taken."""
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""What Windows takes for a device."""

_MEMBERSHIP: Final = "http://purl.imsglobal.org/vocab/lis/v2/membership"
_ABOVE: Final = (
    "http://purl.imsglobal.org/vocab/lis/v2/institution/person#",
    "http://purl.imsglobal.org/vocab/lis/v2/system/person#",
)
_TEACHERS: Final = ("Instructor", "Administrator", "TeachingAssistant")
_STUDENTS: Final = ("Learner",)
_ADMINISTRATORS: Final = ("Administrator", "SysAdmin")


def role_of(roles: Sequence[str]) -> Role | None:
    """What somebody may do here by the roles that the platform says; None: nothing.

    The roles in the course decide, written short, in full or as a sub-role; a teaching assistant is
    a teacher. Who has none in the course is let in as a teacher if they administer the platform or
    the institution: being a teacher of the institution says nothing of this course. IMS: LTI Core
    1.3, sections 5.3.4 and A.2; platforms send roles of an institution that its courses do not
    give.
    """
    in_course = [role for role in map(_course_role, roles) if role is not None]
    if any(role in _TEACHERS for role in in_course):
        return "teacher"
    if any(role in _STUDENTS for role in in_course):
        return "student"
    if in_course:
        return None
    above = {f"{prefix}{role}" for prefix in _ABOVE for role in _ADMINISTRATORS}
    return "teacher" if above & set(roles) else None


def _course_role(role: str) -> str | None:
    """The principal role in a course of ``Learner``, ``…/membership#Learner`` and their like."""
    if role.startswith(_MEMBERSHIP):
        principal, _, name = role[len(_MEMBERSHIP) :].partition("#")
        return principal.strip("/") or name
    return role if role.isalpha() else None


def student_for(
    session: Session,
    issuer: str,
    deployment: str,
    sub: str,
    *,
    name: str = "",
    given_name: str = "",
    family_name: str = "",
    email: str = "",
    person: str = "",
    login: str = "",
    taken: Container[str] = (),
) -> Identity:
    """Who somebody is for nbgrader: found, or made with an id of their own.

    What is told of them replaces what was known; what is not told leaves it.

    Args:
        session: of a transaction that writes.
        issuer: the platform's.
        deployment: the tool's installation in it.
        sub: the platform's id of the user.
        name: the full name.
        given_name: the first part of it.
        family_name: the last part of it.
        email: the address.
        person: the id in the university's own system.
        login: the user name.
        taken: ids, in lower case, that nbgrader has for somebody else, as ``others_in`` finds.
    """
    identity = find_identity(session, issuer, deployment, sub)
    if identity is None:
        for student in student_ids(issuer, deployment, sub, name=name, email=email, login=login):
            if student not in taken and not _is_given(session, student):
                break
        else:
            raise RuntimeError(f"no id is left for a user of {issuer}")
        identity = Identity(issuer=issuer, deployment=deployment, sub=sub, student=student)
        session.add(identity)
    told = {
        "name": name, "given_name": given_name, "family_name": family_name, "email": email,
        "person": person, "login": login,
    }  # fmt: skip
    for field, text in told.items():
        if text:
            setattr(identity, field, text[:ID_LENGTH])
    session.flush()
    return identity


def find_identity(session: Session, issuer: str, deployment: str, sub: str) -> Identity | None:
    """Who somebody is; None if nobody has met them yet."""
    return session.scalar(
        select(Identity).where(
            Identity.issuer == issuer, Identity.deployment == deployment, Identity.sub == sub
        )
    )


def _is_given(session: Session, student: str) -> bool:
    """Whether somebody has it; all that are given are in lower case."""
    return session.scalar(select(Identity.id).where(Identity.student == student)) is not None


def student_ids(
    issuer: str, deployment: str, sub: str, *, name: str = "", email: str = "", login: str = ""
) -> list[str]:
    """Ids that somebody could have, the best first; the last ones are nobody else's."""
    digest = hashlib.sha256("\n".join((issuer, deployment, sub)).encode(errors="replace"))
    hashed = digest.hexdigest()
    own = [text for text in (login, email.partition("@")[0]) if text]
    stem, as_it_is = _MADE_UP, False
    for text in [*own, name]:
        if safe := _safe(text):
            # a name that people give themselves is not left alone: it could be another one's login
            stem, as_it_is = safe, text in own and safe == text.lower()
            break
    with_hash = [f"{_cut(stem, length + 1)}-{hashed[:length]}" for length in _HASHES]
    return [stem, *with_hash] if as_it_is else with_hash


def _safe(text: str) -> str:
    """What is left of a text in the name of a folder; nothing if nothing readable is."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = _UNSAFE.sub("-", plain).strip(".-")
    plain = _cut(re.sub(r"\.{2,}", ".", plain), 0)
    if _DEVICE.fullmatch(plain):
        plain = f"{_MADE_UP}-{plain}"
    return plain if is_student_id(plain) else ""


def _cut(text: str, room: int) -> str:
    return text[: LONGEST_STUDENT_ID - room].rstrip(".-")


def is_student_id(text: str) -> bool:
    """Whether a text can be nbgrader's id of a student, in any file system."""
    return len(text) <= LONGEST_STUDENT_ID and _SAFE.fullmatch(text) is not None


def others_in(course: Course, students: Collection[str]) -> set[str]:
    """Those of these ids that nbgrader has already, in its gradebook or among its folders.

    Letters' case makes no difference: it makes none in many file systems.

    Raises:
        GradebookError: the gradebook cannot be read.
    """
    with gradebook_errors("read"), course.gradebook() as gradebook:
        query = gradebook.db.query(Student.id).filter(func.lower(Student.id).in_(list(students)))
        found = {str(row[0]).lower() for row in query}
    submitted = course.root / course.directory.submitted_directory
    if submitted.is_dir():
        found |= {path.name.lower() for path in submitted.iterdir()} & set(students)
    return found
