"""Graders of ``describing-mean``: ``mean(data)``, the mean of a list of numbers."""

import math

import pytest

from autograder.grading import ArrayValue, Submission, fail
from solutions import describing as reference

LESSON = "Read «The mean» again."

# What a wrong result looks like, in the order of asking: the first that fits is told.
MISTAKES = (
    (
        "wrong-sign",
        lambda data: -sum(data) / len(data),
        "The result has the wrong sign.",
    ),
    (
        "sum-for-mean",
        sum,
        "The result is the sum of the numbers: it is to be divided.",
    ),
    (
        "term-forgotten",
        len,
        "The result is how many numbers there are.",
    ),
    (
        "wrong-operator",
        lambda data: sum(data) * len(data),
        "The sum is multiplied where it is to be divided.",
    ),
    (
        "swapped",
        lambda data: len(data) / sum(data),
        "What is divided and what it is divided by are swapped.",
    ),
)


def _numbers(submission: Submission, count: int) -> list[float]:
    """Hidden inputs: other ones for each student, the same ones in a regrade."""
    return [round(submission.random.uniform(-50, 50), 2) for _ in range(count)]


def _close(actual: float, expected: float) -> bool:
    return math.isclose(actual, expected, rel_tol=1e-5, abs_tol=1e-4)


def _check(submission: Submission, data: list[float]) -> None:
    """Call the student's function, and name the mistake where the result is wrong."""
    value = submission.call("mean", data).value
    if isinstance(value, ArrayValue) and value.shape == ():  # a number of NumPy's
        value = value.array.item()
    if value is None:
        fail(
            "`mean` returns nothing.",
            "End the function with `return`; `print` only shows the result.",
            "returns-nothing",
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        fail("`mean` should return a number.", LESSON, "wrong-type")
    if _close(value, reference.mean(data)):
        return
    for diagnosis, formula, message in MISTAKES:
        if _close(value, formula(data)):
            fail(message, LESSON, diagnosis)
    fail("The result is not the mean of the numbers.", LESSON, "wrong-values")


@pytest.mark.grade_cell("describing-mean", weight=2)
def test_several(submission: Submission) -> None:
    """`mean` is right for several numbers."""
    _check(submission, _numbers(submission, submission.random.randint(4, 9)))


@pytest.mark.grade_cell("describing-mean", weight=1)
def test_one(submission: Submission) -> None:
    """`mean` is right for a single number."""
    _check(submission, _numbers(submission, 1))
