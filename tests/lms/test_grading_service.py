"""What is handed in gets graded, once and rightly, whatever fails or is killed meanwhile."""

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from autograder import pool
from autograder.bridge.course import CourseError
from autograder.bridge.totals import Totals, read_totals
from autograder.lms.database import open_database, reading, writing
from autograder.lms.handins import grading
from autograder.lms.handins.attempts import MOST_BEGUN
from autograder.lms.handins.grades import extend, regrade, release
from autograder.lms.handins.grading import AlreadyServedError, GradingService
from autograder.lms.handins.handin import Upload, feedback_page
from autograder.lms.schema import Audit, Delivery, Submission
from autograder.runner.processes import descendants, has_ended
from tests.engine.processes import command_line
from tests.lms.small_class import (
    DEADLINE,
    World,
    kill,
    make_world,
    start_server,
    wait_for,
)


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    return sqlite


@pytest.fixture
def world(template: Path, tmp_path: Path, engine: Engine) -> World:
    return make_world(template, tmp_path / "course", engine)


@pytest.fixture
def running() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes that a test started, ended after it in any case."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        kill(process)


def page_of(world: World, attempt: Submission, notebook: str = "one") -> str:
    page = feedback_page(world.engine, attempt.id, notebook)
    assert page is not None
    return text_of(page)


def text_of(page: bytes) -> str:
    body = page.decode().partition("<body")[2]
    return " ".join(re.sub(r"<[^>]*>", "", body).split())


# What is handed in


def test_what_is_handed_in_is_graded_and_its_feedback_can_be_read(world: World) -> None:
    world.hand_in("ana", 7)
    world.grade()
    (attempt,) = world.rows()
    assert (attempt.state, attempt.score, attempt.maximum) == ("graded", 7.0, 10.0)
    assert attempt.counts and attempt.in_gradebook and attempt.graded == world.clock.now
    assert world.score_in_gradebook("ana") == 7.0
    assert "x = 7" in page_of(world, attempt) and "7 of 10 points" in page_of(world, attempt)


def test_nbgrader_finds_the_hand_in_as_its_own_tools_leave_it(world: World) -> None:
    world.hand_in("ana", 7)
    world.grade()
    folder = world.root / "submitted/ana/one"
    assert {path.name for path in folder.iterdir()} == {"one.ipynb", "timestamp.txt"}
    assert (folder / "one.ipynb").read_bytes() == world.notebook(7)
    with world.course.gradebook() as gradebook:
        submission = gradebook.find_submission("one", "ana")
        assert submission.timestamp.timestamp() == pytest.approx(
            world.rows()[0].received + time.timezone, abs=1
        )


def test_a_submission_of_several_notebooks_has_the_points_and_pages_of_all(world: World) -> None:
    files = [Upload(f"{name}.ipynb", world.notebook(2, "two", name)) for name in ("left", "right")]
    world.upload("ana", *files, assignment="two")
    world.grade()
    (attempt,) = world.rows()
    assert (attempt.score, attempt.maximum) == (4.0, 4.0)
    assert "left-work" in world.notebook(2, "two", "left").decode()
    assert page_of(world, attempt, "left") != page_of(world, attempt, "right")


def test_a_notebook_that_is_missing_in_the_next_attempt_earns_nothing_and_costs_nothing(
    world: World,
) -> None:
    """nbgrader leaves a penalty for being late on a notebook that is not handed in again."""
    world.set_deadline(assignment="two")
    world.clock.now = DEADLINE + 60
    files = [Upload(f"{name}.ipynb", world.notebook(2, "two", name)) for name in ("left", "right")]
    world.upload("ana", *files, assignment="two")
    world.grade()
    assert world.rows()[0].score == 2.0, "a point less for each notebook"
    world.clock.now += 60
    world.upload("ana", files[0], assignment="two")
    world.grade()
    assert world.rows()[1].score == 1.0


