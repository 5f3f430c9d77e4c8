"""Numbers are equal within a tolerance that follows from dtype and operation: both sides of it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.grading.tolerance import SMALLEST_SIZE, close, tolerance, unit

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
COMPLEX = (torch.complex64, torch.complex128)
seeds = st.integers(0, 2**32)


def values(seed: int, *shape: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale


@pytest.mark.parametrize("dtype", FLOATS)
@given(seed=seeds, place=st.integers(0, 11), scale=st.sampled_from([0.2, 1.0, 30.0, 1e4]))
@settings(max_examples=50, deadline=None)
def test_a_result_that_is_off_by_four_times_the_tolerance_is_not_equal(
    dtype: torch.dtype, seed: int, place: int, scale: float
) -> None:
    expected = values(seed, 12, scale=scale).to(dtype)
    actual = expected.to(torch.float64, copy=True)
    actual[place] += 4 * tolerance(expected, expected)
    assert not close(actual.to(dtype), expected)


@pytest.mark.parametrize("dtype", FLOATS)
@given(seed=seeds)
@settings(max_examples=50, deadline=None)
def test_a_result_that_is_off_by_half_the_tolerance_is_equal(dtype: torch.dtype, seed: int) -> None:
    expected = values(seed, 12).to(dtype)
    actual = expected.to(torch.float64) + tolerance(expected, expected) / 2
    assert close(actual.to(dtype), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(seed=seeds, count=st.integers(2, 600), scale=st.sampled_from([1e-3, 1.0, 1e5]))
@settings(max_examples=60, deadline=None)
def test_a_sum_in_another_order_is_equal(
    dtype: torch.dtype, seed: int, count: int, scale: float
) -> None:
    """Also one whose terms nearly cancel: the size is that of the largest sum."""
    terms = values(seed, 4, count, scale=scale).to(dtype)
    expected = terms.to(torch.float64).sum(1)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    one_by_one = torch.zeros(4, dtype=dtype)
    for column in order:
        one_by_one = one_by_one + terms[:, column]
    size = float(terms.abs().max())
    scaled = [torch.cat([one, torch.tensor([size], dtype=one.dtype)]) for one in
              (one_by_one, expected)]  # fmt: skip
    assert close(scaled[0], scaled[1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(seed=seeds, batch=st.integers(1, 12), inputs=st.integers(1, 8), outputs=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_a_layer_computed_in_other_ways_is_equal(
    dtype: torch.dtype, seed: int, batch: int, inputs: int, outputs: int
) -> None:
    x = values(seed, batch, inputs).to(dtype)
    w = values(seed + 1, inputs, outputs).to(dtype)
    b = values(seed + 2, outputs).to(dtype)
    expected = x.to(torch.float64) @ w.to(torch.float64) + b.to(torch.float64)
    for actual in (
        x @ w + b,
        torch.addmm(b, x, w),
        (x[:, :, None] * w[None]).sum(1) + b,
        torch.stack([sum((x[:, i, None] * w[i] for i in range(inputs)), b)]).squeeze(0),
        torch.nn.functional.linear(x, w.T, b),
    ):
        assert close(actual, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_almost_nothing_is_as_good_as_nothing(dtype: torch.dtype) -> None:
    """`3e-8 instead of 0`, as other graders punish."""
    zero = torch.zeros(3, dtype=dtype)
    assert close(zero + unit(dtype) * SMALLEST_SIZE / 2, zero)
    assert not close(zero + 4 * unit(dtype) * SMALLEST_SIZE, zero)


def test_three_times_ten_to_the_minus_eight_is_zero_in_float32() -> None:
    assert close(torch.tensor(3e-8), torch.tensor(0.0))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_integers_must_be_equal(dtype: torch.dtype) -> None:
    ones = torch.ones(3, dtype=dtype)
    assert close(ones, torch.ones(3, dtype=torch.int64))
    assert not close(ones, torch.tensor([1, 1, 0]))


def test_the_less_precise_dtype_of_the_two_counts() -> None:
    exact = values(0, 20)
    assert close(exact.to(torch.float32), exact) and close(exact, exact.to(torch.float32))
    assert close(exact.to(torch.bfloat16), exact)
    assert not close(exact.to(torch.float32).to(torch.float64), exact), "both claim to be exact"


@pytest.mark.parametrize("dtype", COMPLEX)
def test_complex_numbers_are_compared_by_their_distance(dtype: torch.dtype) -> None:
    one = torch.complex(values(1, 4), values(2, 4)).to(dtype)
    assert close(one, one.clone())
    assert not close(one + 4j * tolerance(one, one), one)
    assert not close(one, one.real)


def test_what_is_no_number_is_equal_to_nothing_and_infinity_to_itself() -> None:
    infinite = torch.tensor([math.inf, 1.0])
    assert close(infinite, infinite)
    assert not close(torch.tensor([1.0, 1.0]), infinite), "it makes the tolerance no larger"
    assert not close(torch.tensor([-math.inf, 1.0]), infinite)
    assert not close(torch.tensor([math.nan]), torch.tensor([math.nan]))
    assert not close(torch.tensor([math.nan, 1.0]), torch.tensor([0.0, 1.0]))


def test_another_shape_is_not_equal() -> None:
    assert not close(torch.ones(3), torch.ones(1, 3))
    assert not close(torch.ones(1), torch.tensor(1.0))


def test_tensors_without_values_are_equal() -> None:
    assert close(torch.empty(0), torch.empty(0))
    assert not close(torch.empty(0), torch.empty(0, 3))
