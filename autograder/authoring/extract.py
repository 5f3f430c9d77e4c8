"""Move the tests of a classic nbgrader assignment out of its notebooks, into hidden graders.

What was moved is tried before anything is written: on the teacher's own solution and on an
untouched release it must say what the tests in the cells say. What cannot be moved stays in its
cell, with the reason.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import nbformat

from autograder.authoring.files import Changed, write_together
from autograder.authoring.moving import (
    CannotMoveError,
    CellTests,
    Given,
    cell_tests,
    grader_of,
)
from autograder.authoring.names import python_name
from autograder.bridge.course import Course, CourseError
from autograder.bridge.files import read_plain_files
from autograder.bridge.regions import NOT_MOVED, Marks, hidden_marks
from autograder.check import fresh_release
from autograder.check.finding import error_told, place_of
from autograder.grading.cells import CodeCell, code_cells, read_code_cells
from autograder.grading.client import Graded, GradingProcess
from autograder.grading.results import CheckResult
from autograder.messages import in_language
from autograder.messages import translate as _
from autograder.runner.limits import MIB
from autograder.runner.outcome import CellOutcome

_FILES_BYTES: Final = 48 * MIB
_UNBOUND: Final = "no-graders"
"""The name of an assignment that has none: its cells are run as they are."""
_LONGEST: Final = 200


@dataclass(frozen=True)
class Kept:
    """A grade cell whose tests stay in it."""

    grade_id: str
    where: str
    why: str


@dataclass
class Extraction:
    """What became of the tests of an assignment."""

    moved: list[str] = field(default_factory=list)
    """The grade cells that have graders now."""
    kept: list[Kept] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    """The grade cells that had graders before."""
    written: list[Path] = field(default_factory=list)
    configured: bool = True
    """Whether the course's configuration has hidden graders run at all."""


@dataclass
class _Notebook:
    """A source notebook on its way."""

    name: str
    path: Path
    before: bytes
    nodes: Any
    tests: dict[str, CellTests] = field(default_factory=dict)
    """By grade_id: what may be moved."""
    reasons: dict[str, str] = field(default_factory=dict)
    """By grade_id: why it may not."""


def extract(course: Course, assignment: str, *, dry_run: bool = False) -> Extraction:
    """Move the tests of an assignment's grade cells into graders.

    Args:
        course: the course.
        assignment: which one.
        dry_run: try everything, and write nothing.

    Raises:
        CourseError: there is no such assignment, its notebooks cannot be read or released, or a
            file that would be written is there already.
        GradingError: the grading process fails.
        OSError: a file cannot be written.
    """
    course.require(assignment)
    bound = _bound(course, assignment)
    notebooks = [_read(course, assignment, name) for name in course.notebooks(assignment)]
    done = Extraction(configured=course.runs_graders)
    hidden = hidden_marks(course.app)
    with in_language(_language(course)):
        for notebook in notebooks:
            _require_closed(course, notebook, hidden)
            _look(notebook, bound, hidden)
        _keep_alike(notebooks)
        _try(course, assignment, notebooks)
        new, changed = _files(course, assignment, notebooks, hidden)
    for notebook in notebooks:
        done.moved += notebook.tests
        done.kept += list(_kept(course, notebook))
        ids = (cell.grade_id for cell in code_cells(notebook.nodes))
        done.already += [grade_id for grade_id in ids if grade_id in bound]
    done.written = [*new, *changed]
    if not dry_run:
        write_together(new, changed)
    return done


def _language(course: Course) -> str:
    """The language of what is written; English where a course does not say it, nor has ours yet."""
    said = course.runs_graders or course.sets_language
    return str(course.settings.language) if said else "en"


def _bound(course: Course, assignment: str) -> set[str]:
    """The grade cells that have graders already."""
    if not (course.graders / assignment).is_dir():
        return set()
    process = GradingProcess(course.root, course.graders)
    try:
        return process.grade_ids(assignment)
    finally:
        process.stop()


def _read(course: Course, assignment: str, name: str) -> _Notebook:
    path = course.folder("source", assignment) / f"{name}.ipynb"
    before = path.read_bytes()
    try:
        nodes = nbformat.reads(before.decode(), as_version=4)
        nbformat.validate(nodes)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        raise CourseError(
            f"{path} is no sound notebook: `autograder check {assignment}` says more"
        ) from error
    return _Notebook(name, path, before, nodes)


