"""A teacher sees what a failed check called and compared; students never do."""

import tracemalloc

import pytest
import torch

from autograder.grading import Expression, trace
from autograder.grading.submission import _call_failed
from autograder.grading.tolerance import close
from autograder.runner.checkpoint import CallFailed


@pytest.fixture(autouse=True)
def _begin() -> None:
    trace.begin()


def test_a_check_that_has_done_nothing_tells_nothing() -> None:
    assert trace.told() == ""


def test_the_last_call_is_told_with_its_inputs() -> None:
    trace.called("affine", (torch.ones(2),), {"b": torch.zeros(1, requires_grad=True)})
    trace.called("affine", (torch.arange(2),), {"steps": 3})
    assert trace.told() == "call: affine(int64[2] [0, 1], steps=3)"


def test_texts_are_told_as_python_writes_them() -> None:
    trace.called("count_vowels", ("",), {"of": "a 'b'\n"})
    assert trace.told() == """call: count_vowels('', of="a 'b'\\n")"""


def test_expressions_are_told_as_they_are_given() -> None:
    trace.called("apply", (Expression("lambda t: t**2"),), {})
    assert trace.told() == "call: apply(lambda t: t**2)"


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("WireTimeout", "", "the call did not return within its time limit"),
        ("WireClosed", "", "the process ended during the call"),
        ("KeyError", "'x'", "KeyError: 'x'"),
        ("ValueError", "", "ValueError"),
    ],
)
def test_why_a_call_failed_is_told_in_words(kind: str, text: str, told: str) -> None:
    assert _call_failed("f", CallFailed(kind, None, text)).detail == told


def test_of_comparisons_the_first_that_fails_is_told() -> None:
    """The right answer is compared first; what follows are known mistakes."""
    one = torch.tensor([1.0, 2.0])
    assert close(one, one)
    assert not close(one, one + 1) and not close(one, one * 9)
    assert trace.told().splitlines() == [
        "expected: float32[2] [2.0, 3.0]",
        "came: float32[2] [1.0, 2.0]",
        "largest difference 1, allowed 0.000732",
    ]


def test_shapes_that_differ_are_told() -> None:
    assert not close(torch.ones(2), torch.ones(3, 1))
    assert trace.told().splitlines()[-1] == "the shapes differ: (2,) for (3, 1)"


def test_large_values_are_cut() -> None:
    trace.called("f", (torch.ones(100_000),), {})
    assert len(trace.told()) < 500


def test_a_huge_result_costs_next_to_nothing() -> None:
    """Students may return what they like; only its beginning is written out."""
    huge = torch.ones(30_000_000, dtype=torch.uint8)
    tracemalloc.start()
    assert not close(huge, torch.ones(3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20 and "uint8[30000000]" in trace.told()


def test_nothing_of_an_earlier_check_is_told() -> None:
    close(torch.ones(1), torch.zeros(1))
    trace.begin()
    assert trace.told() == ""
