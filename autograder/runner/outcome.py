"""What became of a cell. Apart from the rest, so that reading it needs no torch."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Status = Literal[
    "ok",
    "error",
    "timeout",
    "output",
    "memory",
    "disk",
    "processes",
    "files",
    "died",
    "not run",
    "checkpoint",
]
"""How a cell ended: by itself, at a limit, or with its process (``died``); ``checkpoint``: a
grade cell was reached."""
STATUSES: Final = frozenset(get_args(Status)) - {"died", "not run"}
"""What a submission's process can say of its cells."""


@dataclass
class CellOutcome:
    """What became of a cell; ``outputs`` are nbformat outputs."""

    status: Status = "not run"
    outputs: list[dict[str, Any]] = field(default_factory=list)
    execution_count: int | None = None
    truncated: bool = False
