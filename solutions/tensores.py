"""Reference solutions of the assignment ``tensores``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def list_tensor(data: Sequence[Sequence[int]]) -> torch.Tensor:
    """The int64 tensor of a nested list of integers, of the list's shape."""
    return torch.tensor(data)


def numpy_pair(data: Sequence[Sequence[int]]) -> tuple[np.ndarray[Any, Any], torch.Tensor]:
    """The array of a nested list, and a tensor that shares its memory."""
    array = np.array(data)
    return array, torch.from_numpy(array)


def describe(t: torch.Tensor) -> dict[str, Any]:
    """The shape (tuple of int), dtype (torch.dtype) and device (str) of a tensor."""
    return {"shape": tuple(t.shape), "dtype": t.dtype, "device": str(t.device)}


def affine(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """x·w + b for one sample ``x`` of shape (n,) or a batch of shape (batch, n).

    ``w`` has shape (n, m) and ``b`` shape (m,); the result (m,) or (batch, m).
    """
    return x @ w + b
