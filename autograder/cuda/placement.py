"""On which device a tensor is: a mark on its storage, which views of it share.

A tensor of the emulated device is an ordinary CPU tensor; torch keeps attributes of a storage's
Python object as long as the storage lives. Tensors without a storage, such as sparse ones, carry
the mark themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch

from autograder.cuda import errors, state
from autograder.cuda.state import CPU, HOST, OTHER, Allocation

MARK: Final = "_emulated_allocation"
PINNED: Final = "_emulated_pinned"


_TENSOR: Final[Any] = torch._C.TensorBase
_storage_of = _TENSOR.untyped_storage
_is_cpu = _TENSOR.is_cpu.__get__
_real_device: Final[Any] = torch._C.StorageBase.device.__get__  # type: ignore[attr-defined]


def storage_of(tensor: torch.Tensor) -> Any:
    """What carries the mark: the storage below a tensor and function transforms around it."""
    try:
        return _storage_of(tensor)
    except RuntimeError:  # NotImplementedError among them
        inner = _inner(tensor)
        return tensor if inner is None else storage_of(inner)
    except ValueError:  # an uninitialised parameter, which refuses all but few methods
        with torch._C.DisableTorchFunction():
            return _storage_of(tensor)


def _inner(tensor: torch.Tensor) -> torch.Tensor | None:
    """The tensor that ``torch.func`` has wrapped; None for one without a storage."""
    functorch = torch._C._functorch
    if functorch.is_functorch_wrapped_tensor(tensor):
        inner: torch.Tensor = functorch.get_unwrapped(tensor)
        return inner
    return None


def marked(tensor: torch.Tensor) -> int:
    """The index of the device that a tensor is marked with, ``OTHER`` without a mark."""
    try:
        mark = getattr(_storage_of(tensor), MARK, None)
    except (RuntimeError, ValueError):
        mark = getattr(storage_of(tensor), MARK, None)
    return OTHER if mark is None else mark.device.index


def _of_the_cpu(tensor: torch.Tensor, carrier: Any) -> bool:
    """Whether the CPU holds a tensor's numbers, emulated or not.

    The mode may be on here, as in a hook, and would answer "no" for the emulated device; what
    carries the mark is asked past it.
    """
    if _is_cpu(tensor):
        return True
    if isinstance(carrier, torch.UntypedStorage):
        kind: str = _real_device(carrier).type
        return kind == "cpu"
    with torch._C.DisableTorchFunction():
        is_cpu: bool = carrier.is_cpu
        return is_cpu


def index_of(tensor: torch.Tensor) -> int:
    """The index of the device that a tensor is on, ``CPU`` where it is none.

    What the running backward pass has made and nobody has marked is where that pass began.
    """
    index = marked(tensor)
    if index != OTHER:
        return index
    roots = state.current.roots
    return roots[-1] if roots and _of_the_cpu(tensor, storage_of(tensor)) else CPU


def place(value: object, index: int) -> None:
    """Mark every tensor in a value that has no mark yet as being on a device."""
    if isinstance(value, torch.Tensor):
        if state.is_worker and index >= 0:
            raise errors.forked()
        carrier = storage_of(value)
        mark = getattr(carrier, MARK, None)
        if (mark is None or mark.device.index == OTHER) and _of_the_cpu(value, carrier):
            size = carrier.nbytes() if isinstance(carrier, torch.UntypedStorage) else 0
            setattr(carrier, MARK, Allocation(state.devices[index], size) if index >= 0 else HOST)
    elif isinstance(value, (list, tuple)):
        for item in value:
            place(item, index)
    elif isinstance(value, dict):
        for item in value.values():
            place(item, index)


def tensors_in(values: Iterable[object]) -> Iterable[torch.Tensor]:
    """The tensors in arguments, also in lists and dictionaries, in their order."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_in(value)
        elif isinstance(value, dict):
            yield from tensors_in(value.values())


def survey(args: Iterable[object], kwargs: Mapping[str, object]) -> tuple[int, bool]:
    """On which device the tensors among arguments are.

    Returns:
        The first CUDA device, else ``CPU``, or ``OTHER`` where there is no tensor; and whether
        there are tensors on more than one device. What a running backward pass has made goes with
        every device.
    """
    roots = state.current.roots
    found, mixed, unmarked = OTHER, False, False
    for tensor in tensors_in(args):
        index = marked(tensor)
        if index == OTHER:
            if roots:
                unmarked = True
                continue
            index = CPU
        if found == OTHER:
            found = index
        elif found != index:
            mixed = True
            found = index if found == CPU else found
    if kwargs:
        index, mixed_too = survey(kwargs.values(), {})
        if index != OTHER:
            mixed = mixed or mixed_too or found not in (OTHER, index)
            found = index if found in (OTHER, CPU) else found
    if unmarked and found == OTHER:
        found = roots[-1]
    return found, mixed


def pinned_copy(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of a tensor of the CPU that says that its memory is pinned; itself if it says so."""
    if getattr(storage_of(tensor), PINNED, False):
        return tensor
    pinned = tensor.clone()
    setattr(storage_of(pinned), PINNED, True)
    return pinned
