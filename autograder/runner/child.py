"""A submission's process: runs its cells and keeps each grade cell's namespace for the graders.

At a grade cell the process forks: the copy, a *checkpoint*, freezes the namespace as it is at
that point and answers the graders' questions about it over a socket of its own, while the
original goes on with the next cells. A checkpoint never runs the student's code itself: each
call of a function forks once more. So nothing that a cell or a call does can change what
another grader sees.
"""

import builtins
import contextlib
import os
import random
import signal
import socket
import tempfile
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import torch

from autograder.runner import landlock, linux, values
from autograder.runner import limits as limits_module
from autograder.runner import shell as shell_module
from autograder.runner.limits import Limits
from autograder.runner.shell import CellOutputError, CellShell, CellTimeoutError, outputs
from autograder.runner.wire import Channel, WireError

_IDLE_SECONDS = 24 * 3600.0
_EXCEPTION_NAMES = frozenset(name for name, kind in vars(builtins).items() if type(kind) is type)


class AutogradDisabledError(RuntimeError):
    """The function used autograd where the exercise asks to do without."""


def main(shell: CellShell, folder: str, sockets: list[socket.socket]) -> NoReturn:
    """Run one submission in this freshly forked process, and end it.

    ``sockets[0]`` carries the cells and their outputs; each further one belongs to a grade
    cell, in order.
    """
    try:
        os.setsid()
        linux.die_with_parent()
        os.chdir(folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
        _silence_descriptors()
        _run(shell, Channel(sockets[0]), sockets[1:])
    except BaseException:
        os._exit(70)
    os._exit(0)


def _restrict_files() -> None:
    """Leave only the private folder to write, and what a notebook imports to read."""
    if landlock.version():
        settings = [os.environ[name] for name in ("IPYTHONDIR", "MPLCONFIGDIR")]
        landlock.restrict([*landlock.readable(), *settings], [os.getcwd()])


def _silence_descriptors() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def _run(shell: CellShell, channel: Channel, sockets: list[socket.socket]) -> None:
    job = channel.receive(60.0)
    limits = Limits(**job["limits"])
    outputs.limit = limits.output_kib * 1024
    _seed(job["seed"])
    shell_module.connect_streams()
    signal.signal(signal.SIGALRM, _on_alarm)
    limits_module.apply(limits)
    _restrict_files()
    checkpoint = 0
    for index, cell in enumerate(job["cells"]):
        if cell["grade"]:
            _fork_checkpoint(shell, channel, sockets, checkpoint, limits)
            checkpoint += 1
            channel.send({"cell": index, "status": "checkpoint"})
        else:
            channel.send({"cell": index, "status": "started"})
            channel.send({"cell": index} | _run_cell(shell, cell["source"], limits))
    channel.send({"end": True})


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


_alarm_set = False


def _on_alarm(number: int, frame: FrameType | None) -> None:
    if _alarm_set:
        raise CellTimeoutError


def _run_cell(shell: CellShell, source: str, limits: Limits) -> dict[str, Any]:
    """Run one cell; its outputs, execution count and how it ended."""
    global _alarm_set
    outputs.clear()
    status = "ok"
    try:
        try:
            _alarm_set = True
            # Again and again: a loop around `except:` would swallow a single alarm.
            signal.setitimer(signal.ITIMER_REAL, limits.cell_seconds, 0.2)
            result = shell.run_cell(source, store_history=True)
        finally:
            _alarm_set = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as raised:
        error = raised
    if isinstance(error, CellTimeoutError):
        status = "timeout"
    elif isinstance(error, CellOutputError):
        status = "output"
    elif isinstance(error, MemoryError) or "can't allocate memory" in str(error)[:300]:
        status = "memory"
    elif error is not None:
        status = "error"
    return {
        "status": status,
        "outputs": [_without_transient(item) for item in outputs.items],
        "execution_count": shell.execution_count - 1,
        "truncated": outputs.truncated,
    }


def _without_transient(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "transient"}


def _fork_checkpoint(
    shell: CellShell, cells: Channel, sockets: list[socket.socket], index: int, limits: Limits
) -> None:
    """Freeze the namespace for one grade cell in a copy of this process."""
    if os.fork() == 0:
        try:
            cells.close()  # so that its end is seen when the cells' process ends
            for other in range(index + 1, len(sockets)):
                sockets[other].close()
            torch.set_num_threads(1)  # the pool of a parent's threads does not survive a fork
            _serve(shell.user_ns, Channel(sockets[index]), limits)
        finally:
            os._exit(0)
    sockets[index].close()


def _serve(namespace: dict[str, Any], channel: Channel, limits: Limits) -> None:
    """Answer the graders' requests until they close the socket."""
    while True:
        request = channel.receive(_IDLE_SECONDS)
        answer: dict[str, Any]
        if request["op"] == "read":
            answer = _read(namespace, request["names"])
        elif request["op"] == "figures":
            answer = {"figures": [values.figure_to_wire(f) for f in shell_module.figures]}
        else:
            answer = _call_in_fork(namespace, request, limits)
        try:
            channel.send({"id": request["id"]} | answer)
        except WireError as error:
            channel.send({"id": request["id"], "error": {"type": "WireError", "text": str(error)}})


def _read(namespace: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {
        "values": {name: values.to_wire(namespace[name]) for name in names if name in namespace}
    }


def _call_in_fork(
    namespace: dict[str, Any], request: dict[str, Any], limits: Limits
) -> dict[str, Any]:
    """Call a function in a copy of this process, which is gone afterwards."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            Channel(theirs).send(_call(namespace, request))
        finally:
            os._exit(0)
    theirs.close()
    try:
        answer: dict[str, Any] = Channel(ours).receive(limits.call_seconds)
    except WireError as error:
        answer = {"error": {"type": type(error).__name__, "text": ""}}
    finally:
        ours.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return answer


def _call(namespace: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Call ``request['name']`` and describe its result and its arguments afterwards."""
    shell_module.outputs.clear()
    function: Callable[..., Any] = namespace[request["name"]]
    args = [values.to_live(arg) for arg in request["args"]]
    kwargs = {name: values.to_live(arg) for name, arg in request["kwargs"].items()}
    try:
        if not request["autograd"]:
            _disable_autograd()
        value = function(*args, **kwargs)
        return {
            "value": values.to_wire(value),
            "args": [None if callable(arg) else values.to_wire(arg) for arg in args],
        }
    except BaseException as error:
        return {"error": _describe(error)}


def _describe(error: BaseException) -> dict[str, Any]:
    """An exception as data: a built-in's name, the line in the notebook, its text."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    name = next((kind for kind in kinds if kind in _EXCEPTION_NAMES), "Exception")
    if isinstance(error, AutogradDisabledError):
        name = "AutogradDisabledError"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if "ipykernel" in frame.filename or "<ipython" in frame.filename
    ]
    try:
        text = str(error)[:2000]
    except Exception:  # a student's own __str__ may do anything
        text = ""
    return {"type": name, "line": lines[-1] if lines else None, "text": text}


def _disable_autograd() -> None:
    """Make any use of autograd in this process fail."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise AutogradDisabledError("autograd is switched off for this function")

    for owner, name in (
        (torch.autograd, "grad"),
        (torch.autograd, "backward"),
        (torch.Tensor, "backward"),
        (torch.autograd.graph, "_engine_run_backward"),
        (torch.autograd, "_engine_run_backward"),
        (torch.func, "grad"),
        (torch.func, "vjp"),
        (torch.func, "jacrev"),
        (torch.func, "jvp"),
        (torch.func, "jacfwd"),
    ):
        setattr(owner, name, refuse)


__all__ = ["main"]
