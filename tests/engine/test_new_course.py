"""A folder becomes a course with one command, and nothing that is there is touched."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert import NotebookExporter
from nbgrader.converters import GenerateAssignment

from autograder.authoring.course import new_course
from autograder.authoring.scaffold import new_assignment, new_exercise
from autograder.bridge.course import Course, CourseError
from autograder.check import check
from autograder.messages import LANGUAGES
from tests.small_course import nbgrader_cell, notebook_of


@pytest.mark.parametrize("language", LANGUAGES)
def test_assignments_can_be_made_and_released_in_it(tmp_path: Path, language: str) -> None:
    folder = tmp_path / 'Año "1" \\ lunes'
    new_course(folder, language)
    course = Course(folder)
    assert course.directory.course_id == folder.name
    assert course.settings.language == language
    new_assignment(course, "first")
    new_exercise(course, "first", "average")
    course.release("first")
    assert check(course, "first") == []
    released = (course.folder("release", "first") / "first.ipynb").read_text(encoding="utf-8")
    assert ("Write your answer here" in released) == (language == "en")
    assert ("Escribe aquí" in released) == (language == "es")


STUBS = {
    "en": "# Write your answer here and delete the next line.\n"
    'raise NotImplementedError("Exercise not solved yet")',
    "es": "# Escribe aquí tu respuesta y borra la línea siguiente.\n"
    'raise NotImplementedError("Ejercicio sin resolver")',
    "mine": "pass",
}
LINES = "from autograder.bridge import configure\nconfigure(get_config())\nc = get_config()\n"


@pytest.mark.parametrize(
    ("more", "which"),
    [
        ("", "es"),
        ("c.RunGraders.language = 'en'", "en"),
        ("c.Jail.language = 'en'", "en"),
        ("c.RunGraders.language = 'en'\nc.ClearSolutions.code_stub = {'python': 'pass'}", "mine"),
    ],
)
def test_what_stands_in_the_place_of_solutions_is_in_the_courses_language(
    tmp_path: Path, more: str, which: str
) -> None:
    """However the release is made, and unless the course says itself what stands there."""
    (tmp_path / "nbgrader_config.py").write_text(LINES + more)
    course = Course(tmp_path)
    steps = GenerateAssignment(coursedir=course.directory, parent=course.app).preprocessors
    (stubs,) = (step for step in steps if "stubs" in str(step))
    exporter = NotebookExporter(config=course.app.config)
    answer = nbgrader_cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "answer")
    exporter.register_preprocessor(stubs, enabled=True)
    text, _resources = exporter.from_notebook_node(notebook_of([answer]))
    assert nbformat.reads(text, as_version=4).cells[0].source == STUBS[which]


def test_what_git_would_take_of_it_holds_no_work_of_students(tmp_path: Path) -> None:
    new_course(tmp_path / "course", "en")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "course", check=True)
    for name in (
        "submitted/ana/first/first.ipynb", "gradebook.db", "source/first/first.ipynb",
        ".autograder.serve.lock", "lms.db", "lms.db-wal", "lms-demo.db", "lms-demo.db-shm",
    ):  # fmt: skip
        path = tmp_path / "course" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    told = subprocess.run(
        ["git", "status", "--short", "--untracked-files=all"],
        cwd=tmp_path / "course", capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert [line.split()[1] for line in told.splitlines()] == [
        ".gitignore", "nbgrader_config.py", "pytest.ini", "source/first/first.ipynb",
    ]  # fmt: skip


def test_settings_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine")
    (tmp_path / "pytest.ini").symlink_to("elsewhere")
    assert new_course(tmp_path, "en") == [tmp_path / "nbgrader_config.py"]
    assert (tmp_path / ".gitignore").read_text() == "mine"
    assert (tmp_path / "pytest.ini").is_symlink()


def test_a_course_is_not_made_twice(tmp_path: Path) -> None:
    new_course(tmp_path, "en")
    before = (tmp_path / "nbgrader_config.py").read_bytes()
    with pytest.raises(CourseError, match="is a course already"):
        new_course(tmp_path, "es")
    assert (tmp_path / "nbgrader_config.py").read_bytes() == before


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a ", "\u202e"])
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CourseError, match="cannot be the name of a course"):
        new_course(tmp_path / name, "en")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("locale", "language"), [("es_CO.UTF-8", "es"), ("fr_FR.UTF-8", "en"), ("C", "en"), ("", "en")]
)
def test_the_command_takes_the_language_of_the_terminal(
    tmp_path: Path, locale: str, language: str
) -> None:
    command = [sys.executable, "-m", "autograder", "new", "course", "mine", "--json"]
    told = subprocess.run(
        command, cwd=tmp_path, env={"LC_ALL": locale, "PATH": "", "PYTHONPATH": _PROJECT},
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert json.loads(told)["language"] == language
    assert f'language = "{language}"' in (tmp_path / "mine/nbgrader_config.py").read_text()


_PROJECT = str(Path(__file__).parents[2])
