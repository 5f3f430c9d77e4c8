"""A student hands in: what is taken is stored whole, what is not is said in words that help."""

import hashlib
import re
import sqlite3
import subprocess
import sys
import zipfile
from io import BytesIO
from multiprocessing.pool import ThreadPool
from pathlib import Path

import nbformat
import pytest
from sqlalchemy import Engine, update

from autograder.bridge.course import CourseError
from autograder.bridge.handin import HandIn, place
from autograder.lms.database import writing
from autograder.lms.handins.grades import extend, release
from autograder.lms.handins.handin import (
    HandInError,
    Status,
    Upload,
    files_of,
    receipt,
    status,
    submitted_notebook,
)
from autograder.lms.schema import Submission
from autograder.messages import in_language
from tests.lms.small_class import DEADLINE, World, make_world
from tests.small_course import nbgrader_cell, notebook_of


@pytest.fixture
def world(template: Path, tmp_path: Path, engine: Engine) -> World:
    return make_world(template, tmp_path / "course", engine)


def status_of(world: World, student: str = "ana") -> Status:
    return status(world.engine, world.course, world.settings, "one", student, clock=world.clock)


# What is taken


def test_a_notebook_is_stored_byte_for_byte_with_a_receipt(world: World) -> None:
    data = world.notebook(7) + b"\n\n"
    made = world.upload("ana", Upload("one.ipynb", data))
    assert (made.number, made.state, made.received) == (1, "received", world.clock.now)
    assert submitted_notebook(world.engine, made.id, "one") == data
    shown = receipt(made, files_of(world.engine, made.id))
    assert shown.files[0].sha256 == hashlib.sha256(data).hexdigest()
    with in_language("en"):
        text = shown.text()
    assert f"SHA-256: {hashlib.sha256(data).hexdigest()}" in text
    assert "Attempt: 1" in text and "2030-03-16 17:46:40 UTC" in text


def test_what_was_taken_is_there_after_a_kill_in_the_same_moment(world: World) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from autograder.bridge.course import Course
from autograder.lms.database import open_database
from autograder.lms.handins.handin import Upload, hand_in
from autograder.lms.settings import serve_settings
course = Course(Path(sys.argv[1]))
hand_in(open_database(sys.argv[2]), course, serve_settings(course), assignment="one",
        identity_student="ana", files=[Upload("one.ipynb", Path(sys.argv[3]).read_bytes())])
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = world.root / "handed-in.ipynb"
    path.write_bytes(world.notebook(7))
    url = world.engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", code, str(world.root), url, str(path)], check=False
    )
    assert done.returncode == -9
    (made,) = world.rows()
    assert submitted_notebook(world.engine, made.id, "one") == path.read_bytes()


def test_the_same_file_again_is_the_same_attempt(world: World) -> None:
    world.rules(attempts=1, cooldown_minutes=60)
    first = world.hand_in("ana", 7)
    again = world.hand_in("ana", 7)
    assert (again.id, again.received) == (first.id, first.received)
    assert len(world.rows()) == 1


def test_a_file_that_was_handed_in_before_another_one_is_a_new_attempt(world: World) -> None:
    for x in (7, 8, 7):
        world.hand_in("ana", x)
    assert [row.number for row in world.rows()] == [1, 2, 3]


def test_attempts_that_come_at_the_same_moment_are_all_kept_in_some_order(world: World) -> None:
    files = [Upload("one.ipynb", world.notebook(1 + n / 10)) for n in range(12)]
    with ThreadPool(6) as threads:
        made = threads.map(lambda file: world.upload("ana", file).number, files)
    assert sorted(made) == list(range(1, 13))


def test_of_two_presses_of_the_button_at_once_comes_one_attempt(world: World) -> None:
    file = Upload("one.ipynb", world.notebook(5))
    with ThreadPool(6) as threads:
        threads.map(lambda _: world.upload("ana", file), range(6))
    assert len(world.rows()) == 1


def test_the_limit_holds_for_attempts_that_come_at_once(world: World) -> None:
    world.rules(attempts=2)

    def try_it(number: int) -> bool:
        try:
            world.upload("ana", Upload("one.ipynb", world.notebook(1 + number / 10)))
        except HandInError:
            return False
        return True

    with ThreadPool(6) as threads:
        assert sum(threads.map(try_it, range(8))) == 2


# Which notebook it is


def test_a_renamed_notebook_is_known_by_its_cells(world: World) -> None:
    made = world.upload("ana", Upload("C:\\fakepath\\my work (2).txt", world.notebook(7)))
    (file,) = files_of(world.engine, made.id)
    assert (file.notebook, file.name) == ("one", "my work (2).txt")


