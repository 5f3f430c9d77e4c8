"""The command ``autograder``: parse, call, print."""

import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder import INTERRUPTED, __version__, doctor, pool
from autograder.bridge.course import Course, CourseError, GradebookError, Summary
from autograder.bridge.scratch import scratch_course
from autograder.bridge.seeds import rotate_secret
from autograder.changes import Autograded, Changes, compare
from autograder.check import check as check_assignment
from autograder.collect import Received
from autograder.collect import collect as collect_class
from autograder.grading.client import GradingError
from autograder.progress import Shown
from autograder.runner import walls
from autograder.runner.warm import WarmProcessError
from autograder.validity.corpus import CorpusError
from autograder.validity.examine import Exercise, plan_of

console = Console()
errors = Console(stderr=True)
_DOING: Final[dict[pool.Work, str]] = {"grade": "grading", "feedback": "feedback"}

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
            _print_error(error)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


def _print_error(error: Exception) -> None:
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


def _open(ctx: click.Context, names: tuple[str, ...]) -> tuple[Course, list[str]]:
    """The course and the assignments asked for; all of them when none is named."""
    course = Course(ctx.obj)
    for name in names:
        course.require(name)
    chosen = list(names) or course.assignments()
    if not chosen:
        source = course.folder("source", ".")
        raise CourseError(f"no assignments: put a notebook into {source}/NAME/NAME.ipynb")
    return course, chosen


@main.command()
@assignments_argument
@click.pass_context
def release(ctx: click.Context, assignments: tuple[str, ...]) -> None:
    """Generate the students' notebooks from the source notebooks.

    \b
    Example: autograder release tensores
    """
    course, chosen = _open(ctx, assignments)
    for name in chosen:
        course.release(name)
        console.print(f"released {name}: {course.folder('release', name)}", soft_wrap=True)


@main.command()
@click.argument("assignment")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--replace", is_flag=True, help="Replace submissions that are already there.")
@click.option("--dry-run", is_flag=True, help="Show the same and write nothing.")
@click.pass_context
def collect(ctx: click.Context, assignment: str, path: Path, replace: bool, dry_run: bool) -> None:
    """Put the submissions of a class below submitted/, from an export of Moodle or Canvas.

    PATH is the downloaded archive or the folder it was unpacked to; folders named
    STUDENT/NOTEBOOK.ipynb are taken as well.

    \b
    Examples:
      autograder collect tensores ~/Downloads/tensores.zip --dry-run
      autograder collect tensores ~/Downloads/tensores.zip
    """
    received = collect_class(Course(ctx.obj), assignment, path, replacing=replace, dry_run=dry_run)
    _print_received(received, dry_run)
    if any(one.outcome == "refused" for one in received):
        errors.print("autograder: some of it was refused; see the table", style="red")
        sys.exit(1)


def _print_received(received: list[Received], dry_run: bool) -> None:
    """A table of students and files; all of it is text that students wrote, so no markup."""
    table = Table("student", "outcome", "files", "notes", header_style="bold")
    styles = {"refused": "red", "already there": "dim"}
    for one in received:
        table.add_row(
            Text(one.student or "–"),
            Text(one.outcome, styles.get(one.outcome, "")),
            Text("\n".join(one.files)),
            Text("\n".join(one.notes)),
        )
    console.print(table)
    count = Counter(one.outcome for one in received)
    console.print(
        f"{count['collected']} collected, {count['replaced']} replaced, "
        f"{count['already there']} already there, {count['refused']} refused"
        + ("; nothing was written: this was a dry run" if dry_run else ""),
        soft_wrap=True,
    )


def _tasks(
    course: Course,
    chosen: list[str],
    student: str | None,
    force: bool = False,
    allow_unsafe: bool = False,
) -> list[pool.Task]:
    tasks = [
        pool.Task(name, one, force, allow_unsafe)
        for name in chosen
        for one in course.students(name)
        if student in (None, one)
    ]
    if not tasks:
        folder = course.folder("submitted", chosen[0], student or "STUDENT")
        raise CourseError(f"no submissions: put them into {folder}")
    return tasks


@dataclass
class _Followed:
    """What became of a command's tasks."""

    total: int
    done: list[Summary] = field(default_factory=list)
    failure: Exception | None = None
    """Why the rest was not done, if not for a signal."""
    at_once: bool = False
    """Whether the second Ctrl-C ended it."""

    @property
    def left(self) -> int:
        """How many were not done."""
        return self.total - len(self.done)


