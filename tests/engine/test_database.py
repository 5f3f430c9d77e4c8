"""One connection to the gradebook: nbgrader's steps share it, and what they store comes at once."""

import os
import sqlite3
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.dbutil import _temp_alembic_ini
from nbgrader.nbgraderformat import MetadataValidator, ValidationError

from autograder.bridge.course import Course
from autograder.bridge.database import one_gradebook, store
from autograder.bridge.gradebook import schema_of
from autograder.bridge.schema import check_schemas_once


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"))  # nbgrader starts `alembic` by name
    address = f"sqlite:///{tmp_path / 'gradebook.db'}"
    with Gradebook(address, "course") as gradebook:
        gradebook.add_assignment("one")
    return address


def students(url: str) -> list[str]:
    """What somebody else sees in the database."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as base:
        return [row[0] for row in base.execute("select id from student order by id")]


def test_what_is_told_one_gradebook_another_knows_and_all_is_stored_at_the_end(url: str) -> None:
    with one_gradebook():
        with Gradebook(url, "course") as first:
            first.add_student("ana")
        with Gradebook(url, "course") as second:
            assert second.find_student("ana").id == "ana"
            second.add_student("luis")
        assert students(url) == []
    assert students(url) == ["ana", "luis"]


def test_store_stores_at_once(url: str) -> None:
    with one_gradebook():
        with Gradebook(url, "course") as gradebook:
            gradebook.add_student("ana")
        store()
        assert students(url) == ["ana"]


def test_what_an_error_interrupts_is_not_stored(url: str) -> None:
    with pytest.raises(KeyError), one_gradebook():
        with Gradebook(url, "course") as gradebook:
            gradebook.add_student("ana")
        store()
        with Gradebook(url, "course") as gradebook:
            gradebook.add_student("luis")
        raise KeyError
    assert students(url) == ["ana"]
    with one_gradebook(), Gradebook(url, "course") as gradebook:
        assert [student.id for student in gradebook.students] == ["ana"]


def test_a_changed_object_is_read_anew_by_the_next_gradebook(url: str) -> None:
    with one_gradebook():
        with Gradebook(url, "course") as gradebook:
            gradebook.add_student("ana", first_name="Ana")
        store()
        with sqlite3.connect(url.removeprefix("sqlite:///")) as base:
            base.execute("update student set first_name = 'Anabel'")
        with Gradebook(url, "course") as gradebook:
            assert gradebook.find_student("ana").first_name == "Anabel"


def test_nobody_has_to_wait_for_the_database_after_store(url: str) -> None:
    with one_gradebook():
        with Gradebook(url, "course") as gradebook:
            gradebook.add_student("ana")
        store()
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.1) as base:
            base.execute("update student set first_name = 'x'")


def test_another_file_in_the_place_of_the_gradebook_is_noticed(url: str, tmp_path: Path) -> None:
    with one_gradebook(), Gradebook(url, "course") as gradebook:
        gradebook.add_student("ana")
    (tmp_path / "gradebook.db").unlink()
    with one_gradebook(), Gradebook(url, "course") as gradebook:
        assert gradebook.students == []
        gradebook.add_student("luis")
    assert students(url) == ["luis"]


def test_a_gradebook_outside_is_nbgraders_own(url: str) -> None:
    before = Gradebook.__init__
    with one_gradebook():
        with one_gradebook(), Gradebook(url, "course") as gradebook:
            gradebook.add_student("ana")
        assert students(url) == [], "the outer one stores"
    assert Gradebook.__init__ is before
    with Gradebook(url, "other") as one, Gradebook(url, "course") as two:
        assert one.engine is not two.engine


@pytest.mark.parametrize("points", [1, "many", None])
def test_metadata_is_checked_as_nbgrader_does(points: object) -> None:
    facts = {"grade_id": "a", "grade": True, "solution": False, "locked": True, "task": False,
             "schema_version": 3, "points": points, "checksum": "0" * 32,
             "cell_type": "code"}  # fmt: skip
    notebook = new_notebook(cells=[new_code_cell("1", metadata={"nbgrader": facts})])
    told = []
    for prepare in (lambda: None, check_schemas_once):
        prepare()
        try:
            MetadataValidator().validate_nb(notebook)
            told.append("")
        except ValidationError as error:
            told.append(error.message)
    assert told[0] == told[1]
    assert bool(told[0]) == (points != 1)


def test_the_schema_of_a_new_gradebook_is_nbgraders_and_no_program_is_started_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a program that a command starts Ctrl-C goes as well, and it prints a traceback."""
    with _temp_alembic_ini("sqlite://") as settings:
        command = [sys.executable, "-m", "alembic", "-c", settings, "heads"]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    (tmp_path / "alembic").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "alembic").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "nbgrader_config.py").write_text("")
    course = Course(tmp_path)
    with course.gradebook():
        pass
    found, known = schema_of(course.directory.db_url)
    assert found == known == told.stdout.split()[0]
