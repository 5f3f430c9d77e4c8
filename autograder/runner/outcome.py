"""What became of a cell. Apart from the rest, so that reading it needs no torch."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Status = Literal["ok", "error", "timeout", "output", "memory", "died", "not run", "checkpoint"]
"""How a cell ended; ``died``: its process ended in it; ``checkpoint``: a grade cell reached."""
STATUSES: Final = frozenset({"ok", "error", "timeout", "output", "memory", "checkpoint"})


@dataclass
class CellOutcome:
    """What became of a cell; ``outputs`` are nbformat outputs."""

    status: Status = "not run"
    outputs: list[dict[str, Any]] = field(default_factory=list)
    execution_count: int | None = None
    truncated: bool = False
