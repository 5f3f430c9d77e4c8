"""A submission's process: runs its cells and keeps each grade cell's namespace for the graders.

At a grade cell the process forks: the copy, a *checkpoint*, freezes the namespace as it is at
that point and answers the graders' questions about it over a socket of its own, while the
original goes on with the next cells. A checkpoint never runs the student's code itself: calls of
functions run in one more fork. So nothing that a cell or a call does can change what the graders
of another grade cell see.

A fork costs more than most cells. Where the job says what the graders of a grade cell ask for, the
values are handed over there and then; a copy is made only for calls, which then run in itself, and
not even that at the last cell, where this process has nothing else to do.
"""

import errno
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar

import torch

from autograder.runner import answers
from autograder.runner import shell as shell_module
from autograder.runner.limits import Limits
from autograder.runner.outcome import Status
from autograder.runner.settle import settle
from autograder.runner.shell import CellOutputError, CellShell, CellTimeoutError, outputs
from autograder.runner.wire import Channel, WireClosed, WireError

_T = TypeVar("_T")
_Serve = Callable[[dict[str, Any], Channel], NoReturn]
_HAND_OVER_SECONDS: Final = 2.0
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

    def fork(serve: _Serve) -> int:
        return _fork(shell.user_ns, channel, sockets, serve)

    own = os.getpid()
    cells = json.loads(job["cells"])
    stays = False
    for index, (source, is_grade, asked) in enumerate(cells):
        if is_grade:
            last = index == len(cells) - 1
            event, stays = _keep(shell.user_ns, asked, limits, last, fork)
            channel.send({"cell": index, "status": "checkpoint"} | event)
            if not stays:
                sockets.pop(0).close()
        else:
            channel.send({"cell": index, "status": "started"})
            outcome = _run_cell(shell, source, limits)
            if os.getpid() != own:  # a fork that the cell made and did not end
                os._exit(0)
            _tell(channel, {"cell": index} | outcome)
    channel.send({"end": True})
    if stays:
        channel.close()
        answers.serve_calls(shell.user_ns, Channel(sockets[0]))


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


def _within(seconds: float, action: Callable[[], _T]) -> _T:
    """What an action gives.

    Raises:
        CellTimeoutError: it takes longer.
    """
    global _alarm_set
    try:
        _alarm_set = True
        # Again and again: a loop around `except:` would swallow a single alarm.
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
        return action()
    finally:
        _alarm_set = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run_cell(shell: CellShell, source: str, limits: Limits) -> dict[str, Any]:
    """Run one cell; its outputs, execution count and how it ended."""
    outputs.clear()
    status: Status = "ok"
    try:
        result = _within(limits.cell_seconds, lambda: shell.run_cell(source, store_history=True))
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


def _keep(
    namespace: dict[str, Any],
    asked: dict[str, Any] | None,
    limits: Limits,
    last: bool,
    fork: Callable[[_Serve], int],
) -> tuple[dict[str, Any], bool]:
    """Keep what the graders of a grade cell will ask for.

    Args:
        namespace: the notebook's names.
        asked: what that is; None if it may be anything.
        limits: the submission's limits.
        last: whether there is no cell after this one.
        fork: makes a checkpoint, which answers in the way that it is given.

    Returns:
        What to tell of it, and whether this process itself stays for their calls.
    """
    kept = None if asked is None else _hand_over(namespace, asked["names"], asked["figures"])
    if kept is None or asked is None:
        return {"pid": fork(lambda names, channel: answers.serve(names, channel, limits))}, False
    if not asked["calls"]:
        return {"kept": kept}, False
    if last:
        return {"kept": kept, "pid": os.getpid()}, True
    return {"kept": kept, "pid": fork(answers.serve_calls)}, False


def _hand_over(namespace: dict[str, Any], names: list[str], figures: bool) -> bytes | None:
    """Values and figures as they are now; None where they must be asked of a checkpoint."""
    try:
        return _within(_HAND_OVER_SECONDS, lambda: answers.hand_over(namespace, names, figures))
    except BaseException:  # a student's objects may do anything; a checkpoint has its own limits
        return None


def _fork(
    namespace: dict[str, Any], cells: Channel, sockets: list[socket.socket], serve: _Serve
) -> int:
    """Freeze the namespace for one grade cell in a copy of this process; that one's id."""
    pid = os.fork()
    if pid == 0:
        try:
            cells.close()  # so that its end is seen when the cells' process ends
            for other in sockets[1:]:
                other.close()
            torch.set_num_threads(1)  # the pool of a parent's threads does not survive a fork
            serve(namespace, Channel(sockets[0]))
        finally:
            os._exit(0)
    return pid


__all__ = ["main"]
