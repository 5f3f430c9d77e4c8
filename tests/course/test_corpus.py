"""The course's graders against its corpora: nothing right loses, nothing wrong wins, no leaks."""

from pathlib import Path

import pytest

from autograder.bridge.course import Course
from autograder.pool import default_jobs
from autograder.validity.examine import LEAST_NAMED, Plan, plan_of
from tests.course.leaks import leaks

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ("tensores", "dispositivos", "gradientes", "optimizacion")


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
                read = f"{check.title} {check.message} {check.hint}"
                assert not list(leaks(check, read)), (
                    exercise.grade_id,
                    verdict.trial.solution.name,
                )
    assert looked_at > 20
