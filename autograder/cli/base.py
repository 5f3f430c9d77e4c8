"""What the commands share: the group, its options, how they end and how they print.

The modules of the commands import no more than click and rich: what they call is imported when it
is called, so that a shell completes names at once and `autograder doctor` runs where packages are
missing. A test holds that.
"""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from autograder import __version__
from autograder.cli import advice, look, scripts, signals
from autograder.cli.completion import complete_assignments, complete_students
from autograder.cli.look import (
    Number,
    Table,
    console,
    errors,
    plain,
    print_error,
    print_line,
    print_warning,
)
from autograder.cli.scripts import answer, json_option
from autograder.cli.status import FAILED_BY_DEFAULT, Status, statuses
from autograder.cores import usable_cores

if TYPE_CHECKING:  # slow to import
    from autograder.bridge.course import Course

__all__ = [
    "PROGRAM",
    "Number",
    "Table",
    "answer",
    "assignment_argument",
    "assignments_argument",
    "console",
    "course_of",
    "errors",
    "jobs_option",
    "json_option",
    "main",
    "open_course",
    "plain",
    "print_error",
    "print_line",
    "print_warning",
    "student_option",
    "unsafe_option",
]
PROGRAM: Final = "autograder"


assignment_argument = click.argument("assignment", shell_complete=complete_assignments)
assignments_argument = click.argument(
    "assignments", nargs=-1, metavar="[ASSIGNMENT]...", shell_complete=complete_assignments
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    default=usable_cores,
    show_default="one per core",
    help="Submissions at once.",
)
student_option = click.option(
    "--student", metavar="ID", shell_complete=complete_students, help="Only this student."
)
unsafe_option = click.option(
    "--allow-unsafe",
    is_flag=True,
    help="Grade also where this machine lacks the walls against submissions of strangers.",
)


class _WithStatuses(click.Command):
    """A command whose help lists its exit statuses."""

    def __init__(self, *arguments: Any, fails: str = FAILED_BY_DEFAULT, **options: Any) -> None:
        """Take what click takes, and ``fails``: what exit status 1 says here."""
        super().__init__(*arguments, **options)
        self._fails = fails

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit statuses below the options."""
        with formatter.section("Exit status"):
            formatter.write_dl(statuses(self._fails))
        super().format_epilog(ctx, formatter)


class _Command(_WithStatuses):
    """A command of this program."""


class _Group(_WithStatuses, click.Group):
    """Turns what a teacher can mend into one error in one style, and an exit status."""

    command_class = _Command
    group_class = type

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and end the program; without ``standalone_mode``, as click does."""
        arguments = sys.argv[1:] if args is None else list(args)
        scripts.begin(arguments)
        look.begin()
        _bear_any_encoding()

        def run() -> Any:
            return super(_Group, self).main(
                arguments, PROGRAM, complete_var, standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        signals.begin()
        sys.exit(_status_of(run))


def _bear_any_encoding() -> None:
    """Write what a terminal's encoding lacks as an escape, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _status_of(run: Callable[[], Any]) -> int:
    """Run the command; its exit status, after what went wrong has been told.

    What no teacher can mend is raised, with its traceback.
    """
    try:
        status = run()
    except click.ClickException as error:
        return _wrongly_used(error)
    except (click.Abort, KeyboardInterrupt) as error:
        if signals.behind(error):
            return _interrupted()
        return _failed("not confirmed, so nothing was done", Status.FAILED)
    except Exception as error:
        if signals.behind(error):
            return _interrupted()
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            return _nobody_reads()
        told = _mendable(error)
        if not told:
            scripts.answer_error(f"{type(error).__name__}: {error}", Status.FAILED)
            raise
        return _failed(told, Status.FAILED)
    return status if isinstance(status, int) else Status.DONE


def _failed(message: str, status: Status) -> Status:
    print_error(message)
    scripts.answer_error(message, status)
    return status


def _wrongly_used(error: click.ClickException) -> int:
    """Say what was wrong, and how the command is used."""
    if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 raises it with the help as text
        error.show()
        return error.exit_code
    _failed(advice.told(error), Status(error.exit_code))
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is not None:
        click.echo(ctx.get_usage(), err=True)
        click.echo(f"More: {ctx.command_path} --help", err=True)
    return error.exit_code


def _interrupted() -> Status:
    scripts.answer_error("interrupted", Status.INTERRUPTED)
    return Status.INTERRUPTED


def _nobody_reads() -> Status:
    """End quietly where the output is not read to its end, as by `head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Status.FAILED


def _mendable(error: Exception) -> str:
    """What a teacher is told of an error that they can mend; nothing of any other."""
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        if name == PROGRAM or not name:
            return ""
        return f"the package {name!r} is not installed: `autograder doctor` says how to mend that"
    from sqlalchemy.exc import DBAPIError

    from autograder.bridge.course import CourseError
    from autograder.bridge.gradebook import error_told
    from autograder.grading.client import GradingError
    from autograder.runner.warm import WarmProcessError
    from autograder.validity.corpus import CorpusError

    if isinstance(error, DBAPIError):
        return error_told(error)
    known = (CourseError, CorpusError, GradingError, WarmProcessError, OSError)
    return str(error) if isinstance(error, known) else ""


def _set_color(ctx: click.Context, parameter: click.Parameter, color: bool | None) -> None:
    if color is not None:
        look.begin(color)


@click.group(PROGRAM, cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
@click.option(
    "--course",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The course's folder (default: this one).",
)
@click.option(
    "--color/--no-color",
    default=None,
    expose_value=False,
    is_eager=True,
    callback=_set_color,
    help="Colours, also in a pipe, or none (default: on a terminal, unless NO_COLOR is set).",
)
@click.pass_context
def main(ctx: click.Context, course: Path) -> None:
    """Grade an nbgrader course with hidden graders that student code cannot reach.

    \b
    Example, from nothing to a graded class:
      autograder release
      autograder grade
      autograder feedback
      autograder export --to grades.csv
    """
    ctx.obj = course


def course_of(ctx: click.Context) -> "Course":
    """The course that the command is for.

    Raises:
        CourseError: there is none.
    """
    from autograder.bridge.course import Course

    return Course(ctx.obj)


def open_course(ctx: click.Context, names: tuple[str, ...]) -> tuple["Course", list[str]]:
    """The course and the assignments asked for; all of them when none is named.

    Raises:
        CourseError: there is no course, or no such assignment.
    """
    from autograder.bridge.course import CourseError

    course = course_of(ctx)
    for name in names:
        course.require(name)
    chosen = list(names) or course.assignments()
    if not chosen:
        source = course.folder("source", ".")
        raise CourseError(f"no assignments: put a notebook into {source}/NAME/NAME.ipynb")
    return course, chosen
