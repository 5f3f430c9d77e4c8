"""Kernels that CUDA lacks: what the CPU could compute and a GPU refuses.

Matrix products of integers are the usual surprise. Which kernel a function would come to is seen by
running it piece by piece, and only where its tensors are integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.cuda.errors import type_string
from autograder.cuda.placement import tensors_in
from autograder.cuda.state import CPU

_KERNELS: Final[Mapping[str, str]] = {
    "mm": "addmm_cuda",
    "addmm": "addmm_cuda",
    "addbmm": "addmm_cuda",
    "bmm": "baddbmm_cuda",
    "baddbmm": "baddbmm_cuda",
    "mv": "addmv_impl_cuda",
    "addmv": "addmv_impl_cuda",
    "dot": "dot",
    "vdot": "dot",
    "max_pool2d_with_indices": "max_pool2d_with_indices_out_cuda_frame",
    "avg_pool2d": "avg_pool2d_out_cuda_frame",
}
"""What the check of dtypes calls the kernel of an operator (ATen/native/cuda)."""
_CONVOLUTION: Final = "slow_conv2d_cuda"
"""The kernel of convolutions over one and two dimensions that cuDNN does not take."""


def _functions() -> Iterable[Any]:
    names = (
        "matmul mm bmm mv dot vdot addmm addmv addbmm baddbmm inner einsum tensordot chain_matmul "
        "linear bilinear conv1d conv2d max_pool1d max_pool2d avg_pool2d multi_dot matrix_power "
        "__matmul__ __rmatmul__ addmm_ addmv_ addbmm_ baddbmm_"
    ).split()
    places: tuple[Any, ...] = (torch, torch.Tensor, torch.linalg, F, torch._C._nn)
    for name in names:
        yield from (getattr(place, name) for place in places if hasattr(place, name))


_CHECKED: Final = frozenset(_functions())
"""The functions that come to such kernels."""
_WITHOUT: Final = frozenset({torch.histogram, torch.Tensor.histogram, torch.histogramdd})
"""The functions for which CUDA has no kernel at all (native_functions.yaml)."""


def of_cuda(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AbstractContextManager[object]:
    """A block in which a function of tensors, which are on CUDA, finds the kernels that CUDA has.

    Raises:
        NotImplementedError: it has none for this function.
    """
    __tracebackhide__ = True
    if func in _WITHOUT:
        raise _no_backend(func)
    if func not in _CHECKED:
        return nullcontext()
    given = [value for name, value in kwargs.items() if name != "out"]
    first = next(iter(tensors_in([*args, *given])), None)
    return nullcontext() if first is None or _has_kernel(first.dtype) else _Integers()


def _has_kernel(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point or dtype.is_complex


def _no_backend(func: Callable[..., Any]) -> NotImplementedError:
    """As torch's dispatcher says it, in short (c10, ``OperatorEntry::reportError``)."""
    names = {"histogram": "histogram.bin_ct", "histogramdd": "_histogramdd_bin_edges"}
    return NotImplementedError(
        f"Could not run 'aten::{names[func.__name__]}' with arguments from the 'CUDA' backend. "
        "This could be because the operator doesn't exist for this backend, or was omitted during "
        "the selective/custom build process (if using custom build)."
    )


@cache
def _no_kernel() -> type[Exception]:
    """The type of the error for a dtype without a kernel: what the CPU raises for booleans."""
    flags = torch.ones(2, 2, dtype=torch.bool)
    try:
        torch.mm(flags, flags)
    except (RuntimeError, NotImplementedError) as error:
        return type(error)
    return RuntimeError


class _Integers(TorchDispatchMode):
    """Refuses kernels of integers."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing is compiled here, and torch would load its compiler to say so."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a kernel, if CUDA has it for the dtype of its tensors.

        Raises:
            RuntimeError: it has not (``NotImplementedError`` since torch 2.6).
        """
        __tracebackhide__ = True
        name = func._schema.name.partition("::")[2].removesuffix("_")
        kernel = _KERNELS.get(name)
        if "convolution" in name and args[0].dim() < 5:
            kernel = _CONVOLUTION
        dtypes = {tensor.dtype for tensor in tensors_in(args)}
        if kernel is not None and len(dtypes) == 1:  # both devices name different ones first
            (dtype,) = dtypes
            if not _has_kernel(dtype):
                kind = type_string(dtype, CPU).removeprefix("torch.").removesuffix("Tensor")
                raise _no_kernel()(f"\"{kernel}\" not implemented for '{kind}'")
        return func(*args, **(kwargs or {}))
