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
            on_cuda=structured or re.search(r"(?m)^    [\w, ]*\bCUDA\b", entry) is not None,
        )
    return found


_OF_LAYOUTS: Final[Mapping[torch.layout, str]] = {
    torch.sparse_coo: "SparseCUDA",
    torch.sparse_csr: "SparseCsrCUDA",
}


def _method(func: Any, layouts: frozenset[torch.layout] = frozenset()) -> str:
    """What torchgen calls the wrapper of an operator's CUDA kernel (register_dispatch_key.py)."""
    schema = func._schema
    overload = schema.overload_name
    name = schema.name.partition("::")[2]
    own = name + ("_out" if any(a.is_out for a in schema.arguments) else "")
    for layout, backend in _OF_LAYOUTS.items():
        if layout in layouts:
            return f"wrapper_{backend}_{overload}_{own}"
    kernel = _kernels().get(f"{name}.{overload}" if overload else name)
    if kernel is None or kernel.structured:
        return f"wrapper_CUDA_{own}_{overload}" if overload else f"wrapper_CUDA_{own}"
    return f"wrapper_CUDA_{overload}_{own}"


@dataclass(frozen=True)
class _Operand:
    name: str
    tensor: torch.Tensor
    index: int
    written: bool
    is_out: bool = False

    @property
    def device(self) -> torch.device:
        return state.device_at(self.index)


def _type_string(operand: _Operand) -> str:
    """As ``Tensor.type()`` has it."""
    return errors.type_string(operand.tensor.dtype, operand.index)


class _Devices(TorchDispatchMode):
    """Follows on which devices the tensors inside of a call are."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing is compiled here, and torch would load its compiler to say so."""
        return False

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
        __tracebackhide__ = True
        kwargs = kwargs or {}
        operands = list(self._operands(func, args, kwargs))
        indices = {operand.index for operand in operands}
        if len(indices) > 1:
            if _is_composite(func):
                with self:
                    return func._op_dk(_COMPOSITE, *args, **kwargs)
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
                    yield _Operand(argument.name, tensor, index, written, argument.is_out)


_COMPOSITE: Final = torch._C.DispatchKey.CompositeExplicitAutograd


def _is_composite(func: Any) -> bool:
    """Whether CUDA has no kernel of its own for an operator, but runs it as several others."""
    name, overload = func._schema.name.partition("::")[2], func._schema.overload_name
    kernel = _kernels().get(f"{name}.{overload}" if overload else name)
    if kernel is None or kernel.on_cuda or name in _ANY_DEVICE or name in _OWN_CHECKS:
        return False
    has_kernel: bool = func.has_kernel_for_dispatch_key(_COMPOSITE)
    return has_kernel


def _check(func: Any, operands: list[_Operand]) -> None:
    """Raise what CUDA raises for operands on these devices, if it does.

    Raises:
        RuntimeError: it does.
    """
    __tracebackhide__ = True
    name = func._schema.name.partition("::")[2]
    if name in _ANY_DEVICE:
        return
    if name in _OWN_CHECKS:
        _OWN_CHECKS[name](operands)
        return
    overload = func._schema.overload_name
    kernel = _kernels().get(f"{name}.{overload}" if overload else name)
    if kernel is not None and kernel.checked and kernel.on_cuda:
        layouts = frozenset(operand.tensor.layout for operand in operands)
        _same_device(operands, _method(func, layouts))
    else:
        _elementwise(operands)


def _same_device(operands: list[_Operand], method: str) -> None:
    """Arguments that are written come first, then all in their order (torchgen)."""
    __tracebackhide__ = True
    ordered = sorted(operands, key=lambda operand: not operand.is_out)
    common = ordered[0]
    for operand in ordered:
        if operand.index != common.index:
            raise errors.different_argument(operand.name, operand.device, common.device, method)


def _is_number_of_the_cpu(operand: _Operand) -> bool:
    return operand.index == CPU and operand.tensor.dim() == 0 and not operand.written


def _elementwise(operands: list[_Operand], most_numbers: int | None = None) -> None:
    """Numbers of the CPU go with CUDA, if so many do (TensorIterator's compute_types)."""
    __tracebackhide__ = True
    common = next(operand for operand in operands if operand.index >= 0)
    numbers = 0
    for operand in operands:
        if _is_number_of_the_cpu(operand) and most_numbers != 0:
            numbers += 1
            if most_numbers is not None and numbers > most_numbers:
                raise RuntimeError("Trying to pass too many CPU scalars to non-CPU kernel!")
        elif operand.index != common.index:
            raise errors.different_devices(common.device, operand.device)


def _lerp(operands: list[_Operand]) -> None:
    _elementwise(operands, most_numbers=1)


def _addcdiv(operands: list[_Operand]) -> None:
    """Operations on three tensors take none (TensorIterator's build_ternary_op)."""
    _elementwise(operands, most_numbers=0)