def test_while_the_service_runs_a_hand_in_is_graded_at_once(world: World) -> None:
    with world.service() as service:
        for number in range(3):
            world.hand_in("ana", 1 + number)
            service.wake()
            wait_for(world.is_settled)
    assert [row.score for row in world.rows()] == [1.0, 2.0, 3.0]


def test_what_another_process_has_stored_is_found_without_a_call(world: World) -> None:
    with world.service():
        world.hand_in("ana", 4)
        wait_for(world.is_settled)
    assert world.rows()[0].score == 4.0


# Attempts in order, and which of them counts


def test_attempts_of_one_student_are_graded_in_their_order_and_the_last_counts(
    world: World,
) -> None:
    for x in (9, 5, 2):
        world.hand_in("slow-1", x)
    world.grade()
    rows = world.rows()
    assert [row.score for row in rows] == [9.0, 5.0, 2.0]
    assert (
        [row.counts for row in rows] == [row.in_gradebook for row in rows] == [False, False, True]
    )
    assert [row.after for row in world.all_of(Audit)] == ["9/10", "5/10", "2/10"]
    assert world.score_in_gradebook("slow-1") == 2.0 == world.submitted_x("slow-1")


def test_an_attempt_handed_in_while_the_one_before_is_graded_comes_after_it(world: World) -> None:
    world.hand_in("slow-1", 9)
    with world.service() as service:
        wait_for(lambda: world.tries()["slow-1"])
        world.hand_in("slow-1", 3)
        service.wake()
        wait_for(world.is_settled)
    assert [(row.score, row.counts) for row in world.rows()] == [(9.0, False), (3.0, True)]
    assert world.score_in_gradebook("slow-1") == 3.0


def test_where_the_best_counts_a_better_one_is_put_back_after_a_worse_one(world: World) -> None:
    world.rules(counts="best")
    for x in (4, 9, 5):
        world.hand_in("ana", x)
        world.grade()
    rows = world.rows()
    assert [row.counts for row in rows] == [False, True, False]
    assert [row.in_gradebook for row in rows] == [False, True, False]
    assert [row.score for row in rows] == [4.0, 9.0, 5.0]
    assert world.score_in_gradebook("ana") == 9.0 == world.submitted_x("ana")
    assert "x = 9" in text_of((world.root / "feedback/ana/one/one.html").read_bytes())


def test_points_that_a_person_gave_make_an_attempt_the_best_one(world: World) -> None:
    world.rules(counts="best")
    world.hand_in("ana", 4)
    world.grade()
    world.give_by_hand("ana", 10)
    world.hand_in("ana", 5)
    world.grade()
    first, second = world.rows()
    assert first.score == 10.0
    # nbgrader keeps what a person gave to the cell, and wants it looked at again
    assert second.score == 10.0 and second.needs_person and second.counts


def test_a_kill_before_the_best_one_is_put_back_does_not_leave_the_worse_one(world: World) -> None:
    world.rules(counts="best")
    world.hand_in("ana", 9)
    world.grade()
    world.hand_in("ana", 2)
    with world.service() as service:
        service.wake()
        wait_for(lambda: world.rows()[1].state == "graded")
    # whatever was stored of the putting back, it has not ended
    with writing(world.engine) as session:
        for row in session.query(Submission):
            row.in_gradebook = row.number == 2
    world.grade()
    assert [row.in_gradebook for row in world.rows()] == [True, False]
    assert world.score_in_gradebook("ana") == 9.0


def test_a_rule_that_was_changed_holds_for_what_is_graded_already(world: World) -> None:
    for x in (9, 2):
        world.hand_in("ana", x)
        world.grade()
    assert world.score_in_gradebook("ana") == 2.0
    world.rules(counts="best")
    with world.service():
        wait_for(lambda: world.rows()[0].in_gradebook)
    assert [row.counts for row in world.rows()] == [True, False]
    assert world.score_in_gradebook("ana") == 9.0


