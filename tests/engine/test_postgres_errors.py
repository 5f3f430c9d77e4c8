"""What a teacher is told when the Postgres of the gradebook is not as it should be."""

import subprocess
import sys
import threading
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

from autograder import pool
from autograder.bridge.course import Course, CourseError, GradebookError
from autograder.bridge.gradebook import problem_of
from autograder.bridge.locks import submission_lock
from autograder.bridge.totals import read_totals
from autograder.pool import Task
from tests import postgres
from tests.engine.gradebooks import copy_of, course_at, move, submit

PASSWORD = "hunter2-secret"
COURSE_TABLES = Path(__file__).parents[2] / "docs/how-to/postgres.md"


@pytest.fixture
def course(tmp_path: Path, postgres_server: str) -> Course:
    made = course_at(tmp_path / "course", postgres.new_database(postgres_server))
    return made


def url_of(course: Course) -> str:
    url: str = course.directory.db_url
    return url


def as_user(url: str, user: str, password: str | None = None) -> str:
    made = make_url(url).set(username=user, password=password)
    return made.render_as_string(hide_password=False)


# The server


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://tests:{PASSWORD}@127.0.0.1:1/course"
    told = problem_of(url, ["one"])
    assert told == (
        "the gradebook's Postgres cannot be reached: start it, or correct "
        "c.CourseDirectory.db_url in nbgrader_config.py"
    )


def test_a_database_that_is_not_there_is_told(postgres_server: str) -> None:
    told = problem_of(f"{postgres_server}nowhere", ["one"])
    assert "has no database of that name: make it with `createdb`" in told


def test_a_wrong_password_and_an_unknown_user_are_told_without_the_password(
    course: Course, postgres_server: str
) -> None:
    postgres.execute(
        f"{postgres_server}postgres", f"CREATE ROLE {postgres.GUARDED} LOGIN PASSWORD 'right'"
    )
    submit(course.root, "ana", 2)
    for user in (postgres.GUARDED, "nobody-there"):
        url = as_user(url_of(course), user, PASSWORD)
        told = problem_of(url, ["one"])
        assert told.startswith("the gradebook's Postgres refuses the user or the password")
        move(course, url)
        done = subprocess.run(
            [sys.executable, "-m", "autograder", "--course", course.root, "grade"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert "refuses the user or the password" in " ".join(done.stderr.split())
        assert PASSWORD not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{PASSWORD}@127.0.0.1:port/db",
        f"postgresql://u:{PASSWORD}",
        f"postgres://u:{PASSWORD}@127.0.0.1/db",
        f"postgresql+other://u:{PASSWORD}@127.0.0.1/db",
        f"postgresql+psycopg://u:a@{PASSWORD}@127.0.0.1:1/db",
        f"postgresql+psycopg://u:a/{PASSWORD}@127.0.0.1:1/db",
        f"u:{PASSWORD}@127.0.0.1/db",
        f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:1/db?sslmode=wrong",
    ],
)
def test_an_address_that_cannot_be_used_is_one_line_without_its_password(url: str) -> None:
    told = problem_of(url, ["one"])
    assert "correct c.CourseDirectory.db_url" in told and "\n" not in told
    assert PASSWORD not in told and "hunter2" not in told


def test_a_user_who_may_not_write_is_told_before_anything_is_graded(
    course: Course, postgres_server: str
) -> None:
    postgres.execute(
        url_of(course),
        "CREATE ROLE reader LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    told = problem_of(as_user(url_of(course), "reader"), ["one"])
    assert "cannot be written: user 'reader' of its Postgres needs INSERT on " in told
    empty = postgres.new_database(postgres_server)
    assert "needs CREATE on its schema" in problem_of(as_user(empty, "reader"), ())


def test_a_server_that_only_reads_is_told(course: Course) -> None:
    database = make_url(url_of(course)).database
    postgres.execute(
        url_of(course), f'ALTER DATABASE "{database}" SET default_transaction_read_only = on'
    )
    assert "its Postgres is read-only" in problem_of(url_of(course), ["one"])


# The schema


def test_a_newer_schema_is_told(course: Course) -> None:
    postgres.execute(url_of(course), "UPDATE alembic_version SET version_num = 'f00dfeedbeef'")
    told = problem_of(url_of(course), ["one"])
    assert "made by a newer version of nbgrader (schema f00dfeedbeef)" in told


def test_an_older_schema_is_told_and_the_documented_statements_mend_it(course: Course) -> None:
    """nbgrader's own upgrade adds a column that may not be empty, and Postgres refuses that."""
    postgres.execute(
        url_of(course),
        "ALTER TABLE assignment DROP COLUMN course_id CASCADE",
        "DROP TABLE course CASCADE",
        "ALTER TABLE student DROP COLUMN lms_user_id",
        "UPDATE alembic_version SET version_num = '167914646830'",
    )
    told = problem_of(url_of(course), ["one"])
    assert "has not the tables of this nbgrader: docs/how-to/postgres.md" in told
    statements = COURSE_TABLES.read_text().split("```sql\n")[1].split("```")[0]
    postgres.execute(url_of(course), *filter(None, map(str.strip, statements.split(";"))))
    assert problem_of(url_of(course), ["one"]) == ""
    submit(course.root, "ana", 2)
    assert course.autograde("one", "ana").score == 6


def test_nbgraders_upgrade_has_nothing_to_do_in_a_new_gradebook(course: Course) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "db", "upgrade"],
        cwd=course.root, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert problem_of(url_of(course), ["one"]) == ""


