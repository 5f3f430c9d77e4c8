"""What the files of ``deploy/`` start is what the command line accepts."""

import re
from pathlib import Path

import click
import pytest

from autograder.cli import main
from tests.deploy import files

LINES = list(files.command_lines())
_PAGE = files.ROOT / "docs/how-to/deploy.md"


@pytest.mark.parametrize(("where", "arguments"), LINES, ids=[where for where, _line in LINES])
def test_the_command_line_accepts_what_is_started(where: str, arguments: list[str]) -> None:
    above = click.Context(main, info_name="autograder", obj=Path())
    name, *rest = arguments
    command = main.get_command(above, name)
    assert command is not None, f"{where} starts `autograder {name}`, which there is not"
    command.make_context(name, rest, parent=above)


def test_pages_and_workers_are_started_in_all_three_ways() -> None:
    started = [arguments[0] for _where, arguments in LINES]
    assert started.count("serve") == 3
    assert started.count("worker") == 3


def test_the_page_names_commands_that_there_are() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    named = re.findall(r"(?:/bin/|-- |exec serve )autograder ([a-z]+)", text)
    assert {"doctor", "grade", "release"} <= set(named)
    assert not [one for one in named if one not in main.list_commands(click.Context(main))]


@pytest.mark.parametrize(("where", "arguments"), LINES, ids=[where for where, _line in LINES])
def test_no_password_stands_on_a_command_line(where: str, arguments: list[str]) -> None:
    """All users of a machine see them."""
    password = files.environment()["PGPASSWORD"]
    assert not [one for one in arguments if password in one or re.search(r"://[^/@]*:[^/@]*@", one)]