def test_the_same_holds_where_our_tables_are_in_postgres(
    template: Path, tmp_path: Path, postgres_server: str
) -> None:
    engine = open_database(f"{postgres_server}postgres")
    world = make_world(template, tmp_path / "course", engine)
    world.rules(counts="best")
    for x in (4, 9, 5):
        world.hand_in("ana", x)
    world.hand_in("eva", 3, more="# breaks")
    world.grade()
    assert [row.in_gradebook for row in world.rows("ana")] == [False, True, False]
    assert world.score_in_gradebook("ana") == 9.0 == world.submitted_x("ana")
    assert world.rows("eva")[0].state == "failed"
    engine.dispose()


# The deadline


def test_what_is_late_gets_nbgraders_penalty_and_more_time_takes_it_away(world: World) -> None:
    world.set_deadline()
    world.clock.now = DEADLINE + 1800
    world.hand_in("ana", 7)
    world.grade()
    (late,) = world.rows()
    assert (late.score, late.penalty) == (6.0, 1.0)
    assert extend(world.engine, world.course, "one", "ana", 3600, actor="prof") == DEADLINE + 3600
    world.grade()
    (in_time,) = world.rows()
    assert (in_time.score, in_time.penalty) == (7.0, 0.0)
    assert world.score_in_gradebook("ana") == 7.0
    extend(world.engine, world.course, "one", "ana", 0, actor="prof")
    world.grade()
    assert world.rows()[0].score == 6.0


def test_more_time_that_was_given_before_counts_for_the_first_grading(world: World) -> None:
    world.set_deadline()
    extend(world.engine, world.course, "one", "ana", 7200, actor="prof")
    world.clock.now = DEADLINE + 3600
    world.hand_in("ana", 7)
    world.hand_in("luis", 7)
    world.grade()
    assert {row.student: row.score for row in world.rows()} == {"ana": 7.0, "luis": 6.0}


def test_more_time_stays_harmless_where_the_deadline_is_taken_away(world: World) -> None:
    world.set_deadline()
    extend(world.engine, world.course, "one", "ana", 7200, actor="prof")
    world.set_deadline(None)
    world.hand_in("ana", 7)
    world.grade()
    assert world.rows()[0].score == 7.0


def test_a_deadline_that_was_set_in_formgrader_grades_again_what_it_makes_late(
    world: World,
) -> None:
    world.clock.now = DEADLINE + 1800
    for student in ("ana", "luis"):
        world.hand_in(student, 7)
    with world.service() as service:
        wait_for(world.is_settled)
        assert [row.penalty for row in world.rows()] == [0.0, 0.0]
        world.set_deadline(DEADLINE + 1890)  # between the two
        service.wake()
        wait_for(lambda: [row.penalty for row in world.rows()] == [0.0, 1.0])
    assert world.tries() == {"ana": 1, "luis": 2}


def test_a_deadline_that_was_changed_while_nothing_graded_is_found_at_the_next_start(
    world: World,
) -> None:
    """As after a kill between the new deadline and what follows from it."""
    world.set_deadline()
    world.clock.now = DEADLINE + 1800
    world.hand_in("ana", 7)
    world.grade()
    assert world.rows()[0].penalty == 1.0
    world.set_deadline(DEADLINE + 3600)
    with world.service():
        wait_for(lambda: world.rows()[0].penalty == 0.0)
    assert world.score_in_gradebook("ana") == 7.0


# Grading again


def test_grading_again_takes_the_graders_as_they_are_now(world: World) -> None:
    """The process that holds the old ones is replaced."""
    with world.service(jobs=1) as service:
        world.hand_in("ana", 4)
        service.wake()
        wait_for(world.is_settled)
        before = workers(os.getpid())
        world.hand_in("ana", 5)
        service.wake()
        wait_for(world.is_settled)
        assert workers(os.getpid()) == before, "it lives on"
        (world.root / "tests/graders/one/test_one.py").write_text("# mended\n")
        (world.root / "more").write_text("2")
        assert regrade(world.engine, "one", None, "prof", counts="last") == 1
        service.wake()
        wait_for(world.is_settled)
        assert before.isdisjoint(workers(os.getpid()))
    assert [row.score for row in world.rows()] == [4.0, 7.0]
    assert world.tries()["ana"] == 3