def _addcmul(operands: list[_Operand]) -> None:
    """It has come to take a number in the last place (ATen/native/cuda/PointwiseOpsKernel.cu)."""
    if errors.VERSION < (2, 7):
        _addcdiv(operands)
        return
    _elementwise(operands, most_numbers=1)
    for operand in operands:
        if _is_number_of_the_cpu(operand) and operand.name in ("self", "tensor1"):
            instead = (
                " However, CPU Scalar support for tensor2 is supported, please swap your tensor1 "
                "and tensor2 terms."
            )
            raise RuntimeError(
                f"CPU Scalar support for {operand.name} argument is not supported when calling "
                f"addcmul on CUDA tensors.{instead if operand.name == 'tensor1' else ''}"
            )


def _indexing(operands: list[_Operand]) -> None:
    """Indices may also be on the CPU; values of no dimensions are brought (IndexingUtils.h)."""
    __tracebackhide__ = True
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
    __tracebackhide__ = True
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
    __tracebackhide__ = True
    names = {"weight": "self", "indices": "index"}
    renamed = [
        _Operand(names.get(each.name, each.name), each.tensor, each.index, False)
        for each in operands
    ]
    _same_device(renamed, "wrapper_CUDA__index_select")


def _matrix_times_vector(operands: list[_Operand]) -> None:
    """Added into a new tensor with the options of the vector (ATen/native/Blas.cpp ``mv``)."""
    matrix, vector = operands[0], operands[-1]
    result = _Operand("self", vector.tensor, vector.index, True)
    matrix = _Operand("mat", matrix.tensor, matrix.index, False)
    _same_device([result, matrix, vector], "wrapper_CUDA_addmv_")


def _batch_norm(operands: list[_Operand]) -> None:
    """On CUDA it is cuDNN's where there is a weight (ATen/native/Normalization.cpp)."""
    is_cudnn = operands[0].index >= 0 and any(each.name == "weight" for each in operands)
    kernel = "cudnn_batch_norm" if is_cudnn else "native_batch_norm"
    _same_device(operands, f"wrapper_CUDA__{kernel}")


def _is_for_mkldnn(given: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether oneDNN would be asked for a convolution on the CPU (``ConvParams::use_mkldnn``)."""
    return given.dtype == torch.float32 and (
        given.shape[0] > 1
        or given.shape[:4].numel() > 20480
        or (weight.dim() > 3 and min(weight.shape[-2:]) > 3)
    )


def _convolution(operands: list[_Operand]) -> None:
    """ATen/native/Convolution.cpp ``check_input_same_type_as_parameters``."""
    __tracebackhide__ = True
    given = operands[0]
    for operand in operands[1:]:
        if operand.index != given.index and operand.name in ("weight", "bias"):
            layout = ""
            for_cpu = given.index < 0 and operand.name == "weight"
            if for_cpu and _is_for_mkldnn(given.tensor, operand.tensor):
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
    "mv": _matrix_times_vector,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    **dict.fromkeys(("addcmul", "addcmul_"), _addcmul),
    **dict.fromkeys(("addcdiv", "addcdiv_"), _addcdiv),
    **dict.fromkeys(("lerp", "lerp_"), _lerp),
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
    __tracebackhide__ = True
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


def _check_attention(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """ATen/native/transformers/attention.cpp ``validate_sdpa_input``."""
    names = ("query", "key", "value")
    given = dict(zip(names, args, strict=False)) | kwargs
    devices = [state.device_at(index_of(given[name])) for name in names]
    if len(set(devices)) > 1:
        raise RuntimeError(
            "Expected query, key, and value to have the same device type, but got query.device: "
            f"{devices[0]} key.device: {devices[1]} and value.device: {devices[2]} instead."
        )


def _check_window(name: str) -> Callable[[tuple[Any, ...], dict[str, Any]], None]:
    """ATen/native/SpectralOps.cpp ``stft`` and ``istft``."""

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = args[0] if args else kwargs["input"]
        window = args[4] if len(args) > 4 else kwargs.get("window")
        if isinstance(window, torch.Tensor) and index_of(window) != index_of(given):
            raise RuntimeError(
                f"{name} input and window must be on the same device but got self on "
                f"{state.device_at(index_of(given))} and window on "
                f"{state.device_at(index_of(window))}"
            )

    return check


def _refuse(text: str) -> Callable[[tuple[Any, ...], dict[str, Any]], None]:
    def refuse(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise RuntimeError(text)

    return refuse


_BEFORE: Final[Mapping[Any, Callable[[tuple[Any, ...], dict[str, Any]], None]]] = {
    F.scaled_dot_product_attention: _check_attention,
    torch.stft: _check_window("stft"),
    torch.istft: _check_window("istft"),
    torch.meshgrid: _refuse("meshgrid expects all tensors to have the same device"),
    torch.block_diag: _refuse("torch.block_diag: input tensors must all be on the same device."),
}
"""What looks at devices before its first kernel (ATen/native/TensorShape.cpp)."""


def agreed(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a function looks at its tensors' devices itself and finds nothing wrong.

    Raises:
        RuntimeError: it finds something.
    """
    if func in _RECURRENT:
        _check_recurrent(args)  # what else there is are the sizes of a packed sequence
        return True
    if func in _BEFORE:
        _BEFORE[func](args, kwargs)
    return False
