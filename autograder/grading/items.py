"""What a pytest item is to the grader: its grade cell, its weight, and the result of a run."""

import functools
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from autograder.grading import trace
from autograder.grading.results import CheckResult
from autograder.grading.submission import CheckFailed, NotAttempted
from autograder.messages import translate as _

MARKER: Final = "grade_cell"
_LONGEST_DETAIL: Final = 4000


class BindingError(ValueError):
    """A grader's ``grade_cell`` marker is missing or wrong."""


@dataclass(frozen=True)
class Binding:
    """Which grade cell of which assignment a check belongs to."""

    assignment: str
    grade_id: str
    weight: float
    title: str


_BINDING: pytest.StashKey[Binding | None] = pytest.StashKey()


def binding(item: pytest.Item) -> Binding | None:
    """The item's binding, or None when it is no grader.

    Raises:
        BindingError: its marker has no grade_id, or a weight that is not positive.
    """
    if _BINDING not in item.stash:
        item.stash[_BINDING] = _binding(item)
    return item.stash[_BINDING]


def _binding(item: pytest.Item) -> Binding | None:
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    weight = marker.kwargs.get("weight", 1)
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        raise BindingError(f'{item.nodeid}: write @pytest.mark.{MARKER}("the-grade-id", weight=1)')
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
        raise BindingError(f"{item.nodeid}: the weight must be a positive number, not {weight!r}")
    function = getattr(item, "function", None)
    doc = (getattr(function, "__doc__", None) or item.name).strip()
    return Binding(item.path.parent.name, marker.args[0], float(weight), doc.splitlines()[0])


def check_name(item: pytest.Item) -> str:
    """The check's name within its course: ``assignment/file.py::test``."""
    return _name(item.nodeid)


@functools.cache
def _name(node_id: str) -> str:
    return "/".join(Path(node_id).parts[-2:])


def result(
    item: pytest.Item, bound: Binding, error: BaseException | None, in_grader: bool
) -> CheckResult:
    """The check's result when its grader ended with ``error`` (None: it passed).

    ``in_grader`` is false for errors of set-up and tear-down, which are never the student's.
    """
    facts: dict[str, Any] = {
        "node_id": check_name(item),
        "title": bound.title,
        "weight": bound.weight,
    }
    if error is None:
        return CheckResult(**facts, status="passed")
    if isinstance(error, CheckFailed):
        return CheckResult(
            **facts,
            status="not attempted" if isinstance(error, NotAttempted) else "failed",
            message=error.message,
            hint=error.hint,
            diagnosis=error.diagnosis,
            detail="\n".join(filter(None, (error.detail, trace.told())))[:_LONGEST_DETAIL],
        )
    if isinstance(error, AssertionError) and in_grader:
        message = _("The result is not the one asked for.")
        detail = f"{error}\n{trace.told()}".strip()[:_LONGEST_DETAIL]
        return CheckResult(**facts, status="failed", message=message, detail=detail)
    return CheckResult(**facts, status="fault", message=fault_message(), detail=_where(error))


def fault_message() -> str:
    """What a student reads of a check whose grader failed."""
    return _("This check could not be run: your teacher will look at it.")


def _where(error: BaseException) -> str:
    """File and line of the grader's mistake, and the exception."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "test_" in Path(frame.filename).name] or frames
    place = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    return f"{place}{type(error).__name__}: {error}"[:_LONGEST_DETAIL]
