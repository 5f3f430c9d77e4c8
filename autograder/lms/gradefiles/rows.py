"""What a file of grades says of each student: who it is for an LMS, and the points."""

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Final

from sqlalchemy import Engine, select

from autograder.bridge.course import Course, CourseError
from autograder.bridge.students import read_students
from autograder.bridge.totals import Total, read_totals
from autograder.lms.schema import Enrolment, Identity, Registration
from autograder.plain import first_of

_CENT: Final = Decimal("0.01")
_NOISE: Final = 6
"""Decimals beyond which sums of floats are not exact."""
_FORMULA: Final = re.compile(r"\s*[=+\-@|%＝＋－＠]")
"""The beginning of a text that a spreadsheet may take for a formula or a command."""
_SAFE_ID: Final = re.compile(r"[+\-@]?[\w.@-]*")
"""What computes nothing, whatever its first character is: a call needs brackets, a command `|`."""
_ESCAPES: Final = re.compile(r'\\(?:"|$)')
_Settled = Mapping[str, tuple[int, float] | None]
_NAMED: Final = 10
"""Students who are named in a sentence."""
_REMEMBERED: Final = 50_000
"""Texts that several files and columns ask for: a few for each student of a large class."""


class GradeFileError(CourseError):
    """No such file can be written; the message says why and how to mend it."""


@dataclass(frozen=True)
class Score:
    """The points of a student in an assignment."""

    points: float | None
    """With a person's points, less nbgrader's penalty for being late; None: there is no grade."""
    maximum: float
    needs_person: bool = False
    """There is no grade yet, since a person has still to give points."""
    is_settled: bool = True
    """Whether the gradebook has the attempt that counts; there is no grade until it has."""

    def __post_init__(self) -> None:
        """Refuse what no LMS can read.

        Raises:
            ValueError: a number that is none.
        """
        if not (math.isfinite(self.maximum) and math.isfinite(self.points or 0.0)):
            raise ValueError(f"no number of points: {self.points} of {self.maximum}")


@dataclass(frozen=True)
class Row:
    """A student: all that an LMS may know the student by, as far as it is known here."""

    student: str
    """nbgrader's student_id."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """By assignment."""
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    login: str = ""
    """The user name in the LMS."""
    person: str = ""
    """The id of the university's own system: LTI's ``lis_person_sourcedid``."""
    user: str = ""
    """nbgrader's ``lms_user_id``: the LMS's own number of the user, where a teacher stored it."""
    sub: str = ""
    """The user's id in launches of the platform; empty where nobody came from one."""
    product: str = ""
    """The platform's ``product_family_code``."""

    @property
    def bare_id(self) -> str:
        """The student_id if a person chose it, so that an LMS may know it; else nothing."""
        return "" if self.sub else self.student

    def grade(self, assignment: str) -> float | None:
        """The points in an assignment; None: there is no grade."""
        score = self.scores.get(assignment)
        return None if score is None else score.points


@dataclass(frozen=True)
class Item:
    """An assignment of which grades are written."""

    name: str
    maximum: float


def rows_of(
    engine: Engine | None,
    course: Course,
    assignments: Sequence[str],
    *,
    context_id: int | None = None,
) -> list[Row]:
    """Every student with the points of some assignments, by student_id.

    Who has left all courses of an LMS, or only teaches there, is not among them. Work that a
    person has still to grade has no grade, nor have students of whom an attempt is being graded.

    Args:
        engine: our own database, where there is one.
        course: the course.
        assignments: their names.
        context_id: only students of this course of a platform (``schema.Context``).

    Raises:
        CourseError: the gradebook does not have an assignment, or cannot be read.
    """
    if not assignments:
        return []
    before = _settled(engine, assignments)
    totals = {name: read_totals(course, name, by_hand=False) for name in assignments}
    after = _settled(engine, assignments)
    people = _people(course)
    known, away = ({}, set[str]()) if engine is None else _known(engine, context_id)
    students = known.keys() if context_id is not None else people.keys() | known.keys()
    rows = []
    for student in sorted(students - away):
        scores = {}
        for name, found in totals.items():
            total = found.students.get(student)
            scores[name] = _score(found.facts.maximum, total, before[name], after[name], student)
        facts = dict(people.get(student, {}))
        facts |= {key: value for key, value in known.get(student, {}).items() if value}
        facts["name"] = facts.get("name") or " ".join(
            filter(None, (facts.get("given_name"), facts.get("family_name")))
        )
        rows.append(Row(student, scores, **facts))
    return rows


def _score(
    maximum: float, total: Total | None, before: _Settled, after: _Settled, student: str
) -> Score:
    """A student's points, if nothing was being graded while they were read."""
    attempts = {one[student] for one in (before, after) if student in one}
    if len(attempts) > 1 or None in attempts:
        return Score(None, maximum, is_settled=False)
    needs_person = total is not None and total.needs_person
    final = total is not None and total.graded and not needs_person
    points = total.score if total is not None and final else None
    return Score(points, maximum, needs_person=needs_person)


