"""The tables of the report, computed from what is known of a class."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autograder.grading.results import CellResult, CheckResult
from autograder.report import likeness
from autograder.report.data import LIMITS, CellError, ClassData, Exercise, State, Submission
from autograder.report.likeness import Likeness
from autograder.report.statistics import (
    POOR_DISCRIMINATION,
    Distribution,
    Item,
    Reliability,
    correlation,
    distribution,
    item,
    reliability,
    rest_totals,
)

LEAST_FOR_REMARKS: Final = 3
"""With fewer students, that nobody or everybody passes is no wonder."""


@dataclass(frozen=True)
class ExerciseRow:
    """One exercise."""

    exercise: Exercise
    item: Item
    outcomes: Mapping[str, int]
    """Students who earned all points, a part, nothing, or did not try."""
    faults: int
    """Students with whom one of its graders failed."""
    suspicious: tuple[str, ...]
    """Why its graders should be looked at."""
    remarks: tuple[str, ...]
    """What else is worth a look."""


@dataclass(frozen=True)
class CheckRow:
    """One check of an exercise."""

    exercise: str
    title: str
    weight: float
    passed: int
    failed: int
    not_attempted: int
    faults: int
    pass_share: float | None
    """Of those whom it could judge."""
    discrimination: float | None
    """Its correlation with the total of all other exercises."""
    suspicious: tuple[str, ...]


@dataclass(frozen=True)
class DiagnosisRow:
    """A wrong answer that graders know, or all that they do not know (``diagnosis`` empty)."""

    exercise: str
    diagnosis: str
    students: int
    share: float
    """Of the graded students."""
    message: str
    """What most of these students read."""


@dataclass(frozen=True)
class ErrorRow:
    """An error or a limit that ended cells."""

    exercise: str
    name: str
    meaning: str
    """Which limit it is; empty for an exception of Python's."""
    students: int
    cells: int


@dataclass(frozen=True)
class StudentRow:
    """One student."""

    student: str
    state: State
    total: float | None
    scores: Mapping[str, float]
    awaits_person: bool
    errors: int
    problem: str


@dataclass(frozen=True)
class Report:
    """Everything that the page and the files tell."""

    assignment: str
    points: float
    states: Mapping[State, int]
    awaiting: int
    """Graded students some of whose scores a person must still give."""
    totals: Sequence[float]
    distribution: Distribution
    reliability: Reliability
    exercises: Sequence[ExerciseRow]
    checks: Sequence[CheckRow]
    diagnoses: Sequence[DiagnosisRow]
    errors: Sequence[ErrorRow]
    students: Sequence[StudentRow]
    likeness: Likeness
    answers: Mapping[str, Mapping[str, str]]
    """The solution cells of the students in the pairs that look alike; empty if left out."""

    @property
    def graded(self) -> int:
        """Students who are in the statistics."""
        return self.states["graded"]


def analyse(data: ClassData, with_code: bool = True) -> Report:
    """Compute the tables.

    Args:
        data: what is known of the class.
        with_code: whether the report may show what students wrote.
    """
    graded = data.graded
    totals = [one.total for one in graded if not one.awaits_person]
    alike = likeness.compare({one.student: one.answers for one in graded}, data.given)
    shown = {student for pair in alike.pairs for student in (pair.first, pair.second)}
    states: dict[State, int] = {
        state: len(data.in_state(state))
        for state in ("graded", "unreadable", "missing", "not graded")
    }
    return Report(
        assignment=data.assignment,
        points=data.points,
        states=states,
        awaiting=sum(one.awaits_person for one in graded),
        totals=totals,
        distribution=distribution(totals),
        reliability=reliability(data.table()),
        exercises=list(_exercises(data)),
        checks=list(_checks(data)),
        diagnoses=_diagnoses(data),
        errors=_errors(data),
        students=_students(data),
        likeness=alike,
        answers={one.student: one.answers for one in graded if with_code and one.student in shown},
    )


def _exercises(data: ClassData) -> Iterator[ExerciseRow]:
    table = data.table()
    for column, exercise in enumerate(data.exercises):
        found = item(table, column, exercise.points)
        faults = sum(_has_fault(one.checks.get(exercise.name)) for one in data.graded)
        remarks = []
        if found.discrimination is not None and 0 <= found.discrimination < POOR_DISCRIMINATION:
            remarks.append(f"discrimination below {POOR_DISCRIMINATION:g}")
        if found.count < len(data.graded):
            remarks.append(f"{len(data.graded) - found.count} still to be graded by a person")
        yield ExerciseRow(
            exercise,
            found,
            _outcomes(data, exercise),
            faults,
            tuple(_suspicions(found, faults)) if exercise.points > 0 else (),
            tuple(remarks),
        )


