"""What a submission's process answers to the graders: values, figures, and calls of functions.

All of it runs in the student's process, so nothing here can be trusted to be what it was; the
other end is ``autograder.runner.checkpoint``.
"""

import builtins
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any, Final, NoReturn

import torch

from autograder.cuda import NotEmulatedError
from autograder.runner import limits as limits_module
from autograder.runner import shell as shell_module
from autograder.runner import values
from autograder.runner.asked import MOST_AT_ONCE
from autograder.runner.limits import Limits
from autograder.runner.wire import Channel, WireClosed, WireError, pack

_IDLE_SECONDS: Final = 24 * 3600.0
_CALLER_SHARE: Final = 0.5
"""The share of a call's time after which calls go on in a new process: each has its time whole."""
_EXCEPTION_NAMES: Final = frozenset(
    name for name, kind in vars(builtins).items() if type(kind) is type
)

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


def hand_over(namespace: dict[str, Any], names: list[str], figures: bool) -> bytes:
    """Values and figures as they are now, of which graders are known to ask, packed.

    Raises:
        WireError: they are too large.
    """
    answer = _read(namespace, names) | {"figures": _figures() if figures else []}
    packed = pack(answer)
    if len(packed) > MOST_AT_ONCE:
        raise WireError("too much to hand over")
    return packed


def _figures() -> list[Any]:
    return [values.figure_to_wire(figure) for figure in shell_module.figures]


def serve(namespace: dict[str, Any], channel: Channel, limits: Limits) -> NoReturn:
    """Answer every kind of request until the socket is closed; calls run in one more fork.

    Raises:
        WireClosed: it was.
    """
    caller: _Caller | None = None
    while True:
        request = channel.receive(_IDLE_SECONDS)
        answer: dict[str, Any]
        if request["op"] == "read":
            answer = _read(namespace, request["names"])
        elif request["op"] == "figures":
            answer = {"figures": _figures()}
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
                serve_calls(namespace, Channel(theirs))
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


def serve_calls(namespace: dict[str, Any], channel: Channel) -> NoReturn:
    """Answer calls in this process, one after the other, until the socket is closed.

    Raises:
        WireClosed: it was.
    """
    while True:
        request = channel.receive(_IDLE_SECONDS)
        _send_what_fits(channel, {"id": request["id"]} | _call(namespace, request))


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
    if isinstance(error, AutogradDisabledError | NotEmulatedError):
        name = type(error).__name__
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
