"""Find what a teacher got wrong before a student does."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.bridge.course import Course
from autograder.grading.cells import CodeCell, points_of, read_code_cells
from autograder.grading.client import Graded, GradingProcess


@dataclass(frozen=True)
class Finding:
    """Something wrong with an assignment, and how to mend it."""

    assignment: str
    what: str
    mend: str


def check(course: Course, assignment: str) -> list[Finding]:
    """Everything that is wrong with one assignment.

    Raises:
        CourseError: there is no such assignment.
        GradingError: the graders cannot be collected.
    """
    course.require(assignment)
    process = GradingProcess(course.root, course.graders)
    try:
        return list(_findings(course, assignment, process))
    finally:
        process.stop()


def _findings(course: Course, assignment: str, process: GradingProcess) -> Iterator[Finding]:
    source = _cells(course, "source", assignment)
    points = points_of(source)
    graded = process.grade_ids(assignment)
    yield from _unbound(assignment, source, graded)
    yield from _points(course, assignment, points)
    yield from _solution(course, assignment, source, process)
    release = _cells(course, "release", assignment)
    if not release:
        yield Finding(assignment, "it has no release", f"run `autograder release {assignment}`")
        return
    if points_of(release) == points:
        yield from _untouched(course, assignment, release, process)
    yield from _stale(course, assignment)


def _cells(course: Course, step: str, assignment: str) -> list[CodeCell]:
    paths = [course.folder(step, assignment) / f"{n}.ipynb" for n in course.notebooks(assignment)]
    return [cell for path in paths if path.is_file() for cell in read_code_cells(path)]


def _unbound(assignment: str, source: list[CodeCell], graded: set[str]) -> Iterator[Finding]:
    """Grade cells without a grader, unless they hold tests of their own, and the reverse."""
    ids = [cell.grade_id for cell in source if cell.grade_id is not None]
    for grade_id in ids:
        if grade_id not in graded:
            yield Finding(
                assignment,
                f"grade cell {grade_id!r} has no grader",
                f'write a test marked @pytest.mark.grade_cell("{grade_id}")',
            )
    for grade_id in sorted(graded - set(ids)):
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
    for cell, outcome in zip(source, graded.outcomes, strict=True):
        if outcome.status not in ("ok", "checkpoint"):
            first = cell.source.strip().splitlines()[:1]
            yield Finding(
                assignment,
                f"a cell of the source notebook ends with {outcome.status!r}: {first}",
                "run the source notebook from top to bottom and correct it",
            )
    for result in graded.results:
        for found in result.checks:
            if found.status != "passed":
                yield Finding(
                    assignment,
                    f"the solution does not earn {result.grade_id!r}: {found.node_id} is "
                    f"{found.status}. {found.message} {found.detail}".strip(),
                    f"correct the solution or the grader ({found.node_id})",
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


def _stale(course: Course, assignment: str) -> Iterator[Finding]:
    """A release that is not what nbgrader generates from the source today."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = fresh_release(course, assignment, Path(folder))
        for name in course.notebooks(assignment):
            old = course.folder("release", assignment) / f"{name}.ipynb"
            new = fresh / f"{name}.ipynb"
            if not old.is_file() or _content(old) != _content(new):
                yield Finding(
                    assignment,
                    f"the release of {name}.ipynb is not what its source gives today",
                    f"run `autograder release {assignment}`",
                )


def fresh_release(course: Course, assignment: str, folder: Path) -> Path:
    """Generate the release in a scratch course; the folder of its notebooks.

    Raises:
        CourseError: nbgrader refuses.
    """
    shutil.copy(course.root / "nbgrader_config.py", folder)
    scratch_source = folder / course.directory.source_directory / assignment
    shutil.copytree(course.folder("source", assignment), scratch_source)
    scratch = Course(folder)
    scratch.release(assignment)
    return scratch.folder("release", assignment)


def _content(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))
