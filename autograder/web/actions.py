"""What a teacher does: release, grade again, give more time, deliver again, read the roster."""

import functools
import math
import re
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from autograder.bridge.course import CourseError
from autograder.lms.database import reading
from autograder.lms.handins import grades
from autograder.lms.handins.grades import ReleaseReport, Row
from autograder.lms.schema import Context
from autograder.lms.services import outbox
from autograder.plain import counted, first_of
from autograder.web import errors, formats
from autograder.web.access import Scope, State, Teacher, scope_of
from autograder.web.deadlines import set_deadline
from autograder.web.links import missing_line_items
from autograder.web.notes import Note
from autograder.web.pages import page
from autograder.web.routes import (
    MANY,
    AssignmentName,
    Posted,
    fields,
    forms,
    see,
    value,
    values,
)
from autograder.web.sessions import Visitor
from autograder.web.state import AppState
from autograder.web.teacher import class_of, deliveries_of

router = APIRouter()

_LONGEST_HOURS: Final = 24.0 * 366
_MOST_NAMED: Final = 5
_LONGEST_NUMBER: Final = 18
"""Digits: a larger one is no row's."""
_AT_ONCE: Final = 500
_BACK: Final = re.compile(r"(/students/[A-Za-z0-9._~%-]+)?(\?[A-Za-z0-9=&%_.+~*-]*)?")
"""Where the form stood, below the assignment's page."""
_CHOICE: Final = fields(students=MANY, whom=None, back=None, confirm=None)


@dataclass
class _Asked:
    """What a form of the class asks for."""

    state: AppState
    visitor: Visitor
    scope: Scope
    name: str
    form: FormData

    @classmethod
    def read(cls, state: AppState, visitor: Visitor, name: str, form: FormData) -> "_Asked":
        """What is asked for.

        Raises:
            WebError: there is no such assignment.
        """
        if name not in state.course.assignments():
            raise errors.not_found()
        return cls(state, visitor, scope_of(state, visitor), name, form)

    @functools.cached_property
    def rows(self) -> list[Row]:
        """The teacher's students, as far as they are asked for: read when they are needed.

        Raises:
            WebError: the gradebook cannot be read.
        """
        return class_of(self.state, self.scope, self.name, _wanted(self.form))

    @property
    def for_all(self) -> bool:
        """Whether the whole class is meant."""
        return _is_for_all(self.form)

    @property
    def chosen(self) -> list[str]:
        """The chosen students, of those whom the teacher teaches."""
        return [row.student for row in self.rows]

    @property
    def whom(self) -> list[str] | None:
        """The same; None where these are all students of the course, whoever they are."""
        return None if self.for_all and self.scope.whole else self.chosen

    def answer(self, *notes: Note) -> Response:
        """Go back to where the form stood, and say what was done."""
        self.state.notes.add(self.visitor.session.token_hash, *notes)
        back = value(self.form, "back")
        rest = back if _BACK.fullmatch(back) else ""
        return see(self.state.at("teacher", self.name) + rest)

    def nobody(self) -> Response:
        """Nobody was chosen."""
        return self.answer(Note("Choose students first: nothing was done.", "warn"))

    def is_confirmed(self) -> bool:
        """Whether it may be done: for the whole class it is asked for twice."""
        return not self.for_all or value(self.form, "confirm") == "yes"


def _is_for_all(form: FormData) -> bool:
    return value(form, "whom") == "all"


def _wanted(form: FormData) -> set[str] | None:
    """The students whom a form names; None where it means the whole class."""
    if _is_for_all(form):
        return None
    only = value(form, "only")
    return {only} if only else set(values(form, "students"))


