"""What CUDA does, behaviour by behaviour, each with where one can read that it does so.

The table holds for a real GPU as for the emulated one: ``test_behaviours.py`` runs each line on
the emulation and, where there is a GPU, once more on that. Numbers are small integers that every
kernel computes exactly; random ones are checked for their properties only.
"""

import concurrent.futures.thread
import copy
import io
import math
import os
import pickle
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from autograder import cuda

VERSION: Final = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
ACCELERATOR_ERROR: Final[type[Exception]] = getattr(torch, "AcceleratorError", RuntimeError)
"""The type of the CUDA runtime's errors: its own since torch 2.8."""

NO_KERNEL: Final[type[Exception]] = NotImplementedError if VERSION >= (2, 6) else RuntimeError
"""The type of the error of ATen/Dispatch.h for a dtype that a kernel does not take."""


@dataclass(frozen=True)
class Source:
    """Where an expectation comes from."""

    kind: Literal["documentation", "source", "observation", "limit"]
    place: str


@dataclass(frozen=True)
class Raises:
    """The error that must come."""

    kind: type[BaseException]
    text: str | re.Pattern[str]


@dataclass(frozen=True)
class Behaviour:
    """One thing that CUDA does."""

    name: str
    run: Callable[[], object]
    expected: object
    source: Source
    devices: int = 1
    since: tuple[int, int] = (2, 4)
    emulated_only: bool = False


BEHAVIOURS: Final[list[Behaviour]] = []

_Run = Callable[[], object]


def gives(
    expected: object,
    source: Source,
    *,
    devices: int = 1,
    since: tuple[int, int] = (2, 4),
    emulated_only: bool = False,
) -> Callable[[_Run], _Run]:
    """Put a function into the table: it gives this value, or raises this error."""

    def register(run: _Run) -> _Run:
        name = run.__name__
        BEHAVIOURS.append(Behaviour(name, run, expected, source, devices, since, emulated_only))
        return run

    return register


def raises(
    kind: type[BaseException],
    text: str | re.Pattern[str],
    source: Source,
    *,
    devices: int = 1,
    since: tuple[int, int] = (2, 4),
    emulated_only: bool = False,
) -> Callable[[_Run], _Run]:
    """Put a function into the table that raises an error with this whole text."""
    expected = Raises(kind, text)
    return gives(expected, source, devices=devices, since=since, emulated_only=emulated_only)


def docs(page: str) -> Source:
    """A page of torch's documentation."""
    return Source("documentation", f"https://docs.pytorch.org/docs/stable/{page}.html")


def code(place: str) -> Source:
    """A file of torch's sources and what is to be read there."""
    return Source("source", place)


def seen(repository: str, number: int) -> Source:
    """Somebody's report of what a real GPU did."""
    return Source("observation", f"https://github.com/{repository}/issues/{number}")


def limit(operation: str) -> Source:
    """What the emulation says that it cannot do (docs of ``autograder.cuda``)."""
    return Source("limit", operation)


def other_device(argument: str, own: str, common: str, method: str) -> str:
    """The check before a kernel (c10 ``common_device_check_failure``), in this torch's words."""
    start = "Expected all tensors to be on the same device, but "
    if VERSION >= (2, 9):
        return (
            f"{start}got {argument} is on {own}, different from other tensors on {common} "
            f"(when checking argument in method wrapper_CUDA_{method})"
        )
    return (
        f"{start}found at least two devices, {common} and {own}! "
        f"(when checking argument for argument {argument} in method wrapper_CUDA_{method})"
    )


TWO_DEVICES: Final = (
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
)
TO_NUMPY: Final = (
    "can't convert cuda:0 device type tensor to numpy. "
    "Use Tensor.cpu() to copy the tensor to host memory first."
)
NO_SUCH_DEVICE: Final = re.compile(r"(?s)CUDA error: invalid device ordinal\n.*")

ITERATOR: Final = code("aten/src/ATen/TensorIterator.cpp: TensorIteratorBase::compute_types")
NUMPY: Final = code("torch/csrc/utils/tensor_numpy.cpp: tensor_to_numpy")
SHOWN: Final = code("torch/_tensor_str.py: _str_intern")
MODULE: Final = docs("generated/torch.nn.Module")
LOAD: Final = docs("generated/torch.load")
CUDA_NOTES: Final = docs("notes/cuda")
AUTOGRAD: Final = docs("notes/autograd")


def on(device: str, *values: float) -> torch.Tensor:
    """A vector on a device."""
    return torch.tensor(values, device=device)


def ones(*shape: int) -> torch.Tensor:
    """Ones on the GPU."""
    return torch.ones(shape, device="cuda")


def where(*tensors: torch.Tensor | None) -> list[str]:
    """The devices that tensors are on."""
    return [str(tensor.device) for tensor in tensors if tensor is not None]


def state(tensor: torch.Tensor) -> tuple[object, str]:
    """A tensor's numbers and its device."""
    return tensor.tolist(), str(tensor.device)


# torch.cuda: what is there


@gives(True, docs("generated/torch.cuda.is_available"))
def a_gpu_is_available() -> object:
    return torch.cuda.is_available()


@gives(True, docs("generated/torch.cuda.device_count"))
def there_is_at_least_one_device() -> object:
    return torch.cuda.device_count() >= 1


@gives(True, docs("generated/torch.cuda.device_count"), devices=2)
def there_are_two_devices_on_request() -> object:
    return torch.cuda.device_count() >= 2


@gives(0, docs("generated/torch.cuda.current_device"))
def the_first_device_is_current() -> object:
    return torch.cuda.current_device()


@gives([True, True, True], docs("generated/torch.cuda.get_device_name"))
def a_device_has_a_name_by_any_way_to_ask() -> object:
    name = torch.cuda.get_device_name()
    ways = (0, "cuda:0", torch.device("cuda"))
    return [len(name) > 0 and torch.cuda.get_device_name(way) == name for way in ways]


@gives([True, True, True, True], docs("generated/torch.cuda.get_device_properties"))
def a_device_has_properties() -> object:
    found = torch.cuda.get_device_properties(0)
    return [
        found.name == torch.cuda.get_device_name(0),
        found.total_memory > 2**30,
        found.multi_processor_count >= 1,
        (found.major, found.minor) == torch.cuda.get_device_capability(0),
    ]


@raises(AssertionError, "Invalid device id", code("torch/cuda/__init__.py: get_device_properties"))
def properties_of_a_device_that_is_not_there() -> object:
    return torch.cuda.get_device_properties(50)


@raises(
    ValueError,
    "Expected a cuda device, but got: cpu",
    code("torch/cuda/_utils.py: _get_device_index"),
)
def the_name_of_the_cpu() -> object:
    return torch.cuda.get_device_name("cpu")


@gives([None, None, None], docs("generated/torch.cuda.synchronize"))
def synchronize_gives_nothing() -> object:
    synchronize: Any = torch.cuda.synchronize
    return [synchronize(), synchronize(0), synchronize("cuda:0")]


@gives(True, docs("generated/torch.cuda.is_initialized"))
def cuda_is_initialised_once_it_was_used() -> object:
    ones(1)
    return torch.cuda.is_initialized()


@gives(["bool", "list"], docs("generated/torch.cuda.is_bf16_supported"))
def questions_for_kinds_of_kernels_have_answers() -> object:
    answers = (torch.cuda.is_bf16_supported(), torch.cuda.get_arch_list())
    return [type(answer).__name__ for answer in answers]


@gives(["cuda", True, 0], docs("accelerator"), since=(2, 9))
def the_accelerator_is_cuda() -> object:
    accelerator = torch.accelerator
    found = accelerator.current_accelerator()
    return [str(found), accelerator.device_count() >= 1, accelerator.current_device_index()]


@gives([True, True], docs("backends"))
def settings_of_backends_are_kept() -> object:
    before = torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    found = [torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32]
    torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32 = before
    return found


# memory


@gives(
    4096, code("c10/cuda/CUDACachingAllocator.cpp: kMinBlockSize, round_size (multiples of 512)")
)
def memory_comes_in_blocks_of_512_bytes() -> object:
    before = torch.cuda.memory_allocated()
    kept = torch.empty(1000, device="cuda")
    return torch.cuda.memory_allocated() - before + 0 * kept.numel()


@gives(0, docs("generated/torch.cuda.memory.memory_allocated"))
def memory_is_free_once_nothing_refers_to_it() -> object:
    before = torch.cuda.memory_allocated()
    held = torch.empty(1000, device="cuda")
    del held
    return torch.cuda.memory_allocated() - before


@gives(0, docs("tensor_view"))
def a_view_takes_no_memory() -> object:
    held = torch.empty(1000, device="cuda")
    before = torch.cuda.memory_allocated()
    views = [held[:10], held.view(10, 100), held.t(), held.detach()]
    return torch.cuda.memory_allocated() - before + 0 * len(views)


@gives([True, 0], docs("generated/torch.cuda.memory.max_memory_allocated"))
def the_peak_of_memory_is_kept_until_it_is_reset() -> object:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    held = torch.empty(2**20, device="cuda")
    del held
    peak = torch.cuda.max_memory_allocated() - before
    torch.cuda.reset_peak_memory_stats()
    return [peak >= 4 * 2**20, torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()]


@gives([None, True, True], docs("generated/torch.cuda.memory.empty_cache"))
def memory_that_is_kept_is_given_back() -> object:
    held = torch.empty(2**22, device="cuda")
    kept = torch.cuda.memory_reserved()
    enough = kept >= torch.cuda.memory_allocated()
    del held
    torch.cuda.synchronize()
    cleared: Any = torch.cuda.empty_cache
    return [cleared(), enough, torch.cuda.memory_reserved() < kept]


@gives(True, docs("generated/torch.cuda.memory.mem_get_info"))
def free_memory_is_part_of_all_memory() -> object:
    free, total = torch.cuda.mem_get_info()
    return 0 < free <= total


@gives(True, docs("generated/torch.cuda.memory.memory_stats"))
def statistics_of_memory_name_what_is_in_use() -> object:
    held = ones(100)
    found = torch.cuda.memory_stats()["allocated_bytes.all.current"]
    return found == torch.cuda.memory_allocated() and held.numel() == 100


# which device


@gives("cuda:0", docs("tensor_attributes"))
def cuda_without_a_number_is_the_current_device() -> object:
    return str(ones(1).device)


@gives(["cuda:1", "cuda:0"], docs("generated/torch.cuda.device"), devices=2)
def a_device_is_current_in_a_block() -> object:
    with torch.cuda.device(1):
        inside = ones(1)
    return where(inside, ones(1))


@gives([1, 0], docs("generated/torch.cuda.device_of"), devices=2)
def the_device_of_a_tensor_is_current_in_a_block() -> object:
    with torch.cuda.device_of(on("cuda:1", 1)):
        inside = torch.cuda.current_device()
    return [inside, torch.cuda.current_device()]


@gives(0, docs("generated/torch.cuda.device"), devices=2)
def an_error_in_the_block_puts_the_device_back() -> object:
    try:
        with torch.cuda.device("cuda:1"):
            raise KeyError
    except KeyError:
        return torch.cuda.current_device()


@gives(["cuda:1", 1], docs("generated/torch.cuda.set_device"), devices=2)
def a_device_is_made_current() -> object:
    torch.cuda.set_device("cuda:1")
    try:
        return [str(torch.ones(1).cuda().device), torch.cuda.current_device()]
    finally:
        torch.cuda.set_device(0)


@gives("cuda:1", CUDA_NOTES, devices=2)
def results_are_where_the_operands_are_whatever_device_is_current() -> object:
    x = on("cuda:1", 1)
    with torch.cuda.device(0):
        return str((x + x).device)


@gives([0, 1], CUDA_NOTES, devices=2)
def each_thread_has_a_current_device_of_its_own() -> object:
    found = []
    torch.cuda.set_device(1)
    try:
        thread = threading.Thread(target=lambda: found.append(torch.cuda.current_device()))
        thread.start()
        thread.join()
        return [*found, torch.cuda.current_device()]
    finally:
        torch.cuda.set_device(0)


@gives("device(type='cuda', index=0)", docs("tensor_attributes"))
def a_number_alone_is_a_device_of_the_accelerator() -> object:
    return repr(torch.device(0))


@gives("cuda:0", docs("tensor_attributes"))
def a_number_is_taken_for_a_device() -> object:
    return str(torch.zeros(1, device=0).device)


@gives([False, True], docs("tensor_attributes"))
def cuda_and_cuda_0_are_not_equal_as_devices() -> object:
    return [torch.device("cuda") == ones(1).device, torch.device("cuda:0") == ones(1).device]


@raises(ACCELERATOR_ERROR, NO_SUCH_DEVICE, seen("pytorch/pytorch", 62451))
def a_tensor_on_a_device_that_is_not_there() -> object:
    return torch.ones(1, device="cuda:50")


@raises(ACCELERATOR_ERROR, NO_SUCH_DEVICE, seen("lich99/ChatGLM-finetune-LoRA", 16))
def a_device_that_is_not_there_is_made_current() -> object:
    torch.cuda.set_device(50)
    return None


@raises(ACCELERATOR_ERROR, NO_SUCH_DEVICE, seen("ZhaoJ9014/face.evoLVe", 58))
def a_tensor_is_moved_to_a_device_that_is_not_there() -> object:
    return torch.ones(1).to("cuda:50")


