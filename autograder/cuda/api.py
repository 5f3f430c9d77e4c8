"""What ``torch.cuda`` and ``torch.accelerator`` say and do while CUDA is emulated."""

from __future__ import annotations

import linecache
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import torch

from autograder.cuda import mode, state, streams
from autograder.cuda.errors import invalid_ordinal, not_emulated
from autograder.cuda.patches import Patches
from autograder.cuda.placement import index_of
from autograder.cuda.state import TOTAL_MEMORY

NAME: Final = "Emulated CUDA device (CPU)"
CAPABILITY: Final = (7, 5)
"""The compute capability that it says it has: that of a card without bfloat16 kernels' speed."""


@dataclass(frozen=True)
class Properties:
    """What ``torch.cuda.get_device_properties`` gives."""

    name: str = NAME
    major: int = CAPABILITY[0]
    minor: int = CAPABILITY[1]
    total_memory: int = TOTAL_MEMORY
    multi_processor_count: int = 1
    is_integrated: int = 0
    is_multi_gpu_board: int = 0
    max_threads_per_multi_processor: int = 1024
    warp_size: int = 32
    gcnArchName: str = NAME
    L2_cache_size: int = 4 * 2**20

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // 2**20}MB, "
            f"multi_processor_count={self.multi_processor_count})"
        )


class _Chosen:
    """``torch.cuda.device(...)``: a device is the current one inside; -1 leaves it as it is."""

    def __init__(self, device: object) -> None:
        is_none = device is None or device == -1
        self.idx = -1 if is_none else state.cuda_index(device)
        self.prev_idx = -1

    def __enter__(self) -> None:
        self.prev_idx = state.current.index
        if self.idx >= 0:
            state.current.index = self.idx

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        state.current.index = self.prev_idx


class _ChosenOf(_Chosen):
    """``torch.cuda.device_of(tensor)``: the tensor's device is the current one inside."""

    def __init__(self, obj: torch.Tensor) -> None:
        super().__init__(index_of(obj))


def _set_device(device: object) -> None:
    index = device if isinstance(device, int) else state.cuda_index(device)
    if index >= len(state.devices):
        raise invalid_ordinal()
    if index >= 0:
        state.current.index = index


def _properties(device: object = None) -> Properties:
    index = state.current.index if device is None else device
    if isinstance(index, int) and not 0 <= index < len(state.devices):
        raise AssertionError("Invalid device id")
    state.cuda_index(index)
    return Properties()


def _synchronize(device: object = None) -> None:
    state.cuda_index(device)


def _memory(device: object) -> state.Memory:
    return state.devices[state.cuda_index(device)].memory


def _reset_peak(device: object = None) -> None:
    memory = _memory(device)
    memory.peak, memory.kept_peak = memory.allocated, memory.kept


def _empty_cache() -> None:
    for device in state.devices:
        device.memory.empty_cache()


def _memory_stats(device: object = None) -> OrderedDict[str, Any]:
    memory = _memory(device)
    return OrderedDict(
        {
            "allocated_bytes.all.current": memory.allocated,
            "allocated_bytes.all.peak": memory.peak,
            "allocation.all.allocated": memory.allocations,
            "reserved_bytes.all.current": memory.kept,
            "reserved_bytes.all.peak": memory.kept_peak,
        }
    )


def _memory_summary(device: object = None, abbreviated: bool = False) -> str:
    memory = _memory(device)
    return (
        f"{NAME}: {memory.allocated / 2**20:.1f} MiB allocated (peak {memory.peak / 2**20:.1f}), "
        f"{memory.kept / 2**20:.1f} MiB reserved"
    )


def _generator(device: object) -> torch.Generator:
    return state.devices[state.cuda_index(device)].generator


def _manual_seed_all(seed: int) -> None:
    for device in state.devices:
        device.generator.manual_seed(int(seed))


def _seed_all() -> None:
    _manual_seed_all(torch.Generator().seed())


