"""The courses that are measured, and the class that hands in.

Two courses are released with nbgrader: ``ours`` is the repository's own, ``stock`` the same
notebooks without any configuration of the engine, with the tests in the grade cells. Both are
handed in the same answers by the same students.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import nbformat
from nbgrader.api import Gradebook

from tests.bench.commands import run_in
from tests.bench.in_notebook import SECRET
from tests.sample_class.build import draft, read_release, write
from tests.sample_class.cases import CASES
from tests.sample_class.demo import ROOT, copy_course
from tests.sample_class.model import POINTS, Case

ASSIGNMENTS: Final = ("gradientes", "optimizacion")
Side = Literal["stock", "ours"]
_COURSE_ID: Final = "modulo-3"
_STOCK_CONFIG: Final = f"c = get_config()\nc.CourseDirectory.course_id = {_COURSE_ID!r}\n"
_NEVER_END: Final = frozenset(
    {
        *("bucle-infinito", "bucle-al-final", "funcion-que-no-acaba", "salida-sin-fin"),
        *("memoria-sin-fin", "sale-del-programa", "pregunta-al-usuario"),
    }
)
"""Cases that stock nbgrader waits for, or whose kernel does not come back."""


@dataclass(frozen=True)
class Student:
    """One of the class: a name, and the case of the sample class that they hand in."""

    name: str
    case: Case


def well_behaved(assignment: str) -> list[Case]:
    """The cases that stock nbgrader can grade: nothing spoiled, nothing endless."""
    return [case for case in CASES[assignment] if case.student not in _NEVER_END and not case.spoil]


def class_of(assignment: str, size: int) -> list[Student]:
    """A class of that size: the well-behaved cases again and again under other names."""
    cases = well_behaved(assignment)
    return [
        Student(f"{cases[number % len(cases)].student}-{number:04}", cases[number % len(cases)])
        for number in range(size)
    ]


def spread(students: Sequence[Student], count: int) -> list[Student]:
    """So many of them, evenly spaced, that few cases come twice."""
    count = min(count, len(students))
    span = min(len(students), max(count, len(well_behaved(students[0].case.assignment))))
    return [students[index * span // count] for index in range(count)]


class Template:
    """A released course, of which each measurement takes a fresh copy."""

    def __init__(self, folder: Path, side: Side, *lines: str) -> None:
        """Make it, with more lines of configuration, and release its assignments with nbgrader."""
        self.folder = folder / side
        self.folder.mkdir(parents=True)
        self._copies = 0
        if side == "stock":
            self._make_stock()
        else:
            copy_course(self.folder)
            secret = folder / "secret"
            secret.write_text(SECRET.hex(), encoding="ascii")
            lines = (*lines, f"c.RunGraders.secret_file = {str(secret)!r}")
            with (self.folder / "nbgrader_config.py").open("a", encoding="utf-8") as config:
                config.writelines(f"{line}\n" for line in lines)
        for assignment in ASSIGNMENTS:
            run_in(self.folder, "nbgrader", "generate_assignment", assignment, "--force")

    def _make_stock(self) -> None:
        (self.folder / "nbgrader_config.py").write_text(_STOCK_CONFIG, encoding="utf-8")
        for assignment in ASSIGNMENTS:
            source = Path("source", assignment, f"{assignment}.ipynb")
            notebook = nbformat.read(ROOT / source, as_version=4)
            put_tests_in(notebook)
            (self.folder / source).parent.mkdir(parents=True)
            nbformat.write(notebook, self.folder / source)

    def copy(self, *classes: Sequence[Student]) -> Path:
        """A fresh copy of the course, with these students' submissions handed in."""
        self._copies += 1
        course = self.folder.with_name(f"{self.folder.name}-{self._copies}")
        shutil.copytree(self.folder, course)
        for students in classes:
            hand_in(course, students)
        return course


def put_tests_in(notebook: Any) -> None:
    """Put the tests into the grade cells, where stock nbgrader runs them."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[0].source = f"{_imports(code)}\n{code[0].source}"
    for cell in code:
        facts = cell.metadata.get("nbgrader", {})
        if facts.get("grade"):
            cell.source = f'score("{facts.grade_id}", {facts.points}, globals())'


def _imports(code: Sequence[Any]) -> str:
    if not any("matplotlib" in cell.source for cell in code):
        return "from tests.bench.in_notebook import score"
    return "from tests.bench.in_notebook import score, watch_figures\nwatch_figures()"


def hand_in(course: Path, students: Sequence[Student]) -> None:
    """Write the students' submissions, each filled into this course's own release."""
    for assignment in {student.case.assignment for student in students}:
        release = read_release(course, assignment)
        for student in students:
            if student.case.assignment == assignment:
                write(draft(course, student.case, release), student.name)


Scores = dict[tuple[str, str, str], float | None]
"""The stored automatic scores by assignment, student and grade cell."""


def stored_scores(course: Path, assignment: str) -> Scores:
    """What the gradebook says of an assignment."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", _COURSE_ID) as gradebook:
        return {
            (assignment, submission.student.id, grade.name): grade.auto_score
            for submission in gradebook.assignment_submissions(assignment)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def differences(name: str, other: Scores, ours: Scores) -> list[str]:
    """A line for each grade cell whose score is not ours, or is not there."""
    lines: list[str] = []
    for key, score in sorted(other.items()):
        if key not in ours or score is None or score != ours[key]:
            lines.append(f"{'/'.join(key)}: {name} {score}, ours {ours.get(key)}")
    return lines


def grade_cells(students: Sequence[Student]) -> int:
    """How many scores a class must get."""
    return sum(len(POINTS[student.case.assignment]) for student in students)