@raises(
    RuntimeError,
    "Device index must not be negative",
    code("torch/csrc/utils/python_arg_parser.h: toDevice"),
)
def a_negative_number_for_a_device() -> object:
    return torch.ones(1, device=-1)


@raises(
    RuntimeError,
    "Device index must not be negative",
    code("torch/csrc/utils/python_arg_parser.h: toDevice"),
)
def moving_to_a_negative_number() -> object:
    return ones(1).to(-1)


@raises(RuntimeError, "Invalid device string: 'cuda:x'", code("c10/core/Device.cpp: parse_type"))
def a_device_with_a_letter_for_a_number() -> object:
    return torch.ones(1, device="cuda:x")


@raises(
    RuntimeError,
    re.compile(r"Expected one of cpu, cuda, .* device type at start of device string: gpu"),
    code("c10/core/Device.cpp: parse_type"),
)
def a_device_that_does_not_exist() -> object:
    return torch.ones(1).to("gpu")


# streams and events


@gives([True, True, True], docs("generated/torch.cuda.current_stream"))
def the_default_stream_is_the_current_one() -> object:
    current, default = torch.cuda.current_stream(), torch.cuda.default_stream()
    return [current == default, hash(current) == hash(default), default.cuda_stream == 0]


@gives([True, True, "cuda:0"], docs("generated/torch.cuda.stream"))
def a_stream_is_the_current_one_in_a_block() -> object:
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        inside = torch.cuda.current_stream() == stream
    after = torch.cuda.current_stream() == torch.cuda.default_stream()
    return [inside, after, str(stream.device)]


@gives([[3.0, 3.0], True], docs("generated/torch.cuda.streams.Stream"))
def streams_wait_for_each_other() -> object:
    stream = torch.cuda.Stream()
    x = ones(2)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        y = x + 2
    torch.cuda.current_stream().wait_stream(stream)
    y.record_stream(torch.cuda.current_stream())
    stream.synchronize()
    return [y.tolist(), stream.query()]


@gives([True, True, True], docs("generated/torch.cuda.Event"))
def events_take_the_time() -> object:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    ones(10, 10) @ ones(10, 10)
    end.record()
    end.synchronize()
    took = start.elapsed_time(end)
    return [isinstance(took, float), took >= 0, end.query()]


@raises(
    ValueError,
    "Both events must be created with argument 'enable_timing=True'.",
    code("aten/src/ATen/cuda/CUDAEvent.h: elapsed_time"),
    since=(2, 9),
)
def events_that_take_no_time() -> object:
    start, end = torch.cuda.Event(), torch.cuda.Event()
    start.record()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


# making tensors


@gives({"cuda:0"}, docs("torch"))
def constants_are_made_on_a_device() -> object:
    d = "cuda"
    made = [
        torch.empty(2, device=d),
        torch.zeros(2, device=d),
        torch.ones(2, device=d),
        torch.full((2,), 3, device=d),
        torch.eye(2, device=d),
        torch.empty_strided((2,), (1,), device=d),
        torch.tensor([1], device=d),
        torch.scalar_tensor(1, device=d),
        torch.sparse_coo_tensor(torch.tensor([[0]]), [1.0], (2,), device=d),
        torch.complex(torch.ones(1, device=d), torch.ones(1, device=d)),
    ]
    return set(where(*made))


@gives({"cuda:0"}, docs("torch"))
def ranges_and_windows_are_made_on_a_device() -> object:
    d = "cuda"
    made = [
        torch.arange(3, device=d),
        torch.linspace(0, 1, 3, device=d),
        torch.logspace(0, 1, 3, device=d),
        torch.tril_indices(2, 2, device=d),
        torch.triu_indices(2, 2, device=d),
        torch.hann_window(4, device=d),
        torch.cartesian_prod(torch.arange(2, device=d), torch.arange(2, device=d)),
        torch.fft.fftfreq(4, device=d),
    ]
    return set(where(*made))


@gives({"cuda:0"}, docs("torch"))
def random_numbers_are_made_on_a_device() -> object:
    d = "cuda"
    made = [
        torch.rand(2, device=d),
        torch.randn(2, device=d),
        torch.randint(3, (2,), device=d),
        torch.randperm(3, device=d),
        torch.normal(0.0, 1.0, (2,), device=d),
        torch.bernoulli(torch.full((2,), 0.5, device=d)),
        torch.empty(2, device=d).uniform_(),
        torch.multinomial(torch.ones(3, device=d), 2),
    ]
    return set(where(*made))


@gives([[0, 1, 2, 3, 4], "cuda:0"], docs("generated/torch.randperm"))
def a_permutation_on_the_device_has_every_number_once() -> object:
    order = torch.randperm(5, device="cuda")
    return [sorted(order.tolist()), str(order.device)]


@gives(["cuda:0"] * 6, docs("generated/torch.zeros_like"))
def like_another_tensor_means_also_its_device() -> object:
    x = ones(2)
    return where(
        torch.zeros_like(x),
        torch.ones_like(x),
        torch.empty_like(x),
        torch.full_like(x, 2),
        torch.rand_like(x),
        torch.randn_like(x),
    )


@gives(["cpu", "cuda:0"], docs("generated/torch.zeros_like"))
def like_another_tensor_but_elsewhere() -> object:
    x = ones(2)
    return where(torch.zeros_like(x, device="cpu"), torch.rand_like(x.cpu(), device="cuda"))


@gives(["cuda:0"] * 5, docs("generated/torch.Tensor.new_zeros"))
def new_tensors_of_a_tensor_are_on_its_device() -> object:
    x = ones(2)
    return where(
        x.new_zeros(1), x.new_ones(1), x.new_empty(1), x.new_full((1,), 2), x.new_tensor([1.0])
    )


@gives(["cpu", "cuda:0"], docs("generated/torch.Tensor.new_zeros"))
def new_tensors_of_a_tensor_elsewhere() -> object:
    return where(ones(2).new_zeros(1, device="cpu"), torch.ones(2).new_ones(1, device="cuda"))


@gives(([1.0], "cuda:0"), docs("generated/torch.Tensor.new_tensor"))
def a_new_tensor_from_one_of_the_cpu() -> object:
    return state(ones(2).new_tensor(torch.tensor([1.0])))


@gives("cuda:0", docs("generated/torch.tensor"))
def a_tensor_from_a_tensor_is_where_that_is() -> object:
    return str(torch.tensor(ones(2)).device)


@gives(([1.0, 1.0], "cpu"), docs("generated/torch.tensor"))
def a_tensor_from_a_list_of_scalars_of_the_gpu_is_on_the_cpu() -> object:
    x = ones(2)
    return state(torch.tensor([x[0], x[1]]))


@gives([True, True, "cuda:0"], docs("generated/torch.as_tensor"))
def as_tensor_and_asarray_give_the_tensor_itself() -> object:
    x = ones(2)
    again = torch.asarray(x)
    return [
        torch.as_tensor(x) is x,
        again.data_ptr() == x.data_ptr(),
        str(torch.as_tensor(x, device="cuda").device),
    ]


@gives([([1.0, 1.0], "cuda:0"), ([1.0, 1.0], "cpu")], docs("generated/torch.as_tensor"))
def as_tensor_moves() -> object:
    return [
        state(torch.as_tensor(torch.ones(2), device="cuda")),
        state(torch.as_tensor(ones(2), device="cpu")),
    ]


@gives([([1.0, 1.0], "cuda:0"), ([1.0, 1.0], "cuda:0")], docs("generated/torch.from_numpy"))
def an_array_on_the_gpu_shares_nothing_with_the_array() -> object:
    array = np.ones(2)
    moved, made = torch.from_numpy(array).to("cuda"), torch.as_tensor(array, device="cuda")
    array[:] = 7
    return [state(moved), state(made)]


@gives(["cuda:0", "cuda:0", "cpu", "cuda:0"], docs("generated/torch.set_default_device"))
def a_default_device_is_set() -> object:
    torch.set_default_device("cuda")
    try:
        made = [torch.ones(1), torch.tensor([1]), torch.ones(1, device="cpu"), nn.Linear(1, 1).bias]
    finally:
        torch.set_default_device(None)
    return where(*made)


@gives(
    ["device(type='cuda', index=0)", "cpu"],
    docs("generated/torch.get_default_device"),
    since=(2, 5),
)
def the_default_device_is_told() -> object:
    torch.set_default_device("cuda")
    try:
        inside = repr(torch.get_default_device())
    finally:
        torch.set_default_device(None)
    return [inside, str(torch.get_default_device())]


@gives(["cuda:0", "cuda:0", "cpu"], docs("tensor_attributes"))
def a_device_is_the_default_in_a_block() -> object:
    with torch.device("cuda"):
        made = [torch.zeros(1), nn.Linear(1, 1).weight]
    return where(*made, torch.zeros(1))


@gives("cpu", docs("generated/torch.set_default_device"))
def from_numpy_disregards_the_default_device() -> object:
    with torch.device("cuda"):
        return str(torch.from_numpy(np.ones(2)).device)


@raises(
    RuntimeError,
    "Expected a 'cuda' device type for generator but found 'cpu'",
    seen("NarcissusEx/CuNeRF", 8),
)
def a_loader_shuffles_with_the_gpu_as_default_device() -> object:
    data = TensorDataset(torch.arange(4))
    loader: DataLoader[Any] = DataLoader(data, shuffle=True, generator=torch.Generator())
    torch.set_default_device("cuda")
    try:
        return list(loader)
    finally:
        torch.set_default_device(None)


# moving


@gives([([1.0, 2.0], "cuda:0")] * 5, docs("generated/torch.Tensor.to"))
def to_takes_a_device_in_any_form() -> object:
    x = torch.tensor([1.0, 2.0])
    ways = ("cuda", "cuda:0", torch.device("cuda"), torch.device("cuda", 0), 0)
    return [state(x.to(way)) for way in ways]


@gives(["torch.float64 cuda:0"] * 4, docs("generated/torch.Tensor.to"))
def to_takes_a_device_and_a_dtype() -> object:
    x = torch.tensor([1.0])
    moved = (
        x.to("cuda", torch.float64),
        x.to(device="cuda", dtype=torch.float64),
        x.to("cuda", dtype=torch.float64),
        x.to(dtype=torch.float64, device=torch.device("cuda")),
    )
    return [f"{each.dtype} {each.device}" for each in moved]


@gives(["torch.int64 cuda:0"] * 2, docs("generated/torch.Tensor.to"))
def to_takes_another_tensor() -> object:
    x, other = torch.tensor([1.5]), torch.tensor([1], device="cuda")
    moved = (x.to(other), x.to(tensor=other))  # type: ignore[call-overload]
    return [f"{each.dtype} {each.device}" for each in moved]


@gives(["cuda:0"] * 4, docs("generated/torch.Tensor.to"))
def to_takes_non_blocking_and_copy() -> object:
    x = torch.ones(2)
    return where(
        x.to("cuda", non_blocking=True),
        x.to("cuda", torch.float32, True),
        x.to("cuda", torch.float32, False, True),
        x.to("cuda", copy=True),
    )


@gives(["cuda:0", "torch.float16"], docs("generated/torch.Tensor.to"))
def to_another_dtype_stays_on_the_device() -> object:
    x = ones(1).to(torch.float16)
    return [str(x.device), str(x.dtype)]


@gives([True, True, True, True, False], docs("generated/torch.Tensor.to"))
def to_gives_the_tensor_itself_where_nothing_changes() -> object:
    x = ones(1)
    return [
        x.to("cuda") is x,
        x.to("cuda:0", torch.float32) is x,
        x.to(x.clone()) is x,
        x.cuda() is x,
        x.to("cuda", copy=True) is x,
    ]


@gives(["cuda:0", "cuda:0", "cuda:0"], docs("generated/torch.Tensor.cuda"))
def cuda_takes_a_device_in_any_form() -> object:
    x = torch.ones(1)
    return where(x.cuda(), x.cuda(0), x.cuda("cuda:0", non_blocking=True))


@gives("cuda:1", docs("generated/torch.Tensor.cuda"), devices=2)
def cuda_takes_another_device() -> object:
    return str(ones(1).cuda(1).device)


@gives([([1.0], "cpu"), True], docs("generated/torch.Tensor.cpu"))
def cpu_copies_only_from_elsewhere() -> object:
    x = torch.ones(1)
    return [state(ones(1).cpu()), x.cpu() is x]


@gives([[1.0, 1.0], [5.0, 1.0]], docs("generated/torch.Tensor.to"))
def a_copy_on_another_device_is_a_copy() -> object:
    x = torch.ones(2)
    moved = x.to("cuda")
    moved[0] = 5
    return [x.tolist(), moved.tolist()]


@gives((1, 2), docs("generated/torch.Tensor.to"))
def strides_survive_the_way() -> object:
    return torch.arange(6.0).view(3, 2).t().to("cuda").stride()


@gives(["meta", "meta"], docs("meta"))
def a_tensor_goes_to_the_meta_device() -> object:
    return where(ones(2).to("meta"), torch.empty(2, device="meta"))


@raises(
    NotImplementedError,
    "Cannot copy out of meta tensor; no data!",
    code("aten/src/ATen/native/Copy.cpp: copy_impl"),
)
def a_tensor_comes_from_the_meta_device() -> object:
    return torch.empty(2, device="meta").to("cuda")


@gives(
    ["torch.cuda.FloatTensor", "torch.cuda.LongTensor", "torch.FloatTensor"],
    docs("tensors"),
)
def the_type_names_the_device() -> object:
    return [ones(1).type(), torch.tensor([1], device="cuda").type(), ones(1).cpu().type()]


