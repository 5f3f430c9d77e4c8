"""A process of the pool: does one task after another.

Started as ``python -m autograder.pool_worker FD PARENT COURSE WORK [unsafe]``. On the connection it
says that it is ready, then answers each ``Task`` with a ``Summary``; it ends when that is closed.
With the work ``serve`` it is one of a service, and ends also when the course is not as it was.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder.runner import linux

if TYPE_CHECKING:
    from autograder.bridge.course import Course, Summary
    from autograder.bridge.handin import HandIn
    from autograder.pool import Task

_NICE: Final = 10
"""So that pages stay quick while submissions are graded."""
_MOST_TASKS: Final = 500
"""After so many a process of a service is replaced: whatever gathers in it goes."""


def main(descriptor: int, parent: int, root: Path, work: str, unsafe: bool = False) -> None:
    """Serve the connection; end with the parent at the latest."""
    linux.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter
    if os.getppid() != parent:
        return
    from autograder.bridge.course import Course  # takes seconds, in which the parent may end

    connection = Connection(descriptor)
    if work == "serve":
        os.nice(_NICE)
        _serve(connection, root, unsafe)
        return
    course = Course(root)
    if unsafe:
        course.allow_unsafe()
    gc.freeze()  # what is there stays: no collection need look at it again
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(_done(_WORK[work], course, task))


def _serve(connection: Connection, root: Path, unsafe: bool) -> None:
    """Grade what is handed in, as long as the course is as it was when this process began."""
    from autograder.bridge.course import Course
    from autograder.bridge.handin import held_inputs, mark, warm_up

    held = held_inputs(Course(root))
    course = Course(root)  # after that look, so that it is not older
    if unsafe:
        course.allow_unsafe()
    warm_up(course)
    gc.freeze()
    connection.send(None)
    done = 0
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if done >= _MOST_TASKS or held_inputs(course) != held:
            connection.send("renew")
            return
        connection.send(_done(mark, course, task))
        done += 1


def _done(
    work: "Callable[[Course, Any], Summary]", course: "Course", task: "Task | HandIn"
) -> "Summary":
    """Do a task when no other process is at that submission."""
    from autograder.bridge.course import GradebookError, Summary, gradebook_errors
    from autograder.bridge.locks import submission_lock

    db_url = course.directory.db_url
    try:
        with (
            gradebook_errors(),
            submission_lock(course.root, task.assignment, task.student, db_url),
        ):
            return work(course, task)
    except GradebookError as error:
        return Summary(task.assignment, task.student, error=str(error), of_gradebook=True)
    except Exception as error:  # one submission must not stop the class, whatever it provokes
        return Summary(task.assignment, task.student, error=f"{type(error).__name__}: {error}")


def _grade(course: "Course", task: "Task") -> "Summary":
    return course.autograde(task.assignment, task.student, task.force)


def _feedback(course: "Course", task: "Task") -> "Summary":
    from autograder.bridge.course import Summary

    course.feedback(task.assignment, task.student)
    return Summary(task.assignment, task.student)


_WORK: Final = {"grade": _grade, "feedback": _feedback}


if __name__ == "__main__":
    main(
        int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], "unsafe" in sys.argv[5:]
    )
