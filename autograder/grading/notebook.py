"""Run one notebook for its graders: cells, checkpoints, and why a grade cell was not reached."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from autograder.grading.cells import CodeCell
from autograder.messages import refusal_texts
from autograder.messages import translate as _
from autograder.runner.asked import Asked
from autograder.runner.checkpoint import NOT_EMULATED, Checkpoint
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome
from autograder.runner.warm import Cell, Run, WarmProcess


@dataclass(frozen=True)
class Place:
    """A grade cell of a notebook that has run."""

    checkpoint: Checkpoint | None
    """The namespace as it was there; None when it was not reached."""
    reason: str
    """Why it was not, for the student."""
    cuda_devices: int = 0
    """How many emulated CUDA devices the notebook saw."""
    not_emulated: str = ""
    """What an earlier cell needed and the emulated CUDA device cannot do; empty without one."""


class RunningNotebook:
    """A notebook that has run, with the namespace of each grade cell still alive."""

    def __init__(self, cells: Sequence[CodeCell], run: Run, cuda_devices: int = 0) -> None:
        self._cells = cells
        self._run = run
        self._cuda_devices = cuda_devices

    @property
    def outcomes(self) -> Sequence[CellOutcome]:
        """What became of each code cell."""
        return self._run.outcomes

    def at(self, grade_id: str) -> Place:
        """A grade cell: its checkpoint, or None and the reason, for the student."""
        for index, cell in enumerate(self._cells):
            if cell.grade_id == grade_id:
                checkpoint = self._run.checkpoints.get(index)
                reason = "" if checkpoint else self._why_not_reached(index)
                return Place(checkpoint, reason, self._cuda_devices, self._not_emulated(index))
        return Place(None, _("The cell with this check is missing from your notebook."))

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

    def _not_emulated(self, index: int) -> str:
        """What a cell before this one needed of the emulated device, and it cannot do."""
        earlier = self._run.outcomes[:index] if self._cuda_devices else ()
        for outcome in earlier:
            for output in outcome.outputs:
                if output.get("ename") == NOT_EMULATED:
                    return str(output.get("evalue", ""))[:300] or NOT_EMULATED
        return ""

    @property
    def lacking(self) -> bool:
        """Whether graders asked for more than was kept of it."""
        return any(checkpoint.lacking for checkpoint in self._run.checkpoints.values())

    def asked(self) -> Mapping[str, Asked]:
        """What graders have asked for at each grade cell that was reached."""
        found = {}
        for index, checkpoint in self._run.checkpoints.items():
            grade_id = self._cells[index].grade_id
            assert grade_id is not None
            found[grade_id] = checkpoint.asked
        return found

    @property
    def walls(self) -> list[str]:
        """The walls around it: names of ``autograder.runner.walls``."""
        return self._run.walls

    @property
    def waited(self) -> float:
        """Seconds that graders have waited for it."""
        return self._run.patience.spent

    def close(self) -> None:
        """End every process of the submission.

        Raises:
            WarmProcessError: they ended with their warm process, by no fault of the submission.
        """
        self._run.close()


def _seed_of_cells(seed: int) -> int:
    """The seed that student code sees, from which that of the hidden inputs cannot be found."""
    return int.from_bytes(hashlib.sha256(f"{seed}/cells".encode()).digest()[:6], "big")


def run_notebook(
    warm: WarmProcess,
    cells: Sequence[CodeCell],
    graded: Collection[str],
    limits: Limits,
    seed: int,
    *,
    cuda_devices: int = 0,
    asked: Mapping[str, Asked] | None = None,
    files: Mapping[str, bytes] | None = None,
    allow_unsafe: bool = False,
) -> RunningNotebook:
    """Run the cells; grade cells in ``graded`` (those with hidden graders) become checkpoints.

    Args:
        warm: what to fork it from.
        cells: the notebook's code cells.
        graded: the grade cells with hidden graders.
        limits: what it may use.
        seed: the submission's seed.
        cuda_devices: how many emulated CUDA devices it sees.
        asked: what graders are known to ask for at grade cells; at others everything is kept.
        files: what lies beside the notebook.
        allow_unsafe: run it even where the walls against strangers cannot be had.

    Raises:
        JailError: the walls that untrusted submissions need cannot be had.
        WarmProcessError: the warm process itself failed.
    """
    known = asked or {}
    jobs = [
        Cell(cell.source, cell.grade_id in graded, known.get(cell.grade_id or "")) for cell in cells
    ]
    run = warm.run(
        jobs,
        limits,
        _seed_of_cells(seed),
        cuda_devices=cuda_devices,
        files=files,
        texts=refusal_texts(),
        allow_unsafe=allow_unsafe,
    )
    return RunningNotebook(cells, run, cuda_devices)
