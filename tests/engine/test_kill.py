"""`kill -9` at any moment, of any process that grades, loses nothing and makes nothing wrong."""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.bridge import execute, preprocessors, record
from autograder.bridge.course import Course
from autograder.grading.cells import CodeCell
from autograder.grading.client import Graded, GradingError, GradingProcess
from autograder.runner.limits import Limits
from autograder.runner.processes import children, descendants, has_ended
from autograder.runner.warm import WarmProcess, WarmProcessError
from tests.engine.processes import command_line
from tests.small_course import make_course, nbgrader_cell, notebook_of

KILLS: Final = 50
CONFIG: Final = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.language = "en"
"""
GRADERS: Final = '''
import pytest
from autograder.grading import Submission, close

@pytest.mark.grade_cell("value", weight=2)
def test_value(submission: Submission) -> None:
    """`x` is one."""
    assert submission.tensor("x").tensor.item() == 1

@pytest.mark.grade_cell("value")
def test_again(submission: Submission) -> None:
    """`x` is one, asked again."""
    assert submission.tensor("x").tensor.item() == 1

@pytest.mark.grade_cell("function")
def test_function(submission: Submission) -> None:
    """`f` adds one."""
    assert submission.call("f", 2).value == 3
'''
ANSWERS: Final = {
    "right": ("x = torch.ones(1)\ndef f(y): return y + 1", (3, 2)),
    "slow": (
        "import time; time.sleep(0.4); x = torch.ones(1)\n"
        "def f(y):\n    time.sleep(0.4)\n    return y + 1",
        (3, 2),
    ),
    "partly": ("x = torch.ones(1)\ndef f(y): return y", (3, 0)),
    "dead": ("import os; os._exit(1)", (0, 0)),
    "wrong": ("x = torch.zeros(1)\ndef f(y): return y + 1", (0, 2)),
}
"""A student's first cell, and what the two grade cells must earn."""
STUDENTS: Final = [f"{kind}-{number:02}" for number in range(16) for kind in ANSWERS]
EXPECTED: Final = {
    student: dict(zip(("value", "function"), ANSWERS[student.split("-")[0]][1], strict=True))
    for student in STUDENTS
}
NURSERY: Final = """
import os, subprocess, sys
from autograder.runner import linux
linux.adopt_orphans()
print(subprocess.Popen(sys.argv[1:]).pid, flush=True)
try:
    while True:
        os.waitpid(-1, 0)
except ChildProcessError:
    pass
"""
"""Runs a command and inherits every process that it leaves; ends when the last of them has."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where a submission's own user can reach its folder, which it cannot below pytest's."""
    made = Path(tempfile.mkdtemp(prefix="kills-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def course(folder: Path) -> Course:
    cells = [
        nbgrader_cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "work"),
        nbgrader_cell("assert x", "value", 3),
        nbgrader_cell("assert f", "function", 2),
    ]
    imports = new_code_cell("import torch", id="imports")
    (folder / "course").mkdir()
    return make_course(folder / "course", CONFIG, GRADERS, notebook_of([imports, *cells]))


def hand_in(course: Course, student: str) -> None:
    notebook = nbformat.read(course.folder("release", "one") / "one.ipynb", as_version=4)
    notebook.cells[1].source = ANSWERS[student.split("-", 1)[0]][0]
    path = course.folder("submitted", "one", student) / "one.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


class Command:
    """`autograder grade` in a nursery, to be killed as a whole or in part."""

    def __init__(self, course: Course, temporary: Path, *options: str) -> None:
        command = [sys.executable, "-m", "autograder", "--course", str(course.root), "grade"]
        self.nursery = subprocess.Popen(
            [sys.executable, "-c", NURSERY, *command, "--jobs", "2", *options],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.nursery.stdout is not None
        self.pid = int(self.nursery.stdout.readline())

    def runs(self) -> bool:
        return not has_ended(self.pid)

    def kill(self) -> bool:
        """Kill the command; what is below it must end by itself, and soon. Whether it still ran."""
        was_there = kill(self.pid)
        self.end()
        return was_there

    def end(self) -> str:
        """What it printed, once every process that it started has ended."""
        try:
            return self.nursery.communicate(timeout=120 if self.runs() else 20)[0]
        except subprocess.TimeoutExpired:
            left = "\n".join(map(command_line, descendants(self.nursery.pid)))
            pytest.fail(f"it leaves processes behind:\n{left}")
        finally:
            for pid in descendants(self.nursery.pid):
                os.kill(pid, signal.SIGKILL)

    def parts(self) -> list[int]:
        """Its processes but those of submissions, which may do to themselves what they want."""
        found: list[int] = []
        left = [self.pid]
        while left:
            for pid in children(left.pop()):
                line = command_line(pid)
                found.append(pid)
                if "runner.zygote" not in line:  # what is below are submissions
                    left.append(pid)
        return found


def assert_sound(course: Course) -> int:
    """What is in the gradebook is right, if not complete; how many submissions have scores."""
    recorded = {path.parent.name for path in records(course)}
    with sqlite3.connect(course.root / "gradebook.db", timeout=30) as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = base.execute(
            "select submission.student_id, base_cell.name, grade.auto_score"
            " from submitted_assignment as submission"
            " join submitted_notebook on submitted_notebook.assignment_id = submission.id"
            " join grade on grade.notebook_id = submitted_notebook.id"
            " join base_cell on base_cell.id = grade.cell_id"
        ).fetchall()
    scores: dict[str, dict[str, float | None]] = {}
    for student, cell, score in rows:
        scores.setdefault(student, {})[cell] = score
    graded = {name: one for name, one in scores.items() if one != dict.fromkeys(one)}
    assert graded == {name: EXPECTED[name] for name in graded}, "all of its scores, or none"
    assert recorded <= set(graded)
    return len(graded)


def assert_notebooks_are_what_records_say(course: Course) -> None:
    for path in records(course):
        autograded = course.folder("autograded", "one", path.parent.name)
        notebook = json.loads((autograded / "one.ipynb").read_text())
        assert notebook["metadata"]["autograder"]["graded"], path
        assert all("checks" in cell["metadata"]["autograder"]
                   for cell in notebook["cells"]
                   if cell["metadata"].get("nbgrader", {}).get("grade")), path  # fmt: skip


def test_fifty_kills_at_random_moments(course: Course, folder: Path) -> None:
    chance = random.Random()
    temporary = folder / "tmp"
    temporary.mkdir()
    for student in STUDENTS:
        hand_in(course, student)
    kills = 0
    for number in itertools.count():
        complete = assert_sound(course) == len(STUDENTS)
        command = Command(course, temporary, *(["--force"] if complete else []))
        if number % 2:
            time.sleep(chance.uniform(0, 6))  # while it starts
        else:
            kills += kill_parts(command, course, chance)
        kills += command.kill()
        assert_sound(course)
        assert_notebooks_are_what_records_say(course)
        if kills >= KILLS:
            break
    last = Command(course, temporary).end()
    assert f"{len(STUDENTS)} of {len(STUDENTS)} submissions graded" in " ".join(last.split())
    assert assert_sound(course) == len(STUDENTS)
    assert {path.parent.name for path in records(course)} == set(STUDENTS)
    assert_notebooks_are_what_records_say(course)
    assert not list(temporary.glob("autograder-*")), "what the killed ones left was swept"
    assert not list(course.root.glob(f"{record.FOLDER}/*/*.partial"))


def kill_parts(command: Command, course: Course, chance: random.Random) -> int:
    """Kill some processes of a running command, again and again; how many it were."""
    count = 0
    for _ in range(8):
        wait_for_a_result(course, command)
        time.sleep(chance.uniform(0, 1))
        parts = command.parts()
        chosen = chance.sample(parts, min(len(parts), chance.randint(1, 4)))
        count += sum(map(kill, chosen))
        assert_sound(course)
    return count


def wait_for_a_result(course: Course, command: Command) -> None:
    """Wait until a submission gets graded, or for some seconds."""
    before = latest(course)
    deadline = time.monotonic() + 12
    while command.runs() and latest(course) == before and time.monotonic() < deadline:
        time.sleep(0.02)


def records(course: Course) -> list[Path]:
    return list(course.root.glob(f"{record.FOLDER}/*/one.json"))


def latest(course: Course) -> int:
    times = []
    for path in records(course):
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime_ns)
    return max(times, default=0)


def kill(pid: int) -> bool:
    """Kill a process; whether it was there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


# What a kill must not be taken for


def part(above: int, name: str) -> int:
    """The first process below another one whose command line has a name in it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pid in descendants(above):
            if name in command_line(pid) and not has_ended(pid):
                return pid
        time.sleep(0.02)
    raise AssertionError(f"no process {name}")


@contextlib.contextmanager
def killed(name: str, after: float = 0.0, inside: str = "") -> Iterator[None]:
    """Have a process killed meanwhile: by a name in its command line, perhaps with one below it."""

    def work() -> None:
        time.sleep(after)
        found = part(os.getpid(), name)
        if inside:
            part(found, inside)
            time.sleep(0.1)
        kill(found)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


@pytest.fixture(scope="module", autouse=True)
def nothing_else_runs() -> None:
    """Processes that other tests have left would be found, and killed, in the place of ours."""
    for others in (preprocessors._processes, execute._processes):
        for other in others.values():
            other.stop()
        others.clear()


@pytest.fixture(scope="module")
def process(course: Course) -> Iterator[GradingProcess]:
    made = GradingProcess(course.root, course.graders)
    yield made
    made.stop()


def graded(process: GradingProcess, code: str) -> Graded:
    cells = [CodeCell("import torch"), CodeCell(code)]
    cells += [CodeCell("", "value"), CodeCell("", "function")]
    return process.grade("one", cells, Limits(), seed=1, language="en", allow_unsafe=True)


def earned(result: Graded) -> dict[str, float]:
    return {one.grade_id: one.score(3) for one in result.results}


RIGHT: Final = "x = torch.ones(1)\ndef f(y): return y + 1"
ASLEEP: Final = f"import time; time.sleep(2)\n{RIGHT}"
SLOW_CALL: Final = "x = torch.ones(1)\ndef f(y):\n    import time; time.sleep(2)\n    return y + 1"
ALL: Final = {"value": 3, "function": 3}


def test_a_grading_process_that_was_killed_when_it_started_can_be_started_again(
    process: GradingProcess,
) -> None:
    with killed("grading.worker"), pytest.raises(GradingError, match="killed when it started"):
        graded(process, RIGHT)
    assert earned(graded(process, RIGHT)) == ALL


@pytest.mark.parametrize(
    ("name", "code"),
    [("runner.zygote", ASLEEP), ("runner.outer_walls", SLOW_CALL)],
    ids=["in a cell", "in a call, at its top"],
)
def test_a_killed_warm_process_is_no_fault_of_the_submission(
    process: GradingProcess, name: str, code: str
) -> None:
    assert earned(graded(process, RIGHT)) == ALL
    with killed(name, after=1), pytest.raises(GradingError, match="warm process"):
        graded(process, code)
    assert earned(graded(process, RIGHT)) == ALL


def test_a_submission_whose_warm_process_was_replaced_is_lost() -> None:
    warm = WarmProcess(serves="")
    run, channel, _ = warm.begin(Limits(), 0, 0, allow_unsafe=True)
    channel.close()
    warm.stop()
    for _ in range(2):
        with pytest.raises(WarmProcessError, match="while a submission ran"):
            run.close()


@pytest.mark.parametrize("code", [ASLEEP, SLOW_CALL], ids=["in a cell", "in a check"])
def test_a_notebook_whose_grading_process_was_killed_is_run_again(
    process: GradingProcess, code: str
) -> None:
    assert earned(graded(process, RIGHT)) == ALL
    with killed("grading.worker", after=1):
        assert earned(graded(process, code)) == ALL


def test_a_grading_process_that_was_killed_while_it_waited_is_replaced(
    process: GradingProcess,
) -> None:
    assert earned(graded(process, RIGHT)) == ALL
    kill(part(os.getpid(), "grading.worker"))
    assert earned(graded(process, RIGHT)) == ALL


def test_a_warm_process_that_is_killed_under_tests_in_cells_is_no_dead_kernel(
    folder: Path, course: Course, process: GradingProcess
) -> None:
    process.stop()  # its warm process would be taken for the one that is meant
    root = folder / "in-cell"
    shutil.copytree(course.root, root, ignore=shutil.ignore_patterns("submitted", "autograded"))
    step = 'c.Autograde.autograde_preprocessors[0] = "autograder.bridge.execute.JailedExecute"'
    (root / "nbgrader_config.py").write_text(f"{CONFIG}\n{step}\n")
    course = Course(root)
    hand_in(course, "slow-00")
    with killed("runner.zygote", inside="runner.zygote"):
        summary = course.autograde("one", "slow-00")
    for warm in execute._processes.values():
        warm.stop()
    assert "warm process" in summary.error