@router.post(
    "/teacher/{name}/release",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(409, asks=True),
    openapi_extra=_CHOICE,
)
def release(
    request: Request, state: State, visitor: Teacher, name: AssignmentName, form: Posted
) -> Response:
    """Release grades to the students and the platform."""
    asked = _Asked.read(state, visitor, name, form)
    students = asked.whom
    if students is not None and not students:
        return asked.nobody()
    try:
        if not asked.is_confirmed():
            would = grades.would_release(
                state.engine, state.course, state.settings, name, students, finished_only=True
            )
            return _confirm(request, asked, "release", _release_told(would))
        notes = missing_line_items(state, asked.scope, name)
        report = grades.release(
            state.engine, state.course, state.settings, name, students,
            actor=visitor.student, finished_only=asked.for_all, clock=state.clock,
        )  # fmt: skip
    except CourseError as error:
        return asked.answer(Note(str(error), "bad"))
    state.wake()
    return asked.answer(*notes, *_told(report))


def _release_told(would: ReleaseReport) -> list[str]:
    """What a release of the whole class would do."""
    new = len(would.first)
    return [
        f"{counted(new, 'grade')} will be released for the first time, "
        f"and {counted(len(would.released) - new, 'released grade')} will change.",
        "Students see them at once, and they are sent to the learning platform.",
        *(f"Will not be released, {told}." for told in _held_back(would)),
    ]


def _told(report: ReleaseReport) -> list[Note]:
    return [
        Note(
            f"Released {counted(len(report.released), 'grade')}; "
            f"{len(report.unchanged)} unchanged. {counted(report.queued, 'score')} on the way to "
            "the learning platform."
        ),
        *(Note(f"Not released, {told}.", "warn") for told in _held_back(report)),
    ]


def _held_back(report: ReleaseReport) -> list[str]:
    """Why which students' grades are not released."""
    return [
        f"since {why}: {_named(students)}"
        for students, why in (
            (report.waiting, "work is being graded: release again when that is done"),
            (report.needs_person, "a person has still to grade"),
            (report.no_grade, "there is no graded work"),
            (report.not_in_lms, "no user of the learning platform is known to be them"),
        )
        if students
    ]


@router.post(
    "/teacher/{name}/regrade",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(409, asks=True),
    openapi_extra=_CHOICE,
)
def regrade(
    request: Request, state: State, visitor: Teacher, name: AssignmentName, form: Posted
) -> Response:
    """Have work graded again."""
    asked = _Asked.read(state, visitor, name, form)
    if not asked.chosen:
        return asked.nobody()
    if not asked.is_confirmed():
        work = counted(sum(row.attempts > 0 for row in asked.rows), "student")
        told = [
            f"The work of {work} will be graded again. What is released stays as it is until you "
            "release it again.",
            "“What would change” shows the outcome before anything is written.",
        ]
        return _confirm(request, asked, "regrade", told)
    count = grades.regrade(
        state.engine, name, asked.whom, visitor.student,
        counts=state.settings.policy(name).counts, clock=state.clock,
    )  # fmt: skip
    state.wake()
    return asked.answer(Note(f"{counted(count, 'attempt')} will be graded again."))


def _confirm(request: Request, asked: _Asked, action: str, told: list[str]) -> Response:
    return page(
        request,
        "confirm.html",
        assignment=asked.name,
        action=action,
        told=told,
        back=value(asked.form, "back"),
        csrf=asked.visitor.session.csrf,
    )


@router.post(
    "/teacher/{name}/extend",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(409),
    openapi_extra=fields(students=MANY, hours=None, back=None),
)
def extend(state: State, visitor: Teacher, name: AssignmentName, form: Posted) -> Response:
    """Give students more time."""
    asked = _Asked.read(state, visitor, name, form)
    hours = _hours(value(form, "hours"))
    if hours is None:
        told = f"Give the time in hours, from 0 to {_LONGEST_HOURS:g}: nothing was done."
        return asked.answer(Note(told, "warn"))
    if not asked.chosen:
        return asked.nobody()
    try:
        for student in asked.chosen:
            grades.extend(
                state.engine, state.course, name, student, hours * 3600,
                actor=visitor.student, clock=state.clock,
            )  # fmt: skip
    except CourseError as error:
        return asked.answer(Note(str(error), "bad"))
    state.wake()
    more = f"{formats.duration(hours * 3600)} more" if hours else "no more time"
    return asked.answer(Note(f"{_named(asked.chosen)}: {more} than the deadline."))


