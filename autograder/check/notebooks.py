"""What is wrong with a source notebook as it lies there: no cell is run for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nbformat
from jupyter_client.kernelspec import find_kernel_specs

from autograder.bridge.course import Course
from autograder.bridge.regions import Marks, hidden_marks, solution_marks
from autograder.bridge.schema import SCHEMA_VERSION, metadata_problem
from autograder.check.finding import Finding, place_of

_KERNEL: Final = "python3"
_TOOLBAR: Final = "in JupyterLab, in nbgrader's panel Create Assignment"


@dataclass
class Notebooks:
    """The source notebooks of an assignment, as far as they can be read."""

    course: Course
    assignment: str
    findings: list[Finding] = field(default_factory=list)
    readable: bool = True
    """Whether all of them are notebooks."""
    grade_cells: int = 0

    def look(self) -> None:
        """Find what is wrong with them."""
        ids: dict[str, str] = {}
        marks = _Marks(solution_marks(self.course.app), hidden_marks(self.course.app))
        for name in self.course.notebooks(self.assignment):
            path = self.course.folder("source", self.assignment) / f"{name}.ipynb"
            place = place_of(self.course, path)
            notebook = self._read(path, place)
            if notebook is None:
                continue
            self._say(_kernel(notebook), place)
            self._say(_schema(notebook, place), place)
            for number, cell in enumerate(notebook.cells, 1):
                where = f"{place}, cell {number}"
                facts = cell.metadata.get("nbgrader")
                known = facts if isinstance(facts, dict) else {}
                self._say(_regions(cell, known, marks), where)
                if known.get("grade") or known.get("solution") or known.get("locked"):
                    self.grade_cells += bool(known.get("grade"))
                    self._say(_metadata(cell, known, ids, where), where)

    def _say(self, found: "Iterator[tuple[str, str]]", where: str) -> None:
        self.findings += [Finding(self.assignment, what, mend, where) for what, mend in found]

    def _read(self, path: Path, place: str) -> Any:
        """The notebook, or None after a finding that says why it is none."""
        try:
            notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
            nbformat.validate(notebook)
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
        except nbformat.ValidationError as error:
            reason = str(error).partition("\n")[0]
        else:
            return notebook
        mend = "open it in JupyterLab and save it, or take an earlier version of the file"
        self._say(iter([(f"it is no notebook that can be read: {reason}", mend)]), place)
        self.readable = False
        return None


@dataclass(frozen=True)
class _Marks:
    solution: Marks
    hidden: Marks


def _kernel(notebook: Any) -> Iterator[tuple[str, str]]:
    """A kernel that students will not have, or that is not the graders' Python."""
    spec: Mapping[str, Any] = notebook.metadata.get("kernelspec", {})
    name = spec.get("name", "")
    language = spec.get("language") or notebook.metadata.get("language_info", {}).get("name")
    mend = "choose the kernel Python 3 in JupyterLab, and save the notebook"
    if not name:
        yield "it names no kernel, so students are asked for one", mend
    elif str(language or "python").lower() != "python":
        yield f"its kernel {name!r} is for {language}, and graders run Python", mend
    elif name != _KERNEL:
        here = "" if name in find_kernel_specs() else " (nor has this machine)"
        yield f"its kernel is {name!r}, which students may not have{here}", mend


def _schema(notebook: Any, place: str) -> Iterator[tuple[str, str]]:
    """Metadata of other versions of nbgrader."""
    found = [cell.metadata.get("nbgrader") for cell in notebook.cells]
    versions = [one.get("schema_version", 0) for one in found if isinstance(one, dict) and one]
    old = [one for one in versions if not isinstance(one, int) or one < SCHEMA_VERSION]
    if old:
        yield (
            f"{len(old)} of its cells have metadata of an older nbgrader "
            f"(schema {old[0]}, now {SCHEMA_VERSION}), which nbgrader refuses",
            f"run `nbgrader update {place}`",
        )
    elif any(one > SCHEMA_VERSION for one in versions):
        yield (
            f"its cells have metadata of a newer nbgrader (schema {max(versions)}, "
            f"here {SCHEMA_VERSION})",
            "install a newer nbgrader: `pip install --upgrade nbgrader`",
        )


def _metadata(
    cell: Any, facts: Mapping[str, Any], ids: dict[str, str], where: str
) -> Iterator[tuple[str, str]]:
    """An nbgrader cell without what nbgrader needs to know of it; ``ids`` are those seen before."""
    grade_id = facts.get("grade_id")
    if not isinstance(grade_id, str) or not grade_id:
        yield "an nbgrader cell has no id", f"give it one {_TOOLBAR}"
        return
    if grade_id in ids:
        yield (
            f"the id {grade_id!r} is also that of {ids[grade_id]}",
            f"give one of the two cells another id {_TOOLBAR}",
        )
    ids.setdefault(grade_id, where)
    problem = _points_problem(facts) if facts.get("grade") else ""
    if problem:
        yield f"grade cell {grade_id!r} {problem}", f"give it points {_TOOLBAR}"
    elif facts.get("schema_version") == SCHEMA_VERSION and (refused := metadata_problem(cell)):
        yield f"nbgrader refuses cell {grade_id!r}: {refused}", f"set it anew {_TOOLBAR}"


def _points_problem(facts: Mapping[str, Any]) -> str:
    points = facts.get("points")
    if points is None:
        return "has no points"
    if isinstance(points, bool) or not isinstance(points, int | float):
        return f"has {points!r} in the place of points"
    if points == 0:
        return "is worth 0 points"
    return f"has negative points: {points:g}" if points < 0 else ""


def _regions(cell: Any, facts: Mapping[str, Any], marks: _Marks) -> Iterator[tuple[str, str]]:
    """Solutions that students would get, cells that they would get empty, and lost marks."""
    solutions = marks.solution.begins_in(cell.source)
    name = f"cell {facts['grade_id']!r}" if facts.get("grade_id") else "a cell"
    for kind in (marks.solution, marks.hidden):
        try:
            kind.regions(cell.source)
        except ValueError as error:
            yield f"in {name} {error}", f"write one ### {kind.end} for each ### {kind.begin}"
    if solutions and not facts.get("solution"):
        yield (
            f"{name} has a ### {marks.solution.begin} and is no solution cell",
            f"make it one (Autograded answer) {_TOOLBAR}, or take the marks out",
        )
    if marks.hidden.begins_in(cell.source) and not facts.get("grade"):
        yield (
            f"{name} has a ### {marks.hidden.begin} and is no grade cell",
            f"make it one (Autograder tests) {_TOOLBAR}, or take the marks out",
        )
    answer = facts.get("solution") and not facts.get("grade")  # else a person grades all of it
    if answer and cell.cell_type == "code" and cell.source and not solutions:
        yield (
            f"solution {name} has no ### {marks.solution.begin}: students get nothing of what is "
            "in it",
            f"put ### {marks.solution.begin} and ### {marks.solution.end} around what they write",
        )


def hidden_tests(course: Course, assignment: str) -> Sequence[str]:
    """The grade cells whose own source has hidden tests."""
    marks = hidden_marks(course.app)
    found = []
    for name in course.notebooks(assignment):
        path = course.folder("source", assignment) / f"{name}.ipynb"
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            facts = cell.get("metadata", {}).get("nbgrader", {})
            if facts.get("grade") and marks.begins_in("".join(cell["source"])):
                found.append(str(facts.get("grade_id")))
    return found
