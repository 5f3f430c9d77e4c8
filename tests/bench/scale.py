"""What the queue costs, and where it bends: ``python -m tests.bench.scale [--quick]``.

1. *Each step*: milliseconds to queue, to fetch and to store a submission, with an empty queue and
   with 100,000 waiting.
2. *Real workers*: the course's own graders on correct submissions, with one worker of one place and
   of two, and with two workers of one place: how much of the time of a place is grading, Postgres's
   CPU for each, and a worker's memory. Then what it takes the course's own machine to queue a
   submission and, when all are graded, to put what came of one into its folders.
3. *Simulated workers*: 10, 100 and 1,000 that sleep instead of grading, and ask every two seconds
   what waits, as workers do: how many of the submissions that they could take they get, and
   Postgres's CPU. The many sleep longer, since all of them share this machine with Postgres.

Figures are for comparison within a run: machines differ, and this one does other work.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Final

from sqlalchemy import Engine, create_engine, text

from autograder.bridge.course import Course
from autograder.pool import Task
from autograder.runner.processes import descendants
from autograder.workers import queue, remote
from autograder.workers.bundle import CourseBundle
from autograder.workers.database import database_url, open_app, open_queue
from autograder.workers.queue import Parcel
from tests import postgres
from tests.bench.courses import Template, class_of
from tests.bench.job import megabytes
from tests.workers.running import RunningWorker
from tests.workers.server import Server, server_running

_BUNDLE: Final = CourseBundle("course", {}, b"a version of a course")
_PARCEL_BYTES: Final = 20_000
"""About what a notebook of this course takes when it is compressed."""
_RESULT_BYTES: Final = 40_000
_SLEEPS: Final = {10: 1.0, 100: 2.0, 1000: 20.0}
"""How long each of so many simulated workers sleeps instead of grading."""
_LOOK_SECONDS: Final = 2.0
_SIMULATING: Final = 4
"""Processes among which simulated workers are divided: the threads of one wait for each other."""
_SAMPLE_SECONDS: Final = 0.5
_ASSIGNMENT: Final = "gradientes"
_WARM: Final = 4
"""Submissions for each worker that are graded before it is measured: its process is there then."""
_FETCH: Final = text(
    "SELECT id, args->>'student' FROM procrastinate_fetch_job_v2(CAST(:queues AS varchar[]), NULL)"
)
_END: Final = text("SELECT procrastinate_finish_job_v1(:job, 'succeeded', true)")


@dataclass
class Step:
    """The cost of one submission, milliseconds, the median of many."""

    waiting: int
    queue: float = 0.0
    fetch: float = 0.0
    take: float = 0.0
    finish: float = 0.0
    end: float = 0.0


@dataclass
class Real:
    """A class graded by real workers."""

    workers: int
    places: int
    """Of each worker."""
    submissions: int
    seconds: float
    grading_share: float
    """Of the time of all places, from the first fetch to the last result."""
    database_ms: float
    """Postgres's CPU for each submission."""
    worker_mib: float
    """The memory of one worker and all its processes, at its largest: what they share counts once
    (proportional set size)."""
    queue_ms: float
    """From the course's folder into the queue, for each submission."""
    collect_ms: float
    """From the queue into the course's folder, for each submission."""


@dataclass
class Simulated:
    """Workers that sleep instead of grading."""

    workers: int
    wanted: float
    """Submissions a second that they could take."""
    got: float
    fetch_ms: float
    """The median time from asking for a submission to having it."""
    database_cores: float
    own_cores: float
    """What the simulation itself took."""


@dataclass
class Figures:
    """All of it."""

    steps: list[Step] = field(default_factory=list)
    real: list[Real] = field(default_factory=list)
    simulated: list[Simulated] = field(default_factory=list)