def _follow(
    work: pool.Work, course: Course, tasks: list[pool.Task], jobs: int, stopping: pool.Stopping
) -> _Followed:
    """Do the tasks, and show how far it is; a signal or a failure ends it early."""
    followed = _Followed(len(tasks))
    said = False
    with (
        Shown(_DOING[work], len(tasks), jobs, errors) as shown,
        closing(pool.run(work, course, tasks, jobs, stopping)) as summaries,
    ):
        try:
            for summary in summaries:
                if stopping() and not said:
                    said = True
                    shown.stopping("stopping when what runs is finished; Ctrl-C again ends at once")
                if summary is None:
                    shown.tick()
                else:
                    followed.done.append(summary)
                    name = f"{summary.assignment}/{summary.student}"
                    shown.done(name, quick=summary.skipped)
        except (GradebookError, pool.PoolError) as error:
            followed.failure = error
        except KeyboardInterrupt:
            followed.at_once = True
    followed.done.sort(key=lambda one: (one.assignment, one.student))
    return followed


def _end_early(followed: _Followed, goes_on: bool = False) -> None:
    """End the command if something is left to do, and say how to go on."""
    if not followed.left:
        return
    if followed.failure is not None:
        _print_error(followed.failure)
    next_time = "goes on there" if goes_on else "begins anew"
    errors.print(
        f"autograder: stopped; {followed.left} of {followed.total} submissions are left: "
        f"the same command {next_time}",
        style="yellow",
        soft_wrap=True,
    )
    sys.exit(1 if followed.failure is not None else INTERRUPTED)


@main.command()
@assignments_argument
@student_option
@click.option("--force", is_flag=True, help="Grade again what was graded and has not changed.")
@jobs_option
@click.option(
    "--allow-unsafe",
    is_flag=True,
    help="Grade also where this machine lacks the walls against submissions of strangers.",
)
@click.option("--diff", is_flag=True, help="Only show what would change, for whom and why.")
@click.pass_context
def grade(
    ctx: click.Context,
    assignments: tuple[str, ...],
    *,
    student: str | None,
    force: bool,
    jobs: int,
    allow_unsafe: bool,
    diff: bool,
) -> None:
    """Grade submissions, many at once, into nbgrader's gradebook.

    With --diff nothing is written: submissions are graded in a copy of the course, and the
    scores that would change are shown. Without it, the same command applies them.

    \b
    Examples:
      autograder grade
      autograder grade tensores --student est-01 --force
      autograder grade tensores --diff
    """
    with pool.Stopping() as stopping:
        course, chosen = _open(ctx, assignments)
        allow_unsafe = allow_unsafe or course.settings.allow_unsafe
        tasks = _tasks(course, chosen, student, force, allow_unsafe)
        course.require_gradebook({task.assignment for task in tasks})
        course.settings.secret()  # one error now, rather than one for each submission
        lacking = doctor.require_walls(allow_unsafe)
        if diff:
            _show_changes(course, tasks, jobs, stopping)
            return
        followed = _follow("grade", course, tasks, jobs, stopping)
    if followed.done and not followed.at_once:
        _print_summary(followed.done)
    if lacking:
        errors.print(
            f"autograder: UNSAFE: graded without {', '.join(lacking)}; "
            "a submission could have read or changed what this user can",
            style="bold red",
            soft_wrap=True,
        )
    _end_early(followed, goes_on=not force)
    if any(summary.error for summary in followed.done):
        errors.print("autograder: some submissions were not graded; see the table", style="red")
        sys.exit(1)


def _show_changes(
    course: Course, tasks: list[pool.Task], jobs: int, stopping: pool.Stopping
) -> None:
    """Grade in a copy of the course what is not as it would be graded now, and compare."""
    left = [
        task for task in tasks if task.force or not course.is_current(task.assignment, task.student)
    ]
    with scratch_course(course) as scratch:
        followed = _follow("grade", scratch, left, jobs, stopping)
        changes = compare(course, scratch, followed.done)
    _print_changes(changes, len(tasks) - len(left))
    _end_early(followed)
    if changes.errors:
        sys.exit(1)


def _print_changes(changes: Changes, current: int) -> None:
    """A table of scores that would change, and why."""
    if changes.changes:
        table = Table(
            "assignment", "student", "exercise", "now", "then", "why", header_style="bold"
        )
        for column in (3, 4):
            table.columns[column].justify = "right"
        for one in changes.changes:
            before = "–" if one.before is None else f"{one.before:g}"
            why = "\n".join(_plain(line) for line in (*one.checks, *one.why))
            table.add_row(
                one.assignment, _plain(one.student), one.grade_id, before, f"{one.after:g}", why
            )
        console.print(table)
    for summary in changes.errors:
        errors.print(
            f"{summary.assignment}/{summary.student}: {summary.error}", style="red", markup=False
        )
    console.print(
        f"{len(changes.students)} submissions would earn other points, of "
        f"{changes.graded - len(changes.errors)} that were graded again to see; {current} are "
        "unchanged. Nothing was written: the same command without --diff applies it",
        soft_wrap=True,
    )


