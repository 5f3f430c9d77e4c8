"""Tensors on different devices in one call: what CUDA allows, and its error for the rest.

Only such calls come here. They run once more piece by piece: a ``TorchDispatchMode`` sees every
kernel that the call consists of, with the devices of its arguments, and raises what the check
before that kernel would raise. Which check a kernel has says ``native_functions.yaml``, which torch
installs with torchgen: elementwise kernels allow a CPU tensor of no dimensions (``NoCheck``,
ATen/TensorIterator.cpp), others must find all their arguments on one device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.cuda import errors, state
from autograder.cuda.placement import index_of, place, storage_of, survey, tensors_in
from autograder.cuda.state import CPU, OTHER

_Plain = Callable[[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]], Any]

_ANY_DEVICE: Final = frozenset(
    "copy_ copy _to_copy _copy_from clone resize_as_ set_ lift_fresh detach alias".split()
)
"""Operations between devices, or of one tensor only."""


@dataclass(frozen=True)
class Kernel:
    """What is said of an operator in torch's list of them."""

    checked: bool
    """Whether all arguments must be on one device."""
    structured: bool
    on_cuda: bool
    """Whether CUDA has a kernel of its own for it."""


@cache
def _kernels() -> dict[str, Kernel]:
    """The operators by name and overload: ``add.Tensor``; empty without torchgen."""
    spec = find_spec("torchgen")
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(next(iter(folders or ["."])), "packaged/ATen/native/native_functions.yaml")
    if not path.is_file():
        return {}
    found = {}
    for entry in re.split(r"(?m)^- func: ", path.read_text(encoding="utf-8"))[1:]:
        structured = "\n  structured" in entry
        found[entry.partition("(")[0]] = Kernel(
            checked="device_check: NoCheck" not in entry,
            structured=structured,
            on_cuda=structured or re.search(r"(?m)^    [\w, ]*CUDA", entry) is not None,
        )
    return found


def _method(func: Any) -> str:
    """What torchgen calls the wrapper of an operator's CUDA kernel."""
    schema = func._schema
    overload = schema.overload_name
    name = schema.name.partition("::")[2]
    own = name + ("_out" if any(a.is_out for a in schema.arguments) else "")
    own += f"_{overload}" if overload else ""
    kernel = _kernels().get(f"{name}.{overload}" if overload else name)
    if kernel is None or kernel.structured:
        return f"wrapper_CUDA_{own}"
    return f"wrapper_CUDA_{overload}_{own}"


@dataclass(frozen=True)
class _Operand:
    name: str
    tensor: torch.Tensor
    index: int
    written: bool

    @property
    def device(self) -> torch.device:
        return state.device_at(self.index)


def _type_string(operand: _Operand) -> str:
    """As ``Tensor.type()`` has it."""
    return type_string(operand.tensor.dtype, operand.index)


def type_string(dtype: torch.dtype, index: int) -> str:
    """What ``Tensor.type()`` says: ``torch.cuda.FloatTensor``."""
    kind = torch.empty(0, dtype=dtype).type()
    return kind.replace("torch.", "torch.cuda.") if index >= 0 else kind


