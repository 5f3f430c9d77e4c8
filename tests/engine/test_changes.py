"""What a regrade would change is shown, with the reason, before anything is written."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from autograder.bridge.course import Course
from autograder.bridge.notebooks import METADATA
from autograder.bridge.provenance import MADE_BY, differences
from autograder.bridge.seeds import rotate_secret
from autograder.cli import main
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
c.RunGraders.language = "en"
"""
GRADERS = """
import pytest
from autograder.grading import fail
from helper import LIMIT

@pytest.mark.grade_cell("check-a")
def test_positive(submission):
    if submission.value("a") <= LIMIT:
        fail("`a` is too small.")

@pytest.mark.grade_cell("check-a")
def test_even(submission):
    assert submission.value("a") % 2 == 0
"""


def notebook(a: int, points: float = 4) -> object:
    return notebook_of([nbgrader_cell(f"a = {a}", "a"), nbgrader_cell("# a", "check-a", points)])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graded class of three, whose grader has then become stricter."""
    root = tmp_path_factory.mktemp("course")
    (root / "helper.py").write_text("LIMIT = 0\n")
    make_course(root, CONFIG, GRADERS, notebook(2))
    for student, a in (("ana", 2), ("bea", 3), ("eva", 9)):
        hand_in(root, student, a)
    done = command(root, "grade", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    return root


def hand_in(root: Path, student: str, a: int) -> None:
    folder = root / f"submitted/{student}/one"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(a), folder / "one.ipynb")


def command(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "autograder", "--course", str(root), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def contents(root: Path) -> dict[str, str]:
    """All files of a course, but for the lock."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".autograder.lock"
    }


def test_a_graded_class_would_not_change(root: Path) -> None:
    done = command(root, "grade", "--diff")
    assert done.returncode == 0, done.stderr
    assert "0 submissions would earn other points, of 0 that were graded again" in done.stdout
    assert "3 are unchanged" in done.stdout


