"""Storages of emulated devices: what ``torch.save`` writes of them and ``torch.load`` restores."""

from __future__ import annotations

from typing import Any, Final

import torch

from autograder.cuda import state
from autograder.cuda.errors import not_emulated
from autograder.cuda.patches import Patches
from autograder.cuda.placement import MARK, PINNED
from autograder.cuda.state import OTHER, Allocation

_Storage: Final[Any] = torch.UntypedStorage
_Base: Final[Any] = torch._C.StorageBase
_original_device: Final[Any] = _Base.device
_original_cpu: Final[Any] = _Storage.cpu
_original_to: Final[Any] = _Storage.to


def _index(storage: Any) -> int:
    mark = getattr(storage, MARK, None)
    return OTHER if mark is None else mark.index


def _device(self: Any) -> torch.device:
    """Where it is."""
    index = _index(self)
    device: torch.device = _original_device.__get__(self)
    return state.devices[index].device if index >= 0 else device


def _copy(storage: Any) -> Any:
    copy = _Base.__new__(torch.UntypedStorage, storage.nbytes())
    return copy.copy_(storage, False)


def _clone(self: Any) -> Any:
    """A copy on the same device."""
    copy = _copy(self)
    if _index(self) >= 0:
        setattr(copy, MARK, Allocation(state.devices[_index(self)], copy.nbytes()))
    return copy


def _to(self: Any, *, device: Any, non_blocking: bool = False) -> Any:
    """The storage itself, or a copy on another device."""
    index = state.index_for(device)
    if index == OTHER:
        return _original_to(self, device=device, non_blocking=non_blocking)
    if index == _index(self) or (index < 0 and _index(self) < 0):
        return self
    copy = _copy(self)
    if index >= 0:
        setattr(copy, MARK, Allocation(state.devices[index], copy.nbytes()))
    return copy


def _cuda(self: Any, device: Any = None, non_blocking: bool = False) -> Any:
    """The storage on a CUDA device."""
    return _to(self, device=torch.device("cuda", state.cuda_index(device)))


def _cpu(self: Any) -> Any:
    """The storage on the CPU."""
    return _copy(self) if _index(self) >= 0 else _original_cpu(self)


def _get_device(self: Any) -> int:
    index = _index(self)
    return index if index >= 0 else -1


def _is_pinned(self: Any, device: Any = "cuda") -> bool:
    return bool(getattr(self, PINNED, False))


def _share_cuda(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Another process cannot be given the memory.

    Raises:
        NotEmulatedError: always.
    """
    not_emulated("sending CUDA tensors to another process", "send them with .cpu()")


def install(patches: Patches) -> None:
    """Have storages know of emulated devices."""
    patches.set(_Storage, "device", property(_device))
    patches.set(_Storage, "is_cuda", property(lambda self: _index(self) >= 0))
    patches.set(_Storage, "clone", _clone)
    patches.set(_Storage, "to", _to)
    patches.set(_Storage, "cuda", _cuda)
    patches.set(_Storage, "cpu", _cpu)
    patches.set(_Storage, "get_device", _get_device)
    patches.set(_Storage, "is_pinned", _is_pinned)
    patches.set(_Storage, "_share_cuda_", _share_cuda)
