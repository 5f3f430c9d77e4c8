"""What `autograder lab` prepares, and what Validate tells; without a browser."""

import os
import subprocess
import sys
from collections.abc import Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.server_extensions.formgrader.base import BaseHandler
from traitlets.config import Config

from autograder.bridge.course import Course, CourseError
from autograder.lab import start
from autograder.lab.gradebook import read_anew
from autograder.lab.validation import Handler
from autograder.lab.validator import TOOK_LONG, ExplainingValidator
from autograder.messages import in_language, translate
from tests.browser.lab_server import own
from tests.small_course import nbgrader_cell, notebook_of

CONFIG = "from autograder.bridge import configure\nc = get_config()\nconfigure(c)\n"
ID = "c.CourseDirectory.course_id = 'uno'\n"


def course_with(folder: Path, config: str) -> Course:
    (folder / "nbgrader_config.py").write_text(CONFIG + config)
    return Course(folder)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, in which nothing is yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def test_everybody_may_write_to_the_exchange_but_only_its_owner_gets_there(
    tmp_path: Path, data: Path
) -> None:
    course = course_with(tmp_path, ID)
    before = os.umask(0o077)
    try:
        start.prepare(course)
        start.prepare(course)
    finally:
        os.umask(before)
    assert start.exchange_of(course) == data / "autograder" / "exchange"
    assert start.exchange_of(course).stat().st_mode & 0o777 == 0o777, "as nbgrader demands"
    assert (data / "autograder").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "student").is_dir()


def test_a_configured_exchange_is_used_as_it_is(tmp_path: Path, data: Path) -> None:
    config = "c.Exchange.root = '/srv/exchange'\nc.Exchange.assignment_dir = 'mine'\n"
    course = course_with(tmp_path, ID + config)
    start.prepare(course)
    assert start.exchange_of(course) == Path("/srv/exchange")
    assert not data.exists() and not (tmp_path / "student").exists()


def test_an_exchange_that_cannot_be_made_is_one_error(tmp_path: Path, data: Path) -> None:
    data.write_text("a file where the folder should be")
    with pytest.raises(CourseError, match=r"exchange.*c\.Exchange\.root"):
        start.prepare(course_with(tmp_path, ID))


def test_a_course_without_an_id_is_told_what_to_add(tmp_path: Path, data: Path) -> None:
    with pytest.raises(CourseError, match=r"add c\.CourseDirectory\.course_id"):
        start.prepare(course_with(tmp_path, ""))


def test_options_of_jupyter_s_come_last_and_so_count_more(tmp_path: Path, data: Path) -> None:
    course = course_with(tmp_path, ID)
    command = start.command(course, port=8888, browser=False, options=["--ServerApp.port=9999"])
    assert command[-1] == "--ServerApp.port=9999"
    assert "--no-browser" in command
    assert ("--allow-root" in command) == (os.geteuid() == 0)


def test_without_a_course_the_command_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autograder", "--course", str(tmp_path), "lab"]
    ran = subprocess.run(command, env=own(tmp_path), capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "is no course" in ran.stderr


def validated(folder: Path, cells: Sequence[Any]) -> list[dict[str, str]]:
    """What Validate tells in Spanish of the checks of a notebook that fail."""
    nbformat.write(notebook_of(cells), folder / "one.ipynb")
    options = Config({"RunGraders": {"language": "es"}, "Execute": {"timeout": 2}})
    failed: list[dict[str, str]] = ExplainingValidator(config=options).validate(
        str(folder / "one.ipynb")
    )["failed"]
    return failed


def check(source: str, grade_id: str = "check") -> Any:
    return nbgrader_cell(source, grade_id, points=1)


def test_a_failed_check_is_told_by_its_exercise_and_its_message(tmp_path: Path) -> None:
    checks = {
        "assert False, 'dos líneas:\\n  a < b'": "dos líneas:\n  a &lt; b",
        "assert False, 'Clave: valor'": "Clave: valor",
        "0.5": "Partial credit; passed some but not all of the tests",
    }
    cells = []
    for number, source in enumerate(checks):
        heading = new_markdown_cell(f"# Curso\n\n## Ejercicio {number}\n\ntexto")
        cells += [heading, new_code_cell("1"), check(f"import os\n{source}", f"check-{number}")]
    shown = validated(tmp_path, cells)
    assert [one["error"] for one in shown] == list(checks.values())
    assert [one["source"] for one in shown] == [f"Ejercicio {n}" for n in range(len(checks))]


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    mean\nexcept NameError:\n    raise AssertionError('define: mean')",
        "try:\n    mean\nexcept NameError as error:\n"
        "    raise AssertionError('define: mean') from error",
        "import sys\nprint('WARN: old', file=sys.stderr)\nassert False, 'define: mean'",
    ],
)
def test_of_several_errors_the_last_one_is_told_without_the_code_of_the_check(
    tmp_path: Path, source: str
) -> None:
    [one] = validated(tmp_path, [check(source)])
    assert one["error"] == "define: mean"


