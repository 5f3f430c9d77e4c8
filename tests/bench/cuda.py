"""What the emulated CUDA device costs: ``python -m tests.bench.cuda [ROUNDS]``.

Small training programs are timed in four ways: on the CPU in a process that never knew of the
emulation, on the emulated device, on the CPU while it is on, and on the CPU after it was switched
off again. Each timing is made in a process of its own, forked from one in which the emulation was
never on; the ways take turns, and a ratio is that of two timings of one round. Prints medians and
writes nothing.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from autograder import __version__, cuda

Step = Callable[[], object]
"""One step of a training loop."""
ROUNDS: Final = 15
SECONDS: Final = 0.15
"""How long each timing takes about."""
PLAIN: Final = "never on"
WAYS: Final = (PLAIN, "cuda", "on, CPU tensors", "off again")


def manual(device: torch.device) -> Step:
    """A linear model that is updated by hand."""
    x, y = torch.randn(64, 4).to(device), torch.randn(64, 1).to(device)
    w = torch.randn(4, 1).to(device).requires_grad_()
    b = torch.zeros(1, device=device, requires_grad=True)

    def step() -> None:
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for each in (w, b):
                assert each.grad is not None
                each.sub_(0.01 * each.grad)
                each.grad.zero_()

    return step


def trained(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    make: Callable[..., optim.Optimizer],
    device: torch.device,
) -> Step:
    """The usual loop over one batch that is moved each time."""
    model.to(device)
    optimizer = make(model.parameters(), lr=0.01)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x.to(device)), y.to(device))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def perceptron(device: torch.device, make: Callable[..., optim.Optimizer]) -> Step:
    """Two hidden layers."""
    model = nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5)
    )
    return trained(model, torch.randn(64, 20), torch.arange(64) % 5, make, device)


def convolutions(device: torch.device) -> Step:
    """A small conv net on small pictures."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(400, 10),
    )
    return trained(model, torch.randn(32, 1, 16, 16), torch.arange(32) % 10, optim.SGD, device)


PROGRAMS: Final[Mapping[str, Callable[[torch.device], Step]]] = {
    "x @ w + b, updated by hand": manual,
    "MLP with SGD": lambda device: perceptron(device, optim.SGD),
    "MLP with Adam": lambda device: perceptron(device, optim.Adam),
    "conv net with SGD": convolutions,
}


def timed(name: str, way: str) -> float:
    """Seconds that a program's step takes in one of the ways, in this process."""
    if way != PLAIN:
        cuda.enable(force=True, quiet=True)
    if way == "off again":
        PROGRAMS[name](torch.device("cuda"))()
        cuda.disable()
    torch.manual_seed(0)
    step = PROGRAMS[name](torch.device("cuda" if way == "cuda" else "cpu"))
    steps = 5
    for warming in (True, True, False):
        began = time.perf_counter()
        for _ in range(steps):
            step()
        each = (time.perf_counter() - began) / steps
        if warming:
            steps = max(5, int(SECONDS / each / 2))
    return each


def in_a_fork(name: str, way: str) -> float:
    """The same in a process that is forked for it."""
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sending, name, way))
    child.start()
    sending.close()
    try:
        seconds: float = receiving.recv()
    finally:
        child.join()
    return seconds


def _send(connection: Connection, name: str, way: str) -> None:
    connection.send(timed(name, way))


def main(rounds: int) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    for make in PROGRAMS.values():  # torch loads what it loads late
        make(torch.device("cpu"))()
    print(
        f"autograder {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores of which one is used; {rounds} rounds; the machine's load before: "
        f"{os.getloadavg()[0]:.1f}"
    )
    print("medians of µs a step and of ratios to it in the same round (their quartiles)\n")
    print(f"{'':28}" + f"{'plain CPU':>12}" + "".join(f"{way:>24}" for way in WAYS[1:]))
    for name in PROGRAMS:
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds):
            start = number % len(WAYS)
            for way in (*WAYS[start:], *WAYS[:start]):
                taken[way].append(in_a_fork(name, way))
        print(_row(name, taken), flush=True)
    print(f"\nthe machine's load after: {os.getloadavg()[0]:.1f}")


def _row(name: str, taken: Mapping[str, list[float]]) -> str:
    row = f"{name:28}{statistics.median(taken[PLAIN]) * 1e6:12.0f}"
    for way in WAYS[1:]:
        ratios = [one / plain for one, plain in zip(taken[way], taken[PLAIN], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        row += f"{f'{middle:.2f} ({low:.2f} - {high:.2f})':>24}"
    return row


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
