"""What is known of an assignment's submissions: scores, checks, errors and answers."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from autograder.bridge.course import Course
from autograder.bridge.notebooks import METADATA
from autograder.bridge.outputs import read_result
from autograder.bridge.scores import AssignmentScores, CellKey, StoredGrade, read_scores
from autograder.grading.results import CellResult
from autograder.report.statistics import Scores
from autograder.runner.events import valid_text

State: TypeAlias = Literal["graded", "unreadable", "missing", "not graded"]
"""``missing``: nothing was handed in. ``not graded``: it was, and has no scores yet."""

LIMITS: Final[Mapping[str, str]] = {
    "CellTimeoutError": "ran too long",
    "CellOutputError": "wrote too much output",
    "MemoryError": "used too much memory",
    "DiskLimitError": "wrote too many or too large files",
    "ProcessLimitError": "started too many processes",
    "OpenFilesLimitError": "opened too many files",
    "DeadKernelError": "ended the notebook's process",
    "CellNotRunError": "not run, since an earlier cell ended it all",
}
"""The names under which the engine writes into a cell which limit it hit."""
OTHER_CELLS: Final = ""
"""The exercise of an error in a cell that belongs to none."""
_LONGEST_NAME: Final = 80


@dataclass(frozen=True)
class Exercise:
    """A grade cell of the assignment."""

    key: CellKey
    name: str
    """The name of its cell; with the notebook's where two notebooks use the same."""
    points: float


@dataclass(frozen=True)
class CellError:
    """An error or a limit that ended one cell."""

    exercise: str
    """The exercise whose solution it is, or ``OTHER_CELLS``."""
    name: str
    """The name of the exception."""


@dataclass
class Submission:
    """What is known of one student's work on the assignment; all by the exercises' names."""

    student: str
    state: State
    scores: dict[str, float] = field(default_factory=dict)
    """NaN where a person must give the score first."""
    checks: dict[str, CellResult] = field(default_factory=dict)
    """Of the exercises that hidden graders grade."""
    errors: list[CellError] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """The sources of the solution cells."""
    problem: str = ""
    """Why it could not be read."""

    @property
    def total(self) -> float:
        """The sum of the scores that are known."""
        return sum(score for score in self.scores.values() if not math.isnan(score))

    @property
    def awaits_person(self) -> bool:
        """Whether a person must still give a score."""
        return any(math.isnan(score) for score in self.scores.values())


@dataclass
class ClassData:
    """What is known of a class and one assignment."""

    assignment: str
    exercises: list[Exercise]
    """In the order of the notebooks."""
    submissions: list[Submission]
    given: str = ""
    """The code that the release gives, and that of the teacher's own solutions."""

    def in_state(self, *states: State) -> list[Submission]:
        """The submissions in some states."""
        return [one for one in self.submissions if one.state in states]

    @property
    def graded(self) -> list[Submission]:
        """The submissions that say something of the exercises."""
        return self.in_state("graded")

    @property
    def points(self) -> float:
        """The highest possible score."""
        return sum(exercise.points for exercise in self.exercises)

    def table(self) -> Scores:
        """The scores of the graded submissions: a row each, a column for each exercise."""
        rows = [
            [one.scores.get(exercise.name, 0.0) for exercise in self.exercises]
            for one in self.graded
        ]
        return np.asarray(rows, dtype=float).reshape(len(rows), len(self.exercises))


def read_class(course: Course, assignment: str) -> ClassData:
    """Read everything that the report tells of an assignment.

    Raises:
        CourseError: there is no such assignment, or the gradebook cannot be used.
    """
    stored = read_scores(course, assignment)
    layout = _Layout.of(course, assignment, stored)
    handed_in = set(course.students(assignment))
    students = sorted(stored.students | set(stored.grades) | handed_in)
    return ClassData(
        assignment,
        layout.exercises,
        [
            _submission(student, stored.grades.get(student), layout, student in handed_in)
            for student in students
        ],
        layout.given,
    )


