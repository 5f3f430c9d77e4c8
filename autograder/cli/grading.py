"""Commands that grade and show what was graded."""

import click

from autograder.cli.base import (
    assignment_argument,
    assignments_argument,
    jobs_option,
    json_option,
    main,
    open_course,
    student_option,
    unsafe_option,
)
from autograder.cli.completion import complete_students


@main.command(fails="a submission was not graded, or nothing could be; the message says which")
@assignments_argument
@student_option
@click.option("--force", is_flag=True, help="Grade again what was graded and has not changed.")
@jobs_option
@unsafe_option
@click.option("--diff", is_flag=True, help="Only show what would change, for whom and why.")
@click.option(
    "--db",
    metavar="URL",
    help="Have workers grade that take from this Postgres database, and follow them.",
)
@click.option("--attach", is_flag=True, help="With --db: only follow what is queued already.")
@json_option
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
    db: str | None,
    attach: bool,
) -> None:
    """Grade submissions into nbgrader's gradebook, many at once.

    With --diff nothing is written: submissions are graded in a copy of the course, and the
    scores that would change are shown. Without it, the same command applies them.

    With --db the submissions are queued for `autograder worker`, on any machines. Ctrl-C leaves
    them at work, and --attach comes back.

    \b
    Examples:
      autograder grade
      autograder grade tensores --student est-01 --force
      autograder grade tensores --diff
      autograder grade tensores --db postgresql://grader@db.example/course
    """
    from autograder import pool
    from autograder.cli import submissions

    if db is not None and not db.strip():  # such as a variable of the shell that is not set
        raise click.UsageError("--db has no value: give it the URL of the queue's database")
    if attach and (not db or assignments or student or force):
        raise click.UsageError(
            "--attach goes with --db alone, without an assignment, --student or --force: it "
            "follows all that is queued of the course"
        )
    if db and (diff or allow_unsafe):
        raise click.UsageError("--diff and --allow-unsafe are for this machine, not for --db")
    with pool.Stopping() as stopping:
        course, chosen = open_course(ctx, assignments)
        if allow_unsafe:
            course.allow_unsafe()
        submissions.warn_of_strays(course)
        tasks = [] if attach else submissions.tasks_of(course, chosen, student, force)
        if db:
            submissions.grade_elsewhere(course, tasks, db, stopping, attach=attach)
        elif diff:
            submissions.show_changes(course, tasks, jobs, stopping)
        else:
            submissions.grade(course, tasks, jobs, stopping)


@main.command(fails="a page was not written; the message says which and why")
@assignments_argument
@student_option
@jobs_option
@json_option
@click.pass_context
def feedback(
    ctx: click.Context, assignments: tuple[str, ...], student: str | None, jobs: int
) -> None:
    """Write the feedback page of each graded submission.

    \b
    Example: autograder feedback tensores
    """
    from autograder import pool
    from autograder.cli import submissions

    with pool.Stopping() as stopping:
        course, chosen = open_course(ctx, assignments)
        tasks = submissions.tasks_of(course, chosen, student)
        submissions.write_feedback(course, tasks, jobs, stopping)


@main.command()
@assignment_argument
@click.argument("student", shell_complete=complete_students)
@json_option
@click.pass_context
def show(ctx: click.Context, assignment: str, student: str) -> None:
    """Show a graded submission in full: for teachers.

    Hidden inputs and what was expected are shown as well.

    \b
    Example: autograder show gradientes est-01
    """
    from autograder.cli import submissions

    course, _ = open_course(ctx, (assignment,))
    submissions.show(course, assignment, student)
