"""Workers on other machines, as a teacher uses them: real processes, a real Postgres."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import OperationalError

from autograder.bridge.course import Course, Summary
from autograder.pool import Task
from autograder.workers import queue, remote
from autograder.workers.bundle import CourseBundle
from autograder.workers.database import database_url, open_app
from autograder.workers.queue import Parcel
from autograder.workers.schema import Bundle
from tests import postgres
from tests.bench.faults import prove
from tests.small_course import make_course, nbgrader_cell, notebook_of
from tests.workers.quick_course import hand_in, make_quick_course
from tests.workers.running import RunningWorker

GRADER = """
import pytest
from autograder.grading import fail

@pytest.mark.grade_cell("check")
def test_double(submission):
    '''`double` doubles.'''
    if submission.value("eight") != 8:
        fail("`double(4)` is another number.")
"""
CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.CourseDirectory.course_id = "real"
c.RunGraders.language = "en"
c.Jail.allow_unsafe = True
"""


def command(course: Course, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "autograder", "--course", str(course.root), *arguments]


def run(course: Course, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(course, *arguments), capture_output=True, text=True, timeout=240, check=False
    )


def scores(told: str) -> dict[str, float]:
    return {one["student"]: one["score"] for one in json.loads(told)["submissions"]}


@pytest.fixture
def worker(url: str, engine: Engine, tmp_path: Path) -> Iterator[RunningWorker]:
    started = RunningWorker(url, tmp_path, "worker")
    yield started
    started.end()


def wait_for(engine: Engine, query: str, wanted: object) -> None:
    """Wait until the database answers so."""
    for _ in range(1200):
        with engine.connect() as connection:
            if (found := connection.scalar(text(query))) == wanted:
                return
        time.sleep(0.1)
    raise AssertionError(f"{query}: {found!r}, not {wanted!r}")


def test_a_class_is_graded_by_a_worker_and_its_folders_have_it(
    course: Course, url: str, worker: RunningWorker
) -> None:
    for number in range(8):
        hand_in(course, f"student-{number}", str(100 + number))
    course.folder("submitted", "one", "nothing").mkdir(parents=True)
    graded = run(course, "grade", "--db", url, "--json")
    assert graded.returncode == 0, graded.stderr
    expected = {f"student-{number}": 100.0 + number for number in range(8)} | {"nothing": 0.0}
    assert scores(graded.stdout) == expected
    assert {one: found["points"] for one, found in course.scores("one").items()} == expected
    again = json.loads(run(course, "grade", "--db", url, "--json").stdout)
    here = json.loads(run(course, "grade", "--json").stdout)
    for told in (again, here):
        assert [one["student"] for one in told["submissions"] if not one["unchanged"]] == [
            "nothing"
        ]
    assert run(course, "feedback").returncode == 0
    assert (course.folder("feedback", "one", "student-0") / "one.html").is_file()


def test_what_a_real_grading_says_is_the_same_here_and_there(
    url: str, tmp_path: Path, worker: RunningWorker
) -> None:
    notebook = notebook_of(
        [
            nbgrader_cell("def double(n):\n    return 2 * n", "work"),
            nbgrader_cell("eight = double(4)", "given", locked=True),
            nbgrader_cell("assert double(1) == 2", "check", 3),
        ]
    )
    (tmp_path / "real").mkdir()
    own = f'c.RunGraders.secret_file = "{tmp_path / "secret"}"\nc.CourseDirectory.db_url = "{url}"'
    made = make_course(tmp_path / "real", CONFIG + own, GRADER, notebook)
    for student, code in {
        "right": "def double(n):\n    return n + n",
        "wrong": "def double(n):\n    return n ** 2",
        "raises": "1 / 0",
        "hostile": "import os\nos.kill(os.getppid(), 9)\ndouble = None",
    }.items():
        folder = made.folder("submitted", "one", student)
        folder.mkdir(parents=True)
        notebook.cells[0].source = code
        (folder / "one.ipynb").write_text(json.dumps(notebook))
    broken = made.folder("submitted", "one", "broken")
    broken.mkdir(parents=True)
    (broken / "one.ipynb").write_text("{")
    there = run(made, "grade", "--db", url, "--json")
    assert there.returncode == 0, there.stderr
    here = run(made, "grade", "--force", "--json")
    assert here.returncode == 0, here.stderr
    assert scores(there.stdout) == scores(here.stdout)
    assert scores(there.stdout)["right"] == 3
    assert set(scores(there.stdout).values()) == {0, 3}
    assert json.loads(there.stdout)["submissions"] == json.loads(here.stdout)["submissions"]


