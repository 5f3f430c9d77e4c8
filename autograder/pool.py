"""Many submissions at once: local processes, each with a grading and a warm process of its own.

``run`` does what a command asks for and ends; ``serve`` goes on with what is handed in.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Pipe, wait
from types import FrameType
from typing import Any, Final, Literal, Self

from autograder.bridge.course import Course, GradebookError, Summary
from autograder.bridge.handin import HandIn
from autograder.cores import usable_cores

Work = Literal["grade", "feedback"]
Said = Summary | Literal["renew"] | None
"""What a process says: that it is ready, what became of its task, or that another one has to do it,
since the course has changed since this one began."""
Serving = Callable[
    [Course, int, Callable[[int], Iterable[HandIn]], Callable[[], bool], "Bell"],
    Generator[tuple[HandIn, Summary] | None, None, None],
]
"""What has attempts graded as long as it is asked to: ``serve``, or what does it elsewhere."""
_TICK_SECONDS: Final = 0.5
_END_SECONDS: Final = 20.0
"""What a process may take to end the processes below it before it is killed."""
_FAILED_STARTS: Final = 8
"""So many processes in a row that end before they are ready are more than chance."""
_BACK_SECONDS: Final = 20.0
"""What the gradebook's Postgres may take to restart before a command gives up."""
_LONGEST_SECONDS: Final = 1800.0
"""What a task of a service may take; a submission's own limits are far below."""
_DIED_ONCE: Final = "the process that worked on it ended"
_TOOK_TOO_LONG: Final = "the process that worked on it was ended after half an hour"
_DO_NOT_START: Final = "the processes that work end when they start; see the messages above"
_DIED: Final = "the process that worked on it ended twice; run it alone with --student to see why"


class PoolError(Exception):
    """The processes of the pool do not start."""


@dataclass(frozen=True)
class Task:
    """One submission to grade, or whose feedback to write."""

    assignment: str
    student: str
    force: bool = False


def default_jobs() -> int:
    """As many processes as this one may use cores."""
    return usable_cores()


class Stopping:
    """Ctrl-C, or SIGTERM: once asks to start nothing new, twice ends at once."""

    def __init__(self) -> None:
        self._count = 0
        self._before: dict[int, object] = {}

    def __call__(self) -> bool:
        """Whether it was asked for."""
        return self._count > 0

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what `signal` returned

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 2:  # the third and later ones must not disturb the end
            raise KeyboardInterrupt


def run(
    work: Work,
    course: Course,
    tasks: Sequence[Task],
    jobs: int,
    stopping: Callable[[], bool] = lambda: False,
) -> Generator[Summary | None, None, None]:
    """Do tasks in parallel; summaries come in the order of completion.

    A task whose process dies, or that ends in an error, is tried once more after all others; a
    second failure is reported in ``Summary.error``. Once ``stopping`` says so, what runs is
    finished and nothing else is started.

    Yields:
        A summary, or None when nothing has happened for a moment.

    Raises:
        GradebookError: the gradebook cannot be used; what ran was finished first.
        PoolError: the processes do not start.
    """
    pool = _Pool(work, course, tasks, stopping)
    try:
        pool.start(jobs)
        yield from pool.results()
    except BaseException:  # among them that nobody wants more, and the second Ctrl-C
        pool.kill()
        raise
    pool.end()
    if pool.failure is not None:
        raise pool.failure


