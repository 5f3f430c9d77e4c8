"""Reference solutions of the assignment ``optimizacion``."""

from collections.abc import Callable

import torch

Function = Callable[[torch.Tensor], torch.Tensor]


def points() -> torch.Tensor:
    """The 21 points from −4 to 4, float32, shape (21,)."""
    return torch.linspace(-4, 4, 21)


def square(x: torch.Tensor) -> torch.Tensor:
    """5x² at each point."""
    return 5 * x**2


def square_derivative(x: torch.Tensor) -> torch.Tensor:
    """10x, the derivative of 5x², at each point."""
    return 10 * x


def derivative(f: Function, x: torch.Tensor) -> torch.Tensor:
    """f′ at every point of ``x`` (any shape), by autograd; ``x`` stays untouched.

    ``f`` must work element by element.
    """
    free = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(f(free).sum(), free)
    return slope


def minimize(f: Function, x0: torch.Tensor | float, lr: float, steps: int) -> torch.Tensor:
    """The iterates of gradient descent from the number ``x0``: shape (steps + 1,)."""
    x = torch.as_tensor(x0).detach().clone()
    iterates = [x]
    for _ in range(steps):
        x = x - lr * derivative(f, x)
        iterates.append(x)
    return torch.stack(iterates)