class _Devices(TorchDispatchMode):
    """Follows on which devices the tensors inside of a call are."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        super().__init__()
        self._host = {id(storage_of(t)) for t in tensors if index_of(t) < 0}
        self._kept = [storage_of(t) for t in tensors]  # so that their ids stay theirs

    def _index(self, tensor: torch.Tensor) -> int:
        """Its device; ``OTHER`` for what torch's own code has made without naming one."""
        index = index_of(tensor)
        if index >= 0 or id(storage_of(tensor)) in self._host:
            return index
        return OTHER

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Check a kernel's arguments, then run it and mark what it gives."""
        kwargs = kwargs or {}
        operands = list(self._operands(func, args, kwargs))
        indices = {operand.index for operand in operands}
        if len(indices) > 1:
            _check(func, operands)
        out = func(*args, **kwargs)
        index = max(indices, default=OTHER)
        for tensor in tensors_in([out]):
            if index >= 0:
                if self._index(tensor) == OTHER:
                    place(tensor, index)
            elif index == CPU:
                self._host.add(id(storage_of(tensor)))
                self._kept.append(storage_of(tensor))
        return out

    def _operands(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for position, argument in enumerate(func._schema.arguments):
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            written = argument.alias_info is not None and argument.alias_info.is_write
            for tensor in tensors_in([value]):
                index = self._index(tensor)
                if index != OTHER:
                    yield _Operand(argument.name, tensor, index, written)


def _check(func: Any, operands: list[_Operand]) -> None:
    """Raise what CUDA raises for operands on these devices, if it does.

    Raises:
        RuntimeError: it does.
    """
    name = func._schema.name.partition("::")[2]
    if name in _ANY_DEVICE:
        return
    if name in _OWN_CHECKS:
        _OWN_CHECKS[name](operands)
        return
    overload = func._schema.overload_name
    kernel = _kernels().get(f"{name}.{overload}" if overload else name)
    if kernel is not None and kernel.checked and kernel.on_cuda:
        _same_device(operands, _method(func))
    else:
        _elementwise(operands)


def _same_device(operands: list[_Operand], method: str) -> None:
    common = operands[0]
    for operand in operands:
        if operand.index != common.index:
            raise errors.different_argument(operand.name, operand.device, common.device, method)


def _elementwise(operands: list[_Operand]) -> None:
    common = next(operand for operand in operands if operand.index >= 0)
    for operand in operands:
        scalar = operand.index == CPU and operand.tensor.dim() == 0 and not operand.written
        if operand.index != common.index and not scalar:
            raise errors.different_devices(common.device, operand.device)


def _indexing(operands: list[_Operand]) -> None:
    """Indices may also be on the CPU; values of no dimensions are brought (IndexingUtils.h)."""
    own = operands[0]
    for operand in operands[1:]:
        if operand.name == "indices":
            if operand.index not in (CPU, own.index):
                raise RuntimeError(
                    "indices should be either on cpu or on the same device as the indexed tensor "
                    f"({own.device})"
                )
        elif operand.index != own.index and operand.tensor.dim() > 0:
            raise errors.different_devices(
                max(own, operand, key=lambda each: each.index).device,
                min(own, operand, key=lambda each: each.index).device,
            )


def _masked_fill(operands: list[_Operand]) -> None:
    """ATen/native/cuda/Indexing.cu ``masked_fill__cuda``; a value of no dimensions is brought."""
    by_name = {operand.name: operand for operand in operands}
    own, mask = by_name.get("self"), by_name.get("mask")
    if own is not None and mask is not None and own.index != mask.index:
        raise RuntimeError(
            "expected self and mask to be on the same device, but got mask on "
            f"{mask.device} and self on {own.device}"
        )
    value = by_name.get("value")
    if own is not None and own.index < 0 and value is not None and value.index >= 0:
        raise RuntimeError(
            "masked_fill_: Expected inputs to be on same device"
        )  # ATen/native/TensorAdvancedIndexing.cpp


def _embedding(operands: list[_Operand]) -> None:
    """An embedding looks up with ``index_select`` (ATen/native/Embedding.cpp)."""
    names = {"weight": "self", "indices": "index"}
    renamed = [
        _Operand(names.get(each.name, each.name), each.tensor, each.index, False)
        for each in operands
    ]
    _same_device(renamed, "wrapper_CUDA__index_select")


def _convolution(operands: list[_Operand]) -> None:
    """ATen/native/Convolution.cpp ``check_input_same_type_as_parameters``."""
    given = operands[0]
    for operand in operands[1:]:
        if operand.index != given.index and operand.name in ("weight", "bias"):
            layout = ""
            if given.index < 0 and operand.name == "weight":
                layout = " or input should be a MKLDNN tensor and weight is a dense tensor"
            raise RuntimeError(
                f"Input type ({_type_string(given)}) and {operand.name} type "
                f"({_type_string(operand)}) should be the same{layout}"
            )


_OWN_CHECKS: Final[Mapping[str, Callable[[list[_Operand]], None]]] = {
    "index": _indexing,
    "_unsafe_index": _indexing,
    "index_put": _indexing,
    "index_put_": _indexing,
    "_index_put_impl_": _indexing,
    "masked_fill": _masked_fill,
    "masked_fill_": _masked_fill,
    "embedding": _embedding,
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "mkldnn_convolution": _convolution,
    "_slow_conv2d_forward": _convolution,
}

_RECURRENT: Final = frozenset(
    getattr(torch._VF, name) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")
)


def run(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], plain: _Plain
) -> Any:
    """Call a function whose tensors are on different devices.

    Raises:
        RuntimeError: CUDA does not allow that; worded as it does.
    """
    if func in _RECURRENT:
        _check_recurrent(args)
    tensors = list(tensors_in([args, kwargs]))
    given = {id(storage_of(tensor)) for tensor in tensors}
    with _Devices(tensors):
        out = plain(func, args, kwargs)
    index, _ = survey(tensors, {})
    for tensor in tensors_in([out]):
        if id(storage_of(tensor)) not in given:
            place(tensor, index)
    return out


