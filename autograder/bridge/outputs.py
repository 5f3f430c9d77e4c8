"""What became of the cells of a notebook, written into it as nbformat's outputs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from nbformat.notebooknode import NotebookNode, from_dict
from nbformat.v4 import new_output

from autograder.bridge.notebooks import METADATA
from autograder.bridge.render import Hints, cell_html, error_html, error_text
from autograder.explain import Code, Raised, explain
from autograder.grading.results import CellResult
from autograder.messages import translate as _
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome, Status

_ENGINES_OWN: Final = ("timeout", "output", "memory", "died", "not run")
_MOST_EXPLAINED: Final = 50
"""Errors of a notebook that are explained: nobody reads more, and each takes time."""
_SAME_SCORE: Final = 0.005
"""Less is rounded away where scores are shown."""
_FAILED: Final = frozenset(get_args(Status)) - {"ok", "checkpoint"}


def write_outcome(node: NotebookNode, outcome: CellOutcome, limits: Limits) -> None:
    """Write what became of a cell into it, with a sentence for a limit that it hit."""
    node.execution_count = outcome.execution_count
    # not `new_output`, which validates each: the exporter validates the notebook
    node.outputs = [from_dict(output) for output in outcome.outputs]
    told = _limit_output(outcome, limits)
    if told is not None:
        if outcome.status in _ENGINES_OWN:  # ours replaces the engine's traceback
            node.outputs = [out for out in node.outputs if out.output_type != "error"]
        node.outputs.append(told)


def explain_errors(nb: NotebookNode, outcomes: Sequence[CellOutcome]) -> None:
    """Explain, below each error that ended a student's cell, where it is and what it means."""
    pairs = [(number, node) for number, node in enumerate(nb.cells, 1) if node.cell_type == "code"]
    cells = [
        Code(number, node.source, outcome.execution_count, outcome.status in _FAILED)
        for (number, node), outcome in zip(pairs, outcomes, strict=True)
    ]
    left = _MOST_EXPLAINED
    for (_number, node), cell, outcome in zip(pairs, cells, outcomes, strict=True):
        raised = Raised.of(node.outputs) if outcome.status == "error" and left else None
        if raised is not None:
            left -= 1
            told = explain(raised, cells, cell)
            shown = {"text/plain": error_text(told), "text/html": error_html(told)}
            node.outputs.append(new_output("display_data", shown))


def write_result(
    node: NotebookNode,
    result: CellResult,
    hints: Hints = "full",
    lesson: Mapping[str, str] | None = None,
) -> None:
    """Write a result into its grade cell, where nbgrader reads the score from the output.

    The cell's metadata keep all of it, for the teacher, whatever students are told.
    """
    points = float(node.metadata.nbgrader.points)
    score = result.score(points)
    node.execution_count = None
    node.outputs = [
        new_output(
            "execute_result",
            {"text/plain": f"{score:g}", "text/html": cell_html(result, points, hints, lesson)},
        )
    ]
    node.metadata[METADATA] = result.to_dict()


def tell_score_given(
    node: NotebookNode, given: float, hints: Hints, lesson: Mapping[str, str]
) -> None:
    """Say in a grade cell what a person gave, where it is not what its checks gave.

    Args:
        node: a cell, with what ``write_result`` has written if it is a grade cell.
        given: its score in the gradebook.
        hints: as for ``write_result``.
        lesson: as for ``write_result``.
    """
    result = read_result(node)
    points = float(node.metadata.get("nbgrader", {}).get("points") or 0.0)
    if result is None or not node.outputs or abs(result.score(points) - given) < _SAME_SCORE:
        return
    told = cell_html(result, points, hints, lesson, round(given, 2))
    node.outputs[0].data["text/html"] = told


def read_result(node: Mapping[str, Any]) -> CellResult | None:
    """The result that ``write_result`` has written into a grade cell; None where there is none."""
    facts = node["metadata"].get(METADATA, {})
    return CellResult.from_dict(facts) if "checks" in facts else None


def _limit_output(outcome: CellOutcome, limits: Limits) -> Any:
    """The output that tells a student which limit a cell hit, or why it did not run."""
    texts: dict[Status, tuple[str, str]] = {
        "timeout": (
            "CellTimeoutError",
            _("The cell was stopped: it ran longer than {n:g} seconds.", n=limits.cell_seconds),
        ),
        "output": (
            "CellOutputError",
            _("The cell was stopped: it wrote far more than {n} KiB.", n=limits.output_kib),
        ),
        "memory": (
            "MemoryError",
            _("The cell used more than the {n} MiB of memory allowed.", n=limits.memory_mib),
        ),
        "disk": (
            "DiskLimitError",
            _(
                "The cell wrote more than the {n} MiB or {files} files allowed.",
                n=limits.disk_mib,
                files=limits.files,
            ),
        ),
        "processes": (
            "ProcessLimitError",
            _(
                "The cell started more than the {n} processes and threads allowed.",
                n=limits.processes,
            ),
        ),
        "files": (
            "OpenFilesLimitError",
            _("The cell opened more than the {n} files allowed at once.", n=limits.open_files),
        ),
        "died": ("DeadKernelError", _("The cell ended the notebook's process.")),
        "not run": (
            "CellNotRunError",
            _("This cell was not run: an earlier one ended it all."),
        ),
    }
    if outcome.status in texts:
        return _error(*texts[outcome.status])
    if outcome.truncated:
        text = _("[The output is longer than {n} KiB and was cut here.]", n=limits.output_kib)
        return new_output("stream", name="stdout", text=f"\n{text}\n")
    return None


def _error(name: str, text: str) -> Any:
    return new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])
