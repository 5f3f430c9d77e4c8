"""Results of grading: one record per check and per grade cell, and how they travel."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from autograder.messages import translate as _
from autograder.runner.events import valid_text

CheckStatus = Literal["passed", "failed", "not attempted", "fault"]
"""``fault``: the grader itself failed, which is never the student's mistake."""


def not_made(name: str) -> str:
    """What a check says that finds no such name."""
    return _("`{name}` does not exist yet.", name=name)


def name_not_made(message: str) -> str | None:
    """The name of which ``not_made`` says in a message, in the same language, that it is missing.

    What stands before it in the message does not matter.
    """
    before, after = not_made("\0").split("\0")
    found = re.search(f"{re.escape(before)}([^`]+){re.escape(after)}$", message)
    return None if found is None else found[1]


@dataclass(frozen=True)
class CheckResult:
    """One check (a pytest item) of a grade cell."""

    node_id: str
    title: str
    """The line that students see for it: the first line of the grader's docstring."""
    weight: float
    status: CheckStatus
    message: str = ""
    hint: str = ""
    diagnosis: str = ""
    """The usual mistake that it looks like, as a slug, or empty."""
    detail: str = ""
    """For the teacher only: what went wrong in the grader or in the student's function."""

    def __post_init__(self) -> None:
        """Make the texts such that any file and database can hold them.

        A grader may have put what a student wrote into them.
        """
        for name in ("title", "message", "hint", "diagnosis", "detail"):
            object.__setattr__(self, name, valid_text(getattr(self, name)))


@dataclass(frozen=True)
class CellResult:
    """The checks of one grade cell."""

    grade_id: str
    checks: Sequence[CheckResult] = field(default_factory=tuple)

    def score(self, points: float) -> float:
        """Partial credit: the passed weights' share of ``points``, to two decimals."""
        total = sum(check.weight for check in self.checks)
        passed = sum(check.weight for check in self.checks if check.status == "passed")
        return round(points * passed / total, 2) if total > 0 else 0.0

    @property
    def needs_review(self) -> bool:
        """Whether a grader failed, so that a person must look."""
        return any(check.status == "fault" for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {"grade_id": self.grade_id, "checks": [asdict(check) for check in self.checks]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The result that ``to_dict`` described."""
        return cls(data["grade_id"], tuple(CheckResult(**check) for check in data["checks"]))
