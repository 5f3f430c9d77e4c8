"""Who may see and do what: every page and every form goes through here.

A student reaches the assignments that a launch has opened, so the platform's own rules of when
something is available hold, and the student's own earlier work. A teacher reaches the students of
the platform's courses where they teach. What came by another way than a platform belongs to the
course that was connected first.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session

from autograder.lms.database import reading
from autograder.lms.schema import (
    Context,
    Enrolment,
    Identity,
    Link,
    Released,
    Submission,
    WebSession,
)
from autograder.messages import translate as _
from autograder.web import errors
from autograder.web.errors import WebError
from autograder.web.sessions import Visitor, visitor_of
from autograder.web.state import AppState, state_of


def any_visitor(request: Request) -> Visitor:
    """Who asks.

    Raises:
        WebError: nobody is logged in.
    """
    visitor = visitor_of(request)
    if visitor is None:
        raise errors.no_session()
    return visitor


def teacher(visitor: Annotated[Visitor, Depends(any_visitor)]) -> Visitor:
    """The teacher who asks.

    Raises:
        WebError: it is none.
    """
    if not visitor.is_teacher:
        raise errors.not_allowed()
    return visitor


State = Annotated[AppState, Depends(state_of)]
AnyVisitor = Annotated[Visitor, Depends(any_visitor)]
Teacher = Annotated[Visitor, Depends(teacher)]


@dataclass(frozen=True)
class Access:
    """What a visitor may do with an assignment."""

    title: str
    """The platform's name for it, or nbgrader's."""
    hand_in: bool
    """Whether it was opened from the platform, so that work may be handed in."""
    preview: bool = False
    """Whether it is a teacher who looks at the students' page."""


def access(state: AppState, visitor: Visitor, assignment: str) -> Access:
    """What a visitor may do with an assignment.

    Raises:
        WebError: it is not there, or not this visitor's.
    """
    if assignment not in state.course.assignments():
        raise errors.not_found()
    with reading(state.engine) as session:
        title = _title(session, visitor, assignment)
        if visitor.role == "teacher":
            if not visitor.active:
                raise errors.not_allowed()
            return Access(title, hand_in=False, preview=True)
        launched = session.scalar(_launched(state, visitor, assignment))
        if launched:
            return Access(title, hand_in=visitor.active)
        if not session.scalar(_has_work(visitor.student, assignment)):
            raise errors.not_found()
    return Access(title, hand_in=False)


def _launched(state: AppState, visitor: Visitor, assignment: str) -> Select[bool]:
    """Whether the user has a session that was begun at a link to the assignment.

    Not if the platform's course of the link lists the user no more, whatever others do.
    """
    left = exists().where(
        Enrolment.identity_id == WebSession.identity_id,
        Enrolment.context_id == WebSession.context_id,
        ~Enrolment.active,
    )
    return select(
        exists().where(
            WebSession.identity_id == visitor.identity.id,
            WebSession.expires > state.clock(),
            WebSession.link_id == Link.id,
            Link.assignment == assignment,
            or_(WebSession.context_id == visitor.context.id, ~left),
        )
    )


def _has_work(student: str, assignment: str) -> Select[bool]:
    mine = Submission.student == student, Submission.assignment == assignment
    released = Released.student == student, Released.assignment == assignment
    return select(exists().where(*mine) | exists().where(*released))


def _title(session: Session, visitor: Visitor, assignment: str) -> str:
    if visitor.link is not None and visitor.link.assignment == assignment and visitor.link.title:
        return visitor.link.title
    query = select(Link.title).where(
        Link.context_id == visitor.context.id, Link.assignment == assignment, Link.title != ""
    )
    return session.scalar(query.order_by(Link.id).limit(1)) or assignment


def submission(state: AppState, visitor: Visitor, number: int) -> Submission:
    """An attempt that a visitor may see: a student's own, or one of a teacher's students.

    Raises:
        WebError: it is not there, or not this visitor's.
    """
    with reading(state.engine) as session:
        found = session.get(Submission, number)
    if found is None:
        raise errors.not_found()
    if found.student != visitor.student and not (
        visitor.is_teacher and scope_of(state, visitor).has(found.student)
    ):
        raise errors.not_found()
    return found


def require_hand_in(visitor: Visitor, found: Access) -> None:
    """Make sure that a visitor may hand in.

    Raises:
        WebError: it may not be; with what to do.
    """
    if found.preview:
        raise WebError(
            HTTPStatus.FORBIDDEN,
            _("Teachers do not hand in"),
            _("This is the page that your students see; nothing was handed in."),
            _("To try it, use the view as a student of your learning platform."),
        )
    if not visitor.active:
        raise WebError(
            HTTPStatus.FORBIDDEN,
            _("You are no longer in this course"),
            _("Your course in the learning platform no longer lists you, so nothing was taken."),
            _("If that is a mistake, write to your teacher. What you handed in before is kept."),
        )
    if not found.hand_in:
        raise WebError(
            HTTPStatus.FORBIDDEN,
            _("Open the assignment from your course"),
            _("You have not opened this assignment from your course, so nothing was handed in."),
            _("Go to your course, open the assignment there and hand in again."),
        )


@dataclass(frozen=True)
class Scope:
    """The students whom a teacher teaches."""

    contexts: tuple[int, ...]
    """The platform's courses where the user is a teacher."""
    whole: bool
    """Whether these are all that there are."""
    leads: bool = True
    """Whether the course that was connected first is among them."""
    others: frozenset[str] = frozenset()
    """Students whom the teacher may not see, where work that came by another way is theirs."""
    students: frozenset[str] | None = None
    """The only students whom the teacher may see, where it is not."""

    def has(self, student: str) -> bool:
        """Whether the teacher may see a student."""
        return student in self.students if self.students is not None else student not in self.others

    def only(self, students: Iterable[str]) -> list[str]:
        """Those of some students whom the teacher may see."""
        return [student for student in students if self.has(student)]


def scope_of(state: AppState, visitor: Visitor) -> Scope:
    """The students whom a teacher teaches."""
    teaching = select(Enrolment.context_id).where(
        Enrolment.identity_id == visitor.identity.id,
        Enrolment.role == "teacher",
        Enrolment.active,
    )
    with reading(state.engine) as session:
        contexts = {visitor.context.id, *session.scalars(teaching)}
        first = session.scalar(select(func.min(Context.id)))
        elsewhere = session.scalar(select(exists().where(Context.id.not_in(contexts))))
        if not elsewhere:
            return Scope(tuple(sorted(contexts)), whole=True)
        mine = set(session.scalars(_students_in(contexts)))
        if first not in contexts:
            return Scope(
                tuple(sorted(contexts)), whole=False, leads=False, students=frozenset(mine)
            )
        others = set(session.scalars(_students_in(None))) - mine
    return Scope(tuple(sorted(contexts)), whole=False, others=frozenset(others))


def _students_in(contexts: Collection[int] | None) -> Select[str]:
    query = select(Identity.student).join(Enrolment, Enrolment.identity_id == Identity.id)
    return query if contexts is None else query.where(Enrolment.context_id.in_(contexts))