def test_what_the_database_never_takes_is_no_fault_of_the_database(course: Course) -> None:
    """Else a worker would put the submission back, and try it again, without end."""
    with pytest.raises(CourseError, match="NUL") as told:
        read_totals(course, "one", ["ana\0"])
    assert not isinstance(told.value, GradebookError)
    too_long = "a" * 129
    submit(course.root, too_long, 2)
    graded = course.autograde("one", too_long)
    assert "too long" in graded.error and not graded.of_gradebook


# A server that goes, and comes back


def test_a_connection_that_is_lost_midway_is_an_error_of_the_gradebook_and_nothing_is_half_written(
    tmp_path: Path, postgres_programs: Path
) -> None:
    with postgres.running(postgres_programs) as server:
        course = course_at(tmp_path / "course", server.new_database())
        submit(course.root, "ana", 2)

        def lose(*_ignored: object) -> None:
            event.remove(Engine, "before_cursor_execute", on_update)
            server.stop()
            server.start()

        def on_update(connection: object, cursor: object, statement: str, *rest: object) -> None:
            if statement.startswith("UPDATE grade"):
                lose()

        event.listen(Engine, "before_cursor_execute", on_update)
        lost = course.autograde("one", "ana")
        assert lost.of_gradebook
        assert lost.error == (
            "the gradebook's Postgres cannot be reached any more: "
            "run the command again when it is back"
        )
        scores = postgres.rows(url_of(course), "SELECT auto_score FROM grade")
        assert {score for (score,) in scores} == {None}, "all scores of a notebook or none"
        assert course.autograde("one", "ana").score == 6


def test_a_server_that_restarts_while_a_class_is_graded_costs_nothing(
    tmp_path: Path, postgres_programs: Path
) -> None:
    with postgres.running(postgres_programs) as server:
        course = course_at(tmp_path / "course", server.new_database())
        students = [f"student-{number}" for number in range(8)]
        for student in students:
            submit(course.root, student, 2)
        restarted, done = False, []
        for summary in pool.run("grade", course, [Task("one", one) for one in students], 2):
            if summary is not None:
                done.append(summary)
            if done and not restarted:
                restarted = True
                server.stop()
                threading.Timer(1.5, server.start).start()
        assert [one.error for one in done] == [""] * 8
        assert {one.student: one.score for one in done} == dict.fromkeys(students, 6)


# More than one machine


def test_machines_that_grade_the_same_new_student_at_once_leave_one_of_each_row(
    course: Course, tmp_path: Path
) -> None:
    """Copies of the course's folder stand for machines: they share the gradebook alone."""
    students = [f"student-{number}" for number in range(4)]
    for student in students:
        submit(course.root, student, 2)
    (course.root / "submitted/nada/one").mkdir(parents=True)
    machines = [course, copy_of(course, tmp_path / "other")]
    tasks = [Task("one", student) for student in [*students, "nada"]]

    def grade(machine: Course) -> list[str]:
        found = pool.run("grade", machine, tasks, 2)
        return [f"{one.student} {one.score} {one.error}" for one in found if one is not None]

    with ThreadPool(2) as threads:
        said = threads.map(grade, machines)
    for told in said:
        assert sorted(told) == ["nada 0.0 ", *(f"{student} 6.0 " for student in students)]
    counts = postgres.rows(
        url_of(course),
        "SELECT (SELECT count(*) FROM student), (SELECT count(*) FROM submitted_assignment), "
        "(SELECT count(*) FROM grade)",
    )
    assert counts == [(5, 5, 15)]


def test_of_two_machines_one_waits_for_the_submission_that_the_other_grades(
    course: Course, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    order = []

    def grade_elsewhere() -> None:
        with submission_lock(other, "one", "ana", url_of(course)):
            order.append("other")

    with submission_lock(course.root, "one", "ana", url_of(course)):
        thread = threading.Thread(target=grade_elsewhere)
        thread.start()
        with submission_lock(other, "one", "luis", url_of(course)):
            order.append("another submission")
        time.sleep(0.5)
        order.append("first")
    thread.join(30)
    assert order == ["another submission", "first", "other"]


def test_a_lock_ends_with_the_process_that_is_killed(course: Course, tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from autograder.bridge.locks import submission_lock
with submission_lock(Path(sys.argv[1]), "one", "ana", sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""
    other = tmp_path / "other"
    other.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", code, other, url_of(course)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    began = time.monotonic()
    with submission_lock(course.root, "one", "ana", url_of(course)):
        assert time.monotonic() - began < 30


# What it costs


def test_grading_a_submission_anew_takes_few_statements_however_many_cells_it_has(
    course: Course,
) -> None:
    """Each is a round trip to another machine; the figures are in docs/how-to/postgres.md."""
    submit(course.root, "first", 2)
    course.autograde("one", "first")
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    submit(course.root, "ana", 2)
    event.listen(Engine, "after_cursor_execute", note)
    try:
        assert course.autograde("one", "ana").score == 6
        anew, updates = len(statements), [s for s in statements if s.startswith("UPDATE grade")]
        statements.clear()
        assert course.autograde("one", "ana").skipped
    finally:
        event.remove(Engine, "after_cursor_execute", note)
    assert anew <= 25 and len(updates) == 1
    assert len(statements) <= 4  # by the one index of nbgrader that helps (`bridge/stored.py`)
