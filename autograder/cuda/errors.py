"""Errors of emulated CUDA, in the types and words of the real one where it has them.

Texts follow torch's own sources; where they changed between versions, the one of the installed
version is used.
"""

from __future__ import annotations

from typing import Final, NoReturn

import torch

_HINTS: Final = (
    "CUDA kernel errors might be asynchronously reported at some other API call, so the "
    "stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)

VERSION: Final = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
"""The installed torch: ``(2, 13)``."""


class NotEmulatedError(NotImplementedError):
    """Something that real CUDA has and the emulation does not; the message names it."""


def not_emulated(operation: str, instead: str = "") -> NoReturn:
    """Say that the emulation cannot do this.

    Raises:
        NotEmulatedError: always.
    """
    __tracebackhide__ = True
    text = f"{operation} is not emulated: this is a limit of the emulated CUDA device"
    raise NotEmulatedError(f"{text}; {instead}" if instead else text)


def accelerator_error(reason: str, advice: str = "") -> RuntimeError:
    """What the CUDA runtime's refusals become: ``torch.AcceleratorError`` since torch 2.8."""
    kind = getattr(torch, "AcceleratorError", RuntimeError)
    told_advice = f"{advice}\n" if advice and VERSION >= (2, 9) else ""
    error: RuntimeError = kind(f"CUDA error: {reason}\n{told_advice}{_HINTS}")
    return error


def invalid_ordinal() -> RuntimeError:
    """A device is asked for that is not there."""
    return accelerator_error(
        "invalid device ordinal", "GPU device may be out of range, do you have enough GPUs?"
    )


def different_devices(first: torch.device, second: torch.device) -> RuntimeError:
    """Operands of an elementwise operation are on two devices (ATen/TensorIterator.cpp)."""
    return RuntimeError(
        "Expected all tensors to be on the same device, "
        f"but found at least two devices, {first} and {second}!"
    )


def different_argument(
    argument: str, own: torch.device, common: torch.device, method: str
) -> RuntimeError:
    """An argument of a kernel is on another device than those before it.

    The check that torchgen puts before a kernel (c10/core/impl ``common_device_check_failure``).
    """
    if VERSION >= (2, 9):
        return RuntimeError(
            f"Expected all tensors to be on the same device, but got {argument} is on {own}, "
            f"different from other tensors on {common} (when checking argument in method {method})"
        )
    return RuntimeError(
        "Expected all tensors to be on the same device, but found at least two devices, "
        f"{common} and {own}! (when checking argument for argument {argument} in method {method})"
    )


def gradient_elsewhere(given: torch.device, own: torch.device) -> RuntimeError:
    """A gradient is assigned that is not where its tensor is (autograd/python_variable.cpp)."""
    if given.type != own.type:
        where, places = "with device type", (given.type, own.type)
    else:
        where, places = "located on device with index", (str(given.index), str(own.index))
    return RuntimeError(
        f"attempting to assign a gradient {where} '{places[0]}' to a tensor {where} '{places[1]}'. "
        "Please ensure that the gradient and the tensor are on the same device"
    )


def invalid_gradient(
    position: int, given: torch.device, own: torch.device, function: str = ""
) -> RuntimeError:
    """A gradient is not where the tensor is that it belongs to (engine.cpp, validate_outputs)."""
    start = f"Function {function} returned an " if function else ""
    return RuntimeError(
        f"{start}invalid gradient at index {position} - expected device {own} but got {given}"
    )


def forked() -> RuntimeError:
    """A worker process that was forked may not use CUDA (torch/cuda/__init__.py)."""
    return RuntimeError(
        "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you "
        "must use the 'spawn' start method"
    )


def to_numpy(device: torch.device) -> TypeError:
    """NumPy reads no CUDA memory (torch/csrc/utils/tensor_numpy.cpp)."""
    return TypeError(
        f"can't convert {device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
        "to host memory first."
    )


def type_string(dtype: torch.dtype, index: int) -> str:
    """What ``Tensor.type()`` says: ``torch.cuda.FloatTensor``."""
    kind = torch.empty(0, dtype=dtype).type()
    return kind.replace("torch.", "torch.cuda.") if index >= 0 else kind