def _suspicions(found: Item, faults: int) -> Iterator[str]:
    """Why the graders of an exercise should be looked at."""
    if found.discrimination is not None and found.discrimination < 0:
        yield "negative discrimination: who is good elsewhere fails here"
    if found.count >= LEAST_FOR_REMARKS:
        if found.none == found.count:
            yield "nobody earned anything"
        elif found.full == 0:
            yield "nobody earned all points"
        if found.full == found.count:
            yield "everybody earned all points"
    if faults:
        yield f"a grader failed with {faults} of the students"


def _has_fault(result: CellResult | None) -> bool:
    return result is not None and result.needs_review


def _outcomes(data: ClassData, exercise: Exercise) -> dict[str, int]:
    """How many students earned what; who is still to be graded by a person is left out."""
    counts = dict.fromkeys(("all points", "a part", "attempted, nothing", "not attempted"), 0)
    for one in data.graded:
        score = one.scores.get(exercise.name, 0.0)
        if math.isnan(score):
            continue
        counts[_outcome(score, exercise.points, one.checks.get(exercise.name))] += 1
    return counts


def _outcome(score: float, points: float, result: CellResult | None) -> str:
    if score >= points > 0:
        return "all points"
    if score > 0:
        return "a part"
    checks = [] if result is None else result.checks
    open_yet = bool(checks) and all(check.status == "not attempted" for check in checks)
    return "not attempted" if open_yet else "attempted, nothing"


def _checks(data: ClassData) -> Iterator[CheckRow]:
    """Every check that any submission met, in the order of the exercises."""
    table = data.table()
    for column, exercise in enumerate(data.exercises):
        rest = rest_totals(table, column) if len(data.exercises) > 1 else None
        by_check: dict[str, dict[int, CheckResult]] = defaultdict(dict)
        for row, one in enumerate(data.graded):
            result = one.checks.get(exercise.name)
            for check in () if result is None else result.checks:
                by_check[check.node_id][row] = check
        for results in by_check.values():
            passed = np.full(len(data.graded), math.nan)
            for row, check in results.items():
                if check.status != "fault":
                    passed[row] = float(check.status == "passed")
            discrimination = None if rest is None else correlation(passed, rest)
            yield _check_row(exercise.name, list(results.values()), discrimination)


def _check_row(
    exercise: str, results: Sequence[CheckResult], discrimination: float | None
) -> CheckRow:
    count = Counter(check.status for check in results)
    judged = len(results) - count["fault"]
    suspicious = []
    if discrimination is not None and discrimination < 0:
        suspicious.append("negative discrimination")
    if judged >= LEAST_FOR_REMARKS:
        suspicious += ["nobody passes"] if count["passed"] == 0 else []
        suspicious += ["everybody passes"] if count["passed"] == judged else []
    if count["fault"]:
        suspicious.append(f"failed by its own fault: {count['fault']}")
    return CheckRow(
        exercise=exercise,
        title=results[0].title,
        weight=results[0].weight,
        passed=count["passed"],
        failed=count["failed"],
        not_attempted=count["not attempted"],
        faults=count["fault"],
        pass_share=count["passed"] / judged if judged else None,
        discrimination=discrimination,
        suspicious=tuple(suspicious),
    )


def _diagnoses(data: ClassData) -> list[DiagnosisRow]:
    """Which wrong answers occur how often; a student counts once for each, the most first."""
    students: Counter[tuple[str, str]] = Counter()
    messages: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in data.graded:
        met = set()
        for exercise, result in one.checks.items():
            for check in result.checks:
                if check.status == "failed":
                    met.add((exercise, check.diagnosis))
                    messages[exercise, check.diagnosis][check.message] += 1
        students.update(met)
    rows = [
        DiagnosisRow(
            exercise,
            diagnosis,
            count,
            count / len(data.graded),
            messages[exercise, diagnosis].most_common(1)[0][0],
        )
        for (exercise, diagnosis), count in students.items()
    ]
    return sorted(rows, key=lambda row: (-row.students, row.exercise, row.diagnosis))


def _errors(data: ClassData) -> list[ErrorRow]:
    """Which errors and limits ended cells; limits first, the most first."""
    cells: Counter[CellError] = Counter()
    students: Counter[CellError] = Counter()
    for one in data.graded:
        cells.update(one.errors)
        students.update(set(one.errors))
    rows = [
        ErrorRow(error.exercise, error.name, LIMITS.get(error.name, ""), count, cells[error])
        for error, count in students.items()
    ]
    return sorted(rows, key=lambda row: (not row.meaning, -row.students, row.exercise, row.name))


def _students(data: ClassData) -> list[StudentRow]:
    return [_student(one) for one in sorted(data.submissions, key=lambda one: one.student)]


def _student(one: Submission) -> StudentRow:
    return StudentRow(
        one.student,
        one.state,
        one.total if one.state in ("graded", "unreadable") else None,
        one.scores,
        one.awaits_person,
        len(one.errors),
        one.problem,
    )
