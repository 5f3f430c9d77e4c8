"""Exercises whose answer stopped: what is missing after them was not left undone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from nbgrader import utils

from autograder.grading.results import CellResult, CheckResult, name_not_made
from autograder.messages import translate as _
from autograder.runner.outcome import CellOutcome, Status

_STOPPED: Final = frozenset(get_args(Status)) - {"ok", "checkpoint"}
_STUB_RAISES: Final = "NotImplementedError"


def stopped_answers(nodes: Sequence[Any], outcomes: Sequence[CellOutcome]) -> frozenset[str]:
    """The grade cells whose answer the student has changed, and that then stopped.

    The answer are the solution cells after the grade cell before.

    Args:
        nodes: the code cells of the notebook.
        outcomes: what became of each.
    """
    found: set[str] = set()
    stopped = False
    for node, outcome in zip(nodes, outcomes, strict=True):
        if utils.is_grade(node):
            found |= {node.metadata.nbgrader.grade_id} if stopped else set()
            stopped = False
        elif utils.is_solution(node) and outcome.status in _STOPPED:
            stopped = stopped or (_is_changed(node) and not _is_stub(outcome))
    return frozenset(found)


def _is_changed(node: Any) -> bool:
    """Whether it is not as it was released."""
    released = node.metadata.nbgrader.get("checksum")
    return released is not None and released != utils.compute_checksum(node)


def _is_stub(outcome: CellOutcome) -> bool:
    """Whether it stopped where the released cell does: at the place of the answer."""
    return any(output.get("ename") == _STUB_RAISES for output in outcome.outputs)


def told_as_stopped(result: CellResult) -> CellResult:
    """The result of an exercise whose answer stopped, which says so once.

    Its score stays: what was not attempted earned nothing, and what failed earns nothing.
    """
    told: set[str] = set()
    checks = []
    for check in result.checks:
        shown = _stopped(check) if check.status == "not attempted" else check
        if shown is not check:
            known = "" if name_not_made(check.message) else shown.message
            shown = replace(shown, message="") if known in told else shown
            told.add(known)
        checks.append(shown)
    return replace(result, checks=tuple(checks))


def _stopped(check: CheckResult) -> CheckResult:
    name = name_not_made(check.message)
    message = check.message
    if name is not None:
        message = _(
            "The cell of your answer stopped with an error, so `{name}` was not made: "
            "read what is said below that cell.",
            name=name,
        )
    return replace(check, status="failed", message=message, hint="")


def told_as_unreadable(result: CellResult) -> CellResult:
    """The result of a notebook that could not be read, of which that alone is to be said."""
    return replace(
        result, checks=tuple(replace(check, message="", hint="") for check in result.checks)
    )
