"""Commands for who writes assignments: new, preview, extract."""

import math
import os
import shlex
import sys
import time
import webbrowser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from autograder.cli import signals
from autograder.cli.base import (
    Number,
    Table,
    answer,
    assignment_argument,
    console,
    course_of,
    json_option,
    main,
    print_error,
    print_line,
    print_warning,
)
from autograder.cli.status import Status
from autograder.messages import LANGUAGES

if TYPE_CHECKING:  # slow to import
    from autograder.authoring.extract import Extraction
    from autograder.authoring.preview import Preview, Previewer
    from autograder.bridge.course import Course


def _require_number(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is in every range
        raise click.BadParameter("nan is no number of points")
    return value


title_option = click.option("--title", default="", help="Its heading (default: made of its name).")


@main.group()
def new() -> None:
    """Make a new course, assignment or exercise.

    \b
    Examples:
      autograder new course statistics --language en
      autograder new assignment first-steps --title "First steps"
      autograder new exercise first-steps mean-of-list --points 4
    """


def _language() -> str:
    """The language of this terminal where students can be answered in it, else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            language = os.environ[name][:2]
            return language if language in LANGUAGES else "en"
    return "en"


@new.command("course")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default=_language,
    show_default="this terminal's",
    help="What students read.",
)
@json_option
def course_command(folder: Path, language: str) -> None:
    """Make a folder a course, whose assignments come next.

    \b
    Example: autograder new course statistics --language en
    """
    from autograder.authoring.course import new_course

    written = new_course(folder, language)
    for path in written:
        print_line(f"wrote {os.path.relpath(path)}")
    here = (
        f"cd {shlex.quote(os.path.relpath(folder))}, then "
        if folder.resolve() != Path.cwd()
        else ""
    )
    _print_next(f"{here}autograder new assignment NAME")
    answer({"written": [str(path) for path in written], "language": language})


@new.command("assignment")
@click.argument("name")
@title_option
@json_option
@click.pass_context
def assignment_command(ctx: click.Context, name: str, title: str) -> None:
    """Make an assignment without exercises.

    That is a notebook, and a module for reference solutions.

    \b
    Example: autograder new assignment first-steps --title "First steps"
    """
    from autograder.authoring.scaffold import new_assignment

    course = course_of(ctx)
    written = new_assignment(course, name, title)
    _print_written(course, written)
    _print_next(f"autograder new exercise {name} EXERCISE --points 2")
    answer({"written": [str(path) for path in written]})


@new.command("exercise")
@assignment_argument
@click.argument("exercise")
@title_option
@click.option(
    "--points",
    type=click.FloatRange(min=0, min_open=True, max=10_000),
    callback=_require_number,
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="What it is worth.",
)
@json_option
@click.pass_context
def exercise_command(
    ctx: click.Context, assignment: str, exercise: str, title: str, points: float
) -> None:
    """Add an exercise that works, to change into yours.

    It has cells, a reference solution, graders and a corpus, and asks for the mean of a list:
    change it step by step.

    \b
    Example:
      autograder new exercise first-steps mean-of-list --points 4 --title "The mean"
    """
    from autograder.authoring.scaffold import new_exercise

    course = course_of(ctx)
    written = new_exercise(course, assignment, exercise, title=title, points=points)
    _print_written(course, written)
    if not course.runs_graders:
        _warn_unconfigured()
    if course.has_submissions(assignment):
        print_warning(
            f"submissions of {assignment} are in the gradebook, so nbgrader releases it with no "
            f"other cells: `autograder release {assignment}` says how to go on, and what it costs"
        )
    _print_next(f"autograder preview {assignment}")
    answer({"written": [str(path) for path in written]})


def _print_written(course: "Course", paths: list[Path]) -> None:
    from autograder.check.finding import place_of

    for path in paths:
        print_line(f"wrote {place_of(course, path)}")


def _print_next(command: str) -> None:
    print_line(f"next: {command}")


@main.command(fails="something is to be mended")
@assignment_argument
@click.option("--watch", is_flag=True, help="Do it again at every change, until Ctrl-C.")
@click.option("--open", "opened", is_flag=True, help="Open the student's page in a browser.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the pages (default: preview/ASSIGNMENT in the course).",
)
@json_option
@click.pass_context
def preview(
    ctx: click.Context, assignment: str, *, watch: bool, opened: bool, to: Path | None
) -> None:
    """Show what students will see and the graders say.

    The graders are run on your own solution and on the untouched release. Pages are written: the
    student's notebook, and the feedback on both. The release and the gradebook stay as they are.

    \b
    Examples:
      autograder preview first-steps --open
      autograder preview first-steps --watch
    """
    if watch and console.quiet:
        raise click.UsageError("--watch does not go with --json: it has no end")
    try:
        right, again = _preview(ctx, assignment, to, watch, opened)
        while again:  # once more where the course's settings have changed
            again = _preview_anew(ctx, assignment, to)
    except (KeyboardInterrupt, Exception) as error:
        if not watch or not signals.behind(error):
            raise
        print_line("stopped")
        return
    if not right:
        sys.exit(Status.FAILED)


def _preview_anew(ctx: click.Context, assignment: str, to: Path | None) -> bool:
    """Watch with settings that were changed, and may be half written: whether to begin anew."""
    from autograder.authoring.watch import settings_version, wait_for_settings
    from autograder.bridge.course import CourseError

    settings = settings_version(ctx.obj)
    try:
        _right, again = _preview(ctx, assignment, to, watch=True, opened=False)
    except CourseError as error:
        signals.stop_if_came()
        print_error(error)
        _say_watching("nbgrader_config.py")
        wait_for_settings(ctx.obj, settings)
        return True
    return again


def _preview(
    ctx: click.Context, assignment: str, to: Path | None, watch: bool, opened: bool
) -> tuple[bool, bool]:
    """Preview with the settings as they are: whether all was right, and whether to begin anew."""
    from autograder.authoring.preview import previewing
    from autograder.authoring.watch import Watch

    course = course_of(ctx)
    to = course.root / "preview" / assignment if to is None else to
    with previewing(course, assignment, to) as previewer:
        watched = Watch(course, assignment)
        right = _round(previewer, watch, opened)
        if not watch:
            return right, False
        _say_watching(assignment)
        for change in watched.changes():
            if change == "settings":
                break
            if change == "graders":
                previewer.collect_anew()
            _round(previewer, watch, False)
            _say_watching(assignment)
    return right, True


def _round(previewer: "Previewer", watch: bool, opened: bool) -> bool:
    """Make and print one preview; whether all was right."""
    from autograder.bridge.course import CourseError

    try:
        made = previewer.make()
    except CourseError as error:
        if not watch or signals.behind(error):
            raise
        print_error(error)
        return False
    signals.stop_if_came()
    _print_preview(made)
    for page in made.pages:
        print_line(f"page: {page}")
    if made.pages and opened and not webbrowser.open(made.pages[0].resolve().as_uri()):
        print_warning("no browser could be opened")
    answer(_preview_document(made))
    return made.right


def _preview_document(made: "Preview") -> dict[str, Any]:
    return {
        "right": made.right,
        "findings": [asdict(one) for one in made.findings],
        "errors": list(made.errors),
        "exercises": [asdict(one) | {"right": one.right} for one in made.exercises],
        "pages": [str(page.absolute()) for page in made.pages],
    }


def _say_watching(assignment: str) -> None:
    now = time.strftime("%H:%M:%S")
    print_line(f"{now} watching {assignment}; Ctrl-C ends", "dim")


def _print_preview(made: "Preview") -> None:
    """A line for each exercise, and below it what is to be mended."""
    for finding in made.findings:
        print_warning(f"{finding.where}: {finding.what}\n  mend: {finding.mend}")
    for error in made.errors:
        print_error(error)
    if not made.exercises:
        return
    numbers = map(Number, ("points", "your solution", "untouched", "checks"))
    table = Table("", "exercise", *numbers)
    for one in made.exercises:
        table.add(
            Text("✔", "green") if one.right else Text("✘", "red"),
            one.grade_id,
            *(f"{number:g}" for number in (one.points, one.solution, one.untouched)),
            str(one.checks or "in its cell"),
        )
    console.print(table)
    for one in made.exercises:
        for problem in one.problems:
            print_error(f"{one.grade_id}: {problem}")


@main.command()
@assignment_argument
@click.option("--dry-run", is_flag=True, help="Show the same and write nothing.")
@json_option
@click.pass_context
def extract(ctx: click.Context, assignment: str, *, dry_run: bool) -> None:
    """Move tests in cells into hidden graders.

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

    course = course_of(ctx)
    done = extract_tests(course, assignment, dry_run=dry_run)
    _print_extraction(done)
    if not dry_run:
        _print_written(course, done.written)
    counts = f"{len(done.moved)} moved, {len(done.kept)} stay"
    print_line(counts + ("; nothing was written: this was a dry run" if dry_run else ""))
    if not done.configured:
        _warn_unconfigured()
    if done.written and dry_run:
        _print_next(f"autograder extract {assignment}")
    elif done.written:
        _print_next(f"autograder check {assignment}, then autograder release {assignment}")
    answer(
        {
            "assignment": assignment,
            "dry_run": dry_run,
            "moved": done.moved,
            "kept": [asdict(one) for one in done.kept],
            "already": done.already,
            "written": [str(path) for path in done.written],
            "configured": done.configured,
        }
    )


def _warn_unconfigured() -> None:
    """Say what a course lacks to run hidden graders."""
    print_warning(
        "this course does not run hidden graders yet: put these lines into "
        "nbgrader_config.py, in the place of `configure_execute` if it is there:\n"
        "  from autograder.bridge import configure\n  c = get_config()\n  configure(c)\n"
        '  c.RunGraders.language = "en"  # of what students read: "en" or "es"'
    )


def _print_extraction(done: "Extraction") -> None:
    """A line for each grade cell: moved, or why not."""
    table = Table("", "exercise", "")
    for grade_id in done.moved:
        table.add(Text("✔", "green"), grade_id, "moved")
    for kept in done.kept:
        table.add(Text("✘", "yellow"), kept.grade_id, f"stays in {kept.where}: {kept.why}")
    for grade_id in done.already:
        table.add("", grade_id, "has graders already")
    console.print(table)
