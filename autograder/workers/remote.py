"""A class graded by workers on other machines: queued, followed, and put into the course's folders.

The same interface as ``autograder.pool.run``: summaries come as submissions are done. What is
queued goes on whatever becomes of who follows it.
"""

import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

from procrastinate import App
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from autograder.bridge.course import Course, CourseError, GradebookError, Summary
from autograder.bridge.parcels import ParcelError
from autograder.bridge.sending import keep_graded, pack_submission
from autograder.database import DatabaseError, shown
from autograder.pool import Task
from autograder.workers import queue
from autograder.workers.bundle import course_id, make_bundle
from autograder.workers.database import database_url, open_app, open_queue, place_of, told
from autograder.workers.queue import Ended, Parcel

P = ParamSpec("P")
T = TypeVar("T")
_TICK_SECONDS: Final = 0.5
_AT_ONCE: Final = 50
"""Submissions in one transaction, each way."""
_WAIT_SECONDS: Final = 20.0
"""So long a database may be away while a class is queued: nothing is lost if that begins anew."""
_AWAY_SECONDS: Final = 120.0
"""So long a database may be away while a class is followed."""
SILENT_SECONDS: Final = 30.0
_SAY_SECONDS: Final = 10.0


@dataclass
class Queue:
    """The queue of a course, opened."""

    url: URL
    engine: Engine
    app: App
    course: Course
    name: str
    """The course's id."""
    numbers: list[int] = field(default_factory=list)
    """The submissions that are followed."""


def open_for(course: Course, db: str) -> Queue:
    """Open the queue for a course.

    Raises:
        CourseError: the database cannot be used, or the course's gradebook is elsewhere.
    """
    try:
        url = database_url(db)
        name = course_id(course)
        _require_gradebook_in(course, url)
        engine = open_queue(url)
    except DatabaseError as error:
        raise CourseError(str(error)) from error
    return Queue(url, engine, open_app(url), course, name)


def _require_gradebook_in(course: Course, url: URL) -> None:
    """Make sure that workers write into the gradebook that the course reads.

    Raises:
        CourseError: it is another one.
    """
    config = course.root / "nbgrader_config.py"
    try:
        own = make_url(course.directory.db_url)
        is_there = own.get_backend_name() == "postgresql" and place_of(own) == place_of(url)
    except (ArgumentError, ValueError):  # which have a part of what was given
        raise CourseError(f"c.CourseDirectory.db_url in {config} is no database's URL") from None
    if is_there:
        return
    wanted = shown(url)
    raise CourseError(
        f"workers write into the gradebook of the queue's database, and this course reads "
        f"{shown(own)}: correct --db, or run `autograder gradebook copy --to {wanted}`, which "
        f'brings its scores along, and then set c.CourseDirectory.db_url = "{wanted}" in {config}'
    )


def run(
    opened: Queue,
    tasks: Sequence[Task],
    stopping: Callable[[], bool],
    say: Callable[[str], None],
) -> Generator[Summary | None, None, None]:
    """Queue submissions and follow them; what has not changed is not queued.

    Args:
        opened: the queue.
        tasks: the submissions.
        stopping: ends the following; what is queued is graded all the same.
        say: tells a teacher what nothing else would, such as that no worker is there.

    Yields:
        A summary, or None when nothing has happened for a moment.

    Raises:
        CourseError: another course has an assignment of the same name there.
        GradebookError: the database is away for long.
    """
    yield from enqueue(opened, tasks, stopping)
    yield from follow(opened, stopping, say)


def attach(opened: Queue) -> int:
    """Take up all that is queued of the course and not in its folders; how much that is."""
    with _database_told(opened):
        opened.numbers = queue.uncollected(opened.engine, opened.name)
    return len(opened.numbers)


def enqueue(
    opened: Queue, tasks: Sequence[Task], stopping: Callable[[], bool]
) -> Iterator[Summary | None]:
    """Queue submissions, as ``run`` does; summaries of those that need no grading.

    Raises:
        CourseError: another course has an assignment of the same name there.
        GradebookError: the database cannot be used.
    """
    require_own_names(opened, {task.assignment for task in tasks})
    bundle = ""
    for start in range(0, len(tasks), _AT_ONCE):
        some = tasks[start : start + _AT_ONCE]
        if stopping():
            return
        found = _patiently(_parcels, opened.course, some)
        yield from (one for one in found if isinstance(one, Summary))
        if parcels := [one for one in found if isinstance(one, Parcel)]:
            again = any(task.force for task in some)
            bundle = bundle or _patiently(_send_bundle, opened)
            opened.numbers += _patiently(_send, opened, bundle, parcels, again)
            yield None


