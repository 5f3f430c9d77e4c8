"""The queue: what is queued once, taken in order, stored once, and set aside with its reason."""

import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from procrastinate import App
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from autograder.bridge.course import Course, CourseError
from autograder.database import DatabaseError
from autograder.workers import queue, remote
from autograder.workers.bundle import CourseBundle
from autograder.workers.database import database_url, open_app, open_queue
from autograder.workers.queue import (
    AGAIN,
    CLASS,
    MOST_FAILURES,
    MOST_INTERRUPTIONS,
    STUDENT_WAITS,
    BusyError,
    ElsewhereError,
    LeaseError,
    Parcel,
    Taken,
)
from autograder.workers.schema import Base, Bundle, Result, Submission
from tests.postgres import execute, new_database, rows

BUNDLE = CourseBundle("course", {}, b"a version of a course")
OTHER = CourseBundle("other", {}, b"another course")
GRADED = {"assignment": "one", "student": "ana", "score": 3.0}


class Desk:
    """The queue with a known version of two courses."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.url = url
        self.app: App = open_app(database_url(url))
        for bundle in (BUNDLE, OTHER):
            queue.send_bundle(engine, bundle)

    def queue(
        self,
        student: str,
        content: str = "first",
        *,
        bundle: CourseBundle = BUNDLE,
        urgency: int = CLASS,
        again: bool = False,
    ) -> int:
        parcel = Parcel("one", student, content, content, content.encode())
        (number,) = queue.enqueue(
            self.engine, self.app, bundle.course, bundle.hash, [parcel],
            urgency=urgency, again=again,
        )  # fmt: skip
        return number

    def attempt(self, student: str, content: str) -> int:
        """Queue an attempt from an LMS."""
        facts = {"late": "no"}
        parcel = Parcel("one", student, content, content, content.encode(), facts)
        (number,) = queue.enqueue(
            self.engine, self.app, BUNDLE.course, BUNDLE.hash, [parcel], urgency=STUDENT_WAITS
        )
        return number

    def begin(self, student: str) -> int:
        """Have a worker fetch the student's next ticket; the job's number.

        As procrastinate does it: the last one has ended.
        """
        with self.engine.begin() as connection:
            connection.execute(
                text(
                    "DELETE FROM procrastinate_jobs "
                    "WHERE status = 'doing' AND args->>'student' = :student"
                ),
                {"student": student},
            )
            found = connection.execute(
                text(
                    "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT min(id) "
                    "FROM procrastinate_jobs WHERE status = 'todo' AND args->>'student' = :student"
                    ") RETURNING id"
                ),
                {"student": student},
            )
            return int(found.scalar_one())

    def end(self, job: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job})

    def take(self, job: int, student: str, bundle: CourseBundle = BUNDLE) -> Taken | None:
        return queue.take(
            self.engine, job, course=bundle.course, student=student, worker="here",
            bundles={bundle.hash},
        )  # fmt: skip

    def taken(self, student: str) -> Taken:
        taken = self.take(self.begin(student), student)
        assert taken is not None
        return taken

    def state(self, number: int) -> tuple[str, str]:
        with Session(self.engine) as session:
            row = session.get_one(Submission, number)
            return row.state, row.error

    def results(self) -> int:
        with Session(self.engine) as session:
            return session.scalar(select(func.count(Result.submission_id))) or 0

    def order(self) -> list[tuple[str, str]]:
        """The course and student of each ticket, in the order in which they are fetched."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT args->>'course', args->>'student' FROM procrastinate_jobs "
                    "WHERE status = 'todo' ORDER BY priority DESC, id"
                )
            )
            return [(course, student) for course, student in rows]


@pytest.fixture
def desk(engine: Engine, url: str) -> Desk:
    return Desk(engine, url)


# Queueing


def test_what_is_queued_twice_is_graded_once(desk: Desk) -> None:
    assert desk.queue("ana") == desk.queue("ana")
    assert desk.order() == [("course", "ana")]


def test_what_is_graded_and_not_collected_is_not_graded_again(desk: Desk) -> None:
    number = desk.queue("ana")
    queue.finish(desk.engine, desk.taken("ana"), GRADED, b"", "here")
    assert desk.queue("ana") == number
    assert desk.queue("ana", again=True) != number


