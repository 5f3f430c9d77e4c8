"""The emulated device computes what torch's own samples of its operators ask for.

A few samples of each operator; ``python -m tests.cuda.operators`` takes more of them. Operators
that do something else are in ``operators.toml`` with the reason, all of them and no others.
"""

import pytest
import torch

from tests.cuda import operators
from tests.cuda.operators import Figures, Result, disagreement


@pytest.fixture(scope="module")
def figures() -> Figures:
    return operators.measure(operators.FEW)


def test_nearly_all_cases_agree_with_the_cpu(figures: Figures) -> None:
    assert figures.share >= 0.99, figures


def test_the_operators_of_torch_are_covered(figures: Figures) -> None:
    assert len(figures.operators) >= 700, figures
    assert figures.with_gradients >= 1500, figures


def test_every_operator_that_does_not_agree_is_in_the_table(figures: Figures) -> None:
    known = operators.reasons()
    unlisted = {name: dict(found) for name, found in figures.disagreements.items()
                if name not in known}  # fmt: skip
    assert not unlisted


def test_the_table_has_no_operator_that_agrees(figures: Figures) -> None:
    agreeing = figures.cases.keys() - figures.disagreements.keys()
    assert not agreeing & operators.reasons().keys()


def test_the_table_has_a_reason_for_each_operator() -> None:
    assert all(operators.reasons().values())


SUM = Result(parts=[torch.ones(2)], gradients=(torch.ones(2),), devices=frozenset({"cuda:0"}))


@pytest.mark.parametrize(
    ("actual", "wrong"),
    [
        (Result(error="NotEmulatedError: x"), "NotEmulatedError: x"),
        (Result(gradient_error="RuntimeError: x"), "backward: RuntimeError: x"),
        (Result(parts=[torch.zeros(2)]), "result: other values: Tensor-likes are not close!"),
        (Result(parts=[torch.ones(3)]), "result: shape torch.Size([3]), not torch.Size([2])"),
        (Result(parts=[1.0]), "result: a float, not a Tensor"),
        (Result(parts=[]), "result: 0 parts, not 1"),
        (Result(parts=SUM.parts), "gradient: 0 parts, not 1"),
        (Result(parts=SUM.parts, gradients=(None,)), "gradient: a NoneType, not a Tensor"),
        (Result(SUM.parts, SUM.gradients, frozenset({"cpu", "cuda:0"})), "on cpu"),
        (Result(SUM.parts, SUM.gradients, SUM.devices, named=False), "on cuda:0"),
        (SUM, ""),
    ],
)
def test_what_does_not_agree_is_told(actual: Result, wrong: str) -> None:
    assert disagreement(actual, SUM) == wrong