class Slot:
    """A place for a process, and what that works on."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process.

        Args:
            module: is run with ``python -m``; its arguments are the number of a connection's file
                descriptor, this process's number, and ``arguments``.
            arguments: further ones.
            environment: instead of this process's.
        """
        self._command = [sys.executable, "-m", module]
        self._arguments = [str(os.getpid()), *arguments]
        self._environment = environment
        self.task: Any = None
        self.began = 0.0
        """When the task was given, on the monotonic clock."""
        self.start()

    def start(self) -> None:
        """Start its process, in a session of its own: a terminal's Ctrl-C does not reach it."""
        self.ready = False
        self.connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), *self._arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=self._environment,
            )

    def give(self, task: Any) -> None:
        """Have a task done."""
        self.task, self.began = task, time.monotonic()
        with contextlib.suppress(OSError):  # then `receive` finds it ended as well
            self.connection.send(task)

    def receive(self) -> Any:
        """What the process says; None the first time, when it is ready.

        Raises:
            EOFError: it has ended.
        """
        try:
            said = self.connection.recv()
        except OSError as error:  # in the middle of a message
            raise EOFError from error
        self.ready = True
        return said

    def kill(self) -> None:
        """End the process at once; the kernel ends what is below it."""
        self.connection.close()
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Let the process end what is below it, and wait for that."""
        self.connection.close()
        if not self.ready:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._process.kill()
        self._process.wait()


def _slot_of(course: Course, work: Work | Literal["serve"]) -> Slot:
    """A process that works on submissions of a course."""
    arguments = [str(course.root), work]
    if course.settings.allow_unsafe:  # perhaps by an option, which a process would not know
        arguments.append("unsafe")
    return Slot("autograder.pool_worker", arguments)


class _Pool:
    def __init__(
        self, work: Work, course: Course, tasks: Sequence[Task], stopping: Callable[[], bool]
    ) -> None:
        self._work = work
        self._course = course
        self._left = deque(tasks)
        self._again: set[Task] = set()
        """What is tried once more, or was."""
        self._stopping = stopping
        self._slots: list[Slot] = []
        self._failed_starts = 0
        self.failure: GradebookError | None = None
        """Why nothing new is started."""

    def start(self, jobs: int) -> None:
        """Start processes; each gets a task when it is ready, so that few are under way."""
        for _ in range(min(jobs, len(self._left)) if self._goes_on() else 0):
            self._slots.append(_slot_of(self._course, self._work))

    def results(self) -> Generator[Summary | None, None, None]:
        """Summaries as they come, and None when none has come for a moment."""
        while self._goes_on() or any(slot.task is not None for slot in self._slots):
            if self._goes_on():
                self._hand_out()
            heard = wait([slot.connection for slot in self._slots], _TICK_SECONDS)
            speak = [slot for slot in self._slots if slot.connection in heard]
            said = [self._receive(slot) for slot in speak]
            yield from filter(None, said)
            if not any(said):
                yield None

    def _goes_on(self) -> bool:
        """Whether something is left to start, and may be started."""
        return bool(self._left) and not self._stopping() and self.failure is None

    def _hand_out(self) -> None:
        """Give a task to each process that waits for one."""
        for slot in self._slots:
            if self._left and slot.ready and slot.task is None:
                slot.give(self._left.popleft())

    def _receive(self, slot: Slot) -> Summary | None:
        """What comes of a slot's task, when that is settled."""
        try:
            summary: Said = slot.receive()
        except EOFError:
            return self._replace(slot)
        task, slot.task = slot.task, None
        if not isinstance(task, Task) or not isinstance(summary, Summary):
            self._failed_starts = 0
            return None
        return self._try_again(task, summary) if summary.error else summary

    def _replace(self, slot: Slot) -> Summary | None:
        """Start another process in the place of one that has died, if there is work for it."""
        task, slot.task = slot.task, None
        slot.kill()
        self._failed_starts += not slot.ready
        if self._failed_starts >= _FAILED_STARTS:
            raise PoolError(_DO_NOT_START)
        summary = None
        if isinstance(task, Task):
            summary = self._try_again(task, Summary(task.assignment, task.student, error=_DIED))
        if self._goes_on():
            slot.start()
        else:
            self._slots.remove(slot)
        return summary

    def _try_again(self, task: Task, summary: Summary) -> Summary | None:
        """Put a task that failed behind all others; its summary if it was tried again already."""
        if summary.of_gradebook and self._gradebook_fails():
            return None
        if task in self._again:
            return summary
        self._again.add(task)
        self._left.append(task)
        return None

    def _gradebook_fails(self) -> bool:
        """Whether the gradebook cannot be used now, so that all others would fail too."""
        try:
            self._course.require_gradebook([], patience=_BACK_SECONDS)
        except GradebookError as error:
            self.failure = error
        return self.failure is not None

    def end(self) -> None:
        """End all processes, which end those below them."""
        for slot in self._slots:
            slot.connection.close()
        for slot in self._slots:
            slot.end()

    def kill(self) -> None:
        """End all processes at once."""
        for slot in self._slots:
            slot.kill()


