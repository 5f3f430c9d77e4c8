"""Commands for who writes assignments: new, preview, extract."""

import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from autograder.authoring.scaffold import new_assignment, new_exercise
from autograder.bridge.course import Course, CourseError
from autograder.cli.base import console, errors, main, plain, print_error

if TYPE_CHECKING:  # slow to import
    from autograder.authoring.preview import Preview, Previewer

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


@main.command()
@click.argument("assignment")
@click.option("--watch", is_flag=True, help="Do it again at every change, until Ctrl-C.")
@click.option("--open", "opened", is_flag=True, help="Open the student's page in a browser.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the pages (default: preview/ASSIGNMENT in the course).",
)
@click.pass_context
def preview(
    ctx: click.Context, assignment: str, *, watch: bool, opened: bool, to: Path | None
) -> None:
    """Show what students will see, and what the graders say of your solution and of nothing.

    Pages are written: the student's notebook, and the feedback on your own solution and on the
    release as it is. The release and the gradebook stay as they are.

    \b
    Examples:
      autograder preview first-steps --open
      autograder preview first-steps --watch
    """
    try:
        again = True
        while again:  # once more where the course's settings have changed
            right, again = _preview(ctx.obj, assignment, to, watch, opened)
            opened = False
    except KeyboardInterrupt:
        if not watch:
            raise
        console.print("stopped")
        return
    if not right:
        sys.exit(1)


def _preview(
    root: Path, assignment: str, to: Path | None, watch: bool, opened: bool
) -> tuple[bool, bool]:
    """Preview with the settings as they are: whether all was right, and whether to begin anew."""
    from autograder.authoring.preview import previewing
    from autograder.authoring.watch import Watch

    course = Course(root)
    to = course.root / "preview" / assignment if to is None else to
    with previewing(course, assignment, to) as previewer:
        watched = Watch(course, assignment)
        right = _round(course, previewer, watch, opened)
        if not watch:
            return right, False
        _say_watching(assignment)
        for change in watched.changes():
            if change == "settings":
                break
            if change == "graders":
                previewer.collect_anew()
            _round(course, previewer, watch, False)
            _say_watching(assignment)
    return right, True


def _round(course: Course, previewer: "Previewer", watch: bool, opened: bool) -> bool:
    """Make and print one preview; whether all was right."""
    try:
        made = previewer.make()
    except CourseError as error:
        if not watch:
            raise
        print_error(error)
        return False
    _print_preview(made)
    if made.pages:
        for page in made.pages:
            console.print(f"page: {page}", soft_wrap=True, highlight=False, markup=False)
        if opened and not webbrowser.open(made.pages[0].resolve().as_uri()):
            errors.print("autograder: no browser could be opened", style="yellow")
    return made.right


def _say_watching(assignment: str) -> None:
    now = time.strftime("%H:%M:%S")
    console.print(f"{now} watching {assignment}; Ctrl-C ends", style="dim", highlight=False)


def _print_preview(made: "Preview") -> None:
    """A line for each exercise, and below it what is to be mended."""
    for finding in made.findings:
        told = f"{finding.where}: {finding.what}\n  mend: {finding.mend}"
        errors.print(plain(told), style="yellow", soft_wrap=True, highlight=False)
    for error in made.errors:
        errors.print(plain(error), style="red", soft_wrap=True, highlight=False)
    if not made.exercises:
        return
    table = Table("", "exercise", "points", "your solution", "untouched", "checks")
    table.columns[1].overflow = "fold"
    for column in (2, 3, 4, 5):
        table.columns[column].justify = "right"
    for one in made.exercises:
        sign = "[green]✔[/green]" if one.right else "[red]✘[/red]"
        numbers = (f"{number:g}" for number in (one.points, one.solution, one.untouched))
        checks = str(one.checks or "in its cell")
        table.add_row(sign, plain(one.grade_id), *numbers, checks)
    console.print(table)
    for one in made.exercises:
        for problem in one.problems:
            told = plain(f"{one.grade_id}: {problem}")
            errors.print(told, style="red", soft_wrap=True, highlight=False)


@main.command()
@click.argument("assignment")
@click.option("--dry-run", is_flag=True, help="Show the same and write nothing.")
@click.pass_context
def extract(ctx: click.Context, assignment: str, *, dry_run: bool) -> None:
    """Move the tests in an assignment's cells into hidden graders, which students cannot reach.

    For assignments whose tests are in grade cells, with BEGIN HIDDEN TESTS or without. Each grader
    is tried on your own solution and on an untouched release; what would say something else than
    the cell, or cannot be moved, stays there, with the reason in it. Hidden tests are taken out of
    the cells, visible ones stay for the students to run.

    \b
    Examples:
      autograder extract ps1 --dry-run
      autograder extract ps1
    """
    from autograder.authoring.extract import extract as extract_tests

    course = Course(ctx.obj)
    done = extract_tests(course, assignment, dry_run=dry_run)
    for grade_id in done.moved:
        console.print(f"[green]✔[/green] {plain(grade_id)}: moved", highlight=False)
    for kept in done.kept:
        told = plain(f"{kept.grade_id}: stays in {kept.where}: {kept.why}")
        console.print(f"[yellow]✘[/yellow] {told}", soft_wrap=True, highlight=False)
    for grade_id in done.already:
        console.print(f"  {plain(grade_id)}: has graders already", highlight=False)
    if not dry_run:
        _print_written(course, done.written)
    counts = f"{len(done.moved)} moved, {len(done.kept)} stay"
    console.print(counts + ("; nothing was written: this was a dry run" if dry_run else ""))
    if not done.configured:
        errors.print(
            "autograder: this course does not run hidden graders yet: put these lines into "
            "nbgrader_config.py, in the place of `configure_execute` if it is there:\n"
            "  from autograder.bridge import configure\n  configure(get_config())",
            style="yellow",
            soft_wrap=True,
        )
    if done.written:
        _print_next(f"autograder check {assignment}, then autograder release {assignment}")
