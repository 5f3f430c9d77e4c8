"""Gradients: torch's engine makes them without the mode; here they get their device.

A gradient is where the tensor is that it belongs to. Where Python code of the user sees gradients
(hooks, custom functions), they are marked so before, and what that code gives back is checked.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Final

import torch

from autograder.cuda import errors, state
from autograder.cuda.mode import Function, active, handles, plain
from autograder.cuda.placement import index_of, marked, place, storage_of, tensors_in
from autograder.cuda.state import CPU, OTHER

_T: Final[Any] = torch.Tensor
_Args = tuple[Any, ...]
_Kwargs = dict[str, Any]


@handles(_T.grad.__get__, _T._grad.__get__)
def _grad(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    tensor = args[0]
    if tensor.requires_grad and not (tensor.is_leaf or tensor.retains_grad):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gradient = func(*args)
        for warning in caught:  # at the line that reads it, as torch has it
            warnings.warn(warning.message, warning.category, stacklevel=3)
    else:
        gradient = func(*args)
    if gradient is not None:
        index = index_of(args[0])
        if index >= 0:
            place(gradient, index)
    return gradient


@handles(_T.grad.__set__, _T._grad.__set__)
def _set_grad(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    """A gradient must be where its tensor is."""
    tensor, gradient = args
    if isinstance(gradient, torch.Tensor) and not state.current.roots:
        own, given = index_of(tensor), index_of(gradient)
        if own != given:
            raise errors.gradient_elsewhere(state.device_at(given), state.device_at(own))
    return func(*args)


def saved_tensors_hooks(original: Callable[..., None]) -> Callable[..., None]:
    """``saved_tensors_hooks.__init__``: what is saved and restored is seen with its device.

    torch calls the hooks from inside of an operation, for its results before they are marked.
    """

    @functools.wraps(original)
    def init(self: Any, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        def packed(tensor: torch.Tensor) -> Any:
            if state.devices and state.current.computing is not None:
                index, args, kwargs = state.current.computing
                given = {id(storage_of(one)) for one in tensors_in([args, kwargs])}
                if id(storage_of(tensor)) not in given:
                    place(tensor, index)
            with active():
                return pack(tensor)

        def unpacked(kept: Any) -> Any:
            with active():
                return unpack(kept)

        original(self, packed, unpacked)

    return init


@handles(_T.register_hook)
def _register_hook(func: Function, args: _Args, kwargs: _Kwargs) -> Any:
    tensor, hook = args[0], (args[1] if len(args) > 1 else kwargs["hook"])
    index = index_of(tensor)

    @functools.wraps(hook, assigned=("__name__", "__doc__", "__module__"), updated=())
    def with_device(gradient: torch.Tensor) -> Any:
        place(gradient, index)
        with active():
            result = hook(gradient)
        _check_hook(hook, gradient, result)
        return result

    return plain(func, (tensor, with_device), {})


def _check_hook(hook: Any, gradient: torch.Tensor, result: Any) -> None:
    """A hook gives a gradient on the same device (torch/csrc/autograd/python_hook.cpp).

    Raises:
        RuntimeError: it does not.
    """
    own = marked(gradient)
    given = marked(result) if isinstance(result, torch.Tensor) else OTHER
    if given not in (OTHER, own):
        kinds = errors.type_string(gradient.dtype, own), errors.type_string(result.dtype, given)
        name = getattr(hook, "__name__", "<unknown>")
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {kinds[0]} got {kinds[1]})"
        )


def _check_given(outputs: _Args, gradients: _Args) -> None:
    """What ``backward`` is given must be where the outputs are; numbers are brought there.

    Raises:
        RuntimeError: it is not.
    """
    for position, (output, gradient) in enumerate(zip(outputs, gradients, strict=False)):
        if isinstance(gradient, torch.Tensor) and isinstance(output, torch.Tensor):
            _check_place(position, gradient, index_of(output))


def _check_place(position: int, gradient: torch.Tensor, own: int, function: str = "") -> None:
    """What the running pass has made without a mark is taken to be in its place."""
    given = marked(gradient)
    if given == OTHER:
        given = own if state.current.roots else CPU
    if given != own and gradient.dim() > 0:
        raise errors.invalid_gradient(
            position, state.device_at(given), state.device_at(own), function
        )


def custom(original: Any) -> Any:
    """``torch.autograd.Function.apply``: its backward sees and gives marked gradients.

    Args:
        original: torch's class method, as the class has it.
    """

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        out = original.__get__(None, cls)(*args, **kwargs)
        if state.devices and not torch._C._are_functorch_transforms_active():
            _watch(cls, out if isinstance(out, tuple) else (out,), args)
        return out

    return classmethod(apply)


def _watch(cls: Any, outputs: _Args, inputs: _Args) -> None:
    """Have the node of a custom function mark its gradients and check what it makes of them."""
    nodes = [output.grad_fn for output in outputs if isinstance(output, torch.Tensor)]
    node: Any = next((node for node in nodes if isinstance(node, cls._backward_cls)), None)
    if node is None:
        return
    of_outputs = [index_of(o) if isinstance(o, torch.Tensor) else CPU for o in outputs]
    of_inputs = [index_of(i) for i in inputs if isinstance(i, torch.Tensor)]

    def mark(gradients: _Args) -> None:
        for gradient, index in zip(gradients, of_outputs, strict=False):
            place(gradient, index)

    def check(gradients: _Args, given: _Args) -> None:
        for position, (gradient, index) in enumerate(zip(gradients, of_inputs, strict=False)):
            if gradient is not None:
                _check_place(position, gradient, index, type(node).__name__)

    node.register_prehook(mark)
    node.register_hook(check)


def engine(original: Callable[..., Any]) -> Callable[..., Any]:
    """torch's way into its engine, with the mode on for hooks and custom functions."""

    @functools.wraps(original)
    def run(outputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not state.devices:
            return original(outputs, *args, **kwargs)
        tensors = [output for output in outputs if isinstance(output, torch.Tensor)]
        _check_given(outputs, args[0] if args else ())
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
