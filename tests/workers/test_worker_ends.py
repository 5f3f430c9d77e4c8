"""How a worker ends, and what it does when a moment is bad or what it has to store is."""

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from autograder.bridge.course import Course
from autograder.workers import metrics, queue
from autograder.workers import worker as workers
from autograder.workers.bundle import CourseBundle
from autograder.workers.database import database_url, open_app
from autograder.workers.queue import MOST_FAILURES, Graded, Parcel, Taken
from autograder.workers.schema import Submission
from autograder.workers.slots import EndedError, Slots
from autograder.workers.worker import GradingWorker
from tests.postgres import rows
from tests.workers.quick_course import hand_in
from tests.workers.running import DEAD_SECONDS, RunningWorker, end_all
from tests.workers.test_workers import command, wait_for

BUNDLE: Final = CourseBundle("course", {}, b"a version of a course")
SOON: Final = 1.0
"""After so many seconds of silence the workers of this process are dead."""
_LONGEST_SECONDS: Final = 30


def queue_one(engine: Engine, url: str, student: str, content: str = "first") -> int:
    queue.send_bundle(engine, BUNDLE)
    parcel = Parcel("one", student, content, content, content.encode())
    app = open_app(database_url(url))
    (number,) = queue.enqueue(engine, app, BUNDLE.course, BUNDLE.hash, [parcel])
    return number


def row_of(engine: Engine, number: int) -> Submission:
    with Session(engine, expire_on_commit=False) as session:
        return session.get_one(Submission, number)


@pytest.fixture
def here(engine: Engine, url: str, tmp_path: Path) -> GradingWorker:
    """A worker that this process is to be."""
    return GradingWorker(engine, database_url(url), tmp_path / "cache", jobs=2, dead_seconds=SOON)