def test_a_command_finds_nothing_to_do_again_after_the_service(world: World) -> None:
    """Also where the course has changed since its processes began, as when a deadline was set."""
    command = [sys.executable, "-m", "autograder", "--course", str(world.root), "grade", "one"]
    with world.service(jobs=1) as service:
        for x in (4, 5):
            world.hand_in("ana", x)
            service.wake()
            wait_for(world.is_settled)
            world.set_deadline()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0 and "unchanged" in done.stdout, done.stderr
    assert world.tries()["ana"] == 2


def test_where_the_last_counts_only_that_one_is_graded_again(world: World) -> None:
    for x in (9, 2):
        world.hand_in("ana", x)
        world.grade()
    (world.root / "more").write_text("1")
    assert regrade(world.engine, "one", ["ana"], "prof", counts="last") == 1
    world.grade()
    assert [row.score for row in world.rows()] == [9.0, 3.0]


def test_where_the_best_counts_grading_again_may_make_another_one_the_best(world: World) -> None:
    world.rules(counts="best")
    for x in (4, 9):
        world.hand_in("ana", x)
        world.grade()
    config = world.root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("float(given[1]) + more", "10 - float(given[1])"))
    regrade(world.engine, "one", None, "prof")
    world.grade()
    assert [(row.score, row.counts, row.in_gradebook) for row in world.rows()] == [
        (6.0, True, True),
        (1.0, False, False),
    ]
    assert world.score_in_gradebook("ana") == 6.0


def test_asking_to_grade_again_what_is_being_graded_is_not_lost(world: World) -> None:
    world.hand_in("endless-1", 4)
    with world.service(jobs=1) as service:
        wait_for(lambda: world.tries()["endless-1"])
        regrade(world.engine, "one", None, "prof")
        (world.root / "more").write_text("1")
        (world.root / "over").touch()
        (hanging,) = workers(os.getpid())
        os.kill(hanging, signal.SIGKILL)
        service.wake()
        wait_for(world.is_settled)
    assert world.rows()[0].score == 5.0


def test_new_work_goes_before_what_is_graded_again(world: World) -> None:
    students = [f"slow-{number}" for number in range(4)]
    for student in students:
        world.hand_in(student, 4)
    world.grade()
    regrade(world.engine, "one", None, "prof")
    world.hand_in("ana", 4)
    with world.service(jobs=1):
        wait_for(lambda: world.rows("ana")[0].state == "graded")
    assert sum(row.state == "received" for row in world.rows()) >= 3


# What fails


def workers(pid: int) -> set[int]:
    """The processes of the pool below a process."""
    return {one for one in descendants(pid) if "pool_worker" in command_line(one)}


def test_a_submission_that_kills_its_process_fails_and_the_rest_is_graded(world: World) -> None:
    for student in ("good-1", "dies-1", "good-2", "bad-1", "good-3"):
        world.hand_in(student, 5, more="# breaks" if student == "bad-1" else "")
    world.grade()
    found = {row.student: (row.state, row.score) for row in world.rows()}
    good = dict.fromkeys(("good-1", "good-2", "good-3"), ("graded", 5.0))
    assert found == good | dict.fromkeys(("dies-1", "bad-1"), ("failed", None))
    errors = {row.student: row.error for row in world.rows() if row.error}
    assert errors == {
        "dies-1": "the process that worked on it ended",
        "bad-1": "one/bad-1: ValueError: it breaks",
    }
    assert world.tries()["dies-1"] == world.tries()["bad-1"] == 2


