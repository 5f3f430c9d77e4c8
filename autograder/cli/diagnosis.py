"""The command that says whether this machine and this course can grade."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from autograder.cli.base import (
    Table,
    answer,
    console,
    json_option,
    main,
    print_error,
    print_line,
)
from autograder.cli.status import Status

if TYPE_CHECKING:  # it looks at what may be missing
    from autograder.doctor import Check, State

_SIGNS: Final[dict["State", tuple[str, str]]] = {
    "ok": ("✔", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✘", "bold red"),
}


@main.command(fails="something that grading needs is missing; its line says how to mend it")
@json_option
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Say what keeps this machine or course from grading.

    Each line says what was found and, if need be, how to mend it: of Python, packages, memory,
    disk, Jupyter, the course, and the walls around a submission. Nothing is written.

    \b
    Examples:
      autograder doctor
      autograder doctor --json
    """
    from autograder.doctor import examine_all

    found: list[tuple[str, Check]] = []
    for area, checks in examine_all(ctx.obj):
        console.print(_table(area, checks))
        found += [(area, check) for check in checks]
    failed = [check for _, check in found if check.state == "failed"]
    warnings = [check for _, check in found if check.state == "warning"]
    answer(
        {
            "ok": not failed,
            "checks": [{"area": area, **asdict(check)} for area, check in found],
        }
    )
    if failed:
        print_error(f"not all is well: {', '.join(check.name for check in failed)}; see above")
        sys.exit(Status.FAILED)
    if warnings:
        print_line(f"It could be better: {', '.join(check.name for check in warnings)}; see above.")
    print_line("Submissions of people whom you do not trust can be graded on this machine.")


def _table(area: str, checks: "list[Check]") -> Table:
    """What was found in an area; without titles, for the signs say enough."""
    table = Table("", "", "", title=area)
    for check in checks:
        sign, style = _SIGNS[check.state]
        mend = f" To mend: {check.mend}" if check.mend else ""
        table.add(
            Text(sign, style),
            Text(check.name, "" if check.state == "ok" else style),
            f"{check.found}.{mend}" if mend else check.found,
        )
    return table
