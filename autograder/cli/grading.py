"""Commands that grade and show what was graded."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import click
from rich.table import Table

from autograder import INTERRUPTED, doctor, pool
from autograder.bridge.course import Course, CourseError, GradebookError, Summary
from autograder.bridge.scratch import scratch_course
from autograder.changes import Autograded, Changes, compare
from autograder.cli.base import (
    assignments_argument,
    console,
    errors,
    jobs_option,
    main,
    open_course,
    plain,
    print_error,
    student_option,
)
from autograder.progress import Shown

_DOING: Final[dict[pool.Work, str]] = {"grade": "grading", "feedback": "feedback"}


def _tasks(
    course: Course,
    chosen: list[str],
    student: str | None,
    force: bool = False,
) -> list[pool.Task]:
    tasks = [
        pool.Task(name, one, force)
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
        print_error(followed.failure)
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
        course, chosen = open_course(ctx, assignments)
        if allow_unsafe:
            course.allow_unsafe()
        tasks = _tasks(course, chosen, student, force)
        course.require_gradebook({task.assignment for task in tasks})
        course.settings.secret()  # one error now, rather than one for each submission
        lacking = doctor.require_walls(course.settings.allow_unsafe)
        if diff:
            _warn_of_missing_walls(lacking)
            _show_changes(course, tasks, jobs, stopping)
            return
        followed = _follow("grade", course, tasks, jobs, stopping)
    if followed.done and not followed.at_once:
        _print_summary(followed.done)
    _warn_of_missing_walls(lacking)
    _end_early(followed, goes_on=not force)
    if any(summary.error for summary in followed.done):
        errors.print("autograder: some submissions were not graded; see the table", style="red")
        sys.exit(1)


def _warn_of_missing_walls(lacking: Sequence[str]) -> None:
    """Say what was not around submissions, if anything."""
    if lacking:
        errors.print(
            f"autograder: UNSAFE: graded without {', '.join(lacking)}; "
            "a submission could have read or changed what this user can",
            style="bold red",
            soft_wrap=True,
        )


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
            why = "\n".join(plain(line) for line in (*one.checks, *one.why))
            table.add_row(
                one.assignment, plain(one.student), one.grade_id, before, f"{one.after:g}", why
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
            *([f"[red]NOT GRADED[/red] {plain(one.error)}"] if one.error else []),
            *([f"[yellow]unreadable[/yellow] {plain(one.problem)}"] if one.problem else []),
            *(f"[magenta]grader fault[/magenta] {plain(fault)}" for fault in one.faults),
            *(plain(note) for note in one.notes),
            *(["[dim]unchanged[/dim]"] if one.skipped else []),
        ]
        score = "–" if one.error else f"{one.score:g}"
        table.add_row(
            one.assignment, plain(one.student), score, f"{one.max_score:g}", "\n".join(remarks)
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
        course, chosen = open_course(ctx, assignments)
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
@click.argument("assignment")
@click.argument("student")
@click.pass_context
def show(ctx: click.Context, assignment: str, student: str) -> None:
    """Show a graded submission in full, with hidden inputs and what was expected: for teachers.

    \b
    Example: autograder show gradientes est-01
    """
    course, _ = open_course(ctx, (assignment,))
    folder = course.folder("autograded", assignment, student)
    found = Autograded.read(folder)
    if not found.checks:
        raise CourseError(
            f"nothing graded in {folder}: run `autograder grade {assignment} --student {student}`"
        )
    scores = course.scores(assignment).get(student, {})
    for grade_id, checks in found.checks.items():
        console.print(f"[bold]{plain(grade_id)}[/bold]: {scores.get(grade_id, 0):g} points")
        for check in checks:
            named = f" [{check.diagnosis}]" if check.diagnosis else ""
            lines = [f"{check.status}{named}: {check.title}", check.message, check.hint]
            lines += check.detail.splitlines()
            for line in filter(None, lines):
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"[bold]made by[/bold] {plain(str(found.made_by))}", soft_wrap=True)