@gives(["cuda:0", "cpu", "cuda:0"], docs("generated/torch.Tensor.type"))
def type_moves() -> object:
    return where(
        torch.ones(1).type("torch.cuda.FloatTensor"),
        ones(1).type("torch.FloatTensor"),
        ones(1).type(torch.float64),
    )


@gives(["torch.float64", "cuda:0"], docs("generated/torch.Tensor.type_as"))
def type_as_moves() -> object:
    moved = torch.ones(1).type_as(ones(1).double())
    return [str(moved.dtype), str(moved.device)]


@gives([True, False, 0, -1, "cuda", 0], docs("tensors"))
def a_tensor_says_where_it_is() -> object:
    x = ones(1)
    return [
        x.is_cuda,
        x.is_cpu,
        x.get_device(),
        x.cpu().get_device(),
        x.device.type,
        x.device.index,
    ]


@gives(["cuda:0", True, "cuda:0"], docs("storage"))
def a_storage_says_where_it_is() -> object:
    x = ones(1)
    return [
        str(x.untyped_storage().device),
        x.untyped_storage().is_cuda,
        str(x[:0].untyped_storage().device),
    ]


@gives([([1.0], "cuda:0"), ([2.0], "cpu")], docs("generated/torch.Tensor.copy_"))
def copy_brings_numbers_from_another_device() -> object:
    x, y = ones(1), torch.full((1,), 2.0)
    return [state(torch.zeros(1, device="cuda").copy_(x.cpu())), state(x.cpu().copy_(y.cuda()))]


@gives([True, True], docs("generated/torch.Tensor.share_memory_"))
def tensors_of_the_gpu_count_as_shared() -> object:
    x = ones(1)
    return [x.is_shared(), x.share_memory_() is x]


@gives([([1.0, 2.0], "cuda:1"), ([1.0, 2.0], "cuda:0")], CUDA_NOTES, devices=2)
def a_tensor_goes_from_one_gpu_to_another() -> object:
    x = on("cuda:0", 1.0, 2.0)
    return [state(x.to("cuda:1")), state(x.to("cuda:1").to(x))]


@gives([True, False, False, "cuda:0"], docs("tensors"))
def the_type_of_a_tensor_names_the_device() -> object:
    types: Any = torch.cuda
    return [
        isinstance(ones(1), types.FloatTensor),
        isinstance(ones(1).cpu(), types.FloatTensor),
        isinstance(ones(1), types.LongTensor),
        str(types.FloatTensor([1.0, 2.0]).device),
    ]


@gives(["cpu", "cpu", "cpu"], docs("generated/torch.full"))
def a_number_of_the_gpu_does_not_say_where_to_make_a_tensor() -> object:
    two: Any = torch.tensor(2.0, device="cuda")
    return where(torch.full((2,), two), torch.arange(two), torch.zeros(two.int()))


@raises(
    RuntimeError,
    "Invalid device, must be cuda device",
    code("tools/autograd/templates/python_variable_methods.cpp: THPVariable_cuda"),
)
def cuda_is_given_the_cpu() -> object:
    return ones(1).cuda("cpu")


@raises(
    RuntimeError,
    'Attempted to set the storage of a tensor on device "cuda:0" to a storage on different device '
    '"cpu".  This is no longer allowed; the devices must match.',
    code("aten/src/ATen/native/Resize.h: checkSetStorage"),
)
def the_memory_of_the_cpu_is_set() -> object:
    x: Any = ones(1)
    return x.set_(torch.ones(1))


@raises(
    TypeError,
    "apply_ is only implemented on CPU tensors",
    code("torch/csrc/utils/tensor_apply.cpp: apply_"),
)
def a_function_of_python_is_applied_on_the_gpu() -> object:
    return ones(1).apply_(lambda number: number + 1)


# pinned memory


@gives([False, True, True], docs("generated/torch.Tensor.pin_memory"))
def memory_is_pinned() -> object:
    x = torch.ones(2)
    pinned = x.pin_memory()
    return [x.is_pinned(), pinned.is_pinned(), torch.empty(2, pin_memory=True).is_pinned()]


@gives([True, [1.0, 1.0], "cpu"], docs("generated/torch.Tensor.pin_memory"))
def pinned_memory_is_a_copy_and_pinned_once() -> object:
    x = torch.ones(2)
    pinned = x.pin_memory()
    x[0] = 5
    return [pinned.pin_memory() is pinned, pinned.tolist(), str(pinned.device)]


@raises(
    RuntimeError,
    "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned",
    code("aten/src/ATen/native/Memory.cpp: _pin_memory"),
)
def memory_of_the_gpu_is_not_pinned() -> object:
    return ones(2).pin_memory()


@raises(
    RuntimeError,
    "Only dense CPU tensors can be pinned",
    code("aten/src/ATen/EmptyTensor.cpp, aten/src/ATen/cuda/EmptyTensor.cpp"),
)
def a_tensor_is_not_made_pinned_on_the_gpu() -> object:
    return torch.empty(2, device="cuda", pin_memory=True)


@gives([True, False], docs("data"))
def a_loader_pins_its_batches() -> object:
    data = TensorDataset(torch.arange(4.0))
    batches = [next(iter(DataLoader(data, 2, pin_memory=pin)))[0] for pin in (True, False)]
    return [batch.is_pinned() for batch in batches]


@gives([[0.0, 1.0], "cuda:0"], docs("notes/cuda"))
def a_pinned_batch_is_moved_without_waiting() -> object:
    loader = DataLoader(TensorDataset(torch.arange(4.0)), 2, pin_memory=True)
    batch = next(iter(loader))[0].to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    return [batch.tolist(), str(batch.device)]


# how tensors are shown


@gives("tensor([1., 2.], device='cuda:0')", SHOWN)
def the_text_of_a_vector() -> object:
    return repr(on("cuda", 1.0, 2.0))


@gives("tensor(1., device='cuda:0')", SHOWN)
def the_text_of_a_number() -> object:
    return str(ones(1)[0])


@gives("tensor([1., 2.], device='cuda:1')", SHOWN, devices=2)
def the_text_on_the_second_device() -> object:
    return repr(on("cuda:1", 1.0, 2.0))


@gives("tensor([1.], device='cuda:0', dtype=torch.float64)", SHOWN)
def the_text_with_a_dtype() -> object:
    return repr(ones(1).double())


@gives("tensor([ True, False], device='cuda:0')", SHOWN)
def the_text_of_a_mask() -> object:
    return repr(on("cuda", 1.0, 2.0) == 1)


@gives("tensor([1.], device='cuda:0', requires_grad=True)", SHOWN)
def the_text_of_a_leaf() -> object:
    return repr(ones(1).requires_grad_())


@gives("tensor([2.], device='cuda:0', grad_fn=<MulBackward0>)", SHOWN)
def the_text_of_a_result() -> object:
    return repr(ones(1).requires_grad_() * 2)


@gives(
    ["tensor([], device='cuda:0')", "tensor([], device='cuda:0', size=(0, 3))"],
    SHOWN,
)
def the_text_of_empty_tensors() -> object:
    return [repr(ones(0)), repr(ones(0, 3))]


@gives(
    "Parameter containing:\ntensor([1.], device='cuda:0', requires_grad=True)",
    code("torch/nn/parameter.py: Parameter.__repr__"),
)
def the_text_of_a_parameter() -> object:
    return repr(nn.Parameter(ones(1)))


@gives("[tensor(1., device='cuda:0'), tensor(1., device='cuda:0')]", SHOWN)
def the_text_of_a_list_of_losses() -> object:
    return str([ones(1).sum(), ones(1).mean()])


@gives(["1.00", "    1", "1.0"], code("torch/_tensor.py: Tensor.__format__"))
def a_number_in_a_text_is_shown_without_its_device() -> object:
    x = ones(1)[0]
    return [f"{x:.2f}", f"{x.int():5d}", f"{x}"]


@gives("x=tensor([1.], device='cuda:0') mean 1.0", code("torch/_tensor.py: Tensor.__format__"))
def a_vector_in_a_text_is_shown_with_its_device() -> object:
    x = ones(1)
    return f"{x=} mean {x.mean():.1f}"


@gives("tensor([1.], device='cuda:0')", SHOWN)
def the_text_names_the_gpu_also_where_it_is_the_default() -> object:
    with torch.device("cuda"):
        return repr(torch.ones(1))


@gives(
    "tensor([[0., 1., 2.],\n        [3., 4., 5.]], device='cuda:0')",
    SHOWN,
)
def the_text_of_a_matrix() -> object:
    return repr(torch.arange(6.0, device="cuda").view(2, 3))


@gives(
    "tensor(indices=tensor([[0]]),\n       values=tensor([1.]),\n"
    "       device='cuda:0', size=(2,), nnz=1, layout=torch.sparse_coo)",
    SHOWN,
)
def the_text_of_a_sparse_tensor() -> object:
    return repr(torch.sparse_coo_tensor(torch.tensor([[0]]), [1.0], (2,), device="cuda"))


# Python's own protocols


@gives([2.0, 2.0, 2, True, (2 + 0j)], docs("generated/torch.Tensor.item"))
def a_number_becomes_one_of_python() -> object:
    x = on("cuda", 2.0)
    return [x.item(), float(x), int(x), bool(x), complex(x)]


@gives([[1.0, 2.0], 2, True, False], docs("generated/torch.Tensor.tolist"))
def a_vector_is_a_sequence() -> object:
    x = on("cuda", 1.0, 2.0)
    return [x.tolist(), len(x), 2.0 in x, 3.0 in x]


@gives([["cuda:0", "cuda:0"], 1.0, 2.0], docs("tensors"))
def iterating_and_unpacking_stay_on_the_device() -> object:
    x = on("cuda", 1.0, 2.0)
    first, second = x
    return [where(*x), float(first), float(second)]


@gives(["b", [0, 1]], code("torch/csrc/autograd/python_variable_indexing.cpp, Tensor.__index__"))
def an_integer_of_the_gpu_is_an_index_of_python() -> object:
    one = torch.tensor(1, device="cuda")
    return ["abc"[one], list(range(one + 1))]


@raises(
    RuntimeError,
    "Boolean value of Tensor with more than one value is ambiguous",
    code("aten/src/ATen/native/TensorUtils / is_nonzero"),
)
def the_truth_of_a_vector() -> object:
    return bool(ones(2))


@gives(([1.0, 2.0], "cuda:0"), docs("notes/serialization"))
def pickling_keeps_the_device() -> object:
    return state(pickle.loads(pickle.dumps(on("cuda", 1.0, 2.0))))


@gives([([1.0], "cuda:0"), True, False], docs("generated/torch.Tensor.clone"))
def a_deep_copy_is_on_the_device() -> object:
    x = ones(1).requires_grad_()
    copied = copy.deepcopy(x)
    return [state(copied), copied.requires_grad, copied.data_ptr() == x.data_ptr()]


@gives(["cuda:0", "cuda:0"], docs("generated/torch.nn.Module"))
def a_deep_copy_of_a_model_is_on_the_device() -> object:
    return where(*copy.deepcopy(nn.Linear(1, 1).cuda()).state_dict().values())


@gives([True, True, False], docs("tensors"))
def tensors_of_the_gpu_are_keys() -> object:
    x = ones(1)
    return [{x: 1}[x] == 1, x in {x}, hash(x) == hash(x.clone())]


# NumPy and matplotlib


@raises(TypeError, TO_NUMPY, seen("pytorch/pytorch", 13568))
def numpy_of_a_tensor_of_the_gpu() -> object:
    return ones(2).numpy()


@raises(TypeError, TO_NUMPY, NUMPY)
def numpy_of_a_tensor_of_the_gpu_that_requires_grad() -> object:
    return ones(2).requires_grad_().numpy()


@raises(
    RuntimeError,
    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
    NUMPY,
)
def numpy_of_a_tensor_brought_from_the_gpu_that_requires_grad() -> object:
    return ones(2).requires_grad_().cpu().numpy()


@raises(TypeError, TO_NUMPY, seen("vaibkumr/prompt-optimizer", 3))
def numpy_of_a_detached_tensor_of_the_gpu() -> object:
    return ones(2).requires_grad_().detach().numpy()


@raises(TypeError, TO_NUMPY, code("torch/_tensor.py: Tensor.__array__"))
def asarray_of_a_tensor_of_the_gpu() -> object:
    return np.asarray(ones(2))


@raises(TypeError, TO_NUMPY, seen("jcwleo/random-network-distillation-pytorch", 14))
def an_array_of_a_list_of_tensors_of_the_gpu() -> object:
    return np.vstack([ones(2), ones(2)])


@raises(TypeError, TO_NUMPY, code("torch/_tensor.py: Tensor.__array__"))
def the_mean_of_a_list_of_losses() -> object:
    return np.mean([ones(1).sum(), ones(1).sum()])


@gives([1.0, 1.0], docs("generated/torch.Tensor.numpy"))
def numpy_with_force_comes_from_the_gpu() -> object:
    return ones(2).requires_grad_().numpy(force=True).tolist()


@raises(TypeError, TO_NUMPY, code("matplotlib/cbook.py: _unpack_to_numpy asks for __array__"))
def plotting_tensors_of_the_gpu() -> object:
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    return Figure().subplots().plot(ones(2))


