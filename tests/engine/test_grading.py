"""Grading end to end on a tiny course that the engine does not know."""

import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.bridge.course import Course, Summary
from autograder.bridge.preprocessors import stop_grading_processes
from autograder.check import check
from autograder.runner.processes import descendants, has_ended
from autograder.runner.warm import Packages
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.cell_seconds = 2
c.RunGraders.call_seconds = 2
c.RunGraders.check_seconds = 2
c.RunGraders.language = "en"
"""
GRADERS = '''
import os
import pytest
import torch
from autograder.grading import Submission, close, fail

@pytest.mark.grade_cell("one-tensor", weight=2)
def test_shape(submission: Submission) -> None:
    """`t` has three elements."""
    if submission.tensor("t").shape != (3,):
        fail("wrong shape", hint="read «Shapes»", diagnosis="wrong-shape")

@pytest.mark.grade_cell("one-tensor")
def test_values(submission: Submission) -> None:
    """`t` holds ones."""
    assert close(submission.tensor("t").tensor, torch.ones(3))

@pytest.mark.grade_cell("one-double", weight=3)
def test_double(submission: Submission) -> None:
    """`double` doubles."""
    x = torch.randn(4, generator=submission.generator)
    result = submission.as_tensor(submission.call("double", x).value, "the result")
    if not close(result.tensor, 2 * x):
        fail("it does not double")

@pytest.mark.grade_cell("one-double")
def test_whatever(submission: Submission) -> None:
    """A check whose grader can be provoked to fail."""
    factor = submission.call("double", torch.ones(1)).value.tensor.item()
    if factor == 5:
        os._exit(3)
    if factor == 6:
        while True:
            pass
    if factor == 7:
        raise KeyError("a mistake in the grader")
    if factor == 8:
        submission.value("duoble")
    for _ in range(3):
        submission.call("double", torch.ones(1))
'''


def source_notebook(tensor: str, double: str) -> Any:
    cells = [
        new_code_cell("import torch", id="imports"),
        nbgrader_cell(f"### BEGIN SOLUTION\n{tensor}\n### END SOLUTION", "one-tensor-solution"),
        nbgrader_cell("assert t.shape == (3,)", "one-tensor", 3),
        nbgrader_cell(f"### BEGIN SOLUTION\n{double}\n### END SOLUTION", "one-double-solution"),
        nbgrader_cell("assert double(1) == 2", "one-double", 4),
    ]
    return notebook_of(cells)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("course")
    notebook = source_notebook("t = torch.ones(3)", "def double(x):\n    return 2 * x")
    return make_course(root, CONFIG, GRADERS, notebook)


def hand_in(course: Course, student: str, answers: Mapping[str, str]) -> Path:
    notebook = nbformat.read(course.folder("release", "one") / "one.ipynb", as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if grade_id.endswith("-solution"):
            cell.source = answers.get(grade_id.removesuffix("-solution"), cell.source)
    path = course.folder("submitted", "one", student) / "one.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def graded(course: Course, student: str, tensor: str, double: str) -> Summary:
    hand_in(course, student, {"one-tensor": tensor, "one-double": double})
    return course.autograde("one", student, force=True)


def test_a_right_submission_earns_everything(course: Course) -> None:
    summary = graded(course, "right", "t = torch.tensor([1.0] * 3)", "double = lambda x: x + x")
    assert (summary.score, summary.max_score, summary.error) == (7, 7, "")


def test_a_partly_right_submission_earns_the_weights_that_passed(course: Course) -> None:
    summary = graded(course, "partly", "t = torch.zeros(3)", "def double(x):\n    return 3 * x")
    assert course.scores("one")["partly"] == {"one-tensor": 2, "one-double": 1}
    assert summary.score == 3


def test_an_untouched_release_earns_nothing(course: Course) -> None:
    hand_in(course, "untouched", {})
    assert course.autograde("one", "untouched").score == 0


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (5, "ended or blocked"),
        (6, "GraderTimeout"),
        (7, "a mistake in the grader"),
        (8, "UnknownNameError: no cell of the source notebook defines 'duoble'"),
    ],
)
def test_a_grader_that_fails_costs_its_check_only_and_is_shown_to_the_teacher(
    course: Course, factor: int, told: str
) -> None:
    student = f"provokes-{factor}"
    summary = graded(course, student, "t = torch.ones(3)", f"double = lambda x: {factor} * x")
    assert course.scores("one")[student] == {"one-tensor": 3, "one-double": 0}
    assert len(summary.faults) == 1 and told in summary.faults[0]
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("one-double", "one", "one", student)
        assert grade.needs_manual_grade
    page = course.feedback("one", student)
    assert page is not None
    html = (page / "one.html").read_text()
    assert "Your teacher will look" in html or "your teacher will look" in html
    assert told not in html


def test_a_type_of_the_student_s_own_is_not_told_by_its_name(course: Course) -> None:
    """A function could name it after its hidden inputs."""
    double = "def double(x):\n    return type('SEEN' + str(x.tolist()), (), {})()"
    graded(course, "names", "t = torch.ones(3)", double)
    page = course.feedback("one", "names")
    assert page is not None
    outputs = [
        cell["outputs"]
        for cell in nbformat.read(
            course.folder("autograded", "one", "names") / "one.ipynb", 4
        ).cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "one-double"
    ]
    assert "of type object" in str(outputs) and "SEEN" not in str(outputs)


def test_a_slow_submission_is_no_fault_of_the_grader(course: Course) -> None:
    """Waiting for it does not count for the time that a check may take."""
    double = "import time\ndef double(x):\n    time.sleep(0.8)\n    return 2 * x"
    summary = graded(course, "slow", "t = torch.ones(3)", double)
    assert not summary.faults and summary.score == 7


def test_student_code_sees_another_seed_than_the_hidden_inputs_have(course: Course) -> None:
    graded(course, "seed", "print('seed', torch.initial_seed())", "double = 1")
    path = course.folder("autograded", "one", "seed") / "one.ipynb"
    shown = str([cell.get("outputs") for cell in nbformat.read(path, 4).cells])
    hidden = course.settings.secret().seed("one", "seed")
    assert "seed " in shown and str(hidden) not in shown


def test_a_manual_grade_survives_a_regrade(course: Course) -> None:
    graded(course, "manual", "t = torch.zeros(3)", "double = lambda x: 2 * x")
    with course.gradebook() as gradebook:
        gradebook.find_grade("one-tensor", "one", "one", "manual").manual_score = 2.5
        gradebook.db.commit()
    assert course.autograde("one", "manual", force=True).score == 6.5


def test_a_late_submission_is_penalised_by_nbgraders_own_plugin(course: Course) -> None:
    path = hand_in(course, "late", {"one-tensor": "t = torch.ones(3)"})
    (path.parent / "timestamp.txt").write_text("2026-01-02 00:00:00 UTC")
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment("one", duedate="2026-01-01 00:00:00 UTC")
    course.autograde("one", "late")
    with course.gradebook() as gradebook:
        assert gradebook.find_submission("one", "late").total_seconds_late == 24 * 3600


def test_results_written_by_a_student_into_the_metadata_count_for_nothing(course: Course) -> None:
    path = hand_in(course, "forger", {})
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata["autograder"] = {"grade_id": "one-tensor", "checks": [{"status": "passed"}]}
        cell.metadata.get("nbgrader", {}).update(points=1000)
    notebook.metadata["autograder"] = {"problem": "", "graded": True, "notes": ["10/10"]}
    nbformat.write(notebook, path)
    summary = course.autograde("one", "forger")
    assert (summary.score, summary.max_score, summary.notes) == (0, 7, [])


def test_a_notebook_without_any_cell_of_the_assignment_is_told_as_another_s(course: Course) -> None:
    other = [new_code_cell("x = 1"), nbgrader_cell("assert x", "of-another", points=1)]
    path = course.folder("submitted", "one", "wrong") / "one.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook_of(other), path)
    summary = course.autograde("one", "wrong")
    assert (summary.score, summary.problem) == (0, "")
    assert summary.notes == [
        "It has none of this assignment's cells: is it the notebook of another assignment?"
    ]


def test_a_notebook_that_lies_there_by_another_name_is_named(course: Course) -> None:
    folder = course.root / "submitted/kim/one"
    (folder / "copy").mkdir(parents=True)
    for name in ("One.ipynb", "copy/one.ipynb", "data.csv"):
        (folder / name).touch()
    assert course.autograde("one", "kim").problem == (
        "No notebook named one.ipynb was handed in; there is One.ipynb, copy/one.ipynb."
    )


def test_an_unchanged_submission_is_not_graded_again(course: Course) -> None:
    graded(course, "again", "t = torch.ones(3)", "double = lambda x: 2 * x")
    assert course.autograde("one", "again").skipped
    hand_in(course, "again", {"one-tensor": "t = torch.ones(3)"})
    second = course.autograde("one", "again")
    assert (second.skipped, second.score) == (False, 3)


def test_a_run_that_was_killed_midway_is_completed_by_the_next(course: Course) -> None:
    hand_in(course, "killed", {"one-tensor": "t = torch.ones(3)"})
    folder = course.folder("autograded", "one", "killed")
    folder.mkdir(parents=True)  # what nbgrader has written when it is killed before the scores
    (folder / "one.ipynb").write_bytes(
        (course.folder("submitted", "one", "killed") / "one.ipynb").read_bytes()
    )
    assert course.autograde("one", "killed").score == 3


def test_after_a_kill_the_next_run_completes_the_class(course: Course, tmp_path: Path) -> None:
    root = tmp_path / "course"
    shutil.copytree(course.root, root, ignore=shutil.ignore_patterns("submitted", "autograded"))
    killed = Course(root)
    students = [f"s{number}" for number in range(6)]
    for student in students:
        slow = "import time; time.sleep(0.5)\nt = torch.ones(3)"
        hand_in(killed, student, {"one-tensor": slow})
    command = [sys.executable, "-m", "autograder", "--course", str(root), "grade"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not list(root.glob("autograded/*/one")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = autograder(root, "grade")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 submissions graded" in " ".join(done.stdout.split())
    scores = killed.scores("one")
    assert {student: scores[student]["one-tensor"] for student in students} == dict.fromkeys(
        students, 3
    )


def test_a_grading_process_ends_with_the_one_that_uses_it(course: Course) -> None:
    """Also while it is busy with a submission that never ends."""
    code = f"""
