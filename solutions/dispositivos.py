"""Reference solutions of the assignment ``dispositivos``."""

from typing import Any

import numpy as np
import torch


def get_device() -> torch.device:
    """The CUDA device where one is available, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def add_on(a: torch.Tensor, b: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """The sum of ``a`` and ``b`` on ``device``; the arguments stay where they are."""
    return a.to(device) + b.to(device)


def to_numpy(t: torch.Tensor) -> np.ndarray[Any, Any]:
    """The array of a tensor of any device, also of one that requires grad."""
    array: np.ndarray[Any, Any] = t.detach().cpu().numpy()
    return array
