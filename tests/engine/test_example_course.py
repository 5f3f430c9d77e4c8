"""The small English course in ``examples/``, made with the commands: the engine grades it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest

from autograder.bridge.course import Course
from autograder.check import check
from autograder.validity.examine import plan_of

ROOT = Path(__file__).parents[2]
POINTS = {"describing-mean": 2, "describing-spread": 3, "describing-standardize": 5}
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "untouched": {},
    "right": {
        "mean": "def mean(data):\n    total = 0\n    for number in data:\n        total += number\n"
        "    return total / len(data)",
        "spread": "spread = lambda data: (sum((data - data.mean()) ** 2) / (len(data) - 1)) ** 0.5",
        "standardize": "def standardize(data):\n    return (data - mean(data)) / spread(data)",
    },
    "wrong": {
        "mean": "def mean(data):\n    return sum(data)",
        "spread": "def spread(data):\n    return np.std(data)",
        "standardize": "def standardize(data):\n    data -= data.mean()\n"
        "    return data / np.std(data)",
    },
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A copy of the course, released and graded."""
    root = tmp_path_factory.mktemp("statistics") / "course"
    shutil.copytree(ROOT / "examples/statistics", root)
    made = Course(root)
    made.release("describing")
    for student, answers in ANSWERS.items():
        release = made.folder("release", "describing") / "describing.ipynb"
        notebook = nbformat.read(release, as_version=4)
        for cell in notebook.cells:
            name = cell.id.removeprefix("describing-").removesuffix("-solution")
            if cell.id.endswith("-solution"):
                cell.source = answers.get(name, cell.source)
        path = made.folder("submitted", "describing", student) / "describing.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        assert not made.autograde("describing", student).error
        made.feedback("describing", student)
    return made


def page(course: Course, student: str) -> str:
    folder = course.folder("feedback", "describing", student)
    return (folder / "describing.html").read_text(encoding="utf-8")


def test_each_submission_earns_what_it_is_worth(course: Course) -> None:
    scores = course.scores("describing")
    assert scores["right"] == POINTS
    assert scores["untouched"] == dict.fromkeys(POINTS, 0)
    # a sum is right for one number; the shape of the array counts by itself
    assert scores["wrong"] == {
        "describing-mean": 0.67,
        "describing-spread": 0,
        "describing-standardize": 1,
    }


def test_the_feedback_names_the_mistakes_in_english(course: Course) -> None:
    told = page(course, "wrong")
    for text in (
        *("0.67 of 2 points", "1 of 3 checks right", "The result is the sum of the numbers"),
        *("as for a whole population", "Kind of mistake", "is changed", "not yet"),
    ):
        assert text in told
    untouched = page(course, "untouched")
    assert "not attempted" in untouched and "Write your answer here" in untouched
    for student in ANSWERS:
        for spanish in ("Escribe", "puntos", "comprobaciones", "todavía", "Tipo de fallo"):
            assert spanish not in page(course, student)


def test_the_release_has_no_solution(course: Course) -> None:
    notebook = json.loads((course.folder("release", "describing") / "describing.ipynb").read_text())
    text = json.dumps(notebook)
    assert "ddof=1)" not in text and "SOLUTION" not in text and "grade_cell" not in text


def test_nothing_is_to_be_mended(course: Course) -> None:
    assert check(course, "describing") == []


def test_the_graders_pass_what_the_corpora_ask(course: Course) -> None:
    plan = plan_of(course, "describing")
    assert {verdict.trial.grade_id for verdict in plan.verdicts(2)} == POINTS.keys()
    assert [problem for one in plan.exercises for problem in one.problems()] == []


def test_its_graders_run_where_they_are_with_pytest_alone() -> None:
    """Although the course lies in a repository whose own settings have other solutions found."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/graders"],
        cwd=ROOT / "examples/statistics",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout + done.stderr