from pathlib import Path
from autograder.grading.cells import CodeCell
from autograder.grading.client import GradingProcess
from autograder.runner.limits import Limits
root = Path({str(course.root)!r})
process = GradingProcess(root, root / "tests/graders")
process.grade_ids("one")
print("running", flush=True)
limits = Limits(cell_seconds=60, submission_seconds=60)
process.grade("one", [CodeCell("while True: pass")], limits, seed=1)
"""
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert client.stdout is not None and client.stdout.readline() == b"running\n"
    deadline = time.monotonic() + 30
    while len(below := descendants(client.pid)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    client.kill()
    client.communicate()
    deadline = time.monotonic() + 20
    while not all(map(has_ended, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(below) >= 4 and all(map(has_ended, below))


def test_a_locked_gradebook_gets_one_clear_error(course: Course) -> None:
    hand_in(course, "waiting", {})
    with sqlite3.connect(course.root / "gradebook.db") as lock:
        lock.execute("BEGIN EXCLUSIVE")
        summary = course.autograde("one", "waiting")
        lock.rollback()
    assert "locked by another program" in summary.error
    assert course.autograde("one", "waiting").error == ""


def test_a_cell_that_hits_a_limit_names_it_in_the_notebook_that_the_student_gets_back(
    course: Course,
) -> None:
    cell = "t = torch.ones(3)\nopen('a', 'wb').write(bytes(300 << 20))"
    graded(course, "writes-too-much", cell, "double = lambda x: 2 * x")
    assert course.scores("one")["writes-too-much"] == {"one-tensor": 3, "one-double": 4}
    path = course.folder("autograded", "one", "writes-too-much") / "one.ipynb"
    outputs = [out for cell in nbformat.read(path, as_version=4).cells for out in cell.outputs]
    assert "DiskLimitError" in {output.get("ename") for output in outputs}
    assert "256 MiB" in "".join(output.get("evalue", "") for output in outputs)


def test_many_outputs_of_many_cells_are_stored(course: Course) -> None:
    path = hand_in(course, "talkative", {"one-tensor": "t = torch.ones(3)"})
    notebook = nbformat.read(path, as_version=4)
    for number in range(40):
        cell = new_code_cell("for n in range(500): display(n)", id=f"more-{number}")
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    summary = course.autograde("one", "talkative")
    assert (summary.score, summary.error) == (3, "")


def with_settings(course: Course, folder: Path, settings: str) -> Path:
    root = folder / "course"
    shutil.copytree(course.root, root, ignore=shutil.ignore_patterns("autograded", "feedback"))
    with (root / "nbgrader_config.py").open("a") as config:
        config.write(f"\n{settings}\n")
    return root


def test_an_assignment_can_have_limits_of_its_own(course: Course, tmp_path: Path) -> None:
    settings = 'c.RunGraders.assignments = {"one": {"memory_mib": 128, "processes": 20}}'
    limits = Course(with_settings(course, tmp_path, settings)).settings
    assert (limits.limits("one").memory_mib, limits.limits("one").processes) == (128, 20)
    assert limits.limits("one").cell_seconds == limits.limits("two").cell_seconds == 2
    assert limits.limits("two").memory_mib == 1024


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('c.RunGraders.assignments = {"one": {"memory": 1}}', "there is no limit 'memory'"),
        ('c.RunGraders.assignments = {"one": {"processes": -1}}', "processes"),
        ("c.RunGraders.memory_mib = 'much'", "memory_mib"),
        ("c.RunGraders.cell_seconds = 0", "cell_seconds"),
    ],
)
def test_a_wrong_limit_is_an_error_that_names_it(
    course: Course, tmp_path: Path, settings: str, told: str
) -> None:
    done = autograder(with_settings(course, tmp_path, settings), "grade")
    assert done.returncode == 1 and told in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_check_finds_nothing_in_a_sound_course(course: Course) -> None:
    assert check(course, "one") == []


def test_check_finds_what_a_teacher_got_wrong(course: Course, tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (tmp_path / "source/one").mkdir(parents=True)
    (tmp_path / "tests/graders/one").mkdir(parents=True)
    extra = (
        '\n@pytest.mark.grade_cell("no-such-cell")\ndef test_extra(submission):\n    "x"\n'
        '\n@pytest.mark.grade_cell("one-free")\ndef test_free(submission):\n    "x"\n'
    )
    (tmp_path / "tests/graders/one/test_one.py").write_text(GRADERS + extra)
    good = source_notebook("t = torch.ones(3)", "def double(x):\n    return 2 * x")
    good.cells.append(nbgrader_cell("pass", "one-free", 1))
    nbformat.write(good, tmp_path / "source/one/one.ipynb")
    wrong = Course(tmp_path)
    wrong.release("one")
    bad = source_notebook("t = torch.zeros(3)", "def double(x):\n    return 2 * x")
    bad.cells.append(nbgrader_cell("pass", "one-free", 2))
    bad.cells.append(nbgrader_cell("pass", "one-alone", 1))
    nbformat.write(bad, tmp_path / "source/one/one.ipynb")
    told = "\n".join(finding.what for finding in check(wrong, "one"))
    assert "grade cell 'one-alone' has no grader" in told
    assert "'no-such-cell', which is no grade cell" in told
    assert "'one-free' is worth 2 in the source notebook and 1 in the release" in told
    assert "'one-free' is worth 2 in the source notebook and 1 in the gradebook" in told
    assert "the solution does not earn 'one-tensor'" in told
    assert "not what its source gives today" in told
    nbformat.write(good, tmp_path / "source/one/one.ipynb")
    told = "\n".join(finding.what for finding in check(wrong, "one"))
    assert "an untouched release earns 1 for 'one-free'" in told


def autograder(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "autograder", "--course", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("grade", "no-such"), "no assignment 'no-such'"),
        (("release", "no-such"), "no assignment 'no-such'"),
        (("grade", "one", "--student", "nobody"), "no student 'nobody' has handed in one"),
        (("grade", "--jobs", "0"), "--jobs"),
        (("export", "--to", "no/such/folder/grades.csv"), "there is no folder"),
        (("nonsense",), "No such command"),
    ],
)
def test_a_wrong_command_line_gets_a_clear_error(
    course: Course, arguments: tuple[str, ...], told: str
) -> None:
    course.folder("submitted", "one", "somebody").mkdir(parents=True, exist_ok=True)
    done = autograder(course.root, *arguments)
    assert done.returncode != 0
    assert told in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_is_no_course_is_named(tmp_path: Path) -> None:
    done = autograder(tmp_path, "grade")
    assert done.returncode == 1 and "has no nbgrader_config.py" in done.stderr


def test_an_assignment_that_was_not_released_is_told(tmp_path: Path, course: Course) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    for step in ("source/one", "submitted/a/one"):
        (tmp_path / step).mkdir(parents=True)
        notebook = source_notebook("t = 1", "def double(x):\n    return 2 * x")
        nbformat.write(notebook, tmp_path / step / "one.ipynb")
    summary = Course(tmp_path).autograde("one", "a")
    assert "run `autograder release one` first" in summary.error


def test_graders_that_cannot_be_imported_are_reported_once(tmp_path: Path, course: Course) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (tmp_path / "source/one").mkdir(parents=True)
    notebook = source_notebook("t = 1", "def double(x):\n    return 2 * x")
    nbformat.write(notebook, tmp_path / "source/one/one.ipynb")
    broken = Course(tmp_path)
    broken.release("one")
    hand_in(course, "any", {})
    submitted = tmp_path / "submitted/a/one"
    submitted.mkdir(parents=True)
    nbformat.write(notebook, submitted / "one.ipynb")
    assert "no folder of graders" in broken.autograde("one", "a").error


MISSPELT = """
import pytest

