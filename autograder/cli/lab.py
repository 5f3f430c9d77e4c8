"""The command that opens JupyterLab with the course."""

import os

import click

from autograder.cli.base import course_of, main, print_line


@main.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8888, show_default=True,
    help="Port to listen at, or the next one that is free; 0: any.",
)  # fmt: skip
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.argument("jupyter", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTER'S OPTION]...")
@click.pass_context
def lab(ctx: click.Context, port: int, no_browser: bool, jupyter: tuple[str, ...]) -> None:
    """Open JupyterLab with the course.

    There you make assignments, release, collect and grade them. It has nbgrader's Create
    Assignment, formgrader, assignment list, course list and validate. Options that are not listed
    here are Jupyter's.

    \b
    Examples:
      autograder lab
      autograder lab --no-browser --ip 0.0.0.0
    """
    from autograder.lab import start

    course = course_of(ctx)
    start.prepare(course)
    print_line(f"exchange: {start.exchange_of(course)}")
    command = start.command(course, port=port, browser=not no_browser, options=jupyter)
    os.chdir(course.root)  # nbgrader looks for the course there
    os.execv(command[0], command)
