"""What graders say of numbers: when two results are equal, when values were typed by hand.

The tolerance is stated here and nowhere else. A result that was computed in floating point by n
operations, in whatever order, is off by at most about n·u times the size of the terms that were
added, u being half the machine epsilon of the dtype (Higham, "Accuracy and Stability of Numerical
Algorithms", 2nd ed. 2002, section 3.1: γₙ = n·u / (1 − n·u)). Terms that cancel leave a sum far
smaller than its error, so the size is that of the largest value of the tensor and not of each.
"""

from typing import Final

import torch

from autograder.grading import trace

OPERATIONS: Final = 4096
"""Operations that a correct result may have taken; longer chains than any exercise needs."""
OPERATIONS_IN_HALF: Final = 16
"""The same for dtypes of two bytes: torch adds up in float32 and rounds the result of each step."""
SMALLEST_SIZE: Final = 1 / 16
"""Where all values are smaller, the terms that gave them were hardly: 3e-8 is as good as 0."""


def unit(dtype: torch.dtype) -> float:
    """The tolerance for values of size 1 in a floating-point or complex dtype."""
    facts = torch.finfo(dtype)
    operations = OPERATIONS_IN_HALF if facts.bits == 16 else OPERATIONS
    return operations * facts.eps / 2


def tolerance(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """How much the values of a result may differ from what is expected, in their own unit.

    It is that of the less precise dtype of the two; 0 where both are integers or booleans.
    """
    units = [unit(one.dtype) for one in (actual, expected) if _is_rounded(one.dtype)]
    if not units:
        return 0.0
    sizes = expected.abs().to(torch.float64)
    sizes = sizes[torch.isfinite(sizes)]
    size = float(sizes.max()) if sizes.numel() else 0.0
    return max(units) * max(size, SMALLEST_SIZE)


def close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tensors of any dtype have the same shape and the same values within tolerance.

    An infinity is equal to itself, NaN to nothing.
    """
    if actual.shape != expected.shape:
        trace.compared(actual, expected, None)
        return False
    allowed = tolerance(actual, expected)
    equal = _equal(actual.detach(), expected.detach(), allowed)
    if not equal:
        trace.compared(actual, expected, allowed)
    return equal


def _equal(actual: torch.Tensor, expected: torch.Tensor, allowed: float) -> bool:
    if not _is_rounded(actual.dtype) and not _is_rounded(expected.dtype):
        return bool(torch.equal(actual.to(torch.int64), expected.to(torch.int64)))
    wide = torch.complex128 if actual.is_complex() or expected.is_complex() else torch.float64
    one, other = actual.to(wide), expected.to(wide)
    return bool((((one - other).abs() <= allowed) | (one == other)).all())


def _is_rounded(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex


def looks_typed(values: torch.Tensor) -> bool:
    """Whether all values have at most four decimals, as those copied from a printed tensor.

    Half-precision dtypes have so few values that nothing can be said: False.
    """
    if values.dtype in (torch.float16, torch.bfloat16):
        return False
    wide = values.to(torch.float64)
    rest = (wide * 1e4 - (wide * 1e4).round()).abs()
    return bool((rest <= 2e-3 * wide.abs().clamp(1, 4)).all())
