"""The mode through which torch's functions run while the emulation is on.

torch hands each call of its API to a ``TorchFunctionMode`` first (torch.overrides). Here the call
is computed by the CPU, on the same tensors, and what comes out is marked with the device of what
went in. Inside of such a call the mode is off, so torch's own Python code sees CPU tensors only.
Functions that ask for a device, name one or move between two have a handler of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device

from autograder.cuda import kernels, mixing, randomness, state
from autograder.cuda.placement import pinned_copy, place, survey
from autograder.cuda.state import CPU, OTHER

Function = Callable[..., Any]
Handler = Callable[[Function, tuple[Any, ...], dict[str, Any]], Any]

HANDLERS: Final[dict[Any, Handler]] = {}
"""What is called in the place of a function: with it and its arguments."""


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Register a handler for functions, methods, or a property's ``__get__`` or ``__set__``."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(functions, handler))
        return handler

    return register


def default_index() -> int:
    """The device of tensors that are made without naming one."""
    device = _device.CURRENT_DEVICE
    return CPU if device is None else state.index_for(device)


def plain(func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function on the CPU tensors that the emulated ones are."""
    __tracebackhide__ = True
    device = _device.CURRENT_DEVICE
    if device is not None and device.type == "cuda":
        with torch._C.DisableTorchFunction():  # else torch's own code makes tensors there
            return func(*args, **kwargs)
    return func(*args, **kwargs)


def made_on(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any], index: int) -> Any:
    """What a function makes on a device that it names, or on the default one."""
    __tracebackhide__ = True
    if index == OTHER:
        return plain(func, args, kwargs)
    pinned = kwargs.get("pin_memory")
    if pinned:
        kwargs = kwargs | {"pin_memory": False}
        if index >= 0:
            raise RuntimeError("Only dense CPU tensors can be pinned")
    with randomness.drawing(func, kwargs, index):
        out = plain(func, args, kwargs | {"device": "cpu"})
    if index >= 0 or state.current.roots:
        place(out, index)
    return pinned_copy(out) if pinned else out


_OF_NUMBERS: Final = frozenset(
    {torch.full, torch.arange, torch.linspace, torch.logspace, torch.ones, torch.zeros}
)
"""Functions that take tensors for the numbers in them: these do not say where to make another."""


def emulate(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function that knows nothing of devices but an optional ``device``."""
    __tracebackhide__ = True
    spec = kwargs.get("device")
    if spec is not None:
        return made_on(func, args, kwargs, state.index_for(spec))
    index, mixed = survey(args, kwargs)
    if index == OTHER or (index == CPU and "device" in kwargs):
        if func in _device._device_constructors():
            return made_on(func, args, kwargs, default_index())
        return plain(func, args, kwargs)
    if index >= 0 and func in _OF_NUMBERS:
        return made_on(func, args, kwargs, default_index())
    if index == CPU and not state.current.roots:
        return plain(func, args, kwargs)
    before, state.current.computing = state.current.computing, (index, args, kwargs)
    try:
        if mixed and not mixing.agreed(func, args, kwargs):
            return mixing.run(func, args, kwargs, plain)
        limited = kernels.of_cuda(func, args, kwargs) if index >= 0 else nullcontext()
        with limited, randomness.drawing(func, kwargs, index):
            out = plain(func, args, kwargs)
    finally:
        state.current.computing = before
    place(out, index)
    return out


class EmulatedCuda(TorchFunctionMode):
    """Runs torch's functions with the emulated devices."""

    def __torch_function__(
        self,
        func: Function,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call ``func`` in its handler, or the common way (torch.overrides)."""
        __tracebackhide__ = True
        if not state.devices:  # another thread has switched it off
            return func(*args, **(kwargs or {}))
        return HANDLERS.get(func, emulate)(func, args, kwargs or {})


MODE: Final = EmulatedCuda()


def _stack() -> list[Any]:
    """This thread's modes, the innermost last."""
    return list(torch.overrides._get_current_function_mode_stack())


def is_active() -> bool:
    """Whether this thread's calls go through the mode."""
    return MODE in _stack()


def switch_on() -> None:
    """Have this thread's calls go through the mode.

    It goes below the modes of blocks, which take theirs from the top when they end, and above a
    default device, which torch expects at the bottom.
    """
    modes = _stack()
    if MODE in modes:
        return
    lowest = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    place = 1 if lowest is not None and modes[:1] == [lowest] else 0
    _replace(modes, [*modes[:place], MODE, *modes[place:]])


def _replace(old: list[Any], new: list[Any]) -> None:
    for _ in old:
        torch.overrides._pop_mode()
    for other in new:
        torch.overrides._push_mode(other)


def switch_off() -> None:
    """Take the mode out of this thread's stack, wherever it is there."""
    modes = _stack()
    _replace(modes, [other for other in modes if other is not MODE])


@contextmanager
def active() -> Iterator[None]:
    """The mode, for Python code that is called from inside of a call."""
    with nullcontext() if MODE in _stack() or not state.devices else MODE:
        yield
