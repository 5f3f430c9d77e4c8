"""A small course whose gradebook is where a test wants it, and the class that hands in there.

No cell is run, which would take most of the time: a preprocessor gives the points of ``a = 2``.
"""

import csv
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import nbformat

from autograder.bridge.course import Course
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG: Final = """
import time
from nbformat.v4 import new_output
from nbgrader.plugins import BasePlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from autograder.bridge import configure
from autograder.bridge.database import store

class Give(NbGraderPreprocessor):
    def preprocess(self, nb, resources):
        store()  # as what runs cells does
        time.sleep(0.3)
        earned = {{"check-a": 4 * any(cell.source == "a = 2" for cell in nb.cells), "check-b": 2}}
        for cell in nb.cells:
            if (name := cell.metadata.get("nbgrader", {{}}).get("grade_id")) in earned:
                text = {{"text/plain": str(earned[name])}}
                cell.outputs = [new_output("execute_result", text, execution_count=1)]
        return nb, resources

class OnePoint(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 1.0

c = get_config()
configure(c)
c.RunGraders.language = "en"
c.AssignLatePenalties.plugin_class = OnePoint
c.CourseDirectory.db_url = {url!r}
c.Autograde.autograde_preprocessors = [
    Give,
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "autograder.bridge.preprocessors.StoreGrades",
]
"""
DUE: Final = datetime(2030, 3, 17, 17, 46, 40)


def notebook(a: int) -> Any:
    """Someone's answer: 4 points for ``a = 2``, 2 for any, 3 for an essay that a person reads."""
    essay = nbgrader_cell("# why?", "essay", 3)
    essay.metadata["nbgrader"] |= {"solution": True, "locked": False}
    return notebook_of(
        [
            nbgrader_cell(f"a = {a}", "a"),
            nbgrader_cell("# a", "check-a", 4),
            nbgrader_cell("b = 1", "b"),
            nbgrader_cell("assert b", "check-b", 2),
            essay,
        ]
    )


def course_at(root: Path, url: str) -> Course:
    """The course in a folder, released, with a deadline, its gradebook at an address."""
    root.mkdir()
    course = make_course(root, CONFIG.format(url=url), "", notebook(0))
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("one", duedate=str(DUE))
    return course


def submit(root: Path, student: str, a: int, at: datetime | None = None) -> None:
    """Put a student's answer into the folder of submissions."""
    folder = root / f"submitted/{student}/one"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(a), folder / "one.ipynb")
    if at is not None:
        (folder / "timestamp.txt").write_text(f"{at} UTC")


def class_hands_in(root: Path) -> list[str]:
    """Four students: one right, one wrong, one too late, one with an empty folder."""
    submit(root, "ana", 2, DUE)
    submit(root, "luis", 3, DUE)
    submit(root, "tarde", 2, DUE.replace(hour=20))
    (root / "submitted/nada/one").mkdir(parents=True)
    return ["ana", "luis", "nada", "tarde"]


def exported(path: Path) -> list[list[str]]:
    """The rows of an exported file, in an order that no database decides."""
    with open(path, newline="") as file:
        return sorted(csv.reader(file))


def move(course: Course, url: str) -> Course:
    """The same course with its gradebook at another address."""
    (course.root / "nbgrader_config.py").write_text(CONFIG.format(url=url))
    return Course(course.root)


def copy_of(course: Course, root: Path) -> Course:
    """A copy of a course's folder."""
    shutil.copytree(course.root, root)
    return Course(root)
