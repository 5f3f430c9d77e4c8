"""What the warm process imports before it forks, and what it must not.

A fork takes one thread along and shares nothing of a device: a package that starts threads when
it is imported, or opens a GPU, would be broken in every submission.
"""

import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

_DEVICE: Final = re.compile(r"/dev/(nvidia|kfd|dri|dxg|davinci)")


class UnfitError(Exception):
    """A package cannot be preloaded; the message says why."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(reason)
        self.package = package


def preload(packages: Sequence[str], proc: int) -> None:
    """Import packages, and warm up those that are slow at first use.

    Args:
        packages: their names, dotted where a part of a package is meant.
        proc: a descriptor of ``/proc``.

    Raises:
        UnfitError: one cannot be imported, starts threads or opens a GPU.
    """
    for package in packages:
        try:
            importlib.import_module(package)
            top = package.partition(".")[0]
            if top in _FIRST_USES:
                _FIRST_USES[top]()
        except Exception as error:  # a package's import may raise anything
            reason = f"importing it raises {type(error).__name__}: {error}"
            raise UnfitError(package, reason[:500]) from error
        if threads := len(_names(proc, "self/task")) - 1:
            reason = f"importing it starts {threads} thread(s), which a fork does not take along"
            raise UnfitError(package, reason)
        if device := _open_device(proc):
            raise UnfitError(package, f"importing it opens {device}, which no fork may share")


def _names(proc: int, path: str) -> list[str]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
    try:
        return os.listdir(folder)
    finally:
        os.close(folder)


def _open_device(proc: int) -> str:
    """A GPU's device that this process has open or mapped, or nothing."""
    for name in _names(proc, "self/fd"):
        try:
            target = os.readlink(f"self/fd/{name}", dir_fd=proc)
        except FileNotFoundError:  # the one that the list was read with
            continue
        if _DEVICE.match(target):
            return target
    with open(os.open("self/maps", os.O_RDONLY, dir_fd=proc), encoding="utf-8") as lines:
        found = next((line for line in lines if _DEVICE.search(line)), "")
    return found.split()[-1] if found else ""


def _first_use_of_torch() -> None:
    """Never ``backward``: its threads do not fork."""
    import torch

    # The first optimizer imports over 800 modules: a second that each child would pay.
    import torch._dynamo
    import torch.nn.functional
    import torch.optim

    import autograder.cuda  # noqa: F401  # here, so that no child need; it is not switched on

    torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)  # a second time it raises
    torch.manual_seed(0)
    torch.rand(2, 2) @ torch.rand(2, 2)


def _first_use_of_matplotlib() -> None:
    """Draw, so that fonts and the renderer are loaded, unless the graders' shell has done so."""
    if "matplotlib.backends.backend_agg" in sys.modules:
        return
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([0, 1], label="a")
    axes.legend()
    axes.grid()
    figure.savefig(BytesIO(), format="png", bbox_inches="tight")


_FIRST_USES: Final[Mapping[str, Callable[[], None]]] = {
    "torch": _first_use_of_torch,
    "matplotlib": _first_use_of_matplotlib,
}
