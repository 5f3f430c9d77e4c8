"""Whole programs give on the emulated device what they give on the CPU, bit for bit.

What they make is where a GPU would have it, typical mistakes raise, and the emulation does so in
threads and forked processes, is switched on and off, and leaves torch as it was.
"""

import gc
import io
import os
import pickle
import subprocess
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from autograder import cuda
from tests.cuda import patterns
from tests.cuda.patterns import Outcome, Program

CPU: Final = torch.device("cpu")
CUDA: Final = torch.device("cuda")
FIRST: Final = torch.device("cuda:0")
SECOND: Final = torch.device("cuda:1")
SEED: Final = 20


@dataclass(frozen=True)
class Found:
    """A tensor that a program has made, brought to the CPU, and where it was."""

    value: Tensor
    device: torch.device
    wanted: torch.device
    """Where it must have been."""


def parts(name: str, value: object, device: torch.device) -> Iterator[tuple[str, object, Any]]:
    """The tensors and plain values in a value, by name, with the device that each belongs on.

    A model has its parameters, their gradients and its buffers; an optimizer has its state, of
    which torch keeps counters of steps on the CPU.
    """
    if isinstance(value, Tensor):
        yield name, value, device
        if value.is_leaf and value.grad is not None:
            yield f"{name}.grad", value.grad, device
    elif isinstance(value, nn.Module):
        for key, each in (*value.named_parameters(), *value.named_buffers()):
            yield from parts(f"{name}.{key}", each, device)
    elif isinstance(value, optim.Optimizer):
        counters = () if isinstance(value, optim.ASGD) else ("step", "mu_product")
        for number, state in value.state_dict()["state"].items():
            for key, each in state.items():
                home = CPU if key in counters else device
                yield from parts(f"{name}[{number}].{key}", each, home)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from parts(f"{name}.{key}", each, device)
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from parts(f"{name}[{number}]", each, device)
    else:
        yield name, value, None


def run(program: Program, device: torch.device) -> dict[str, Any]:
    """Run a program from the same seed as ever; what it has made, by name."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    outcome = program(device)
    wanted = FIRST if device.type == "cuda" else CPU
    made = [*parts("there", outcome.there, wanted), *parts("here", outcome.here, CPU)]
    return {
        name: Found(value.detach().cpu().clone(), value.device, home)
        if isinstance(value, Tensor)
        else value
        for name, value, home in made
    }


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of what two runs have made differently."""
    if list(one) != list(other):
        return sorted({*one} ^ {*other}) or ["order of names"]
    return [name for name in one if not _same(one[name], other[name])]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Found):
        a, b = one.value, other.value
        return a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)
    return bool(one == other)


def misplaced(made: Mapping[str, Any]) -> list[str]:
    """Tensors that were not where they belong."""
    return [
        f"{name} on {each.device}"
        for name, each in made.items()
        if isinstance(each, Found) and each.device != each.wanted
    ]


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    """Each test begins and ends without the emulation; all sums are made in one thread."""
    assert not cuda.is_enabled()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # forked children can have one only, and sum in another order
    yield
    torch.set_num_threads(threads)
    cuda.disable()


@pytest.fixture
def emulation() -> Iterator[None]:
    """CUDA with one device is emulated."""
    with cuda.emulated():
        yield


# Programs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", patterns.PROGRAMS)
def test_a_program_gives_what_it_gives_on_the_cpu(name: str) -> None:
    program = patterns.PROGRAMS[name]
    on_cpu = run(program, CPU)
    with cuda.emulated():
        emulated = run(program, CUDA)
    assert misplaced(emulated) == []
    assert differences(on_cpu, emulated) == []


@pytest.mark.parametrize("name", patterns.PROGRAMS)
def test_a_program_on_the_cpu_is_left_alone_by_the_emulation(name: str) -> None:
    program = patterns.PROGRAMS[name]
    before = run(program, CPU)
    with cuda.emulated():
        meanwhile = run(program, CPU)
    assert misplaced(meanwhile) == []
    assert differences(before, meanwhile) == []
    assert differences(before, run(program, CPU)) == []


SEED_DOCUMENT: Final = """\
if torch.cuda.is_available():
  tensor = rand_tensor.to('cuda')
  print(f"Device tensor is stored on: {tensor.device}")
"""