def _look(notebook: _Notebook, bound: set[str], hidden: Marks) -> None:
    """Find the tests that may be moved, and why others may not."""
    given = Given()
    for cell in code_cells(notebook.nodes):
        if cell.grade_id is None:
            given.add(cell.source)
        elif not cell.solution and cell.grade_id not in bound:  # nor graded by hand
            try:
                title = _("The tests of this exercise pass.")
                tests = cell_tests(cell.grade_id, cell.source, given, hidden, title)
                compile(grader_of([tests], notebook.name), notebook.name, "exec")
            except CannotMoveError as error:
                notebook.reasons[cell.grade_id] = str(error)
            except SyntaxError as error:
                notebook.reasons[cell.grade_id] = f"it cannot stand in a function: {error.msg}"
            else:
                notebook.tests[cell.grade_id] = tests


def _require_closed(course: Course, notebook: _Notebook, hidden: Marks) -> None:
    for number, cell in enumerate(notebook.nodes.cells, 1):
        try:
            hidden.regions(cell.source)
        except ValueError as error:
            place = place_of(course, notebook.path)
            raise CourseError(f"{place}, cell {number}: {error}") from error


def _keep_alike(notebooks: Sequence[_Notebook]) -> None:
    """Keep the tests of cells whose graders would have one file, or be bound to one cell."""
    alike: dict[str, list[tuple[_Notebook, str]]] = {}
    for notebook in notebooks:
        for cell in code_cells(notebook.nodes):
            if cell.grade_id is not None:
                name = python_name(cell.grade_id).casefold()
                alike.setdefault(name, []).append((notebook, cell.grade_id))
    for found in alike.values():
        if len(found) > 1:
            names = ", ".join(f"`{grade_id}`" for _notebook, grade_id in found)
            for notebook, grade_id in found:
                if notebook.tests.pop(grade_id, None):
                    notebook.reasons[grade_id] = (
                        f"its grader would be in the file of another's: give one of {names} "
                        "another id"
                    )


# Trying


def _try(course: Course, assignment: str, notebooks: Sequence[_Notebook]) -> None:
    """Keep in its cell what does not say in a grader what it says there."""
    if not any(notebook.tests for notebook in notebooks):
        return
    with tempfile.TemporaryDirectory(prefix="autograder-extract-") as folder:
        root = Path(folder)
        graders = root / "graders"
        for notebook in notebooks:
            for grade_id, tests in notebook.tests.items():
                path = graders / notebook.name / f"test_{python_name(grade_id)}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(grader_of([tests], notebook.name), encoding="utf-8")
        copy = root / "copy"
        copy.mkdir()
        release = fresh_release(course, assignment, copy)
        graders.mkdir(exist_ok=True)
        process = GradingProcess(root, graders)
        try:
            for notebook in notebooks:
                _try_one(course, assignment, notebook, release, process)
        finally:
            process.stop()


def _try_one(
    course: Course, assignment: str, notebook: _Notebook, release: Path, process: GradingProcess
) -> None:
    """Run the teacher's own solution and an untouched release, with tests in cells and without."""
    source = code_cells(notebook.nodes)
    full = {cell.grade_id: cell.source for cell in source if cell.grade_id is not None}
    untouched = [
        replace(cell, source=full.get(cell.grade_id or "", cell.source))
        for cell in read_code_cells(release / f"{notebook.name}.ipynb")
    ]
    files = read_plain_files(course.folder("source", assignment), _FILES_BYTES, _FILES_BYTES)

    def run(cells: Sequence[CodeCell], graders: str) -> Graded:
        return process.grade(
            graders,
            cells,
            course.settings.limits(assignment),
            seed=0,
            files=files,
            language=_language(course),
            check_seconds=course.settings.check_seconds,
            allow_unsafe=True,  # the teacher's own notebook
        )

    for cells, who in ((source, "your own solution"), (untouched, "an untouched notebook")):
        in_cells = _outcomes(cells, run(cells, _UNBOUND))
        moved = run(cells, notebook.name)
        for result in moved.results:
            reason = ""
            outcome = in_cells[result.grade_id]
            passed = all(check.status == "passed" for check in result.checks)
            if _is_number(outcome):
                reason = "its last value is a score, which nbgrader takes for partial credit"
            elif passed != (outcome.status in ("ok", "checkpoint")):
                said = " ".join(map(_said, result.checks))
                told = " ".join(said.split())[:_LONGEST] or "nothing"
                reason = f"for {who} the grader says something else than the cell: {told}"
            elif cells is source and not passed:
                raised = error_told(outcome.outputs) or outcome.status
                reason = f"its tests fail for your own solution ({raised})"
            if reason and result.grade_id in notebook.tests:
                del notebook.tests[result.grade_id]
                notebook.reasons[result.grade_id] = reason


