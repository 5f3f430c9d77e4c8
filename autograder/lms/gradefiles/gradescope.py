"""Results as Gradescope reads them from an autograder: ``results.json``, one for each student.

https://gradescope-autograders.readthedocs.io/en/latest/specs/ has the format. What students may
read is taken from what the feedback shows them, without its markup, so it is never more than that.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final, Literal

from nbformat import v4
from nbformat.notebooknode import NotebookNode

from autograder.bridge.course import Course
from autograder.bridge.notebooks import METADATA
from autograder.bridge.outputs import read_result
from autograder.bridge.render import Hints, cell_html
from autograder.bridge.scores import AssignmentScores, read_scores
from autograder.bridge.sections import headings
from autograder.bridge.totals import Totals, read_totals
from autograder.grading.results import CellResult, CheckResult
from autograder.lms.gradefiles.rows import (
    GradeFileError,
    Row,
    named,
    points_text,
    unsettled_of,
)
from autograder.lms.gradefiles.templates import Warn
from autograder.messages import in_language
from autograder.messages import translate as _

Visibility = Literal["hidden", "after_due_date", "after_published", "visible"]
"""When students see something; ``after_published``: when the teacher publishes the grades."""
CONTENT_TYPE: Final = "application/zip"
_DECIMALS: Final = 4
"""Of the points of a check, which is a share of its cell's."""


@dataclass(frozen=True)
class _Run:
    """What is the same for all students of an assignment."""

    course: Course
    assignment: str
    totals: Totals
    scores: AssignmentScores
    visibility: Visibility

    @property
    def hints(self) -> Hints:
        return self.course.settings.hints_for(self.assignment)


def results(
    course: Course,
    assignment: str,
    rows: Sequence[Row],
    *,
    visibility: Visibility = "after_published",
    warn: Warn = lambda _told: None,
) -> Iterator[tuple[str, bytes]]:
    """The results of every student who has a grade: file names and contents.

    Args:
        course: the course.
        assignment: its name.
        rows: the students, as from ``rows_of``.
        visibility: when students see checks and points.
        warn: is told who has no grade yet since a person must give points.

    Raises:
        CourseError: the gradebook does not have the assignment, or cannot be read.
        GradeFileError: nobody has a grade.
    """
    run = _Run(
        course,
        assignment,
        read_totals(course, assignment, by_hand=False),
        read_scores(course, assignment),
        visibility,
    )
    graded = [row for row in rows if row.grade(assignment) is not None]
    waiting = [row.student for row in rows if (s := row.scores.get(assignment)) and s.needs_person]
    if waiting:
        warn(f"a person has still to give points, so there are no results yet: {named(waiting)}")
    if unsettled := unsettled_of(rows, [assignment]):
        warn(unsettled)
    if not graded:
        raise GradeFileError(f"no student has a grade in {assignment} yet")
    for row in graded:
        with in_language(course.settings.language_of(row.student)):
            made = _of_student(run, row)
        text = json.dumps(made, ensure_ascii=False, indent=1, allow_nan=False)
        yield f"{row.student}.json", f"{text}\n".encode()


def archive(files: Iterator[tuple[str, bytes]]) -> bytes:
    """A zip archive of the files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files:
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _of_student(run: _Run, row: Row) -> dict[str, Any]:
    folder = run.course.folder("autograded", run.assignment, row.student)
    try:
        notebooks = [
            (path.stem, v4.reads(path.read_text(encoding="utf-8")))  # our own, and valid
            for path in sorted(folder.glob("*.ipynb"))
        ]
    except (OSError, ValueError) as error:
        raise GradeFileError(
            f"{folder} cannot be read, perhaps as it is being graded: try again in a moment"
        ) from error
    score = row.scores[run.assignment]
    told = [line for _name, nb in notebooks for line in _told_of(nb)]
    if not notebooks:
        told.append(_("No notebook was handed in."))
    total = run.totals.students.get(row.student)
    if total is not None and total.penalty:
        told.append(
            _("Points taken because it came late: {points:g}", points=round(total.penalty, 2))
        )
    tests: list[dict[str, Any]] = []
    given = run.scores.grades.get(row.student, {})
    for name, nb in notebooks:
        lesson = headings(nb.cells)
        for cell in nb.cells:
            facts = cell.metadata.get("nbgrader", {})
            if (facts.get("grade") or facts.get("task")) and (key := (name, facts["grade_id"])):
                stored = given[key].score if key in given else None
                tests += _of_cell(run, cell, stored, lesson, number=1 + _cells(tests))
    return {
        "score": float(points_text(score.points or 0.0, score.maximum)),
        "output": "\n".join(told),
        "visibility": run.visibility,
        "stdout_visibility": "hidden",
        "extra_data": {"student": row.student, "email": row.email},
        "tests": tests,
    }


def _cells(tests: Sequence[Mapping[str, Any]]) -> int:
    """How many cells these tests are of."""
    return len({str(test["number"]).partition(".")[0] for test in tests})


def _told_of(nb: NotebookNode) -> list[str]:
    """What the feedback says on top of a notebook."""
    facts = nb.metadata.get(METADATA, {})
    return [facts["problem"]] if facts.get("problem") else list(facts.get("notes", []))


def _of_cell(
    run: _Run, cell: NotebookNode, stored: float | None, lesson: Mapping[str, str], number: int
) -> list[dict[str, Any]]:
    """The tests of a grade cell: its checks, or one for the points that a person gave."""
    facts = cell.metadata.nbgrader
    points = float(facts.points)
    result = read_result(cell)
    automatic = None if result is None else result.score(points)
    by_person = stored is not None and round(stored, 2) != automatic
    tests: list[dict[str, Any]] = []
    if result is None or by_person:
        tests.append(
            {
                "score": round(stored or 0.0, _DECIMALS),
                "max_score": points,
                "name": facts.grade_id,
                "number": str(number),
                "visibility": run.visibility,
            }
        )
    if result is not None:
        weights = sum(check.weight for check in result.checks)
        for place, check in enumerate(result.checks, 1):
            share = points * check.weight / weights if weights > 0 else 0.0
            test = _of_check(run, result.grade_id, check, share, lesson)
            if by_person:  # then the cell has the points
                test = {name: test[name] for name in test if name not in ("score", "max_score")}
            tests.append(test | {"number": f"{number}.{place}"})
    return tests


def _of_check(
    run: _Run, grade_id: str, check: CheckResult, share: float, lesson: Mapping[str, str]
) -> dict[str, Any]:
    passed = check.status == "passed"
    html = cell_html(CellResult(grade_id, (check,)), share, run.hints, lesson)
    test = {
        "score": round(share, _DECIMALS) if passed else 0.0,
        "max_score": round(share, _DECIMALS),
        "name": check.title or grade_id,
        "output": _plain(html),
        "tags": [grade_id],
        "visibility": run.visibility,
    }
    if check.status != "fault":  # which is nothing that the student has or has not passed
        test["status"] = "passed" if passed else "failed"
    return test


def _plain(html: str) -> str:
    """What the list in a fragment of the feedback says."""
    reader = _Lines()
    reader.feed(html)
    reader.close()
    return "\n".join(filter(None, (" ".join(line.split()) for line in reader.lines)))


class _Lines(HTMLParser):
    """The lines of text inside the items of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "li":
            self._inside = True
        if tag in ("li", "div"):
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "li":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.lines[-1] += data