def _settled(engine: Engine | None, assignments: Sequence[str]) -> dict[str, _Settled]:
    """Which attempt the gradebook has of each student who has handed in, by assignment."""
    if engine is None:
        return {name: {} for name in assignments}
    from autograder.lms.database import reading  # needs what only the tool is installed with
    from autograder.lms.handins.attempts import settled

    with reading(engine) as session:
        return {name: settled(session, name) for name in assignments}


def _people(course: Course) -> dict[str, dict[str, str]]:
    """What nbgrader knows of its students."""
    return {
        one.student: {
            "given_name": one.given_name,
            "family_name": one.family_name,
            "email": one.email,
            "user": one.user,
        }
        for one in read_students(course)
    }


def _known(engine: Engine, context_id: int | None) -> tuple[dict[str, dict[str, str]], set[str]]:
    """What platforms have told of students, and who is no student there any more."""
    from autograder.lms.database import reading  # needs what only the tool is installed with

    enrolments = select(Enrolment.identity_id, Enrolment.role, Enrolment.active)
    if context_id is not None:
        enrolments = enrolments.where(Enrolment.context_id == context_id)
    people = select(
        *(Identity.id, Identity.issuer, Identity.student, Identity.name, Identity.given_name),
        *(Identity.family_name, Identity.email, Identity.login, Identity.person, Identity.sub),
    )
    with reading(engine) as session:
        connection = session.connection()  # plain rows: a class has thousands
        studies: dict[int, bool] = {}
        for identity, role, active in connection.execute(enrolments).all():
            now = active and role == "student"
            studies[identity] = studies.get(identity, False) or now
        products: dict[str, str] = {}
        for issuer, product in connection.execute(
            select(Registration.issuer, Registration.product)
        ):
            products[issuer] = product if products.get(issuer, product) == product else ""
        known, away = {}, set()
        for one in connection.execute(people).all():
            if not studies.get(one.id, context_id is None):
                away.add(one.student)
                continue
            known[one.student] = {
                "name": one.name,
                "given_name": one.given_name,
                "family_name": one.family_name,
                "email": one.email,
                "login": one.login,
                "person": one.person,
                "sub": one.sub,
                "product": products.get(one.issuer, ""),
            }
    return known, away


def exact(points: float) -> Decimal:
    """Points without the noise of sums of floats."""
    return Decimal(repr(round(points, _NOISE) + 0.0))


@functools.lru_cache(_REMEMBERED)
def points_text(points: float, maximum: float) -> str:
    """Points to two decimals; what is not over the maximum is not written as if it were."""
    value = exact(points)
    shown = value.quantize(_CENT, ROUND_HALF_UP)
    if value <= exact(maximum) < shown:
        shown = value.quantize(_CENT, ROUND_DOWN)
    return f"{shown:f}"


def maximum_text(maximum: float, decimals: int = _NOISE) -> str:
    """A maximum with as many decimals as it has, up to a number of them."""
    return f"{Decimal(repr(round(maximum, decimals))).normalize():f}"


@functools.lru_cache(_REMEMBERED)
def shown_text(text: str) -> str:
    """A text of one line that people read, and that a spreadsheet does not compute.

    It has no backslash, since PHP and Java's readers of CSV take one before a quotation mark as
    its escape, and no semicolon, behind which a spreadsheet may begin a new cell.
    """
    line = _line(text).replace("\\", "/").replace(";", ",")
    return f"'{line}" if _FORMULA.match(line) else line


@functools.lru_cache(_REMEMBERED)
def id_text(text: str) -> str:
    """An id by which an LMS finds a user, unchanged.

    Nothing where a spreadsheet would run it, or where its backslash would be taken for an escape.
    """
    line = _line(text)
    if _ESCAPES.search(line):
        return ""
    parts = line.split(";")  # where some spreadsheets begin a new cell
    return "" if any(_FORMULA.match(p) and not _SAFE_ID.fullmatch(p) for p in parts) else line


def _line(text: str) -> str:
    """A text without line breaks and other control characters, which no cell needs."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def sortable_name(row: Row) -> str:
    """The name as lists have it, family name first; the student_id of who has none."""
    if row.family_name and row.given_name:
        return f"{row.family_name}, {row.given_name}"
    return row.name or row.family_name or row.given_name or row.student


def named(students: Sequence[str]) -> str:
    """Students in a sentence: the first of them, and how many more."""
    return first_of(students, _NAMED)


def unsettled_of(rows: Sequence[Row], assignments: Sequence[str]) -> str:
    """Who has no grade since work is being graded, in a sentence; empty for nobody."""
    students = sorted(
        {
            row.student
            for row in rows
            for name in assignments
            if name in row.scores and not row.scores[name].is_settled
        }
    )
    if not students:
        return ""
    return (
        f"work is being graded or could not be graded, so there is no grade yet: {named(students)}"
    )