def terminate(times: int = 1) -> None:
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def not_for_ever() -> Iterator[None]:
    """Raise where a worker does not end."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("the worker does not end")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(_LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def work_until(worker: GradingWorker, done: Callable[[], bool]) -> None:
    """Have this process be a worker until something is so, then tell it to end."""
    given_up = time.monotonic() + _LONGEST_SECONDS / 2

    def see() -> None:
        while not done() and time.monotonic() < given_up:
            time.sleep(0.05)
        terminate()

    seeing = threading.Thread(target=see)
    with not_for_ever():
        seeing.start()
        worker.run()
    seeing.join()
    assert done()


def grade_with(monkeypatch: pytest.MonkeyPatch, grade: Callable[[Taken], Graded]) -> None:
    """Grade so, without a course."""
    monkeypatch.setattr(Slots, "grade", lambda slots, taken: grade(taken))


def graded(taken: Taken) -> Graded:
    return Graded({"assignment": "one", "student": taken.student, "score": 3.0})


def open_apps_that(monkeypatch: pytest.MonkeyPatch, change: Callable[[App], None]) -> None:
    """Change what the worker opens to procrastinate."""

    def changed(*arguments: Any) -> App:
        app = open_app(*arguments)
        change(app)
        return app

    monkeypatch.setattr(workers, "open_app", changed)


def opened_struck_by(monkeypatch: pytest.MonkeyPatch, signals: int) -> None:
    """Have SIGTERM come while a worker opens its connections."""

    def change(app: App) -> None:
        opened = app.open_async

        @asynccontextmanager
        async def struck() -> AsyncIterator[App]:
            async with opened():
                terminate(signals)
                await asyncio.sleep(0.2)  # so that the worker hears of it
                yield app

        monkeypatch.setattr(app, "open_async", struck)

    open_apps_that(monkeypatch, change)


# Told to end


def test_a_worker_that_ends_lives_until_its_last_grading_is_done_however_long_that_takes(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    hand_in(course, "ana", "5", seconds=4 * DEAD_SECONDS)
    first = RunningWorker(url, tmp_path, "first")
    both = [first]
    with subprocess.Popen(command(course, "grade", "--db", url)) as following:
        try:
            wait_for(engine, "SELECT count(*) FROM queue_submission WHERE state = 'grading'", 1)
            both.append(RunningWorker(url, tmp_path, "other"))
            assert first.drain() == 0
        finally:
            end_all(both)
            following.kill()
    assert rows(url, "SELECT state, lease, interruptions FROM queue_submission") == [
        ("graded", 1, 0)
    ]
    assert "went to another worker" not in first.said()


def test_what_a_killed_worker_had_is_graded_by_another_one_which_tells_so(
    course: Course, url: str, engine: Engine, tmp_path: Path
) -> None:
    hand_in(course, "ana", "5", seconds=2)
    both = [RunningWorker(url, tmp_path, "first"), RunningWorker(url, tmp_path, "other")]
    with subprocess.Popen(command(course, "grade", "--db", url)) as following:
        try:
            wait_for(engine, "SELECT count(*) FROM queue_submission WHERE state = 'grading'", 1)
            ((name,),) = rows(url, "SELECT worker FROM queue_submission")
            dead, other = sorted(both, key=lambda one: not name.endswith(f":{one.process.pid}"))
            dead.kill()
            assert following.wait(60) == 0
        finally:
            end_all(both)
            following.kill()
    assert "workers have said nothing for" in other.said()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_worker_ends_although_it_was_told_to_while_it_opened_its_connections(
    engine: Engine, url: str, here: GradingWorker, monkeypatch: pytest.MonkeyPatch, signals: int
) -> None:
    number = queue_one(engine, url, "ana")
    grade_with(monkeypatch, graded)
    opened_struck_by(monkeypatch, signals)
    with not_for_ever():
        here.run()
    row = row_of(engine, number)
    assert (row.state, row.lease) == ("waiting", 0)


def test_a_ticket_that_comes_when_the_worker_is_told_to_end_is_left_to_others(
    engine: Engine, url: str, here: GradingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = queue_one(engine, url, "ana")
    grade_with(monkeypatch, graded)

    def change(app: App) -> None:
        fetch = app.job_manager.fetch_job

        async def struck(**arguments: Any) -> Any:
            job = await fetch(**arguments)
            if job is not None:
                terminate()
                await asyncio.sleep(0.2)
            return job

        monkeypatch.setattr(app.job_manager, "fetch_job", struck)

    open_apps_that(monkeypatch, change)
    with not_for_ever():
        here.run()
    row = row_of(engine, number)
    assert (row.state, row.lease) == ("waiting", 0)
    assert rows(url, "SELECT status::text FROM procrastinate_jobs") == [("todo",)]


# A bad moment


def test_a_worker_that_misses_the_database_for_a_moment_stays_healthy_and_takes_more(
    engine: Engine, url: str, here: GradingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queue_one(engine, url, "ana"), 0
    began, seconds = threading.Event(), 4 * SOON
    seen: list[bool] = []
    failures = 2
    waiting = queue.bundles_waiting

    def sometimes(engine: Engine) -> dict[str, tuple[str, dict[str, str]]]:
        nonlocal failures
        if began.is_set() and failures:
            failures -= 1
            raise OperationalError("SELECT", {}, Exception("the connection is gone"))
        return waiting(engine)

    def grade(taken: Taken) -> Graded:
        nonlocal second
        if taken.student == "ana":
            began.set()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.1)
                seen.append(here.is_healthy())
                if not failures and not second:
                    second = queue_one(engine, url, "eva")
            assert row_of(engine, second).state == "graded"
        return graded(taken)

    monkeypatch.setattr(queue, "bundles_waiting", sometimes)
    grade_with(monkeypatch, grade)
    work_until(here, lambda: row_of(engine, first).state in ("graded", "set aside"))
    assert row_of(engine, first).state == "graded"
    assert row_of(engine, first).lease == 1
    assert all(seen)


def test_a_student_goes_on_although_the_end_of_the_last_ticket_could_not_be_stored(
    engine: Engine, url: str, here: GradingWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = queue_one(engine, url, "ana")
    away = True

    def change(app: App) -> None:
        finish = app.job_manager.finish_job

        async def at_times(*arguments: Any, **options: Any) -> None:
            nonlocal away
            if away:
                away = False
                raise ConnectorException("the database is away")
            await finish(*arguments, **options)

        monkeypatch.setattr(app.job_manager, "finish_job", at_times)

    open_apps_that(monkeypatch, change)
    grade_with(monkeypatch, graded)
    second = 0

    def next_is_graded() -> bool:
        nonlocal second
        if not second and not away:
            second = queue_one(engine, url, "ana", "second")
        return bool(second) and row_of(engine, second).state == "graded"

    work_until(here, next_is_graded)
    assert row_of(engine, first).lease == 1


# What cannot be stored


def test_a_reason_is_kept_whatever_characters_it_has(
    engine: Engine,
    url: str,
    here: GradingWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    number = queue_one(engine, url, "ana")

    def grade(taken: Taken) -> Graded:
        raise EndedError("it ended\0with half a character\udcff, and so on")

    grade_with(monkeypatch, grade)
    work_until(here, lambda: row_of(engine, number).state == "set aside")
    row = row_of(engine, number)
    assert row.error == "EndedError: it ended with half a character , and so on"
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert (row.failures, row.interruptions) == (MOST_FAILURES, 0)


@pytest.mark.parametrize("summary", [{"score": float("nan")}, {"note": float("inf")}])
def test_a_result_that_the_database_refuses_is_set_aside_with_that_reason(
    engine: Engine, url: str, here: GradingWorker, monkeypatch: pytest.MonkeyPatch,
    summary: dict[str, Any],
) -> None:  # fmt: skip
    number, other = queue_one(engine, url, "ana"), queue_one(engine, url, "eva")
    grade_with(monkeypatch, lambda taken: (
        Graded(summary) if taken.student == "ana" else graded(taken)
    ))  # fmt: skip
    work_until(here, lambda: row_of(engine, number).state == "set aside")
    row = row_of(engine, number)
    assert "what came of it cannot be stored: invalid input syntax for type json" in row.error
    assert (row.failures, row.interruptions) == (MOST_FAILURES, 0)
    assert row_of(engine, other).state == "graded"


# What it tells


@pytest.mark.parametrize(("address", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_health_is_told_on_either_kind_of_address(
    engine: Engine, address: str, written: str
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, 0), family=family).close()
    except OSError as error:
        pytest.skip(f"this machine has no {address}: {error}")
    server = metrics.serve(metrics.Metrics(engine, {}, SOON), address, 0, lambda: True)
    try:
        url = f"http://{written}:{server.server_port}/health"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read() == b"ready\n"
    finally:
        server.shutdown()
        server.server_close()
