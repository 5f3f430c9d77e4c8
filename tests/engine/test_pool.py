"""Many submissions at once: what fails, what is stopped, and two commands on one course.

The course has no cells to run: what a student is called says what happens in its process.
"""

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise, zip_longest
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Final

import nbformat
import pytest
from rich.console import Console

from autograder import pool
from autograder.bridge.course import Course, Summary
from autograder.bridge.gradebook import problem_of
from autograder.bridge.locks import submission_lock
from autograder.pool import PoolError, Task
from autograder.progress import Pace, Shown
from autograder.runner.processes import descendants, has_ended
from tests.engine.processes import command_line
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG: Final = '''
import os, signal, time
from pathlib import Path
from nbgrader.preprocessors import NbGraderPreprocessor
from autograder.bridge import configure
from autograder.bridge.database import store

if Path("broken").exists():
    raise SystemExit("this configuration ends the process")

class Behave(NbGraderPreprocessor):
    """Does what the student's name says; each try leaves a line in the file `tries`."""

    def preprocess(self, nb, resources):
        store()  # as what runs cells does
        student = resources["nbgrader"]["student"]
        before = Path("tries").read_text().split() if Path("tries").exists() else []
        with open("tries", "a") as tries:
            tries.write(student + "\\n")
        if student.startswith("slow"):
            time.sleep(1)
        if student.startswith("endless"):
            time.sleep(600)
        if student.startswith("dies") or (student.startswith("falls") and student not in before):
            os.kill(os.getpid(), signal.SIGKILL)
        if student.startswith("fails") or (student.startswith("errs") and student not in before):
            raise ValueError("it " + student)
        return nb, resources

c = get_config()
configure(c)
c.RunGraders.language = "en"
c.CourseDirectory.db_url = "sqlite:///" + str(Path("gradebook.db").resolve()) + "?timeout=5"
c.Autograde.autograde_preprocessors = [
    Behave,
    "nbgrader.preprocessors.SaveAutoGrades",
    "autograder.bridge.preprocessors.StoreGrades",
]
'''


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with the assignments `one` and `two`, and nobody who hands in."""
    root = tmp_path_factory.mktemp("course")
    notebook = notebook_of([nbgrader_cell("x = 1", "work"), nbgrader_cell("assert x", "check", 3)])
    course = make_course(root, CONFIG, "", notebook)
    (root / "source/two").mkdir()
    nbformat.write(notebook, root / "source/two/two.ipynb")
    course.release("two")
    return course


@pytest.fixture
def root(template: Course, tmp_path: Path) -> Path:
    shutil.copytree(template.root, tmp_path / "course")
    return tmp_path / "course"


def hand_in(root: Path, students: Iterable[str], assignment: str = "one") -> list[Task]:
    for student in students:
        folder = root / "submitted" / student / assignment
        folder.mkdir(parents=True)
        shutil.copy(root / f"release/{assignment}/{assignment}.ipynb", folder)
    return [Task(assignment, student) for student in students]


def tries(root: Path) -> Counter[str]:
    """How often each student's notebook was begun."""
    path = root / "tries"
    return Counter(path.read_text().split() if path.exists() else ())


def numbered(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number:02}" for number in range(count)]


def results(root: Path, tasks: list[Task], jobs: int = 2) -> dict[str, Summary]:
    summaries = pool.run("grade", Course(root), tasks, jobs)
    return {one.student: one for one in summaries if one is not None}