def test_what_is_collected_is_graded_again_when_it_is_queued_again(desk: Desk) -> None:
    number = desk.queue("ana")
    queue.finish(desk.engine, desk.taken("ana"), GRADED, b"bytes", "here")
    queue.collect(desk.engine, [number])
    assert desk.queue("ana") != number
    with Session(desk.engine) as session:
        assert session.get_one(Submission, number).content is None
        assert session.get_one(Result, number).content is None
        assert session.get_one(Result, number).summary == GRADED


def test_courses_take_turns_however_many_each_has_queued(desk: Desk) -> None:
    for number in range(5):
        desk.queue(f"student-{number}")
    for number in range(2):
        desk.queue(f"guest-{number}", bundle=OTHER)
    assert desk.order()[:5] == [
        ("course", "student-0"), ("other", "guest-0"),
        ("course", "student-1"), ("other", "guest-1"),
        ("course", "student-2"),
    ]  # fmt: skip


def test_who_comes_late_takes_turns_from_there_on(desk: Desk) -> None:
    for number in range(6):
        desk.queue(f"student-{number}")
    for number in range(3):
        job = desk.begin(f"student-{number}")
        assert desk.take(job, f"student-{number}") is not None
    desk.queue("guest-0", bundle=OTHER)
    desk.queue("guest-1", bundle=OTHER)
    assert [student for _course, student in desk.order()] == [
        "student-3", "guest-0", "student-4", "guest-1", "student-5",
    ]  # fmt: skip


def test_what_nobody_can_grade_does_not_hold_back_the_turns_of_others(desk: Desk) -> None:
    stuck = CourseBundle("stuck", {}, b"a course that no worker grades")
    queue.send_bundle(desk.engine, stuck)
    desk.queue("nobody", bundle=stuck)
    for number in range(6):
        desk.queue(f"student-{number}")
        if number < 3:
            desk.taken(f"student-{number}")
    desk.queue("guest-0", bundle=OTHER)
    desk.queue("guest-1", bundle=OTHER)
    assert [student for _course, student in desk.order()] == [
        "nobody", "student-3", "guest-0", "student-4", "guest-1", "student-5",
    ]  # fmt: skip


def test_a_newer_version_takes_the_place_of_what_waits_in_an_older_one(desk: Desk) -> None:
    newer = CourseBundle("course", {}, b"a newer version of the course")
    queue.send_bundle(desk.engine, newer)
    old = desk.queue("ana", "in the old version")
    new = desk.queue("ana", "in the new version", bundle=newer)
    assert rows(desk.url, "SELECT DISTINCT queue_name FROM procrastinate_jobs") == [
        (queue.name_of(newer.hash),)
    ]
    taken = desk.take(desk.begin("ana"), "ana", newer)
    assert taken is not None and taken.id == new
    assert desk.state(old) == ("set aside", queue._NEWER)
    assert [one.error for one in queue.ended(desk.engine, [old], 9)] == [queue._NEWER]


def test_what_is_graded_in_an_older_version_is_not_cut_off_by_a_newer_one(desk: Desk) -> None:
    desk.queue("ana", "old")
    taken = desk.taken("ana")
    desk.queue("ana", "new")
    queue.finish(desk.engine, taken, GRADED, b"", "here")
    assert desk.state(taken.id) == ("graded", "")


def test_attempts_of_an_older_version_are_let_go_when_the_course_is_served_in_a_newer_one(
    desk: Desk,
) -> None:
    newer = CourseBundle("course", {}, b"a newer version of the course")
    queue.send_bundle(desk.engine, newer)
    waits = desk.attempt("ana", "waits")
    done = desk.attempt("luis", "done")
    queue.finish(desk.engine, desk.taken("luis"), GRADED, b"pages", "here")
    from_folder = desk.queue("eva")
    queue.withdraw_attempts(desk.engine, "course", newer.hash)
    assert desk.state(waits)[0] == "set aside" and desk.state(done)[0] == "graded"
    assert desk.state(from_folder)[0] == "waiting"
    assert queue.ended(desk.engine, [done], 9)[0].content is None


# Following


def test_what_another_one_has_collected_is_told_to_who_waits_for_it(desk: Desk) -> None:
    number = desk.queue("ana")
    queue.finish(desk.engine, desk.taken("ana"), GRADED, b"notebooks", "here")
    queue.collect(desk.engine, [number])
    (ended,) = queue.ended(desk.engine, [number], 9)
    assert (ended.summary, ended.content) == (GRADED, None)


def test_attempts_from_an_lms_are_left_to_who_serves_the_course(desk: Desk) -> None:
    desk.attempt("ana", "of the LMS")
    number = desk.queue("luis")
    assert queue.uncollected(desk.engine, "course") == [number]


