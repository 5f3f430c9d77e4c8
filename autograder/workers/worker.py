"""A worker: takes submissions from the queue, has them graded, and stores what comes of them."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError

from autograder.bridge.parcels import ParcelError
from autograder.plain import one_line
from autograder.workers import queue
from autograder.workers.database import cause_of, open_app
from autograder.workers.needs import differences
from autograder.workers.queue import BusyError, ElsewhereError, LeaseError, Taken
from autograder.workers.slots import Courses, EndedError, Slots, StoppedError

DEAD_SECONDS: Final = 30.0
"""Who has said nothing for so long is taken for dead."""
_LOOK_SECONDS: Final = 2.0
_START_SECONDS: Final = 0.1
_CLEAN_SECONDS: Final = 3600.0
_BUSY_SECONDS: Final = 2.0
_NEVER_SECONDS: Final = 1e9
_PAUSES: Final = (1.0, 2.0, 5.0, 10.0)
"""Between tries to reach a database that is away."""
_THREADS: Final = 4
"""Besides those that wait for a grading."""
_AWAY: Final = (DBAPIError, ConnectorException, psycopg.Error, OSError)
_OF_DATA: Final = (DataError, UnicodeError)
"""What a database does not take, however often it is tried."""
_log: Final = logging.getLogger(__name__)


class TryAgainError(Exception):
    """The student's next submission is to be graded, or graded again, in a moment, by anybody."""


class _Tickets(BaseRetryStrategy):
    """What becomes of a ticket that could not be served now."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When and where it is tried again."""
        if isinstance(exception, ElsewhereError):
            return RetryDecision(
                queue=queue.name_of(exception.bundle), retry_in={"seconds": int(_BUSY_SECONDS)}
            )
        if isinstance(exception, BusyError):
            return RetryDecision(retry_in={"seconds": int(_BUSY_SECONDS)})
        if isinstance(exception, TryAgainError):
            return RetryDecision(retry_in={"seconds": 0})
        return None  # the database is away: `issue_tickets` makes another one


@dataclass
class _Rounds:
    """How far the tending of a worker is."""

    said: dict[str, str] | None = None
    """What it last said that it refuses."""
    rescues_at: float = 0.0


class Observer:
    """Is told what a worker does; the metrics are one."""

    def graded(self, seconds: float) -> None:
        """A submission was graded."""

    def failed(self, set_aside: bool) -> None:
        """A grading failed."""

    def lost(self) -> None:
        """A submission was another worker's when it was graded."""

    def refuses(self, bundles: Mapping[str, str]) -> None:
        """What this worker does not grade, and why."""


