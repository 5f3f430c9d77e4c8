"""A course of one assignment, ``one``, for tests that bring their own cells and graders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from autograder.bridge.course import Course

KERNEL: Final = {"name": "python3", "display_name": "Python 3", "language": "python"}


def nbgrader_cell(
    source: str, grade_id: str, points: float | None = None, locked: bool = False
) -> Any:
    """A code cell of nbgrader's: a solution, a grade cell (with points) or a given, locked one."""
    grade = points is not None
    facts = {
        "grade_id": grade_id,
        "grade": grade,
        "solution": not (grade or locked),
        "locked": grade or locked,
        "task": False,
        "schema_version": 3,
    }
    facts |= {"points": points} if grade else {}
    return new_code_cell(source, id=grade_id, metadata={"nbgrader": facts})


def notebook_of(cells: Sequence[Any]) -> Any:
    """A Python notebook."""
    notebook = new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = list(cells)
    return notebook


def make_course(root: Path, config: str, graders: str, notebook: Any) -> Course:
    """Write the course into a folder, and release its assignment."""
    (root / "nbgrader_config.py").write_text(config)
    (root / "source/one").mkdir(parents=True, exist_ok=True)
    (root / "tests/graders/one").mkdir(parents=True)
    (root / "tests/graders/one/test_one.py").write_text(graders)
    nbformat.write(notebook, root / "source/one/one.ipynb")
    made = Course(root)
    made.release("one")
    return made