class Desk:
    """A queue, and what a worker does with it without grading."""

    def __init__(self, url: str) -> None:
        self.engine = open_queue(database_url(url))
        self.app = open_app(database_url(url))
        self.url = url
        queue.send_bundle(self.engine, _BUNDLE)
        self._count = 0

    def enqueue(self, count: int) -> float:
        """Queue so many; milliseconds for each."""
        began = time.perf_counter()
        content = bytes(_PARCEL_BYTES)
        for start in range(0, count, 50):
            names = [f"student-{self._count + number}" for number in range(min(50, count - start))]
            self._count += len(names)
            parcels = [Parcel("one", name, name, name, content) for name in names]
            queue.enqueue(self.engine, self.app, _BUNDLE.course, _BUNDLE.hash, parcels)
        return 1000 * (time.perf_counter() - began) / count

    def fill(self, count: int) -> None:
        """Have so many more wait, by SQL, of students of their own."""
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO queue_submission (course, bundle, assignment, student, inputs, "
                    "stamp, time, urgency, turn, facts, content, queued, state, lease, "
                    "interruptions, failures, error, worker, collected) "
                    "SELECT 'course', :bundle, 'one', 'other-' || n, 'x' || n, 'x', 1, 0, 1000 + n,"
                    " '{}', 'x', 0, 'waiting', 0, 0, 0, '', '', false "
                    "FROM generate_series(1, :count) AS n"
                ),
                {"bundle": _BUNDLE.hash, "count": count},
            )
            connection.execute(
                text(
                    "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args) "
                    "SELECT :queue, :task, -1000 - n, 'course' || chr(10) || 'other-' || n, "
                    "jsonb_build_object('course', 'course', 'student', 'other-' || n) "
                    "FROM generate_series(1, :count) AS n"
                ),
                {"queue": queue.name_of(_BUNDLE.hash), "task": queue.TASK, "count": count},
            )
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("ANALYZE")

    def fetch(self, engine: Engine) -> tuple[int, str] | None:
        with engine.begin() as connection:
            row = connection.execute(_FETCH, {"queues": [queue.name_of(_BUNDLE.hash)]}).one()
        return None if row[0] is None else (row[0], row[1])

    def end(self, engine: Engine, job: int) -> None:
        with engine.begin() as connection:
            connection.execute(_END, {"job": job})

    def serve(
        self, engine: Engine, work: Callable[[], None], times: dict[str, list[float]]
    ) -> bool:
        """Do as a worker does; whether there was something to do."""
        marks = [time.perf_counter()]

        def mark(name: str) -> None:
            marks.append(time.perf_counter())
            times[name].append(1000 * (marks[-1] - marks[-2]))

        found = self.fetch(engine)
        mark("fetch")
        if found is None:
            return False
        job, student = found
        taken = queue.take(
            engine, job, course="course", student=student, worker="here", bundles={_BUNDLE.hash}
        )
        mark("take")
        assert taken is not None
        work()
        marks.append(time.perf_counter())
        queue.finish(engine, taken, {"score": 1.0}, bytes(_RESULT_BYTES), "here")
        mark("finish")
        self.end(engine, job)
        mark("end")
        return True


def _times() -> dict[str, list[float]]:
    return {name: [] for name in ("fetch", "take", "finish", "end")}


def _step(server: Server, waiting: int, count: int) -> Step:
    desk = Desk(server.new_database())
    made = Step(waiting)
    made.queue = desk.enqueue(count)
    if waiting:
        desk.fill(waiting)
    times = _times()
    for _ in range(count):
        desk.serve(desk.engine, lambda: None, times)
    for name, values in times.items():
        setattr(made, name, statistics.median(values))
    desk.engine.dispose()
    return made


def _simulate(server: Server, workers: int, rounds: int) -> Simulated:
    """Have threads do as workers do, each with a connection of its own, in a few processes."""
    sleeps = _SLEEPS[workers]
    url = server.new_database()
    desk = Desk(url)
    desk.enqueue(workers * (rounds + 1))
    desk.engine.dispose()
    count = min(workers, _SIMULATING)
    parts = [range(first, workers, count) for first in range(count)]
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager:
        ready = manager.Barrier(count + 1)
        with ProcessPoolExecutor(count, spawn) as pool:
            running = [
                pool.submit(
                    _simulated,
                    url,
                    part,
                    workers=workers,
                    sleeps=sleeps,
                    seconds=rounds * sleeps,
                    ready=ready,
                )
                for part in parts
            ]
            ready.wait()
            before, began = server.cpu_seconds(), time.perf_counter()
            ended = [one.result() for one in running]
            took = time.perf_counter() - began - sleeps  # not all had begun, or not all ended
            cpu = server.cpu_seconds() - before
    fetches = [value for fetched, _cpu in ended for value in fetched]
    return Simulated(
        workers, workers / sleeps, len(fetches) / took, statistics.median(fetches), cpu / took,
        sum(own for _fetched, own in ended) / took,
    )  # fmt: skip


