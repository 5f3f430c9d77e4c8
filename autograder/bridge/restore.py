"""Gives a submitted notebook the nbgrader cells that the release had, where it had them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.bridge.lookups import grade_cells
from autograder.bridge.notebooks import METADATA
from autograder.messages import translate as _

_SCHEMA_VERSION: Final = 3


@dataclass(frozen=True)
class _Known:
    """A cell of the assignment, as the gradebook has it."""

    name: str
    cell_type: str
    source: str
    checksum: str | None
    locked: bool
    grade: bool
    solution: bool
    task: bool
    points: float | None

    @property
    def movable(self) -> bool:
        """Is it the teacher's alone, so that its place is too?"""
        return self.locked or not self.solution

    @property
    def needed(self) -> bool:
        """Has it to be there for grading?"""
        return self.grade or self.task or (self.movable and self.cell_type == "code")

    def metadata(self) -> NotebookNode:
        """The cell's nbgrader metadata."""
        metadata = NotebookNode(
            grade_id=self.name,
            grade=self.grade,
            solution=self.solution,
            task=self.task,
            locked=self.locked,
            schema_version=_SCHEMA_VERSION,
            cell_type=self.cell_type,
        )
        if self.points is not None:
            metadata["points"] = self.points
        if self.checksum:
            metadata["checksum"] = self.checksum
        return metadata


