"""What Validate finds in a student's notebook, in words for a beginner.

nbgrader shows the code of each check that fails, with its traceback, and nothing of the cells
before it: of an answer that did not run to its end a student would read only that a name does not
exist. Here a check is told by the name of its exercise, its message or its explained error, and
the explained errors of the cells between it and the check before.
"""

import html
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nbgrader.preprocessors import Execute
from nbgrader.validator import Validator

from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.render import error_text
from autograder.bridge.restore import grade_id_of
from autograder.bridge.sections import last_heading
from autograder.explain import Code, Raised, explain
from autograder.messages import N_, in_language
from autograder.messages import translate as _

_UNANSWERED: Final = "NotImplementedError"
"""What answers raise that are still to be written; their checks say so themselves."""
_TIMEOUT: Final = "CellTimeoutError"
TOOK_LONG: Final = N_(
    "The cell took longer than {seconds} seconds and was stopped. Look for a loop that never ends."
)


class ExplainingValidator(Validator):  # type: ignore[misc]
    """nbgrader's, with what failed told in the course's language."""

    def _preprocess(self, nb: Any) -> Any:
        self._ran = super()._preprocess(nb)
        return self._ran

    def validate(self, filename: str) -> dict[str, Any]:
        """Run a notebook's visible checks.

        Args:
            filename: the notebook.
        """
        results: dict[str, Any] = super().validate(filename)
        if results.get("failed"):
            failed = self._get_failed_cells(self._ran)
            seconds = Execute(parent=self).timeout
            with in_language(RunGraders(config=self.config).language):
                telling = _Telling(self._ran.cells, seconds)
                results["failed"] = [
                    telling.told(cell, nbgrader_s)
                    for cell, nbgrader_s in zip(failed, results["failed"], strict=True)
                ]
        return results


class _Telling:
    """Tells of the checks of a notebook that was run."""

    def __init__(self, nodes: Sequence[Any], seconds: int | None) -> None:
        self._nodes = nodes
        self._seconds = seconds
        self._cells = {
            place: Code(place + 1, node.source, node.execution_count, _raised(node) is not None)
            for place, node in enumerate(nodes)
            if node.cell_type == "code"
        }

    def told(self, check: Any, nbgrader_s: dict[str, str]) -> dict[str, str]:
        """A check that failed, as nbgrader's dialog shows it.

        Args:
            check: its cell.
            nbgrader_s: what nbgrader tells of it, which is short where nothing was raised.
        """
        place = next(place for place, node in enumerate(self._nodes) if node is check)
        own = self._error(place, check=True) or nbgrader_s["raw_error"]
        text = "\n\n".join([own.strip(), *self._before(place)])
        return {"source": self._exercise(place), "error": html.escape(text), "raw_error": text}

    def _exercise(self, place: int) -> str:
        """The last heading above a check, or its own name."""
        return last_heading(self._nodes[:place]) or str(grade_id_of(self._nodes[place]))

    def _before(self, check: int) -> Iterator[str]:
        """The errors of the cells that belong to a check: those since the one before it."""
        first = check
        while first and not self._nodes[first - 1].metadata.get("nbgrader", {}).get("grade"):
            first -= 1
        for place in range(first, check):
            if error := self._error(place):
                before = _("A cell before this check stopped with an error, so look at it first:")
                yield f"{before}\n{error}"

    def _error(self, place: int, *, check: bool = False) -> str:
        """The error of a cell; empty if there is none, or none worth telling."""
        raised = _raised(self._nodes[place])
        if raised is None or (raised.kind == _UNANSWERED and not check):
            return ""
        if check and raised.kind == "AssertionError" and raised.text:
            return raised.text
        explained = explain(raised, list(self._cells.values()), self._cells[place])
        if not _is_timeout(self._nodes[place]):
            return error_text(explained)
        late = _(TOOK_LONG, seconds=self._seconds)
        return f"{late}\n    {explained.code}" if explained.code else late


def _raised(node: Any) -> Raised | None:
    """The error that ended a cell; where it was stopped, at what line it was."""
    if node.cell_type != "code":
        return None
    shown = [output for output in node.outputs if output.get("ename") != _TIMEOUT]
    return Raised.of(shown) or Raised.of(node.outputs)


def _is_timeout(node: Any) -> bool:
    return any(output.get("ename") == _TIMEOUT for output in node.outputs)
