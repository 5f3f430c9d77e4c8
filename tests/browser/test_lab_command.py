"""What `autograder lab` prepares, and what Validate tells; without a browser."""

import os
import subprocess
import sys
from logging import getLogger
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.server_extensions.formgrader.base import BaseHandler
from nbgrader.validator import Validator

from autograder.bridge.course import Course, CourseError
from autograder.lab import start
from autograder.lab.gradebook import read_anew
from autograder.lab.validation import Handler, exercises_of, told
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


def test_a_failed_check_is_told_by_its_exercise_and_its_message(tmp_path: Path) -> None:
    checks = {
        "assert False, 'dos líneas:\\n  a < b'": "dos líneas:\n  a &lt; b",
        "assert False, 'Clave: valor'": "Clave: valor",
        "sin_definir": "NameError: name &#x27;sin_definir&#x27; is not defined",
        "raise ValueError": "ValueError",
        "0.5": "Partial credit; passed some but not all of the tests",
    }
    cells = []
    for number, check in enumerate(checks):
        heading = new_markdown_cell(f"# Curso\n\n## Ejercicio {number}\n\ntexto")
        grade_cell = nbgrader_cell(f"import os\n{check}", f"check-{number}", points=1)
        cells += [heading, new_code_cell("1"), grade_cell]
    nbformat.write(notebook_of(cells), tmp_path / "one.ipynb")
    failed = Validator().validate(str(tmp_path / "one.ipynb"))["failed"]
    shown = [told(one, exercises_of(tmp_path / "one.ipynb")) for one in failed]
    assert [one["error"] for one in shown] == list(checks.values())
    assert [one["source"] for one in shown] == [f"Ejercicio {n}" for n in range(len(checks))]


@pytest.mark.parametrize(
    "check",
    [
        "try:\n    mean\nexcept NameError:\n    raise AssertionError('define: mean')",
        "try:\n    mean\nexcept NameError as error:\n"
        "    raise AssertionError('define: mean') from error",
        "import sys\nprint('WARN: old', file=sys.stderr)\nassert False, 'define: mean'",
    ],
)
def test_of_several_errors_the_last_one_is_told_without_the_code_of_the_check(
    tmp_path: Path, check: str
) -> None:
    nbformat.write(notebook_of([nbgrader_cell(check, "mean", points=1)]), tmp_path / "one.ipynb")
    (failed,) = Validator().validate(str(tmp_path / "one.ipynb"))["failed"]
    assert told(failed, {})["error"] == "define: mean"


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
    nbformat.write(notebook_of([nbgrader_cell("1", "resta", points=1)]), tmp_path / "one.ipynb")
    assert exercises_of(tmp_path / "one.ipynb") == {"1": "resta"}


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
