"""Find what a teacher got wrong before a student does."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from autograder.bridge.course import Course, CourseError
from autograder.bridge.regions import NOT_MOVED
from autograder.bridge.scratch import source_course
from autograder.check.finding import Finding as Finding
from autograder.check.finding import error_told, place_of
from autograder.check.graders import uncollected, written
from autograder.check.notebooks import Notebooks, hidden_tests
from autograder.grading.cells import CodeCell, points_of, read_code_cells
from autograder.grading.client import Graded, GradingError, GradingProcess


def check(course: Course, assignment: str, process: GradingProcess | None = None) -> list[Finding]:
    """Everything that is wrong with one assignment.

    Args:
        course: the course.
        assignment: which one.
        process: a grading process of the course, for who checks several assignments.

    Raises:
        CourseError: there is no such assignment, or no copy of it can be made.
        GradingError: the grading process fails.
    """
    course.require(assignment)
    notebooks = Notebooks(course, assignment)
    notebooks.look()
    found = [*notebooks.findings, *written(course, assignment)]
    if not notebooks.readable:
        return found
    if not notebooks.grade_cells:
        mend = f"`autograder new exercise {assignment} EXERCISE` adds one"
        return [*found, Finding(assignment, "it has no grade cell, so nothing is graded", mend)]
    used = process or GradingProcess(course.root, course.graders)
    try:
        graded = used.grade_ids(assignment)
        return found + list(_findings(course, assignment, used, graded))
    except GradingError:
        why = uncollected(course, assignment)
        if not why:
            raise
        return found + why
    finally:
        if process is None:
            used.stop()


def _findings(
    course: Course, assignment: str, process: GradingProcess, graded: set[str]
) -> Iterator[Finding]:
    """What is found when graders and notebooks meet."""
    source = _cells(course, "source", assignment)
    points = points_of(source)
    yield from _unbound(course, assignment, source, graded)
    yield from _points(course, assignment, points)
    yield from _solution(course, assignment, source, process)
    with tempfile.TemporaryDirectory() as folder:
        try:
            fresh = fresh_release(course, assignment, Path(folder))
        except CourseError as error:
            mend = f"correct what it names, then run `autograder release {assignment}`"
            yield Finding(assignment, f"nbgrader refuses to release it: {error}", mend)
            return
        paths = [fresh / f"{name}.ipynb" for name in course.notebooks(assignment)]
        cells = [cell for path in paths for cell in read_code_cells(path)]
        yield from _untouched(course, assignment, cells, process)
        yield from _stale(course, assignment, fresh)


def _cells(course: Course, step: str, assignment: str) -> list[CodeCell]:
    paths = [course.folder(step, assignment) / f"{n}.ipynb" for n in course.notebooks(assignment)]
    return [cell for path in paths if path.is_file() for cell in read_code_cells(path)]


def _places(course: Course, assignment: str) -> Iterator[str]:
    """Where each code cell of the source notebooks is."""
    for name in course.notebooks(assignment):
        path = course.folder("source", assignment) / f"{name}.ipynb"
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells, 1):
            if cell.cell_type == "code":
                yield f"{place_of(course, path)}, cell {number}"


def _unbound(
    course: Course, assignment: str, source: list[CodeCell], graded: set[str]
) -> Iterator[Finding]:
    """Grade cells without a grader, and graders without a grade cell."""
    ids = {cell.grade_id for cell in source if cell.grade_id is not None}
    otherwise = {cell.grade_id for cell in source if cell.solution}
    otherwise |= {cell.grade_id for cell in source if NOT_MOVED in cell.source}  # it stays there
    inside = hidden_tests(course, assignment)
    for cell in source:
        also = f", or see `autograder extract {assignment}`" if "assert" in cell.source else ""
        if cell.grade_id is not None and cell.grade_id not in graded | otherwise:
            yield Finding(
                assignment,
                f"grade cell {cell.grade_id!r} has no grader",
                f'write a test marked @pytest.mark.grade_cell("{cell.grade_id}") into '
                f"{place_of(course, course.graders / assignment)}/test_….py{also}",
            )
        elif cell.grade_id in graded and cell.grade_id in inside:
            yield Finding(
                assignment,
                f"grade cell {cell.grade_id!r} has graders, so the hidden tests in it never count",
                "move them into a grader, or take them out",
            )
    for grade_id in sorted(graded - ids):
        yield Finding(
            assignment,
            f"graders are bound to {grade_id!r}, which is no grade cell of the source notebook",
            "correct the grade_id in the marker or in the cell's metadata",
        )


def _points(course: Course, assignment: str, points: dict[str, float]) -> Iterator[Finding]:
    """Points of the release or the gradebook that are not the source's."""
    known = {"release": points_of(_cells(course, "release", assignment))}
    with course.gradebook() as gradebook:
        for stored in gradebook.assignments:
            if stored.name == assignment:
                known["gradebook"] = {
                    cell.name: float(cell.max_score)
                    for notebook in stored.notebooks
                    for cell in notebook.grade_cells
                }
    for where, found in known.items():
        for grade_id in sorted(set(found) & set(points)):
            if found[grade_id] != points[grade_id]:
                yield Finding(
                    assignment,
                    f"{grade_id!r} is worth {points[grade_id]:g} in the source notebook "
                    f"and {found[grade_id]:g} in the {where}",
                    f"run `autograder release {assignment}`",
                )


