"""What the emulation knows: whether it is on, its devices, and which one is current."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from autograder.cuda import errors

CPU: Final = -1
"""The CPU in the place of a device's index, as ``Tensor.get_device`` gives it."""
OTHER: Final = -2
"""A device that is neither the CPU nor CUDA, such as ``meta``."""

_BLOCK: Final = 512
"""Bytes of which the real caching allocator gives out multiples (c10/cuda/CUDACachingAllocator)."""
_SEGMENT: Final = 2 * 2**20
"""Bytes of which it takes multiples from the driver, for small tensors."""
TOTAL_MEMORY: Final = 8 * 2**30
"""Bytes of memory that an emulated device says it has. Nothing is limited by it."""


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit


@dataclass
class Memory:
    """Bytes in use on a device."""

    allocated: int = 0
    peak: int = 0
    kept: int = 0
    """Bytes of segments that were taken and not given back."""
    kept_peak: int = 0
    allocations: int = 0
    """How many tensors' memories were made so far."""

    def take(self, size: int) -> None:
        """Note that ``size`` bytes are in use."""
        self.allocations += 1
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        self.kept = max(self.kept, _rounded(self.allocated, _SEGMENT))
        self.kept_peak = max(self.kept_peak, self.kept)

    def give_back(self, size: int) -> None:
        """Note that ``size`` bytes are free again; the segments are kept."""
        self.allocated -= size

    def empty_cache(self) -> None:
        """Give segments back that nothing uses."""
        self.kept = _rounded(self.allocated, _SEGMENT)


@dataclass
class Device:
    """An emulated device."""

    index: int
    """Its place among the devices; ``OTHER`` while it is none of them."""
    memory: Memory = field(default_factory=Memory)
    generator: torch.Generator = field(default_factory=torch.Generator)
    """A CPU generator: the same seed gives the CPU's numbers, not those of a real GPU."""

    def __post_init__(self) -> None:
        self.device = torch.device("cuda", max(self.index, 0))


class Allocation:
    """The memory of tensors on a device; it hangs on their storage and ends with it."""

    __slots__ = ("device", "size")

    def __init__(self, device: Device, size: int) -> None:
        self.device = device
        self.size = _rounded(size, _BLOCK)
        device.memory.take(self.size)

    def __del__(self) -> None:
        self.device.memory.give_back(self.size)

    @property
    def index(self) -> int:
        """The device's index; ``OTHER`` when there is no such device any more."""
        return self.device.index


class _Current(threading.local):
    index = 0
    """The current device of a thread: each thread begins with device 0, as CUDA has it."""
    roots: tuple[int, ...] = ()
    """The devices of the running backward passes, the innermost last."""
    computing: tuple[int, tuple[Any, ...], Mapping[str, Any]] | None = None
    """The device and the arguments of the running operation, for what it saves for its gradient."""
    streams: tuple[Mapping[int, Any], ...] = ({},)
    """The streams that were chosen, by device, in the blocks that were entered."""


devices: list[Device] = []
"""The emulated devices; empty while the emulation is off."""
current = _Current()
HOST: Final = Allocation(Device(CPU), 0)
"""Marks a storage as the CPU's where gradients without a mark count as CUDA's."""


is_worker = False
"""Whether this process is one of multiprocessing's that was forked from one with CUDA."""


def attach(those: Sequence[Device]) -> None:
    """Have these devices and no others. Tensors on others are the CPU's meanwhile."""
    for device in devices:
        device.index = OTHER
    devices[:] = those
    for index, device in enumerate(devices):
        device.index = index
    current.index, current.streams = 0, ({},)


def is_on() -> bool:
    """Whether tensors can be on an emulated device."""
    return bool(devices)


def index_for(spec: object) -> int:
    """The index of a device that is asked for: ``CPU``, ``OTHER`` or that of a CUDA device.

    Args:
        spec: a ``torch.device``, its name, or an index.

    Raises:
        RuntimeError: it is no device, or a CUDA device that is not there.
    """
    if isinstance(spec, int) and not isinstance(spec, bool):
        index = spec
    else:
        device = spec if isinstance(spec, torch.device) else torch.device(spec)  # type: ignore[call-overload]
        if device.type == "cpu":
            return CPU
        if device.type != "cuda":
            return OTHER
        index = current.index if device.index is None else device.index
    if index < 0:  # torch/csrc/utils/python_arg_parser.h, toDevice
        raise RuntimeError("Device index must not be negative")
    if index >= len(devices):
        raise errors.invalid_ordinal()
    return index


def cuda_index(spec: object = None) -> int:
    """The index of a CUDA device that is asked for; the current one where none is.

    Raises:
        ValueError: it is another kind of device.
        RuntimeError: it is a CUDA device that is not there.
    """
    if spec is None:
        return current.index
    index = index_for(spec)
    if index < 0:
        raise ValueError(f"Expected a cuda device, but got: {spec}")
    return index


def device_at(index: int) -> torch.device:
    """The device with this index, or the CPU."""
    return torch.device("cpu") if index < 0 else devices[index].device
