"""A submission's process: runs its cells and keeps each grade cell's namespace for the graders.

At a grade cell the process forks: the copy, a *checkpoint*, freezes the namespace as it is at
that point and answers the graders' questions about it over a socket of its own, while the
original goes on with the next cells. A checkpoint never runs the student's code itself: calls of
functions run in one more fork. So nothing that a cell or a call does can change what the graders
of another grade cell see.
"""

import builtins
import errno
import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, NoReturn

import torch

from autograder.runner import limits as limits_module
from autograder.runner import shell as shell_module
from autograder.runner import values
from autograder.runner.limits import Limits
from autograder.runner.outcome import Status
from autograder.runner.settle import settle
from autograder.runner.shell import CellOutputError, CellShell, CellTimeoutError, outputs
from autograder.runner.wire import Channel, WireClosed, WireError

_IDLE_SECONDS = 24 * 3600.0
_CALLER_SHARE: Final = 0.5
"""The share of a call's time after which calls go on in a new process: each has its time whole."""
_EXCEPTION_NAMES = frozenset(name for name, kind in vars(builtins).items() if type(kind) is type)


_LIMIT_OF_ERRNO: Final[Mapping[int, Status]] = {
    errno.ENOSPC: "disk",
    errno.EDQUOT: "disk",
    errno.EFBIG: "disk",
    errno.EMFILE: "files",
    errno.ENFILE: "files",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
}
_LIMIT_OF_TEXT: Final[tuple[tuple[str, Status], ...]] = (
    ("can't allocate memory", "memory"),
    ("can't start new thread", "processes"),
    ("No space left on device", "disk"),
    ("Too many open files", "files"),
)
"""How libraries that raise errors of their own, such as torch and sqlite3, put it."""


AUTOGRAD: Final = (
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
)
"""Where autograd is entered: what holds each function, and its name."""


class AutogradDisabledError(RuntimeError):
    """The function used autograd where the exercise asks to do without."""


_shell: CellShell | None = None


def prepare() -> None:
    """Make the shell that every submission starts with, once, in the warm process."""
    global _shell
    _shell = shell_module.make_shell()


def main(channel: Channel, grades: list[socket.socket], limits: Limits) -> NoReturn:
    """Run one submission in this freshly forked process, and end it.

    Args:
        channel: carries the job, then the cells' outcomes.
        grades: a socket for each grade cell, in order.
        limits: the submission's limits.
    """
    assert _shell is not None
    try:
        _silence_descriptors()
        _run(_shell, channel, grades, limits)
    except BaseException:
        os._exit(70)
    os._exit(0)


def _silence_descriptors() -> None:
    """C code that writes to descriptors 1 and 2 writes nowhere."""
    with open(os.devnull, "r+b") as null:
        for descriptor in (0, 1, 2):
            os.dup2(null.fileno(), descriptor)


def _run(shell: CellShell, channel: Channel, sockets: list[socket.socket], limits: Limits) -> None:
    job = settle(channel)
    outputs.limit = limits.output_kib * 1024
    shell_module.figures.clear()  # a package may have made some when it was preloaded
    shell_module.connect_streams()
    signal.signal(signal.SIGALRM, _on_alarm)
    own, checkpoint = os.getpid(), 0
    for index, (source, is_grade) in enumerate(json.loads(job["cells"])):
        if is_grade:
            pid = _fork_checkpoint(shell, channel, sockets, checkpoint, limits)
            checkpoint += 1
            channel.send({"cell": index, "status": "checkpoint", "pid": pid})
        else:
            channel.send({"cell": index, "status": "started"})
            outcome = _run_cell(shell, source, limits)
            if os.getpid() != own:  # a fork that the cell made and did not end
                os._exit(0)
            _tell(channel, {"cell": index} | outcome)
    channel.send({"end": True})


def _tell(channel: Channel, outcome: dict[str, Any]) -> None:
    """Send an outcome; outputs that the wire does not carry are left out."""
    try:
        channel.send(outcome)
    except WireClosed:
        raise
    except WireError:
        channel.send(outcome | {"outputs": [], "truncated": True})


_alarm_set = False


def _on_alarm(number: int, frame: FrameType | None) -> None:
    if _alarm_set:
        raise CellTimeoutError


def _run_cell(shell: CellShell, source: str, limits: Limits) -> dict[str, Any]:
    """Run one cell; its outputs, execution count and how it ended."""
    global _alarm_set
    outputs.clear()
    status: Status = "ok"
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
    if error is not None:
        status = _status_of(error)
    return {
        "status": status,
        "outputs": [_without_transient(item) for item in outputs.items],
        "execution_count": shell.execution_count - 1,
        "truncated": outputs.truncated,
    }