def _hours(text: str) -> float | None:
    try:
        hours = float(text.replace(",", "."))
    except ValueError:
        return None
    return hours if math.isfinite(hours) and 0 <= hours <= _LONGEST_HOURS else None


@router.post(
    "/teacher/{name}/deadline",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(409),
    openapi_extra=fields(deadline=None, back=None),
)
def deadline(state: State, visitor: Teacher, name: AssignmentName, form: Posted) -> Response:
    """Set the deadline."""
    asked = _Asked.read(state, visitor, name, form)
    if not asked.scope.leads:
        told = "Only teachers of the course that was connected first set deadlines."
        return asked.answer(Note(told, "bad"))
    text = value(form, "deadline")
    try:
        seconds = formats.seconds_of(text, state.zone) if text else None
    except (ValueError, OverflowError):
        years = f"{formats.FIRST_YEAR} to {formats.LAST_YEAR}"
        told = f"Give a date and a time of the years {years}: nothing was done."
        return asked.answer(Note(told, "warn"))
    try:
        again = set_deadline(state, name, seconds, visitor.student)
    except CourseError as error:
        return asked.answer(Note(str(error), "bad"))
    state.wake()
    told = "There is no deadline any more." if seconds is None else "The deadline is set."
    if again:
        told += f" {counted(again, 'attempt')} will be graded again for it."
    return asked.answer(Note(told))


@router.post(
    "/teacher/{name}/retry",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(409),
    openapi_extra=fields(students=MANY, only=None, back=None),
)
def retry(state: State, visitor: Teacher, name: AssignmentName, form: Posted) -> Response:
    """Try again to deliver scores."""
    asked = _Asked.read(state, visitor, name, form)
    if not asked.chosen:
        return asked.nobody()
    notes = missing_line_items(state, asked.scope, name)
    keys: list[outbox.Key] = []
    with reading(state.engine) as session:
        for start in range(0, len(asked.chosen), _AT_ONCE):
            part = asked.chosen[start : start + _AT_ONCE]
            keys += [
                outbox.Key(row.registration, row.deployment, row.line_item, row.user)
                for row in session.scalars(deliveries_of(name, part))
                if row.state != "delivered"
            ]
    box = outbox.Outbox(state.engine, state.services, state.clock)
    for key in keys:
        box.retry(key)
    state.wake()
    told = f"{counted(len(keys), 'delivery', 'deliveries')} tried again now."
    return asked.answer(*notes, Note(told))


@router.post(
    "/teacher/{name}/sync",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(409),
    openapi_extra=fields(context={"type": "integer"}, back=None),
)
def sync(state: State, visitor: Teacher, name: AssignmentName, form: Posted) -> Response:
    """Read the roster of a platform's course again."""
    asked = _Asked.read(state, visitor, name, form)
    return asked.answer(read_roster(state, asked.scope, value(form, "context")))


@router.post(
    "/roster",
    response_class=RedirectResponse,
    status_code=303,
    responses=forms(),
    openapi_extra=fields(context={"type": "integer"}),
)
def roster(state: State, visitor: Teacher, form: Posted) -> Response:
    """Read the roster of a platform's course again, from the page of all assignments."""
    note = read_roster(state, scope_of(state, visitor), value(form, "context"))
    state.notes.add(visitor.session.token_hash, note)
    return see(state.at("teacher"))


def read_roster(state: AppState, scope: Scope, context: str) -> Note:
    """Begin to read a roster; what to say of it."""
    digits = context.isascii() and context.isdigit() and len(context) <= _LONGEST_NUMBER
    number = int(context) if digits else 0
    if number not in scope.contexts:
        raise errors.bad_form()
    with reading(state.engine) as session:
        found = session.get_one(Context, number)
    if not found.memberships_url:
        return Note(
            "The platform offers no roster for this course. Allow the tool to read it (“names and "
            "roles”), then open a link of the course again.",
            "warn",
        )
    state.rosters.start(number)
    return Note("The roster is being read; load this page again in a moment.")


def _named(students: list[str]) -> str:
    """Some students by their ids, and how many more there are."""
    return first_of(students, _MOST_NAMED)
