"""Run one notebook for its graders: cells, checkpoints, and why a grade cell was not reached."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from autograder.messages import translate as _
from autograder.runner.limits import Limits
from autograder.runner.warm import Cell, CellOutcome, Checkpoint, Run, WarmProcess


@dataclass(frozen=True)
class CodeCell:
    """A code cell of a notebook; ``grade_id`` only for grade cells."""

    source: str
    grade_id: str | None = None
    points: float = 0.0


class RunningNotebook:
    """A notebook that has run, with the namespace of each grade cell still alive."""

    def __init__(self, cells: Sequence[CodeCell], run: Run) -> None:
        self._cells = cells
        self._run = run

    @property
    def outcomes(self) -> Sequence[CellOutcome]:
        """What became of each code cell."""
        return self._run.outcomes

    def at(self, grade_id: str) -> tuple[Checkpoint | None, str]:
        """The checkpoint of a grade cell, or None and the reason, for the student."""
        for index, cell in enumerate(self._cells):
            if cell.grade_id == grade_id:
                checkpoint = self._run.checkpoints.get(index)
                return checkpoint, "" if checkpoint else self._why_not_reached(index)
        return None, _("The cell with this check is missing from your notebook.")

    def _why_not_reached(self, index: int) -> str:
        if self._run.out_of_time:
            return _("Your notebook took longer than all its time, and was stopped before this.")
        for earlier in range(index, -1, -1):
            status = self._run.outcomes[earlier].status
            if status == "timeout":
                return _("An earlier cell did not stop at its time limit, so this was not reached.")
            if status == "died":
                return _("An earlier cell ended the whole process, so this was not reached.")
        return _("Your notebook's process ended before this.")

    def close(self) -> None:
        """End every process of the submission."""
        self._run.close()


def run_notebook(
    warm: WarmProcess,
    cells: Sequence[CodeCell],
    graded: Collection[str],
    limits: Limits,
    seed: int,
) -> RunningNotebook:
    """Run the cells; grade cells in ``graded`` (those with hidden graders) become checkpoints.

    Raises:
        WarmProcessError: the warm process itself failed.
    """
    jobs = [Cell(cell.source, cell.grade_id in graded) for cell in cells]
    return RunningNotebook(cells, warm.run(jobs, limits, seed))


def code_cells(notebook: Any) -> list[CodeCell]:
    """The code cells of an nbformat 4 notebook."""
    return [_code_cell(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _code_cell(cell: Any) -> CodeCell:
    facts = cell.metadata.get("nbgrader", {})
    if not facts.get("grade"):
        return CodeCell(cell.source)
    return CodeCell(cell.source, facts.get("grade_id"), float(facts.get("points", 0)))


def read_code_cells(path: Path) -> list[CodeCell]:
    """The code cells of a notebook file; ``OSError`` or ``ValueError`` if it cannot be read."""
    return code_cells(nbformat.read(path, as_version=4))


def points_of(cells: Iterable[CodeCell]) -> dict[str, float]:
    """The points of each grade cell."""
    return {cell.grade_id: cell.points for cell in cells if cell.grade_id is not None}