class RestoreCells(NbGraderPreprocessor):  # type: ignore[misc]
    """Give a submitted notebook the nbgrader cells that the release had.

    Cells that claim a grade_id get the type and the metadata that the gradebook knows, ids that
    the assignment does not have lose theirs, locked cells that were moved go back to their
    place and missing ones are put back. nbgrader's own OverwriteCells then restores the sources.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Restore the cells of one notebook."""
        facts = resources["nbgrader"]
        with Gradebook(facts["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(facts["notebook"], facts["assignment"])
            graded = grade_cells(gradebook, facts["notebook"], facts["assignment"])
            source = self._source(facts)
            known = _known_cells(notebook, graded, [name for name, _id in source])
        _restore_metadata(nb, known)
        is_foreign = bool(known) and not _shares_cells(nb, [cell_id for _name, cell_id in source])
        moved, added = _restore_places(nb, known)
        checks = [name for name in added if known[name].grade]
        given = [name for name in added if not known[name].grade]
        notes = [_foreign()] if is_foreign else _notes(moved, checks, given)
        if notes:
            ours = nb.metadata.setdefault(METADATA, NotebookNode())
            ours["notes"] = [*ours.get("notes", []), *notes]
        return nb, resources

    def _source(self, facts: dict[str, str]) -> list[tuple[str, str]]:
        """The source notebook's cells, grade_id and id, in order; none if it cannot be read."""
        directory = self.parent.parent.coursedir  # our parent is the exporter, its the converter
        folder = directory.format_path(directory.source_directory, ".", facts["assignment"])
        try:
            text = Path(folder, f"{facts['notebook']}.ipynb").read_text(encoding="utf-8")
            cells = json.loads(text)["cells"]
        except (OSError, ValueError, KeyError) as error:
            self.log.warning("the order of the cells is the gradebook's: %s", error)
            return []
        return [
            (cell["metadata"].get("nbgrader", {}).get("grade_id"), cell.get("id", ""))
            for cell in cells
        ]


def _shares_cells(nb: NotebookNode, ids: Sequence[str]) -> bool:
    """Whether a notebook has any cell of the assignment, if only by the id that Jupyter gave it."""
    return any(grade_id_of(cell) is not None or cell.get("id") in ids for cell in nb.cells)


def _foreign() -> str:
    return _("It has none of this assignment's cells: is it the notebook of another assignment?")


def _notes(moved: list[str], checks: list[str], given: list[str]) -> list[str]:
    """What was restored, for the student."""
    notes = []
    if moved:
        notes.append(_("Cells moved back to their place: {names}.", names=", ".join(moved)))
    if checks:
        notes.append(_("Check cells put back: {names}.", names=", ".join(checks)))
    if given:
        notes.append(_("Given cells put back: {names}.", names=", ".join(given)))
    return notes


def _known_cells(
    notebook: Any, graded: dict[str, Any], released: Sequence[str]
) -> dict[str, _Known]:
    """The assignment's cells in the order of its source notebook.

    The gradebook has them in the order of their first release, which a teacher can have changed.
    """
    points = {name: float(cell.max_score) for name, cell in graded.items()}
    tasks = {cell.name: float(cell.max_score) for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    cells = list(notebook.source_cells)
    if all(cell.name in released for cell in cells):
        cells.sort(key=lambda cell: released.index(cell.name))
    return {
        cell.name: _Known(
            cell.name,
            cell.cell_type,
            cell.source,
            cell.checksum,
            locked=bool(cell.locked),
            grade=cell.name in points,
            solution=cell.name in solutions,
            task=cell.name in tasks,
            points=points.get(cell.name, tasks.get(cell.name)),
        )
        for cell in cells
    }


def _restore_metadata(nb: NotebookNode, known: dict[str, _Known]) -> None:
    """Give claimed cells their type and metadata; of copies the last counts, as in nbgrader."""
    seen: set[str] = set()
    for cell in reversed(nb.cells):
        name = grade_id_of(cell)
        cell.metadata.pop("nbgrader", None)
        if name is None or name in seen or name not in known:
            continue
        seen.add(name)
        cell.metadata["nbgrader"] = known[name].metadata()
        _change_type(cell, known[name].cell_type)


def _change_type(cell: NotebookNode, cell_type: str) -> None:
    cell.cell_type = cell_type
    if cell_type == "code":
        cell.update(outputs=[], execution_count=None)
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _restore_places(nb: NotebookNode, known: dict[str, _Known]) -> tuple[list[str], list[str]]:
    """Put moved and missing cells where they belong; the names of both.

    The largest set of known cells that stand in the source's order stays, as many of the
    student's own as possible among them; the teacher's cells outside it have been moved.
    """
    order = {name: number for number, name in enumerate(known)}
    present = [name for cell in nb.cells if (name := grade_id_of(cell)) is not None]
    staying = set(_longest_in_order(present, order, {n for n in known if not known[n].movable}))
    moved = {
        name: _taken_out(nb, name)
        for name in present
        if name not in staying and known[name].movable
    }
    missing = [name for name in known if name not in present and known[name].needed]
    for name in sorted([*moved, *missing], key=order.__getitem__):
        nb.cells.insert(_place(nb, order, name), moved.get(name) or _made(nb, known[name]))
    return sorted(moved, key=order.__getitem__), missing


def _longest_in_order(
    present: Sequence[str], order: dict[str, int], preferred: set[str]
) -> list[str]:
    """The subsequence in order with the most preferred names, and then the most names."""
    best: list[tuple[tuple[int, int], list[str]]] = []
    for index, name in enumerate(present):
        weight, chain = max(
            (b for b, before in zip(best, present[:index], strict=True)
             if order[before] < order[name]),
            key=lambda b: b[0],
            default=((0, 0), []),
        )  # fmt: skip
        best.append(((weight[0] + (name in preferred), weight[1] + 1), [*chain, name]))
    return max(best, key=lambda b: b[0], default=((0, 0), []))[1]


def _place(nb: NotebookNode, order: dict[str, int], name: str) -> int:
    """Where a cell goes: after the nearest known one before it, or else before all of them."""
    places = {
        order[found]: index
        for index, cell in enumerate(nb.cells)
        if (found := grade_id_of(cell)) is not None
    }
    before = [number for number in places if number < order[name]]
    if before:
        return places[max(before)] + 1
    # with none left at all, after everything: then all that the student wrote has run
    return min(places.values()) if places else len(nb.cells)


def _taken_out(nb: NotebookNode, name: str) -> NotebookNode:
    index = next(i for i, cell in enumerate(nb.cells) if grade_id_of(cell) == name)
    cell: NotebookNode = nb.cells.pop(index)
    return cell


def _made(nb: NotebookNode, known: _Known) -> NotebookNode:
    """A new cell in the place of one that is missing."""
    used = {cell.get("id") for cell in nb.cells}
    free = next(f"restored-{number}" for number in count() if f"restored-{number}" not in used)
    make = new_code_cell if known.cell_type == "code" else new_markdown_cell
    cell: NotebookNode = make(known.source, id=free)
    cell.metadata["nbgrader"] = known.metadata()
    return cell


def grade_id_of(cell: NotebookNode) -> str | None:
    """The grade_id that a cell has or claims."""
    facts = cell.metadata.get("nbgrader")
    grade_id = facts.get("grade_id") if isinstance(facts, dict) else None
    return grade_id if isinstance(grade_id, str) else None