def test_what_failed_is_graded_again_when_it_is_asked_for(world: World) -> None:
    world.hand_in("ana", 5, more="# breaks")
    world.grade()
    (world.root / "mended").touch()
    assert regrade(world.engine, "one", None, "prof", counts="last") == 1
    world.grade()
    (row,) = world.rows()
    assert (row.state, row.score, row.error) == ("graded", 5.0, "")


def test_the_attempt_before_counts_while_the_last_one_fails(world: World) -> None:
    world.hand_in("ana", 8)
    world.grade()
    world.hand_in("ana", 3, more="# breaks")
    world.grade()
    first, second = world.rows()
    assert (first.counts, first.in_gradebook, second.state) == (True, True, "failed")
    assert world.score_in_gradebook("ana") == 8.0 == world.submitted_x("ana")
    (world.root / "mended").touch()
    regrade(world.engine, "one", None, "prof", counts="last")
    world.grade()
    assert [row.counts for row in world.rows()] == [False, True]
    assert world.score_in_gradebook("ana") == 3.0 == world.submitted_x("ana")


def test_what_takes_the_service_down_again_and_again_comes_last_and_then_not_at_all(
    world: World,
) -> None:
    """A service that was killed does not know who did it."""
    world.hand_in("ana", 8)
    world.hand_in("eva", 8)
    with writing(world.engine) as session:
        session.execute(update(Submission).where(Submission.student == "ana").values(tries=3))
    for student in ("luis", "leo"):
        world.hand_in(student, 8)
    with world.service(jobs=1):
        wait_for(world.is_settled)
    assert (world.root / "tries").read_text().split() == ["eva", "luis", "leo", "ana"]
    world.hand_in("ana", 9)
    with writing(world.engine) as session:
        session.execute(update(Submission).where(Submission.number == 2).values(tries=MOST_BEGUN))
    world.grade()
    first, second = world.rows("ana")
    assert (first.counts, first.in_gradebook, second.state) == (True, True, "failed")
    assert "interrupted 10 times" in second.error


def test_feedback_that_cannot_be_written_does_not_cost_the_points(world: World) -> None:
    world.hand_in("speechless-1", 8)
    world.grade()
    (row,) = world.rows()
    assert (row.state, row.score) == ("graded", 8.0)
    assert row.faults == [
        "the feedback could not be written: one/speechless-1: ValueError: no words"
    ]
    assert feedback_page(world.engine, row.id, "one") is None


def test_the_gradebook_gets_the_names_that_it_does_not_have(world: World) -> None:
    world.enrol("ana", "luis")
    with world.course.gradebook() as gradebook:
        gradebook.update_or_create_student("luis", first_name="Luis")
    for student in ("ana", "luis"):
        world.hand_in(student, 8)
    world.grade()
    with world.course.gradebook() as gradebook:
        names = {one.id: (one.first_name, one.last_name) for one in gradebook.students}
    assert names == {"ana": ("Name", "of ana"), "luis": ("Luis", "of luis")}


def test_a_process_of_the_pool_that_is_killed_costs_nothing(world: World) -> None:
    for number in range(6):
        world.hand_in(f"slow-{number}", 5)
    with world.service() as service:
        wait_for(lambda: sum(world.tries().values()) >= 2)
        os.kill(min(workers(os.getpid())), signal.SIGKILL)
        wait_for(world.is_settled)
        assert service.problem == ""
    assert [row.score for row in world.rows()] == [5.0] * 6


def test_a_process_that_hangs_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_LONGEST_SECONDS", 3.0)
    world.hand_in("endless-1", 5)
    world.hand_in("ana", 5)
    world.grade()
    states = {row.student: row.state for row in world.rows()}
    assert states == {"ana": "graded", "endless-1": "failed"}


def test_processes_that_do_not_start_are_told_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_FAILED_STARTS", 2)
    monkeypatch.setattr(grading, "_RESTART_SECONDS", 0.5)
    world.hand_in("ana", 5)
    (world.root / "broken").touch()
    with world.service() as service:
        wait_for(lambda: "end when they start" in service.problem)
        (world.root / "broken").unlink()
        wait_for(world.is_settled)
        assert service.problem == ""


