"""Random numbers of emulated devices: a generator for each, apart from the CPU's.

As with CUDA, drawing on a device leaves the CPU's sequence as it is. The numbers are those that
the CPU would draw from the same seed; a real GPU draws others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import torch
import torch.nn.functional as F

from autograder.cuda import state

_lock: Final = threading.RLock()
_NAMES: Final = (
    "rand randn randint randperm normal bernoulli multinomial poisson binomial rand_like "
    "randn_like randint_like dropout dropout_ alpha_dropout alpha_dropout_ "
    "feature_dropout feature_dropout_ feature_alpha_dropout feature_alpha_dropout_ native_dropout "
    "rrelu rrelu_ bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_ "
    "lstm gru rnn_tanh rnn_relu gumbel_softmax fractional_max_pool2d fractional_max_pool3d "
    "fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices dropout1d dropout2d "
    "dropout3d scaled_dot_product_attention multi_head_attention_forward svd_lowrank pca_lowrank "
    "lobpcg trunc_normal_ kaiming_normal_ kaiming_uniform_ xavier_normal_ xavier_uniform_ "
    "orthogonal_ sparse_ bernoulli_with_p"
).split()


def _random_functions() -> frozenset[Any]:
    places: Iterable[Any] = (
        torch,
        torch.Tensor,
        F,
        torch._VF,
        torch._C._nn,
        torch._C._VariableFunctions,
        torch.nn.init,
    )
    found = (getattr(place, name, None) for place in places for name in _NAMES)
    return frozenset(function for function in found if function is not None)


RANDOM: Final = _random_functions()
"""The functions that draw random numbers."""


_Meta: Final[Any] = type(torch._C.Generator)


class _IsGenerator(_Meta):  # type: ignore[misc]
    """``isinstance`` holds for every generator of torch's, as if it were its own class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch._C.Generator)


class Generator(torch._C.Generator, metaclass=_IsGenerator):
    """``torch.Generator``, also for an emulated device."""

    _device: torch.device

    def __new__(cls, device: object = "cpu") -> Any:
        """Make a generator for a device; for the CPU and others it is torch's own.

        Raises:
            RuntimeError: there is no such device.
        """
        index = state.index_for(device)
        if index < 0:
            return torch._C.Generator(device)  # type: ignore[arg-type]
        named = state.device_at(index) if isinstance(device, int) else torch.device(device)  # type: ignore[call-overload]
        return cls.on(named)

    def __init__(self, device: object = "cpu") -> None:
        """Nothing is left to do."""

    @classmethod
    def on(cls, device: torch.device) -> Any:
        """A generator for a device of the emulation's, which may not be there yet."""
        made = torch._C.Generator.__new__(cls)
        made._device = device
        return made

    def clone_state(self) -> Any:
        """Another generator for the same device in the same state."""
        clone = type(self).on(self._device)
        clone.set_state(self.get_state())
        return clone

    def __deepcopy__(self, memo: object) -> Any:
        return self.clone_state()

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device that it was made for, without an index where none was named."""
        return self._device


def is_random(func: object) -> bool:
    """Whether a function draws random numbers."""
    if func in RANDOM:
        return True
    packet = getattr(func, "overloadpacket", func)
    if packet.__class__ is not torch._ops.OpOverloadPacket:
        return False
    overloads = (getattr(packet, name) for name in packet.overloads())
    return any(torch.Tag.nondeterministic_seeded in overload.tags for overload in overloads)


def drawing(
    func: Callable[..., Any], kwargs: Mapping[str, Any], index: int
) -> AbstractContextManager[None]:
    """Have a function draw from a device's generator.

    Raises:
        RuntimeError: it is given a generator of another kind of device.
    """
    given = kwargs.get("generator")
    if given is not None:
        _check(given, index)
    if index < 0 or given is not None or not is_random(func):
        return nullcontext()
    return drawing_from(state.devices[index].generator)


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Let the CPU's default generator go on where another one stands, and put it back."""
    default = torch.default_generator
    with _lock:
        before = default.get_state()
        default.set_state(generator.get_state())
        try:
            yield
        finally:
            generator.set_state(default.get_state())
            default.set_state(before)


def _check(generator: torch.Generator, index: int) -> None:
    expected = "cuda" if index >= 0 else "cpu"
    if generator.device.type != expected:
        raise RuntimeError(
            f"Expected a '{expected}' device type for generator but found '{generator.device.type}'"
        )