def _said(check: CheckResult) -> str:
    """What a check says; of an error not where in a grader that is gone in a moment."""
    if check.status == "fault":
        return check.detail.partition(": ")[2]
    return f"{check.message} {check.detail}"


def _outcomes(cells: Sequence[CodeCell], graded: Graded) -> dict[str, CellOutcome]:
    pairs = zip(cells, graded.outcomes, strict=True)
    return {cell.grade_id: outcome for cell, outcome in pairs if cell.grade_id is not None}


def _is_number(outcome: CellOutcome) -> bool:
    """Whether nbgrader would take what a cell shows last for its score."""
    for output in outcome.outputs:
        if output.get("output_type") == "execute_result":
            try:
                float("".join(output["data"].get("text/plain", "")))
            except ValueError:
                continue
            return True
    return False


# Writing


def _files(
    course: Course, assignment: str, notebooks: Sequence[_Notebook], hidden: Marks
) -> tuple[dict[Path, bytes], dict[Path, Changed]]:
    """The graders to write, and the notebooks without the tests that were moved."""
    new: dict[Path, bytes] = {}
    changed: dict[Path, Changed] = {}
    module = python_name(assignment)
    for notebook in notebooks:
        for grade_id, tests in notebook.tests.items():
            own = python_name(grade_id)
            name = own if own.startswith(module) else f"{module}_{own}"
            path = course.graders / assignment / f"test_{name}.py"
            new[path] = grader_of([tests], notebook.name).encode()
        _rewrite(notebook, hidden)
        after = f"{nbformat.writes(notebook.nodes)}\n".encode()
        if nbformat.reads(notebook.before.decode(), as_version=4) != notebook.nodes:
            changed[notebook.path] = Changed(notebook.before, after)
    return new, changed


def _rewrite(notebook: _Notebook, hidden: Marks) -> None:
    """Take the hidden tests out of the cells that have graders now, and mark the others."""
    for cell in notebook.nodes.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id in notebook.tests:
            cell.source = _visible(cell.source, hidden)
            cell.pop("outputs", None)
            cell.update(outputs=[], execution_count=None)
        elif grade_id in notebook.reasons:
            cell.source = _marked(cell.source, notebook.reasons[grade_id], hidden)


def _visible(source: str, hidden: Marks) -> str:
    """What students see of a cell; a line of text where that is nothing."""
    lines = source.split("\n")
    for region in hidden.regions(source):
        lines[region.first - 1 : region.last] = [""] * (region.last - region.first + 1)
    visible = "\n".join(lines).strip("\n")
    rest = [line for line in visible.split("\n") if line.strip() and line.strip()[0] != "#"]
    return visible if rest else "# " + _("Your answer is checked when you hand it in.")


def _marked(source: str, why: str, hidden: Marks) -> str:
    """A cell with the reason in it, where students do not see it."""
    told = NOT_MOVED + " ".join(why.split())
    lines = [line for line in source.split("\n") if not line.startswith(NOT_MOVED)]
    regions = hidden.regions("\n".join(lines))
    if regions:
        lines.insert(regions[0].first, told)
    else:
        lines += [f"### {hidden.begin}", told, f"### {hidden.end}"]
    return "\n".join(lines)


def _kept(course: Course, notebook: _Notebook) -> Iterator[Kept]:
    numbers: Mapping[str, int] = {
        cell.metadata.get("nbgrader", {}).get("grade_id", ""): number
        for number, cell in enumerate(notebook.nodes.cells, 1)
    }
    place = place_of(course, notebook.path)
    for grade_id, why in notebook.reasons.items():
        yield Kept(grade_id, f"{place}, cell {numbers[grade_id]}", why)