# What goes on


class Bell:
    """Has a service look for work at once; any thread may ring."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def ring(self) -> None:
        """Have it look."""
        os.eventfd_write(self._descriptor, 1)

    def silence(self) -> None:
        """Take note that it rang, if it did."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def fileno(self) -> int:
        """What to wait on."""
        return self._descriptor


def serve(
    course: Course,
    jobs: int,
    more: Callable[[int], Iterable[HandIn]],
    stopping: Callable[[], bool],
    bell: Bell,
) -> Generator[tuple[HandIn, Summary] | None, None, None]:
    """Have what is handed in graded, in processes that live on, until ``stopping`` says so.

    Nothing is tried again here: a task whose process dies comes back with ``Summary.error``.
    What runs when it stops is ended at once, and comes back no more.

    Args:
        course: the course.
        jobs: processes.
        more: is asked for at most so many tasks to begin now: when the bell has rung, when a
            process has nothing to do, and now and then.
        stopping: whether to stop; ring the bell when that changes.
        bell: rings when there may be more.

    Yields:
        A task and what became of it, or None when nothing has happened for a moment.

    Raises:
        PoolError: the processes do not start.
    """
    service = _Service(course, more, bell)
    try:
        service.start(jobs)
        while not stopping():
            yield from service.results()
    finally:
        service.end()


class _Service:
    def __init__(self, course: Course, more: Callable[[int], Iterable[HandIn]], bell: Bell) -> None:
        self._course = course
        self._more = more
        self._bell = bell
        self._slots: list[Slot] = []
        self._returned: deque[HandIn] = deque()
        """What was given to a process that was to be replaced first."""
        self._failed_starts = 0

    def start(self, jobs: int) -> None:
        """Start the processes."""
        for _ in range(jobs):
            self._slots.append(_slot_of(self._course, "serve"))

    def results(self) -> Generator[tuple[HandIn, Summary] | None, None, None]:
        """Give out what there is, and what comes of a moment's waiting."""
        self._hand_out()
        heard = wait(
            [self._bell.fileno(), *(slot.connection for slot in self._slots)], _TICK_SECONDS
        )
        self._bell.silence()
        speak = [slot for slot in self._slots if slot.connection in heard]
        said = [*map(self._receive, speak), *map(self._look_at_time, self._slots)]
        yield from filter(None, said)
        if not any(said):
            yield None

    def _hand_out(self) -> None:
        """Give a task to each process that waits for one."""
        free = [slot for slot in self._slots if slot.ready and slot.task is None]
        if len(free) > len(self._returned):
            self._returned += self._more(len(free) - len(self._returned))
        for slot in free[: len(self._returned)]:
            slot.give(self._returned.popleft())

    def _receive(self, slot: Slot) -> tuple[HandIn, Summary] | None:
        """What comes of a slot's task."""
        try:
            said: Said = slot.receive()
        except EOFError:
            self._failed_starts += not slot.ready
            if self._failed_starts >= _FAILED_STARTS:
                raise PoolError(_DO_NOT_START) from None
            return self._replace(slot, _DIED_ONCE)
        task, slot.task = slot.task, None
        if isinstance(task, HandIn) and isinstance(said, Summary):
            return task, said
        self._failed_starts = 0
        if isinstance(task, HandIn):
            self._returned.append(task)
            slot.end()
            slot.start()
        return None

    def _look_at_time(self, slot: Slot) -> tuple[HandIn, Summary] | None:
        """End what takes too long: one that hangs would stay for good."""
        if slot.task is None or time.monotonic() - slot.began < _LONGEST_SECONDS:
            return None
        return self._replace(slot, _TOOK_TOO_LONG)

    def _replace(self, slot: Slot, why: str) -> tuple[HandIn, Summary] | None:
        """Start another process in the place of one; what is told of its task."""
        task, slot.task = slot.task, None
        slot.kill()
        slot.start()
        if not isinstance(task, HandIn):
            return None
        return task, Summary(task.assignment, task.student, error=why)

    def end(self) -> None:
        """End all processes: at once those that work, whose task will be done again."""
        for slot in self._slots:
            if slot.task is not None:
                slot.kill()
            else:
                slot.connection.close()
        for slot in self._slots:
            if slot.task is None:
                slot.end()