class GradingWorker:
    """Grades what is queued until it is told to stop; nothing is lost whatever is killed."""

    def __init__(
        self,
        engine: Engine,
        url: URL,
        cache: Path,
        *,
        jobs: int,
        dead_seconds: float = DEAD_SECONDS,
        allow_unsafe: bool = False,
        observer: Observer | None = None,
    ) -> None:
        """Remember what it needs; ``run`` begins.

        Args:
            engine: the queue's database, with all tables.
            url: its address.
            cache: where versions of courses are kept.
            jobs: submissions at once.
            dead_seconds: a worker that says nothing for so long is dead; the same for all.
            allow_unsafe: whether to grade where walls are missing.
            observer: is told what is done.

        Raises:
            OSError: the folders cannot be written.
        """
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._healthy_at: float | None = None
        """When the database was last reached, on the monotonic clock."""
        self._engine = engine
        self._url = url
        self._jobs = jobs
        self._dead_seconds = dead_seconds
        self._observer = observer or Observer()
        self._tickets = open_app(url)
        self._at_once = threading.Event()
        self._stopping = asyncio.Event()
        self._anew = asyncio.Event()
        """Set where the end of a ticket was not stored: once this worker is gone, others see it."""
        self._courses = Courses(engine, cache)
        self._slots = Slots(
            self._courses, url, most=jobs, allow_unsafe=allow_unsafe, stopped=self._at_once.is_set
        )
        self._bundles: frozenset[str] = frozenset()
        """The versions of courses that it grades."""
        self._refused: dict[str, str] = {}
        self._cleans_at = 0.0

    def is_healthy(self) -> bool:
        """Whether it reaches the database."""
        reached = self._healthy_at
        return reached is not None and time.monotonic() - reached < self._dead_seconds

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Grade until SIGTERM or Ctrl-C; a second one ends it at once.

        Args:
            ready: is called once it takes submissions.
        """
        try:
            asyncio.run(self._run(ready))
        finally:
            self._slots.end()
            self._courses.remove()

    async def _run(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._jobs + _THREADS))
        loop.set_exception_handler(self._on_lost_error)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        tries = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._work(ready)
            except _AWAY as error:
                self._tell_away(error)
            if time.monotonic() - began > _PAUSES[-1]:
                tries = 0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _pause(tries))
            tries += 1

    def _tell_away(self, error: BaseException) -> None:
        """Say why something is tried again."""
        if _is_forgotten(error):
            _log.warning("this worker was taken for dead, and begins anew")
            return
        _log.warning("the database is away, and is tried again: %s", _first_line(error))

    def _on_lost_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """See to what nobody waits for.

        That the end of a ticket could not be stored is no news where the database is away. But as
        long as this worker lives, the ticket looks as if it were served, and holds the student.
        """
        if isinstance(context.get("exception"), ConnectorException):
            self._anew.set()
        else:
            loop.default_exception_handler(context)

    def _stop(self) -> None:
        """Take nothing new; the second time, end what runs."""
        if self._stopping.is_set():
            self._at_once.set()
            return
        self._stopping.set()
        _log.warning("stopping when what runs is finished; once more ends at once")

    async def _work(self, ready: Callable[[], None]) -> None:
        """Take and grade until told to stop, or until the database is away."""
        app = open_app(self._url)
        app.task(name=queue.TASK, pass_context=True, retry=_Tickets())(self._serve)
        self._anew.clear()
        async with app.open_async():
            worker = self._worker_of(app)
            working = asyncio.create_task(worker.run())
            beating = asyncio.create_task(self._beat(app, worker))
            tending = asyncio.create_task(self._tend(app, worker, ready))
            # A signal that has come meanwhile, or comes before `worker` runs, is seen here too.
            asked = [asyncio.create_task(one.wait()) for one in (self._stopping, self._anew)]
            try:
                await asyncio.wait(
                    {working, beating, tending, *asked}, return_when=asyncio.FIRST_COMPLETED
                )
                worker.stop()
                await asyncio.wait({working})  # until what it grades is done, others see to it live
            finally:
                for task in (beating, tending, *asked):
                    task.cancel()
                ends = await asyncio.gather(working, beating, tending, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        if not self._stopping.is_set():
            _log.warning("the worker begins anew")

    def _worker_of(self, app: App) -> Worker:
        return Worker(
            app,
            concurrency=self._jobs,
            fetch_job_polling_interval=_LOOK_SECONDS,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=_NEVER_SECONDS,  # `_beat` does it
            stalled_worker_timeout=self._dead_seconds,
        )

    async def _beat(self, app: App, worker: Worker) -> None:
        """Say now and then that this worker lives, also while it only ends what it grades.

        Procrastinate says so no more once its worker is told to stop, or has failed to say it once.
        """
        while True:
            await asyncio.sleep(self._dead_seconds / 4)
            if worker.worker_id is None:
                continue
            try:
                await app.job_manager.update_heartbeat(worker.worker_id)
            except _AWAY as error:  # the next time is in time
                _log.debug("the worker could not say that it lives: %s", error)
            else:
                self._healthy_at = time.monotonic()

    async def _tend(self, app: App, worker: Worker, ready: Callable[[], None]) -> None:
        """Now and then say what this worker is, and see to what dead ones have left.

        Where the database is away for a moment, it is tried again; whether it is away for long
        shows in the fetching of tickets.
        """
        rounds = _Rounds()
        tries = 0
        while True:
            try:
                await self._tend_once(app, worker, ready, rounds)
            except _AWAY as error:
                if _is_forgotten(error):
                    raise
                self._tell_away(error)
                await asyncio.sleep(_pause(tries))
                tries += 1
            else:
                tries = 0
                self._healthy_at = time.monotonic()
                known = worker.worker_id is not None
                await asyncio.sleep(_LOOK_SECONDS if known else _START_SECONDS)

    async def _tend_once(
        self, app: App, worker: Worker, ready: Callable[[], None], rounds: "_Rounds"
    ) -> None:
        await asyncio.to_thread(self._look)
        number = worker.worker_id
        if number is None:
            return
        # It listens to all queues, and takes from those of the courses that it can grade.
        worker.queues = sorted(map(queue.name_of, self._bundles))
        if rounds.said != self._refused:
            refused = dict(self._refused)
            hello = self.name, self._jobs, refused
            await asyncio.to_thread(queue.say_hello, self._engine, number, *hello)
            if rounds.said is None:
                ready()
            rounds.said = refused
        if time.monotonic() >= rounds.rescues_at:
            await self._rescue(app, number)
            rounds.rescues_at = time.monotonic() + self._dead_seconds / 4

    def _look(self) -> None:
        """Learn which versions of courses wait, and which of them can be graded here."""
        found: dict[str, str] = {}
        for bundle, (course, needs) in queue.bundles_waiting(self._engine).items():
            if lacking := differences(needs):
                found[bundle] = f"{course}, version {bundle[:12]}: {'; '.join(lacking)}"
            else:
                self._bundles |= {bundle}
        for bundle, why in found.items():
            if bundle not in self._refused:
                _log.warning("does not grade %s", why)
        self._refused = found
        self._observer.refuses(found)

    async def _rescue(self, app: App, number: int) -> None:
        """Have others take what dead workers had, and what has no ticket, if nobody else does."""
        if not await asyncio.to_thread(queue.leads, self._engine, number, self._dead_seconds):
            return
        manager = app.job_manager
        stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=self._dead_seconds))
        if stalled:
            _log.warning(
                "workers have said nothing for %g s; other ones grade what they had (%d)",
                self._dead_seconds, len(stalled),
            )  # fmt: skip
        for job in stalled:
            with suppress(ConnectorException):  # another worker was quicker
                await manager.retry_job(job)
        await asyncio.to_thread(queue.issue_tickets, self._engine, self._tickets)
        if time.monotonic() >= self._cleans_at:
            self._cleans_at = time.monotonic() + _CLEAN_SECONDS
            await asyncio.to_thread(queue.clean, self._engine)

    # One ticket

    def _serve(self, context: JobContext, *, course: str, student: str) -> None:
        """Grade the student's next submission."""
        job = context.job.id
        assert job is not None  # since it comes from the queue
        if self._stopping.is_set():  # it was fetched in the moment of the signal
            raise TryAgainError
        try:
            taken = queue.take(
                self._engine, job, course=course, student=student, worker=self.name,
                bundles=self._bundles,
            )  # fmt: skip
            if taken is not None:
                self._grade(taken)
        except LeaseError:
            self._observer.lost()
            _log.warning("a submission went to another worker meanwhile; nothing of it was stored")

    def _grade(self, taken: Taken) -> None:
        began = time.monotonic()
        try:
            graded = self._slots.grade(taken)
        except StoppedError:
            queue.put_back(self._engine, taken)
            raise TryAgainError from None
        except DBAPIError:
            raise
        except Exception as error:  # one submission must not stop the worker
            if not isinstance(error, EndedError | ParcelError | OSError):
                _log.exception("submission %s", taken.id)
            self._fail(taken, f"{type(error).__name__}: {error}")
            return
        if graded.lost:
            raise LeaseError
        if graded.summary.get("of_gradebook"):
            queue.put_back(self._engine, taken)
            _log.warning("grading waits: %s", graded.error)
            time.sleep(_BUSY_SECONDS)
            raise TryAgainError
        if graded.error:
            self._fail(taken, graded.error)
            return
        try:
            queue.finish(self._engine, taken, graded.summary, graded.content, self.name)
        except _OF_DATA as error:  # the next time it would be the same
            self._fail(taken, f"what came of it cannot be stored: {_first_line(error)}")
            return
        self._observer.graded(time.monotonic() - began)

    def _fail(self, taken: Taken, error: str) -> None:
        set_aside = queue.fail(self._engine, taken, error)
        self._observer.failed(set_aside)
        told = one_line(error)  # it may be a student's words
        _log.warning("submission %s: %s%s", taken.id, told, "; set aside" if set_aside else "")
        if not set_aside:
            raise TryAgainError


def _first_line(error: BaseException) -> str:
    """The first line of what the driver says."""
    lines = str(cause_of(error)).splitlines()
    return lines[0] if lines else type(error).__name__


def _is_forgotten(error: BaseException) -> bool:
    """Whether it is that the row of this worker is gone, since others took it for dead."""
    return isinstance(cause_of(error), psycopg.errors.ForeignKeyViolation)


def _pause(tries: int) -> float:
    """Seconds until the database is tried again."""
    return _PAUSES[min(tries, len(_PAUSES) - 1)]


def default_cache() -> Path:
    """Where versions of courses are kept (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "autograder" / "courses"