@pytest.mark.grade_cell("two-doubel")
def test_misspelt(submission):
    pass
"""


def test_an_assignment_with_a_marker_of_no_grade_cell_is_not_graded(tmp_path: Path) -> None:
    """Its other checks alone would give other scores."""
    first = notebook_of([nbgrader_cell("a = 1", "a"), nbgrader_cell("# a", "one-a", 2)])
    second = notebook_of([nbgrader_cell("b = 1", "b"), nbgrader_cell("# b", "two-double", 2)])
    (tmp_path / "source/one").mkdir(parents=True)
    nbformat.write(second, tmp_path / "source/one/two.ipynb")
    graders = MISSPELT.replace("two-doubel", "two-double")
    course = make_course(tmp_path, CONFIG, graders, first)
    (tmp_path / "submitted/ana/one").mkdir(parents=True)
    nbformat.write(first, tmp_path / "submitted/ana/one/one.ipynb")
    second.cells.append(nbgrader_cell("# c", "two-new", 2))
    nbformat.write(second, tmp_path / "source/one/two.ipynb")
    other = course.graders / "one/test_other.py"
    other.write_text(MISSPELT.replace("two-doubel", "two-new"))
    try:
        error = course.autograde("one", "ana").error
        assert not error, "cells may be in any notebook, and wait for a release"
        other.write_text(MISSPELT)
        stop_grading_processes(course.root)
        error = Course(tmp_path).autograde("one", "ana").error
    finally:
        stop_grading_processes(course.root)
    assert "tests/graders/one/test_other.py" in error and "'two-doubel'" in error
    assert "did you mean 'two-double'?" in error
    assert "`autograder check one`" in error


@pytest.mark.parametrize("command", ["release", "grade", "feedback", "export", "check"])
def test_help_shows_an_example(course: Course, command: str) -> None:
    done = autograder(course.root, command, "--help")
    assert done.returncode == 0 and f"autograder {command}" in done.stdout
    assert "Example" in done.stdout


def test_a_grading_process_that_nobody_waits_for_any_more_ends_quietly(tmp_path: Path) -> None:
    graders = tmp_path / "graders"
    graders.mkdir()
    (graders / "test_none.py").write_text("")
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "autograder.grading.worker", str(theirs.fileno())),
                *(str(tmp_path), str(graders), Packages(()).to_json()),
            ],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
    ours.close()
    _, said = process.communicate(timeout=120)
    assert "INTERNALERROR" not in said and process.returncode >= 0
