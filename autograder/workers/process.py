"""A process of a worker: grades one submission after the other of one version of a course.

Started as ``python -m autograder.workers.process FD PARENT COURSE [unsafe]``, with the gradebook's
address in the environment. On the connection it says that it is ready, then answers each
``Taken`` with a ``Graded``; it ends when that is closed.
"""

import gc
import os
import signal
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder.runner import linux

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from autograder.bridge.course import Course
    from autograder.workers.queue import Graded, Taken


def main(descriptor: int, parent: int, root: Path, unsafe: bool = False) -> None:
    """Serve the connection; end with the parent at the latest."""
    linux.die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are the parent's matter
    if os.getppid() != parent:
        return
    from autograder.bridge.course import Course  # takes seconds, in which the parent may end
    from autograder.bridge.handin import warm_up

    connection = Connection(descriptor)
    course = Course(root)
    if unsafe:
        course.allow_unsafe()
    warm_up(course)
    gc.freeze()
    connection.send(None)
    while True:
        try:
            taken = connection.recv()
        except EOFError:
            return
        connection.send(_graded(course, taken))


def _graded(course: "Course", taken: "Taken") -> "Graded":
    """Grade a submission, and store its scores as long as it is this worker's."""
    from autograder.bridge.course import GradebookError, Summary
    from autograder.bridge.database import storing_if
    from autograder.bridge.handin import mark
    from autograder.bridge.sending import (
        hand_in_from,
        pack_graded,
        remove_submission,
        unpack_submission,
    )
    from autograder.workers.queue import Graded, LeaseError, require_lease

    lost = False

    def still_ours(session: "Session") -> None:
        nonlocal lost
        try:
            require_lease(session, taken.id, taken.lease)
        except LeaseError:
            lost = True
            raise

    name = taken.assignment, taken.student
    pages: dict[str, bytes] = {}
    try:
        remove_submission(course, *name)
        with storing_if(still_ours):
            if taken.facts:
                marked = mark(course, hand_in_from(taken.facts, taken.content))
                summary: Summary = marked
                pages, marked.pages = marked.pages, {}
            else:
                unpack_submission(course, *name, taken.content)
                summary = course.autograde(*name, force=True)
        content = None
        if not summary.error and any(course.folder("autograded", *name).glob("*.ipynb")):
            content = pack_graded(course, *name, pages)
        return Graded(asdict(summary), content, lost)
    except GradebookError as error:
        told = Summary(*name, error=str(error), of_gradebook=True)
        return Graded(asdict(told), lost=lost)
    except Exception as error:  # one submission must not stop the class, whatever it provokes
        what = f"{type(error).__name__}: {error}"
        return Graded(asdict(Summary(*name, error=what)), lost=lost)
    finally:
        remove_submission(course, *name)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), "unsafe" in sys.argv[4:])