@gives([1.0, 1.0], docs("generated/torch.Tensor.cpu"))
def the_usual_way_to_numpy() -> object:
    return ones(2).requires_grad_().detach().cpu().numpy().tolist()


# autograd


@gives((([2.0, 2.0]), "cuda:0"), AUTOGRAD)
def a_gradient_is_where_its_leaf_is() -> object:
    x = ones(2).requires_grad_()
    (x * x).sum().backward()
    assert x.grad is not None
    return state(x.grad)


@gives([([2.0, 4.0], "cpu"), None, [True, False]], seen("pytorch/pytorch", 7425))
def a_gradient_comes_back_to_the_leaf_on_the_cpu() -> object:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    moved = x.to("cuda")
    (moved**2).sum().backward()
    assert x.grad is not None
    return [state(x.grad), moved._grad, [x.is_leaf, moved.is_leaf]]


@gives([([2.0, 4.0], "cuda:0"), [True, True]], seen("pytorch/pytorch", 13113))
def a_leaf_is_made_on_the_gpu() -> object:
    x = torch.tensor([1.0, 2.0]).cuda()
    leaf = x.is_leaf
    x.requires_grad = True
    (x**2).sum().backward()
    assert x.grad is not None
    return [state(x.grad), [leaf, x.is_leaf]]


@gives(["cuda:0", "cuda:1"], AUTOGRAD, devices=2)
def a_gradient_comes_back_to_the_other_gpu() -> object:
    x = on("cuda:0", 1.0).requires_grad_()
    y = x.to("cuda:1") * 2
    y.retain_grad()
    y.sum().backward()
    return where(x.grad, y.grad)


@gives([([2.0], "cpu"), ([4.0], "cuda:0")], docs("generated/torch.autograd.grad"))
def autograd_grad_gives_gradients_on_their_devices() -> object:
    x = torch.tensor([1.0], requires_grad=True)
    moved = x.cuda()
    found = torch.autograd.grad((2 * moved).sum(), x)
    found += torch.autograd.grad((moved * 4).sum(), moved)
    return [state(each) for each in found]


@gives([([6.0], "cuda:0"), ([6.0], "cuda:0")], AUTOGRAD)
def a_graph_is_gone_through_twice() -> object:
    x = on("cuda", 3.0).requires_grad_()
    y = (x**2).sum()
    first = torch.autograd.grad(y, x, retain_graph=True)[0]
    return [state(first), state(torch.autograd.grad(y, x)[0])]


@raises(
    RuntimeError,
    re.compile(r"Trying to backward through the graph a second time .*"),
    code("torch/csrc/autograd/saved_variable.cpp: ERR_BACKWARD_TWICE"),
)
def a_freed_graph_is_gone_through_again() -> object:
    y = (ones(1).requires_grad_() ** 2).sum()
    y.backward()
    y.backward()
    return None


@gives(([2.0], "cuda:0"), docs("generated/torch.Tensor.retain_grad"))
def a_gradient_of_a_result_is_retained() -> object:
    y = ones(1).requires_grad_() * 3
    y.retain_grad()
    (y * 2).sum().backward()
    assert y.grad is not None
    return state(y.grad)


@gives((12.0, "cuda:0"), docs("generated/torch.autograd.grad"))
def a_second_derivative_is_on_the_device() -> object:
    x = torch.tensor(2.0, device="cuda", requires_grad=True)
    (first,) = torch.autograd.grad(x**3, x, create_graph=True)
    return state(torch.autograd.grad(first, x)[0])


@gives(
    [([[2.0], [2.0]], "cuda:0"), ([3.0], "cuda:0"), ([[1.0, 1.0]] * 3, "cuda:0")],
    docs("notes/broadcasting"),
)
def a_layer_by_hand_has_gradients_of_its_shapes() -> object:
    x = ones(3, 2).requires_grad_()
    w = ones(2, 1).requires_grad_()
    b = ones(1).requires_grad_()
    y = x @ w + b
    y.sum().backward()
    assert w.grad is not None and b.grad is not None and x.grad is not None
    return [state(w.grad - 1), state(b.grad), state(x.grad)]


@gives(["cuda:0", ([3.0], "cuda:0")], docs("generated/torch.Tensor.register_hook"))
def a_hook_sees_and_changes_a_gradient_on_the_gpu() -> object:
    x = ones(1).requires_grad_()
    found = []

    def hook(gradient: torch.Tensor) -> torch.Tensor:
        found.append(str(gradient.device))
        return gradient * torch.full((1,), 3.0, device="cuda")

    x.register_hook(hook)
    (x * 1).sum().backward()
    assert x.grad is not None
    return [*found, state(x.grad)]


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_hook_mixes_devices() -> object:
    x = ones(2).requires_grad_()
    x.register_hook(lambda gradient: gradient * torch.ones(2))
    x.sum().backward()
    return None


@raises(
    RuntimeError,
    "hook 'bring' has changed the type of value (was torch.cuda.FloatTensor got torch.FloatTensor)",
    code("torch/csrc/autograd/python_hook.cpp: check_variable_result"),
)
def a_hook_brings_a_gradient_to_the_cpu() -> object:
    def bring(gradient: torch.Tensor) -> torch.Tensor:
        return gradient.cpu()

    x = ones(2).requires_grad_()
    x.register_hook(bring)
    x.sum().backward()
    return None


@gives([([3.0], "cpu"), ([3.0], "cpu")], docs("notes/extending"))
def a_custom_function_before_the_move_works_on_the_cpu() -> object:
    x = torch.ones(1).requires_grad_()
    y: torch.Tensor = Square.apply(x)
    (y.cuda() * 3).sum().backward()
    assert x.grad is not None
    return [state(x.grad), state(Square.given)]


@gives(["cuda:0", "cuda:0"], docs("generated/torch.Tensor.register_post_accumulate_grad_hook"))
def a_hook_sees_the_accumulated_gradient() -> object:
    x = ones(1).requires_grad_()
    found: list[str] = []
    x.register_post_accumulate_grad_hook(lambda leaf: found.extend(where(leaf, leaf.grad)))
    (x * 2).sum().backward()
    return found


@gives(["cuda:0", "cuda:0"], docs("generated/torch.autograd.graph.Node.register_hook"))
def hooks_of_a_node_see_gradients_on_the_gpu() -> object:
    y = ones(1).requires_grad_() * 2
    found: list[str] = []
    node = y.grad_fn
    assert node is not None
    node.register_prehook(lambda outputs: found.extend(where(*outputs)))
    node.register_hook(lambda inputs, outputs: found.extend(where(*outputs)))
    y.sum().backward()
    return found


@gives(["cuda:0", "cuda:0", "cuda:0"], MODULE)
def hooks_of_a_module_see_tensors_on_the_gpu() -> object:
    layer = nn.Linear(1, 1).cuda()
    found: list[str] = []
    layer.register_forward_pre_hook(lambda module, given: found.extend(where(*given)))
    layer.register_forward_hook(lambda module, given, out: found.extend(where(out)))
    layer.register_full_backward_hook(lambda module, inputs, outputs: found.extend(where(*outputs)))
    layer(ones(1, 1)).sum().backward()
    return found


@gives([False, False, True, "cuda:0"], docs("generated/torch.autograd.grad_mode.no_grad"))
def without_gradients_results_stay_on_the_device() -> object:
    x = ones(1).requires_grad_()
    with torch.no_grad():
        first = x * 2
    with torch.inference_mode():
        second = x * 2
    return [first.requires_grad, second.requires_grad, second.is_inference(), str(second.device)]


class Double(torch.autograd.Function):
    """Doubles, with a backward that saves, makes a constant and says where all of it is."""

    seen: ClassVar[list[str]] = []

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        two = torch.tensor(2.0)
        Double.seen = where(*ctx.saved_tensors, gradient, two)
        return gradient * two


class Square(torch.autograd.Function):
    """``x ** 2 / 2``, whose backward gives a product with what was saved, and keeps what it got."""

    given: ClassVar[torch.Tensor]

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x / 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        Square.given = gradient
        x: torch.Tensor = ctx.saved_tensors[0]
        return gradient * x


@gives([["cuda:0", "cuda:0", "cpu"], ([2.0, 2.0], "cuda:0")], docs("notes/extending"))
def a_custom_function_works_with_a_constant_of_the_cpu() -> object:
    x = ones(2).requires_grad_()
    out: torch.Tensor = Double.apply(x)
    out.sum().backward()
    assert x.grad is not None
    return [Double.seen, state(x.grad)]


class Mixed(torch.autograd.Function):
    """A backward that multiplies by a vector of the CPU."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * torch.full((2,), 2.0)


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_custom_function_mixes_devices_in_its_backward() -> object:
    Mixed.apply(ones(2).requires_grad_()).sum().backward()
    return None


class Elsewhere(torch.autograd.Function):
    """A backward that gives a gradient on the CPU."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return torch.full((2,), 2.0)


@raises(
    RuntimeError,
    "Function ElsewhereBackward returned an invalid gradient at index 0 - "
    "expected device cuda:0 but got cpu",
    code("torch/csrc/autograd/engine.cpp: validate_outputs"),
)
def a_custom_function_gives_its_gradient_on_the_cpu() -> object:
    Elsewhere.apply(ones(2).requires_grad_()).sum().backward()
    return None


@raises(
    RuntimeError,
    "invalid gradient at index 0 - expected device cuda:0 but got cpu",
    code("torch/csrc/autograd/engine.cpp: validate_outputs"),
)
def backward_is_given_a_gradient_on_the_cpu() -> object:
    (ones(2).requires_grad_() * 2).backward(torch.ones(2))
    return None


@gives(([4.0, 4.0], "cuda:0"), docs("generated/torch.Tensor.backward"))
def backward_is_given_a_gradient_on_the_gpu() -> object:
    x = ones(2).requires_grad_()
    (x * 2).backward(torch.full((2,), 2.0, device="cuda"))
    assert x.grad is not None
    return state(x.grad)


@raises(
    RuntimeError,
    "attempting to assign a gradient with device type 'cpu' to a tensor with device type 'cuda'. "
    "Please ensure that the gradient and the tensor are on the same device",
    seen("kohya-ss/musubi-tuner", 791),
)
def a_gradient_of_the_cpu_is_assigned() -> object:
    x = ones(1).requires_grad_()
    x.grad = torch.ones(1)
    return None


@raises(
    RuntimeError,
    "attempting to assign a gradient located on device with index '1' to a tensor located on "
    "device with index '0'. Please ensure that the gradient and the tensor are on the same device",
    code("torch/csrc/autograd/python_variable.cpp: THPVariable_set_grad"),
    devices=2,
)
def a_gradient_of_the_other_gpu_is_assigned() -> object:
    x = on("cuda:0", 1.0).requires_grad_()
    x.grad = on("cuda:1", 1.0)
    return None


@gives([([1.0], "cuda:0"), None], docs("generated/torch.Tensor.grad"))
def a_gradient_is_assigned_and_removed() -> object:
    x = on("cuda", 5.0).requires_grad_()
    x.grad = ones(1)
    found = state(x.grad)
    x.grad = None
    return [found, x.grad]


@gives([([0.5, 0.5], "cuda:0"), True], docs("optim"))
def a_step_by_hand_changes_the_weights_in_place() -> object:
    w = ones(2).requires_grad_()
    (w * 5).sum().backward()
    with torch.no_grad():
        assert w.grad is not None
        w -= 0.1 * w.grad
    return [state(w.detach()), w.is_leaf]


@raises(
    RuntimeError,
    "a leaf Variable that requires grad is being used in an in-place operation.",
    code("torch/csrc/autograd/VariableTypeUtils.h: check_inplace"),
)
def a_leaf_is_changed_in_place() -> object:
    x = ones(1).requires_grad_()
    x += 1
    return None


@gives([([2.0], "cuda:0"), ([2.0], "cuda:0"), [False, False]], docs("autograd"))
def data_and_detach_share_the_memory() -> object:
    x = ones(1).requires_grad_()
    data, detached = x.data, x.detach()
    data += 1
    return [state(detached), state(x.detach()), [data.requires_grad, detached.requires_grad]]


@gives(["cuda:0", True], code("torch/nn/modules/module.py: Module._apply sets param.data"))
def data_of_another_device_is_taken_over() -> object:
    x = nn.Parameter(torch.ones(1))
    x.data = x.data.to("cuda")
    return [str(x.device), x.is_leaf]


@gives([[([1.0], "cuda:0")] * 2, ([2.0, 2.0], "cuda:0")], docs("func.api"))
def function_transforms_work_on_the_gpu() -> object:
    def square(x: torch.Tensor) -> torch.Tensor:
        return (x**2).sum() / 2

    x = ones(1)
    found = [state(torch.func.grad(square)(x)), state(torch.func.jacrev(square)(x))]
    return [found, state(torch.func.vmap(lambda row: row.sum())(ones(2, 2)))]


@gives([(4.0, "cuda:0"), (4.0, "cuda:0")], docs("generated/torch.func.jvp"))
def derivatives_go_forward_on_the_gpu() -> object:
    x, tangent = torch.tensor(2.0, device="cuda"), torch.tensor(1.0, device="cuda")
    found: Any = torch.func.jvp(lambda x: x**2, (x,), (tangent,))
    return [state(each) for each in found]


@gives([([2.0], "cuda:0"), "cuda:0"], docs("generated/torch.autograd.forward_ad.dual_level"))
def dual_numbers_live_on_the_gpu() -> object:
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(ones(1), ones(1))
        primal, tangent = forward_ad.unpack_dual(dual * 2)
    return [state(tangent), str(primal.device)]


