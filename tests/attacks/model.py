"""The corpus as records, and the tiny course that it attacks."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from autograder.grading.cells import CodeCell
from autograder.runner.limits import Limits

CORPUS: Final = Path(__file__).parent / "corpus"
CLASSES: Final = (
    "exhaustion",
    "reading",
    "forging",
    "escape",
    "persistence",
    "time",
    "network",
)
MODES: Final = ("root", "user", "bare", "container")
"""``root`` and ``user``: who grades; ``bare``: a user whom the system refuses every namespace;
``container``: the same for root, without control groups, as container engines do."""
LIMITS: Final = Limits(
    cell_seconds=2.0,
    submission_seconds=15,
    call_seconds=2.0,
    grading_seconds=15,
    memory_mib=192,
    disk_mib=32,
    files=1000,
    open_files=128,
    processes=40,
)
LONGEST_SECONDS: Final = 60.0
"""Within this a submission must have ended, on a busy machine too."""
EXERCISES: Final[Mapping[str, str]] = {
    "values": "t = torch.ones(3)",
    "double": "def double(x):\n    return 2 * x",
    "total": "s = sum(data)",
}
"""Grade ids, three points each, and the right answers."""
FULL: Final = 9.0
CANARY: Final = "CANARY--the-graders-own-words"
ASSIGNMENT: Final = "mini"

GRADERS: Final = f'''
"""{CANARY}"""
import pytest
import torch

from autograder.grading import Submission, close, fail

@pytest.mark.grade_cell("values", weight=2)
def test_shape(submission: Submission) -> None:
    if submission.tensor("t").shape != (3,):
        fail("wrong shape")

@pytest.mark.grade_cell("values")
def test_values(submission: Submission) -> None:
    if not close(submission.tensor("t").tensor, torch.ones(3)):
        fail("wrong values")

@pytest.mark.grade_cell("double", weight=2)
@pytest.mark.parametrize("shape", [(4,), (2, 3), (1,)])
def test_double(submission: Submission, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=submission.generator)
    result = submission.as_tensor(submission.call("double", x).value, "the result")
    if not close(result.tensor, 2 * x):
        fail("it does not double")

@pytest.mark.grade_cell("double", weight=3)
def test_precision(submission: Submission) -> None:
    x = torch.randn(3, generator=submission.generator, dtype=torch.float64)
    result = submission.as_tensor(submission.call("double", x).value, "the result")
    if result.dtype != torch.float64 or not close(result.tensor, 2 * x):
        fail("it does not double")

@pytest.mark.grade_cell("total")
def test_total(submission: Submission) -> None:
    s = submission.value("s")
    if type(s) is not int or s != 6:
        fail("not the sum")
'''


@dataclass(frozen=True)
class Attack:
    """A submission that means harm."""

    name: str
    tries: str
    score: float
    answers: Mapping[str, str]
    """The code that stands in the place of the right answers."""
    says: str = ""
    statuses: Mapping[str, list[str]] = field(default_factory=dict)
    after: str = ""
    """A cell of the next student's notebook, which must find nothing."""
    modes: tuple[str, ...] = MODES
    cell_seconds: float = LIMITS.cell_seconds
    """More where a busy machine needs it for what the attack does."""


@dataclass(frozen=True)
class Program:
    """A cell that an honest student may write."""

    name: str
    cell: str
    status: str = "ok"
    says: str = ""
    modes: tuple[str, ...] = MODES


def attacks() -> list[tuple[str, Attack]]:
    """Every attack, with its class."""
    return [(name, _attack(entry)) for name in CLASSES for entry in _entries(name, "attack")]


def programs() -> list[Program]:
    """Every honest program."""
    return [
        Program(
            entry["name"],
            entry["cell"],
            entry.get("status", "ok"),
            entry.get("says", ""),
            tuple(entry.get("modes", MODES)),
        )
        for entry in _entries("honest", "program")
    ]


def _entries(name: str, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((CORPUS / f"{name}.toml").read_text("utf-8"))[
        kind
    ]
    return entries


def _attack(entry: dict[str, Any]) -> Attack:
    statuses = entry.get("statuses", {})
    return Attack(
        name=entry["name"],
        tries=entry["tries"],
        score=entry["score"],
        answers={name: entry[name] for name in EXERCISES if name in entry},
        says=entry.get("says", ""),
        statuses={k: [v] if isinstance(v, str) else list(v) for k, v in statuses.items()},
        after=entry.get("after", ""),
        modes=tuple(entry.get("modes", MODES)),
        cell_seconds=entry.get("cell_seconds", LIMITS.cell_seconds),
    )


def notebook(answers: Mapping[str, str], before: str = "") -> list[CodeCell]:
    """The cells of a submission."""
    cells = [CodeCell(f"import torch\ndata = [1, 2, 3]\n{before}")]
    for grade_id, right in EXERCISES.items():
        cells += [CodeCell(answers.get(grade_id, right)), CodeCell("", grade_id, 3.0)]
    return cells