def test_a_stricter_grader_shows_whom_it_costs_and_why_and_writes_nothing(root: Path) -> None:
    (root / "helper.py").write_text("LIMIT = 2\n")
    before = contents(root)
    done = command(root, "grade", "--diff", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert contents(root) == before, "nothing of the course is touched"
    rows = [line for line in done.stdout.splitlines() if "check-a" in line]
    assert len(rows) == 1 and "ana" in rows[0], "the others keep their points"
    assert "4" in rows[0] and "2" in rows[0]
    assert "test_positive: passed → failed (`a` is too small.)" in done.stdout
    assert "the solutions or other modules of the course" in done.stdout
    assert "1 submissions would earn other points, of 3" in done.stdout


def test_the_same_command_without_it_applies_just_that(root: Path) -> None:
    done = command(root, "grade", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert {one: cells["check-a"] for one, cells in Course(root).scores("one").items()} == {
        "ana": 2,
        "bea": 2,
        "eva": 2,
    }


def test_a_new_submission_is_shown_as_one_without_a_score(root: Path) -> None:
    hand_in(root, "zoe", 4)
    done = command(root, "grade", "--diff", "--student", "zoe")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "zoe" in line)
    assert "–" in row and "4" in row
    assert "zoe" not in Course(root).scores("one")


def test_an_absolute_address_of_the_gradebook_is_not_written_to(root: Path) -> None:
    config = root / "nbgrader_config.py"
    text = config.read_text()
    url = f"sqlite:///{root / 'gradebook.db'}"
    config.write_text(f"{text}\nc.CourseDirectory.db_url = {url!r}\n")
    before = (root / "gradebook.db").read_bytes()
    done = command(root, "grade", "--diff", "--force", "--student", "ana")
    config.write_text(text)
    assert done.returncode == 0, done.stderr
    assert (root / "gradebook.db").read_bytes() == before


@pytest.mark.parametrize(
    "setting",
    [
        "c.CourseDirectory.autograded_directory = './autograded'",
        "c.CourseDirectory.autograded_directory = 'kept/autograded'",
        "c.CourseDirectory.autograded_directory = {root!r} + '/autograded'",
        "c.CourseDirectory.directory_structure = "
        "'{{assignment_id}}/{{nbgrader_step}}/{{student_id}}'",
    ],
)
def test_a_copy_whose_folders_lead_to_the_course_is_not_graded_in(root: Path, setting: str) -> None:
    """It is refused, or the folders are the copy's own; nothing of the course is touched."""
    config = root / "nbgrader_config.py"
    text = config.read_text()
    (root / "kept/autograded").mkdir(parents=True, exist_ok=True)
    (root / "one").mkdir(exist_ok=True)
    before = contents(root)
    config.write_text(f"{text}\n{setting.format(root=str(root))}\n")
    done = command(root, "grade", "--diff", "--force", "--student", "ana")
    config.write_text(text)
    assert contents(root) == before
    assert done.returncode == 0 or "autograder: " in done.stderr, done.stderr


def test_a_json_configuration_does_not_lead_to_the_course(root: Path) -> None:
    path = root / "nbgrader_config.json"
    facts = {"db_url": f"sqlite:///{root / 'gradebook.db'}", "root": str(root)}
    path.write_text(json.dumps({"CourseDirectory": facts}))
    before = contents(root)
    done = command(root, "grade", "--diff", "--force", "--student", "ana")
    after = contents(root)
    path.unlink()
    assert after == before and done.returncode == 0, done.stderr


def test_every_score_knows_what_made_it(root: Path) -> None:
    course = Course(root)
    path = course.folder("autograded", "one", "ana") / "one.ipynb"
    facts = json.loads(path.read_text())["metadata"][METADATA][MADE_BY]
    assert set(facts) == {
        *("graded", "cells", "points", "files", "graders", "solutions", "walls"),
        *("secret", "seed", "engine", "packages", "limits", "settings"),
    }
    assert facts["packages"]["torch"] and facts["limits"]["cell_seconds"] == 10
    assert facts["secret"]["fingerprint"] == course.settings.secret().fingerprint


def test_a_rotated_secret_is_a_reason(root: Path) -> None:
    hand_in(root, "ana", -1)
    command(root, "grade", "--student", "ana")
    hand_in(root, "ana", 4)
    rotate_secret(Course(root).settings.secret_path())
    done = command(root, "grade", "--diff", "--student", "ana")
    assert "the secret: fingerprint " in done.stdout and "the submission" in done.stdout


def test_the_reasons_name_what_is_short_enough_to_read() -> None:
    before = {"packages": {"torch": "2.12", "numpy": "2.0"}, "graders": "a" * 64, "walls": ["ids"]}
    after = {"packages": {"torch": "2.13", "numpy": "2.0"}, "graders": "b" * 64, "walls": ["ids"]}
    assert differences(before, after) == ["the graders", "packages: torch 2.12 → 2.13"]
    assert differences(after, after) == []
    assert "before this was recorded" in differences({}, after)[0]


def test_a_teacher_is_shown_a_failed_check_in_full(root: Path) -> None:
    assert command(root, "grade", "--student", "bea", "--force").returncode == 0
    done = command(root, "show", "one", "bea")
    assert done.returncode == 0, done.stderr
    assert "check-a: 2 points" in done.stdout and "failed: test_even" in done.stdout
    assert "'cell_seconds': 10.0" in done.stdout


def test_what_was_not_graded_cannot_be_shown(root: Path) -> None:
    done = command(root, "show", "one", "nobody")
    assert done.returncode == 1
    assert "no student 'nobody' has handed in one" in " ".join(done.stderr.split())


@pytest.mark.parametrize("arguments", ["export --to {to}", "report one --to {to}", "feedback one"])
def test_scores_of_a_submission_that_has_changed_since_are_not_passed_on_without_a_word(
    root: Path, tmp_path: Path, arguments: str
) -> None:
    hand_in(root, "ana", 7)
    line = arguments.format(to=tmp_path / "out").split()
    done = CliRunner().invoke(main, ["--course", str(root), *line])
    assert done.exit_code == 0, done.stderr
    assert (
        "1 submission has changed since it was graded (ana): run `autograder grade one`"
        in " ".join(done.stderr.split())
    )


def test_points_that_were_not_released_are_told_and_once_released_are_the_reason(
    root: Path,
) -> None:
    nbformat.write(notebook(2, points=8), root / "source/one/one.ipynb")
    done = command(root, "grade", "--diff", "--student", "bea", "--jobs", "1")
    told = " ".join(done.stderr.split())
    assert "source of one" in told and "(check-a: 4 → 8 points)" in told
    assert "run `autograder release one`" in told
    assert "0 submissions would earn other points" in done.stdout
    assert command(root, "release", "one").returncode == 0
    done = command(root, "grade", "--diff", "--student", "bea", "--jobs", "1")
    assert "source of one" not in done.stderr
    assert "points: check-a 4 → 8" in done.stdout and "the submission" not in done.stdout