def test_notebooks_with_swapped_names_are_known_by_their_cells(world: World) -> None:
    left, right = (world.notebook(1, "two", name) for name in ("left", "right"))
    made = world.upload(
        "ana", Upload("right.ipynb", left), Upload("left.ipynb", right), assignment="two"
    )
    assert submitted_notebook(world.engine, made.id, "left") == left


def test_a_notebook_whose_cells_lost_their_ids_is_known_by_its_name(world: World) -> None:
    notebook = nbformat.reads(world.notebook(7).decode(), as_version=4)
    for cell in notebook.cells:
        cell.metadata = {}
    data = nbformat.writes(notebook).encode()
    world.upload("ana", Upload("one (1).ipynb", data))
    with in_language("en"), pytest.raises(HandInError, match=r"call it one\.ipynb"):
        world.upload("luis", Upload("Untitled.ipynb", data))


def refused(world: World, *files: Upload, assignment: str = "one") -> str:
    with in_language("en"), pytest.raises(HandInError) as caught:
        world.upload("ana", *files, assignment=assignment)
    assert not world.rows()
    return str(caught.value)


def test_the_notebook_of_another_assignment_is_named(world: World) -> None:
    told = refused(world, Upload("one.ipynb", world.notebook(1, "two", "left")))
    assert told == "one.ipynb is a notebook of the assignment two, and not of this one."


def test_a_notebook_of_another_course_is_not_taken_even_under_the_right_name(world: World) -> None:
    other = notebook_of([nbgrader_cell("x = 1", "elsewhere")])
    told = refused(world, Upload("one.ipynb", nbformat.writes(other).encode()))
    assert "It cannot be told that one.ipynb is a notebook of this assignment" in told


def test_two_files_of_the_same_notebook_are_not_guessed_among(world: World) -> None:
    files = [Upload(name, world.notebook(1)) for name in ("one.ipynb", "one (1).ipynb")]
    told = refused(world, *files)
    assert told == "one.ipynb and one (1).ipynb are both one.ipynb: hand in only one of them."


def zipped() -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("one.ipynb", "{}")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("one.ipynb", b"", r"^one\.ipynb: The file is empty"),
        ("one.ipynb", b'{"cells": [', r"^one\.ipynb: The file is not a complete notebook"),
        ("one.ipynb", b"<!DOCTYPE html><html></html>", "not a complete notebook"),
        ("one.ipynb", b'{"some": "json"}', "not a Jupyter notebook"),
        ("one.ipynb", b"\xff\xfe\x00", "not UTF-8"),
        ("one.ipynb", b"[" * 100_000, "nested"),
        ("one.ipynb", zipped(), "is a zip archive: unpack it"),
        ("work.zip", b"no archive", r"^work\.zip is a zip archive"),
        ("../../x\x00\u202ey.ipynb", b"", r"^xy\.ipynb: "),
    ],
)
def test_what_is_no_notebook_is_told_by_name_and_reason(
    world: World, name: str, data: bytes, told: str
) -> None:
    assert re.search(told, refused(world, Upload(name, data)))


def test_nothing_chosen_is_told(world: World) -> None:
    assert refused(world) == "No file was chosen."
    assert refused(world, Upload("", b"")) == "No file was chosen."


def test_a_file_beyond_the_limit_is_told_with_the_limit(world: World) -> None:
    world.rules(upload_mib=1)
    told = refused(world, Upload("one.ipynb", world.notebook(1) + b" " * 2 * 1024 * 1024))
    assert told.startswith("The file has 2 MB, more than the 1 MB allowed. Clear the outputs")


def test_an_assignment_that_was_not_released_cannot_be_handed_in(world: World) -> None:
    told = refused(world, Upload("x.ipynb", world.notebook(1)), assignment="three")
    assert told == "This assignment cannot be handed in yet."


def test_students_read_it_in_their_language(world: World) -> None:
    with in_language("es"), pytest.raises(HandInError) as caught:
        world.upload("ana", Upload("one.ipynb", b""))
    assert "vacío" in str(caught.value)


# Rules


def test_attempts_are_counted_and_then_used_up(world: World) -> None:
    world.rules(attempts=2)
    assert status_of(world).attempts_left == 2
    for x in (1, 2):
        world.hand_in("ana", x)
    found = status_of(world)
    assert (found.attempts_left, found.blocked) == (0, "used up")
    with in_language("en"), pytest.raises(HandInError, match="All 2 attempts have been used"):
        world.hand_in("ana", 3)
    assert status_of(world, "luis").blocked == "" and len(world.rows()) == 2


def test_between_attempts_time_has_to_pass(world: World) -> None:
    world.rules(cooldown_minutes=30)
    first = world.hand_in("ana", 1)
    with in_language("en"), pytest.raises(HandInError, match="in 20 minutes") as caught:
        world.hand_in("ana", 2, later=600)
    assert caught.value.again == first.received + 1800
    found = status_of(world)
    assert (found.blocked, found.next_time) == ("cooldown", first.received + 1800)
    assert world.hand_in("ana", 2, later=1200).number == 2


