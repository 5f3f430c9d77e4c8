"""What the emulation refuses, because it runs tensors where the mode does not see them.

A refusal names the operation, and comes before torch would compute with tensors of the wrong
device, or end the process for want of a driver.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from autograder.cuda import placement, state
from autograder.cuda.errors import not_emulated
from autograder.cuda.mode import emulate
from autograder.cuda.patches import Patches

_PROFILER: Final = ("mark", "range_push", "range_pop", "range_start", "range_end", "range")
_LIBRARY: Final = ("version", "unique_id", "init_rank", "all_reduce", "broadcast", "reduce")
_MEMORY: Final = ("_record_memory_history", "_snapshot", "_dump_snapshot")


_CALL: Final = "call the function or the model itself"


def _refused(
    operation: str, original: Callable[..., Any] | None = None, instead: str = ""
) -> Callable[..., Any]:
    """A function that says that it is not emulated.

    Args:
        operation: its name.
        original: what torch's own code is given. Forward-mode derivatives script a few formulas
            of torch's, which then run on the tensors that the emulated ones are.
        instead: what a user can do.
    """

    def refuse(*args: Any, **kwargs: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if original is not None and caller.startswith("torch."):
            return original(*args, **kwargs)
        return not_emulated(operation, instead)

    return refuse


def _compiler(operation: str, original: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function that compiles others: libraries decorate theirs with it when they are imported.

    A Python function stays as it is, and is refused when it is called with tensors on CUDA;
    anything else, such as a module, is refused at once.

    Args:
        operation: its name.
        original: what torch's own code is given instead.
    """

    def compiler(*args: Any, **kwargs: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if original is not None and caller.startswith("torch."):
            return original(*args, **kwargs)
        if not args and original is None:  # torch.compile with options, as a decorator
            return compiler
        if not args or not isinstance(args[0], FunctionType):
            return not_emulated(operation, _CALL)
        return functools.wraps(args[0])(_of_the_cpu_only(operation, args[0], _CALL))

    return compiler


def _of_the_cpu_only(
    operation: str, original: Any, instead: str = "do it on the CPU"
) -> Callable[..., Any]:
    """A function that is refused for tensors on an emulated device and for such a device."""

    def only(*args: Any, **kwargs: Any) -> Any:
        spec = kwargs.get("device")
        if placement.survey(args, kwargs)[0] >= 0 or (
            spec is not None and state.index_for(spec) >= 0
        ):
            not_emulated(operation, instead)
        return original(*args, **kwargs)

    return only


def install(patches: Patches) -> None:
    """Put the refusals in the place of torch's functions."""
    _install_compilers(patches)
    _install_outside(patches)
    _install_types(patches)
    original = torch.range
    patches.set(torch, "range", lambda *args, **kwargs: emulate(original, args, kwargs))


def _install_compilers(patches: Patches) -> None:
    """What runs tensors past the mode."""
    patches.set(torch, "compile", _compiler("torch.compile"))
    patches.set(torch.jit, "script", _compiler("torch.jit.script", vars(torch.jit)["script"]))
    for name in ("trace", "trace_module"):
        refuse = _refused(f"torch.jit.{name}", vars(torch.jit)[name], _CALL)
        patches.set(torch.jit, name, refuse)
    patches.replace(torch.export, "export", _refused("torch.export.export", instead=_CALL))
    patches.set(
        FakeTensorMode,
        "__enter__",
        _refused("a fake tensor", instead=_CALL),
    )


def _install_outside(patches: Patches) -> None:
    """What gives tensors away, or asks NVIDIA's libraries."""
    for module, names in (
        (torch.cuda.nvtx, _PROFILER),
        (torch.cuda.nccl, _LIBRARY),
        (torch.cuda.memory, _MEMORY),
    ):
        for name in names:
            patches.replace(module, name, _refused(f"{module.__name__}.{name}"))
    for module in (torch, torch.utils.dlpack):
        patches.replace(
            module,
            "to_dlpack",
            _of_the_cpu_only("Tensor.__dlpack__ of a CUDA tensor", vars(module).get("to_dlpack")),
        )


def _install_types(patches: Patches) -> None:
    """Kinds of tensors, and dtypes that CUDA's kernels choose."""
    for name in ("nested_tensor", "as_nested_tensor", "nested_tensor_from_jagged"):
        if name in vars(torch.nested):
            nested = _of_the_cpu_only(f"torch.nested.{name} of CUDA", vars(torch.nested)[name])
            patches.set(torch.nested, name, nested)
    default = torch.set_default_tensor_type

    def set_default_tensor_type(t: Any) -> None:
        if "cuda" in str(t):
            not_emulated("a CUDA type as the default one", "call torch.set_default_device('cuda')")
        default(t)

    patches.set(torch, "set_default_tensor_type", set_default_tensor_type)
    construct = torch.autocast.__init__

    def autocast(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        enabled = kwargs.get("enabled", args[1] if len(args) > 1 else True)
        if device_type == "cuda" and enabled:
            not_emulated("torch.autocast('cuda')", "its choice of dtypes is that of real kernels")
        construct(self, device_type, *args, **kwargs)

    patches.set(torch.autocast, "__init__", autocast)
