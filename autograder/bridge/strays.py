"""Notebooks below ``submitted`` that lie where nothing looks for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autograder.bridge.course import Course
from autograder.plain import one_line

_USUAL: Final = "{nbgrader_step}/{student_id}/{assignment_id}"
"""nbgrader's own order of folders; of another it is not known what is out of place."""


def strays(course: Course) -> list[str]:
    """The notebooks beside the students' folders or beside those of their assignments.

    Returns:
        Their places below ``submitted``, sorted, fit to be printed.
    """
    if str(course.directory.directory_structure).replace("\\", "/") != _USUAL:
        return []
    submitted = course.root / course.directory.submitted_directory
    found = [*_notebooks_in(submitted)]
    for folder in _folders_in(submitted):
        found += _notebooks_in(folder)
    return sorted(one_line(str(path.relative_to(submitted))) for path in found)


def _notebooks_in(folder: Path) -> Iterator[Path]:
    yield from (
        path
        for path in _listed(folder)
        if path.suffix.lower() == ".ipynb" and not path.is_dir() and path.name[:1] != "."
    )


def _folders_in(folder: Path) -> Iterator[Path]:
    yield from (path for path in _listed(folder) if path.is_dir() and path.name[:1] != ".")


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # not there, or not ours to read: grading says what it cannot read
        return []