def test_after_the_deadline_nothing_is_taken_where_the_rule_says_so(world: World) -> None:
    world.set_deadline()
    world.rules(late="refuse")
    world.clock.now = DEADLINE
    world.hand_in("ana", 1, later=0)
    with in_language("en"), pytest.raises(HandInError, match="The deadline has passed"):
        world.hand_in("ana", 2, later=1)
    assert status_of(world).blocked == "closed"
    extend(world.engine, world.course, "one", "ana", 60, actor="prof")
    found = status_of(world)
    assert (found.blocked, found.deadline, found.extension) == ("", DEADLINE + 60, 60)
    assert world.hand_in("ana", 2, later=0).number == 2
    with pytest.raises(HandInError):
        world.hand_in("luis", 2, later=0)


def test_by_default_late_work_is_taken_and_said_to_be_late(world: World) -> None:
    world.set_deadline()
    world.clock.now = DEADLINE
    world.hand_in("ana", 1, later=90)
    found = status_of(world)
    assert found.late_rule == "penalty" and found.attempts[0].late_seconds == 90


def test_more_time_that_nbgrader_was_told_of_counts_too(world: World) -> None:
    world.set_deadline()
    world.rules(late="refuse")
    world.hand_in("ana", 1)
    world.grade_here()
    with world.course.gradebook() as gradebook:
        gradebook.grant_extension("one", "ana", hours=1)
    world.clock.now = DEADLINE + 1800
    assert status_of(world).deadline == DEADLINE + 3600
    assert world.hand_in("ana", 2).number == 2


def test_a_locked_gradebook_keeps_nobody_from_handing_in(world: World) -> None:
    with sqlite3.connect(world.root / "gradebook.db") as lock:
        lock.execute("BEGIN EXCLUSIVE")
        world.hand_in("ana", 7)
        found = status_of(world)
        assert (found.points, found.attempts[0].state) == (None, "received")
        lock.rollback()
    lock.close()
    assert status_of(world).points == 10.0


# What a student sees


def test_a_student_sees_each_attempt_and_which_counts(world: World) -> None:
    world.rules(counts="best")
    for x in (8, 3):
        world.hand_in("ana", x)
    world.grade_here()
    world.hand_in("ana", 4)
    found = status_of(world)
    assert [(one.number, one.state, one.score, one.counts) for one in found.attempts] == [
        (3, "received", None, False),
        (2, "graded", 3.0, False),
        (1, "graded", 8.0, True),
    ]
    assert [list(one.feedback) for one in found.attempts] == [[], ["one"], ["one"]]
    assert (found.points, found.counts, found.attempts_left) == (10.0, "best", None)


def test_a_student_sees_how_many_are_before(world: World) -> None:
    for student in ("luis", "eva", "ana", "leo"):
        world.hand_in(student, 1)
    assert [status_of(world, student).ahead for student in ("luis", "ana", "nobody")] == [0, 2, 0]


def test_what_is_shown_only_when_released_is_not_shown_before(world: World) -> None:
    world.rules(feedback="released")
    world.enrol("ana")
    world.hand_in("ana", 8)
    world.grade_here()
    (hidden,) = status_of(world).attempts
    assert (hidden.shown, hidden.score, hidden.feedback) == (False, None, ())
    release(world.engine, world.course, world.settings, "one", actor="prof")
    found = status_of(world)
    assert (found.attempts[0].score, found.attempts[0].feedback) == (8.0, ("one",))
    assert found.released is not None
    assert (found.released.score, found.released.number) == (8.0, 1)
    world.hand_in("ana", 2)
    world.grade_here()
    assert [one.score for one in status_of(world).attempts] == [None, 8.0]


def test_others_work_is_not_seen(world: World) -> None:
    world.hand_in("luis", 8)
    found = status_of(world, "ana")
    assert (found.attempts, found.released, found.ahead) == ((), None, 0)


def test_why_a_notebook_could_not_be_graded_is_shown_in_any_case(world: World) -> None:
    world.rules(feedback="released")
    world.hand_in("ana", 8)
    world.grade_here()
    with writing(world.engine) as session:
        session.execute(update(Submission).values(problem="It is damaged."))
    (shown,) = status_of(world).attempts
    assert (shown.problem, shown.score) == ("It is damaged.", None)


def test_the_folder_of_submissions_is_not_left_through_a_link(world: World, tmp_path: Path) -> None:
    """A student's folder that is a link would let the grader write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (world.root / "submitted").mkdir(exist_ok=True)
    (world.root / "submitted/ana").symlink_to(elsewhere)
    with pytest.raises(CourseError, match="is a link: put a folder in its place"):
        place(world.course, HandIn(1, "one", "ana", 0.0, notebooks={"one": b"{}"}))
    assert not list(elsewhere.iterdir())
