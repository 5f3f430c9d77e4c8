"""What scripts get with ``--json``: one JSON object on standard output, whatever happens.

`docs/reference/command-line.md` documents the object of each command; tests hold both together.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from autograder.cli import look

_Command = TypeVar("_Command", bound=Callable[..., Any])
FLAG = "--json"


@dataclass
class _Script:
    """What the script that runs this command gets."""

    wanted: bool = False
    """Whether it asked for JSON, rightly or not."""
    answered: bool = False


_script = _Script()


def begin(arguments: Sequence[str]) -> None:
    """Prepare for a command, given with these arguments.

    They are looked at before they are parsed: a script that gives a wrong one gets JSON as well.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    _script.wanted = FLAG in options
    _script.answered = False


def json_option(command: _Command) -> _Command:
    """Give a command the option ``--json``."""
    return click.option(
        FLAG,
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_silence,
        help="Print one JSON object for scripts, and nothing else on standard output.",
    )(command)


def _silence(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """Print no words for people where a script reads."""
    if wanted:
        look.console.quiet = True


def answer(document: Mapping[str, Any]) -> None:
    """Give a script its object; where none reads, do nothing."""
    if look.console.quiet and not _script.answered:
        _script.answered = True
        _write(document)


def answer_error(message: str, status: int) -> None:
    """Give a script the error in the place of its object, unless it has got that one."""
    if _script.wanted and not _script.answered:
        _script.answered = True
        _write({"error": {"message": message, "status": status}})


def _write(document: Mapping[str, Any]) -> None:
    # ASCII: no name that a student chose reaches a terminal, and half characters stay valid
    click.echo(json.dumps(document, ensure_ascii=True, indent=2, allow_nan=False))
