"""The sample class: every score as the table says, by both commands, twice in a row."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from autograder.bridge.course import Course
from autograder.bridge.outputs import read_result
from tests.course.conftest import run
from tests.course.leaks import leaks
from tests.sample_class import CASES, TABLE, table

Scores = dict[tuple[str, str, str], float]


def expected_scores() -> Scores:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["assignment"], row["student"], row["grade_id"]): float(row["score"])
            for row in csv.DictReader(file)
        }


def stored_scores(course: Path, *assignments: str) -> Scores:
    opened = Course(course)
    return {
        (assignment, student, grade_id): score
        for assignment in assignments or opened.assignments()
        for student, scores in opened.scores(assignment).items()
        for grade_id, score in scores.items()
    }


def test_the_table_says_what_the_cases_say() -> None:
    assert TABLE.read_text(encoding="utf-8") == table()


@pytest.mark.parametrize("assignment", sorted(CASES))
def test_the_class_is_large_enough(assignment: str) -> None:
    assert len(CASES[assignment]) >= 24


def test_every_submission_earns_what_the_table_says(graded_course: Path) -> None:
    expected, stored = expected_scores(), stored_scores(graded_course)
    wrong = {key: (stored.get(key), score) for key, score in expected.items()
             if stored.get(key) != pytest.approx(score)}  # fmt: skip
    assert not wrong, "stored and expected scores differ"


def test_a_second_grading_gives_the_same_scores(graded_course: Path) -> None:
    before = stored_scores(graded_course, "optimizacion")
    done = run(graded_course, "autograder", "grade", "optimizacion", "--force")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert stored_scores(graded_course, "optimizacion") == before


def test_nbgrader_autograde_gives_the_same_scores(graded_course: Path, tmp_path: Path) -> None:
    course = tmp_path / "course"
    ignored = shutil.ignore_patterns("autograded", "feedback")
    shutil.copytree(graded_course, course, symlinks=True, ignore=ignored)
    with Course(course).gradebook() as gradebook:
        for submission in gradebook.assignment_submissions("gradientes"):
            gradebook.remove_submission("gradientes", submission.student.id)
    done = run(course, "nbgrader", "autograde", "gradientes", "--force")
    ours, theirs = (stored_scores(one, "gradientes") for one in (graded_course, course))
    assert theirs, done.stderr[-3000:]
    # nbgrader passes over a folder without a notebook, which counts 0; ours stores the 0
    assert {key: score for key, score in ours.items() if key in theirs or score} == theirs


def test_two_students_with_other_random_values_both_earn_everything(graded_course: Path) -> None:
    stored = stored_scores(graded_course, "gradientes")
    for student in ("perfecto-1", "perfecto-2"):
        assert stored["gradientes", student, "gradientes-backward"] == 7


@pytest.mark.parametrize("student", ["json-cortado", "archivo-vacio"])
def test_an_unreadable_submission_is_explained_to_the_student(
    graded_course: Path, student: str
) -> None:
    page = graded_course / "feedback" / student / "gradientes" / "gradientes.html"
    assert "no se pudo calificar" in page.read_text(encoding="utf-8")


def test_no_feedback_shows_a_grader_a_hidden_input_or_a_reference(graded_course: Path) -> None:
    root = Path(__file__).parents[2]
    secrets = set()
    for path in [*root.glob("tests/graders/*/*.py"), *root.glob("solutions/*.py")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if len(text) > 30 and re.search(r"reference|submission|expected|generator", text):
                secrets.add(text)
    assert len(secrets) > 100
    pages = list((graded_course / "feedback").glob("*/*/*.html"))
    assert len(pages) > 80
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert "Traceback (most recent call last)" not in html or "tests/graders" not in html
        assert not [secret for secret in secrets if secret in html]


def test_no_number_of_a_hidden_input_or_a_reference_is_shown(graded_course: Path) -> None:
    looked_at = 0
    for path in (graded_course / "autograded").glob("*/*/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            result = read_result(cell)
            for check in result.checks if result else ():
                looked_at += "expected: " in check.detail
                assert not list(leaks(check, json.dumps(cell["outputs"]))), (path, check.node_id)
    assert looked_at > 50


def test_export_lists_every_student(graded_course: Path, tmp_path: Path) -> None:
    done = run(graded_course, "autograder", "export", "--to", str(tmp_path / "grades.csv"))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "grades.csv").open(encoding="utf-8") as file:
        rows = {(row["assignment"], row["student_id"]): row for row in csv.DictReader(file)}
    assert float(rows["gradientes", "perfecto-1"]["score"]) == 30


def test_the_table_of_grade_names_each_unreadable_submission(graded_course: Path) -> None:
    done = run(graded_course, "autograder", "grade", "tensores")
    assert done.returncode == 0
    assert "unreadable" in done.stdout and "unchanged" in done.stdout