def _simulated(
    url: str, numbers: range, *, workers: int, sleeps: float, seconds: float, ready: Barrier
) -> tuple[list[float], float]:
    """Be some of the simulated workers.

    Returns:
        How long each fetch of a submission took, in milliseconds, and the processor's time for all
        of it, in seconds.
    """
    desk = Desk(url)
    engines = [create_engine(desk.engine.url, pool_size=1, max_overflow=0) for _ in numbers]
    for engine in engines:
        engine.connect().close()
    times = [_times() for _ in numbers]
    ready.wait()
    before = time.process_time()
    until = time.perf_counter() + sleeps + seconds

    def work(number: int, engine: Engine, mine: dict[str, list[float]]) -> None:
        time.sleep(sleeps * number / workers)  # they did not begin in the same moment

        def sleep() -> None:
            end = time.perf_counter() + sleeps
            while (left := end - time.perf_counter()) > 0:
                queue.bundles_waiting(engine)
                time.sleep(min(left, _LOOK_SECONDS))

        while time.perf_counter() < until and desk.serve(engine, sleep, mine):
            pass

    threads = [
        threading.Thread(target=work, args=one) for one in zip(numbers, engines, times, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - before
    for engine in (*engines, desk.engine):
        engine.dispose()
    return [value for one in times for value in one["fetch"][: len(one["end"])]], cpu


def _real(server: Server, folder: Path, workers: int, places: int, submissions: int) -> Real:
    """Grade a class of correct submissions of this course."""
    folder.mkdir()
    url = server.new_database()
    course, students = _class(folder, url, submissions)
    opened = remote.open_for(course, url)
    running = [
        RunningWorker(url, folder, f"worker-{number}", jobs=places) for number in range(workers)
    ]
    try:
        for one in running:
            one.wait_until_ready()
        warm = _WARM * workers * places
        _queue(opened, students[:warm])
        _collect(opened)
        before, began = server.cpu_seconds(), time.perf_counter()
        queued = _queue(opened, students[warm:])
        memory = _wait(url, running[0].process.pid, submissions)
        took = time.perf_counter() - began
        cpu = server.cpu_seconds() - before
        collected = _collect(opened)
    finally:
        for one in running:
            one.end()
        opened.engine.dispose()
    done = submissions - warm
    ((grading,),) = postgres.rows(
        url,
        "SELECT sum(seconds) FROM (SELECT seconds FROM queue_result "
        f"ORDER BY submission_id DESC LIMIT {done}) AS last",
    )
    return Real(
        workers, places, done, took, float(grading) / (took * workers * places),
        1000 * cpu / done, memory, 1000 * queued / done, 1000 * collected / done,
    )  # fmt: skip


def _class(folder: Path, url: str, submissions: int) -> tuple[Course, list[str]]:
    """The course with its gradebook in the database, and so many who hand in."""
    template = Template(folder, "ours", f"c.CourseDirectory.db_url = {url!r}")
    students = class_of(_ASSIGNMENT, submissions)
    root = template.copy(students)
    return Course(root), [student.name for student in students]


def _queue(opened: remote.Queue, students: list[str]) -> float:
    """Queue their submissions; seconds."""
    opened.numbers = []
    began = time.perf_counter()
    tasks = [Task(_ASSIGNMENT, student) for student in students]
    for _ in remote.enqueue(opened, tasks, lambda: False):
        pass
    assert len(opened.numbers) == len(students)
    return time.perf_counter() - began


def _wait(url: str, worker: int, count: int) -> float:
    """Wait until so many are graded; the largest memory of a worker meanwhile, MiB."""
    graded = "SELECT count(*) FROM queue_submission WHERE state IN ('graded', 'set aside')"
    peak = 0.0
    while int(postgres.rows(url, graded)[0][0]) < count:
        peak = max(peak, sum(map(megabytes, [worker, *descendants(worker)])))
        time.sleep(_SAMPLE_SECONDS)
    return peak


def _collect(opened: remote.Queue) -> float:
    """Put what came of them into the course's folders; seconds."""
    began = time.perf_counter()
    done = [one for one in remote.follow(opened, lambda: False, print) if one is not None]
    assert len(done) == len(opened.numbers) and not [one.error for one in done if one.error]
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few of each, to try it")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    wanted = parser.parse_args()
    figures = Figures()
    with (
        server_running(settings=("-c", "max_connections=1100")) as server,
        tempfile.TemporaryDirectory(prefix="autograder-scale-") as folder,
    ):
        for waiting in (0, 100_000):
            figures.steps.append(_step(server, waiting, 100 if wanted.quick else 1000))
            print(figures.steps[-1])
        for workers, rounds in (
            ((10, 5), (100, 2)) if wanted.quick else ((10, 20), (100, 10), (1000, 2))
        ):
            figures.simulated.append(_simulate(server, workers, rounds))
            print(figures.simulated[-1])
        for workers, places in ((1, 1), (1, 2), (2, 1)):
            own = Path(folder, f"{workers}-{places}")
            figures.real.append(_real(server, own, workers, places, 20 if wanted.quick else 200))
            print(figures.real[-1])
    if wanted.json:
        wanted.json.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