@gives([([2.0, 2.0], "cuda:0")] * 2, docs("checkpoint"))
def a_part_is_computed_again_in_the_backward_pass() -> object:
    found = []
    for reentrant in (True, False):
        x = ones(2).requires_grad_()
        checkpoint(lambda x: x**2, x, use_reentrant=reentrant).sum().backward()
        assert x.grad is not None
        found.append(state(x.grad))
    return found


@gives([True, True], docs("checkpoint"))
def dropout_is_the_same_when_it_is_computed_again() -> object:
    found = []
    for reentrant in (True, False):
        x = ones(100).requires_grad_()
        y = checkpoint(lambda x: F.dropout(x, 0.5), x, use_reentrant=reentrant)
        y.sum().backward()
        assert x.grad is not None
        found.append(torch.equal(x.grad, y.detach()))
    return found


@gives(True, docs("generated/torch.autograd.gradcheck.gradcheck"))
def gradients_are_checked_by_numbers() -> object:
    x = torch.linspace(0.5, 1, 4, device="cuda", dtype=torch.float64).requires_grad_()
    return torch.autograd.gradcheck(lambda x: (x.sin() * x).sum(), x)


@gives([["cuda:0", "cpu", "cuda:0"], ([2.0], "cuda:0")], docs("autograd"))
def what_is_saved_for_the_backward_pass_is_seen_on_the_gpu() -> object:
    found: list[str] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        found.extend(where(tensor, tensor.cpu()))
        return tensor.cpu()

    def unpack(tensor: torch.Tensor) -> torch.Tensor:
        found.extend(where(tensor.cuda()))
        return tensor.cuda()

    x = ones(1).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x**2
    y.sum().backward()
    assert x.grad is not None
    return [found, state(x.grad)]


@gives(([2.0], "cuda:0"), docs("autograd"))
def what_is_saved_waits_on_the_cpu() -> object:
    x = ones(1).requires_grad_()
    with torch.autograd.graph.save_on_cpu():
        y = x**2
    y.sum().backward()
    assert x.grad is not None
    return state(x.grad)


# modules and optimizers


@gives([True, ["cuda:0", "cuda:0"], True], MODULE)
def a_module_is_moved_in_place_and_a_tensor_is_not() -> object:
    layer = nn.Linear(1, 1)
    weight = layer.weight
    x = torch.ones(1)
    x.to("cuda")
    return [layer.to("cuda") is layer and x.device.type == "cpu",
            where(*layer.parameters()), layer.weight is weight]  # fmt: skip


@gives([["cuda:0"] * 2, ["cpu"] * 2, ["torch.float64 cuda:0"] * 2], MODULE)
def a_module_is_moved_in_every_way() -> object:
    layer = nn.Linear(1, 1)
    there, back = where(*layer.cuda().parameters()), where(*layer.cpu().parameters())
    layer.to("cuda", torch.float64)
    return [there, back, [f"{each.dtype} {each.device}" for each in layer.parameters()]]


@gives([["cuda:0"] * 2, ["cpu"] * 2], MODULE)
def a_module_is_moved_by_keywords_and_like_a_tensor() -> object:
    layer = nn.Linear(1, 1)
    there = where(*layer.to(device=torch.device("cuda"), non_blocking=True).parameters())
    return [there, where(*layer.to(torch.ones(1)).parameters())]


@gives(["cuda:0"] * 5, docs("generated/torch.nn.BatchNorm1d"))
def buffers_are_moved_with_the_module() -> object:
    return where(*nn.BatchNorm1d(1).cuda().state_dict().values())


class Holder(nn.Module):
    """Has a buffer that is not saved, and a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.table: torch.Tensor
        self.register_buffer("table", torch.ones(1), persistent=False)
        self.constant = torch.ones(1)


@gives([["cuda:0", "cpu"], []], MODULE)
def a_tensor_that_is_no_buffer_stays() -> object:
    holder = Holder().to("cuda")
    return [where(holder.table, holder.constant), list(holder.state_dict())]


@gives(["cuda:0", "cuda:0"], MODULE)
def gradients_are_moved_with_the_module() -> object:
    layer = nn.Linear(1, 1)
    layer(torch.ones(1, 1)).sum().backward()
    layer.cuda()
    return where(layer.weight.grad, layer.bias.grad)


@gives(["cuda:0", "cuda:0"], docs("generated/torch.nn.Linear"))
def a_module_is_made_on_the_gpu() -> object:
    return where(*nn.Linear(1, 1, device="cuda").parameters())


@gives([["cuda:0"] * 2, 5.0], MODULE)
def numbers_from_the_cpu_are_loaded_into_a_module_on_the_gpu() -> object:
    saved = {"weight": torch.full((1, 1), 5.0), "bias": torch.zeros(1)}
    layer = nn.Linear(1, 1).cuda()
    layer.load_state_dict(saved)
    return [where(*layer.parameters()), layer.weight.item()]


@gives(["cpu", "cpu"], MODULE)
def assigned_numbers_keep_their_device() -> object:
    saved = nn.Linear(1, 1).state_dict()
    layer = nn.Linear(1, 1).cuda()
    layer.load_state_dict(saved, assign=True)
    return where(*layer.parameters())


@gives([True, "cuda:0"], docs("generated/torch.nn.BatchNorm1d"))
def running_statistics_are_kept_on_the_gpu() -> object:
    norm = nn.BatchNorm1d(1).cuda()
    norm(torch.arange(4.0, device="cuda").view(4, 1))
    mean = norm.running_mean
    assert mean is not None
    return [math.isclose(float(mean), 0.15, rel_tol=1e-5), str(mean.device)]


@gives([{0.0, 2.0}, True, "cuda:0"], docs("generated/torch.nn.Dropout"))
def dropout_drops_only_in_training() -> object:
    drop, x = nn.Dropout(0.5), ones(200)
    trained = drop.train()(x)
    return [set(trained.tolist()), torch.equal(drop.eval()(x), x), str(trained.device)]


@gives(["cuda:0"] * 3, docs("generated/torch.nn.LSTM"))
def an_lstm_makes_its_states_on_the_gpu() -> object:
    out, (hidden, cell) = nn.LSTM(2, 3).cuda()(ones(4, 1, 2))
    return where(out, hidden, cell)


@gives(["cuda:0"] * 2, docs("generated/torch.nn.MultiheadAttention"))
def attention_is_on_the_gpu() -> object:
    x = ones(3, 1, 4)
    return where(*nn.MultiheadAttention(4, 2).cuda()(x, x, x))


@gives(("cuda:0", (2, 3)), docs("generated/torch.nn.Embedding"))
def an_embedding_is_looked_up_on_the_gpu() -> object:
    found = nn.Embedding(5, 3).cuda()(torch.tensor([1, 4], device="cuda"))
    return str(found.device), tuple(found.shape)


@gives(["cuda:0", "cpu"], seen("pytorch/pytorch", 7466))
def packed_sequences_keep_their_sizes_on_the_cpu() -> object:
    packed = nn.utils.rnn.pack_padded_sequence(ones(3, 2, 1), torch.tensor([3, 1]))
    _, lengths = nn.utils.rnn.pad_packed_sequence(packed)
    assert lengths.device.type == "cpu"
    return where(packed.data, packed.batch_sizes)


@gives(["cuda:0", "cpu"], code("torch/nn/utils/rnn.py: PackedSequence.to"))
def packed_sequences_are_moved_without_their_sizes() -> object:
    packed = nn.utils.rnn.pack_padded_sequence(torch.ones(3, 2, 1), torch.tensor([3, 1])).cuda()
    return where(packed.data, packed.batch_sizes)


@raises(
    RuntimeError,
    "'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long tensor",
    seen("pytorch/pytorch", 43227),
)
def packed_sequences_need_lengths_of_the_cpu() -> object:
    return nn.utils.rnn.pack_padded_sequence(ones(3, 2, 1), torch.tensor([3, 1]).cuda())


@gives("cuda:0", docs("generated/torch.nn.utils.clip_grad_norm_"))
def the_norm_of_gradients_is_on_the_gpu() -> object:
    layer = nn.Linear(1, 1).cuda()
    layer(ones(1, 1)).sum().backward()
    return str(nn.utils.clip_grad_norm_(layer.parameters(), 1.0).device)


@raises(
    TypeError,
    "Found two parameters on different devices, this is currently not supported.",
    code("torch/nn/utils/convert_parameters.py: _check_param_device"),
)
def one_vector_of_parameters_on_two_devices() -> object:
    return nn.utils.parameters_to_vector([torch.ones(1), ones(1)])


@gives("cuda:0", docs("generated/torch.nn.DataParallel"))
def a_parallel_model_gives_its_result_on_the_first_gpu() -> object:
    return str(nn.DataParallel(nn.Linear(1, 1).cuda(), device_ids=[0])(ones(1, 1)).device)


@gives(["cuda:0", "cuda:0"], docs("generated/torch.nn.modules.lazy.LazyModuleMixin"))
def a_lazy_layer_is_made_where_it_was_moved_to() -> object:
    layer = nn.LazyLinear(1).cuda()
    layer(ones(1, 2))
    return where(layer.weight, layer.bias)


@gives(["cuda:0", "cuda:1", "cuda:0"], docs("generated/torch.nn.utils.clip_grad_norm_"), devices=2)
def gradients_of_two_gpus_are_clipped_together() -> object:
    weights = [on(f"cuda:{index}", 3.0).requires_grad_() for index in range(2)]
    for weight in weights:
        (weight * 5).sum().backward()
    norm = nn.utils.clip_grad_norm_(weights, 1.0)
    return where(*(weight.grad for weight in weights), norm)


@gives(["cuda:0", True], MODULE)
def a_transformer_that_is_not_trained_is_on_the_gpu() -> object:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).cuda().eval()
    with torch.no_grad():
        out = layer(ones(1, 3, 4))
    return [str(out.device), bool(out.isfinite().all())]


def step(optimizer: torch.optim.Optimizer, *weights: torch.Tensor) -> None:
    """One step down ``sum(5 w)``."""
    optimizer.zero_grad()
    sum((5 * weight).sum() for weight in weights).backward()  # type: ignore[union-attr]
    optimizer.step()


@gives([([0.5], "cuda:0"), "cuda:0"], docs("generated/torch.optim.SGD"))
def sgd_has_its_momentum_on_the_gpu() -> object:
    w = ones(1).requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    step(optimizer, w)
    return [state(w.detach()), str(optimizer.state[w]["momentum_buffer"].device)]


@gives(["cpu", "cuda:0", "cuda:0"], code("torch/optim/adam.py: Adam._init_group"))
def adam_has_its_moments_on_the_gpu_and_counts_on_the_cpu() -> object:
    w = ones(1).requires_grad_()
    optimizer = torch.optim.Adam([w])
    step(optimizer, w)
    found = optimizer.state[w]
    return where(found["step"], found["exp_avg"], found["exp_avg_sq"])


@gives(["cuda:0"] * 3, code("torch/optim/adam.py: Adam._init_group, capturable or fused"))
def fused_adam_counts_on_the_gpu() -> object:
    w = ones(1).requires_grad_()
    optimizer = torch.optim.Adam([w], fused=True)
    step(optimizer, w)
    found = optimizer.state[w]
    return where(found["step"], found["exp_avg"], found["exp_avg_sq"])


@gives(["cpu", "cuda:0"], code("torch/optim/optimizer.py: Optimizer._process_value_according_to"))
def the_state_of_an_optimizer_is_loaded_to_where_the_weights_are() -> object:
    w = torch.ones(1, requires_grad=True)
    saving = torch.optim.Adam([w])
    step(saving, w)
    there = ones(1).requires_grad_()
    loading = torch.optim.Adam([there])
    loading.load_state_dict(saving.state_dict())
    step(loading, there)
    return where(loading.state[there]["step"], loading.state[there]["exp_avg"])


@gives([([0.5], "cuda:0"), True], MODULE)
def an_optimizer_made_before_the_move_goes_on() -> object:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer.cuda()
    step(optimizer, layer.weight)
    return [state(layer.weight.detach()[0]), optimizer.param_groups[0]["params"][0] is layer.weight]


# saving and loading


def saved(value: object) -> io.BytesIO:
    """A file with a value, to be read from its beginning."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


@gives(([1.0, 2.0], "cuda:0"), LOAD)
def a_saved_tensor_comes_back_to_its_device() -> object:
    return state(torch.load(saved(on("cuda", 1.0, 2.0)), weights_only=True))


@gives([([1.0], "cpu")] * 5, LOAD)
def map_location_takes_many_forms() -> object:
    def to_cpu(storage: Any, location: str) -> Any:
        assert location == "cuda:0"
        return storage.cpu() if storage.device.type == "cuda" else storage

    ways: list[Any] = ["cpu", torch.device("cpu"), {"cuda:0": "cpu"}, to_cpu]
    ways.append(lambda storage, location: storage)
    return [state(torch.load(saved(ones(1)), map_location=way, weights_only=True)) for way in ways]


@gives([([1.0], "cuda:0")] * 3, LOAD)
def a_tensor_of_the_cpu_is_loaded_to_the_gpu() -> object:
    ways: list[Any] = ["cuda", torch.device("cuda:0"), {"cpu": "cuda:0"}]
    file = [saved(torch.ones(1)) for _ in ways]
    loaded = zip(file, ways, strict=True)
    return [state(torch.load(each, map_location=way, weights_only=True)) for each, way in loaded]


