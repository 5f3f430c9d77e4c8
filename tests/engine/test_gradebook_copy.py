"""`autograder gradebook copy`: a teacher's scores and manual grades, moved to another database."""

import json
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from nbgrader.api import Base
from sqlalchemy import Connection, func, select

from autograder.bridge import copying
from autograder.bridge.copying import copy_gradebook
from autograder.bridge.course import Course, CourseError, GradebookError
from autograder.bridge.gradebook import engine_of, problem_of, schema_of
from autograder.bridge.totals import read_totals
from tests import postgres
from tests.engine.gradebooks import class_hands_in, copy_of, course_at, exported, move, submit

PASSWORD = "hunter2-secret"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A graded class with what a person gave, in SQLite."""
    root = tmp_path_factory.mktemp("copy") / "course"
    course = course_at(root, f"sqlite:///{root / 'gradebook.db'}")
    for student in class_hands_in(root):
        assert not course.autograde("one", student).error
    with course.gradebook() as gradebook:
        gradebook.find_grade("essay", "one", "one", "ana").manual_score = 2.5
        gradebook.find_grade("essay", "one", "one", "ana").extra_credit = 0.25
        gradebook.find_comment("essay", "one", "one", "ana").manual_comment = "Sí, «bien»: 😀"
        gradebook.find_submission("one", "luis").extension = timedelta(days=2, seconds=5)
        gradebook.find_student("luis").email = "luis@example.org"
        gradebook.db.commit()
    return course


@pytest.fixture
def course(template: Course, tmp_path: Path) -> Course:
    made = copy_of(template, tmp_path / "course")
    return move(made, f"sqlite:///{made.root / 'gradebook.db'}")


@pytest.fixture
def target(postgres_server: str) -> str:
    return postgres.new_database(postgres_server)


def url_of(course: Course) -> str:
    url: str = course.directory.db_url
    return url


def contents(url: str) -> dict[str, list[str]]:
    """All rows of nbgrader's tables, but for the courses, as Python sees them."""
    with engine_of(url).connect() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table)).mappings()))
            for table in Base.metadata.sorted_tables
            if table.name != "course"
        }


def tables(url: str) -> list[tuple[str, ...]]:
    return postgres.rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")


def copy(course: Course, to: str, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "autograder", "--course", str(course.root)]
    return subprocess.run(
        [*command, "gradebook", "copy", "--to", to, *options],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_teacher_moves_to_postgres_and_goes_on_where_they_were(
    course: Course, target: str
) -> None:
    course.export(course.root / "before.csv")
    totals = read_totals(course, "one")
    done = copy(course, target)
    assert done.returncode == 0, done.stderr
    assert "copied 4 students, 1 assignment, 4 submissions, 12 grades to " in done.stdout
    assert "set c.CourseDirectory.db_url" in done.stdout and done.stderr == ""
    assert contents(target) == contents(url_of(course))
    moved = move(course, target)
    moved.export(course.root / "after.csv")
    assert exported(course.root / "after.csv") == exported(course.root / "before.csv")
    assert read_totals(moved, "one") == totals and totals.students["ana"].points == 8.75
    assert moved.autograde("one", "ana").skipped, "nothing has to be graded again"
    submit(course.root, "luis", 2)
    assert moved.autograde("one", "luis").score == 6
    found, known = schema_of(target)
    assert found == known


@pytest.mark.parametrize(
    ("without", "with_one"),
    [("tests@", f"tests:{PASSWORD}@"), ("?", f"?password={PASSWORD}&")],
)
def test_it_tells_a_script_what_was_copied_and_no_password(
    course: Course, target: str, without: str, with_one: str
) -> None:
    done = copy(course, f"{target}?".replace(without, with_one), "--json")
    told = json.loads(done.stdout)
    assert told["rows"]["grade"] == 12 and told["left_out"] == {}
    assert told["to"] == target
    assert PASSWORD not in done.stdout + done.stderr


def test_a_copy_of_a_copy_in_sqlite_is_the_same(course: Course, target: str) -> None:
    copy_gradebook(url_of(course), target)
    back = f"sqlite:///{course.root / 'back.db'}"
    copy_gradebook(target, back)
    assert contents(back) == contents(url_of(course))
    assert problem_of(back, ["one"]) == ""


def test_a_target_with_tables_is_refused_and_stays_as_it_is(course: Course, target: str) -> None:
    copy_gradebook(url_of(course), target)
    before = contents(target)
    done = copy(course, target)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the target has tables of a gradebook already: give the URL of an empty" in flat(
        done.stderr
    )
    assert contents(target) == before
    with pytest.raises(CourseError, match="tables of a gradebook already"):
        copy_gradebook(url_of(course), url_of(course))


def test_what_postgres_refuses_leaves_the_target_empty(course: Course, target: str) -> None:
    """SQLite takes a name of any length; the last of the tables hold it."""
    with sqlite3.connect(course.root / "gradebook.db") as base:
        base.execute("UPDATE student SET last_name = ? WHERE id = 'tarde'", ("x" * 200,))
    with pytest.raises(CourseError, match=r"nothing was written: .*too long"):
        copy_gradebook(url_of(course), target)
    assert tables(target) == []


def test_a_copy_that_lacks_rows_is_not_kept(
    course: Course, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = copying.copy_rows

    def forgetful(*connections: Connection) -> copying.Copied:
        copied = own(*connections)
        connections[1].execute(Base.metadata.tables["comment"].delete())
        return copied

    monkeypatch.setattr(copying, "copy_rows", forgetful)
    with pytest.raises(CourseError, match="copy of comment has 0 rows of 12"):
        copy_gradebook(url_of(course), target)
    assert tables(target) == []
    new = course.root / "new.db"
    with pytest.raises(CourseError, match="copy of comment has 0 rows"):
        copy_gradebook(url_of(course), f"sqlite:///{new}")
    assert not new.exists()


def test_rows_that_belong_to_nothing_are_left_out_and_told(course: Course, target: str) -> None:
    with sqlite3.connect(course.root / "gradebook.db") as base:
        base.execute("INSERT INTO grade (id, notebook_id, needs_manual_grade) VALUES ('x', 'y', 0)")
    done = copy(course, target)
    assert done.returncode == 0
    assert "left out what belongs to nothing, which nbgrader never finds: 1 of grade" in flat(
        done.stderr
    )
    with engine_of(target).connect() as connection:
        grades = select(func.count()).select_from(Base.metadata.tables["grade"])
        assert connection.scalar(grades) == 12


def test_no_gradebook_and_an_old_one_are_told(course: Course, target: str) -> None:
    with sqlite3.connect(course.root / "gradebook.db") as base:
        base.execute("UPDATE alembic_version SET version_num = '282d30a0218e'")
    with pytest.raises(GradebookError, match=r"schema is 282d30a0218e.*nbgrader db upgrade"):
        copy_gradebook(url_of(course), target)
    (course.root / "gradebook.db").unlink()
    done = copy(course, target)
    assert done.returncode == 1
    assert "there is no gradebook yet: `autograder release` makes one" in flat(done.stderr)
    assert tables(target) == []


def test_a_target_that_cannot_be_reached_is_told_without_its_password(course: Course) -> None:
    done = copy(course, f"postgresql+psycopg://u:{PASSWORD}@127.0.0.1:1/db")
    assert done.returncode == 1 and PASSWORD not in done.stderr
    assert "autograder: the target: the gradebook's Postgres cannot be reached" in flat(done.stderr)
