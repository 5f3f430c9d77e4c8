"""Reference solutions of the assignment ``describing``."""

from typing import Any

import numpy as np


def mean(data: list[float]) -> float:
    """The mean of the numbers."""
    return sum(data) / len(data)


def spread(data: "np.ndarray[Any, Any]") -> float:
    """The standard deviation of a sample, whose divisor is one less than its size."""
    return float(np.std(data, ddof=1))


def standardize(data: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """How many standard deviations each number is away from the mean."""
    result: np.ndarray[Any, Any] = (data - np.mean(data)) / np.std(data, ddof=1)
    return result
