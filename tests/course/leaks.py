"""Finds hidden inputs and values of the reference in what students read."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from autograder.grading import trace
from autograder.grading.results import CheckResult

_NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")
"""A number that nobody writes by chance."""
_NEAR: Final = 1e-3
"""Values are shown rounded."""


def leaks(check: CheckResult, read: str) -> Iterator[str]:
    """Numbers of a text that are near one that only the teacher may know.

    What a function returned counts as hidden: it may be one of its inputs.

    Args:
        check: with its inputs and what was expected in ``detail``.
        read: what students read of it.
    """
    lines = check.detail.splitlines()
    secret = [trace.CALL, trace.EXPECTED]
    if trace.CALL in check.detail:
        secret.append(trace.CAME)
    hidden = _numbers(line for line in lines if line.startswith(tuple(secret)))
    own = _numbers(line for line in lines if not line.startswith(tuple(secret)))
    for text in _NUMBER.findall(read):
        value = float(text)
        if _is_near(value, hidden) and not _is_near(value, own):
            yield text


def _numbers(lines: Iterable[str]) -> list[float]:
    return [float(text) for line in lines for text in _NUMBER.findall(line)]


def _is_near(value: float, others: list[float]) -> bool:
    return any(abs(one - value) <= _NEAR * abs(one) for one in others)
