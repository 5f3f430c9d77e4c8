"""The preprocessors that nbgrader's Autograde converter calls."""

import atexit
import hashlib
from pathlib import Path
from typing import Any, Final

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Enum, Float, Integer, Unicode

from autograder.bridge.exporter import METADATA
from autograder.bridge.render import cell_html
from autograder.grading.cells import code_cells
from autograder.grading.client import GradingProcess
from autograder.grading.results import CellResult
from autograder.messages import LANGUAGES, set_language
from autograder.messages import translate as _
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome

_SCHEMA_VERSION: Final = 3
_processes: dict[tuple[Path, Path], GradingProcess] = {}


def grading_process(course: Path, graders: Path) -> GradingProcess:
    """The grading process of a course, one for the life of this process."""
    key = (course, graders)
    if key not in _processes:
        _processes[key] = GradingProcess(course, graders)
        atexit.register(_processes[key].stop)
    return _processes[key]


class RestoreCells(NbGraderPreprocessor):  # type: ignore[misc]
    """Give a submitted notebook the nbgrader cells that the release had.

    Cells that claim a grade_id get the metadata that the gradebook knows, ids that the
    assignment does not have lose theirs, and missing grade cells are put back after the
    nearest cell before them. nbgrader's own OverwriteCells then restores the sources.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Restore the cells of one notebook."""
        facts = resources["nbgrader"]
        with Gradebook(facts["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(facts["notebook"], facts["assignment"])
            truth = {cell.name: cell for cell in notebook.source_cells}
            graded = {cell.name: float(cell.max_score) for cell in notebook.grade_cells}
            solutions = {cell.name for cell in notebook.solution_cells}
            tasks = {cell.name: float(cell.max_score) for cell in notebook.task_cells}
            seen: set[str] = set()
            for cell in reversed(nb.cells):  # of copies the last counts, as nbgrader has it
                self._restore_metadata(cell, truth, graded, solutions, tasks)
                grade_id = _grade_id(cell)
                if grade_id in seen:
                    del cell.metadata["nbgrader"]
                elif grade_id is not None:
                    seen.add(grade_id)
            restored = self._add_missing(nb, truth, graded, solutions)
        if restored:
            notes = nb.metadata.setdefault(METADATA, {}).setdefault("notes", [])
            notes.append(_("Check cells put back: {names}.", names=", ".join(restored)))
        return nb, resources

    @staticmethod
    def _restore_metadata(
        cell: NotebookNode,
        truth: dict[str, Any],
        graded: dict[str, float],
        solutions: set[str],
        tasks: dict[str, float],
    ) -> None:
        claimed = cell.metadata.pop("nbgrader", None)
        grade_id = claimed.get("grade_id") if isinstance(claimed, dict) else None
        if not isinstance(grade_id, str) or grade_id not in truth:
            return
        cell.metadata["nbgrader"] = _metadata(truth[grade_id], graded, solutions, tasks)

    @staticmethod
    def _add_missing(
        nb: NotebookNode, truth: dict[str, Any], graded: dict[str, float], solutions: set[str]
    ) -> list[str]:
        """Put missing grade cells back; their names."""
        restored: list[str] = []
        before = 0  # index after the last present cell that precedes it in the source
        for name, source in truth.items():
            places = [i for i, cell in enumerate(nb.cells) if _grade_id(cell) == name]
            if places:
                before = places[-1] + 1
            elif name in graded:
                make = new_code_cell if source.cell_type == "code" else new_markdown_cell
                cell = make(source.source, id=f"restored-{len(restored)}")
                cell.metadata["nbgrader"] = _metadata(source, graded, solutions, {})
                nb.cells.insert(before, cell)
                before += 1
                restored.append(name)
        return restored


def _grade_id(cell: NotebookNode) -> str | None:
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return grade_id if isinstance(grade_id, str) else None


def _metadata(
    source: Any, graded: dict[str, float], solutions: set[str], tasks: dict[str, float]
) -> NotebookNode:
    """The nbgrader metadata of a cell as the gradebook knows it."""
    name = source.name
    metadata = NotebookNode(
        grade_id=name,
        grade=name in graded,
        solution=name in solutions,
        task=name in tasks,
        locked=bool(source.locked),
        schema_version=_SCHEMA_VERSION,
        cell_type=source.cell_type,
    )
    points = graded.get(name, tasks.get(name))
    if points is not None:
        metadata["points"] = points
    if source.checksum:
        metadata["checksum"] = source.checksum
    return metadata


class RunGraders(NbGraderPreprocessor):  # type: ignore[misc]
    """Run the notebook in the warm process and its hidden graders in the grading process.

    Takes the place of nbgrader's Execute. Grade cells that have hidden graders get their score
    and checks as outputs; all other cells, grade cells with in-cell tests among them, get what
    they wrote.
    """

    graders = Unicode(
        "tests/graders", help="Folder of the hidden graders, one sub-folder per assignment."
    ).tag(config=True)
    language = Enum(LANGUAGES, "es", help="Language of what students read.").tag(config=True)
    cell_seconds = Float(10.0, help="Seconds that one cell may take.").tag(config=True)
    submission_seconds = Float(60.0, help="Seconds that all cells may take.").tag(config=True)
    call_seconds = Float(5.0, help="Seconds that one call of a function may take.").tag(config=True)
    check_seconds = Float(20.0, help="Seconds that one hidden check may take.").tag(config=True)
    memory_mib = Integer(1024, help="Memory that a submission may add, in MiB.").tag(config=True)
    output_kib = Integer(64, help="Output of a cell that is kept, in KiB.").tag(config=True)

    def limits(self) -> Limits:
        """The configured limits."""
        return Limits(
            cell_seconds=self.cell_seconds,
            submission_seconds=self.submission_seconds,
            call_seconds=self.call_seconds,
            memory_mib=self.memory_mib,
            output_kib=self.output_kib,
        )

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Run and grade one notebook."""
        set_language(self.language)
        facts = resources["nbgrader"]
        course = Path.cwd()  # nbgrader's converters run in the course's root
        cells = code_cells(nb)
        graded = grading_process(course, course / self.graders).grade(
            facts["assignment"],
            cells,
            self.limits(),
            seed=submission_seed(facts["assignment"], facts["student"]),
            language=self.language,
            check_seconds=self.check_seconds,
        )
        results = {result.grade_id: result for result in graded.results}
        nodes = [cell for cell in nb.cells if cell.cell_type == "code"]
        for node, outcome in zip(nodes, graded.outcomes, strict=True):
            result = results.get(_grade_id(node) or "")
            if result is not None and utils.is_grade(node):
                write_result(node, result)
            else:
                self._write_outcome(node, outcome)
        nb.metadata.setdefault(METADATA, {})["graded"] = True
        _say_notes(nb)
        return nb, resources

    def _write_outcome(self, node: NotebookNode, outcome: CellOutcome) -> None:
        node.execution_count = outcome.execution_count
        node.outputs = [new_output(**output) for output in outcome.outputs]
        text = _limit_text(outcome, self.limits())
        if text:
            if outcome.status not in ("ok", "error"):  # ours replaces the engine's traceback
                node.outputs = [out for out in node.outputs if out.output_type != "error"]
            node.outputs.append(text)


def submission_seed(assignment: str, student: str) -> int:
    """The seed of a submission: the same submission always meets the same hidden inputs."""
    digest = hashlib.sha256(f"{assignment}/{student}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def write_result(node: NotebookNode, result: CellResult) -> None:
    """Write a result into its grade cell, where nbgrader reads the score from the output."""
    points = float(node.metadata.nbgrader.points)
    score = result.score(points)
    node.execution_count = None
    node.outputs = [
        new_output(
            "execute_result",
            {"text/plain": f"{score:g}", "text/html": cell_html(result, points)},
        )
    ]
    node.metadata[METADATA] = result.to_dict()


def _limit_text(outcome: CellOutcome, limits: Limits) -> Any:
    """The output that tells a student which limit a cell hit, or why it did not run."""
    if outcome.status == "timeout":
        text = _("The cell was stopped: it ran longer than {n:g} seconds.", n=limits.cell_seconds)
        return _error("CellTimeoutError", text)
    if outcome.status == "output":
        text = _("The cell was stopped: it wrote far more than {n} KiB.", n=limits.output_kib)
        return _error("CellOutputError", text)
    if outcome.status == "memory":
        text = _("The cell used more than the {n} MiB of memory allowed.", n=limits.memory_mib)
        return _error("MemoryError", text)
    if outcome.status == "died":
        return _error("DeadKernelError", _("The cell ended the notebook's process."))
    if outcome.status == "not run":
        return _error("CellNotRunError", _("This cell was not run: an earlier one ended it all."))
    if outcome.truncated:
        text = _("[The output is longer than {n} KiB and was cut here.]", n=limits.output_kib)
        return new_output("stream", name="stdout", text=f"\n{text}\n")
    return None


def _error(name: str, text: str) -> Any:
    return new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


def _say_notes(nb: NotebookNode) -> None:
    """Show at the top of the notebook what was put back."""
    notes = nb.metadata[METADATA].get("notes", [])
    if notes and "problem" not in nb.metadata[METADATA]:
        text = "\n".join(f"- {note}" for note in notes)
        nb.cells.insert(0, new_markdown_cell(text, id="autograder-notes"))


class MarkFaults(NbGraderPreprocessor):  # type: ignore[misc]
    """Mark grade cells one of whose graders failed as needing a person's review."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Mark the faulty grade cells of one notebook."""
        faulty = [
            cell.metadata[METADATA]["grade_id"]
            for cell in nb.cells
            if "checks" in cell.metadata.get(METADATA, {})
            and CellResult.from_dict(cell.metadata[METADATA]).needs_review
        ]
        if not faulty:
            return nb, resources
        facts = resources["nbgrader"]
        with Gradebook(facts["db_url"]) as gradebook:
            for grade_id in faulty:
                try:
                    grade = gradebook.find_grade(
                        grade_id, facts["notebook"], facts["assignment"], facts["student"]
                    )
                except MissingEntry:
                    continue
                grade.needs_manual_grade = True
            gradebook.db.commit()
        return nb, resources