def _status_of(error: BaseException) -> Status:
    """The limit that a cell hit, as far as its error tells; else ``error``."""
    kinds: tuple[tuple[type[BaseException], Status], ...] = (
        (CellTimeoutError, "timeout"),
        (CellOutputError, "output"),
        (MemoryError, "memory"),
    )
    for kind, status in kinds:
        if isinstance(error, kind):
            return status
    text = shell_module.short_text(error)[:300]
    if isinstance(error, OSError) and (error.errno or 0) in _LIMIT_OF_ERRNO:
        return _LIMIT_OF_ERRNO[error.errno or 0]
    return next((status for part, status in _LIMIT_OF_TEXT if part in text), "error")


def _without_transient(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "transient"}


def _fork_checkpoint(
    shell: CellShell, cells: Channel, sockets: list[socket.socket], index: int, limits: Limits
) -> int:
    """Freeze the namespace for one grade cell in a copy of this process; that one's id."""
    pid = os.fork()
    if pid == 0:
        try:
            cells.close()  # so that its end is seen when the cells' process ends
            for other in range(index + 1, len(sockets)):
                sockets[other].close()
            torch.set_num_threads(1)  # the pool of a parent's threads does not survive a fork
            _serve(shell.user_ns, Channel(sockets[index]), limits)
        finally:
            os._exit(0)
    sockets[index].close()
    return pid


def _serve(namespace: dict[str, Any], channel: Channel, limits: Limits) -> None:
    """Answer the graders' requests until they close the socket."""
    caller: _Caller | None = None
    while True:
        request = channel.receive(_IDLE_SECONDS)
        answer: dict[str, Any]
        if request["op"] == "read":
            answer = _read(namespace, request["names"])
        elif request["op"] == "figures":
            answer = {"figures": [values.figure_to_wire(f) for f in shell_module.figures]}
        else:
            if caller is None or not caller.suits(request):
                if caller is not None:
                    caller.end()
                caller = _Caller(namespace, request["autograd"], limits)
            answer = caller.answer(request)
        _send_what_fits(channel, {"id": request["id"]} | answer)


def _send_what_fits(channel: Channel, answer: dict[str, Any]) -> None:
    """Send an answer; values that are too large for the wire become opaque."""
    try:
        channel.send(answer)
    except WireClosed:
        raise
    except WireError:
        small: dict[str, Any] = {"id": answer["id"]} if "id" in answer else {}
        if "values" in answer:
            found = answer["values"].items()
            small["values"] = {name: values.opaque(value) for name, value in found}
        elif "figures" in answer:
            small["figures"] = []
        else:
            small["value"] = values.opaque(answer.get("value"))
            small["args"] = [None for _ in answer.get("args", [])]
        channel.send(small)


def _read(namespace: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {
        "values": {name: values.to_wire(namespace[name]) for name in names if name in namespace}
    }


class _Caller:
    """A copy of the checkpoint's process that calls functions, until those of another begin.

    Another one takes its place when a call fails to answer, when autograd is to be off, and when
    the calls so far have used their share of its time.
    """

    def __init__(self, namespace: dict[str, Any], autograd: bool, limits: Limits) -> None:
        """Fork it."""
        self._autograd = autograd
        self._limits = limits
        self._spent = 0.0
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                limits_module.lower_cpu((1 + _CALLER_SHARE) * limits.call_seconds)
                _serve_calls(namespace, Channel(theirs))
            finally:
                os._exit(0)
        theirs.close()
        self._channel = Channel(ours)
        self.ended = False

    def suits(self, request: dict[str, Any]) -> bool:
        """Whether a request can be answered here as in a new one."""
        enough = self._spent < _CALLER_SHARE * self._limits.call_seconds
        return (
            enough
            and not self.ended
            and not request["first"]
            and request["autograd"] == self._autograd
        )

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The call's result; when this process does not answer, an error, and it is ended."""
        began = time.monotonic()
        try:
            self._channel.send(request)
            answer: dict[str, Any] = self._channel.receive(self._limits.call_seconds)
        except WireError as error:
            self.end()
            return {"error": {"type": type(error).__name__, "text": ""}}
        self._spent += time.monotonic() - began
        return answer

    def end(self) -> None:
        """End it, if it has not ended.

        Where signals are kept to oneself, its limit of CPU time ends it.
        """
        if self.ended:
            return
        self.ended = True
        self._channel.close()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            os.waitpid(self.pid, os.WNOHANG)
            return
        os.waitpid(self.pid, 0)


def _serve_calls(namespace: dict[str, Any], channel: Channel) -> None:
    while True:
        _send_what_fits(channel, _call(namespace, channel.receive(_IDLE_SECONDS)))


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

    for owner, name in AUTOGRAD:
        setattr(owner, name, refuse)


__all__ = ["main"]