def test_the_cell_of_the_seed_document(capsys: pytest.CaptureFixture[str]) -> None:
    cell = compile(SEED_DOCUMENT, "cell", "exec")
    names = {"torch": torch, "rand_tensor": torch.rand(3, 2)}
    if not torch.cuda.is_available():
        exec(cell, names)
        assert capsys.readouterr().out == ""
    with cuda.emulated():
        exec(cell, names)
    assert capsys.readouterr().out == "Device tensor is stored on: cuda:0\n"


def test_the_ways_to_choose_a_device(emulation: None) -> None:
    assert torch.device("cuda" if torch.cuda.is_available() else "cpu") == CUDA
    assert torch.device("cuda:0" if torch.cuda.is_available() else "cpu") == FIRST
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None:
        assert accelerator.is_available()
        assert accelerator.current_accelerator().type == "cuda"
        assert accelerator.current_accelerator() == CUDA
    model = patterns.RowNetwork().to("cuda")
    assert {parameter.device for parameter in model.parameters()} == {FIRST}
    assert {each.device for each in patterns.RowNetwork().cuda().parameters()} == {FIRST}


def test_a_tensor_shows_its_device(emulation: None) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True, device="cuda")
    assert repr(x.detach()) == "tensor([1., 2.], device='cuda:0')"
    assert repr(x) == "tensor([1., 2.], device='cuda:0', requires_grad=True)"
    assert "device='cuda:0', grad_fn=<MulBackward0>)" in repr(x * 2)
    assert f"{x.sum():.1f}" == "3.0"


def test_the_bridge_to_numpy_ends_at_the_device(emulation: None) -> None:
    array = np.ones(3, dtype=np.float32)
    shared, copied = torch.from_numpy(array), torch.from_numpy(array).to("cuda")
    array += 1
    assert shared.tolist() == [2.0, 2.0, 2.0]
    assert copied.tolist() == [1.0, 1.0, 1.0]


def test_a_moved_leaf_is_none_any_more(emulation: None) -> None:
    leaf = torch.ones(3, requires_grad=True)
    moved = leaf.to("cuda")
    (moved * 2).sum().backward()
    assert not moved.is_leaf
    assert leaf.grad is not None
    assert leaf.grad.device == CPU
    assert leaf.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_model_is_moved_in_place_and_its_optimizer_still_knows_it() -> None:
    def program(device: torch.device) -> Outcome:
        model = patterns.perceptron()
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        before = list(model.parameters())
        assert model.to(device) is model
        assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
        x, y = (each.to(device) for each in patterns.blobs())
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        return Outcome({"model": model, "optimizer": optimizer})

    on_cpu = run(program, CPU)
    with cuda.emulated():
        emulated = run(program, CUDA)
    assert misplaced(emulated) == []
    assert differences(on_cpu, emulated) == []


def test_workers_and_a_pinning_thread_load_batches(emulation: None) -> None:
    loader = DataLoader(patterns.Squares(), batch_size=4, num_workers=1, pin_memory=True)
    batches = list(loader)
    assert all(batch["x"].is_pinned() and batch["x"].device == CPU for batch in batches)
    moved = torch.cat([batch["x"].to("cuda", non_blocking=True) for batch in batches])
    assert moved.device == FIRST
    assert moved[:, 0].tolist() == [float(number) for number in range(10)]


# Mistakes -----------------------------------------------------------------------------------------

MIXED: Final = "Expected all tensors to be on the same device"


def batch_is_not_moved() -> None:
    patterns.perceptron().to("cuda")(patterns.blobs()[0])


def model_is_not_moved() -> None:
    patterns.perceptron()(patterns.blobs()[0].to("cuda"))


def labels_are_not_moved() -> None:
    x, y = patterns.blobs()
    F.cross_entropy(patterns.perceptron().to("cuda")(x.to("cuda")), y)


def moved_tensor_is_not_kept() -> None:
    x = torch.rand(3)
    x.to("cuda")
    torch.ones(3, device="cuda") + x


def pictures_are_not_moved() -> None:
    patterns.DigitNet().to("cuda")(patterns.pictures()[0])


def only_pictures_are_moved() -> None:
    patterns.DigitNet()(patterns.pictures()[0].to("cuda"))


