"""Packed sequences: their data are on the GPU, the sizes of their steps stay on the CPU."""

from __future__ import annotations

from typing import Any, Final

import torch

from autograder.cuda import state
from autograder.cuda.mode import Function, handles, plain
from autograder.cuda.placement import index_of, place

_VF: Final[Any] = torch._VF


@handles(_VF._pack_padded_sequence, _VF._pad_packed_sequence)
def _sequence(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Both take lengths or sizes of the CPU, and give such (ATen/native/PackedSequence.cpp).

    Raises:
        RuntimeError: they are on a GPU.
    """
    data, lengths = args[:2]
    if index_of(lengths) >= 0:
        kind = str(lengths.type()).rpartition(".")[2].removesuffix("Tensor")
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.dim()}D {state.device_at(index_of(lengths))} {kind} tensor"
        )
    moved, sizes = plain(func, args, kwargs)
    if index_of(data) >= 0:
        place(moved, index_of(data))
    return moved, sizes
