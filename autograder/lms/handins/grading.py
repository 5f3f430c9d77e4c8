"""The service that grades what is handed in: a thread beside the pages, and a pool below it."""

import errno
import fcntl
import logging
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from autograder import pool
from autograder.bridge.course import Course, CourseError, GradebookError, Summary
from autograder.bridge.handin import HandIn, Marked, sweep
from autograder.bridge.totals import Total, read_deadlines, read_totals
from autograder.lms import audit
from autograder.lms.database import reading, writing
from autograder.lms.handins import attempts
from autograder.lms.handins.attempts import Job
from autograder.lms.handins.grades import regrade_late
from autograder.lms.settings import Serve

LOCK_FILE: Final = ".autograder.serve.lock"
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_LOCK_SECONDS: Final = 1.0
_TRIES: Final = 2
"""How often a grading may fail before a teacher must look."""
_PAUSE_SECONDS: Final = 5.0
"""How long nothing is begun while the gradebook cannot be used."""
_RESTART_SECONDS: Final = 15.0
_REST_SECONDS: Final = 5.0
"""How often to look for all that another process may have left to do, such as a command."""
_AT_ONCE: Final = 200
_log: Final = logging.getLogger(__name__)


class AlreadyServedError(CourseError):
    """Another process grades what is handed in for this course."""


