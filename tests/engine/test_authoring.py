"""New assignments and exercises: they work at once, and nothing of a teacher's is overwritten."""

import ast
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from autograder.authoring import files
from autograder.authoring.scaffold import new_assignment, new_exercise
from autograder.bridge.course import Course, CourseError
from autograder.check import check
from autograder.cli import main
from autograder.messages import LANGUAGES
from autograder.validity.examine import plan_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.language = "{language}"
"""


def empty_course(root: Path, language: str = "en") -> Course:
    root.mkdir(exist_ok=True)
    (root / "nbgrader_config.py").write_text(CONFIG.format(language=language))
    return Course(root)


def content(root: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with an assignment of two exercises, as the commands make them."""
    made = empty_course(tmp_path_factory.mktemp("course"))
    new_assignment(made, "first-steps")
    new_exercise(made, "first-steps", "mean-of-list", points=4)
    new_exercise(made, "first-steps", "first-steps-mean2", title='The "other" mean', points=2.5)
    return made


KILLED = """
import os, signal, sys
from pathlib import Path
from autograder.authoring.scaffold import new_exercise
from autograder.bridge.course import Course
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
new_exercise(Course(Path(sys.argv[1])), "first-steps", "mean")
"""


def test_a_kill_leaves_nothing_that_students_get(tmp_path: Path) -> None:
    """nbgrader releases whatever lies beside a notebook: the next one has the solutions."""
    course = empty_course(tmp_path)
    new_assignment(course, "first-steps")
    new_exercise(course, "first-steps", "other")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(command, timeout=120, check=False).returncode == -signal.SIGKILL
    course.release("first-steps")
    released = course.folder("release", "first-steps")
    assert [path.name for path in released.rglob("*")] == ["first-steps.ipynb"]


# What is made


@pytest.mark.parametrize("points", ["nan", "inf", "0", "-1"])
def test_points_are_a_number(tmp_path: Path, points: str) -> None:
    empty_course(tmp_path)
    command = ["--course", str(tmp_path), "new", "exercise", "one", "mean", "--points", points]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and "--points" in done.output


def test_a_new_assignment_and_its_exercises_can_be_released_and_have_no_findings(
    course: Course,
) -> None:
    course.release("first-steps")
    assert check(course, "first-steps") == []


def test_the_graders_of_a_new_exercise_pass_what_its_corpus_asks(course: Course) -> None:
    plan = plan_of(course, "first-steps", "first-steps-mean-of-list")
    verdicts = list(plan.verdicts(1))
    assert {verdict.trial.kind for verdict in verdicts} == {"correct", "wrong", "mutant"}
    assert [problem for one in plan.exercises for problem in one.problems()] == []


def test_the_cells_have_the_metadata_that_nbgrader_asks_for(course: Course) -> None:
    notebook = nbformat.read(course.folder("source", "first-steps") / "first-steps.ipynb", 4)
    facts = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert [(one.grade_id, one.get("points")) for one in facts] == [
        ("first-steps-mean-of-list-solution", None),
        ("first-steps-mean-of-list", 4),
        ("first-steps-mean2-solution", None),
        ("first-steps-mean2", 2.5),
    ]
    assert all(one.schema_version == 3 for one in facts)
    assert all((one.grade, one.locked, one.solution) == (True, True, False) for one in facts[1::2])
    assert [cell.id for cell in notebook.cells][-1] == "first-steps-mean2"


def test_the_teachers_notebook_runs_to_its_end_in_a_real_kernel(course: Course) -> None:
    notebook = nbformat.read(course.folder("source", "first-steps") / "first-steps.ipynb", 4)
    NotebookClient(notebook, timeout=120).execute()
    assert "Good" in notebook.cells[-1].outputs[0].text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_students_read_is_in_the_language_of_the_course(tmp_path: Path, language: str) -> None:
    made = empty_course(tmp_path, language)
    new_assignment(made, "a")
    new_exercise(made, "a", "b")
    notebook, grader = (
        (tmp_path / path).read_text()
        for path in ("source/a/a.ipynb", "tests/graders/a/test_a_b.py")
    )
    told = {"en": ("Run the cells", "the sum of"), "es": ("Ejecuta las celdas", "la suma de")}
    for kind, (in_notebook, in_grader) in told.items():
        assert (in_notebook in notebook) == (in_grader in grader) == (kind == language)
    ast.parse(grader)


def test_an_exercise_is_added_after_what_the_teacher_has_written(tmp_path: Path) -> None:
    made = empty_course(tmp_path)
    new_assignment(made, "a")
    path = tmp_path / "source/a/a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell("mine = 1", id="mine"))
    nbformat.write(notebook, path)
    (tmp_path / "solutions/a.py").write_text("MINE = 1")
    new_exercise(made, "a", "b")
    after = nbformat.read(path, as_version=4)
    assert after.cells[: len(notebook.cells)] == notebook.cells
    assert (tmp_path / "solutions/a.py").read_text().startswith("MINE = 1\n\n\ndef b(data")


def test_cells_that_are_added_to_a_notebook_without_ids_have_none(tmp_path: Path) -> None:
    made = empty_course(tmp_path)
    (tmp_path / "source/a").mkdir(parents=True)
    old = new_notebook(nbformat_minor=4)
    nbformat.write(old, tmp_path / "source/a/a.ipynb")
    new_exercise(made, "a", "b")
    after = json.loads((tmp_path / "source/a/a.ipynb").read_text())
    assert after["nbformat_minor"] == 4 and len(after["cells"]) == 4
    assert not any("id" in cell for cell in after["cells"])
    nbformat.validate(after)