@gives(["cuda:1", "cuda:0"], LOAD, devices=2)
def a_tensor_is_loaded_to_the_other_gpu() -> object:
    return where(
        torch.load(saved(ones(1)), map_location={"cuda:0": "cuda:1"}),
        torch.load(saved(on("cuda:1", 1.0)), map_location="cuda:0"),
    )


@raises(
    RuntimeError,
    re.compile(
        r"Attempting to deserialize object on CUDA device 50 but torch.cuda.device_count\(\) is "
        r"\d+. Please use torch.load with map_location to map your storages to an existing device."
    ),
    code("torch/serialization.py: _validate_device"),
)
def a_tensor_is_loaded_to_a_gpu_that_is_not_there() -> object:
    return torch.load(saved(torch.ones(1)), map_location="cuda:50")


@gives([["cuda:0"] * 2, ["cpu"] * 2], LOAD)
def a_state_is_saved_and_loaded() -> object:
    layer = nn.Linear(1, 1).cuda()
    there = torch.load(saved(layer.state_dict()), weights_only=True)
    here = torch.load(saved(layer.state_dict()), map_location="cpu", weights_only=True)
    return [where(*there.values()), where(*here.values())]


@gives(["cuda:0", "cpu"], LOAD)
def a_whole_model_is_saved_and_loaded() -> object:
    layer = nn.Linear(1, 1).cuda()
    there = torch.load(saved(layer), weights_only=False)
    here = torch.load(saved(layer), map_location="cpu", weights_only=False)
    return where(there.weight, here.weight)


@gives([True, "cuda:0"], docs("notes/serialization"))
def views_share_their_memory_after_loading() -> object:
    x = ones(4)
    whole, part = torch.load(saved([x, x[:2]]), weights_only=True)
    part[0] = 7
    return [whole[0].item() == 7, str(part.device)]


@gives(["cpu", "cuda:0"], LOAD)
def the_state_of_an_optimizer_is_saved_and_loaded() -> object:
    w = ones(1).requires_grad_()
    optimizer = torch.optim.Adam([w])
    step(optimizer, w)
    found = torch.load(saved(optimizer.state_dict()), weights_only=True)["state"][0]
    return where(found["step"], found["exp_avg"])


@raises(
    RuntimeError,
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. "
    "If you are running on a CPU-only machine, please use torch.load with "
    "map_location=torch.device('cpu') to map your storages to the CPU.",
    code("torch/serialization.py: _validate_device"),
    emulated_only=True,
)
def a_file_of_the_gpu_is_loaded_where_there_is_none() -> object:
    file = saved(ones(1))
    cuda.disable()
    return torch.load(file)


# tensors on two devices in one operation


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_sum_of_two_devices() -> object:
    return ones(2) + torch.ones(2)


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_sum_of_two_devices_the_other_way_round() -> object:
    return torch.ones(2) + ones(2)


@raises(
    RuntimeError,
    "Expected all tensors to be on the same device, "
    "but found at least two devices, cuda:0 and cuda:1!",
    ITERATOR,
    devices=2,
)
def a_sum_of_two_gpus() -> object:
    return on("cuda:0", 1, 2) + on("cuda:1", 1, 2)


@raises(
    RuntimeError,
    "Expected all tensors to be on the same device, "
    "but found at least two devices, cuda:1 and cuda:0!",
    ITERATOR,
    devices=2,
)
def a_comparison_of_two_gpus() -> object:
    return on("cuda:1", 1, 2) < on("cuda:0", 1, 2)


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_maximum_of_two_devices() -> object:
    return torch.maximum(ones(2), torch.ones(2))


@gives([([3.0, 3.0], "cuda:0")] * 3, code("aten/src/ATen/TensorIterator.h: allow_cpu_scalars"))
def a_number_of_the_cpu_goes_with_the_gpu() -> object:
    x, two = ones(2), torch.tensor(2.0)
    return [state(x + two), state(two + x), state(x.add_(two))]


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_vector_of_one_element_of_the_cpu_does_not() -> object:
    return ones(2) + torch.ones(1)


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_number_of_the_gpu_does_not_go_with_the_cpu() -> object:
    return torch.ones(2) + torch.tensor(2.0, device="cuda")


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_number_of_the_cpu_is_not_changed_by_the_gpu() -> object:
    return torch.tensor(1.0).add_(torch.tensor(2.0, device="cuda"))


@gives([(3.0, "cuda:0"), "cuda:0"], code("aten/src/ATen/TensorIterator.h: allow_cpu_scalars"))
def two_numbers_of_both_devices() -> object:
    return [
        state(torch.tensor(2.0, device="cuda") + torch.tensor(1.0)),
        str((torch.tensor(2.0) * torch.tensor(1.0, device="cuda")).device),
    ]


@raises(
    RuntimeError,
    "Trying to pass too many CPU scalars to non-CPU kernel!",
    code("aten/src/ATen/TensorIterator.cpp: max_cpu_scalars_on_non_cpu"),
    since=(2, 9),
)
def two_numbers_of_the_cpu_are_too_many() -> object:
    return torch.addcmul(ones(2), torch.tensor(1.0), torch.tensor(1.0))


@gives(([2.0, 2.0], "cuda:0"), seen("pytorch/pytorch", 143264), since=(2, 9))
def a_number_of_the_cpu_is_the_last_of_three() -> object:
    return state(torch.addcmul(ones(2), ones(2), torch.tensor(1.0)))


@raises(RuntimeError, TWO_DEVICES, seen("pytorch/pytorch", 143306))
def a_number_of_the_cpu_does_not_divide_among_three() -> object:
    return torch.addcdiv(ones(2), ones(2), torch.tensor(1.0))


@gives([([2.0, 2.0], "cuda:0")] * 3, docs("notes/broadcasting"))
def numbers_of_python_go_with_every_device() -> object:
    return [state(ones(2) + 1), state(2 * ones(2)), state(ones(2) + float(np.float32(1)))]


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_changing_sum_of_two_devices() -> object:
    x = torch.ones(2)
    x += ones(2)
    return x


@raises(RuntimeError, other_device("mat2", "cpu", "cuda:0", "mm"), seen("Lightricks/LTX-Video", 24))
def a_product_of_two_devices() -> object:
    return ones(2, 2) @ torch.ones(2, 2)


@raises(RuntimeError, other_device("mat2", "cuda:0", "cpu", "mm"), seen("rotem-shalev/Ham2Pose", 6))
def a_product_of_two_devices_the_other_way_round() -> object:
    return torch.ones(2, 2).mm(ones(2, 2))


@raises(
    RuntimeError,
    other_device("mat2", "cuda:1", "cuda:0", "mm"),
    code("torchgen/dest/register_dispatch_key.py: gen_device_check"),
    devices=2,
)
def a_product_of_two_gpus() -> object:
    return ones(2, 2) @ ones(2, 2).to("cuda:1")


@raises(
    RuntimeError,
    other_device("mat2", "cpu", "cuda:0", "bmm"),
    code("libtorch_cuda.so: wrapper_CUDA_bmm"),
)
def a_product_of_batches_of_two_devices() -> object:
    return torch.bmm(ones(1, 2, 2), torch.ones(1, 2, 2))


@raises(
    RuntimeError,
    other_device("mat", "cuda:0", "cpu", "addmv_"),
    code("aten/src/ATen/native/Blas.cpp: mv, into a result with the options of the vector"),
)
def a_matrix_of_the_gpu_times_a_vector_of_the_cpu() -> object:
    return ones(2, 2) @ torch.ones(2)


@raises(
    RuntimeError,
    other_device("mat", "cpu", "cuda:0", "addmv_"),
    code("aten/src/ATen/native/Blas.cpp: mv, into a result with the options of the vector"),
)
def a_matrix_of_the_cpu_times_a_vector_of_the_gpu() -> object:
    return torch.mv(torch.ones(2, 2), ones(2))


@raises(
    RuntimeError,
    other_device("tensor", "cpu", "cuda:0", "_dot"),
    code("libtorch_cuda.so: wrapper_CUDA__dot"),
)
def a_scalar_product_of_two_devices() -> object:
    return torch.dot(ones(2), torch.ones(2))


@raises(
    RuntimeError,
    other_device("mat1", "cuda:0", "cpu", "addmm"),
    seen("haotian-liu/LLaVA", 1081),
)
def a_layer_of_the_cpu_is_given_a_batch_of_the_gpu() -> object:
    return nn.Linear(2, 2)(ones(3, 2))


@raises(
    RuntimeError,
    other_device("mat1", "cpu", "cuda:0", "addmm"),
    seen("ClownsharkBatwing/RES4LYF", 223),
)
def a_layer_of_the_gpu_is_given_a_batch_of_the_cpu() -> object:
    return nn.Linear(2, 2).cuda()(torch.ones(3, 2))


@raises(
    RuntimeError,
    other_device("mat2", "cuda:0", "cpu", "mm"),
    code("aten/src/ATen/native/Linear.cpp: linear without a bias is matmul"),
)
def a_layer_without_bias_is_given_a_batch_of_the_cpu() -> object:
    return nn.Linear(2, 2, bias=False).cuda()(torch.ones(3, 2))


@raises(
    RuntimeError,
    other_device("mat1", "cuda:0", "cpu", "addmm"),
    code("torchgen/dest/register_dispatch_key.py: gen_device_check"),
)
def addmm_of_two_devices() -> object:
    return torch.addmm(torch.ones(2), ones(2, 2), ones(2, 2))


@raises(
    RuntimeError,
    other_device("tensors", "cpu", "cuda:0", "cat"),
    seen("scraed/LanPaint", 6),
)
def joining_two_devices() -> object:
    return torch.cat([ones(1), torch.ones(1)])


@raises(
    RuntimeError,
    other_device("tensors", "cuda:0", "cpu", "cat"),
    seen("Comfy-Org/ComfyUI", 7746),
)
def joining_two_devices_the_other_way_round() -> object:
    return torch.cat([torch.ones(1), ones(1)])


@raises(
    RuntimeError,
    other_device("tensors", "cpu", "cuda:0", "cat"),
    code("aten/src/ATen/native/TensorShape.cpp: stack joins with cat"),
)
def stacking_two_devices() -> object:
    return torch.stack([ones(2), torch.ones(2)])


@raises(RuntimeError, TWO_DEVICES, code("aten/src/ATen/native/TensorCompare.cpp: where_self_out"))
def choosing_between_two_devices() -> object:
    return torch.where(ones(2) > 0, ones(2), torch.ones(2))


@gives(([1.0, 1.0], "cuda:0"), code("aten/src/ATen/native/TensorCompare.cpp: where_self_out"))
def choosing_between_a_vector_of_the_gpu_and_a_number_of_the_cpu() -> object:
    return state(torch.where(ones(2) > 0, ones(2), torch.tensor(0.0)))


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def the_squared_error_of_two_devices() -> object:
    return F.mse_loss(ones(2), torch.ones(2))


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def the_absolute_error_of_two_devices() -> object:
    return nn.L1Loss()(ones(2), torch.ones(2))


@raises(
    RuntimeError,
    other_device("target", "cpu", "cuda:0", "nll_loss_forward"),
    code("libtorch_cuda.so: wrapper_CUDA_nll_loss_forward"),
)
def the_cross_entropy_with_targets_of_the_cpu() -> object:
    return F.cross_entropy(ones(2, 3), torch.tensor([0, 1]))


@raises(
    RuntimeError,
    other_device("target", "cuda:0", "cpu", "nll_loss_forward"),
    code("libtorch_cuda.so: wrapper_CUDA_nll_loss_forward"),
)
def the_cross_entropy_with_targets_of_the_gpu() -> object:
    return F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1], device="cuda"))


@raises(
    RuntimeError,
    other_device("weight", "cpu", "cuda:0", "nll_loss_forward"),
    code("libtorch_cuda.so: wrapper_CUDA_nll_loss_forward"),
)
def the_cross_entropy_with_weights_of_the_cpu() -> object:
    loss = nn.CrossEntropyLoss(weight=torch.ones(3))
    return loss(ones(2, 3), torch.tensor([0, 1], device="cuda"))


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def the_binary_cross_entropy_of_two_devices() -> object:
    return F.binary_cross_entropy_with_logits(ones(2), torch.ones(2))


@raises(
    RuntimeError,
    "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
    seen("ML4ITS/mtad-gat-pytorch", 23),
)
def a_convolution_of_the_cpu_is_given_a_batch_of_the_gpu() -> object:
    return nn.Conv2d(1, 1, 1)(ones(1, 1, 2, 2))


@raises(
    RuntimeError,
    "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same "
    "or input should be a MKLDNN tensor and weight is a dense tensor",
    code("aten/src/ATen/native/Convolution.cpp: check_input_same_type_as_parameters, use_mkldnn"),
)
def a_convolution_of_the_gpu_is_given_a_batch_of_the_cpu() -> object:
    return nn.Conv2d(1, 1, 3).cuda()(torch.ones(16, 1, 5, 5))


@raises(
    RuntimeError,
    "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same",
    seen("glam-imperial/cider", 6),
)
def a_convolution_of_the_gpu_is_given_one_small_picture_of_the_cpu() -> object:
    return nn.Conv2d(1, 1, 3).cuda()(torch.ones(1, 1, 5, 5))


