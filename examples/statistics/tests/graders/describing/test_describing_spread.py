"""Graders of ``describing-spread``: ``spread(data)``, the standard deviation of a sample."""

import math
from typing import Any

import numpy as np
import pytest

from autograder.grading import ArrayValue, Submission, fail
from solutions import describing as reference

LESSON = "Read «How far the numbers spread» again."

# What a wrong result looks like, in the order of asking: the first that fits is told.
MISTAKES = (
    (
        "wrong-constant",
        np.std,
        "The sum of squares is divided by n, as for a whole population.",
    ),
    (
        "wrong-constant",
        lambda data: np.std(data, ddof=2),
        "The sum of squares is divided by n − 2.",
    ),
    (
        "wrong-operation",
        lambda data: np.var(data, ddof=1),
        "The result is the variance: its square root was asked.",
    ),
    (
        "wrong-operation",
        np.var,
        "The result is the variance of a population: the standard deviation was asked.",
    ),
    (
        "absolute-value",
        lambda data: np.mean(np.abs(data - np.mean(data))),
        "The result is the mean of the distances, not the root of their mean square.",
    ),
    ("wrong-function", np.ptp, "The result is the range of the numbers."),
)


def _numbers(submission: Submission, count: int) -> "np.ndarray[Any, Any]":
    """Hidden inputs: other ones for each student, the same ones in a regrade."""
    return np.array([submission.random.gauss(20, 8) for _ in range(count)])


def _check(submission: Submission, data: "np.ndarray[Any, Any]") -> None:
    """Call the student's function, and name the mistake where the result is wrong."""
    value = submission.call("spread", data).value
    if isinstance(value, ArrayValue) and value.shape == ():
        value = value.array.item()
    if value is None:
        fail("`spread` returns nothing.", "End it with `return`.", "returns-nothing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        fail("`spread` should return one number.", LESSON, "wrong-type")
    if math.isclose(value, reference.spread(data), rel_tol=1e-9):
        return
    for diagnosis, formula, message in MISTAKES:
        if math.isclose(value, formula(data), rel_tol=1e-9):
            fail(message, LESSON, diagnosis)
    fail("The result is not the standard deviation of a sample.", LESSON, "wrong-values")


@pytest.mark.grade_cell("describing-spread", weight=2)
def test_many(submission: Submission) -> None:
    """`spread` is right for a sample of many numbers."""
    _check(submission, _numbers(submission, submission.random.randint(20, 40)))


@pytest.mark.grade_cell("describing-spread", weight=1)
def test_small(submission: Submission) -> None:
    """`spread` is right for a sample of only three numbers."""
    _check(submission, _numbers(submission, 3))
