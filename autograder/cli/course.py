"""Commands on a course as a whole: release, export, report, secret."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autograder.cli.base import (
    answer,
    assignment_argument,
    assignments_argument,
    course_of,
    json_option,
    main,
    open_course,
    print_line,
    print_warning,
)
from autograder.cli.completion import complete_assignments
from autograder.cli.stale import warn_of_changed
from autograder.plain import counted

if TYPE_CHECKING:  # slow to import
    from autograder.bridge.course import Course


@main.command()
@assignments_argument
@json_option
@click.pass_context
def release(ctx: click.Context, assignments: tuple[str, ...]) -> None:
    """Generate the students' notebooks from the source notebooks.

    \b
    Example: autograder release tensores
    """
    course, chosen = open_course(ctx, assignments)
    released = []
    for name in chosen:
        course.release(name)
        folder = course.folder("release", name)
        released.append({"assignment": name, "folder": str(folder)})
        print_line(f"released {name}: {folder}")
    answer({"released": released})


@main.command()
@click.option(
    "--as",
    "kind",
    type=click.Choice(("canvas", "moodle", "openedx", "blackboard", "sakai", "gradescope")),
    help="Write what this LMS imports, in the place of nbgrader's own CSV.",
)
@click.option(
    "--assignment",
    "assignments",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_assignments,
    help="With --as: only this one; may be given several times.",
)
@click.option(
    "--template",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="With --as: a file of grades that the LMS exported, to fill in.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=TITLE",
    help="What the LMS calls an assignment, where that is not its name.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="The file to write, for Gradescope the folder (default: grades.csv, or the name of the "
    "assignment and the LMS).",
)
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    *,
    kind: str | None,
    assignments: tuple[str, ...],
    template: Path | None,
    columns: tuple[str, ...],
    to: Path | None,
) -> None:
    """Write all scores as CSV, nbgrader's or for an LMS.

    \b
    Examples:
      autograder export --to grades.csv
      autograder export --as canvas --assignment tensores --template ~/Downloads/grades.csv
      autograder export --as gradescope --assignment tensores --to results
    """
    if kind is not None:
        course, chosen = open_course(ctx, assignments)
        titles = _titles(columns, chosen)
        _export_as(course, kind, chosen, template=template, titles=titles, to=to)
        warn_of_changed(course, chosen)
        return
    if assignments or template or columns:
        raise click.UsageError("--assignment, --template and --column go with --as")
    course, to = course_of(ctx), to or Path("grades.csv")
    _require_folder(to)
    course.export(to)
    print_line(f"scores: {to}")
    warn_of_changed(course, course.assignments())
    answer(_export_document("nbgrader", course.assignments(), to, []))


def _require_folder(to: Path) -> None:
    from autograder.bridge.course import CourseError

    if to.is_dir():
        raise CourseError(f"cannot write {to}: it is a folder")
    if not to.parent.is_dir():
        raise CourseError(f"cannot write {to}: there is no folder {to.parent}")


def _titles(columns: tuple[str, ...], chosen: list[str]) -> dict[str, list[str]]:
    """What the LMS calls assignments, as it was given in the command."""
    titles: dict[str, list[str]] = {}
    for text in columns:
        name, separator, title = text.partition("=")
        if not separator or not title.strip() or name not in chosen:
            raise click.UsageError(
                f"--column {text}: give NAME=TITLE, and NAME one of {', '.join(chosen)}"
            )
        titles.setdefault(name, []).append(title.strip())
    return titles


def _export_as(
    course: "Course",
    kind: str,
    chosen: list[str],
    *,
    template: Path | None,
    titles: dict[str, list[str]],
    to: Path | None,
) -> None:
    """Write the grades for an LMS, and say what did not fit."""
    from autograder.bridge.course import CourseError
    from autograder.lms.gradefiles import export as lms

    warnings: list[str] = []

    def warn(told: str) -> None:
        warnings.append(told)
        print_warning(told)

    if kind == "gradescope":
        if len(chosen) != 1 or template or titles:
            raise click.UsageError("--as gradescope takes one --assignment, and no template")
        to = to or Path(f"{chosen[0]}-gradescope")
        count = lms.write_results(course, chosen[0], to, warn)
        print_line(f"results of {count} students: {to}")
        answer(_export_document(kind, chosen, to, warnings))
        return
    to = to or Path(lms.file_name(kind, chosen))
    _require_folder(to)
    if template is not None and to.exists() and to.samefile(template):
        raise CourseError(f"{to} is the file that the LMS exported: write to another one")
    lms.write_file(course, kind, chosen, to, template=template, titles=titles, warn=warn)
    print_line(f"scores: {to}")
    answer(_export_document(kind, chosen, to, warnings))


def _export_document(
    kind: str, assignments: Sequence[str], to: Path, warnings: Sequence[str]
) -> dict[str, Any]:
    return {
        "as": kind,
        "assignments": list(assignments),
        "to": str(to.absolute()),
        "warnings": list(warnings),
    }


@main.command()
@assignment_argument
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write (default: reports/ASSIGNMENT in the course).",
)
@click.option("--pseudonyms", is_flag=True, help="Replace ids, and leave out what students wrote.")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --pseudonyms: a CSV file to write that tells who is who.",
)
@json_option
@click.pass_context
def report(
    ctx: click.Context, assignment: str, to: Path | None, pseudonyms: bool, key: Path | None
) -> None:
    """Write statistics of an assignment, as one page and CSV.

    \b
    Examples:
      autograder report tensores
      autograder report tensores --pseudonyms --key who-is-who.csv --to for-colleagues
    """
    from autograder.report.write import PAGE, write_report  # draws: no other command needs it

    if key is not None and not pseudonyms:
        raise click.UsageError("--key goes with --pseudonyms")
    course = course_of(ctx)
    folder = course.root / "reports" / assignment if to is None else to
    made = write_report(course, assignment, folder, hide_names=pseudonyms, key=key)
    suspicious = [row.exercise.name for row in made.exercises if row.suspicious]
    print_line(
        f"{made.graded} of {counted(len(made.students), 'student')} graded; "
        f"{counted(len(suspicious), 'suspicious exercise')}, "
        f"{counted(made.likeness.found, 'pair that looks', 'pairs that look')} alike\n"
        f"report: {folder / PAGE}"
    )
    warn_of_changed(course, [assignment])
    answer(
        {
            "assignment": assignment,
            "page": str((folder / PAGE).absolute()),
            "students": len(made.students),
            "graded": made.graded,
            "suspicious": suspicious,
            "alike": made.likeness.found,
        }
    )


@main.command()
@click.option("--rotate", is_flag=True, help="Make a new one, with which all is graded anew.")
@json_option
@click.pass_context
def secret(ctx: click.Context, rotate: bool) -> None:
    """Say where the course's secret is, or make a new one.

    The graders' hidden inputs are made from it. Keep a backup of the file: with another secret
    the same submission meets other inputs. Rotate it when it may have become known.

    \b
    Example: autograder secret --rotate
    """
    from autograder.bridge.seeds import rotate_secret

    settings = course_of(ctx).settings
    path = settings.secret_path()
    found = rotate_secret(path) if rotate else settings.secret()
    print_line(f"{path}\nfingerprint {found.fingerprint}")
    if rotate:
        print_line("A new secret: `autograder grade` grades every submission anew.")
    answer({"file": str(path), "fingerprint": found.fingerprint, "rotated": rotate})
