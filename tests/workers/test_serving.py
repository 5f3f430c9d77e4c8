"""Attempts from an LMS that workers grade: what a student and a teacher get is the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.lms.database import open_database
from autograder.lms.handins.grades import release
from autograder.lms.handins.handin import feedback_page
from autograder.workers import queue, remote
from autograder.workers.serving import serving
from tests.lms.small_class import CONFIG, DEADLINE, World, make_template, wait_for
from tests.postgres import execute, rows
from tests.workers.running import RunningWorker

_OWN_GRADEBOOK = next(line for line in CONFIG.splitlines() if "db_url" in line)


@pytest.fixture
def world(tmp_path: Path, url: str) -> Iterator[World]:
    """The course with its gradebook, the attempts and the queue in one Postgres."""
    here = (
        f'c.CourseDirectory.db_url = "{url}"\nc.CourseDirectory.course_id = "small"\n'
        f'c.RunGraders.secret_file = "{tmp_path / "secret"}"'
    )
    (tmp_path / "course").mkdir()
    root = make_template(tmp_path / "course", CONFIG.replace(_OWN_GRADEBOOK, here))
    engine = open_database(url)
    made = World(root, engine)
    opened = remote.open_for(made.course, url)
    made.graded_by = serving(opened)
    yield made
    opened.engine.dispose()
    engine.dispose()


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Iterator[RunningWorker]:
    url = world.engine.url.render_as_string(hide_password=False)
    started = RunningWorker(url, tmp_path, "worker")
    yield started
    started.end()


def page_of(world: World) -> str:
    """The feedback of the first attempt."""
    page = feedback_page(world.engine, world.rows()[0].id, "one")
    assert page is not None
    return page.decode()


def queued_without_a_worker(world: World) -> str:
    """Have an attempt queued by a service that then stops; the database's URL."""
    url = world.engine.url.render_as_string(hide_password=False)
    world.hand_in("ana", 7)
    with world.service():
        wait_for(lambda: rows(url, "SELECT count(*) FROM queue_submission") == [(1,)], 60)
    return url


def test_an_attempt_is_graded_by_a_worker_and_its_feedback_is_there(
    world: World, worker: RunningWorker
) -> None:
    world.set_deadline(DEADLINE)
    world.hand_in("ana", 7)
    with world.service():
        wait_for(world.is_settled)
    (row,) = world.rows()
    assert (row.state, row.score, row.maximum, row.counts) == ("graded", 7.0, 10.0, True)
    assert world.score_in_gradebook("ana") == 7.0
    assert world.submitted_x("ana") == 7.0
    assert (world.root / "autograded/ana/one/one.ipynb").is_file()
    assert not list((world.root / "autograded/ana/one").glob(".autograder*"))
    assert "one: 7 of 10 points" in page_of(world)
    assert world.course.is_current("one", "ana")


def test_what_is_late_has_its_penalty(world: World, worker: RunningWorker) -> None:
    world.set_deadline(DEADLINE)
    world.clock.now = DEADLINE + 3600
    world.rules(late="accept")
    world.hand_in("ana", 7)
    with world.service():
        wait_for(world.is_settled)
    (row,) = world.rows()
    assert (row.score, row.penalty, row.late_seconds) == (6.0, 1.0, 3660.0)


def test_the_gradebook_has_the_best_attempt_where_that_counts(
    world: World, worker: RunningWorker
) -> None:
    world.rules(counts="best")
    world.hand_in("ana", 7)
    world.hand_in("ana", 3)
    with world.service():
        wait_for(world.is_settled, 180)
    assert [row.score for row in world.rows("ana")] == [7.0, 3.0]
    assert world.score_in_gradebook("ana") == 7.0
    assert world.submitted_x("ana") == 7.0


def test_an_attempt_whose_grading_fails_is_told_to_the_teacher(
    world: World, worker: RunningWorker
) -> None:
    world.hand_in("ana", 7, more="# breaks")
    with world.service():
        wait_for(lambda: world.rows()[0].state == "failed", 180)
    assert "it breaks" in world.rows()[0].error


def test_what_was_queued_before_a_stop_is_graded_once_after_the_next_start(
    world: World, tmp_path: Path
) -> None:
    url = queued_without_a_worker(world)
    worker = RunningWorker(url, tmp_path, "worker")
    try:
        with world.service():
            wait_for(world.is_settled)
    finally:
        worker.end()
    assert rows(url, "SELECT count(*) FROM queue_submission") == [(1,)]
    assert world.score_in_gradebook("ana") == 7.0


def test_the_queue_lets_go_of_an_attempt_only_when_its_score_is_stored(
    world: World, worker: RunningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect, states = queue.collect, []

    def notice(*arguments: Any) -> None:
        states.append(world.rows()[0].state)
        collect(*arguments)

    monkeypatch.setattr(queue, "collect", notice)
    world.hand_in("ana", 7)
    with world.service():
        wait_for(lambda: bool(states), 180)
    assert states == ["graded"]


def test_an_attempt_that_waits_in_a_version_that_nobody_grades_is_queued_anew(
    world: World, tmp_path: Path
) -> None:
    url = queued_without_a_worker(world)
    execute(
        url,
        """
        INSERT INTO queue_bundle (hash, course, needs, content, created)
        SELECT 'old', course, '{"torch": "0.1"}', content, created FROM queue_bundle;
        UPDATE queue_submission SET bundle = 'old', inputs = 'old';
        UPDATE procrastinate_jobs SET queue_name = 'old'
        """,
    )
    worker = RunningWorker(url, tmp_path, "worker")
    try:
        with world.service():
            wait_for(world.is_settled, 180)
    finally:
        worker.end()
    assert world.score_in_gradebook("ana") == 7.0


def test_what_a_person_gives_is_shown_without_a_worker(world: World, worker: RunningWorker) -> None:
    world.enrol("ana")
    world.hand_in("ana", 4)
    with world.service() as service:
        wait_for(world.is_settled)
        worker.end()
        world.give_by_hand("ana", 9, "Well argued.")
        release(world.engine, world.course, world.settings, "one", actor="prof")
        service.wake()
        wait_for(world.is_settled)
    assert "Well argued." in page_of(world)
    assert world.rows()[0].score == 9.0