def _print_summary(done: list[Summary]) -> None:
    """A table of scores, with what a teacher should look at."""
    table = Table("assignment", "student", "score", "of", "look at", header_style="bold")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for one in done:
        remarks = [
            *([f"[red]NOT GRADED[/red] {_plain(one.error)}"] if one.error else []),
            *([f"[yellow]unreadable[/yellow] {_plain(one.problem)}"] if one.problem else []),
            *(f"[magenta]grader fault[/magenta] {_plain(fault)}" for fault in one.faults),
            *(_plain(note) for note in one.notes),
            *(["[dim]unchanged[/dim]"] if one.skipped else []),
        ]
        score = "–" if one.error else f"{one.score:g}"
        table.add_row(
            one.assignment, _plain(one.student), score, f"{one.max_score:g}", "\n".join(remarks)
        )
    console.print(table)
    graded = [one for one in done if not one.error]
    mean = sum(one.score for one in graded) / len(graded) if graded else 0.0
    faults = sum(bool(one.faults) for one in done)
    console.print(
        f"{len(graded)} of {len(done)} submissions graded, mean {mean:.1f} points; "
        f"{sum(bool(one.problem) for one in done)} unreadable or missing, "
        f"{faults} with grader faults"
    )


def _plain(text: str) -> str:
    """Text that comes from a submission, with nothing that rich would take for markup."""
    return escape(text)


@main.command()
@assignments_argument
@student_option
@jobs_option
@click.pass_context
def feedback(
    ctx: click.Context, assignments: tuple[str, ...], student: str | None, jobs: int
) -> None:
    """Write the feedback page of each graded submission.

    \b
    Example: autograder feedback tensores
    """
    with pool.Stopping() as stopping:
        course, chosen = _open(ctx, assignments)
        tasks = _tasks(course, chosen, student)
        followed = _follow("feedback", course, tasks, jobs, stopping)
    failed = [one for one in followed.done if one.error]
    for one in failed:
        errors.print(f"{one.assignment}/{one.student}: {one.error}", style="red", markup=False)
    folder = course.root / course.directory.feedback_directory
    console.print(f"feedback: {folder}/STUDENT/ASSIGNMENT/", soft_wrap=True)
    _end_early(followed)
    if failed:
        sys.exit(1)


@main.command()
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("grades.csv"),
    show_default=True,
    help="The file to write.",
)
@click.pass_context
def export(ctx: click.Context, to: Path) -> None:
    """Write all scores as CSV, with nbgrader's exporter.

    \b
    Example: autograder export --to grades.csv
    """
    course = Course(ctx.obj)
    if not to.parent.is_dir():
        raise CourseError(f"cannot write {to}: there is no folder {to.parent}")
    course.export(to)
    console.print(f"scores: {to}", soft_wrap=True)


@main.command()
@click.argument("assignment")
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
@click.pass_context
def report(
    ctx: click.Context, assignment: str, to: Path | None, pseudonyms: bool, key: Path | None
) -> None:
    """Write statistics of an assignment: one HTML page, and its tables as CSV.

    \b
    Examples:
      autograder report tensores
      autograder report tensores --pseudonyms --key who-is-who.csv --to for-colleagues
    """
    from autograder.report.write import PAGE, write_report  # draws: no other command needs it

    if key is not None and not pseudonyms:
        raise click.UsageError("--key goes with --pseudonyms")
    course = Course(ctx.obj)
    folder = course.root / "reports" / assignment if to is None else to
    made = write_report(course, assignment, folder, hide_names=pseudonyms, key=key)
    suspicious = sum(bool(row.suspicious) for row in made.exercises)
    console.print(
        f"{made.graded} of {len(made.students)} students graded; {suspicious} suspicious "
        f"exercises, {made.likeness.found} pairs that look alike\nreport: {folder / PAGE}",
        soft_wrap=True,
    )


@main.command("doctor")
def doctor_command() -> None:
    """Say which walls stand around a submission on this machine, and mend those that do not.

    \b
    Example: autograder doctor
    """
    standing = doctor.examine()
    width = max(map(len, walls.WALLS))
    for wall in standing:
        sign, style = ("✔", "green") if wall.stands else ("✘", "yellow")
        console.print(f"{sign} {wall.name:{width}}  {wall.told}", style=style, soft_wrap=True)
    lacking = walls.missing_for_untrusted([wall.name for wall in standing if wall.stands])
    if lacking:
        errors.print(
            f"autograder: `grade` refuses submissions here; missing: {', '.join(lacking)}",
            style="red",
            soft_wrap=True,
        )
        sys.exit(1)
    console.print("Submissions of people whom you do not trust can be graded on this machine.")


