"""Difficulty, discrimination and reliability: against other ways to compute them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autograder.report.statistics import (
    Scores,
    corrected_item_total,
    correlation,
    cronbach_alpha,
    distribution,
    item,
    reliability,
)

NAN = math.nan
TABLE = np.asarray(
    [[4, 5, 1], [3, 4, 3], [2, 5, 0], [0, 1, 3], [4, 3, 2], [1, 0, 1], [2, 2, 3.5]], dtype=float
)


def tables(least_students: int = 4, least_items: int = 2) -> st.SearchStrategy[Scores]:
    shapes = st.tuples(st.integers(least_students, 12), st.integers(least_items, 6))
    numbers = st.integers(0, 20).map(lambda number: number / 2)
    made: st.SearchStrategy[Any] = shapes.flatmap(
        lambda shape: arrays(np.float64, shape, elements=numbers)
    )
    return made


# --- Cronbach's alpha


def alpha_by_covariances(table: Scores) -> float:
    """The other well-known form: from the matrix of covariances."""
    matrix = np.cov(table, rowvar=False)
    items = len(matrix)
    return float(items / (items - 1) * (1 - np.trace(matrix) / matrix.sum()))


def test_alpha_by_hand() -> None:
    # variances 1 and 1, totals 2, 4, 6 of variance 4: 2 · (1 − 2/4)
    assert cronbach_alpha(np.asarray([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])) == pytest.approx(1.0)
    # variances 1 and 1, totals 3, 4, 5 of variance 1: 2 · (1 − 2/1)
    table = np.asarray([[1.0, 2.0], [3.0, 1.0], [2.0, 3.0]])
    assert cronbach_alpha(table) == pytest.approx(2 * (1 - 2 / 1))


def test_alpha_of_two_items_with_equal_variances_is_spearman_and_browns_formula() -> None:
    one = np.asarray([1.0, 2.0, 3.0, 4.0, 5.0])
    other = np.asarray([2.0, 1.0, 4.0, 3.0, 5.0])
    r = float(np.corrcoef(one, other)[0, 1])
    assert cronbach_alpha(np.column_stack([one, other])) == pytest.approx(2 * r / (1 + r))


@given(tables())
def test_alpha_is_what_the_covariances_say(table: Scores) -> None:
    alpha = cronbach_alpha(table)
    if alpha is None:
        assert np.ptp(table.sum(axis=1)) == 0
    else:
        assert alpha == pytest.approx(alpha_by_covariances(table), rel=1e-6, abs=1e-6)


@given(tables(), st.randoms(use_true_random=False))
def test_alpha_does_not_depend_on_the_order_of_students_and_exercises(
    table: Scores, random: Any
) -> None:
    rows, columns = list(range(len(table))), list(range(table.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    moved = table[rows][:, columns]
    assert (cronbach_alpha(moved) or 0) == pytest.approx(cronbach_alpha(table) or 0, abs=1e-9)


@given(tables(), st.integers(1, 9), st.integers(-5, 5))
def test_alpha_does_not_depend_on_the_unit_or_the_zero(
    table: Scores, factor: int, shift: int
) -> None:
    alpha = cronbach_alpha(table)
    assert (cronbach_alpha(table * factor + shift) or 0) == pytest.approx(alpha or 0, abs=1e-9)


def test_alpha_is_negative_where_exercises_contradict_each_other() -> None:
    alpha = cronbach_alpha(np.asarray([[0.0, 3.0], [1.0, 2.0], [4.0, 0.0]]))
    assert alpha is not None
    assert alpha < 0


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (np.zeros((0, 3)), "two students"),
        (np.ones((1, 3)), "two students"),
        (np.asarray([[1.0], [2.0], [3.0]]), "two exercises"),
        (np.zeros((5, 0)), "two exercises"),
        (np.ones((5, 3)), "same total"),
        (np.asarray([[1.0, NAN], [2.0, 1.0]]), "two students"),
    ],
)
def test_alpha_that_is_not_defined_says_why(table: Scores, why: str) -> None:
    found = reliability(table)
    assert found.alpha is None
    assert why in found.why_not


def test_students_whose_scores_are_not_complete_are_left_out_of_alpha() -> None:
    table = np.vstack([TABLE, [[4, NAN, 4]]])
    assert reliability(table).students == len(TABLE)
    assert cronbach_alpha(table) == cronbach_alpha(TABLE)


def test_the_standard_error_of_measurement_is_in_points() -> None:
    found = reliability(TABLE)
    assert found.alpha is not None
    deviation = float(np.std(TABLE.sum(axis=1), ddof=1))
    assert found.standard_error == pytest.approx(deviation * math.sqrt(1 - found.alpha))


# --- difficulty and discrimination


def test_difficulty_is_the_mean_share_of_the_points() -> None:
    assert item(TABLE, 0, points=4).difficulty == pytest.approx(16 / 7 / 4)
    assert item(TABLE, 0, points=0).difficulty is None, "an exercise without points has none"


@pytest.mark.parametrize("column", [0, 1, 2])
def test_discrimination_is_the_correlation_with_the_other_exercises(column: int) -> None:
    others = [other for other in range(3) if other != column]
    by_numpy = np.corrcoef(TABLE[:, column], TABLE[:, others].sum(axis=1))[0, 1]
    assert corrected_item_total(TABLE, column) == pytest.approx(float(by_numpy))


def test_an_exercise_is_not_correlated_with_itself() -> None:
    """Half of the uncorrected total of two exercises is the exercise."""
    table = np.asarray([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert corrected_item_total(table, 0) == pytest.approx(0.0)
    assert np.corrcoef(table[:, 0], table.sum(axis=1))[0, 1] > 0.7


@given(tables(least_items=2))
def test_discrimination_is_between_minus_one_and_one_or_not_defined(table: Scores) -> None:
    value = corrected_item_total(table, 0)
    assert value is None or -1 <= value <= 1
    if np.ptp(table[:, 0]) == 0:
        assert value is None


@pytest.mark.parametrize("students", [0, 1, 2])
def test_two_students_say_nothing_of_discrimination(students: int) -> None:
    assert corrected_item_total(TABLE[:students], 0) is None


def test_one_exercise_has_no_discrimination() -> None:
    assert corrected_item_total(TABLE[:, :1], 0) is None


def test_unknown_scores_are_left_out_in_pairs() -> None:
    one = np.asarray([1.0, 2.0, NAN, 4.0, 5.0])
    other = np.asarray([2.0, NAN, 1.0, 3.0, 5.0])
    by_numpy = np.corrcoef([1.0, 4.0, 5.0], [2.0, 3.0, 5.0])[0, 1]
    assert correlation(one, other) == pytest.approx(float(by_numpy))


def test_counts_of_who_earned_all_or_nothing() -> None:
    table = np.asarray([[0.0, 1], [2, 1], [2, 1], [1, 1], [NAN, 1]])
    found = item(table, 0, points=2)
    assert (found.count, found.full, found.none) == (4, 2, 1)


def test_partial_credit_in_thirds_counts_as_all_points() -> None:
    """What is summed from rounded parts is off by less than anybody can earn."""
    assert item(np.asarray([[0.1 + 0.2, 1]]), 0, points=0.3).full == 1


def test_the_rounding_of_sums_is_no_spread() -> None:
    table = np.asarray([[0.1, 0.2], [0.2, 0.1], [0.3, 1e-17]]) + 0.0
    assert reliability(np.column_stack([table, 1 - table.sum(axis=1)])).alpha is None


# --- distribution


def test_a_distribution_is_what_numpy_says() -> None:
    found = distribution([1.0, 2.0, NAN, 6.0])
    known = np.asarray([1.0, 2.0, 6.0])
    assert found.count == 3
    assert found.mean == pytest.approx(known.mean())
    assert found.median == 2.0
    assert found.deviation == pytest.approx(np.std(known, ddof=1))
    assert (found.lowest, found.highest) == (1.0, 6.0)


def test_a_distribution_of_nobody_and_of_one() -> None:
    assert distribution([]).mean is None
    assert distribution([3.0]).mean == 3.0
    assert distribution([3.0]).deviation is None
