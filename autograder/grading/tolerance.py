"""What graders say of numbers: when two results are equal, when values were typed by hand."""

from collections.abc import Mapping
from typing import Final

import torch

_TOLERANCES: Final[Mapping[torch.dtype, tuple[float, float]]] = {
    torch.float16: (1e-2, 1e-3),
    torch.bfloat16: (4e-2, 1e-2),
    torch.float32: (1e-4, 1e-5),
    torch.float64: (1e-9, 1e-11),
    torch.complex64: (1e-4, 1e-5),
    torch.complex128: (1e-9, 1e-11),
}
"""Relative and absolute tolerance by dtype: about a thousand units in the last place for the
sums of products of the size that the course uses, so that another correct order of operations
is accepted; integers and booleans must be equal."""


def close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tensors of any dtype have the same shape and the same values within tolerance.

    The tolerance is that of the less precise dtype of the two. NaN is equal to nothing.
    """
    if actual.shape != expected.shape:
        return False
    dtypes = [dtype for dtype in (actual.dtype, expected.dtype) if dtype in _TOLERANCES]
    if not dtypes:
        return bool(torch.equal(actual.to(torch.int64), expected.to(torch.int64)))
    relative, absolute = max(_TOLERANCES[dtype] for dtype in dtypes)
    complex_needed = actual.is_complex() or expected.is_complex()
    wide = torch.complex128 if complex_needed else torch.float64
    return bool(torch.allclose(actual.to(wide), expected.to(wide), rtol=relative, atol=absolute))


def looks_typed(values: torch.Tensor) -> bool:
    """Whether all values have at most four decimals, as those copied from a printed tensor.

    Half-precision dtypes have so few values that nothing can be said: False.
    """
    if values.dtype in (torch.float16, torch.bfloat16):
        return False
    wide = values.to(torch.float64)
    rest = (wide * 1e4 - (wide * 1e4).round()).abs()
    return bool((rest <= 2e-3 * wide.abs().clamp(1, 4)).all())
