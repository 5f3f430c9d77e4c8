"""``autograder`` works where it was installed from the wheel, far from the repository.

That a course is released and graded so is in ``tests/docs``: the tutorial is followed there.
"""

from pathlib import Path
from typing import Final

import pytest

import autograder
from tests.packaging.installed import Installed

WHAT: Final = {
    "version": ("autograder", "--version"),
    "serve": ("autograder", "serve"),
    "serve-help": ("autograder", "serve", "--help"),
    "lms": ("autograder", "lms", "list"),
    "markers": ("pytest", "--markers"),
    "where": ("python", "-c", "import autograder; print(autograder.__file__)"),
    "spanish": (
        *("python", "-c"),
        "from autograder.messages import in_language, translate\n"
        "with in_language('es'): print(translate('Hand in'))",
    ),
}
"""What is asked of the installed project, by a name for the tests."""


@pytest.fixture(scope="module")
def said(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command says in an empty folder; its status comes first."""
    folder = tmp_path_factory.mktemp("empty")
    answers = {}
    for name, command in WHAT.items():
        done = installed.run(*command, folder=folder)
        answers[name] = f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert not list(folder.iterdir()), "a command that only tells has written something"
    return answers


def test_the_project_is_the_wheels(installed: Installed, said: dict[str, str]) -> None:
    status, where = said["where"].split()
    assert status == "0"
    assert Path(where).is_relative_to(installed.prefix)


def test_the_command_tells_its_version(said: dict[str, str]) -> None:
    assert said["version"] == f"0\nautograder, version {autograder.__version__}\n"


def test_help_needs_no_extra(said: dict[str, str]) -> None:
    assert said["serve-help"].startswith("0\n")


@pytest.mark.parametrize("command", ["serve", "lms"])
def test_what_needs_the_extra_says_which_one_is_missing(said: dict[str, str], command: str) -> None:
    assert said[command].startswith("1\nautograder: ")
    assert "pip install 'pytorch-autograder[lms]'" in said[command].replace("\n", " ")
    assert "Traceback" not in said[command]


def test_pytest_knows_the_plugin(said: dict[str, str]) -> None:
    assert "@pytest.mark.grade_cell" in said["markers"]


def test_students_read_spanish(said: dict[str, str]) -> None:
    assert said["spanish"] == "0\nEntregar\n"