def _set_rng_states(new_states: Iterable[torch.Tensor]) -> None:
    for device, new_state in zip(state.devices, new_states, strict=False):
        device.generator.set_state(new_state)


def _reached(operation: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        not_emulated(operation)

    return refuse


def _initialise() -> None:
    """What torch calls before it touches a GPU: nothing that is emulated comes here.

    Raises:
        NotEmulatedError: always; it names the function of torch's, or the line, that came here.
    """
    if not mode.is_active():
        not_emulated(
            "CUDA in a thread that was started before it was emulated",
            "call autograder.cuda.enable() in this thread",
        )
    caller = sys._getframe(1)
    module = str(caller.f_globals.get("__name__", ""))
    if module.startswith("torch"):
        not_emulated(f"{module}.{caller.f_code.co_name}")
    line = linecache.getline(caller.f_code.co_filename, caller.f_lineno).strip()
    not_emulated(f"what `{line}` asks of CUDA" if line else "a CUDA function of torch")


_FUNCTIONS: Final[dict[str, Any]] = {
    "is_available": lambda: True,
    "is_initialized": lambda: True,
    "_initialized": True,  # torch.utils.checkpoint keeps random states only then
    "init": lambda: None,
    "_lazy_init": _initialise,
    "_is_in_bad_fork": lambda: False,
    "device_count": lambda: len(state.devices),
    "current_device": lambda: state.current.index,
    "set_device": _set_device,
    "device": _Chosen,
    "device_of": _ChosenOf,
    "get_device_name": lambda device=None: _properties(device).name,
    "get_device_properties": _properties,
    "get_device_capability": lambda device=None: (
        _properties(device).major,
        _properties(device).minor,
    ),
    "get_arch_list": lambda: [f"sm_{CAPABILITY[0]}{CAPABILITY[1]}"],
    "is_bf16_supported": lambda including_emulation=True: bool(including_emulation),
    "is_tf32_supported": lambda: False,
    "can_device_access_peer": lambda device, peer: (
        state.cuda_index(device) != state.cuda_index(peer)
    ),
    "synchronize": _synchronize,
    "ipc_collect": lambda: None,
    "empty_cache": _empty_cache,
    "memory_allocated": lambda device=None: _memory(device).allocated,
    "max_memory_allocated": lambda device=None: _memory(device).peak,
    "memory_reserved": lambda device=None: _memory(device).kept,
    "max_memory_reserved": lambda device=None: _memory(device).kept_peak,
    "memory_cached": lambda device=None: _memory(device).kept,
    "max_memory_cached": lambda device=None: _memory(device).kept_peak,
    "reset_peak_memory_stats": _reset_peak,
    "reset_max_memory_allocated": _reset_peak,
    "reset_max_memory_cached": _reset_peak,
    "reset_accumulated_memory_stats": lambda device=None: None,
    "memory_stats": _memory_stats,
    "memory_summary": _memory_summary,
    "mem_get_info": lambda device=None: (TOTAL_MEMORY - _memory(device).kept, TOTAL_MEMORY),
    "set_per_process_memory_fraction": lambda fraction, device=None: None,
    "manual_seed": lambda seed: _generator(None).manual_seed(int(seed)) and None,
    "manual_seed_all": _manual_seed_all,
    "seed": lambda: _generator(None).seed() and None,
    "seed_all": _seed_all,
    "initial_seed": lambda: _generator(None).initial_seed(),
    "get_rng_state": lambda device="cuda": _generator(device).get_state(),
    "get_rng_state_all": lambda: [device.generator.get_state() for device in state.devices],
    "set_rng_state": lambda new_state, device="cuda": (
        _generator(device).set_state(new_state) and None
    ),
    "set_rng_state_all": _set_rng_states,
    "is_current_stream_capturing": lambda: False,
    "Stream": streams.Stream,
    "Event": streams.Event,
    "StreamContext": streams.StreamContext,
    "stream": streams.stream,
    "current_stream": streams.current_stream,
    "default_stream": streams.default_stream,
    "set_stream": streams.set_stream,
}
"""The functions of ``torch.cuda`` by name."""

_NOT_EMULATED: Final = (
    "CUDAGraph graph graphs make_graphed_callables cudart utilization temperature power_draw "
    "clock_rate memory_usage device_memory_used list_gpu_processes memory_snapshot "
    "get_stream_from_external current_blas_handle caching_allocator_alloc "
    "caching_allocator_delete change_current_allocator MemPool ExternalStream"
).split()

_ACCELERATOR: Final[dict[str, Any]] = {
    "is_available": lambda: True,
    "device_count": lambda: len(state.devices),
    "current_accelerator": lambda check_available=False: torch.device("cuda"),
    "current_device_index": lambda: state.current.index,
    "current_device_idx": lambda: state.current.index,
    "set_device_index": _set_device,
    "set_device_idx": _set_device,
    "device_index": _Chosen,
    "current_stream": streams.current_stream,
    "set_stream": streams.set_stream,
    "synchronize": _synchronize,
    "empty_cache": _empty_cache,
    "memory_allocated": lambda device=None: _memory(device).allocated,
    "max_memory_allocated": lambda device=None: _memory(device).peak,
    "memory_reserved": lambda device=None: _memory(device).kept,
    "max_memory_reserved": lambda device=None: _memory(device).kept_peak,
    "memory_stats": _memory_stats,
    "reset_peak_memory_stats": _reset_peak,
    "reset_accumulated_memory_stats": lambda device=None: None,
    "get_memory_info": lambda device=None: (TOTAL_MEMORY - _memory(device).kept, TOTAL_MEMORY),
}

_BETWEEN_GPUS: Final = (
    "broadcast broadcast_coalesced reduce_add reduce_add_coalesced gather".split()
)


def _module_of(device: object = None) -> Any:
    """``torch.get_device_module``: without a device it is that of the accelerator."""
    return getattr(torch, "cuda" if device is None else torch.device(device).type)  # type: ignore[call-overload]


def _scatter(
    tensor: torch.Tensor,
    devices: Iterable[object] | None = None,
    chunk_sizes: object = None,
    dim: int = 0,
    streams: object = None,
    *,
    out: object = None,
) -> tuple[torch.Tensor, ...]:
    """To one GPU, as ``nn.DataParallel`` asks where there is one, it is a move.

    Raises:
        NotEmulatedError: to more of them.
    """
    indices = [state.cuda_index(device) for device in devices or ()]
    if len(indices) != 1:
        not_emulated("torch.nn.parallel.comm.scatter to several GPUs")
    return (tensor.to(state.device_at(indices[0])),)


def _named(name: str, function: Any) -> Any:
    """A function under the name that it goes by in torch."""
    if getattr(function, "__name__", "") == "<lambda>":
        function.__name__ = function.__qualname__ = name
        function.__module__ = "torch.cuda"
    return function


def install(patches: Patches) -> None:
    """Put the functions in the place of torch's."""
    streams.install(patches)
    for name, function in _FUNCTIONS.items():
        patches.replace(torch.cuda, name, _named(name, function))
    for name in _NOT_EMULATED:
        patches.replace(torch.cuda, name, _reached(f"torch.cuda.{name}"))
    for module in (torch.cuda.memory, torch.cuda.random):
        for name, function in _FUNCTIONS.items():
            if name in vars(module):
                patches.set(module, name, function)
    generators = tuple(device.generator for device in state.devices)
    patches.set(torch.cuda, "default_generators", generators)
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None:
        for name, function in _ACCELERATOR.items():
            patches.replace(accelerator, name, function)
    for name in _BETWEEN_GPUS:
        operation = f"torch.nn.parallel.comm.{name}"
        patches.replace(torch.nn.parallel.comm, name, _reached(operation))
    patches.set(torch.nn.parallel.comm, "scatter", _scatter)
    patches.replace(torch, "get_device_module", _module_of)
    patches.replace(torch.backends.cudnn, "is_acceptable", lambda tensor: False)
