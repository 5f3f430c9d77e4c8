"""Grades thousands of submissions while machines, the database and the network fail.

``python -m tests.bench.faults [--submissions 3000] [--faults 100] [--workers 4] [--seed 1]``

Each worker is a host of its own: a network namespace, whose cable can be pulled. At random moments
a worker is killed, frozen for longer than it takes to be given up, drained; a process that grades
is killed; Postgres is killed, stopped, frozen; a cable is out. In the end each submission must
have been graded exactly once, with its points, and each student's in their order; the gradebook
must have each student's last one. As root, on Linux with network namespaces; otherwise all workers
are on one host, and no cable is pulled.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from autograder.bridge.course import Course
from autograder.bridge.record import digest
from autograder.bridge.sending import pack_submission
from autograder.workers import queue, remote
from autograder.workers.bundle import make_bundle
from autograder.workers.queue import Parcel
from autograder.workers.schema import Result, Submission
from tests import postgres
from tests.workers import hosts
from tests.workers.quick_course import MOST, hand_in, make_quick_course
from tests.workers.running import DEAD_SECONDS, RunningWorker, end_all
from tests.workers.server import Server, server_running

ATTEMPTS: Final = 5
"""Of each student, in a row."""
_STALLED_SECONDS: Final = 180.0
_BATCH: Final = 100


@dataclass
class Proof:
    """What was done, and what is wrong in the end."""

    submissions: int
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    begun_again: int = 0
    """How often a grading began and did not end."""
    taken_over: int = 0
    """How many submissions were begun more than once."""
    wrong: list[str] = field(default_factory=list)

    def told(self) -> str:
        """All of it, for a person."""
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.submissions} submissions in {self.seconds:.0f} s under "
            f"{self.faults.total()} faults ({faults}): {self.taken_over} were begun more than "
            f"once, {self.begun_again} beginnings were cut off; "
            + ("; ".join(self.wrong[:10]) or "each graded exactly once, right and in order")
        )


@dataclass
class World:
    """A database, workers, and a course with submissions in the queue."""

    server: Server
    url: str
    course: Course
    engine: Engine
    workers: list[RunningWorker]
    cables: Sequence[hosts.Host]
    points: dict[int, float] = field(default_factory=dict)
    """What each queued submission is worth."""


@contextmanager
def world(folder: Path, workers: int) -> Iterator[World]:
    """Start a database, and workers on hosts of their own where that can be had."""
    with ExitStack() as stack:
        cables: list[hosts.Host] = []
        address, network = "127.0.0.1", ""
        if hosts.can_be_made():
            cables = stack.enter_context(hosts.hosts(workers))
            address, network = hosts.ADDRESS, hosts.NETWORK
        server = stack.enter_context(server_running(address, network))
        url = server.new_database()
        course = make_quick_course(folder, url)
        opened = remote.open_for(course, url)
        stack.callback(opened.engine.dispose)
        running: list[RunningWorker] = []
        stack.callback(end_all, running)
        for number in range(workers):
            host = cables[number] if cables else None
            running.append(RunningWorker(url, folder, f"worker-{number}", host=host))
        for one in running:
            one.wait_until_ready()
        yield World(server, url, course, opened.engine, running, cables)


def queue_submissions(made: World, count: int, chance: random.Random) -> None:
    """Queue what students hand in: each several times, in a row."""
    opened = remote.open_for(made.course, made.course.directory.db_url)
    bundle = queue.send_bundle(made.engine, make_bundle(made.course))
    students = [f"student-{number:04}" for number in range(max(1, count // ATTEMPTS))]
    for attempt in range(ATTEMPTS):
        for start in range(0, len(students), _BATCH):
            some = students[start : start + _BATCH]
            points = [float(chance.randint(1, MOST)) for _ in some]
            parcels = []
            for student, worth in zip(some, points, strict=True):
                hand_in(made.course, student, f"{worth:g}", chance.uniform(0, 0.1))
                content = pack_submission(made.course, "one", student)
                stamp = digest(student, attempt)
                parcels.append(Parcel("one", student, stamp, stamp, content))
            numbers = queue.enqueue(made.engine, opened.app, opened.name, bundle, parcels)
            made.points |= dict(zip(numbers, points, strict=True))
    opened.engine.dispose()


class Faults:
    """Hurts the world at random moments."""

    def __init__(self, made: World, chance: random.Random, done: Counter[str]) -> None:
        """Remember what can be hurt, and where to count it."""
        self._made = made
        self._chance = chance
        self._done = done
        self._threads: list[threading.Thread] = []

    def strike(self) -> None:
        """Do one harm; what has an end ends by itself."""
        kinds: dict[str, Callable[[], None]] = {
            "workers killed": self._kill_worker,
            "gradings killed": self._kill_grading,
            "workers frozen": self._freeze_worker,
            "workers drained": self._drain_worker,
            "databases killed": self._made.server.kill,
            "databases stopped": self._made.server.restart,
            "disks stalled": self._stall,
        }
        weights = [6, 6, 3, 2, 1, 1, 2]
        if self._made.cables:
            kinds["cables pulled"] = self._pull_cable
            weights.append(6)
        (name,) = self._chance.choices(list(kinds), weights)
        kinds[name]()
        self._done[name] += 1

    def wait(self) -> None:
        """Wait until all that was hurt is whole again."""
        for thread in self._threads:
            thread.join()

    def _later(self, seconds: float, mend: Callable[[], None]) -> None:
        def run() -> None:
            time.sleep(seconds)
            mend()

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)

    def _worker(self) -> RunningWorker:
        return self._chance.choice(self._made.workers)

    def _kill_worker(self) -> None:
        worker = self._worker()
        worker.kill()
        worker.start()

    def _kill_grading(self) -> None:
        self._worker().kill_below()

    def _freeze_worker(self) -> None:
        """Freeze one for longer than others wait for it: what it then stores must not count."""
        worker = self._worker()
        process = worker.process
        worker.freeze(True)

        def thaw() -> None:
            if worker.process is process and process.poll() is None:
                worker.freeze(False)

        self._later(self._chance.uniform(1, 4) * DEAD_SECONDS, thaw)

    def _drain_worker(self) -> None:
        worker = self._worker()
        worker.freeze(False)  # it may be frozen
        worker.process.terminate()
        process = worker.process

        def replace() -> None:
            if worker.process is process:
                worker.end()
                worker.start()

        self._later(4.0, replace)

    def _pull_cable(self) -> None:
        cable = self._chance.choice(self._made.cables)
        cable.plug(False)
        self._later(self._chance.uniform(0.2, 3) * DEAD_SECONDS, lambda: cable.plug(True))

    def _stall(self) -> None:
        self._made.server.freeze(True)
        time.sleep(self._chance.uniform(0.5, 1.5) * DEAD_SECONDS)
        self._made.server.freeze(False)


def prove(folder: Path, submissions: int, faults: int, workers: int, seed: int) -> Proof:
    """Grade under faults, and look at what is stored.

    Args:
        folder: an empty one.
        submissions: how many to queue.
        faults: how many to strike, spread over the grading.
        workers: on so many hosts.
        seed: of the choice of faults and moments.
    """
    chance = random.Random(seed)
    with world(folder, workers) as made:
        queue_submissions(made, submissions, chance)
        proof = Proof(len(made.points))
        striking = Faults(made, chance, proof.faults)
        began = time.monotonic()
        _grade_under(made, striking, faults, len(made.points))
        striking.wait()
        proof.seconds = time.monotonic() - began
        _look(made, proof)
    return proof


def _grade_under(made: World, striking: Faults, faults: int, total: int) -> None:
    """Strike while submissions are graded, as evenly as they are."""
    struck, before, moved = 0, -1, time.monotonic()
    while (done := _graded(made)) < total:
        if done != before:
            before, moved = done, time.monotonic()
            print(f"\r{done} of {total} graded, {struck} faults", end="", file=sys.stderr)
        assert time.monotonic() - moved < _STALLED_SECONDS, _state(made)
        if struck < faults and struck <= done * faults // total + 1:
            striking.strike()
            struck += 1
        time.sleep(0.2)
    print(file=sys.stderr)


def _graded(made: World) -> int:
    ((count,),) = postgres.rows(made.url, "SELECT count(*) FROM queue_result")
    return int(count)


def _state(made: World) -> str:
    states = postgres.rows(
        made.url, "SELECT state, count(*), max(error) FROM queue_submission GROUP BY state"
    )
    jobs = postgres.rows(
        made.url, "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status"
    )
    logs = "\n".join(worker.said()[-1500:] for worker in made.workers)
    return f"nothing is graded any more: {states}, jobs {jobs}\n{logs}"


def _look(made: World, proof: Proof) -> None:
    """Compare what is stored with what was handed in."""
    with Session(made.engine) as session:
        rows = session.execute(
            select(
                Submission.id, Submission.student, Submission.lease, Submission.interruptions,
                Result.graded, Result.summary,
            )
            .outerjoin(Result)
            .order_by(Submission.id)
        ).all()  # fmt: skip
    moments: dict[str, list[float]] = defaultdict(list)
    last: dict[str, float] = {}
    for number, student, lease, interruptions, graded, summary in rows:
        proof.taken_over += lease > 1
        proof.begun_again += interruptions
        if graded is None:
            proof.wrong.append(f"submission {number} has no result")
            continue
        if summary["score"] != made.points[number]:
            proof.wrong.append(
                f"submission {number} has {summary['score']}, not {made.points[number]}"
            )
        moments[student].append(graded)
        last[student] = made.points[number]
    if len(rows) != proof.submissions:
        proof.wrong.append(f"there are {len(rows)} submissions, not {proof.submissions}")
    for student, times in moments.items():
        if times != sorted(times):
            proof.wrong.append(f"{student}'s submissions were graded in another order")
    for student, scores in made.course.scores("one").items():
        if scores["points"] != last[student]:
            proof.wrong.append(
                f"the gradebook has {scores['points']} for {student}, not {last[student]}"
            )


def main() -> None:
    """Run the proof, and end with 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=3000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autograder-faults-") as folder:
        proof = prove(Path(folder), wanted.submissions, wanted.faults, wanted.workers, wanted.seed)
    print(proof.told())
    sys.exit(bool(proof.wrong))


if __name__ == "__main__":
    main()
