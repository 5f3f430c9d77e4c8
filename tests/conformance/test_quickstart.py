"""The course that ``nbgrader quickstart`` makes gets the same grades from both commands."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from nbgrader.api import Gradebook

from tests.conformance.compare import (
    ADDRESSES,
    Record,
    differences,
    normalised,
    places_of,
    record_of,
)

SETTING: Final = """
from autograder.bridge import configure_execute
configure_execute(get_config())
"""
WITH: Final[Mapping[str, Sequence[str]]] = {
    "nbgrader": ("nbgrader", "autograde", "ps1"),
    "drop-in": ("nbgrader", "autograde", "ps1"),
    "autograder": ("autograder", "grade", "ps1"),
}
"""What grades each copy of the course; all but the first have the setting."""

SQUARES: Final = """def squares(n):
    if n < 1:
        raise ValueError("n must be greater than or equal to 1")
    return [i ** 2 for i in range(1, n + 1)]"""
ANSWERS: Final[Mapping[str, Mapping[str, str]]] = {
    "bitdiddle": {
        "squares": SQUARES,
        "sum_of_squares": "def sum_of_squares(n):\n    return sum(squares(n))",
        "sum_of_squares_equation": r"$\\sum_{i=1}^n i^2$",
        "sum_of_squares_application": "print('pyramid:', sum_of_squares(3))\nsum_of_squares(4)",
        "part-a": "Fibonacci's numbers.",
        "part-b": "Numbers below zero.",
    },
    "hacker": {
        "squares": "def squares(n):\n    print(n)\n    return [i * i for i in range(1, n + 1)]",
        "sum_of_squares": "def sum_of_squares(n):\n    return sum(i * i for i in range(1, n + 1))",
        "sum_of_squares_application": "import sys\nprint('careful', file=sys.stderr)\nmissing",
    },
    "reasoner": {},
}
"""Students' answers by grade_id; where there is none, the cell stays as it was released."""
WITHOUT: Final = ("reasoner", "problem2")
"""Who has not handed in what."""
EARNED: Final[Mapping[str, float]] = {"bitdiddle": 3.0, "hacker": 1.5, "reasoner": 0.0}
"""The points of all cells that are graded automatically."""

Scores = dict[tuple[str, str, str], Mapping[str, Any]]


def command(folder: Path, module: str, *arguments: str) -> None:
    """Run a command of the course's environment; nbgrader calls alembic by name."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def hand_in(course: Path, student: str, answers: Mapping[str, str]) -> None:
    """Put a student's answers into the released notebooks."""
    folder = course / "submitted" / student / "ps1"
    shutil.copytree(course / "release/ps1", folder)
    for path in folder.glob("*.ipynb"):
        if (student, path.stem) == WITHOUT:
            path.unlink()
            continue
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = answers.get(name, cell.source)
        nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The course, with its submissions, graded in each way."""
    around = tmp_path_factory.mktemp("quickstart")
    command(around, "nbgrader", "quickstart", "course101")
    made = around / "course101"
    command(made, "nbgrader", "generate_assignment", "ps1")
    for student, answers in ANSWERS.items():
        hand_in(made, student, answers)
    graded = {}
    for name, words in WITH.items():
        graded[name] = Path(shutil.copytree(made, around / name))
        if name != "nbgrader":
            with (graded[name] / "nbgrader_config.py").open("a") as config:
                config.write(SETTING)
        command(graded[name], *words)
    return graded


def scores(course: Path) -> Scores:
    """What the gradebook says of each cell of each student."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "course101") as gradebook:
        return {
            (submission.student.id, notebook.name, grade.name): {
                "auto_score": grade.auto_score,
                "needs_manual_grade": grade.needs_manual_grade,
                "score": grade.score,
                "max_score": grade.max_score,
            }
            for submission in gradebook.assignment_submissions("ps1")
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def outputs_of(course: Path, path: Path, jailed: bool) -> Record:
    """The cells of an autograded notebook, normalised.

    Their metadata are left out: nbgrader keeps those that were handed in, our exporter puts back
    what the gradebook knows, which is spelt in another way (points of 1 and of 1.0).
    """
    autograded = course / "autograded" / path
    record = record_of(nbformat.read(autograded, as_version=4))
    for cell in record["cells"]:
        del cell["metadata"]
    return normalised(record, {**places_of(autograded.parent, jailed), **ADDRESSES})


def test_nbgrader_gives_what_the_answers_are_worth(courses: Mapping[str, Path]) -> None:
    stored = scores(courses["nbgrader"])
    assert len({student for student, _notebook, _cell in stored}) == len(ANSWERS)
    for student, earned in EARNED.items():
        points = [one["auto_score"] or 0.0 for key, one in stored.items() if key[0] == student]
        assert sum(points) == earned, student


@pytest.mark.parametrize("name", ["drop-in", "autograder"])
def test_the_gradebooks_agree_cell_by_cell(courses: Mapping[str, Path], name: str) -> None:
    assert scores(courses[name]) == scores(courses["nbgrader"])


@pytest.mark.parametrize("name", ["drop-in", "autograder"])
def test_the_autograded_notebooks_agree(courses: Mapping[str, Path], name: str) -> None:
    stock = courses["nbgrader"] / "autograded"
    paths = sorted(path.relative_to(stock) for path in stock.rglob("*.ipynb"))
    assert len(paths) == 2 * len(ANSWERS) - 1
    for path in paths:
        expected = outputs_of(courses["nbgrader"], path, jailed=False)
        found = differences(expected, outputs_of(courses[name], path, jailed=True))
        assert not found, f"{path}\n" + "\n".join(str(one)[:1000] for one in found)
