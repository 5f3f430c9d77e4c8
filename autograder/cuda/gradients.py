"""Gradients: torch's engine makes them without the mode; here they get their device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import torch

from autograder.cuda import state
from autograder.cuda.mode import Function, active, handles, plain
from autograder.cuda.placement import index_of, place
from autograder.cuda.state import CPU

_T: Final[Any] = torch.Tensor
_Args = tuple[Any, ...]
_Kwargs = dict[str, Any]


@handles(_T.grad.__get__, _T._grad.__get__)
def _grad(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    gradient = func(*args)
    if gradient is not None:
        index = index_of(args[0])
        if index >= 0:
            place(gradient, index)
    return gradient


@handles(_T.grad.__set__, _T._grad.__set__)
def _set_grad(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """A gradient must be where its tensor is (torch/csrc/autograd/python_variable.cpp)."""
    tensor, gradient = args
    if isinstance(gradient, torch.Tensor) and not state.current.roots:
        own, given = index_of(tensor), index_of(gradient)
        if (own < 0) != (given < 0):
            if torch.__version__ >= "2.9":
                raise RuntimeError(
                    "attempting to assign a gradient with device type "
                    f"'{state.device_at(given).type}' to a tensor with device type "
                    f"'{state.device_at(own).type}'. Please ensure that the gradient and the "
                    "tensor are on the same device"
                )
            raise RuntimeError("assigned grad has data of a different type")
        if own != given:
            raise RuntimeError("assigned grad has data located on a different device")
    return func(*args)


@handles(_T.register_hook)
def _register_hook(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    tensor, hook = args[0], (args[1] if len(args) > 1 else kwargs["hook"])
    index = index_of(tensor)

    @functools.wraps(hook, assigned=("__name__", "__doc__", "__module__"), updated=())
    def with_device(gradient: torch.Tensor) -> Any:
        place(gradient, index)
        with active():
            return hook(gradient)

    return plain(func, (tensor, with_device), {})


def engine(original: Callable[..., Any]) -> Callable[..., Any]:
    """torch's way into its engine, with the mode on for hooks and custom functions."""

    @functools.wraps(original)
    def run(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not state.devices:
            return original(outputs, *args, **kwargs)
        tensors = [output for output in outputs if isinstance(output, torch.Tensor)]
        before = state.current.roots
        root = max((index_of(tensor) for tensor in tensors), default=CPU)
        state.current.roots = (*before, root)
        try:
            with active():
                found = original(outputs, *args, **kwargs)
        finally:
            state.current.roots = before
        inputs = args[3] if len(args) > 3 else ()
        if isinstance(found, tuple):
            for tensor, gradient in zip(inputs, found, strict=False):
                index = index_of(tensor) if isinstance(tensor, torch.Tensor) else root
                if gradient is not None and index >= 0:
                    place(gradient, index)
        return found

    return run