@main.command()
@click.argument("assignment")
@click.argument("student")
@click.pass_context
def show(ctx: click.Context, assignment: str, student: str) -> None:
    """Show a graded submission in full, with hidden inputs and what was expected: for teachers.

    \b
    Example: autograder show gradientes est-01
    """
    course, _ = _open(ctx, (assignment,))
    folder = course.folder("autograded", assignment, student)
    found = Autograded.read(folder)
    if not found.checks:
        raise CourseError(
            f"nothing graded in {folder}: run `autograder grade {assignment} --student {student}`"
        )
    scores = course.scores(assignment).get(student, {})
    for grade_id, checks in found.checks.items():
        console.print(f"[bold]{_plain(grade_id)}[/bold]: {scores.get(grade_id, 0):g} points")
        for check in checks:
            named = f" [{check.diagnosis}]" if check.diagnosis else ""
            lines = [f"{check.status}{named}: {check.title}", check.message, check.hint]
            lines += check.detail.splitlines()
            for line in filter(None, lines):
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"[bold]made by[/bold] {_plain(str(found.made_by))}", soft_wrap=True)


@main.command()
@click.option("--rotate", is_flag=True, help="Make a new one, with which all is graded anew.")
@click.pass_context
def secret(ctx: click.Context, rotate: bool) -> None:
    """Say where the course's secret is, from which the graders' hidden inputs are made.

    Keep a backup of the file: with another secret the same submission meets other inputs. Rotate
    it when it may have become known.

    \b
    Example: autograder secret --rotate
    """
    settings = Course(ctx.obj).settings
    path = settings.secret_path()
    found = rotate_secret(path) if rotate else settings.secret()
    console.print(f"{path}\nfingerprint {found.fingerprint}", soft_wrap=True, highlight=False)
    if rotate:
        console.print("A new secret: `autograder grade` grades every submission anew.")


@main.command()
@assignments_argument
@click.option(
    "--mutation",
    is_flag=True,
    help="Try the corpus of solutions and mutants of the reference on the graders instead.",
)
@click.option("--exercise", metavar="GRADE_ID", help="With --mutation: only this exercise.")
@jobs_option
@click.pass_context
def check(
    ctx: click.Context,
    assignments: tuple[str, ...],
    *,
    mutation: bool,
    exercise: str | None,
    jobs: int,
) -> None:
    """Find mistakes in the course: unbound graders, points, solutions, stale releases.

    With --mutation: does every correct solution earn all points, is every wrong one caught, and
    is the mistake named?

    \b
    Examples:
      autograder check tensores
      autograder check --mutation gradientes --exercise gradientes-a-mano
    """
    course, chosen = _open(ctx, assignments)
    if exercise is not None and not mutation:
        raise click.UsageError("--exercise goes with --mutation")
    if mutation:
        _check_mutation(course, chosen, exercise, jobs)
    elif sum(_print_findings(course, name) for name in chosen):
        sys.exit(1)


def _print_findings(course: Course, assignment: str) -> int:
    """Print what is wrong with an assignment; how much it is."""
    findings = check_assignment(course, assignment)
    console.print(f"{assignment}: {'no findings' if not findings else ''}")
    for finding in findings:
        console.print(f"  - {_plain(finding.what)}\n    {_plain(finding.mend)}", soft_wrap=True)
    return len(findings)


def _check_mutation(course: Course, chosen: list[str], exercise: str | None, jobs: int) -> None:
    """Try the corpora; end with status 1 where something is not as it must be."""
    exercises: list[Exercise] = []
    for assignment in chosen:
        plan = plan_of(course, assignment, exercise)
        with Shown(f"trying {assignment}", len(plan.trials), jobs, errors) as shown:
            for verdict in plan.verdicts(jobs):
                shown.done(verdict.trial.solution.name)
        exercises += plan.exercises
    table = Table(header_style="bold")
    table.add_column("exercise", no_wrap=True)
    for column in ("correct accepted", "wrong caught", "diagnoses right", "mistake named"):
        table.add_column(column, justify="right")
    for one in exercises:
        table.add_row(one.grade_id, *(f"{done} of {most}" for done, most in one.summary()))
    console.print(table)
    problems = [problem for one in exercises for problem in one.problems()]
    for problem in problems:
        errors.print(f"- {problem}", markup=False, soft_wrap=True, style="red")
    if problems:
        sys.exit(1)
