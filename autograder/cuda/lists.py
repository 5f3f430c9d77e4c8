"""Lists of tensors on several devices: torch groups them in C++, which sees the CPU only."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

from autograder.cuda import state

_Group = tuple[list[list[torch.Tensor | None]], list[int]]


def grouped(original: Callable[..., Any]) -> Callable[..., Any]:
    """``torch._C._group_tensors_by_device_and_dtype``, which optimizers use, for all devices."""

    @functools.wraps(original)
    def by_device_and_dtype(
        tensorlistlist: Sequence[Sequence[torch.Tensor | None]], with_indices: bool = False
    ) -> dict[tuple[torch.device, torch.dtype], _Group]:
        """The lists by device and dtype of the first one's tensors, in their order."""
        if not state.devices:
            groups: dict[tuple[torch.device, torch.dtype], _Group]
            groups = original(tensorlistlist, with_indices)
            return groups
        groups = {}
        for place, first in enumerate(tensorlistlist[0]):
            assert first is not None
            empty: _Group = ([[] for _ in tensorlistlist], [])
            lists, indices = groups.setdefault((first.device, first.dtype), empty)
            for own, given in zip(lists, tensorlistlist, strict=True):
                own.extend(given[place : place + 1])  # a list that is not in use is empty
            if with_indices:
                indices.append(place)
        return groups

    return by_device_and_dtype