def test_a_class_of_any_size_is_followed(desk: Desk) -> None:
    number = desk.queue("ana")
    queue.finish(desk.engine, desk.taken("ana"), GRADED, b"notebooks", "here")
    numbers = range(number, number + 100_000)
    assert [one.id for one in queue.ended(desk.engine, numbers, 9)] == [number]
    queue.collect(desk.engine, numbers)
    assert queue.uncollected(desk.engine, "course") == []


# Order


def test_a_student_who_waits_comes_before_a_class_and_that_before_a_regrade(desk: Desk) -> None:
    desk.queue("regraded", urgency=AGAIN)
    desk.queue("of-a-class")
    desk.queue("waits", urgency=STUDENT_WAITS)
    assert [student for _course, student in desk.order()] == ["waits", "of-a-class", "regraded"]


# Grading


def test_the_oldest_submission_of_a_student_is_graded_first(desk: Desk) -> None:
    first = desk.queue("ana", "first", urgency=AGAIN)
    second = desk.queue("ana", "second", urgency=STUDENT_WAITS)
    taken = desk.taken("ana")
    assert (taken.id, taken.content) == (first, b"first")
    queue.finish(desk.engine, taken, GRADED, b"", "here")
    assert desk.taken("ana").id == second


def test_while_one_is_graded_the_student_s_next_one_waits(desk: Desk) -> None:
    desk.queue("ana", "first")
    desk.queue("ana", "second")
    desk.taken("ana")
    with pytest.raises(BusyError):
        desk.take(999, "ana")  # under another ticket, as after a retry that came too early


def test_a_ticket_for_nothing_is_no_harm(desk: Desk) -> None:
    desk.queue("ana")
    queue.finish(desk.engine, desk.taken("ana"), GRADED, b"", "here")
    assert desk.take(999, "ana") is None


def test_a_worker_that_was_given_up_can_store_nothing(desk: Desk) -> None:
    number = desk.queue("ana")
    job = desk.begin("ana")
    old = desk.take(job, "ana")
    new = desk.take(job, "ana")  # the ticket was given to another worker
    assert old is not None
    assert new is not None
    with pytest.raises(LeaseError):
        queue.finish(desk.engine, old, GRADED, b"old", "old")
    with pytest.raises(LeaseError):
        queue.fail(desk.engine, old, "it failed")
    with pytest.raises(LeaseError), Session(desk.engine) as session:
        queue.require_lease(session, old.id, old.lease)
    queue.finish(desk.engine, new, GRADED, b"new", "new")
    assert desk.state(number) == ("graded", "")
    assert desk.results() == 1


def test_a_result_is_stored_once(desk: Desk) -> None:
    desk.queue("ana")
    taken = desk.taken("ana")
    queue.finish(desk.engine, taken, GRADED, b"", "here")
    with pytest.raises(LeaseError):
        queue.finish(desk.engine, taken, GRADED, b"", "here")
    assert desk.results() == 1


def test_what_fails_again_is_set_aside_with_its_reason_and_the_next_one_goes_on(
    desk: Desk,
) -> None:
    first, second = desk.queue("ana", "first"), desk.queue("ana", "second")
    job = desk.begin("ana")
    for attempt in range(1, MOST_FAILURES + 1):
        taken = desk.take(job, "ana")
        assert taken is not None
        assert queue.fail(desk.engine, taken, "torch is tired") == (attempt == MOST_FAILURES)
    assert desk.state(first) == ("set aside", "torch is tired")
    taken = desk.take(job, "ana")
    assert taken is not None
    assert taken.id == second


def test_what_is_interrupted_again_and_again_is_set_aside(desk: Desk) -> None:
    number = desk.queue("ana")
    job = desk.begin("ana")
    for _ in range(MOST_INTERRUPTIONS):
        assert desk.take(job, "ana") is not None
    assert desk.take(job, "ana") is None
    state, error = desk.state(number)
    assert state == "set aside"
    assert "interrupted 10 times" in error


def test_what_is_put_back_counts_as_not_begun(desk: Desk) -> None:
    desk.queue("ana")
    job = desk.begin("ana")
    for _ in range(MOST_INTERRUPTIONS + 1):
        taken = desk.take(job, "ana")
        assert taken is not None
        queue.put_back(desk.engine, taken)


