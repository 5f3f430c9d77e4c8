"""The command that looks for what a teacher got wrong."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from autograder.cli.base import (
    Number,
    Table,
    answer,
    assignments_argument,
    console,
    errors,
    jobs_option,
    json_option,
    main,
    open_course,
    print_error,
    print_line,
)
from autograder.cli.status import Status

if TYPE_CHECKING:  # slow to import
    from autograder.bridge.course import Course
    from autograder.check import Finding
    from autograder.validity.examine import Exercise


@main.command(fails="something is wrong with the course, or could not be looked at")
@assignments_argument
@click.option(
    "--mutation",
    is_flag=True,
    help="Try the corpus of solutions and mutants of the reference on the graders instead.",
)
@click.option("--exercise", metavar="GRADE_ID", help="With --mutation: only this exercise.")
@jobs_option
@json_option
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
    else:
        _check_course(course, chosen)


def _check_course(course: "Course", chosen: list[str]) -> None:
    """Print what is wrong with assignments; end with status 1 if anything is."""
    from autograder.check import check as check_assignment
    from autograder.grading.client import GradingProcess

    findings: list[Finding] = []
    process = GradingProcess(course.root, course.graders)
    try:
        for name in chosen:
            found = check_assignment(course, name, process)
            _print_findings(name, found)
            findings += found
    finally:
        process.stop()
    answer({"assignments": chosen, "findings": [asdict(one) for one in findings]})
    if findings:
        sys.exit(Status.FAILED)


def _print_findings(assignment: str, findings: "list[Finding]") -> None:
    print_line(f"{assignment}: {f'{len(findings)} to mend' if findings else 'no findings'}")
    for finding in findings:
        where = f"{finding.where}: " if finding.where else ""
        print_line(f"  - {where}{finding.what}\n    mend: {finding.mend}")


def _check_mutation(course: "Course", chosen: list[str], exercise: str | None, jobs: int) -> None:
    """Try the corpora; end with status 1 where something is not as it must be."""
    from autograder.progress import Shown
    from autograder.validity.examine import plan_of

    exercises: list[Exercise] = []
    for assignment in chosen:
        plan = plan_of(course, assignment, exercise)
        with Shown(f"trying {assignment}", len(plan.trials), jobs, errors) as shown:
            for verdict in plan.verdicts(jobs):
                shown.done(verdict.trial.solution.name)
        exercises += plan.exercises
    columns = ("correct accepted", "wrong caught", "diagnoses right", "mistake named")
    table = Table("exercise", *map(Number, columns))
    for one in exercises:
        table.add(one.grade_id, *(f"{done} of {most}" for done, most in one.summary()))
    console.print(table)
    problems = [problem for one in exercises for problem in one.problems()]
    for problem in problems:
        print_error(problem)
    answer(
        {
            "exercises": [
                {
                    "grade_id": one.grade_id,
                    **{
                        name.replace(" ", "_"): {"count": done, "of": most}
                        for name, (done, most) in zip(columns, one.summary(), strict=True)
                    },
                }
                for one in exercises
            ],
            "problems": problems,
        }
    )
    if problems:
        sys.exit(Status.FAILED)
