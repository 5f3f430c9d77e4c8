"""Switching the emulation on and off."""

from __future__ import annotations

import concurrent.futures.thread
import multiprocessing.util
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

# each registers its handlers
from autograder.cuda import (
    api,
    gradients,
    legacy,
    limits,
    lists,
    mode,
    moving,
    reading,  # noqa: F401
    sequences,  # noqa: F401
    state,
    storages,
)
from autograder.cuda.patches import Patches
from autograder.cuda.randomness import Generator
from autograder.messages import LANGUAGES, N_, in_language, translate

_EMULATED: Final = N_(
    "CUDA is emulated: the CPU computes everything. It teaches and checks; it is no faster."
)
_patches: Final = Patches()
_MOST: Final = 16
_decided: bool | None = None


def is_enabled() -> bool:
    """Whether CUDA is emulated now."""
    return state.is_on()


def enable(
    devices: int = 1, *, force: bool = False, quiet: bool = False, language: str = "es"
) -> bool:
    """Emulate CUDA from now on in this process, and say so.

    Args:
        devices: how many devices there are: ``cuda:0``, ``cuda:1``, ...
        force: emulate it also where there is a real GPU, which is then out of reach.
        quiet: say nothing.
        language: in which it says so, one of ``autograder.messages.LANGUAGES``.

    Returns:
        Whether CUDA is emulated now: not where there is a real GPU, unless ``force``, and not
        while a grader decides about it.

    Raises:
        ValueError: ``devices`` is not between 1 and 16, or there is no such ``language``.
    """
    if not 1 <= devices <= _MOST:
        raise ValueError(f"devices={devices}: choose a number from 1 to {_MOST}")
    if language not in LANGUAGES:
        raise ValueError(f"language={language!r}: choose one of {', '.join(LANGUAGES)}")
    if _decided is not None:
        return state.is_on()
    if len(state.devices) == devices:
        mode.switch_on()  # another thread may have enabled it
        return True
    disable()
    if not force and torch.cuda.is_available():
        _tell(quiet, language, N_("There is a real GPU here: CUDA is not emulated."))
        return False
    _switch_on(_new(devices))
    _tell(quiet, language, _EMULATED)
    return True


def disable() -> None:
    """Stop emulating CUDA. Tensors that were on an emulated device are on the CPU.

    A default device that is CUDA is unset, as there is none any more.
    """
    if _decided is None and state.devices:
        default = torch.utils._device.CURRENT_DEVICE
        if default is not None and default.type == "cuda":
            torch.set_default_device(None)
        _switch_off()


@contextmanager
def emulated(devices: int = 1) -> Iterator[None]:
    """A block in which CUDA is emulated, also where there is a real GPU.

    Where it is on already with as many devices, nothing changes; with another number, tensors that
    are on a device outside are on the CPU inside.
    """
    before, current = list(state.devices), state.current.index
    enable(devices, force=True, quiet=True)
    try:
        yield
    finally:
        if _decided is None and state.devices != before:
            _switch_off()
            if before:
                _switch_on(before)
                state.current.index = current


def decide(devices: int) -> None:
    """Emulate so many devices, or none, whatever the code that runs later in this process asks.

    For graders: ``enable`` and ``disable`` do nothing any more.
    """
    global _decided
    if len(state.devices) != devices:
        _switch_off()
        if devices:
            _switch_on(_new(devices))
    _decided = devices > 0


def _tell(quiet: bool, language: str, text: str) -> None:
    with in_language(language):
        if not quiet:
            print(translate(text))


def _new(count: int) -> list[state.Device]:
    """New devices, seeded as the CPU was."""
    made = [state.Device(index) for index in range(count)]
    for device in made:
        device.generator = Generator.on(device.device)
        device.generator.manual_seed(torch.initial_seed())
    return made


def _switch_on(devices: Sequence[state.Device]) -> None:
    state.attach(devices)
    multiprocessing.util.register_after_fork(state, _in_worker)
    api.install(_patches)
    storages.install(_patches)
    legacy.install(_patches)
    _patches.set(torch, "Generator", Generator)
    run = gradients.engine(vars(torch.autograd)["_engine_run_backward"])
    _patches.set(torch.autograd, "_engine_run_backward", run)
    _patches.replace(torch.autograd.graph, "_engine_run_backward", run)
    function = torch.autograd.Function
    _patches.set(function, "apply", gradients.custom(vars(function)["apply"]))
    hooks = torch.autograd.graph.saved_tensors_hooks
    _patches.set(hooks, "__init__", gradients.saved_tensors_hooks(hooks.__init__))
    # torch takes no other class for a stream, so it is not asked
    _patches.set(torch.Tensor, "record_stream", lambda self, stream: None)
    _patches.set(torch.Tensor, "set_", moving.set_)
    limits.install(_patches)
    # as on the CPU, so that numbers are the same: sums over lists are made in another order
    for module in ("torch.optim.optimizer", "torch.optim.swa_utils"):
        _patches.replace(
            sys.modules[module],
            "_get_foreach_kernels_supported_devices",
            lambda: ["xpu", torch._C._get_privateuse1_backend_name()],
        )
    _patches.set(
        torch._C,
        "_group_tensors_by_device_and_dtype",
        lists.grouped(torch._C._group_tensors_by_device_and_dtype),
    )
    _patches.set(torch.overrides, "has_torch_function", _has_torch_function)
    _patches.set(threading.Thread, "_bootstrap_inner", _in_thread(_bootstrap))
    _patches.set(_WorkItem, "run", _in_thread(vars(_WorkItem)["run"]))
    mode.switch_on()


def _switch_off() -> None:
    if state.devices:
        mode.switch_off()
        _patches.undo()
        state.attach([])


def _in_worker(state: Any) -> None:
    """In a process that multiprocessing has forked, as a ``DataLoader`` does for its workers."""
    state.is_worker = bool(state.devices)


_bootstrap: Final[Callable[[Any], None]] = vars(threading.Thread)["_bootstrap_inner"]
_WorkItem: Final[Any] = vars(concurrent.futures.thread)["_WorkItem"]


def _in_thread(work: Callable[[Any], None]) -> Callable[[Any], None]:
    """A thread that is started while the emulation is on has the mode from its beginning.

    So has a piece of work for a pool, whose threads may be older.
    """

    def start(self: Any) -> None:
        if state.devices:
            mode.switch_on()
        work(self)

    return start


def _has_torch_function(arguments: Any) -> bool:
    """Whether tensors are of classes of their own, whatever mode there is.

    Modules ask before they take a shorter way, which the emulation can go too.
    """
    usual = (torch.Tensor, torch.nn.Parameter)
    return any(isinstance(each, torch.Tensor) and type(each) not in usual for each in arguments)
