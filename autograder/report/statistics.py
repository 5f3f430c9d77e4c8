"""Classical item statistics: difficulty, discrimination and reliability.

Everything takes a table of scores, one row per student and one column per exercise, in which NaN
stands for a score that is not known yet. What the data do not define is None, never a number.

- L. J. Cronbach, "Coefficient alpha and the internal structure of tests", Psychometrika 16 (1951),
  297–334.
- J. C. Nunnally and I. H. Bernstein, Psychometric Theory, 3rd edition, McGraw-Hill 1994: corrected
  item-total correlations, and what reliability is enough for which use.
- M. R. Novick and C. Lewis, "Coefficient alpha and the reliability of composite measurements",
  Psychometrika 32 (1967), 1–13: alpha is a lower bound, and equals the reliability only if all
  items are (essentially) tau-equivalent.
- R. L. Ebel and D. A. Frisbie, Essentials of Educational Measurement, 5th edition, Prentice Hall
  1991: discrimination below 0.2 is poor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Scores: TypeAlias = npt.NDArray[np.float64]
"""Rows are students, columns are exercises or, with one dimension, a single exercise."""

POOR_DISCRIMINATION: Final = 0.2
"""Below this an exercise hardly tells strong from weak students (Ebel and Frisbie 1991)."""
FEW_STUDENTS: Final = 30
"""Below this, correlations and alpha vary so much by chance that the page says so."""
_NO_SPREAD: Final = 1e-9
"""A standard deviation, in parts of the largest score, that is only a rounding error."""


@dataclass(frozen=True)
class Distribution:
    """The middle and the spread of some scores; None where too few are known."""

    count: int
    mean: float | None
    median: float | None
    deviation: float | None
    """The standard deviation, as an estimate for the population (divided by n − 1)."""
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class Item:
    """What the scores say of one exercise."""

    count: int
    """Students whose score in it is known."""
    difficulty: float | None
    """The mean share of the points: the higher, the easier."""
    discrimination: float | None
    """The corrected item-total correlation: with the total of all *other* exercises."""
    full: int
    """Students who earned all points."""
    none: int
    """Students who earned nothing."""
    alpha_without: float | None
    """Cronbach's alpha of the other exercises."""


@dataclass(frozen=True)
class Reliability:
    """Cronbach's alpha, and what it was computed from."""

    alpha: float | None
    students: int
    """Students all of whose scores are known; the others are left out."""
    items: int
    standard_error: float | None
    """The standard error of measurement, in points: SD of the totals · √(1 − alpha)."""
    why_not: str = ""
    """Why alpha is not defined."""


def distribution(values: Sequence[float]) -> Distribution:
    """Describe scores; NaN is left out."""
    known = np.asarray([value for value in values if not math.isnan(value)], dtype=float)
    if not len(known):
        return Distribution(0, None, None, None, None, None)
    return Distribution(
        len(known),
        float(known.mean()),
        float(np.median(known)),
        float(known.std(ddof=1)) if len(known) > 1 else None,
        float(known.min()),
        float(known.max()),
    )


def correlation(first: Scores, second: Scores) -> float | None:
    """Pearson's correlation over the pairs that are known.

    None for fewer than three pairs, where it would be ±1 whatever the data, and where one of
    both does not vary.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    one, other = first[known], second[known]
    if len(one) < 3 or not (_varies(one) and _varies(other)):
        return None
    one, other = one - one.mean(), other - other.mean()
    value = float(one @ other / math.sqrt(float(one @ one) * float(other @ other)))
    return max(-1.0, min(1.0, value))


def rest_totals(scores: Scores, column: int) -> Scores:
    """Each student's total without one exercise; NaN where a score is not known."""
    rest: Scores = np.delete(scores, column, axis=1).sum(axis=1)
    return rest


def corrected_item_total(scores: Scores, column: int) -> float | None:
    """The correlation of an exercise with the total of the others.

    The total without the exercise, since with it even a random exercise correlates with the total
    of which it is a part (Nunnally and Bernstein 1994, chapter 8).
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        return None
    return correlation(scores[:, column], rest_totals(scores, column))


def cronbach_alpha(scores: Scores) -> float | None:
    """Cronbach's alpha (1951): k/(k − 1) · (1 − Σ item variances / variance of the totals).

    Students with an unknown score are left out. None for fewer than two exercises or students, and
    where all totals are equal. May be negative, when exercises contradict each other.
    """
    return reliability(scores).alpha


def reliability(scores: Scores) -> Reliability:
    """Cronbach's alpha with its standard error of measurement, or why there is none."""
    complete = _complete(scores)
    students, items = complete.shape
    if items < 2:
        return Reliability(None, students, items, None, "it needs at least two exercises")
    if students < 2:
        return Reliability(
            None, students, items, None, "it needs at least two students whose scores are complete"
        )
    totals = complete.sum(axis=1)
    if not _varies(totals):
        return Reliability(
            None, students, items, None, "all students have the same total, so nothing varies"
        )
    spread = float(totals.var(ddof=1))
    alpha = items / (items - 1) * (1 - float(complete.var(axis=0, ddof=1).sum()) / spread)
    return Reliability(alpha, students, items, math.sqrt(max(0.0, spread * (1 - alpha))))


def item(scores: Scores, column: int, points: float) -> Item:
    """What a table of scores says of one exercise, which is worth some points."""
    known = scores[:, column][~np.isnan(scores[:, column])]
    slack = _NO_SPREAD * max(points, 1.0)
    return Item(
        count=len(known),
        difficulty=float(known.mean()) / points if len(known) and points > 0 else None,
        discrimination=corrected_item_total(scores, column),
        full=int((known >= points - slack).sum()) if points > 0 else 0,
        none=int((known <= slack).sum()),
        alpha_without=cronbach_alpha(np.delete(scores, column, axis=1)),
    )


def _complete(scores: Scores) -> Scores:
    """The students all of whose scores are known."""
    table = scores if scores.ndim == 2 else scores.reshape(len(scores), -1)
    complete: Scores = table[~np.isnan(table).any(axis=1)]
    return complete


def _varies(values: Scores) -> bool:
    """Do values differ by more than the rounding of their sums?"""
    return bool(np.ptp(values) > _NO_SPREAD * max(1.0, float(np.abs(values).max())))