@dataclass
class _Layout:
    """Where the exercises are in the notebooks."""

    course: Course
    assignment: str
    exercises: list[Exercise]
    names: dict[CellKey, str]
    """The name of each exercise, by notebook and grade_id."""
    solutions: dict[CellKey, str]
    """The exercise of each solution cell, by notebook and grade_id."""
    given: str

    @classmethod
    def of(cls, course: Course, assignment: str, stored: AssignmentScores) -> "_Layout":
        """Read the layout from the source notebooks, and what is given from both versions."""
        names = _names(stored)
        order: list[CellKey] = []
        solutions: dict[CellKey, str] = {}
        given: list[str] = []
        for notebook in course.notebooks(assignment):
            cells = _cells(course.folder("source", assignment) / f"{notebook}.ipynb")
            released = _cells(course.folder("release", assignment) / f"{notebook}.ipynb")
            given += [_source(cell) for cell in (*released, *cells) if _is_code(cell)]
            open_solutions: list[str] = []
            for cell in cells:
                grade_id = _grade_id(cell)
                if cell["metadata"].get("nbgrader", {}).get("solution"):
                    open_solutions.append(grade_id)
                if (notebook, grade_id) in names:
                    order.append((notebook, grade_id))
                    name = names[notebook, grade_id]
                    solutions |= {(notebook, one): name for one in open_solutions}
                    open_solutions = []
        order += sorted(names.keys() - set(order))  # known to the gradebook alone
        exercises = [Exercise(key, names[key], stored.points[key]) for key in order]
        return cls(course, assignment, exercises, names, solutions, "\n".join(given))


def _names(stored: AssignmentScores) -> dict[CellKey, str]:
    """Names for the exercises, as short as they may be."""
    cells = [cell for _notebook, cell in stored.points]
    return {
        (notebook, cell): valid_text(cell if cells.count(cell) == 1 else f"{notebook}/{cell}")
        for notebook, cell in stored.points
    }


def _submission(
    student: str,
    grades: Mapping[CellKey, StoredGrade] | None,
    layout: _Layout,
    handed_in: bool,
) -> Submission:
    course, assignment = layout.course, layout.assignment
    if grades is None:
        return Submission(student, "not graded" if handed_in else "missing")
    found = Submission(student, "graded", _scores(grades, layout))
    folder = course.folder("autograded", assignment, student)
    problems: list[str] = []
    notebooks = 0
    for name in course.notebooks(assignment):
        notebook = _read(folder / f"{name}.ipynb")
        notebooks += notebook is not None
        if notebook is not None:
            _add_cells(found, name, notebook["cells"], layout)
            if problem := notebook["metadata"].get(METADATA, {}).get("problem"):
                problems.append(valid_text(problem))
    if not notebooks and not found.total and not _has_notebook(course, assignment, student):
        found.state = "missing"
    elif notebooks and len(problems) == notebooks:
        found.state, found.problem = "unreadable", problems[0]
    return found


def _scores(grades: Mapping[CellKey, StoredGrade], layout: _Layout) -> dict[str, float]:
    return {
        layout.names[key]: math.nan if grade.awaits_person else grade.score
        for key, grade in grades.items()
        if key in layout.names
    }


def _add_cells(
    found: Submission, notebook: str, cells: Sequence[dict[str, Any]], layout: _Layout
) -> None:
    """Add what an autograded notebook's cells say of a submission."""
    for cell in cells:
        if not _is_code(cell):
            continue
        key = (notebook, _grade_id(cell))
        if key in layout.names and (result := read_result(cell)) is not None:
            found.checks[layout.names[key]] = result
            continue
        exercise = layout.solutions.get(key) or layout.names.get(key) or OTHER_CELLS
        found.errors += [CellError(exercise, name) for name in _error_names(cell)]
        if key in layout.solutions:
            earlier = found.answers.get(exercise)
            source = _source(cell)
            found.answers[exercise] = source if earlier is None else f"{earlier}\n\n{source}"


def _error_names(cell: Mapping[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        if output.get("output_type") == "error":
            yield valid_text(output.get("ename"), _LONGEST_NAME) or "error"


def _has_notebook(course: Course, assignment: str, student: str) -> bool:
    folder = course.folder("submitted", assignment, student)
    return any((folder / f"{name}.ipynb").exists() for name in course.notebooks(assignment))


def _read(path: Path) -> dict[str, Any] | None:
    """A notebook of the course's; None if it is not there, or somebody has damaged it."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(notebook, dict) and {"cells", "metadata"} <= notebook.keys()
    return notebook if whole else None


def _cells(path: Path) -> list[dict[str, Any]]:
    notebook = _read(path)
    return [] if notebook is None else list(notebook["cells"])


def _is_code(cell: Mapping[str, Any]) -> bool:
    return cell.get("cell_type") == "code"


def _grade_id(cell: Mapping[str, Any]) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))


def _source(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return valid_text(source if isinstance(source, str) else "".join(source), 1 << 20)
