"""nbgrader's gradebook in Postgres: everything that a course does with it, as with SQLite."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import nbformat
import pytest

from autograder import pool
from autograder.bridge.course import Course, Summary
from autograder.bridge.gradebook import problem_of, schema_of
from autograder.bridge.handin import HandIn, mark
from autograder.bridge.scores import read_scores
from autograder.bridge.students import Enrolled, add_students, read_students
from autograder.bridge.totals import read_deadlines, read_totals, seconds_of
from autograder.pool import Task
from tests import postgres
from tests.engine.gradebooks import (
    DUE,
    class_hands_in,
    course_at,
    exported,
    notebook,
    submit,
)

KINDS = ("sqlite", "postgres")
Both = dict[str, Course]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Both:
    """The same class, graded into both kinds of gradebook."""
    root = tmp_path_factory.mktemp("courses")
    urls = {
        "sqlite": f"sqlite:///{root / 'sqlite/gradebook.db'}",
        "postgres": postgres.new_database(postgres_server),
    }
    made = {kind: course_at(root / kind, urls[kind]) for kind in KINDS}
    for course in made.values():
        for student in class_hands_in(course.root):
            assert not course.autograde("one", student).error
    return made


@pytest.fixture
def course(tmp_path: Path, postgres_server: str) -> Course:
    """A released course with a gradebook of its own in Postgres."""
    made = course_at(tmp_path / "course", postgres.new_database(postgres_server))
    return made


def done(results: Iterator[Summary | None]) -> list[Summary]:
    return [summary for summary in results if summary is not None]


def same(both: Both, look: object) -> object:
    """What a look at both courses gives, which must be the same."""
    assert callable(look)
    found = [look(both[kind]) for kind in KINDS]
    assert found[0] == found[1]
    return found[1]


def run(course: Course, *command: str) -> str:
    """Run a command in the course; what it said."""
    told = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=course.root, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return told.stdout + told.stderr


# The same as in SQLite


def test_scores_are_those_of_sqlite(both: Both) -> None:
    assert same(both, lambda course: course.scores("one")) == {
        "ana": {"check-a": 4, "check-b": 2, "essay": 0},
        "luis": {"check-a": 0, "check-b": 2, "essay": 0},
        "nada": {"check-a": 0, "check-b": 0, "essay": 0},
        "tarde": {"check-a": 4, "check-b": 2, "essay": 0},
    }


def test_totals_with_late_penalties_are_those_of_sqlite(both: Both) -> None:
    same(both, lambda course: read_totals(course, "one"))
    totals = read_totals(both["postgres"], "one")
    assert totals.facts.maximum == 9 and totals.facts.deadline == seconds_of(DUE)
    assert {student: total.score for student, total in totals.students.items()} == {
        "ana": 6, "luis": 2, "nada": 0, "tarde": 5,
    }  # fmt: skip
    assert totals.students["tarde"].handed_in == seconds_of(DUE.replace(hour=20))
    assert totals.students["ana"].needs_person and not totals.students["nada"].needs_person
    same(both, read_deadlines)


def test_what_reports_and_lists_read_is_that_of_sqlite(both: Both) -> None:
    same(both, lambda course: read_scores(course, "one"))
    same(both, read_students)
    same(both, lambda course: (course.has_submissions("one"), course.has_submissions("two")))
    assert both["postgres"].has_submissions("one")


def test_exports_are_those_of_sqlite_ours_and_nbgraders(both: Both) -> None:
    def export(course: Course) -> list[list[str]]:
        course.export(course.root / "ours.csv")
        run(course, "nbgrader", "export", "--to", "its.csv")
        assert exported(course.root / "ours.csv") == exported(course.root / "its.csv")
        return exported(course.root / "ours.csv")

    rows = same(both, export)
    assert isinstance(rows, list) and len(rows) == 5


def test_feedback_and_report_are_written(both: Both) -> None:
    course = both["postgres"]
    folder = course.feedback("one", "luis")
    assert folder is not None and "check-a" in (folder / "one.html").read_text()
    run(course, "autograder", "report", "one")
    assert (course.root / "reports/one/report.html").is_file()


def test_doctor_finds_that_it_can_be_read_and_written(both: Both) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "autograder", "doctor"],
        cwd=both["postgres"].root, capture_output=True, text=True, timeout=300, check=False,
    ).stdout  # fmt: skip
    assert "can be read and written, schema e43177bfe90b" in told


def test_nbgraders_own_commands_work_beside_ours(both: Both) -> None:
    before = both["postgres"].scores("one")
    for course in both.values():
        run(course, "nbgrader", "autograde", "one", "--student", "luis", "--force")
        run(course, "nbgrader", "db", "student", "add", "neu", "--first-name", "Neu")
    assert same(both, lambda course: course.scores("one")) == before
    listed = run(both["postgres"], "nbgrader", "db", "student", "list")
    assert "There are 5 students" in listed and "neu (None, Neu)" in listed
    assert "one (due: 2030-03-17 17:46:40)" in run(
        both["postgres"], "nbgrader", "db", "assignment", "list"
    )


def test_what_a_regrade_would_change_is_found_in_a_copy(both: Both) -> None:
    course = both["postgres"]
    before = course.scores("one")
    told = run(course, "autograder", "grade", "--diff", "--force")
    assert "0 submissions would earn other points" in told
    assert course.scores("one") == before


# A class, from nothing


def test_without_tables_nobody_is_there_and_the_first_release_makes_them(
    tmp_path: Path, postgres_server: str
) -> None:
    url = postgres.new_database(postgres_server)
    assert problem_of(url, ()) == ""
    assert "run `autograder release one`" in problem_of(url, ["one"])
    assert schema_of(url)[0] is None
    course = course_at(tmp_path / "course", url)
    found, known = schema_of(url)
    assert found == known
    assert read_students(course) == [] and not course.has_submissions("one")


def test_a_course_without_tables_has_no_students_and_no_deadlines(
    course: Course, postgres_server: str
) -> None:
    course.directory.db_url = postgres.new_database(postgres_server)
    assert (read_students(course), read_deadlines(course)) == ([], {})


def test_two_processes_grade_and_a_second_time_skip_what_is_unchanged(course: Course) -> None:
    tasks = [Task("one", student) for student in class_hands_in(course.root)]
    first = done(pool.run("grade", course, tasks, 2))
    assert sorted((one.student, one.score, one.error) for one in first) == [
        ("ana", 6, ""), ("luis", 2, ""), ("nada", 0, ""), ("tarde", 6, ""),
    ]  # fmt: skip
    submit(course.root, "luis", 2, DUE)
    second = done(pool.run("grade", course, tasks, 2))
    assert {one.student: (one.score, one.skipped) for one in second} == {
        "ana": (6, True), "luis": (6, False), "nada": (0, False), "tarde": (6, True),
    }  # fmt: skip


def test_a_manual_grade_stays_over_a_regrade(course: Course) -> None:
    submit(course.root, "ana", 3)
    course.autograde("one", "ana")
    with course.gradebook() as gradebook:
        gradebook.find_grade("essay", "one", "one", "ana").manual_score = 2.5
        gradebook.db.commit()
    submit(course.root, "ana", 2)
    assert course.autograde("one", "ana").score == 8.5
    [total] = read_totals(course, "one").students.values()
    assert (total.points, total.needs_person, bool(total.by_hand)) == (8.5, True, True)


def test_plain_postgresql_in_the_url_is_sqlalchemys_own_driver(
    tmp_path: Path, postgres_server: str
) -> None:
    """From SQLAlchemy 2.1 on that is psycopg 3, the one that is installed here."""
    url = postgres.new_database(postgres_server).replace("+psycopg", "")
    course = course_at(tmp_path / "course", url)
    submit(course.root, "ana", 2)
    assert course.autograde("one", "ana").score == 6


def test_an_extension_of_a_hand_in_takes_the_penalty_away(course: Course) -> None:
    late = seconds_of(DUE) + 3600
    notebooks = {"one": notebook_bytes(2)}
    hand_in = HandIn(1, "one", "ana", received=late, notebooks=notebooks)
    marked = mark(course, hand_in)
    assert (marked.score, marked.penalty, marked.late_seconds) == (5, 1, 3600)
    again = HandIn(2, "one", "ana", received=late, notebooks=notebooks, extension=7200, force=True)
    marked = mark(course, again)
    assert (marked.score, marked.penalty, marked.late_seconds) == (6, 0, 0)
    assert list(marked.pages) == ["one"]
    with course.gradebook() as gradebook:
        assert gradebook.find_submission("one", "ana").extension == timedelta(hours=2)


def notebook_bytes(a: int) -> bytes:
    return str(nbformat.writes(notebook(a))).encode()


def test_a_class_list_is_added_whole_or_not_at_all(course: Course) -> None:
    add_students(course, [Enrolled("zoe", "Zoe"), Enrolled("ana", "Ana", "Gil", "a@b.c", "7")])
    assert [one.student for one in read_students(course)] == ["ana", "zoe"]
    with pytest.raises(Exception, match="duplicate key"):
        add_students(course, [Enrolled("neu"), Enrolled("ana")])
    assert [one.student for one in read_students(course)] == ["ana", "zoe"]


def test_a_moved_gradebook_needs_no_new_grading(course: Course, postgres_server: str) -> None:
    """The address is no matter of a grading: another password changes nothing."""
    submit(course.root, "ana", 2)
    course.autograde("one", "ana")
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("tests@", "tests:other@"))
    assert Course(course.root).autograde("one", "ana").skipped
