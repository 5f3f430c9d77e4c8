"""Tensors that go from one device to another: copies, which autograd follows back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
import torch
import torch.nn.functional as F

from autograder.cuda import state
from autograder.cuda.mode import Function, default_index, handles, is_active, made_on, plain
from autograder.cuda.placement import MARK, index_of, pinned_copy, place
from autograder.cuda.reading import type_of
from autograder.cuda.state import CPU, OTHER

_T: Final[Any] = torch.Tensor
_OPTIONS: Final = ("dtype", "non_blocking", "copy")
"""What ``Tensor.to`` takes by position after the device."""
_Args = tuple[Any, ...]
_Kwargs = dict[str, Any]


def transfer(tensor: torch.Tensor, index: int, **options: Any) -> torch.Tensor:
    """A copy of a tensor on another device; its gradient comes back as a copy on this one.

    Args:
        tensor: of any shape and dtype.
        index: of the device.
        **options: ``dtype`` and ``memory_format``, as ``Tensor.to`` takes them.
    """
    source = index_of(tensor)
    kept = {name: option for name, option in options.items() if option is not None}
    moved: torch.Tensor = plain(_T.to, (tensor, "cpu"), {**kept, "copy": True})
    if index >= 0 or state.current.roots:
        place(moved, index)
    if moved.requires_grad and moved.grad_fn is not None:
        # The CPU would hand the same gradient on, so both sides would share one storage.
        moved.grad_fn.register_prehook(_gradient_to(source))
    return moved


def _gradient_to(index: int) -> Callable[[Any], Any]:
    def copied(gradients: tuple[torch.Tensor | None, ...]) -> tuple[torch.Tensor | None, ...]:
        copies = []
        for gradient in gradients:
            copy = None if gradient is None else _unmarked_copy(gradient)
            if copy is not None:
                place(copy, index)
            copies.append(copy)
        return tuple(copies)

    return copied


def _unmarked_copy(tensor: torch.Tensor) -> torch.Tensor:
    with torch._C.DisableTorchFunction():
        return tensor.clone()


def to(tensor: torch.Tensor, index: int, copy: bool = False, **options: Any) -> torch.Tensor:
    """``Tensor.to``: the tensor itself where nothing changes, unless ``copy``."""
    if index not in (OTHER, index_of(tensor)):
        return transfer(tensor, index, **options)
    kept = {name: option for name, option in options.items() if option is not None}
    same: torch.Tensor = plain(_T.to, (tensor,), {"dtype": tensor.dtype, **kept, "copy": copy})
    if index_of(tensor) >= 0:
        place(same, index_of(tensor))
    return same


def _parsed(args: _Args, kwargs: _Kwargs) -> tuple[int | None, _Kwargs]:
    """The device that ``Tensor.to`` is given, None without one, and its other arguments."""
    kwargs = dict(kwargs)
    other = kwargs.pop("tensor", None)
    if args and isinstance(args[0], torch.Tensor):
        other, args = args[0], args[1:]
    if other is not None:
        rest = dict(zip(_OPTIONS[1:], args, strict=False))
        return index_of(other), {"dtype": other.dtype, **rest, **kwargs}
    if args and isinstance(args[0], torch.dtype):
        return None, {**dict(zip(_OPTIONS, args, strict=False)), **kwargs}
    spec = kwargs.pop("device", None)
    if args:
        spec, args = args[0], args[1:]
    index = None if spec is None else state.index_for(spec)
    return index, {**dict(zip(_OPTIONS, args, strict=False)), **kwargs}


@handles(_T.to)
def _to(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    tensor = args[0]
    index, options = _parsed(args[1:], kwargs)
    source = index_of(tensor)
    third = not (tensor.is_cpu or source >= 0)
    if index == OTHER or (third and index is None):
        return plain(func, args, kwargs)
    if third and index is not None:
        out = plain(func, (tensor,), {**options, "device": "cpu"})
        if index >= 0:
            place(out, index)
        return out
    if index is None or index == source:
        out = plain(func, (tensor,), {"dtype": tensor.dtype, **options})
        if source >= 0 or state.current.roots:
            place(out, source)
        return out
    options.pop("non_blocking", None)
    options.pop("copy", None)
    return transfer(tensor, index, **options)


@handles(torch._C._nn._parse_to)
def _parse_to(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """What ``nn.Module.to`` asks: the device, the dtype, ..."""
    index, options = _parsed(args, kwargs)
    parsed = list(plain(func, (), {"dtype": None, **options}))
    if index is not None:
        given = args[0] if args else kwargs.get("device")
        named = isinstance(given, (str, torch.device))
        parsed[0] = torch.device(cast(Any, given)) if named else state.device_at(index)
    return tuple(parsed)


@handles(_T.cuda)
def _cuda(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    spec = args[1] if len(args) > 1 else kwargs.get("device")
    index = state.current.index if spec is None else state.index_for(spec)
    if index < 0:
        raise RuntimeError("Invalid device, must be cuda device")  # python_variable_methods.cpp
    return to(args[0], index, memory_format=kwargs.get("memory_format"))


@handles(_T.cpu)
def _cpu(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if index_of(args[0]) < 0:
        return plain(func, args, kwargs)
    return transfer(args[0], CPU, **kwargs)


@handles(_T.type)
def _type(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """``x.type()`` tells it, ``x.type(...)`` changes it: ``'torch.cuda.FloatTensor'`` moves."""
    tensor, wanted = args[0], (args[1] if len(args) > 1 else kwargs.get("dtype"))
    if wanted is None:
        return type_of(tensor)
    if isinstance(wanted, torch.dtype):
        return to(tensor, index_of(tensor), dtype=wanted)
    name = wanted if isinstance(wanted, str) else f"{wanted.__module__}.{wanted.__name__}"
    on_cuda = name.startswith("torch.cuda.")
    dtype = plain(func, (torch.empty(0), name.replace("torch.cuda.", "torch.")), {}).dtype
    return to(tensor, state.current.index if on_cuda else CPU, dtype=dtype)


@handles(_T.type_as)
def _type_as(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    other = args[1] if len(args) > 1 else kwargs["other"]
    return to(args[0], index_of(other), dtype=other.dtype)


@handles(_T.pin_memory)
def _pin_memory(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    tensor = args[0]
    if index_of(tensor) >= 0:
        raise RuntimeError(f"cannot pin '{type_of(tensor)}' only dense CPU tensors can be pinned")
    return pinned_copy(tensor)


_original_set: Final[Any] = _T.set_


def _index_of_storage(source: Any) -> int:
    """The device of a tensor's or a storage's memory."""
    if isinstance(source, torch.Tensor):
        return index_of(source)
    mark = getattr(getattr(source, "_untyped_storage", source), MARK, None)
    return CPU if mark is None else max(mark.index, CPU)


def set_(self: torch.Tensor, source: Any = None, *args: Any, **kwargs: Any) -> torch.Tensor:
    """``Tensor.set_``: a tensor keeps its device (ATen/native/Resize.h ``checkSetStorage``).

    torch asks no mode about it.
    """
    own = index_of(self)
    other = own if source is None else _index_of_storage(source)
    if other != own and is_active():  # torch's own code fills CPU tensors, marked afterwards
        raise RuntimeError(
            f'Attempted to set the storage of a tensor on device "{state.device_at(own)}" to a '
            f'storage on different device "{state.device_at(other)}".  This is no '
            "longer allowed; the devices must match."
        )
    given = () if source is None else (source, *args)
    same: torch.Tensor = _original_set(self, *given, **kwargs)
    if own >= 0 and source is None:
        place(same, own)
    return same


@handles(_T.data.__set__, torch.utils.swap_tensors)
@handles(_T.copy_, _T.new_tensor, _T.__reduce_ex__, _T.__setstate__)
def _as_the_first(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """What is given may be on another device than the tensor, whose device the result has."""
    tensor = args[0]
    spec = kwargs.get("device")
    index = index_of(tensor) if spec is None else state.index_for(spec)
    out = plain(func, args, kwargs if spec is None else kwargs | {"device": "cpu"})
    if index >= 0:
        place(out, index)
    return out


@handles(*(getattr(_T, name) for name in ("expand_as", "view_as", "reshape_as")))
@handles(*(getattr(_T, name) for name in ("new_empty", "new_full", "new_ones", "new_zeros")))
@handles(_T.new_empty_strided, torch.ctc_loss, F.ctc_loss)
def _like_the_first(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """The other tensor lends its shape only, a fill value its number.

    Targets and lengths of a CTC loss may be anywhere (ATen/native/LossCTC.cpp).
    """
    spec = kwargs.get("device")
    if spec is not None:
        return made_on(func, args, kwargs, state.index_for(spec))
    out = plain(func, args, kwargs)
    index = index_of(args[0])
    if index >= 0:
        place(out, index)
    return out


@handles(torch.tensor, torch.as_tensor, torch.asarray, torch.scalar_tensor)
def _from_data(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """A tensor from data: the data's device if that is a tensor, else the named or default one."""
    data = args[0] if args else kwargs.get("data", kwargs.get("obj"))
    spec = kwargs.get("device")
    source = index_of(data) if isinstance(data, torch.Tensor) else None
    if spec is None and len(args) > 2:  # torch.as_tensor(data, dtype, device)
        spec, args = args[2], args[:2]
    index = source if spec is None else state.index_for(spec)
    index = default_index() if index is None else index
    if source is not None and index not in (OTHER, source):
        moved = transfer(cast(torch.Tensor, data), index)
        rest = {k: v for k, v in kwargs.items() if k not in ("device", "data", "obj")}
        return _from_data(func, (moved, *args[1:]), rest)
    if source is not None and source == index:
        out = plain(func, args, kwargs | ({} if spec is None else {"device": "cpu"}))
        if index >= 0:
            place(out, index)
        return out
    out = made_on(func, args, kwargs, index if index == OTHER else CPU)
    if index >= 0:
        # as_tensor and asarray share the memory of an array, which stays the CPU's
        shares = isinstance(data, np.ndarray) or hasattr(data, "__array_interface__")
        out = out.clone() if shares else out
        place(out, index)
    return out