# Names


@pytest.mark.parametrize(
    "name",
    ["", "..", "../a", "a/b", "a b", "1a", "-a", "a-", "a--b", "año", "a.b", "a" * 61, "a\n"],
)
def test_a_name_that_cannot_be_is_refused_and_told_how_it_may_be(tmp_path: Path, name: str) -> None:
    made = empty_course(tmp_path)
    before = content(tmp_path)
    with pytest.raises(CourseError, match="such as first-steps"):
        new_assignment(made, name)
    new_assignment(made, "ok")
    with pytest.raises(CourseError, match="such as first-steps"):
        new_exercise(made, "ok", name)
    assert len(content(tmp_path)) == len(before) + 3


@pytest.mark.parametrize(("name", "told"), [("lambda", "keyword"), ("max", "hide Python's own")])
def test_a_name_that_no_function_can_have_is_refused(tmp_path: Path, name: str, told: str) -> None:
    made = empty_course(tmp_path)
    new_assignment(made, "a")
    with pytest.raises(CourseError, match=told):
        new_exercise(made, "a", name)


# Nothing is overwritten


@pytest.mark.parametrize(
    "path", ["tests/graders/a/test_a_b.py", "tests/solutions_corpus/a/a-b.toml"]
)
def test_nothing_is_written_where_one_of_the_files_is_there(tmp_path: Path, path: str) -> None:
    made = empty_course(tmp_path)
    new_assignment(made, "a")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("mine")
    before = content(tmp_path)
    with pytest.raises(CourseError, match="nothing is overwritten"):
        new_exercise(made, "a", "b")
    assert content(tmp_path) == before


def test_an_assignment_or_exercise_that_is_there_is_left_alone(tmp_path: Path) -> None:
    made = empty_course(tmp_path)
    new_assignment(made, "a-b")
    new_exercise(made, "a-b", "c")
    before = content(tmp_path)
    with pytest.raises(CourseError, match="there is an assignment 'a-b' already"):
        new_assignment(made, "a-b")
    with pytest.raises(CourseError, match="would share the reference"):
        new_assignment(made, "a_b")
    with pytest.raises(CourseError, match="choose another name for the exercise"):
        new_exercise(made, "a-b", "c")
    (tmp_path / "solutions/a_b.py").unlink()
    with pytest.raises(CourseError, match="has a cell 'a-b-c' already"):
        new_exercise(made, "a-b", "c")
    assert {**content(tmp_path)}.keys() == before.keys() - {tmp_path / "solutions/a_b.py"}


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("{", "is no sound notebook"),
        ("[]", "is no sound notebook"),
        ('{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}', "old notebook format 3"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}', "no sound"),
    ],
)
def test_a_notebook_that_cannot_be_added_to_is_left_as_it_is(
    tmp_path: Path, broken: str, told: str
) -> None:
    made = empty_course(tmp_path)
    new_assignment(made, "a")
    (tmp_path / "source/a/a.ipynb").write_text(broken)
    before = content(tmp_path)
    with pytest.raises(CourseError, match=told):
        new_exercise(made, "a", "b")
    assert content(tmp_path) == before


def test_reference_solutions_that_are_no_python_are_left_as_they_are(tmp_path: Path) -> None:
    made = empty_course(tmp_path)
    new_assignment(made, "a")
    (tmp_path / "solutions/a.py").write_text("def (")
    before = content(tmp_path)
    with pytest.raises(CourseError, match="no Python to add to"):
        new_exercise(made, "a", "b")
    assert content(tmp_path) == before


def test_what_was_written_is_taken_back_when_a_later_file_cannot_be(tmp_path: Path) -> None:
    """The last file was changed by somebody else after it was read."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"theirs")
    with pytest.raises(CourseError, match="changed meanwhile"):
        files.write_together(
            {tmp_path / "folder/new": b"new"},
            {first: files.Changed(b"1", b"2"), second: files.Changed(b"mine", b"later")},
        )
    assert content(tmp_path) == {first: b"1", second: b"theirs"}
    assert not (tmp_path / "folder").exists()


# The commands


def test_the_commands_say_what_they_wrote_and_what_comes_next(tmp_path: Path) -> None:
    empty_course(tmp_path)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "autograder", "--course", str(tmp_path), "new", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    done = run("assignment", "a", "--title", "Title")
    assert done.returncode == 0 and "next: autograder new exercise a EXERCISE" in done.stdout
    done = run("exercise", "a", "b", "--points", "3")
    assert done.returncode == 0 and "wrote tests/graders/a/test_a_b.py" in done.stdout
    done = run("exercise", "a", "b", "--points", "3")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert run("exercise", "a", "c", "--points", "0").returncode == 2
    assert "no assignment 'nowhere'" in run("exercise", "nowhere", "b").stderr


@pytest.mark.parametrize("lines", ["", "from autograder.bridge import configure_execute as c\nc("])
def test_graders_that_the_course_would_not_run_are_told_with_the_lines_to_add(
    tmp_path: Path, lines: str
) -> None:
    config = lines + "get_config()" + (")" if lines else "")
    (tmp_path / "nbgrader_config.py").write_text(config)
    new_assignment(Course(tmp_path), "one")
    command = [sys.executable, "-m", "autograder", "--course", str(tmp_path)]
    done = subprocess.run(
        [*command, "new", "exercise", "one", "mean"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0
    assert "does not run hidden graders yet" in done.stderr
    assert "configure(c)" in done.stderr