def test_a_gradebook_that_is_locked_holds_grading_up_and_nothing_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "_PAUSE_SECONDS", 0.5)
    lock = sqlite3.connect(world.root / "gradebook.db", check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    for student in ("ana", "luis", "eva"):
        world.hand_in(student, 5)
    with world.service() as service:
        wait_for(lambda: "locked by another program" in service.problem)
        lock.rollback()
        lock.close()
        wait_for(world.is_settled)
        assert service.problem == ""
    assert [(row.score, row.error) for row in world.rows()] == [(5.0, "")] * 3


def test_to_stop_ends_all_processes_and_the_next_start_goes_on(world: World) -> None:
    world.hand_in("endless-1", 5)
    world.hand_in("ana", 5)
    with world.service():
        wait_for(lambda: len(world.tries()) == 2 and world.rows("ana")[0].state == "graded")
        below = {below for pid in workers(os.getpid()) for below in (pid, *descendants(pid))}
        assert len(below) >= 2
    assert all(map(has_ended, below))
    assert world.rows("endless-1")[0].state == "received"
    assert world.rows("endless-1")[0].tries == 0, "to stop is no failure of the submission's"
    (world.root / "over").touch()
    world.grade()
    assert world.rows("endless-1")[0].score == 5.0


def test_the_processes_leave_the_pages_their_time(world: World) -> None:
    with world.service():
        wait_for(lambda: workers(os.getpid()))
        wait_for(
            lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == 10 for pid in workers(os.getpid()))
        )


def test_a_course_has_one_service_at_a_time(
    world: World, running: list["subprocess.Popen[bytes]"]
) -> None:
    running.append(start_server(world))
    wait_for(lambda: workers(running[0].pid))
    second = GradingService(world.engine, world.course, world.settings)
    with pytest.raises(AlreadyServedError, match=f"process {running[0].pid} grades already"):
        second.start()
    assert issubclass(AlreadyServedError, CourseError), "a command shows it as one line"
    kill(running.pop())
    second.start()
    second.stop()


# Killed


@pytest.mark.parametrize("seed", [20261007])
def test_after_kills_at_any_moment_all_is_graded_once_and_the_gradebook_agrees(
    world: World, running: list["subprocess.Popen[bytes]"], seed: int
) -> None:
    """The service is killed again and again while 30 submissions come in."""
    chance = random.Random(seed)
    world.rules(counts="best")
    config = world.root / "nbgrader_config.py"
    config.write_text(config.read_text() + 'c.Serve.counts = "best"\n')
    students = [f"{chance.choice(['good', 'slow'])}-{number}" for number in range(12)]
    points: dict[str, list[float]] = {student: [] for student in students}
    handed_in = 0
    kills = 0
    while handed_in < 30 or kills < 6:
        running.append(start_server(world))
        until = time.monotonic() + chance.choice([0.5, 2.5, 3.5, 4.5, 6.0])
        while time.monotonic() < until:
            if handed_in < 30:
                student = students[handed_in % len(students)]
                x = chance.randint(1, 9) + handed_in / 100
                world.hand_in(student, x)
                points[student].append(x)
                handed_in += 1
            time.sleep(chance.uniform(0.0, 0.4))
        below = descendants(running[-1].pid)
        kill(running.pop())
        kills += 1
        wait_for(partial(_all_have_ended, below), 10)
    running.append(start_server(world))
    wait_for(world.is_settled, 240)
    kill(running.pop())
    for student in students:
        rows = world.rows(student)
        assert [row.score for row in rows] == points[student]
        assert [row.error for row in rows] == [""] * len(rows)
        best = max(points[student])
        assert [row.counts for row in rows] == [x == best for x in points[student]]
        assert world.score_in_gradebook(student) == best == world.submitted_x(student)
        for row, x in zip(rows, points[student], strict=True):
            assert f"x = {x}" in page_of(world, row)
    assert not list((world.root / "submitted").glob(".hand-in-*"))
    with sqlite3.connect(world.root / "gradebook.db") as base:
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _all_have_ended(processes: list[int]) -> bool:
    return all(map(has_ended, processes))