def _check_recurrent(args: tuple[Any, ...]) -> None:
    """ATen/native/RNN.cpp ``check_attributes``."""
    given = args[0]
    batched = isinstance(args[1], torch.Tensor) and isinstance(args[2], (tuple, list, torch.Tensor))
    has_sizes = batched and isinstance(args[3], (tuple, list))
    hidden, params = (args[2], args[3]) if has_sizes else (args[1], args[2])
    for name, tensors in (("hidden", tensors_in([hidden])), ("parameter", tensors_in([params]))):
        for tensor in tensors:
            if index_of(tensor) != index_of(given):
                raise RuntimeError(
                    f"Input and {name} tensors are not at the same device, found input tensor at "
                    f"{state.device_at(index_of(given))} and {name} tensor at "
                    f"{state.device_at(index_of(tensor))}"
                )


_KERNELS_OF_PRODUCTS: Final = {1: "dot", 2: "addmm_cuda", 3: "baddbmm_cuda"}
PRODUCTS: Final = frozenset(
    {
        *(getattr(torch, name) for name in ("matmul", "mm", "bmm", "mv", "dot", "addmm", "inner")),
        *(getattr(torch.Tensor, name) for name in ("matmul", "mm", "bmm", "mv", "dot", "addmm")),
        torch.Tensor.__matmul__,
        torch.Tensor.__rmatmul__,
        F.linear,
    }
)
"""Products for which CUDA has kernels of real and complex numbers only."""


@cache
def _no_kernel() -> type[Exception]:
    """The type of the error for a dtype without a kernel: what the CPU raises for booleans."""
    flags = torch.ones(2, 2, dtype=torch.bool)
    try:
        torch.mm(flags, flags)
    except (RuntimeError, NotImplementedError) as error:
        return type(error)
    return RuntimeError


def check_product(func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Refuse a product of integers, as cuBLAS does.

    Raises:
        RuntimeError: the operands are integers (``NotImplementedError`` since torch 2.3).
    """
    operands = [arg for arg in args if isinstance(arg, torch.Tensor)][-2:]
    if len(operands) < 2 or operands[0].dtype.is_floating_point or operands[0].dtype.is_complex:
        return
    if operands[0].dtype != operands[1].dtype:
        return  # both devices name that first
    ranks = sorted(operand.dim() for operand in operands)
    kernel = "addmv_impl_cuda" if ranks == [1, 2] else _KERNELS_OF_PRODUCTS[min(max(ranks), 3)]
    kind = type_string(operands[0].dtype, CPU).removeprefix("torch.").removesuffix("Tensor")
    raise _no_kernel()(f"\"{kernel}\" not implemented for '{kind}'")