def test_what_cannot_be_graded_is_set_aside_with_its_reason_and_the_rest_is_graded(
    course: Course, url: str, worker: RunningWorker
) -> None:
    hand_in(course, "ana", "7")
    hand_in(course, "eva", '"fail"')
    hand_in(course, "leo", '"kill"')
    graded = run(course, "grade", "--db", url, "--json")
    assert graded.returncode == 1
    told = {one["student"]: one for one in json.loads(graded.stdout)["submissions"]}
    assert told["ana"]["score"] == 7
    assert "it fails" in told["eva"]["error"]
    assert "the process that worked on it ended" in told["leo"]["error"]
    assert "some submissions were not graded" in graded.stderr


def test_a_class_is_graded_although_the_database_restarts(
    postgres_programs: Path, tmp_path: Path
) -> None:
    with postgres.running(postgres_programs) as server:
        url = server.new_database()
        course = make_quick_course(tmp_path, url)
        for number in range(6):
            hand_in(course, f"student-{number}", "5", seconds=0.5)
        worker = RunningWorker(url, tmp_path, "worker")
        try:
            worker.wait_until_ready()
            with subprocess.Popen(
                command(course, "grade", "--db", url, "--json"), stdout=subprocess.PIPE, text=True
            ) as following:
                while not postgres.rows(url, "SELECT 1 FROM queue_result"):
                    time.sleep(0.1)
                server.stop()
                time.sleep(2)
                server.start()
                told, _none = following.communicate(timeout=180)
        finally:
            worker.end()
    assert following.returncode == 0
    assert scores(told) == {f"student-{number}": 5.0 for number in range(6)}