def words_are_not_moved() -> None:
    nn.Embedding(4, 2).to("cuda")(torch.tensor([1, 2]))


def hidden_state_is_not_moved() -> None:
    model = patterns.CharNet(5).to("cuda")
    model(torch.tensor([[1, 2]], device="cuda"), patterns.zero_state(1, CPU))


def mask_is_no_buffer() -> None:
    class Masked(nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 4)
            self.mask = torch.ones(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight * self.mask)

    Masked().to("cuda")(torch.rand(2, 4, device="cuda"))


def layers_are_in_a_list() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(4, 4)]

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.layers[0](x)
            return found

    Listed().to("cuda")(torch.rand(2, 4, device="cuda"))


def class_weights_are_not_moved() -> None:
    scores, labels = torch.rand(4, 3, device="cuda"), torch.tensor([0, 1, 2, 0], device="cuda")
    nn.CrossEntropyLoss(weight=torch.ones(3))(scores, labels)


def noise_is_made_on_the_cpu() -> None:
    weight = torch.rand(3, device="cuda")
    weight += torch.randn(3)


def sum_is_kept_on_the_cpu() -> None:
    total = torch.zeros(3)
    total += torch.ones(3, device="cuda")


def predictions_are_gathered_from_both() -> None:
    torch.cat([torch.rand(2), torch.rand(2, device="cuda")])


def right_answers_are_compared_across() -> None:
    _ = torch.tensor([1, 2], device="cuda") == torch.tensor([1, 2])


def actions_are_on_the_cpu() -> None:
    torch.rand(3, 2, device="cuda").gather(1, torch.zeros(3, 1, dtype=torch.long))


def cpu_tensor_is_indexed_by_the_device() -> None:
    torch.rand(3)[torch.tensor([0, 2], device="cuda")]


def gradient_comes_from_the_cpu() -> None:
    weight = torch.rand(3, device="cuda", requires_grad=True)
    (weight * 2).backward(torch.ones(3))


def gradient_is_set_from_the_cpu() -> None:
    weight = torch.rand(3, device="cuda", requires_grad=True)
    weight.grad = torch.ones(3)


def plotted_without_cpu() -> None:
    torch.rand(3, device="cuda").numpy()


def turned_into_an_array() -> None:
    np.asarray(torch.rand(3, device="cuda"))


def generator_is_of_the_cpu() -> None:
    torch.randn(3, device="cuda", generator=torch.Generator())


def second_device_of_one() -> None:
    torch.rand(3).to("cuda:1")


def pinned_on_the_device() -> None:
    torch.rand(3, device="cuda").pin_memory()


def numpy_of_a_training_model() -> None:
    patterns.perceptron().to("cuda")(patterns.blobs()[0].to("cuda")).cpu().numpy()


MISTAKES: Final[list[tuple[Callable[[], None], type[Exception], str]]] = [
    (batch_is_not_moved, RuntimeError, MIXED),
    (model_is_not_moved, RuntimeError, MIXED),
    (labels_are_not_moved, RuntimeError, MIXED),
    (moved_tensor_is_not_kept, RuntimeError, f"{MIXED}, but found.* cuda:0 and cpu!"),
    (
        pictures_are_not_moved,
        RuntimeError,
        r"Input type \(torch.FloatTensor\) and weight type \(torch.cuda.FloatTensor\)",
    ),
    (
        only_pictures_are_moved,
        RuntimeError,
        r"Input type \(torch.cuda.FloatTensor\) and weight type \(torch.FloatTensor\)",
    ),
    (words_are_not_moved, RuntimeError, MIXED),
    (hidden_state_is_not_moved, RuntimeError, "Input and hidden tensors are not at the same devi"),
    (mask_is_no_buffer, RuntimeError, MIXED),
    (layers_are_in_a_list, RuntimeError, MIXED),
    (class_weights_are_not_moved, RuntimeError, MIXED),
    (noise_is_made_on_the_cpu, RuntimeError, MIXED),
    (sum_is_kept_on_the_cpu, RuntimeError, MIXED),
    (predictions_are_gathered_from_both, RuntimeError, MIXED),
    (right_answers_are_compared_across, RuntimeError, MIXED),
    (actions_are_on_the_cpu, RuntimeError, MIXED),
    (cpu_tensor_is_indexed_by_the_device, RuntimeError, "indices should be either on cpu or on"),
    (gradient_comes_from_the_cpu, RuntimeError, "invalid gradient at index 0 - expected device"),
    (gradient_is_set_from_the_cpu, RuntimeError, "assign"),
    (plotted_without_cpu, TypeError, "can't convert cuda:0 device type tensor to numpy"),
    (turned_into_an_array, TypeError, "can't convert cuda:0 device type tensor to numpy"),
    (generator_is_of_the_cpu, RuntimeError, "Expected a 'cuda' device type for generator but"),
    (second_device_of_one, RuntimeError, "invalid device ordinal"),
    (pinned_on_the_device, RuntimeError, "only dense CPU tensors can be pinned"),
    (numpy_of_a_training_model, RuntimeError, "requires grad"),
]