def test_a_version_that_a_worker_does_not_grade_is_left_to_others(desk: Desk) -> None:
    desk.queue("ana")
    with pytest.raises(ElsewhereError) as told:
        queue.take(
            desk.engine, desk.begin("ana"), course="course", student="ana", worker="here",
            bundles={OTHER.hash},
        )  # fmt: skip
    assert told.value.bundle == BUNDLE.hash


def test_who_has_lost_a_ticket_is_given_another_one(desk: Desk) -> None:
    desk.queue("ana")
    desk.queue("eva")
    assert queue.issue_tickets(desk.engine, desk.app) == 0
    desk.end(desk.begin("ana"))
    assert queue.issue_tickets(desk.engine, desk.app) == 1
    assert sorted(desk.order()) == [("course", "ana"), ("course", "eva")]


def test_the_oldest_living_worker_sees_to_what_dead_ones_have_left(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        add = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '{}')"
        for age in ("1 hour", "1 second", "1 second"):
            connection.execute(text(add.format(age)))
    assert [queue.leads(desk.engine, number, 30) for number in (1, 2, 3)] == [False, True, False]


def test_what_was_collected_long_ago_is_removed_with_the_version_that_nothing_needs(
    desk: Desk,
) -> None:
    old, fresh = desk.queue("ana"), desk.queue("eva")
    open_one = desk.queue("leo", bundle=OTHER)
    for student in ("ana", "eva"):
        queue.finish(desk.engine, desk.taken(student), GRADED, b"", "here")
    queue.collect(desk.engine, [old, fresh])
    past = {"long_ago": time.time() - queue.KEPT_SECONDS - 1}
    with desk.engine.begin() as connection:
        connection.execute(
            text("UPDATE queue_submission SET queued = :long_ago WHERE NOT id = :fresh"),
            {**past, "fresh": fresh},
        )
        connection.execute(text("UPDATE queue_bundle SET created = :long_ago"), past)
    queue.clean(desk.engine)
    with Session(desk.engine) as session:
        assert session.scalars(select(Submission.id).order_by(Submission.id)).all() == [
            fresh,
            open_one,
        ]
        assert session.scalars(select(Result.submission_id)).all() == [fresh]
        assert len(session.scalars(select(Bundle.hash)).all()) == 2
        session.execute(text("UPDATE queue_submission SET collected = true, queued = 0"))
        session.commit()
    queue.clean(desk.engine)
    with Session(desk.engine) as session:
        assert session.scalars(select(Bundle.hash)).all() == []


# The database


def test_the_migrations_make_the_tables_that_the_program_expects(engine: Engine) -> None:
    ours = set(Base.metadata.tables)

    def is_ours(name: str | None, kind: str, _parent: object) -> bool:
        return kind != "table" or name in ours

    with engine.connect() as connection:
        options = {"version_table": "queue_version", "include_name": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_is_opened_again_with_all_that_is_in_it(desk: Desk, url: str) -> None:
    number = desk.queue("ana")
    open_queue(database_url(url)).dispose()
    assert desk.state(number) == ("waiting", "")


def test_tables_of_another_program_s_queue_are_left_alone(url: str) -> None:
    execute(url, "CREATE TABLE procrastinate_jobs (id int)")
    with pytest.raises(DatabaseError, match="a database of its own"):
        open_queue(database_url(url))
    assert rows(url, "SELECT to_regclass('queue_submission')") == [(None,)]


def test_tables_of_a_newer_version_are_left_alone(url: str) -> None:
    open_queue(database_url(url)).dispose()
    execute(url, "UPDATE queue_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer version"):
        open_queue(database_url(url))


@pytest.mark.parametrize("wrong", ["no url", "sqlite:///queue.db", "postgresql://host", ""])
def test_what_is_no_postgres_database_is_one_error(wrong: str) -> None:
    with pytest.raises(DatabaseError, match="--db needs a"):
        database_url(wrong)


def test_a_database_that_cannot_be_reached_is_one_error_without_its_password() -> None:
    url = database_url("postgresql://grader:geheim@127.0.0.1:1/course")
    with pytest.raises(DatabaseError, match="cannot be used") as told:
        open_queue(url)
    assert "geheim" not in str(told.value)


def test_a_course_whose_gradebook_is_elsewhere_is_told_how_to_mend_that(
    course: Course, postgres_server: str
) -> None:
    other = new_database(postgres_server)
    with pytest.raises(CourseError, match=r"c\.CourseDirectory\.db_url = ") as told:
        remote.open_for(course, other)
    assert other.rpartition("/")[2] in str(told.value)
