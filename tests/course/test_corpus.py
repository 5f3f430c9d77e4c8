"""The course's graders against its corpora: nothing right loses, nothing wrong wins, no leaks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.bridge.course import Course
from autograder.grading import trace
from autograder.grading.results import CheckResult
from autograder.pool import default_jobs
from autograder.validity.examine import LEAST_NAMED, Plan, plan_of

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ("tensores", "dispositivos", "gradientes", "optimizacion")
NUMBER = re.compile(r"-?\d+\.\d{3,}")


@pytest.fixture(scope="module", params=ASSIGNMENTS)
def plan(request: pytest.FixtureRequest) -> Plan:
    """All solutions of an assignment's exercises, tried."""
    made = plan_of(Course(ROOT), request.param)
    assert sum(1 for _ in made.verdicts(default_jobs())) == len(made.trials)
    return made


def test_every_exercise_has_a_corpus_that_is_large_enough(plan: Plan) -> None:
    graded = {cell.grade_id for cell in plan.cells if cell.grade_id is not None}
    assert {exercise.grade_id for exercise in plan.exercises} == graded
    for exercise in plan.exercises:
        assert len(exercise.of("correct")) >= 12, exercise.grade_id
        assert len(exercise.of("wrong", "mutant")) >= 20, exercise.grade_id
        codes = [one.trial.solution.code for one in exercise.of("correct", "wrong")]
        assert len(codes) == len(set(codes)), f"{exercise.grade_id}: all are different"


def test_all_is_as_the_corpus_says(plan: Plan) -> None:
    assert [problem for one in plan.exercises for problem in one.problems()] == []
    for exercise in plan.exercises:
        accepted, caught, diagnosed, named = exercise.summary()
        assert accepted[0] == accepted[1] and caught[0] == caught[1]
        assert diagnosed[0] == diagnosed[1] and named[0] >= LEAST_NAMED * named[1]


def test_no_message_holds_a_hidden_input_or_a_value_of_the_reference(plan: Plan) -> None:
    looked_at = 0
    for exercise in plan.exercises:
        for verdict in exercise.verdicts:
            for check in verdict.checks:
                looked_at += "expected: " in check.detail
                assert not list(leaks(check)), (exercise.grade_id, verdict.trial.solution.name)
    assert looked_at > 20


def leaks(check: CheckResult) -> Iterator[str]:
    """Numbers in what a student reads that are near one of what only the teacher may know."""
    lines = check.detail.splitlines()
    hidden = numbers(line for line in lines if line.startswith((trace.CALL, trace.EXPECTED)))
    own = numbers(line for line in lines if line.startswith(trace.CAME))
    for text in NUMBER.findall(f"{check.title} {check.message} {check.hint}"):
        value = float(text)
        near = [one for one in hidden if abs(one - value) <= 1e-3 * abs(one)]
        if near and not any(abs(one - value) <= 1e-3 * abs(one) for one in own):
            yield text


def numbers(lines: Iterator[str]) -> list[float]:
    return [float(text) for line in lines for text in NUMBER.findall(line)]
