"""What the commands share: the group, its options, and how they print."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from autograder import INTERRUPTED, __version__, pool
from autograder.bridge.course import Course, CourseError, GradebookError
from autograder.bridge.gradebook import problem_told
from autograder.grading.client import GradingError
from autograder.runner.warm import WarmProcessError
from autograder.validity.corpus import CorpusError

console = Console()
errors = Console(stderr=True)

assignments_argument = click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=pool.default_jobs(),
    show_default="one per core",
    help="Submissions at once.",
)
student_option = click.option("--student", metavar="ID", help="Only this student.")


class _Group(click.Group):
    """Turns what a teacher can mend into one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; report known errors without a traceback."""
        try:
            return super().invoke(ctx)
        except (CourseError, CorpusError, GradingError, WarmProcessError, OSError) as error:
            print_error(error)
            sys.exit(1)
        except DBAPIError as error:
            _print_error_of_gradebook(error)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


def _print_error_of_gradebook(error: DBAPIError) -> None:
    told = problem_told(str(error)) or f"the gradebook cannot be used: {error.orig}"
    print_error(GradebookError(told))


def print_error(error: Exception) -> None:
    """Print an error that a teacher can mend, as one line."""
    errors.print(f"autograder: {error}", style="red", markup=False, soft_wrap=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option(
    "--course",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The course's folder (default: this one).",
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


def open_course(ctx: click.Context, names: tuple[str, ...]) -> tuple[Course, list[str]]:
    """The course and the assignments asked for; all of them when none is named."""
    course = Course(ctx.obj)
    for name in names:
        course.require(name)
    chosen = list(names) or course.assignments()
    if not chosen:
        source = course.folder("source", ".")
        raise CourseError(f"no assignments: put a notebook into {source}/NAME/NAME.ipynb")
    return course, chosen


def plain(text: str) -> str:
    """Text that comes from a submission, with nothing that rich or a terminal would obey."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in text))
