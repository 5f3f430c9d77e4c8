"""Many submissions at once: local processes, each with a grading and a warm process of its own."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from autograder.bridge.course import Course, CourseError, Summary
from autograder.runner import linux

_course: Course | None = None


@dataclass(frozen=True)
class Task:
    """One submission to grade, or whose feedback to write."""

    assignment: str
    student: str
    force: bool = False
    allow_unsafe: bool = False


def default_jobs() -> int:
    """As many processes as this one may use cores."""
    return len(os.sched_getaffinity(0))


def grade(root: Path, tasks: Sequence[Task], jobs: int) -> Iterator[Summary]:
    """Grade submissions in parallel; summaries come in the order of completion.

    A process that dies costs its submission one more try; a second death is reported in the
    submission's ``Summary.error``, and the others go on.
    """
    yield from _each(root, tasks, jobs, _grade_one)


def feedback(root: Path, tasks: Sequence[Task], jobs: int) -> Iterator[Summary]:
    """Write feedback pages in parallel."""
    yield from _each(root, tasks, jobs, _feedback_one)


def _each(
    root: Path, tasks: Sequence[Task], jobs: int, work: Callable[[Task], Summary]
) -> Iterator[Summary]:
    left = list(tasks)
    while left:
        done: set[Task] = set()
        with _executor(root, min(jobs, len(left))) as executor:
            running = {executor.submit(work, task): task for task in left}
            for future in as_completed(running):
                summary = _result(future)
                if summary is not None:
                    done.add(running[future])
                    yield summary
        left = [task for task in left if task not in done]
        if left and not done:  # nothing got through: find out which one kills its process
            yield from _one_by_one(root, left, work)
            return


def _one_by_one(
    root: Path, tasks: Sequence[Task], work: Callable[[Task], Summary]
) -> Iterator[Summary]:
    for task in tasks:
        with _executor(root, 1) as executor:
            summary = _result(executor.submit(work, task))
        yield summary or Summary(
            task.assignment,
            task.student,
            error="the process that graded it ended twice; run it alone with --student to see why",
        )


def _result(future: "Future[Summary]") -> Summary | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return None


def _executor(root: Path, jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(root, os.getpid()))


def _begin(root: Path, parent: int) -> None:
    """Prepare a process of the pool: it ends with its parent and leaves Ctrl-C to it."""
    global _course
    linux.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:
        os._exit(1)
    _course = Course(root)


def _grade_one(task: Task) -> Summary:
    assert _course is not None
    try:
        if task.allow_unsafe:
            _course.allow_unsafe()
        return _course.autograde(task.assignment, task.student, task.force)
    except Exception as error:  # one submission must not stop the class, whatever it provokes
        return Summary(task.assignment, task.student, error=f"{type(error).__name__}: {error}")


def _feedback_one(task: Task) -> Summary:
    assert _course is not None
    try:
        _course.feedback(task.assignment, task.student)
    except CourseError as error:
        return Summary(task.assignment, task.student, error=str(error))
    return Summary(task.assignment, task.student)
