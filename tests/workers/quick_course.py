"""A course whose submissions are graded in a moment: a notebook says what it is worth.

So faults can strike thousands of gradings. All but the running of cells is as it always is:
nbgrader's conversion, the gradebook, the queue.
"""

from pathlib import Path
from typing import Any, Final

import nbformat

from autograder.bridge.course import Course
from tests.small_course import make_course, nbgrader_cell, notebook_of

MOST: Final = 1000
CONFIG: Final = '''
import os, re, signal, time
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from autograder.bridge import configure
from autograder.bridge.database import store

class Read(NbGraderPreprocessor):
    """Gives the points that the answer names, after a moment."""

    def preprocess(self, nb, resources):
        store()  # as what runs cells does
        answer = next(cell.source for cell in nb.cells if cell.cell_type == "code")
        if "kill" in answer:
            os.kill(os.getpid(), signal.SIGKILL)
        if "fail" in answer:
            raise ValueError("it fails")
        points, seconds = re.findall(r"[\\d.]+", answer)
        time.sleep(float(seconds))
        for cell in nb.cells:
            if cell.metadata.nbgrader.grade:
                data = {"text/plain": points}
                cell.outputs = [new_output("execute_result", data, execution_count=1)]
        return nb, resources

c = get_config()
configure(c)
c.CourseDirectory.course_id = "quick"
c.RunGraders.language = "en"
c.CourseDirectory.db_url = DB_URL
c.RunGraders.secret_file = SECRET
c.Autograde.autograde_preprocessors = [
    Read,
    "nbgrader.preprocessors.SaveAutoGrades",
    "autograder.bridge.preprocessors.StoreGrades",
]
'''


def make_quick_course(root: Path, db_url: str) -> Course:
    """Make and release the course in a folder that is there."""
    config = CONFIG.replace("DB_URL", repr(db_url)).replace("SECRET", repr(str(root / "secret")))
    root.joinpath("course").mkdir()
    grader = "def test_nothing():\n    assert True\n"
    return make_course(root / "course", config, grader, notebook("1", 0))


def notebook(points: str, seconds: float) -> Any:
    """A submission that is worth so many points, and takes so long."""
    return notebook_of(
        [
            nbgrader_cell(f"answer = {points}, {seconds:.3f}", "answer"),
            nbgrader_cell("assert answer", "points", MOST),
        ]
    )


def hand_in(course: Course, student: str, points: str, seconds: float = 0) -> None:
    """Put a submission into its folder."""
    folder = course.folder("submitted", "one", student)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(points, seconds), folder / "one.ipynb")