@raises(
    RuntimeError,
    "Input type (torch.cuda.FloatTensor) and bias type (torch.FloatTensor) should be the same",
    code("aten/src/ATen/native/Convolution.cpp: check_input_same_type_as_parameters"),
)
def a_convolution_has_its_bias_on_the_cpu() -> object:
    return F.conv1d(ones(1, 1, 2), ones(1, 1, 1), torch.ones(1))


@raises(
    RuntimeError,
    other_device("index", "cpu", "cuda:0", "_index_select"),
    seen("schen149/sub-sentence-encoder", 1),
)
def an_embedding_of_the_gpu_is_given_indices_of_the_cpu() -> object:
    return nn.Embedding(3, 2).cuda()(torch.tensor([0, 1]))


@raises(
    RuntimeError,
    other_device("index", "cuda:0", "cpu", "_index_select"),
    code("aten/src/ATen/native/Embedding.cpp: embedding is index_select"),
)
def an_embedding_of_the_cpu_is_given_indices_of_the_gpu() -> object:
    return nn.Embedding(3, 2)(torch.tensor([0, 1], device="cuda"))


@raises(
    RuntimeError,
    other_device("weight", "cpu", "cuda:0", "_native_layer_norm"),
    seen("sipie800/ComfyUI-PuLID-Flux-Enhanced", 35),
)
def a_layer_norm_of_the_cpu_is_given_a_batch_of_the_gpu() -> object:
    return nn.LayerNorm(2)(ones(1, 2))


@raises(
    RuntimeError,
    "Input and hidden tensors are not at the same device, "
    "found input tensor at cuda:0 and hidden tensor at cpu",
    seen("Lightning-AI/pytorch-lightning", 3738),
)
def an_lstm_is_given_states_of_the_cpu() -> object:
    hidden = torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)
    return nn.LSTM(2, 2).cuda()(ones(3, 1, 2), hidden)


@raises(
    RuntimeError,
    "Input and parameter tensors are not at the same device, "
    "found input tensor at cuda:0 and parameter tensor at cpu",
    code("aten/src/ATen/native/RNN.cpp: check_attributes"),
)
def an_lstm_of_the_cpu_is_given_a_batch_of_the_gpu() -> object:
    hidden = torch.zeros(1, 1, 2, device="cuda"), torch.zeros(1, 1, 2, device="cuda")
    return nn.LSTM(2, 2)(ones(3, 1, 2), hidden)


@raises(
    RuntimeError,
    "Expected query, key, and value to have the same device type, but got query.device: cuda:0 "
    "key.device: cpu and value.device: cpu instead.",
    code("aten/src/ATen/native/transformers/attention.cpp: validate_sdpa_input"),
)
def attention_between_two_devices() -> object:
    return F.scaled_dot_product_attention(ones(1, 2, 2), torch.ones(1, 2, 2), torch.ones(1, 2, 2))


@raises(
    RuntimeError,
    "meshgrid expects all tensors to have the same device",
    code("aten/src/ATen/native/TensorShape.cpp: meshgrid"),
)
def a_grid_of_two_devices() -> object:
    return torch.meshgrid(ones(2), torch.ones(2), indexing="ij")


@raises(
    RuntimeError,
    "torch.block_diag: input tensors must all be on the same device.",
    code("aten/src/ATen/native/TensorShape.cpp: block_diag"),
)
def blocks_of_two_devices() -> object:
    return torch.block_diag(ones(2, 2), torch.ones(2, 2))


@raises(
    RuntimeError,
    other_device("other", "cpu", "cuda:0", "_equal"),
    code("libtorch_cuda.so: wrapper_CUDA__equal"),
)
def equality_of_two_devices() -> object:
    return torch.equal(ones(2), torch.ones(2))


@raises(RuntimeError, TWO_DEVICES, code("aten/src/ATen/native/TensorCompare.cpp: isclose"))
def closeness_of_two_devices() -> object:
    return torch.allclose(ones(2), torch.ones(2))


@raises(
    AssertionError,
    "The values for attribute 'device' do not match: cuda:0 != cpu.",
    code("torch/testing/_comparison.py: TensorLikePair._compare_attributes"),
)
def assert_close_of_two_devices() -> object:
    torch.testing.assert_close(ones(2), torch.ones(2))
    return None


@gives(None, docs("testing"))
def assert_close_without_the_device() -> object:
    torch.testing.assert_close(ones(2), torch.ones(2), check_device=False)
    return None


@raises(RuntimeError, TWO_DEVICES, ITERATOR)
def a_sum_into_a_tensor_of_the_cpu() -> object:
    return torch.add(ones(2), ones(2), out=torch.empty(2))


@raises(
    RuntimeError,
    other_device("self", "cuda:0", "cpu", "mm_out_out"),
    code("torchgen/dest/register_dispatch_key.py: the out arguments are checked first"),
)
def a_product_into_a_tensor_of_the_cpu() -> object:
    return torch.mm(ones(2, 2), ones(2, 2), out=torch.empty(2, 2))


@raises(
    NO_KERNEL,
    "\"addmm_cuda\" not implemented for 'Long'",
    seen("archon159/SELOR", 8),
)
def a_product_of_integers() -> object:
    x = torch.ones(2, 2, dtype=torch.int64, device="cuda")
    return x @ x


@raises(
    NO_KERNEL,
    "\"baddbmm_cuda\" not implemented for 'Int'",
    code("aten/src/ATen/native/cuda/Blas.cpp: baddbmm_out_cuda_impl"),
)
def a_product_of_batches_of_integers() -> object:
    x = torch.ones(1, 2, 2, dtype=torch.int32, device="cuda")
    return torch.bmm(x, x)


@raises(
    NO_KERNEL,
    "\"addmm_cuda\" not implemented for 'Long'",
    code("aten/src/ATen/native/LinearAlgebra.cpp: a batch times a matrix is folded into one"),
)
def a_layer_of_integers_on_a_batch() -> object:
    x = torch.ones(2, 2, 2, dtype=torch.int64, device="cuda")
    return F.linear(x, x[0])


@raises(
    NO_KERNEL,
    "\"slow_conv2d_cuda\" not implemented for 'Long'",
    code("aten/src/ATen/native/cuda/ConvolutionMM2d.cu: slow_conv2d_forward"),
)
def a_convolution_of_integers() -> object:
    x = torch.ones(1, 1, 3, 3, dtype=torch.int64, device="cuda")
    return F.conv2d(x, x)


@raises(
    NotImplementedError,
    re.compile(
        r"Could not run 'aten::histogram.*' with arguments from the 'CUDA' backend\..*", re.S
    ),
    code("native_functions.yaml: histogram.bin_ct has a kernel of the CPU only"),
)
def a_histogram() -> object:
    return torch.histogram(ones(3), 3)


# indexing


@gives(([2.0, 1.0], "cuda:0"), code("aten/src/ATen/native/IndexingUtils.h: expandTensors"))
def an_index_of_the_cpu_on_the_gpu() -> object:
    return state(on("cuda", 1.0, 2.0)[torch.tensor([1, 0])])


@raises(
    RuntimeError,
    "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
    seen("modelscope/modelscope", 220),
)
def an_index_of_the_gpu_on_the_cpu() -> object:
    return torch.ones(2)[torch.tensor([1, 0], device="cuda")]


@raises(
    RuntimeError,
    "indices should be either on cpu or on the same device as the indexed tensor (cuda:0)",
    code("aten/src/ATen/native/TensorAdvancedIndexing.cpp: make_info"),
    devices=2,
)
def an_index_of_the_other_gpu() -> object:
    return ones(2)[torch.tensor([1, 0], device="cuda:1")]


@gives([([2.0], "cuda:0")] * 2, docs("generated/torch.masked_select"))
def masks_of_both_devices_on_the_gpu() -> object:
    x = on("cuda", 1.0, 2.0)
    return [state(x[x > 1]), state(x[(x > 1).cpu()])]


@raises(
    RuntimeError,
    "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
    seen("qitianwu/DIFFormer", 4),
)
def a_mask_of_the_gpu_on_the_cpu() -> object:
    return torch.ones(2)[ones(2) > 0]


@gives([2.0, 2.0], code("torch/csrc/autograd/python_variable_indexing.cpp: applySelect"))
def a_number_of_any_device_is_an_index() -> object:
    index = torch.tensor(1, device="cuda")
    return [on("cpu", 1.0, 2.0)[index].item(), on("cuda", 1.0, 2.0)[index.cpu()].item()]


@gives(([7.0, 8.0, 9.0], "cuda:0"), docs("generated/torch.Tensor.copy_"))
def a_part_takes_values_from_the_cpu() -> object:
    x = ones(3)
    x[:2] = torch.tensor([7.0, 8.0])
    x[2] = torch.tensor(9.0)
    return state(x)


@gives(([7.0, 1.0], "cpu"), docs("generated/torch.Tensor.copy_"))
def a_part_of_the_cpu_takes_values_from_the_gpu() -> object:
    x = torch.ones(2)
    x[:1] = on("cuda", 7.0)
    return state(x)


@gives(([5.0, 5.0], "cuda:0"), code("aten/src/ATen/native/TensorAdvancedIndexing.cpp: index_put"))
def chosen_places_take_a_number_of_the_cpu() -> object:
    x = ones(2)
    x[torch.tensor([0])] = torch.tensor(5.0)
    x[torch.tensor([False, True])] = torch.tensor(5.0)
    return state(x)


@raises(
    RuntimeError,
    TWO_DEVICES,
    code("aten/src/ATen/native/TensorAdvancedIndexing.cpp: make_index_put_iterator"),
)
def chosen_places_take_no_vector_of_the_cpu() -> object:
    x = ones(2)
    x[torch.tensor([0, 1], device="cuda")] = torch.ones(2)
    return x


@raises(
    RuntimeError,
    "expected self and mask to be on the same device, but got mask on cpu and self on cuda:0",
    seen("BindsNET/bindsnet", 569),
)
def filling_by_a_mask_of_the_cpu() -> object:
    return ones(2).masked_fill_(torch.tensor([True, False]), 0.0)


@raises(
    RuntimeError,
    other_device("index", "cpu", "cuda:0", "gather"),
    code("libtorch_cuda.so: wrapper_CUDA_gather"),
)
def gathering_by_an_index_of_the_cpu() -> object:
    return ones(2).gather(0, torch.tensor([0]))


@raises(
    RuntimeError,
    other_device("index", "cpu", "cuda:0", "scatter__value"),
    seen("zhongyy/Face-Transformer", 37),
)
def scattering_by_an_index_of_the_cpu() -> object:
    return ones(2).scatter_(0, torch.tensor([0]), 5.0)


@raises(
    RuntimeError,
    other_device("index", "cpu", "cuda:0", "_index_select"),
    code("libtorch_cuda.so: wrapper_CUDA__index_select"),
)
def selecting_by_an_index_of_the_cpu() -> object:
    return ones(2).index_select(0, torch.tensor([0]))


@raises(
    RuntimeError,
    other_device("self", "cpu", "cuda:0", "Tensor_searchsorted"),
    code("libtorch_cuda.so: wrapper_CUDA_Tensor_searchsorted"),
)
def searching_values_of_the_cpu() -> object:
    return torch.searchsorted(ones(2), torch.ones(2))


@raises(
    RuntimeError,
    other_device("weight", "cpu", "cuda:0", "_cudnn_batch_norm"),
    code("aten/src/ATen/native/Normalization.cpp: _batch_norm_impl_index with cuDNN"),
)
def a_batch_norm_of_the_cpu_is_given_a_batch_of_the_gpu() -> object:
    return nn.BatchNorm1d(2)(ones(3, 2))


@raises(
    RuntimeError,
    other_device("weight", "cpu", "cuda:0", "_native_group_norm"),
    code("libtorch_cuda.so: wrapper_CUDA__native_group_norm"),
)
def a_group_norm_of_the_cpu_is_given_a_batch_of_the_gpu() -> object:
    return nn.GroupNorm(1, 2)(ones(3, 2, 2))


@raises(
    RuntimeError,
    "stft input and window must be on the same device but got self on cuda:0 and window on cpu",
    code("aten/src/ATen/native/SpectralOps.cpp: stft"),
)
def a_spectrum_with_a_window_of_the_cpu() -> object:
    return torch.stft(ones(8), 4, window=torch.ones(4), return_complex=True)


@gives(["cuda:0", "cuda:0"], code("aten/src/ATen/native/LossCTC.cpp: ctc_loss brings targets"))
def the_ctc_loss_takes_targets_and_lengths_of_the_cpu() -> object:
    scores = torch.zeros(3, 1, 4, device="cuda").log_softmax(2)
    targets = torch.tensor([[1, 2]])
    lengths = torch.tensor([3]), torch.tensor([2])
    return where(
        F.ctc_loss(scores, targets, *lengths), F.ctc_loss(scores, targets.cuda(), *lengths)
    )


@gives([["cuda:0", "cuda:0"], ([1.0, 1.0], "cuda:0")], docs("tensors"))
def a_packed_sequence_goes_through_an_lstm() -> object:
    sequences = ones(3, 2, 1)
    packed = nn.utils.rnn.pack_padded_sequence(sequences, torch.tensor([3, 1]))
    out, (hidden, _) = nn.LSTM(1, 2).cuda()(packed)
    padded, lengths = nn.utils.rnn.pad_packed_sequence(packed)
    assert str(lengths.device) == "cpu"
    return [where(out.data, hidden), state(padded[0, :, 0])]


# sparse and complex numbers