class Validation(Handler):
    """What answers Validate, without the network around it."""

    settings: dict[str, object] = {}  # noqa: RUF012  # the server's
    log = getLogger(__name__)

    def __init__(self) -> None:
        """No request comes from anywhere."""


def test_a_cell_that_kills_the_kernel_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course_with(tmp_path, ID + "c.RunGraders.language = 'es'\n")
    monkeypatch.chdir(tmp_path)
    Validation.settings["root_dir"] = str(tmp_path)
    cells = [new_code_cell("import os\nos._exit(1)"), nbgrader_cell("1", "sum", points=1)]
    nbformat.write(notebook_of(cells), tmp_path / "one.ipynb")
    with in_language("es"):
        sentence = translate("Your notebook's process ended or did not answer.")
    assert Validation().validate_notebook("one.ipynb") == {"success": False, "value": sentence}


def test_a_check_below_no_heading_has_the_name_of_its_cell(tmp_path: Path) -> None:
    [one] = validated(tmp_path, [check("assert False, 'no'", "resta")])
    assert one["source"] == "resta"


@pytest.mark.parametrize(
    ("answer", "error", "line"),
    [
        ("# la x\nx = (1", "SyntaxError: incomplete input", "x = (1"),
        ("x = input()", "StdinNotImplementedError: ", "x = input()"),
        ("x = [1].shape", "AttributeError: &#x27;list&#x27; object has no", "x = [1].shape"),
    ],
)
def test_the_error_of_the_answer_is_told_with_its_check(
    tmp_path: Path, answer: str, error: str, line: str
) -> None:
    cells = [
        nbgrader_cell("y = 1 / 0", "of-another"),
        check("y = 1", "another"),
        nbgrader_cell(answer, "answer"),
        check("assert 'x' in globals(), 'Todavía no existe `x`.'"),
    ]
    [one] = validated(tmp_path, cells)
    assert one["error"].startswith("Todavía no existe `x`.\n")
    assert "Error en la celda 3, línea" in one["error"]
    assert f"    {line}\n{error}" in one["error"]
    assert ".py, line" not in one["error"] and "ZeroDivisionError" not in one["error"]


def test_of_an_answer_that_is_still_to_be_written_only_the_check_speaks(tmp_path: Path) -> None:
    cells = [nbgrader_cell("raise NotImplementedError", "answer"), check("assert False, 'Falta.'")]
    [one] = validated(tmp_path, cells)
    assert one["error"].strip() == "Falta."


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("[1].shape", "    [1].shape\nAttributeError: "),
        ("assert 1 == 2", "    assert 1 == 2\nAssertionError\nNo se cumple"),
        ("raise ValueError", "    raise ValueError\nValueError\n"),
        ("sin_definir", "No existe `sin_definir`"),
    ],
)
def test_an_error_of_the_check_itself_is_explained(tmp_path: Path, source: str, told: str) -> None:
    [one] = validated(tmp_path, [check(source)])
    assert one["error"].startswith("Error en la celda 1, línea 1\n")
    assert told in one["error"]


def test_a_loop_that_never_ends_is_told_with_its_line(tmp_path: Path) -> None:
    loop = "def f():\n    while True:\n        pass"
    cells = [nbgrader_cell(loop, "answer"), check("assert f() == 1")]
    [one] = validated(tmp_path, cells)
    with in_language("es"):
        assert one["raw_error"].startswith(translate(TOOK_LONG, seconds=2))
    assert "while True:" in one["error"] or "pass" in one["error"]
    assert "KeyboardInterrupt" not in one["error"] and "CellTimeoutError" not in one["error"]


class Request(BaseHandler):  # type: ignore[misc]
    """What answers one request of the formgrader's, without the network around it."""

    settings: dict[str, object] = {"nbgrader_gradebook": None}  # noqa: RUF012  # the server's
    log = getLogger(__name__)

    def __init__(self) -> None:
        """No request comes from anywhere."""


def test_a_request_of_the_formgrader_s_sees_what_others_have_stored(tmp_path: Path) -> None:
    read_anew()
    db_url = course_with(tmp_path, ID).directory.db_url
    with Gradebook(db_url) as gradebook:
        gradebook.add_student("ana", first_name="Ana")
    Request.settings["nbgrader_gradebook"] = opened = Gradebook(db_url)
    first = Request()
    seen = first.gradebook.find_student("ana")
    with Gradebook(db_url) as gradebook:
        gradebook.update_or_create_student("ana", first_name="Ana María")
    assert Request().gradebook.find_student("ana").first_name == "Ana María"
    seen.first_name = "Anita"
    assert first.gradebook.find_student("ana") is seen
    assert seen.first_name == "Anita", "what a request itself has changed stays until it is stored"
    opened.close()
