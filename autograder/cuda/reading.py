"""What an emulated tensor says of itself: its device, its type, how it is shown."""

from __future__ import annotations

from typing import Any, Final

import torch

from autograder.cuda import errors, state
from autograder.cuda.errors import not_emulated
from autograder.cuda.mode import Function, active, handles, plain
from autograder.cuda.placement import PINNED, index_of, storage_of

_T: Final[Any] = torch.Tensor
_Args = tuple[Any, ...]
_Kwargs = dict[str, Any]


@handles(_T.untyped_storage, _T.storage, _T._typed_storage, _T.storage_type)
@handles(_T.size, _T.dim, _T.numel, _T.stride, _T.__len__, _T.data_ptr, _T.storage_offset)
@handles(_T.is_contiguous, _T.is_floating_point, _T.is_complex, _T.element_size, _T.nelement)
@handles(_T.item, _T.tolist, _T.__bool__, _T.__hash__, _T.is_set_to, _T.is_same_size)
@handles(*(getattr(_T, name).__get__ for name in ("shape", "dtype", "ndim", "requires_grad")))
@handles(*(getattr(_T, name).__get__ for name in ("grad_fn", "is_leaf", "layout", "_version")))
@handles(_T.requires_grad.__set__, _T._backward_hooks.__get__, _T.is_meta.__get__)
@handles(torch.is_tensor, torch.numel, torch.is_floating_point, torch.is_complex)
@handles(torch.result_type, torch.is_same_size, _T.is_shared, torch.from_numpy)
@handles(torch._has_compatible_shallow_copy_type)
def _as_it_is(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if func is _T.is_shared and index_of(args[0]) >= 0:
        return True  # CUDA tensors count as shared (torch/_tensor.py)
    return func(*args, **kwargs)


@handles(torch.device)
def _device(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """``torch.device(1)`` is a device of the accelerator."""
    if len(args) == 1 and isinstance(args[0], int) and not kwargs:
        return func("cuda", args[0])
    return func(*args, **kwargs)


@handles(_T.device.__get__)
def _device_of(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    index = index_of(args[0])
    return state.devices[index].device if index >= 0 else func(*args)


@handles(_T.is_cuda.__get__, _T.is_cpu.__get__)
def _kind(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if index_of(args[0]) < 0:
        return func(*args)
    return func == _T.is_cuda.__get__


@handles(_T.get_device, torch.get_device)
def _get_device(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    index = index_of(args[0])
    return index if index >= 0 else func(*args, **kwargs)


@handles(_T.is_pinned)
def _is_pinned(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    return bool(getattr(storage_of(args[0]), PINNED, False))


def type_of(tensor: torch.Tensor) -> str:
    """What ``Tensor.type()`` says."""
    kind: str = plain(_T.type, (tensor,), {})
    index = index_of(tensor)
    return kind.replace("torch.", "torch.cuda.", 1) if index >= 0 else kind


@handles(_T.__repr__)
def _repr(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if index_of(args[0]) < 0:
        return plain(func, args, kwargs)
    with active():  # so that it asks for the device
        return torch._tensor_str._str(args[0], **kwargs)


@handles(_T.__format__)
def _format(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if index_of(args[0]) < 0 or args[0].dim() == 0:
        return plain(func, args, kwargs)
    with active():
        return object.__format__(*args)


@handles(_T.numpy)
def _numpy(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    __tracebackhide__ = True
    index = index_of(args[0])
    if index < 0:
        return plain(func, args, kwargs)
    if not kwargs.get("force"):
        raise errors.to_numpy(state.device_at(index))
    return plain(_T.clone, (args[0].detach(),), {}).numpy(force=True)


@handles(_T.apply_, _T.map_)
def _by_python(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """Python's functions are for the CPU (torch/csrc/utils/tensor_apply.cpp)."""
    if index_of(args[0]) >= 0:
        raise TypeError(f"{func.__name__} is only implemented on CPU tensors")
    return plain(func, args, kwargs)


@handles(_T.__array__)
def _array(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    __tracebackhide__ = True
    index = index_of(args[0])
    if index >= 0:
        raise errors.to_numpy(state.device_at(index))
    return plain(func, args, kwargs)


@handles(_T.__dlpack__)
def _dlpack(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if index_of(args[0]) >= 0:
        not_emulated("Tensor.__dlpack__ of a CUDA tensor", "share it with .cpu() first")
    return plain(func, args, kwargs)


@handles(_T.__cuda_array_interface__.__get__)
def _array_interface(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    if index_of(args[0]) >= 0:
        not_emulated("Tensor.__cuda_array_interface__", "there is no memory of a GPU to point to")
    return plain(func, args, kwargs)


@handles(_T.__dlpack_device__)
def _dlpack_device(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    index = index_of(args[0])
    kind = torch.utils.dlpack.DLDeviceType.kDLCUDA
    return (kind, index) if index >= 0 else plain(func, args, kwargs)
