"""Switching the emulation on and off."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

# each registers its handlers
from autograder.cuda import api, gradients, mode, moving, reading, state, storages  # noqa: F401
from autograder.cuda.errors import not_emulated
from autograder.cuda.patches import Patches
from autograder.cuda.randomness import Generator
from autograder.messages import translate as _

_patches: Final = Patches()
_MOST: Final = 16
_decided: bool | None = None


def is_enabled() -> bool:
    """Whether CUDA is emulated now."""
    return state.is_on()


def enable(devices: int = 1, *, force: bool = False, quiet: bool = False) -> bool:
    """Emulate CUDA from now on in this process, and say so.

    Args:
        devices: how many devices there are: ``cuda:0``, ``cuda:1``, ...
        force: emulate it also where there is a real GPU, which is then out of reach.
        quiet: say nothing.

    Returns:
        Whether CUDA is emulated now: not where there is a real GPU, unless ``force``, and not
        while a grader decides about it.

    Raises:
        ValueError: ``devices`` is not between 1 and 16.
    """
    if not 1 <= devices <= _MOST:
        raise ValueError(f"devices={devices}: choose a number from 1 to {_MOST}")
    if _decided is not None:
        return state.is_on()
    if state.is_on():
        if len(state.devices) != devices:
            disable()
        else:
            return True
    if not force and torch.cuda.is_available():
        _tell(quiet, _("There is a real GPU here: CUDA is not emulated."))
        return False
    _switch_on(devices)
    _tell(
        quiet,
        _("CUDA is emulated: the CPU computes everything. It teaches and checks; it is no faster."),
    )
    return True


def disable() -> None:
    """Stop emulating CUDA. Tensors that were on an emulated device are on the CPU."""
    if _decided is None:
        _switch_off()


@contextmanager
def emulated(devices: int = 1) -> Iterator[None]:
    """A block in which CUDA is emulated, also where there is a real GPU."""
    before = len(state.devices)
    enable(devices, force=True, quiet=True)
    try:
        yield
    finally:
        disable()
        if before:
            enable(before, force=True, quiet=True)


def decide(devices: int) -> None:
    """Emulate so many devices, or none, whatever the code that runs later in this process asks.

    For graders: ``enable`` and ``disable`` do nothing any more.
    """
    global _decided
    if len(state.devices) != devices:
        _switch_off()
        if devices:
            _switch_on(devices)
    _decided = devices > 0


def _tell(quiet: bool, text: str) -> None:
    if not quiet:
        print(text, file=sys.stderr)


def _switch_on(devices: int) -> None:
    state.devices.extend(state.Device(index) for index in range(devices))
    for device in state.devices:
        device.generator.manual_seed(torch.initial_seed())
    api.install(_patches)
    storages.install(_patches)
    _patches.set(torch, "Generator", Generator)
    run = gradients.engine(vars(torch.autograd)["_engine_run_backward"])
    _patches.set(torch.autograd, "_engine_run_backward", run)
    _patches.replace(torch.autograd.graph, "_engine_run_backward", run)
    _install_limits()
    _patches.replace(
        sys.modules["torch.optim.optimizer"],
        "_get_foreach_kernels_supported_devices",
        lambda: ["xpu", torch._C._get_privateuse1_backend_name()],
    )
    _patches.set(threading.Thread, "_bootstrap_inner", _in_thread(_bootstrap))
    mode.switch_on()


def _switch_off() -> None:
    if state.devices:
        mode.switch_off()
        _patches.undo()
        state.devices.clear()
        state.current.index = 0


_bootstrap: Final[Callable[[Any], None]] = vars(threading.Thread)["_bootstrap_inner"]


def _in_thread(bootstrap: Callable[[Any], None]) -> Callable[[Any], None]:
    """A thread that is started while the emulation is on has the mode from its beginning."""

    def start(self: threading.Thread) -> None:
        mode.switch_on()
        bootstrap(self)

    return start


def _install_limits() -> None:
    """What runs tensors past the mode, so that it would not see the devices, is refused."""

    def refused(operation: str) -> Callable[..., Any]:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            not_emulated(operation, "call the function or the model itself")

        return refuse

    for module, names in ((torch, ("compile",)), (torch.jit, ("script", "trace", "trace_module"))):
        for name in names:
            _patches.set(module, name, refused(f"{module.__name__}.{name}"))
    original = torch.autocast.__init__

    def autocast(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        enabled = kwargs.get("enabled", args[1] if len(args) > 1 else True)
        if device_type == "cuda" and enabled:
            not_emulated("torch.autocast('cuda')", "its choice of dtypes is that of real kernels")
        original(self, device_type, *args, **kwargs)

    _patches.set(torch.autocast, "__init__", autocast)
