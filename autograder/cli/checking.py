"""The command that looks for what a teacher got wrong."""

import sys

import click
from rich.table import Table

from autograder.bridge.course import Course
from autograder.check import check as check_assignment
from autograder.cli.base import (
    assignments_argument,
    console,
    errors,
    jobs_option,
    main,
    open_course,
    plain,
)
from autograder.grading.client import GradingProcess
from autograder.progress import Shown
from autograder.validity.examine import Exercise, plan_of


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
    """Find mistakes in the course, and say how to mend each.

    It looks at notebooks, grade cells, points, solutions and graders, runs your own solution and
    an untouched release, and compares the release with its source.

    With --mutation: does every correct solution earn all points, is every wrong one caught, and
    is the mistake named?

    \b
    Examples:
      autograder check tensores
      autograder check --mutation gradientes --exercise gradientes-a-mano
    """
    course, chosen = open_course(ctx, assignments)
    if exercise is not None and not mutation:
        raise click.UsageError("--exercise goes with --mutation")
    if mutation:
        _check_mutation(course, chosen, exercise, jobs)
        return
    process = GradingProcess(course.root, course.graders)
    try:
        found = sum(_print_findings(course, name, process) for name in chosen)
    finally:
        process.stop()
    if found:
        sys.exit(1)


def _print_findings(course: Course, assignment: str, process: GradingProcess) -> int:
    """Print what is wrong with an assignment; how much it is."""
    findings = check_assignment(course, assignment, process)
    console.print(f"{assignment}: {'no findings' if not findings else f'{len(findings)} to mend'}")
    for finding in findings:
        where = f"{finding.where}: " if finding.where else ""
        told = f"  - {where}{finding.what}\n    mend: {finding.mend}"
        console.print(plain(told), soft_wrap=True, highlight=False)
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