class GradingService:
    """Grades what is handed in, one course by one service; nothing is lost whatever is killed."""

    def __init__(
        self,
        engine: Engine,
        course: Course,
        settings: Serve,
        *,
        jobs: int | None = None,
        serve: pool.Serving = pool.serve,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Remember what it needs; ``start`` begins.

        Args:
            engine: the database with the attempts.
            course: the course.
            settings: the rules for handing in.
            jobs: submissions at once, by default one per core.
            serve: what has them graded: processes here, or workers elsewhere.
            clock: the time, in UTC seconds since 1970.
        """
        self._engine = engine
        self._course = course
        self._settings = settings
        self._jobs = jobs or pool.default_jobs()
        self._serve_with = serve
        self._clock = clock
        self._bell = pool.Bell()
        self._lock = ExitStack()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._running: dict[int, Job] = {}
        self._failures: Counter[int] = Counter()
        self._begins_after = 0.0
        """On the monotonic clock: until then nothing is begun."""
        self._looks_after = 0.0
        """On the monotonic clock: then it looks for all kinds of work again."""
        self._problem = ""
        self._deadlines: dict[str, float | None] = {}
        """With which all is graded, or to be graded again."""

    @property
    def problem(self) -> str:
        """What holds all grading up at the moment, for a teacher; empty when nothing does."""
        return self._problem

    def wake(self) -> None:
        """Have it look for work now."""
        self._looks_after = 0.0
        self._bell.ring()

    def start(self) -> None:
        """Begin, in a thread of its own.

        Raises:
            AlreadyServedError: another process does it.
            OSError: the course's folder cannot be written.
        """
        self._lock.enter_context(_only_one(self._course.root))
        self._thread = threading.Thread(target=self._work, name="grading", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it now: what is being graded is graded when it starts again."""
        self._stopped.set()
        self._bell.ring()
        if self._thread is not None:
            self._thread.join()
        self._lock.close()

    def run(self) -> None:
        """Grade in this thread until ``stop`` is called from another one, or by a signal.

        Raises:
            AlreadyServedError: another process does it.
            OSError: the course's folder cannot be written.
        """
        with _only_one(self._course.root):
            self._work()

    def _work(self) -> None:
        """Go on whatever happens: the attempts are in the tables, and nobody else grades them."""
        while not self._stopped.is_set():
            try:
                self._serve()
            except Exception as error:
                told = error.orig if isinstance(error, DBAPIError) else error
                self._problem = f"grading goes on in a moment; it ended with: {told}"
                if not isinstance(error, DBAPIError | pool.PoolError):
                    _log.exception("grading begins anew")
                else:  # without the values of a statement, among them names
                    _log.error("grading begins anew: %s", told)
                self._stopped.wait(_RESTART_SECONDS)

    def _serve(self) -> None:
        self._recover()
        serving = self._serve_with(
            self._course, self._jobs, self._more, self._stopped.is_set, self._bell
        )
        try:
            with closing(serving):
                for ended in serving:
                    if ended is not None:
                        self._settle(*ended)
        finally:
            with writing(self._engine) as session:
                for job in self._running.values():
                    attempts.put_back(session, job)
            self._running.clear()

    def _recover(self) -> None:
        """Take up what a service that was killed has left, and rules that were changed."""
        sweep(self._course)
        with writing(self._engine) as session:
            attempts.recover(session)
        with reading(self._engine) as session:
            wrong = attempts.miscounted(session, self._settings)
        for start in range(0, len(wrong), _AT_ONCE):
            with writing(self._engine) as session:
                for assignment, student in wrong[start : start + _AT_ONCE]:
                    counts = self._settings.policy(assignment).counts
                    attempts.recount(session, assignment, student, counts)

    # What is begun

    def _more(self, most: int) -> list[HandIn]:
        """Begin at most so many jobs."""
        now = time.monotonic()
        if now < self._begins_after:
            return []
        rest = now >= self._looks_after
        if rest and not self._looked_at_deadlines():
            return []
        with reading(self._engine) as session:
            busy = {job.student for job in self._running.values()}
            found = attempts.find(session, busy, most, rest)
        if rest and len(found) < most:
            self._looks_after = now + _REST_SECONDS
        try:
            totals = self._totals_of_held(found) if found else {}
        except GradebookError as error:
            self._hold_up(str(error))
            return []
        return [hand_in for job in found if (hand_in := self._begun(job, totals)) is not None]

    def _looked_at_deadlines(self) -> bool:
        """Have graded again what other deadlines make late, such as those set in formgrader."""
        try:
            for name, deadline in read_deadlines(self._course).items():
                if name not in self._deadlines or self._deadlines[name] != deadline:
                    counts = self._settings.policy(name).counts
                    regrade_late(
                        self._engine, self._course, name, audit.GRADER,
                        counts=counts, clock=self._clock,
                    )  # fmt: skip
                    self._deadlines[name] = deadline
        except GradebookError as error:
            self._hold_up(str(error))
            return False
        return True

    def _totals_of_held(self, found: Sequence[Job]) -> dict[int, Total]:
        """What the gradebook has of the attempts that it holds and may be the best ones.

        A person may have given points since they were graded.
        """
        best = [job for job in found if self._settings.policy(job.assignment).counts == "best"]
        by_assignment: dict[str, dict[str, int]] = defaultdict(dict)
        with reading(self._engine) as session:
            for row_id, (assignment, student) in attempts.held(session, best).items():
                by_assignment[assignment][student] = row_id
        found_totals: dict[int, Total] = {}
        for assignment, rows in by_assignment.items():
            totals = read_totals(self._course, assignment, sorted(rows)).students
            found_totals |= {
                row_id: totals[student] for student, row_id in rows.items() if student in totals
            }
        return found_totals

    def _begun(self, job: Job, totals: dict[int, Total]) -> HandIn | None:
        with writing(self._engine) as session:
            if not attempts.claim(session, job, self._settings, self._clock(), totals):
                return None
        self._running[job.id] = job
        with reading(self._engine) as session:
            return attempts.hand_in(session, job)

    def _hold_up(self, problem: str) -> None:
        """Begin nothing for a while, since every submission would meet the same."""
        if problem != self._problem:
            _log.warning("grading waits: %s", problem)
        self._problem = problem
        self._begins_after = time.monotonic() + _PAUSE_SECONDS

    # What comes of it

    def _settle(self, hand_in: HandIn, summary: Summary) -> None:
        """Store what became of a job."""
        job = self._running.pop(hand_in.key)
        self._looks_after = 0.0
        if summary.of_gradebook:
            self._hold_up(summary.error)
            with writing(self._engine) as session:
                attempts.put_back(session, job)
        elif summary.error:
            self._settle_failure(job, summary.error)
        elif isinstance(summary, Marked):
            self._store(job, summary)

    def _settle_failure(self, job: Job, error: str) -> None:
        self._failures[job.id] += 1
        with writing(self._engine) as session:
            if self._failures[job.id] < _TRIES:
                attempts.put_back(session, job, begun=True)
                return
            attempts.fail(session, job, self._settings, self._clock(), error)
        del self._failures[job.id]

    def _store(self, job: Job, marked: Marked) -> None:
        self._problem = ""
        self._failures.pop(job.id, None)
        compressed = attempts.compressed(marked)
        is_fresh = job.kind != "feedback" or self._is_fresh(marked)
        with writing(self._engine) as session:
            attempts.store(
                session, job, self._settings, self._clock(), compressed, is_fresh=is_fresh
            )

    def _is_fresh(self, marked: Marked) -> bool:
        """Whether nobody has changed what the feedback shows while it was written."""
        try:
            totals = read_totals(self._course, marked.assignment, [marked.student]).students
        except CourseError:
            return False
        return marked.student in totals and totals[marked.student].by_hand == marked.by_hand


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Keep other services from a course; the kernel lets them in when this process ends.

    Raises:
        AlreadyServedError: another one is there.
        OSError: the course's folder cannot be written.
    """
    descriptor = os.open(root / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _lock(descriptor)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
        os.close(descriptor)
        raise AlreadyServedError(
            f"process {owner} grades already what is handed in for {root}: end it first, or let it "
            "go on and start this one without grading"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # some network file systems; then nothing is kept out
            os.close(descriptor)
            raise
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Take the lock, also when the process that had it was killed a moment ago.

    Until a child that it was just starting runs its own program, that child has the lock as well.

    Raises:
        BlockingIOError: another process has it.
        OSError: the file system has no locks.
    """
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
