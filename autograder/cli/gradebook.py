"""Commands on nbgrader's gradebook itself."""

import click

from autograder.cli.base import answer, course_of, json_option, main, print_line, print_warning
from autograder.plain import counted

_TOLD = {
    "student": "student",
    "assignment": "assignment",
    "submitted_assignment": "submission",
    "grade": "grade",
}
"""The tables of which a person is told, and what a row of each is."""


@main.group()
def gradebook() -> None:
    """Copy nbgrader's gradebook into another database.

    \b
    Example: autograder gradebook copy --to postgresql+psycopg://db/course
    """


@gradebook.command("copy")
@click.option(
    "--to",
    metavar="URL",
    required=True,
    help="An empty database, such as postgresql+psycopg://USER@HOST/NAME.",
)
@json_option
@click.pass_context
def copy(ctx: click.Context, to: str) -> None:
    """Copy the gradebook into an empty database.

    Scores, manual grades, comments and extensions come along, in one transaction: all of it is
    there, or nothing. The course goes on with the gradebook that it has until
    c.CourseDirectory.db_url in nbgrader_config.py is changed; let nobody grade until then. A
    password is better kept in ~/.pgpass than in a URL.

    \b
    Example: autograder gradebook copy --to postgresql+psycopg://db/course
    """
    from sqlalchemy.engine import make_url

    from autograder.bridge.copying import copy_gradebook
    from autograder.database import shown

    copied = copy_gradebook(course_of(ctx).directory.db_url, to)
    told = shown(make_url(to))
    counts = ", ".join(counted(copied.rows[table], one) for table, one in _TOLD.items())
    print_line(f"copied {counts} to {told}")
    left_out = {table: count for table, count in copied.left_out.items() if count}
    if left_out:
        rows = ", ".join(f"{count} of {table}" for table, count in left_out.items())
        print_warning(
            f"left out what belongs to nothing, which nbgrader never finds: {rows} (rows of tables)"
        )
    print_line("Now set c.CourseDirectory.db_url in nbgrader_config.py to that URL.")
    answer({"to": told, "rows": dict(copied.rows), "left_out": left_out})
