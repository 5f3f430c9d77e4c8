"""What grading again would change, and why, before anything of the course is written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from autograder.bridge.course import Course, Summary
from autograder.bridge.notebooks import METADATA
from autograder.bridge.outputs import read_result
from autograder.bridge.provenance import MADE_BY, differences
from autograder.grading.results import CheckResult

_MARGIN: Final = 1e-6
"""Points that differ less are the same."""


@dataclass(frozen=True)
class Change:
    """An exercise of a submission that would earn other points."""

    assignment: str
    student: str
    grade_id: str
    before: float | None
    """Its automatic score; None where there is none."""
    after: float
    checks: Sequence[str] = ()
    """The checks whose outcome would change, as a teacher reads it."""
    why: Sequence[str] = ()
    """What the scores depend on that has changed."""


@dataclass
class Changes:
    """What grading again would change."""

    changes: list[Change] = field(default_factory=list)
    graded: int = 0
    """Submissions that were graded again to see."""
    errors: list[Summary] = field(default_factory=list)
    """Submissions that could not be graded."""

    @property
    def students(self) -> set[tuple[str, str]]:
        """The submissions that would earn other points: assignment and student."""
        return {(one.assignment, one.student) for one in self.changes}


def compare(course: Course, scratch: Course, summaries: Sequence[Summary]) -> Changes:
    """Compare scores that were made in a scratch copy of a course with those of the course."""
    found = Changes(graded=len(summaries))
    found.errors = [summary for summary in summaries if summary.error]
    for assignment in sorted({summary.assignment for summary in summaries}):
        before, after = course.scores(assignment), scratch.scores(assignment)
        for one in summaries:
            if one.assignment == assignment and not one.error:
                old, new = before.get(one.student, {}), after.get(one.student, {})
                found.changes += _of_submission(course, scratch, one, old, new)
    return found


def _of_submission(
    course: Course,
    scratch: Course,
    summary: Summary,
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> Iterator[Change]:
    changed = [
        grade_id
        for grade_id, score in after.items()
        if grade_id not in before or abs(before[grade_id] - score) > _MARGIN
    ]
    if not changed:
        return
    old, new = (
        Autograded.read(one.folder("autograded", summary.assignment, summary.student))
        for one in (course, scratch)
    )
    why = list(_why(old.made_by, new.made_by))
    for grade_id in changed:
        yield Change(
            summary.assignment,
            summary.student,
            grade_id,
            before.get(grade_id),
            after[grade_id],
            list(_checks(old.checks.get(grade_id, ()), new.checks.get(grade_id, ()))),
            why,
        )


@dataclass
class Autograded:
    """What autograded notebooks say of a submission's scores."""

    made_by: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """All that made them, by notebook: ``bridge.provenance``."""
    checks: dict[str, Sequence[CheckResult]] = field(default_factory=dict)
    """By grade_id."""

    @classmethod
    def read(cls, folder: Path) -> "Autograded":
        """What the notebooks in a folder say; nothing where there are none."""
        found = cls()
        for path in sorted(folder.glob("*.ipynb")):
            notebook = json.loads(path.read_text(encoding="utf-8"))  # our own, and valid
            found.made_by[path.stem] = notebook["metadata"].get(METADATA, {}).get(MADE_BY, {})
            for cell in notebook["cells"]:
                if (result := read_result(cell)) is not None:
                    found.checks[result.grade_id] = result.checks
        return found


def _why(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What the scores of a submission depend on that has changed, each said once."""
    if not after:
        yield "no notebook is handed in"
    told = [line for name in after for line in differences(before.get(name, {}), after[name])]
    yield from dict.fromkeys(told)


def _checks(before: Sequence[CheckResult], after: Sequence[CheckResult]) -> Iterator[str]:
    """What has become of checks whose outcome or weight differs."""
    known = {check.node_id: check for check in before}
    for check in after:
        old = known.pop(check.node_id, None)
        name = check.node_id.rpartition("::")[2]
        message = f" ({check.message})" if check.message else ""
        if old is None:
            yield f"{name}: new, {check.status}{message}"
        elif old.status != check.status:
            yield f"{name}: {old.status} → {check.status}{message}"
        elif old.weight != check.weight:
            yield f"{name}: weight {old.weight:g} → {check.weight:g}"
    for old in known.values():
        yield f"{old.node_id.rpartition('::')[2]}: no longer there"
