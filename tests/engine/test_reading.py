"""Reading a class's scores while others store theirs, between any two queries of the reading."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from nbgrader.api import MissingEntry
from sqlalchemy import Engine, event

from autograder.bridge.course import Course
from autograder.bridge.scores import read_scores
from autograder.bridge.totals import read_submissions, read_totals
from tests import postgres
from tests.engine.gradebooks import class_hands_in, course_at

OTHER = "zoe"
MOST_QUERIES = 40


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def course(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: str
) -> Course:
    """A graded class."""
    root = tmp_path_factory.mktemp("reading") / "course"
    sqlite = f"sqlite:///{root / 'gradebook.db'}"
    made = course_at(
        root, sqlite if request.param == "sqlite" else postgres.new_database(postgres_server)
    )
    for student in class_hands_in(root):
        assert not made.autograde("one", student).error
    with made.gradebook() as gradebook:
        gradebook.add_student(OTHER)
    return made


@pytest.fixture(autouse=True)
def nobody_else(course: Course) -> None:
    """The other student has handed in nothing yet, whatever became of an earlier test."""
    with course.gradebook() as gradebook, suppress(MissingEntry):
        gradebook.remove_submission("one", OTHER)


def hand_in(course: Course) -> None:
    """Another student's work is graded, and corrected by hand."""
    with course.gradebook() as gradebook:
        gradebook.add_submission("one", OTHER)
        gradebook.find_comment("essay", "one", "one", OTHER).manual_comment = "Bien."
        for grade in gradebook.find_submission_notebook("one", "one", OTHER).grades:
            grade.auto_score = 1
        gradebook.db.commit()


def take_back(course: Course) -> None:
    """Another student's work is removed."""
    with course.gradebook() as gradebook:
        gradebook.remove_submission("one", OTHER)


@contextmanager
def before_query(number: int, happens: Callable[[], None]) -> Iterator[list[int]]:
    """Have something happen before a query; how many there were."""
    count = [0]

    def notice(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        count[0] += statement.startswith("SELECT")
        if count[0] == number and statement.startswith("SELECT"):
            happens()

    event.listen(Engine, "before_cursor_execute", notice)
    try:
        yield count
    finally:
        event.remove(Engine, "before_cursor_execute", notice)


def exported(course: Course) -> str:
    course.export(course.root / "grades.csv")
    return (course.root / "grades.csv").read_text(encoding="utf-8")


READINGS: dict[str, Callable[[Course], Any]] = {
    "totals": lambda course: read_totals(course, "one").students,
    "totals of some": lambda course: read_totals(course, "one", ["ana", OTHER]).students,
    "submissions": lambda course: read_submissions(course, "one").students,
    "scores": lambda course: read_scores(course, "one").grades,
    "automatic scores": lambda course: course.scores("one"),
    "automatic scores of some": lambda course: course.scores("one", ["ana", OTHER]),
    "export": exported,
}


def test_automatic_scores_come_in_the_order_of_their_names(course: Course) -> None:
    found = course.scores("one")
    assert list(found) == sorted(found)
    assert {tuple(cells) for cells in found.values()} == {("check-a", "check-b", "essay")}


@pytest.mark.parametrize("reading", READINGS)
def test_work_that_is_stored_or_removed_meanwhile_spoils_no_reading(
    course: Course, reading: str
) -> None:
    read = READINGS[reading]
    before = read(course)
    for number in range(1, MOST_QUERIES):
        with before_query(number, lambda: hand_in(course)) as queries:
            meanwhile = read(course)
        if queries[0] < number:
            break
        after = read(course)
        with before_query(number, lambda: take_back(course)):
            again = read(course)
        for found in (meanwhile, again):
            if reading == "export":
                assert len(found.splitlines()) == len(after.splitlines())
            else:
                assert {name: found[name] for name in before} == before
    assert number > 2, "nothing happened between two queries"