def test_ctrl_c_leaves_the_workers_at_work_and_attach_comes_back(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    for number in range(4):
        hand_in(course, f"student-{number}", "5")
    with subprocess.Popen(
        command(course, "grade", "--db", url), stderr=subprocess.PIPE, text=True
    ) as following:
        wait_for(engine, "SELECT count(*) FROM queue_submission", 4)
        following.send_signal(signal.SIGINT)
        _none, told = following.communicate(timeout=60)
    assert following.returncode == 130
    assert "--attach" in told
    worker = RunningWorker(url, tmp_path, "worker")
    try:
        attached = run(course, "grade", "--db", url, "--attach", "--json")
    finally:
        worker.end()
    assert attached.returncode == 0, attached.stderr
    assert scores(attached.stdout) == {f"student-{number}": 5.0 for number in range(4)}
    nothing = run(course, "grade", "--db", url, "--attach")
    assert nothing.returncode == 1
    assert "nothing of this course is queued" in nothing.stderr


def test_what_the_course_s_folders_cannot_take_stays_in_the_queue_until_they_can(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    hand_in(course, "ana", "5")
    in_the_way = course.root / "autograded"
    in_the_way.write_text("a file", encoding="utf-8")
    worker = RunningWorker(url, tmp_path, "worker")
    try:
        first = run(course, "grade", "--db", url)
        in_the_way.unlink()
        attached = run(course, "grade", "--db", url, "--attach", "--json")
    finally:
        worker.end()
    assert first.returncode == 1
    assert "grade --db URL --attach" in " ".join(first.stdout.split())
    assert scores(attached.stdout) == {"ana": 5.0}
    assert (course.root / "autograded/ana/one/one.ipynb").is_file()


def test_two_courses_with_an_assignment_of_the_same_name_are_kept_apart(
    course: Course, url: str, engine: Engine
) -> None:
    app = open_app(database_url(url))
    other = CourseBundle("another", {}, b"a version of another course")
    queue.send_bundle(engine, other)
    queue.enqueue(engine, app, other.course, other.hash, [Parcel("one", "eva", "x", "x", b"x")])
    hand_in(course, "ana", "5")
    told = run(course, "grade", "--db", url)
    assert told.returncode == 1
    assert "course 'another' has queued an assignment 'one'" in " ".join(told.stderr.split())
    assert postgres.rows(url, "SELECT count(*) FROM queue_submission") == [(1,)]


def test_a_worker_that_is_told_to_end_finishes_what_runs_and_takes_nothing_new(
    course: Course, url: str, engine: Engine, worker: RunningWorker
) -> None:
    hand_in(course, "ana", "5", seconds=3)
    hand_in(course, "eva", "6", seconds=3)
    with subprocess.Popen(command(course, "grade", "--db", url)) as following:
        wait_for(engine, "SELECT count(*) FROM queue_submission WHERE state = 'grading'", 1)
        assert worker.drain() == 0
        with engine.connect() as connection:
            states = connection.scalars(
                text("SELECT state FROM queue_submission ORDER BY id")
            ).all()
        following.kill()
    assert list(states) == ["graded", "waiting"]
    assert "stopping when what runs is finished" in worker.said()
    assert worker.said().rstrip().endswith("or by the next one")


def test_a_second_signal_ends_a_worker_at_once_and_another_one_grades_what_was_cut(
    course: Course, url: str, engine: Engine, worker: RunningWorker, tmp_path: Path
) -> None:
    hand_in(course, "ana", "5", seconds=4)
    with subprocess.Popen(command(course, "grade", "--db", url)) as following:
        wait_for(engine, "SELECT count(*) FROM queue_submission WHERE state = 'grading'", 1)
        worker.process.terminate()
        time.sleep(0.5)
        assert worker.drain(20) == 0
        wait_for(engine, "SELECT state FROM queue_submission", "waiting")
        other = RunningWorker(url, tmp_path, "other")
        try:
            assert following.wait(120) == 0
        finally:
            other.end()
    assert course.scores("one") == {"ana": {"points": 5.0}}


def test_a_worker_with_other_packages_says_so_and_so_does_the_command(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    hand_in(course, "ana", "5")
    with subprocess.Popen(
        command(course, "grade", "--db", url), stderr=subprocess.PIPE, text=True
    ) as following:
        wait_for(engine, "SELECT count(*) FROM queue_submission", 1)
        with engine.begin() as connection:
            needs = json.loads(
                connection.scalar(text("SELECT needs::text FROM queue_bundle")) or ""
            )
            connection.execute(update(Bundle).values(needs=needs | {"torch": "1.0"}))
        worker = RunningWorker(url, tmp_path, "worker")
        try:
            worker.wait_until_ready()
            assert following.stderr is not None
            told = ""
            while "does not grade" not in told:
                told = following.stderr.readline()
                assert told, "it ended"
        finally:
            worker.end()
            following.kill()
    assert re.search(r"quick, version \w{12}: torch 1\.0 is needed, [\d.+a-z]+ is here", told)
    assert "torch 1.0 is needed" in worker.said()


def test_without_a_worker_the_command_says_so(course: Course, url: str, engine: Engine) -> None:
    hand_in(course, "ana", "5")
    with subprocess.Popen(
        command(course, "grade", "--db", url), stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stderr is not None
        told = ""
        while "no worker is there" not in told:
            told = following.stderr.readline()
            assert told, "it ended"
        following.kill()


def test_a_monitoring_system_is_told_how_much_waits_and_what_was_done(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    hand_in(course, "ana", "5")
    hand_in(course, "eva", '"fail"')
    run_worker = subprocess.Popen(
        command(course, "worker", "--jobs", "1", "--metrics", "127.0.0.1:0", "--cache",
                str(tmp_path / "cache")),
        env={**os.environ, "AUTOGRADER_DB": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with run_worker as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://[\d.:]+", process.stdout.readline())
            assert "grades up to 1" in process.stdout.readline()
            assert run(course, "grade", "--db", url).returncode == 1
            metrics = read(f"{address}/metrics")
            assert read(f"{address}/health") == "ready\n"
        finally:
            process.kill()
    for line in (
        'autograder_queue_length{state="waiting",urgency="class"} 0.0',
        'autograder_queue_length{state="set_aside",urgency="class"} 1.0',
        'autograder_queue_oldest_seconds{urgency="class"} 0.0',
        "autograder_grading_seconds_count 1.0",
        'autograder_failures_total{set_aside="true"} 1.0',
        "autograder_workers 1.0",
        "autograder_queue_up 1.0",
    ):
        assert line in metrics.splitlines()
    assert re.search(r'^autograder_wall\{wall="rlimits"\} 1.0$', metrics, re.MULTILINE)


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--attach"], "--attach goes with --db alone"),
        (["--db", "postgresql:///x", "--attach", "--force"], "--attach goes with --db alone"),
        (["--db", "postgresql:///x", "--diff"], "are for this machine"),
        (["--db", ""], "--db has no value"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    course: Course, options: Sequence[str], told: str
) -> None:
    done = run(course, "grade", *options)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_worker_without_a_database_says_how_to_give_it(course: Course) -> None:
    done = run(course, "worker")
    assert done.returncode == 2
    assert "give --db, or set AUTOGRADER_DB" in done.stderr


def test_a_worker_whose_options_cannot_be_used_says_which(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    tmp_path.joinpath("file").touch()
    cache = run(course, "worker", "--db", url, "--cache", str(tmp_path / "file/cache"))
    assert cache.returncode == 1 and "give another one with --cache" in cache.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        port = run(course, "worker", "--db", url, "--metrics", place)
    assert port.returncode == 1
    assert f"--metrics {place} cannot be used" in " ".join(port.stderr.split())


def test_a_class_is_queued_although_the_database_is_away_for_a_moment(
    course: Course, url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(course, "ana", "5")
    send, tries = queue.send_bundle, []

    def away_at_first(*arguments: Any) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("", {}, ConnectionError("it restarts"))
        return send(*arguments)

    monkeypatch.setattr(queue, "send_bundle", away_at_first)
    opened = remote.open_for(course, url)
    assert list(remote.enqueue(opened, [Task("one", "ana")], lambda: False)) == [None]
    assert len(opened.numbers) == 1 and len(tries) == 2
    opened.engine.dispose()


def test_a_class_is_queued_although_the_gradebook_is_away_for_a_moment(
    course: Course, url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(course, "ana", "5")
    due, tries = Course.due, []

    def away_at_first(self: Course, *arguments: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            return Summary("one", "ana", error="it restarts", of_gradebook=True)
        return due(self, *arguments)

    monkeypatch.setattr(Course, "due", away_at_first)
    opened = remote.open_for(course, url)
    assert list(remote.enqueue(opened, [Task("one", "ana")], lambda: False)) == [None]
    assert len(opened.numbers) == 1 and len(tries) == 2
    opened.engine.dispose()


def test_under_faults_everything_is_graded_exactly_once_and_in_order(
    engine: Engine, tmp_path: Path
) -> None:
    """The small brother of ``python -m tests.bench.faults``, on hosts and a database of its own."""
    proof = prove(tmp_path, submissions=60, faults=8, workers=2, seed=3)
    assert proof.wrong == []
    assert proof.submissions == 60
    assert proof.faults.total() == 8
