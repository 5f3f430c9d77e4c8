"""The code cells of a notebook, as the graders' side sees them. Needs no torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat


@dataclass(frozen=True)
class CodeCell:
    """A code cell of a notebook; ``grade_id`` only for grade cells."""

    source: str
    grade_id: str | None = None
    points: float = 0.0
    solution: bool = False
    """Whether students write it."""


def code_cells(notebook: Any) -> list[CodeCell]:
    """The code cells of an nbformat 4 notebook."""
    return [_code_cell(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _code_cell(cell: Any) -> CodeCell:
    facts = cell.metadata.get("nbgrader", {})
    solution = bool(facts.get("solution"))
    if not facts.get("grade"):
        return CodeCell(cell.source, solution=solution)
    return CodeCell(cell.source, facts.get("grade_id"), float(facts.get("points", 0)), solution)


def read_code_cells(path: Path) -> list[CodeCell]:
    """The code cells of a notebook file; ``OSError`` or ``ValueError`` if it cannot be read."""
    return code_cells(nbformat.read(path, as_version=4))


def points_of(cells: Iterable[CodeCell]) -> dict[str, float]:
    """The points of each grade cell."""
    return {cell.grade_id: cell.points for cell in cells if cell.grade_id is not None}
