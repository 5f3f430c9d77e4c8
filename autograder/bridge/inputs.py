"""What the grading of an assignment depends on besides the submission."""

import functools
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autograder.bridge.record import digest
from autograder.grading.dependencies import check_digests, files_digest


@functools.cache
def environment() -> str:
    """A digest of the packages that are installed, the interpreter and this engine's own code."""
    packages = sorted(
        f"{one.metadata['Name']} {one.version}" for one in importlib.metadata.distributions()
    )
    engine = Path(__file__).parents[1]
    code = files_digest(engine, (*engine.rglob("*.py"), *engine.rglob("*.mo")))
    return digest(packages, sys.version, code)


def assignment(gradebook: Any, name: str, source: Path, course: Path, graders: Path) -> str:
    """A digest of an assignment: its release, its source folder and its hidden graders.

    Args:
        gradebook: nbgrader's, open.
        name: the assignment's.
        source: its folder of source notebooks and other files.
        course: the course's root.
        graders: its folder of hidden graders.
    """
    row = gradebook.find_assignment(name)
    cells = [
        (notebook.name, cell.name, cell.cell_type, cell.source, cell.locked)
        for notebook in row.notebooks
        for cell in notebook.source_cells
    ]
    points = [
        (notebook.name, cell.name, cell.max_score)
        for notebook in row.notebooks
        for cell in (*notebook.grade_cells, *notebook.task_cells)
    ]
    released = sorted(map(str, cells)), sorted(map(str, points)), str(row.duedate)
    return digest(
        released, files_digest(source, _plain_files(source)), check_digests(course, graders)
    )


def _plain_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and ".ipynb_checkpoints" not in path.parts:
            yield path