def grade(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The command, in a process group of its own as from a terminal."""
    command = [sys.executable, "-m", "autograder", "--course", str(root), "grade", "--jobs", "2"]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


@pytest.fixture
def running(root: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Commands that a test started, ended after it in any case."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def wait_for(happened: object, seconds: float = 90) -> None:
    assert callable(happened)
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def flat(text: str) -> str:
    return " ".join(text.split())


# What fails


def test_a_process_that_dies_costs_its_own_submission_only_which_gets_one_more_try(
    root: Path,
) -> None:
    students = [*numbered("good", 4), "dies", "falls", *numbered("fine", 4)]
    done = results(root, hand_in(root, students))
    assert set(done) == set(students)
    assert {name for name, one in done.items() if one.error} == {"dies"}
    assert "ended twice" in done["dies"].error
    assert tries(root) == Counter(students) + Counter(["dies", "falls"])
    scores = Course(root).scores("one")
    assert {name: scores[name]["check"] for name in students if name != "dies"} == dict.fromkeys(
        set(students) - {"dies"}, 3
    )


def test_a_submission_that_ends_in_an_error_gets_one_more_try_after_all_others(root: Path) -> None:
    students = ["errs", "fails", *numbered("good", 3)]
    done = results(root, hand_in(root, students), jobs=1)
    assert {name for name, one in done.items() if one.error} == {"fails"}
    assert done["fails"].error == "one/fails: ValueError: it fails"
    assert (root / "tries").read_text().split() == [*students, "errs", "fails"]


def test_processes_that_cannot_start_are_one_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_FAILED_STARTS", 2)
    tasks = hand_in(root, numbered("good", 3))
    course = Course(root)
    (root / "broken").touch()
    with pytest.raises(PoolError, match="end when they start"):
        list(pool.run("grade", course, tasks, 1))


def test_a_run_that_nobody_listens_to_any_more_leaves_no_process(root: Path) -> None:
    others = descendants(os.getpid())  # of other tests
    summaries = pool.run("grade", Course(root), hand_in(root, ["good", "endless"]), 2)
    while next(summaries) is None:
        pass
    below = [pid for pid in descendants(os.getpid()) if pid not in others]
    assert len(below) >= 2
    summaries.close()
    assert all(map(has_ended, below))


def test_feedback_is_written_in_parallel_and_its_errors_are_told(root: Path) -> None:
    course = Course(root)
    tasks = hand_in(root, numbered("good", 3))
    for task in tasks:
        course.autograde(task.assignment, task.student)
    spoilt = root / "autograded/good-01/one/one.ipynb"
    spoilt.chmod(0o644)
    spoilt.write_text("{}")
    done = list(filter(None, pool.run("feedback", course, tasks, 2)))
    assert {one.student for one in done if one.error} == {"good-01"}
    assert (root / "feedback/good-02/one/one.html").is_file()


# Ctrl-C


def test_ctrl_c_finishes_what_runs_and_the_next_command_goes_on(
    root: Path, running: list["subprocess.Popen[str]"]
) -> None:
    students = numbered("slow", 7)
    hand_in(root, students)
    running.append(grade(root))
    wait_for(lambda: len(tries(root)) >= 3)
    os.killpg(running[0].pid, signal.SIGINT)
    begun = set(tries(root))
    out, told = running[0].communicate(timeout=30)
    assert running[0].returncode == 130, told
    assert "stopping when what runs is finished; Ctrl-C again ends at once" in told
    after = set(tries(root))
    assert begun <= after and len(after) <= len(begun) + 1, "nothing new was started"
    scores = Course(root).scores("one")
    assert {name: scores[name]["check"] for name in after} == dict.fromkeys(after, 3)
    assert all(name in out for name in after), "what ran is in the table"
    left = len(students) - len(after)
    assert f"stopped; {left} of 7 submissions are left: the same command goes on" in flat(told)
    running.append(grade(root))
    out, told = running[1].communicate(timeout=60)
    assert running[1].returncode == 0 and "7 of 7 submissions graded" in flat(out), told
    assert tries(root) == Counter(students), "nothing was graded twice"


def test_sigterm_does_the_same_and_with_force_no_command_goes_on(
    root: Path, running: list["subprocess.Popen[str]"]
) -> None:
    hand_in(root, numbered("slow", 5))
    running.append(grade(root, "--force"))
    wait_for(lambda: tries(root))
    os.killpg(running[0].pid, signal.SIGTERM)
    out, told = running[0].communicate(timeout=30)
    assert running[0].returncode == 130 and "slow-00" in out
    assert "submissions are left: the same command begins anew" in flat(told)


def test_the_second_ctrl_c_ends_at_once(root: Path, running: list["subprocess.Popen[str]"]) -> None:
    hand_in(root, [*numbered("endless", 3), "good"])
    running.append(grade(root))
    wait_for(lambda: len(tries(root)) == 2)
    below = descendants(running[0].pid)
    os.killpg(running[0].pid, signal.SIGINT)
    time.sleep(1)
    assert running[0].poll() is None
    os.killpg(running[0].pid, signal.SIGINT)
    _, told = running[0].communicate(timeout=5)
    assert running[0].returncode == 130 and "Traceback" not in told
    assert "4 of 4 submissions are left" in flat(told)
    wait_for(lambda: all(map(has_ended, below)), 5)


@pytest.mark.parametrize("starting", ["outer_walls", "pool_worker"])
def test_ctrl_c_before_anything_runs_ends_with_nothing_done(
    root: Path, running: list["subprocess.Popen[str]"], starting: str
) -> None:
    hand_in(root, ["good"])
    running.append(grade(root))
    wait_for(lambda: starting in " ".join(map(command_line, descendants(running[0].pid))))
    os.killpg(running[0].pid, signal.SIGINT)
    out, told = running[0].communicate(timeout=30)
    assert (running[0].returncode, out) == (130, ""), told
    assert "1 of 1 submissions are left" in flat(told) and "Traceback" not in told


def test_ctrl_c_while_it_starts_ends_without_a_traceback(
    root: Path, running: list["subprocess.Popen[str]"]
) -> None:
    hand_in(root, ["good"])
    running.append(grade(root))
    maps = Path(f"/proc/{running[0].pid}/maps")
    wait_for(lambda: "sqlalchemy" in maps.read_text())  # it imports what it needs
    os.killpg(running[0].pid, signal.SIGINT)
    out, told = running[0].communicate(timeout=30)
    assert (running[0].returncode, out) == (130, "") and "Traceback" not in told


# A gradebook that cannot be used


def make_impatient(root: Path) -> None:
    """Wait for locks less long than the five seconds that are usual."""
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("timeout=5", "timeout=0.5"))


def locked(root: Path) -> sqlite3.Connection:
    """A lock on the gradebook, as another program may hold it for minutes."""
    lock = sqlite3.connect(root / "gradebook.db", timeout=60)
    lock.execute("BEGIN EXCLUSIVE")
    return lock


def test_a_locked_gradebook_is_one_error_before_anything_runs(
    root: Path, running: list["subprocess.Popen[str]"]
) -> None:
    make_impatient(root)
    hand_in(root, numbered("good", 20))
    lock = locked(root)
    running.append(grade(root))
    out, told = running[0].communicate(timeout=30)
    lock.close()
    assert (running[0].returncode, out) == (1, "") and not tries(root)
    assert flat(told) == (
        "autograder: the gradebook is locked by another program: close it and run the command again"
    )


def test_a_gradebook_that_gets_locked_midway_stops_the_command_with_one_error(
    root: Path, running: list["subprocess.Popen[str]"]
) -> None:
    make_impatient(root)
    hand_in(root, numbered("slow", 12))
    running.append(grade(root))
    wait_for(lambda: len(tries(root)) >= 4)
    lock = locked(root)
    out, told = running[0].communicate(timeout=90)
    lock.close()
    assert running[0].returncode == 1
    assert told.count("locked by another program") == 1 and "NOT GRADED" not in out
    assert "12 submissions are left: the same command goes on" in flat(told)
    assert len(tries(root)) <= 6, "nothing new was started"
    assert_sound(root)


def test_a_gradebook_that_is_locked_for_a_moment_costs_nothing(root: Path) -> None:
    make_impatient(root)
    tasks = hand_in(root, numbered("slow", 4))
    done: list[Summary] = []
    lock: sqlite3.Connection | None = None
    for summary in pool.run("grade", Course(root), tasks, 2):
        if summary is not None:
            done.append(summary)
            if lock is None:
                lock = locked(root)
                released = time.monotonic() + 1
        if lock is not None and time.monotonic() > released:
            lock.close()
    assert [one.error for one in done] == [""] * 4


def url(root: Path) -> str:
    return f"sqlite:///{root / 'gradebook.db'}"


def test_a_usable_gradebook_has_no_problem_and_is_left_as_it_is(root: Path) -> None:
    before = (root / "gradebook.db").read_bytes()
    assert problem_of(url(root), ["one", "two"]) == ""
    assert (root / "gradebook.db").read_bytes() == before


def test_an_assignment_that_the_gradebook_does_not_know_is_named(root: Path) -> None:
    assert "run `autograder release three`" in problem_of(url(root), ["one", "three"])
    (root / "gradebook.db").unlink()
    assert "run `autograder release one`" in problem_of(url(root), ["one"])
    assert not (root / "gradebook.db").exists(), "to look does not make one"


def test_a_file_that_is_no_database_is_told(root: Path) -> None:
    (root / "gradebook.db").write_text("student,score\n" * 200)
    assert "is damaged, or no gradebook at all" in problem_of(url(root), ["one"])


def test_a_gradebook_of_an_older_nbgrader_is_told(root: Path) -> None:
    with sqlite3.connect(root / "gradebook.db") as base:
        base.execute("alter table grade drop column needs_manual_grade")
    assert "run `nbgrader db upgrade`" in problem_of(url(root), ["one"])


def test_a_gradebook_that_cannot_be_written_is_one_error(root: Path) -> None:
    """The folder is mounted read-only where the tests run as root, whom permissions do not stop."""
    hand_in(root, numbered("good", 3))
    code = f"""
import os
from pathlib import Path
from autograder.cli import main
from autograder.runner import linux
root = {str(root)!r}
if os.geteuid() == 0:
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount(root, root, None, linux.MS_BIND)
    linux.restrict_mount(root, linux.MS_RDONLY)
else:
    for path in (root, root + "/gradebook.db"):
        os.chmod(path, os.stat(path).st_mode & ~0o222)
main(["--course", root, "grade"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    root.chmod(0o755)
    if "PermissionError" in done.stderr and os.geteuid() == 0:
        pytest.skip("this root may mount nothing")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert flat(done.stderr) == (
        "autograder: the gradebook cannot be written: check who owns gradebook.db and its folder"
    )


# Two commands at once


def test_two_commands_at_once_share_the_work_and_do_not_get_into_each_others_way(
    root: Path, running: list["subprocess.Popen[str]"]
) -> None:
    """They begin at the two ends: at first the same new students, then the same submissions."""
    students = [*numbered("good", 20), *numbered("slow", 3)]
    for assignment in ("one", "two"):
        hand_in(root, students, assignment)
    running += [grade(root, "one", "two"), grade(root, "two", "one")]
    with ThreadPool(len(running)) as readers:  # a command waits for whoever reads what it says
        said = readers.map(lambda process: process.communicate(timeout=120), running)
    for process, (out, told) in zip(running, said, strict=True):
        assert process.returncode == 0 and "46 of 46 submissions graded" in flat(out), told
        assert all(line.startswith("grading: ") for line in told.splitlines()), "no traceback"
    assert tries(root) == Counter(2 * students), "each was graded once by one of them"
    for assignment in ("one", "two"):
        assert Course(root).scores(assignment) == {name: {"check": 3} for name in students}
    assert_sound(root)


def test_of_two_commands_on_a_submission_the_second_finds_it_done(root: Path) -> None:
    course = Course(root)
    tasks = hand_in(root, ["slow"])
    both = [pool.run("grade", course, tasks, 1) for _ in range(2)]
    done = [one for pair in zip_longest(*both) for one in pair if one is not None]
    assert sorted(one.skipped for one in done) == [False, True]
    assert tries(root) == Counter(["slow"])


def assert_sound(root: Path) -> None:
    with sqlite3.connect(root / "gradebook.db") as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_lock_keeps_others_from_one_submission_until_its_process_is_killed(
    tmp_path: Path,
) -> None:
    code = f"""
import sys, time
from pathlib import Path
from autograder.bridge.locks import submission_lock
with submission_lock(Path({str(tmp_path)!r}), "one", sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""

    def holder(student: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", code, student]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    with holder("ana") as first:
        assert first.stdout is not None and first.stdout.readline() == b"held\n"
        with submission_lock(tmp_path, "one", "luis"):
            pass
        with holder("ana") as second:
            time.sleep(0.5)
            first.kill()
            assert second.stdout is not None and second.stdout.readline() == b"held\n"
            second.kill()
    with submission_lock(tmp_path, "one", "ana"):
        pass


def test_what_was_graded_counts_as_graded_no_more_when_it_begins_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the old files are removed must not leave the mark that all is well."""
    hand_in(root, ["good"])
    course = Course(root)
    assert course.autograde("one", "good").score == 3
    assert course.autograde("one", "good").skipped

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Course, "_convert", killed)
        course.autograde("one", "good", force=True)
    assert not course.autograde("one", "good").skipped


# How soon it begins


@pytest.mark.parametrize("program", ["cli", "pool_worker", "grading.worker"])
def test_no_program_spends_its_start_on_grammars_that_nobody_needs(program: str) -> None:
    code = f"""
import sys
import autograder.{program}
import nbformat
print([name for name in ("rfc3987_syntax", "lark") if sys.modules.get(name)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# How far it is


def lines_of(seconds: Iterable[float], total: int) -> list[str]:
    """What a log gets to read when results come at these times."""
    now = 0.0
    log = io.StringIO()
    with Shown("grading", total, 2, Console(file=log), clock=lambda: now) as shown:
        for second in seconds:
            now = second
            shown.done("one/ana")
    return log.getvalue().splitlines()


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end() -> None:
    lines = lines_of([5 + number / 4 for number in range(1, 201)], 200)
    assert lines == [
        "grading: 20 of 200, 4/s, 0:00:10 gone, 0:00:45 left",
        "grading: 60 of 200, 4/s, 0:00:20 gone, 0:00:35 left",
        "grading: 100 of 200, 4/s, 0:00:30 gone, 0:00:25 left",
        "grading: 140 of 200, 4/s, 0:00:40 gone, 0:00:15 left",
        "grading: 180 of 200, 4/s, 0:00:50 gone, 0:00:05 left",
        "grading: 200 of 200, 4/s, 0:00:55 gone",
    ]


def test_a_log_gets_a_line_also_when_nothing_gets_done() -> None:
    now = 0.0
    log = io.StringIO()
    with Shown("grading", 3, 2, Console(file=log), clock=lambda: now) as shown:
        for second in range(1, 13):
            now = second
            shown.tick()
    assert log.getvalue().splitlines() == [
        "grading: 0 of 3, 0:00:10 gone",
        "grading: 0 of 3, 0:00:12 gone",
    ]


def test_a_terminal_gets_a_bar_with_the_rate_and_the_time_left() -> None:
    now = 0.0
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with Shown("grading", 100, 2, console, clock=lambda: now) as shown:
        for number in range(20):
            now += 0.5
            shown.done(f"one/s{number}")
        shown._bar.refresh()
        told = terminal.getvalue()
    assert "20/100" in told and "2/s" in told and "0:00:40 left" in told and "one/s19" in told


def test_what_needed_no_work_does_not_make_the_rest_look_quick() -> None:
    pace = Pace(600, 2)
    for _ in range(500):
        pace.count(6.0, quick=True)
    assert pace.rate is None and pace.left(6.0) is None
    for number in range(20):
        pace.count(10 + number / 2)
    assert pace.rate == pytest.approx(2)
    assert pace.left(19.5) == pytest.approx(40, rel=0.01)


def test_the_time_left_does_not_jump_when_a_submission_was_long_in_coming() -> None:
    pace = Pace(800, 2)
    times = [6 + number / 4 for number in range(200)]
    times += [times[-1] + 60 + number / 4 for number in range(200)]  # both processes were held up
    shown = []
    for second in range(20, 160):
        while times and times[0] <= second:
            pace.count(times.pop(0))
        shown.append(pace.left(second))
    for before, after in pairwise(shown):
        assert before is not None and after is not None
        assert abs(after - before) < 0.25 * max(before, 30)
