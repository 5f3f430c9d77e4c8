"""Writes the sample class into a course's ``submitted`` folder."""

import ast
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tests.sample_class.cases import CASES
from tests.sample_class.model import POINTS, Answers, Case, Draft
from tests.sample_class.spoil import position


def build(
    course: Path,
    assignments: Sequence[str] | None = None,
    students: Collection[str] | None = None,
) -> list[Case]:
    """Write the submissions of some assignments, or of all, over what was there before.

    Args:
        course: an nbgrader course whose ``release`` folder holds the assignments.
        assignments: their names; None for all.
        students: whose submissions; None for all.

    Returns:
        The cases that were written.

    Raises:
        FileNotFoundError: an assignment is not released.
    """
    wanted = tuple(POINTS) if assignments is None else tuple(assignments)
    written: list[Case] = []
    for assignment in wanted:
        release = read_release(course, assignment)
        for case in CASES[assignment]:
            if students is not None and case.student not in students:
                continue
            write(draft(course, case, release), case.student)
            written.append(case)
    return written


def read_release(course: Path, assignment: str) -> NotebookNode:
    """The students' version of an assignment."""
    path = course / "release" / assignment / f"{assignment}.ipynb"
    notebook: NotebookNode = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    return notebook


def draft(course: Path, case: Case, release: NotebookNode) -> Draft:
    """A case's submission, not yet on disk: the answers filled in, then spoiled."""
    notebook = nbformat.from_dict(release)
    fill_in(notebook, case.answers)
    made = Draft(course, case.assignment, notebook)
    for change in case.spoil:
        change(made)
    return made


def notebook_of(course: Path, assignment: str, student: str) -> bytes:
    """The notebook that one of the sample class hands in.

    Raises:
        FileNotFoundError: the assignment is not released.
    """
    case = next(one for one in CASES[assignment] if one.student == student)
    made = draft(course, case, read_release(course, assignment))
    return made.contents()[made.name]


def fill_in(notebook: NotebookNode, answers: Answers) -> None:
    """Replace solution cells by answers, keeping the names that the cells give."""
    for grade_id, answer in answers.items():
        cell = notebook.cells[position(notebook, f"{grade_id}-solucion")]
        cell.source = _given(cell.source) + answer


def _given(source: str) -> str:
    """What a released solution cell gives: its imports and assignments, each a line or more."""
    lines = source.splitlines()
    parts: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign):
            parts += lines[node.lineno - 1 : node.end_lineno]
    return "\n".join([*parts, "", ""]) if parts else ""


def write(made: Draft, student: str) -> None:
    """Write a submission to its folder, which is emptied first."""
    folder = made.course / "submitted" / student / made.assignment
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, data in made.contents().items():
        (folder / name).write_bytes(data)
    for name, target in made.links.items():
        os.symlink(target, folder / name)