# A person's points and comments


def test_what_a_person_gave_is_on_the_page_once_it_is_released(world: World) -> None:
    world.enrol("ana")
    world.hand_in("ana", 4)
    world.grade()
    release(world.engine, world.course, world.settings, "one", actor="prof")
    assert not world.rows()[0].feedback_due, "nothing has changed since it was graded"
    world.give_by_hand("ana", 9, "Well argued.")
    assert "Well argued." not in page_of(world, world.rows()[0])
    with world.service() as service:
        release(world.engine, world.course, world.settings, "one", actor="prof")
        service.wake()
        wait_for(world.is_settled)
    (row,) = world.rows()
    assert "Well argued." in page_of(world, row) and "9 of 10 points" in page_of(world, row)
    assert row.score == 9.0 and world.tries()["ana"] == 1, "it was not graded again"
    world.give_by_hand("ana", 9)
    release(world.engine, world.course, world.settings, "one", actor="prof")
    world.grade()
    assert "Well argued." not in page_of(world, world.rows()[0]), "a comment can be taken back"


def test_the_page_gets_a_persons_words_before_the_next_attempt_is_graded(world: World) -> None:
    world.enrol("ana")
    world.hand_in("ana", 4)
    world.grade()
    world.give_by_hand("ana", 9, "Well argued.")
    release(world.engine, world.course, world.settings, "one", actor="prof")
    world.hand_in("ana", 5)
    world.grade()
    first, second = world.rows()
    assert "Well argued." in page_of(world, first) and "x = 4" in page_of(world, first)
    assert "x = 5" in page_of(world, second)


def test_a_word_that_is_written_while_the_page_is_written_is_on_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.enrol("ana")
    world.hand_in("ana", 4)
    world.grade()
    world.give_by_hand("ana", 9, "First word.")
    release(world.engine, world.course, world.settings, "one", actor="prof")

    def later(*arguments: Any) -> Totals:
        monkeypatch.undo()
        world.give_by_hand("ana", 9, "Last word.")
        return read_totals(*arguments)

    monkeypatch.setattr("autograder.lms.handins.grading.read_totals", later)
    world.grade()
    assert "Last word." in page_of(world, world.rows()[0])


def test_a_kill_while_grades_are_released_leaves_each_whole_or_not_at_all(
    world: World,
) -> None:
    students = [f"s-{number}" for number in range(6)]
    world.enrol(*students)
    for student in students:
        world.hand_in(student, 5)
    world.grade()
    code = """
import os, signal, sys
from pathlib import Path
from autograder.bridge.course import Course
from autograder.lms.handins import grades
from autograder.lms.services import outbox
from autograder.lms.database import open_database
from autograder.lms.settings import serve_settings
grades._STUDENTS_AT_ONCE = 2
own, count = outbox.release, [0]
def counting(*arguments):
    own(*arguments)
    count[0] += 1
    if count[0] == 4:
        os.kill(os.getpid(), signal.SIGKILL)
outbox.release = counting
course = Course(Path(sys.argv[1]))
grades.release(open_database(sys.argv[2]), course, serve_settings(course), "one", actor="prof")
"""
    url = world.engine.url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", code, str(world.root), url], check=False)
    assert done.returncode == -signal.SIGKILL
    assert {row.user for row in world.all_of(Delivery)} == {"sub-s-0", "sub-s-1"}
    report = release(world.engine, world.course, world.settings, "one", actor="prof")
    assert (len(report.released), len(report.unchanged), report.queued) == (4, 2, 4)
    with reading(world.engine) as session:
        sent = session.query(Delivery).all()
    assert {row.user: (row.given, row.release) for row in sent} == {
        f"sub-{student}": (5.0, 1) for student in students
    }