def _run(
    course: Course, assignment: str, cells: list[CodeCell], process: GradingProcess
) -> tuple[Graded, dict[str, float]]:
    graded = process.grade(
        assignment,
        cells,
        course.settings.limits(assignment),
        seed=0,
        language=course.settings.language,
        allow_unsafe=True,  # the teacher's own notebooks
    )
    points = points_of(cells)
    scores = {result.grade_id: result.score(points[result.grade_id]) for result in graded.results}
    return graded, scores


def _solution(
    course: Course, assignment: str, source: list[CodeCell], process: GradingProcess
) -> Iterator[Finding]:
    """Cells of the teacher's own solution that raise, and checks that it does not pass."""
    graded, _ = _run(course, assignment, source, process)
    for where, outcome in zip(_places(course, assignment), graded.outcomes, strict=True):
        if outcome.status not in ("ok", "checkpoint"):
            told = error_told(outcome.outputs)
            yield Finding(
                assignment,
                f"it raises {told}" if told else f"it ends with {outcome.status!r}",
                "run the source notebook from top to bottom and correct it",
                where,
            )
    for result in graded.results:
        for found in result.checks:
            if found.status != "passed":
                mend = f"correct the solution or the grader ({found.node_id})"
                if found.status == "fault":
                    mend = f"correct the grader ({found.node_id}), or the reference that it uses"
                yield Finding(
                    assignment,
                    f"the solution does not earn {result.grade_id!r}: {found.node_id} is "
                    f"{found.status}. {found.message} {found.detail}".strip(),
                    mend,
                )


def _untouched(
    course: Course, assignment: str, release: list[CodeCell], process: GradingProcess
) -> Iterator[Finding]:
    _, scores = _run(course, assignment, release, process)
    for grade_id, score in scores.items():
        if score > 0:
            yield Finding(
                assignment,
                f"an untouched release earns {score:g} for {grade_id!r}",
                "make its graders fail when nothing was done",
            )


def _stale(course: Course, assignment: str, fresh: Path) -> Iterator[Finding]:
    """A release that is not there, or not what nbgrader generates from the source today."""
    mend = f"run `autograder release {assignment}`"
    release = course.folder("release", assignment)
    if not any(release.glob("*.ipynb")):
        yield Finding(assignment, "it has no release", mend)
        return
    for name in course.notebooks(assignment):
        old = release / f"{name}.ipynb"
        if not old.is_file() or _content(old) != _content(fresh / f"{name}.ipynb"):
            what = f"the release of {name}.ipynb is not what its source gives today"
            yield Finding(assignment, what, mend)


def fresh_release(course: Course, assignment: str, folder: Path) -> Path:
    """Generate the release in a copy of the course; the folder of its notebooks.

    Args:
        course: the course, of which nothing changes.
        assignment: which one.
        folder: an empty folder, for the copy.

    Raises:
        CourseError: nbgrader refuses, or no copy can be made.
    """
    scratch = source_course(course, assignment, folder)
    scratch.release(assignment)
    return scratch.folder("release", assignment)


def _content(path: Path) -> object:
    """What a notebook holds, without what JupyterLab writes into it of the kernel that ran it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"].pop("language_info", None)
    content["metadata"].get("kernelspec", {}).pop("display_name", None)
    return content