@gives(["cuda:0", "cuda:0", ([0.0, 1.0], "cuda:0")], docs("sparse"))
def a_sparse_tensor_and_its_parts_are_on_the_gpu() -> object:
    x = torch.sparse_coo_tensor(torch.tensor([[1]]), [1.0], (2,), device="cuda").coalesce()
    return [*where(x.indices(), x.values()), state(x.to_dense())]


@gives([True, ([[0.0], [2.0]], "cuda:0")], docs("sparse"))
def a_sparse_tensor_is_moved_and_multiplied() -> object:
    x = torch.tensor([[0.0, 0.0], [0.0, 2.0]]).to_sparse().to("cuda")
    return [x.is_sparse and x.is_cuda, state(torch.sparse.mm(x, ones(2, 1)))]


@gives(["cuda:0"] * 3, docs("sparse"))
def a_compressed_tensor_has_its_parts_on_the_gpu() -> object:
    x = torch.eye(2, device="cuda").to_sparse_csr()
    return where(x.crow_indices(), x.col_indices(), x.values())


@gives(["cuda:0"] * 4, docs("complex_numbers"))
def complex_numbers_are_on_the_gpu() -> object:
    x = torch.complex(ones(1), ones(1))
    return where(x.real, x.imag, torch.view_as_real(x), torch.fft.fft(x))


@gives(["cuda:0", "cuda:0", "cuda:0"], docs("generated/torch.topk"))
def several_results_are_all_on_the_gpu() -> object:
    values, indices = on("cuda", 3.0, 1.0, 2.0).topk(2)
    return where(values, indices, ones(2, 2).max(0).indices)


# random numbers


@gives([True, True], docs("generated/torch.manual_seed"))
def one_seed_is_for_both_devices() -> object:
    def draw() -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(3)
        return torch.rand(5), torch.rand(5, device="cuda")

    first, second = draw(), draw()
    return [torch.equal(*pair) for pair in zip(first, second, strict=True)]


@gives([True, False], docs("generated/torch.cuda.manual_seed"))
def a_seed_of_the_gpu_repeats_its_numbers() -> object:
    torch.cuda.manual_seed(3)
    first, second = torch.rand(5, device="cuda"), torch.rand(5, device="cuda")
    torch.cuda.manual_seed(3)
    return [torch.equal(torch.rand(5, device="cuda"), first), torch.equal(first, second)]


@gives(True, docs("notes/randomness"))
def drawing_on_the_gpu_leaves_the_numbers_of_the_cpu() -> object:
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    torch.rand(5, device="cuda")
    F.dropout(ones(5))
    torch.randperm(5, device="cuda")
    return torch.equal(torch.rand(5), expected)


@gives([True, True], docs("generated/torch.cuda.manual_seed"))
def a_seed_of_the_gpu_leaves_the_numbers_of_the_cpu() -> object:
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    torch.cuda.manual_seed(4)
    return [torch.equal(torch.rand(5), expected), torch.initial_seed() == 3]


@gives([7, 8], docs("generated/torch.cuda.initial_seed"))
def the_seed_of_the_gpu_is_told() -> object:
    torch.manual_seed(7)
    first = torch.cuda.initial_seed()
    torch.cuda.manual_seed_all(8)
    return [first, torch.cuda.initial_seed()]


@gives(["cpu", "torch.uint8", True], docs("generated/torch.cuda.get_rng_state"))
def the_state_of_the_generator_is_kept_and_restored() -> object:
    before = torch.cuda.get_rng_state()
    first = torch.rand(5, device="cuda")
    torch.cuda.set_rng_state(before)
    same = torch.equal(torch.rand(5, device="cuda"), first)
    return [str(before.device), str(before.dtype), same]


@gives([True, True], docs("random"))
def a_fork_of_random_numbers_is_closed_again() -> object:
    torch.manual_seed(3)
    first = torch.rand(5), torch.rand(5, device="cuda")
    torch.manual_seed(3)
    with torch.random.fork_rng():
        torch.rand(5), torch.rand(5, device="cuda")
    second = torch.rand(5), torch.rand(5, device="cuda")
    return [torch.equal(*pair) for pair in zip(first, second, strict=True)]


@gives([True, True], docs("random"), devices=2)
def both_gpus_draw_the_same_from_the_same_seed() -> object:
    torch.manual_seed(3)
    first, second = torch.rand(5, device="cuda:0"), torch.rand(5, device="cuda:1")
    return [torch.equal(first.cpu(), second.cpu()), len(torch.cuda.get_rng_state_all()) >= 2]


@gives(True, docs("generated/torch.Generator"))
def a_generator_of_the_gpu_repeats_its_numbers() -> object:
    generator = torch.Generator(device="cuda").manual_seed(3)
    first = torch.randn(5, device="cuda", generator=generator)
    generator.manual_seed(3)
    return torch.equal(torch.randn(5, device="cuda", generator=generator), first)


@gives(["device(type='cuda')", "device(type='cuda', index=0)"], seen("pytorch/pytorch", 58545))
def a_generator_has_the_device_that_it_was_asked_for() -> object:
    return [repr(torch.Generator(device).device) for device in ("cuda", "cuda:0")]


@gives(67280421310721, code("aten/src/ATen/core/Generator.h: default_rng_seed_val"))
def a_generator_starts_from_a_known_seed() -> object:
    return torch.Generator("cuda").initial_seed()


@raises(
    RuntimeError,
    "Expected a 'cuda' device type for generator but found 'cpu'",
    code("aten/src/ATen/core/Generator.h: check_generator"),
)
def a_generator_of_the_cpu_draws_on_the_gpu() -> object:
    return torch.randn(2, device="cuda", generator=torch.Generator())


@raises(
    RuntimeError,
    "Expected a 'cpu' device type for generator but found 'cuda'",
    seen("pytorch/pytorch", 98792),
)
def a_loader_shuffles_with_a_generator_of_the_gpu() -> object:
    data = TensorDataset(torch.arange(4))
    return list(DataLoader(data, shuffle=True, generator=torch.Generator("cuda")))


@raises(
    RuntimeError,
    "Expected a 'cuda' device type for generator but found 'cpu'",
    code("aten/src/ATen/core/Generator.h: check_generator"),
)
def a_tensor_of_the_gpu_is_filled_by_a_generator_of_the_cpu() -> object:
    return ones(2).normal_(generator=torch.Generator())


@gives([True, True], docs("generated/torch.nn.init"))
def weights_are_initialised_on_the_gpu() -> object:
    weight = torch.empty(3, 3, device="cuda")
    torch.manual_seed(3)
    first = nn.init.kaiming_uniform_(weight).clone()
    torch.manual_seed(3)
    return [torch.equal(nn.init.kaiming_uniform_(weight), first), weight.is_cuda]


# threads and processes


@gives(([2.0], "cuda:0"), CUDA_NOTES)
def a_thread_uses_the_gpu() -> object:
    found: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: found.append(ones(1) + 1))
    thread.start()
    thread.join()
    return state(found[0])


@gives([([2.0], "cuda:0"), ([3.0], "cuda:0")], CUDA_NOTES)
def a_pool_of_threads_uses_the_gpu() -> object:
    with ThreadPoolExecutor(2) as pool:
        return [state(found) for found in pool.map(lambda n: ones(1) + n, (1, 2))]


@gives([True, True], docs("generated/torch.Stream"))
def a_generic_stream_and_event_are_made_for_cuda() -> object:
    stream = torch.Stream(device="cuda")
    return [isinstance(stream, torch.Stream), stream.query()]


@gives("tensor([1., 2., 3.], device='cuda:0')", docs("generated/torch.range"))
def an_old_range_is_made_on_cuda() -> object:
    return repr(torch.range(1, 3, device="cuda"))


@gives("tensor([1.], device='cuda:0')", limit("a process that was forked"), emulated_only=True)
def a_forked_process_goes_on_with_the_emulation() -> object:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, repr(ones(1)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


# what the emulation cannot do


def refuses(operation: str) -> Callable[[_Run], _Run]:
    """Put a function into the table: the emulation says that it cannot do this operation."""
    text = re.compile(
        rf"{re.escape(operation)} is not emulated: this is a limit of the emulated CUDA device.*"
    )
    return raises(cuda.NotEmulatedError, text, limit(operation), emulated_only=True)


@refuses("torch.export.export")
def a_model_is_exported() -> object:
    return torch.export.export(nn.Linear(2, 2).cuda(), (ones(1, 2),))


@refuses("torch.cuda.nvtx.range_push")
def a_range_is_shown_to_a_profiler() -> object:
    return torch.cuda.nvtx.range_push("step")


@refuses("torch.cuda.nccl.version")
def the_version_of_nccl_is_asked() -> object:
    return torch.cuda.nccl.version()


@refuses("torch.compile")
def a_function_is_compiled() -> object:
    return torch.compile(lambda x: x + 1)(ones(1))


@refuses("torch.jit.script")
def a_function_is_scripted() -> object:
    return torch.jit.script(nn.ReLU())


@refuses("torch.jit.trace")
def a_function_is_traced() -> object:
    return torch.jit.trace(lambda x: x + 1, ones(1))


@refuses("torch.autocast('cuda')")
def precision_is_chosen_for_the_gpu() -> object:
    return torch.autocast("cuda")


@refuses("torch.cuda.CUDAGraph")
def work_is_recorded() -> object:
    return torch.cuda.CUDAGraph()


@refuses("torch.cuda.make_graphed_callables")
def a_function_is_recorded() -> object:
    return torch.cuda.make_graphed_callables(nn.Linear(1, 1), (ones(1),))


@refuses("Tensor.__dlpack__ of a CUDA tensor")
def memory_is_shared_with_other_libraries() -> object:
    return ones(1).__dlpack__()


@refuses("Tensor.__cuda_array_interface__")
def memory_is_shared_with_numba() -> object:
    return ones(1).__cuda_array_interface__


@refuses("torch.cuda.utilization")
def the_gpu_is_asked_how_busy_it_is() -> object:
    return torch.cuda.utilization()


@refuses("torch.cuda.temperature")
def the_gpu_is_asked_how_hot_it_is() -> object:
    return torch.cuda.temperature()


@refuses("torch.cuda.memory_snapshot")
def the_allocator_is_asked_for_its_blocks() -> object:
    return torch.cuda.memory_snapshot()


@refuses("torch.nn.parallel.comm.broadcast")
def a_tensor_is_sent_to_all_gpus() -> object:
    return torch.nn.parallel.comm.broadcast(ones(1), [0])


@refuses("sending CUDA tensors to another process")
def a_tensor_is_sent_to_another_process() -> object:
    return ones(1).untyped_storage()._share_cuda_()


@refuses("torch.autocast('cuda')")
def precision_is_chosen_in_the_old_way() -> object:
    return torch.cuda.amp.autocast()


@refuses("a CUDA type as the default one")
def the_default_type_is_one_of_the_gpu() -> object:
    torch.set_default_tensor_type("torch.cuda.FloatTensor")
    return None


@refuses("torch.nested.nested_tensor of CUDA")
def tensors_of_several_lengths_are_nested() -> object:
    return torch.nested.nested_tensor([ones(1), ones(2)])


@gives("cpu", docs("amp"))
def precision_is_chosen_for_the_cpu() -> object:
    with torch.autocast("cpu", enabled=False):
        return str((torch.ones(1) + 1).device)


# switching off


def attributes() -> dict[str, object]:
    """What the emulation replaces parts of."""
    owners: dict[str, Any] = {
        "torch": torch,
        "cuda": torch.cuda,
        "memory": torch.cuda.memory,
        "random": torch.cuda.random,
        "Tensor": torch.Tensor,
        "UntypedStorage": torch.UntypedStorage,
        "Thread": threading.Thread,
        "autograd": torch.autograd,
        "graph": torch.autograd.graph,
        "Function": torch.autograd.Function,
        "autocast": torch.autocast,
        "jit": torch.jit,
        "comm": torch.nn.parallel.comm,
        "optimizer": sys.modules["torch.optim.optimizer"],
        "cudnn": torch.backends.cudnn,
        "_C": torch._C,
        "overrides": torch.overrides,
        "nested": torch.nested,
        "dlpack": torch.utils.dlpack,
        "swa_utils": torch.optim.swa_utils,
        "hooks": torch.autograd.graph.saved_tensors_hooks,
        "pool": vars(concurrent.futures.thread)["_WorkItem"],
    }
    return {
        f"{name}.{attribute}": value
        for name, owner in owners.items()
        for attribute, value in vars(owner).items()
        if not attribute.startswith("__") or attribute == "__init__"
    }


@gives([], limit("autograder.cuda.disable"), emulated_only=True)
def switching_off_puts_every_attribute_back() -> object:
    cuda.disable()
    before = attributes()
    with cuda.emulated(2):
        during = attributes()
        x = ones(1).requires_grad_()
        (x * 2).sum().backward()
    after = attributes()
    assert any(during.get(name) is not value for name, value in before.items())
    changed = [name for name, value in before.items() if after.get(name, before) is not value]
    return changed + [name for name in after if name not in before]


@gives([[], "cpu", "cpu", False], limit("autograder.cuda.disable"), emulated_only=True)
def switching_off_leaves_no_mode_and_no_device() -> object:
    x = ones(1)
    cuda.disable()
    stack: Any = torch.overrides._get_current_function_mode_stack()
    return [list(stack), str(torch.ones(1).device), str(x.device), cuda.is_enabled()]
