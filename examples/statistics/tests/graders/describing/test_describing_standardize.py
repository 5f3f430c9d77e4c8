"""Graders of ``describing-standardize``: ``standardize(data)``, an array of standard scores."""

from typing import Any

import numpy as np
import pytest

from autograder.grading import ArrayValue, Submission, fail
from solutions import describing as reference

LESSON = "Read «Numbers that can be compared» again."

# What a wrong result looks like, in the order of asking: the first that fits is told.
MISTAKES = (
    (
        "wrong-constant",
        lambda data: (data - data.mean()) / data.std(),
        "The standard deviation is that of a population: use `spread` of the exercise before.",
    ),
    (
        "wrong-constant",
        lambda data: (data - data.mean()) / data.std(ddof=2),
        "The standard deviation has the wrong divisor: use `spread` of the exercise before.",
    ),
    (
        "wrong-sign",
        lambda data: (data.mean() - data) / data.std(ddof=1),
        "Numbers above the mean should become positive.",
    ),
    (
        "wrong-operator",
        lambda data: (data + data.mean()) / data.std(ddof=1),
        "The mean is added where it is to be subtracted.",
    ),
    ("wrong-operator", lambda data: (data - data.mean()) * data.std(ddof=1), "Divide at the end."),
    (
        "swapped",
        lambda data: data.std(ddof=1) / (data - data.mean()),
        "What is divided and what it is divided by are swapped.",
    ),
    ("term-forgotten", lambda data: data - data.mean(), "The division is missing."),
    ("term-forgotten", lambda data: data / data.std(ddof=1), "The subtraction is missing."),
    (
        "sum-for-mean",
        lambda data: (data - data.sum()) / data.std(ddof=1),
        "The sum is subtracted in the place of the mean.",
    ),
    (
        "scaled",
        lambda data: (data - data.min()) / np.ptp(data),
        "The numbers are scaled to lie between 0 and 1: that is something else.",
    ),
)


def _numbers(submission: Submission) -> "np.ndarray[Any, Any]":
    """Hidden inputs: other ones for each student, the same ones in a regrade."""
    count = submission.random.randint(5, 30)
    return np.array([submission.random.gauss(-3, 12) for _ in range(count)])


def _result(submission: Submission, data: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """What the student's function returns, which must be an array of the right shape."""
    value = submission.call("standardize", data).value
    if value is None:
        fail("`standardize` returns nothing.", "End it with `return`.", "returns-nothing")
    if not isinstance(value, ArrayValue):
        fail("`standardize` should return an array.", "Do without loops.", "wrong-type")
    if value.shape != data.shape:
        fail("The result has another shape than `data`.", LESSON, "wrong-shape")
    return value.array


@pytest.mark.grade_cell("describing-standardize", weight=1)
def test_shape(submission: Submission) -> None:
    """`standardize` returns one number for each in `data`."""
    _result(submission, _numbers(submission))


@pytest.mark.grade_cell("describing-standardize", weight=3)
def test_values(submission: Submission) -> None:
    """The numbers are standard scores."""
    data = _numbers(submission)
    result = _result(submission, data)
    if np.allclose(result, reference.standardize(data), rtol=1e-9, atol=1e-9):
        return
    for diagnosis, formula, message in MISTAKES:
        if np.allclose(result, formula(data), rtol=1e-9, atol=1e-9):
            fail(message, LESSON, diagnosis)
    fail("The result is not (number − mean) / standard deviation.", LESSON, "wrong-values")


@pytest.mark.grade_cell("describing-standardize", weight=1)
def test_argument(submission: Submission) -> None:
    """`standardize` leaves `data` as it was."""
    data = _numbers(submission)
    _result(submission, data)
    after = submission.call("standardize", data).args[0]
    if not isinstance(after, ArrayValue) or not np.array_equal(after.array, data):
        fail("`data` is changed.", "Make a new array, without `-=` or `/=`.", "in-place")
