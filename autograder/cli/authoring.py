"""Commands for who writes assignments: new, preview, extract."""

from pathlib import Path

import click

from autograder.authoring.scaffold import new_assignment, new_exercise
from autograder.bridge.course import Course
from autograder.cli.base import console, main

title_option = click.option("--title", default="", help="Its heading (default: made of its name).")


@main.group()
def new() -> None:
    """Make a new assignment, or a new exercise in one.

    \b
    Examples:
      autograder new assignment first-steps --title "First steps"
      autograder new exercise first-steps mean-of-list --points 4
    """


@new.command("assignment")
@click.argument("name")
@title_option
@click.pass_context
def assignment_command(ctx: click.Context, name: str, title: str) -> None:
    """Make an assignment: a notebook without exercises, and a module for reference solutions.

    \b
    Example: autograder new assignment first-steps --title "First steps"
    """
    course = Course(ctx.obj)
    _print_written(course, new_assignment(course, name, title))
    _print_next(f"autograder new exercise {name} EXERCISE --points 2")


@new.command("exercise")
@click.argument("assignment")
@click.argument("exercise")
@title_option
@click.option(
    "--points",
    type=click.FloatRange(min=0, min_open=True, max=10_000),
    default=1.0,
    show_default=True,
    help="What it is worth.",
)
@click.pass_context
def exercise_command(
    ctx: click.Context, assignment: str, exercise: str, title: str, points: float
) -> None:
    """Add an exercise to an assignment: cells, reference solution, graders and a corpus.

    It is a small one that works, the mean of a list: change it step by step into yours.

    \b
    Example: autograder new exercise first-steps mean-of-list --points 4 --title "The mean"
    """
    course = Course(ctx.obj)
    written = new_exercise(course, assignment, exercise, title=title, points=points)
    _print_written(course, written)
    _print_next(f"autograder preview {assignment}")


def _print_written(course: Course, paths: list[Path]) -> None:
    for path in paths:
        told = path.relative_to(course.root) if path.is_relative_to(course.root) else path
        console.print(f"wrote {told}", soft_wrap=True, highlight=False, markup=False)


def _print_next(command: str) -> None:
    console.print(f"next: {command}", soft_wrap=True, highlight=False, markup=False)