def _patiently(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Do what needs the database, and again while that is away for a moment: it may restart.

    Raises:
        GradebookError: it is away for longer.
    """
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return work(*arguments, **options)
        except GradebookError:
            if time.monotonic() >= until:
                raise
            time.sleep(_TICK_SECONDS)


def _send_bundle(opened: Queue) -> str:
    with _database_told(opened):
        return queue.send_bundle(opened.engine, make_bundle(opened.course))


def _send(opened: Queue, bundle: str, parcels: list[Parcel], again: bool) -> list[int]:
    with _database_told(opened):
        return queue.enqueue(
            opened.engine, opened.app, opened.name, bundle, parcels,
            urgency=queue.AGAIN if again else queue.CLASS, again=again,
        )  # fmt: skip


def require_own_names(opened: Queue, assignments: Collection[str]) -> None:
    """Make sure that no two courses write into the same rows of nbgrader's gradebook.

    Raises:
        CourseError: another course has an assignment of the same name there.
        GradebookError: the database cannot be used.
    """
    with _database_told(opened):
        others = queue.others_with(opened.engine, opened.name, assignments)
    for assignment, other in sorted(others.items()):
        raise CourseError(
            f"course {other!r} has queued an assignment {assignment!r} in this database too, and "
            "nbgrader's gradebook tells assignments apart by their names alone: give this one "
            "another name, or this course a database and workers of its own"
        )


def _parcels(course: Course, tasks: Sequence[Task]) -> list[Parcel | Summary]:
    return [_parcel(course, task) for task in tasks]


def _parcel(course: Course, task: Task) -> Parcel | Summary:
    """What is sent of a submission, or what is known of it without grading."""
    due = course.due(task.assignment, task.student, task.force)
    if isinstance(due, Summary):
        if due.of_gradebook:
            raise GradebookError(due.error)
        return due
    try:
        content = pack_submission(course, task.assignment, task.student)
    except (ParcelError, OSError) as error:
        return Summary(task.assignment, task.student, error=str(error))
    return Parcel(task.assignment, task.student, due.inputs, due.stamp, content)


def follow(
    opened: Queue, stopping: Callable[[], bool], say: Callable[[str], None]
) -> Generator[Summary | None, None, None]:
    """Put what is graded into the course's folders as it comes; as ``run``, without queueing."""
    left = set(opened.numbers)
    away_since: float | None = None
    says_at = time.monotonic() + _SAY_SECONDS
    while left and not stopping():
        try:
            found = queue.ended(opened.engine, left, _AT_ONCE)
            kept = [_keep(opened.course, one) for one in found]
            queue.collect(
                opened.engine,
                [one.id for one, (_, is_kept) in zip(found, kept, strict=True) if is_kept],
            )
            away_since = None
        except DBAPIError as error:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > _AWAY_SECONDS:
                raise GradebookError(told(opened.url, error)) from error
            yield None
            time.sleep(_TICK_SECONDS)
            continue
        left -= {one.id for one in found}
        yield from (summary for summary, _is_kept in kept)
        if not found:
            if time.monotonic() >= says_at:
                says_at = time.monotonic() + 6 * _SAY_SECONDS
                _say_who_works(opened, say)
            yield None
            time.sleep(_TICK_SECONDS)


def _keep(course: Course, one: Ended) -> tuple[Summary, bool]:
    """Put what came of a submission into the course's folders; whether the queue can drop it."""
    name = one.assignment, one.student
    if one.error:
        return Summary(*name, error=one.error), True
    summary = Summary(**one.summary)
    if one.content is None:
        return summary, True
    try:
        keep_graded(course, *name, one.content, inputs=one.inputs, stamp=one.stamp)
    except (ParcelError, CourseError, OSError) as error:
        summary.error = (
            "it is graded, and cannot be put into the course's folders, so the queue keeps it "
            f"for `autograder grade --db URL --attach`: {error}"
        )
        return summary, False
    return summary, True


def _say_who_works(opened: Queue, say: Callable[[str], None]) -> None:
    """Say why nothing happens, if no worker takes these."""
    with suppress(DBAPIError):  # then that is the reason, and told in its time
        workers = queue.workers(opened.engine, SILENT_SECONDS)
        refusals = [f"{name} does not grade {why}" for name, _n, refuses in workers
                    for why in refuses.values()]  # fmt: skip
        if not workers:
            say("no worker is there: start one with `autograder worker --db URL`")
        elif len({name for name, _n, refuses in workers if refuses}) == len(workers):
            say("; ".join(refusals[:3]))


@contextmanager
def _database_told(opened: Queue) -> Iterator[None]:
    """Say in one sentence what the driver says of the queue's database.

    Raises:
        GradebookError: in the place of SQLAlchemy's or procrastinate's error.
    """
    try:
        yield
    except (DBAPIError, ConnectorException) as error:
        raise GradebookError(told(opened.url, error)) from error
