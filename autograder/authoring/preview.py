"""What students will see of an assignment, and what the graders say, before it is released.

Everything is made in a copy of the course: its gradebook, its release and its submissions stay as
they are.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nbformat
from nbconvert import HTMLExporter

from autograder.bridge.course import Course, CourseError
from autograder.bridge.outputs import read_result
from autograder.bridge.preprocessors import stop_grading_processes
from autograder.bridge.scratch import copy_source, source_course
from autograder.check.finding import Finding, error_told
from autograder.check.notebooks import Notebooks
from autograder.grading.results import CellResult

SOLUTION: Final = "solution"
"""The student in the copy who hands in the teacher's own notebook."""
UNTOUCHED: Final = "untouched"
"""The student in the copy who hands in the release as it is."""
_STUDENTS: Final = (SOLUTION, UNTOUCHED)
_LONGEST: Final = 300


@dataclass(frozen=True)
class Exercise:
    """What a grade cell earned."""

    grade_id: str
    points: float
    solution: float
    """What the teacher's own solution earned."""
    untouched: float
    """What the release earned, as it is."""
    checks: int
    """How many hidden checks it has."""
    problems: Sequence[str] = ()
    """What is not as it must be."""

    @property
    def right(self) -> bool:
        """Whether the solution earned everything and the untouched release nothing."""
        return not self.problems


@dataclass
class Preview:
    """What one round found, and the pages that it wrote."""

    findings: Sequence[Finding] = ()
    """What is wrong with the notebooks as they lie there."""
    exercises: Sequence[Exercise] = ()
    errors: Sequence[str] = ()
    """Cells of the teacher's own notebook that raise."""
    pages: list[Path] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether nothing is to be mended."""
        return not (self.findings or self.errors) and all(one.right for one in self.exercises)


@contextmanager
def previewing(course: Course, assignment: str, to: Path) -> "Iterator[Previewer]":
    """A previewer, with a copy of the course that ends with it.

    Raises:
        CourseError: there is no such assignment, or no copy of the course can be made.
    """
    course.require(assignment)
    with tempfile.TemporaryDirectory(prefix="autograder-preview-") as folder:
        copy = source_course(course, assignment, Path(folder))
        copy.allow_unsafe()  # only the teacher's own notebooks are run
        try:
            yield Previewer(course, copy, assignment, to)
        finally:
            stop_grading_processes(copy.root)


class Previewer:
    """Makes the preview of an assignment, as often as it is asked to."""

    def __init__(self, course: Course, copy: Course, assignment: str, to: Path) -> None:
        self._course = course
        self._copy = copy
        self._assignment = assignment
        self._to = to

    def collect_anew(self) -> None:
        """Take note that graders, or what they import, have changed."""
        stop_grading_processes(self._copy.root)

    def make(self) -> Preview:
        """Release, grade and write the pages.

        Raises:
            CourseError: it cannot be released or graded; the message says why.
        """
        notebooks = Notebooks(self._course, self._assignment)
        notebooks.look()
        if not notebooks.readable:
            return Preview(notebooks.findings)
        copy_source(self._course, self._assignment, self._copy)
        self._copy.release(self._assignment)
        for student, step in zip(_STUDENTS, ("source", "release"), strict=True):
            self._hand_in(student, step)
            self._grade(student)
        return Preview(notebooks.findings, self._exercises(), self._errors(), self._write_pages())

    def _hand_in(self, student: str, step: str) -> None:
        there = self._copy.folder("submitted", self._assignment, student)
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(self._copy.folder(step, self._assignment), there)

    def _grade(self, student: str) -> None:
        self._copy.forget_inputs()
        summary = self._copy.autograde(self._assignment, student, force=True)
        if summary.error:
            raise CourseError(summary.error)
        self._copy.feedback(self._assignment, student)

    def _cells(self, student: str) -> Iterator[tuple[str, int, Any]]:
        """The cells of a graded notebook: the notebook's name, their number, and themselves."""
        folder = self._copy.folder("autograded", self._assignment, student)
        for path in sorted(folder.glob("*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            for number, cell in enumerate(notebook.cells, 1):
                yield path.stem, number, cell

    def _results(self, student: str) -> dict[str, CellResult]:
        found = [read_result(cell) for _name, _number, cell in self._cells(student)]
        return {result.grade_id: result for result in found if result is not None}

    def _exercises(self) -> list[Exercise]:
        """What each grade cell earned, in the order of the notebook."""
        scores = self._copy.scores(self._assignment)
        results = self._results(SOLUTION)
        found = []
        for _name, _number, cell in self._cells(SOLUTION):
            facts = cell.metadata.get("nbgrader", {})
            if not facts.get("grade") or facts.get("solution"):  # or graded by hand
                continue
            name, points = facts.grade_id, float(facts.points)
            result = results.get(name, CellResult(name))
            earned, empty = (scores[student].get(name, 0.0) for student in _STUDENTS)
            problems = list(_problems(result, points, earned, empty))
            found.append(Exercise(name, points, earned, empty, len(result.checks), problems))
        return found

    def _errors(self) -> list[str]:
        """Cells of the teacher's own notebook that raise, but for grade cells."""
        found = []
        for name, number, cell in self._cells(SOLUTION):
            if told := error_told(cell.get("outputs", [])):
                found.append(f"{name}.ipynb, cell {number} raises {told}")
        return found

    def _write_pages(self) -> list[Path]:
        """The student's notebook, and the feedback on both submissions, as pages."""
        student = self._to / "student"
        _copy_files(self._copy.folder("release", self._assignment), student)
        pages = []
        for name in self._copy.notebooks(self._assignment):
            source = self._copy.folder("release", self._assignment) / f"{name}.ipynb"
            html, _resources = HTMLExporter().from_filename(str(source))
            pages.append(student / f"{name}.html")
            pages[-1].write_text(html, encoding="utf-8")
        for who in _STUDENTS:
            there = self._copy.folder("feedback", self._assignment, who)
            _copy_files(there, self._to / who)
            pages += [self._to / who / path.name for path in sorted(there.glob("*.html"))]
        return pages


def _copy_files(from_folder: Path, to: Path) -> None:
    """Copy what is in a folder, but for notebooks: pictures, data, pages."""
    shutil.copytree(from_folder, to, ignore=shutil.ignore_patterns("*.ipynb"), dirs_exist_ok=True)


def _problems(result: CellResult, points: float, earned: float, empty: float) -> Iterator[str]:
    """What is not as it must be with a grade cell."""
    for check in result.checks:
        if check.status != "passed":
            told = " ".join(filter(None, (check.message, check.detail)))[:_LONGEST]
            yield f"your solution: {check.node_id.rpartition('::')[2]} is {check.status}. {told}"
    if earned < points and not result.checks:
        yield "it has no grader, and its own tests do not give your solution all points"
    if empty > 0:
        yield f"who does nothing earns {empty:g}: make its graders fail when nothing was done"