def _id_of(value: object) -> str:
    return value.__name__ if isinstance(value, (types.FunctionType, type)) else "words"


@pytest.mark.parametrize(("mistake", "kind", "words"), MISTAKES, ids=_id_of)
def test_a_mistake_raises(
    emulation: None, mistake: Callable[[], None], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        mistake()


def test_nothing_is_left_of_a_mistake(emulation: None) -> None:
    for mistake, kind, _words in MISTAKES:
        with pytest.raises(kind):
            mistake()
    assert misplaced(run(patterns.quickstart, CUDA)) == []


def test_numbers_on_the_cpu_go_with_tensors_on_the_device(emulation: None) -> None:
    x = torch.ones(2, device="cuda")
    assert (x * torch.tensor(2.0)).device == FIRST
    assert x[torch.tensor([1, 0])].device == FIRST
    x[0] = torch.tensor(5.0)
    x.copy_(torch.zeros(2))
    assert x.tolist() == [0.0, 0.0]


def test_a_file_of_the_device_needs_map_location_where_there_is_none() -> None:
    with cuda.emulated():
        file = io.BytesIO()
        torch.save(patterns.perceptron().to("cuda").state_dict(), file)
    if not torch.cuda.is_available():
        file.seek(0)
        errors = (RuntimeError, pickle.UnpicklingError)  # the second is that of older versions
        with pytest.raises(errors, match="Attempting to deserialize object on a CUDA device"):
            torch.load(file, weights_only=True)
    file.seek(0)
    patterns.perceptron().load_state_dict(torch.load(file, "cpu", weights_only=True))


# Several devices ----------------------------------------------------------------------------------


def split(first: torch.device, second: torch.device, foreach: bool = False) -> dict[str, Any]:
    """Train a model whose layers are on two devices; its weights, gradients and Adam's state."""
    torch.manual_seed(SEED)
    below, above = nn.Linear(4, 8).to(first), nn.Linear(8, 3).to(second)
    parameters = [*below.parameters(), *above.parameters()]
    optimizer = optim.Adam(parameters, lr=0.05, foreach=foreach)
    x, y = patterns.blobs()
    x, y = x.to(first), y.to(second)
    for _step in range(4):
        optimizer.zero_grad()
        hidden = torch.relu(below(x)).to(second)
        loss = F.cross_entropy(above(hidden), y)
        loss.backward()
        optimizer.step()
    state = optimizer.state_dict()["state"]
    made = [
        *parts("below", [below, *(state[n]["exp_avg"] for n in (0, 1))], first),
        *parts("above", [above, loss, *(state[n]["exp_avg"] for n in (2, 3))], second),
    ]
    return {
        name: Found(value.detach().cpu().clone(), value.device, home)
        for name, value, home in made
        if isinstance(value, Tensor)
    }


@pytest.mark.parametrize("foreach", [False, True])
def test_a_model_is_trained_over_two_devices(foreach: bool) -> None:
    on_cpu = split(CPU, CPU, foreach)
    with cuda.emulated(2):
        emulated = split(FIRST, SECOND, foreach)
        turned = split(SECOND, FIRST, foreach)
    assert misplaced(emulated) == misplaced(turned) == []
    assert differences(on_cpu, emulated) == differences(on_cpu, turned) == []


def test_gradients_on_two_devices_are_clipped_together() -> None:
    def clipped(first: torch.device, second: torch.device) -> list[Tensor]:
        a, b = (torch.ones(3, device=each, requires_grad=True) for each in (first, second))
        (3 * a.sum() + 4 * b.sum().to(first)).backward()
        norm = nn.utils.clip_grad_norm_([a, b], 1.0)
        assert norm.device == first
        assert a.grad is not None and a.grad.device == first
        assert b.grad is not None and b.grad.device == second
        return [norm.cpu(), a.grad.cpu(), b.grad.cpu()]

    on_cpu = clipped(CPU, CPU)
    with cuda.emulated(2):
        emulated = clipped(FIRST, SECOND)
    assert all(torch.allclose(*pair) for pair in zip(on_cpu, emulated, strict=True))


def test_two_devices_do_not_mix() -> None:
    with cuda.emulated(2):
        assert torch.cuda.device_count() == 2
        with pytest.raises(RuntimeError, match=MIXED):
            nn.Linear(4, 3).to("cuda:0")(torch.rand(2, 4, device="cuda:1"))
        with torch.cuda.device(1):
            assert torch.rand(2, device="cuda").device == SECOND
        file = io.BytesIO()
        torch.save({"a": torch.ones(2, device="cuda:1"), "b": torch.ones(2)}, file)
        for where, devices in ((None, (SECOND, CPU)), ({"cuda:1": "cuda:0"}, (FIRST, CPU))):
            file.seek(0)
            loaded = torch.load(file, map_location=where, weights_only=True)
            assert (loaded["a"].device, loaded["b"].device) == devices


# Threads and processes ----------------------------------------------------------------------------


def fit(model: nn.Module, device: torch.device) -> dict[str, Any]:
    """Train a model without random numbers; what comes out of it."""
    model = model.to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    x, y = (each.to(device) for each in patterns.blobs())
    for _step in range(10):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    made = parts("", [model, optimizer], FIRST if device.type == "cuda" else CPU)
    return {
        name: Found(value.detach().cpu().clone(), value.device, home)
        for name, value, home in made
        if isinstance(value, Tensor)
    }


def two_models() -> list[nn.Module]:
    """Two models, always the same ones."""
    torch.manual_seed(SEED)
    return [patterns.perceptron(), patterns.perceptron(hidden=6)]


def test_two_threads_train_two_models() -> None:
    on_cpu = [fit(model, CPU) for model in two_models()]
    with cuda.emulated(), ThreadPoolExecutor(2) as pool:
        emulated = list(pool.map(fit, two_models(), [CUDA, CUDA]))
    for one, other in zip(on_cpu, emulated, strict=True):
        assert misplaced(other) == []
        assert differences(one, other) == []


def test_one_thread_is_on_the_device_and_one_on_the_cpu() -> None:
    on_cpu = [fit(model, CPU) for model in two_models()]
    with cuda.emulated(), ThreadPoolExecutor(2) as pool:
        emulated = list(pool.map(fit, two_models(), [CUDA, CPU]))
    for one, other in zip(on_cpu, emulated, strict=True):
        assert misplaced(other) == []
        assert differences(one, other) == []


def test_each_thread_has_its_current_device() -> None:
    with cuda.emulated(2), ThreadPoolExecutor(1) as pool:
        torch.cuda.set_device(1)
        assert torch.rand(1, device="cuda").device == SECOND
        assert pool.submit(lambda: torch.rand(1, device="cuda").device).result() == FIRST
        assert torch.cuda.current_device() == 1


def test_threads_may_outlive_the_emulation() -> None:
    with ThreadPoolExecutor(1) as pool:
        with cuda.emulated():
            moved = pool.submit(lambda: torch.rand(1).to("cuda").device).result()
        assert moved == FIRST
        assert pool.submit(lambda: torch.rand(1).device).result() == CPU
        if not torch.cuda.is_available():
            assert isinstance(
                pool.submit(_error_of_moving).result(), (AssertionError, RuntimeError)
            )


def _error_of_moving() -> Exception | None:
    try:
        torch.rand(1).to("cuda")
    except (AssertionError, RuntimeError) as error:
        return error
    return None


def in_a_child(function: Callable[[], Any]) -> Any:
    """What a function returns in a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                answer = (True, function())
            except BaseException:
                answer = (False, traceback.format_exc())
            with os.fdopen(writing, "wb") as file:
                pickle.dump(answer, file)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        done, answer = pickle.load(file)
    os.waitpid(child, 0)
    assert done, answer
    return answer


def checked(program: Program, on_cpu: Mapping[str, Any]) -> list[str]:
    """What is wrong with a program's outcome on the emulated device."""
    emulated = run(program, CUDA)
    return misplaced(emulated) + differences(on_cpu, emulated)


def test_a_forked_child_goes_on_with_the_emulation() -> None:
    on_cpu = run(patterns.digits, CPU)
    with cuda.emulated():
        mine = torch.ones(3, device="cuda")

        def work() -> list[str]:
            assert mine.device == FIRST
            assert (mine + torch.ones(3, device="cuda")).tolist() == [2.0, 2.0, 2.0]
            return checked(patterns.digits, on_cpu)

        assert in_a_child(work) == []
        assert checked(patterns.digits, on_cpu) == []


def test_a_forked_child_switches_it_on_for_itself() -> None:
    on_cpu = run(patterns.digits, CPU)

    def work() -> list[str]:
        assert cuda.enable(quiet=True, force=True)
        return checked(patterns.digits, on_cpu)

    assert in_a_child(work) == []
    assert not cuda.is_enabled()


def test_a_forked_child_switches_it_off_for_itself() -> None:
    with cuda.emulated():

        def work() -> bool:
            cuda.disable()
            return cuda.is_enabled()

        assert in_a_child(work) is False
        assert torch.rand(1, device="cuda").device == FIRST


SCRIPT: Final = """
from autograder import cuda
assert cuda.enable(force=True, quiet=True)
import torch
from tests.cuda import patterns, test_patterns
torch.set_num_threads(1)
wrong = {}
emulated = {}
for name, program in patterns.PROGRAMS.items():
    try:
        emulated[name] = test_patterns.run(program, torch.device("cuda"))
        wrong[name] = test_patterns.misplaced(emulated[name])
    except Exception as error:
        wrong[name] = [repr(error)]
cuda.disable()
for name, made in emulated.items():
    on_cpu = test_patterns.run(patterns.PROGRAMS[name], torch.device("cpu"))
    wrong[name] += test_patterns.differences(on_cpu, made)
for name, faults in wrong.items():
    if faults:
        print(name, *faults)
"""


def test_it_may_be_switched_on_before_torch_has_loaded_the_rest_of_itself() -> None:
    command = [sys.executable, "-c", SCRIPT]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_thread_that_was_there_before_has_the_device_too() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with cuda.emulated():
            moved = torch.ones(2, device="cuda")
            assert pool.submit(lambda: moved.device).result() == FIRST
            assert pool.submit(lambda: torch.ones(2, device="cuda").device).result() == FIRST


# On and off ---------------------------------------------------------------------------------------


def modes() -> list[object]:
    """The function modes of this thread."""
    return list(torch.overrides._get_current_function_mode_stack())


def functions() -> dict[tuple[str, str], object]:
    """All functions, classes and properties of torch's modules and of the classes in them."""
    owners: dict[str, Any] = {"threading.Thread": threading.Thread}
    for name, module in list(sys.modules.items()):
        if name == "torch" or name.startswith("torch."):
            owners[name] = module
            for key, value in list(vars(module).items()):
                if isinstance(value, type) and value.__module__.startswith("torch"):
                    owners[f"{name}.{key}"] = value
    return {
        (name, key): value
        for name, owner in owners.items()
        for key, value in list(vars(owner).items())
        if callable(value) or isinstance(value, property)
    }


def changed(before: dict[tuple[str, str], object]) -> list[tuple[str, str]]:
    """Functions that are others now, or are gone; and new ones in ``torch.cuda``."""
    after = functions()
    new = {key for key in after if key not in before and key[0] in ("torch", "torch.cuda")}
    return sorted({key for key, value in before.items() if after.get(key) is not value} | new)


@contextmanager
def nothing_left() -> Iterator[None]:
    """A block after which torch is as it was: modes, functions and what they compute."""
    stack, trained = modes(), run(patterns.digits, CPU)
    before = functions()
    yield
    assert not cuda.is_enabled()
    assert modes() == stack
    assert changed(before) == []
    assert differences(trained, run(patterns.digits, CPU)) == []


def test_switching_off_leaves_torch_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    run(patterns.quickstart, CPU)  # torch has loaded what it loads late
    with nothing_left():
        assert cuda.enable(force=True)
        run(patterns.quickstart, CUDA)
        cuda.disable()
    assert capsys.readouterr().out.count("\n") == 1


def test_it_is_switched_on_and_off_again_and_again() -> None:
    on_cpu = run(patterns.accumulated_gradients, CPU)
    with nothing_left():
        for devices in (1, 2, 1, 3):
            assert cuda.enable(devices, force=True, quiet=True)
            assert cuda.enable(devices, force=True, quiet=True)
            assert torch.cuda.device_count() == devices
            assert modes().count(modes()[-1]) == 1
            assert checked(patterns.accumulated_gradients, on_cpu) == []
            cuda.disable()
            cuda.disable()
            assert not cuda.is_enabled()


def test_the_number_of_devices_changes_while_it_is_on() -> None:
    with nothing_left():
        cuda.enable(force=True, quiet=True)
        cuda.enable(2, force=True, quiet=True)
        assert torch.rand(1, device="cuda:1").device == SECOND
        cuda.disable()


def test_blocks_are_nested() -> None:
    with nothing_left():
        with cuda.emulated():
            outer = torch.ones(2, device="cuda")
            with cuda.emulated(2):
                assert torch.cuda.device_count() == 2
                assert torch.rand(1, device="cuda:1").device == SECOND
            assert torch.cuda.device_count() == 1
            with cuda.emulated():
                assert (outer + 1).device == FIRST
            assert cuda.is_enabled()
            assert outer.device == FIRST
            assert torch.rand(1, device="cuda").device == FIRST
        assert not cuda.is_enabled()


def test_an_error_leaves_the_block() -> None:
    with nothing_left():
        with pytest.raises(RuntimeError, match=MIXED), cuda.emulated():
            batch_is_not_moved()
        with pytest.raises(KeyboardInterrupt), cuda.emulated():
            raise KeyboardInterrupt


def test_a_default_device_and_other_modes_stay_on_the_stack() -> None:
    with nothing_left(), torch.device("cpu"):
        around = modes()
        with cuda.emulated():
            assert torch.ones(2).device == CPU
            with torch.device("cuda"):
                assert torch.ones(2).device == FIRST
            assert torch.ones(2).device == CPU
        assert modes() == around


def test_what_was_on_the_device_is_on_the_cpu_when_it_is_switched_off() -> None:
    model = patterns.perceptron()
    with cuda.emulated():
        model.to("cuda")
        moved = patterns.blobs()[0].to("cuda")
    assert moved.device == CPU
    assert model(moved).device == CPU
    model(moved).sum().backward()
    assert {
        parameter.grad.device for parameter in model.parameters() if parameter.grad is not None
    } == {CPU}
    assert moved.numpy().shape == (48, 4)


def test_memory_is_given_back(emulation: None) -> None:
    run(patterns.quickstart, CUDA)
    gc.collect()
    assert torch.cuda.memory_allocated() == 0
    x = torch.ones(1024, device="cuda")
    assert torch.cuda.memory_allocated() == 4096
    del x
    assert torch.cuda.memory_allocated() == 0


def test_it_says_that_it_is_emulated_in_the_language_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for language, told in (("es", "CUDA está emulada"), ("en", "CUDA is emulated")):
        assert cuda.enable(force=True, language=language)
        cuda.disable()
        assert capsys.readouterr().out.startswith(told)


@pytest.mark.parametrize(("devices", "language"), [(0, "es"), (17, "es"), (1, "tlh")])
def test_what_there_is_not_is_named_and_switches_nothing_on(devices: int, language: str) -> None:
    with pytest.raises(ValueError, match=r"choose"):
        cuda.enable(devices, force=True, language=language)
    assert not cuda.is_enabled()


class OnCuda(torch.utils.data.Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> torch.Tensor:
        return torch.ones(1, device="cuda")


def test_a_worker_of_a_data_loader_may_not_use_the_device_as_with_cuda() -> None:
    held = torch.utils.data.TensorDataset(torch.ones(2, 1))
    with cuda.emulated():
        for data in (OnCuda(), torch.utils.data.TensorDataset(torch.ones(2, 1, device="cuda"))):
            loader = torch.utils.data.DataLoader(data, num_workers=1, timeout=60)
            with pytest.raises(RuntimeError, match="Cannot re-initialize CUDA in forked"):
                list(loader)
        loader = torch.utils.data.DataLoader(held, num_workers=1, timeout=60)
        assert [str(batch.cuda().device) for (batch,) in loader] == ["cuda:0"] * 2


def test_what_hooks_see_of_the_cpu_stays_there() -> None:
    with cuda.emulated():
        index, scale = torch.tensor([1, 0]), torch.tensor(2.0, requires_grad=True)
        x = torch.ones(2, device="cuda", requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            (x[index] * scale).sum().backward()
        assert x.grad is not None
        assert [str(t.device) for t in (index, scale, x.grad)] == ["cpu", "cpu", "cuda:0"]


def test_its_error_survives_the_way_through_another_process() -> None:
    with cuda.emulated(), pytest.raises(cuda.NotEmulatedError) as caught:
        torch.compile(torch.nn.Linear(1, 1))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_block_with_as_many_devices_changes_nothing() -> None:
    with cuda.emulated():
        torch.cuda.manual_seed(3)
        expected = torch.rand(2, 2, device="cuda").tolist()
        torch.cuda.manual_seed(3)
        first = torch.rand(2, device="cuda")
        with cuda.emulated():
            assert first.is_cuda
        assert [first.tolist(), torch.rand(2, device="cuda").tolist()] == expected


def test_after_a_block_with_more_devices_its_tensors_are_on_the_cpu() -> None:
    with cuda.emulated():
        x = torch.ones(1, device="cuda")
        with cuda.emulated(2):
            y = torch.ones(1, device="cuda:1")
            assert (str(x.device), str(y.device)) == ("cpu", "cuda:1")
        assert (str(x.device), str(y.device)) == ("cuda:0", "cpu")


def test_what_was_on_it_before_it_was_switched_off_does_not_come_back() -> None:
    with cuda.emulated():
        x = torch.ones(1, device="cuda")
    with cuda.emulated():
        assert str((x + torch.ones(1)).device) == "cpu"


def test_another_thread_may_have_enabled_it() -> None:
    thread = threading.Thread(target=lambda: cuda.enable(force=True, quiet=True))
    thread.start()
    thread.join()
    try:
        with pytest.raises(cuda.NotEmulatedError, match="in this thread"):
            torch.ones(1, device="cuda")
        assert cuda.enable(force=True, quiet=True)
        assert torch.ones(1, device="cuda").is_cuda
    finally:
        cuda.disable()


def test_it_outlives_a_block_with_a_device_in_which_it_was_switched_on() -> None:
    try:
        with torch.device("cpu"):
            cuda.enable(force=True, quiet=True)
        assert torch.ones(2, device="cuda").is_cuda
    finally:
        cuda.disable()
    assert torch.overrides._get_current_function_mode_stack() == []


def test_a_default_device_ends_with_it() -> None:
    with cuda.emulated():
        torch.set_default_device("cuda")
        assert torch.ones(1).is_cuda
        cuda.disable()
        assert not torch.ones(1).is_cuda
        cuda.enable(force=True, quiet=True)
    assert not torch.ones(1).is_cuda


def test_the_streams_of_a_thread_are_its_own() -> None:
    with cuda.emulated(), ThreadPoolExecutor(1) as pool:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            other = pool.submit(torch.cuda.current_stream).result()
            assert torch.cuda.current_stream() == stream != other


def test_a_warning_is_of_the_line_that_causes_it() -> None:
    with cuda.emulated(), pytest.warns(UserWarning, match="non-leaf") as warned:
        x = torch.ones(1, device="cuda", requires_grad=True) * 2
        x.grad  # noqa: B018
    assert [warning.filename for warning in warned] == [__file__]


def test_a_function_that_a_library_compiles_is_refused_only_with_tensors_on_the_device() -> None:
    with cuda.emulated():
        for compiled in (torch.compile(double), torch.compile(dynamic=True)(double),
                         torch.jit.script(double)):  # fmt: skip
            assert compiled(torch.ones(1)).item() == 2
            with pytest.raises(cuda.NotEmulatedError, match=r"torch\.(compile|jit\.script)"):
                compiled(torch.ones(1, device="cuda"))


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2
