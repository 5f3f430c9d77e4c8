"""The warm process: packages imported once, one forked child per submission.

Started from a clean exec with an empty environment as ``python -I -m autograder.runner.zygote
FD``. It holds no grader, no solution and no path of them; all it knows of the trusted side is
the control socket, on which it is told to fork a child or to end one. See
``autograder.runner.warm`` for the other end.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from autograder.runner import child, landlock, linux, wire
from autograder.runner.shell import make_shell

_MAX_FDS: Final = 200


def main(control_fd: int) -> None:
    """Warm up, say so, and serve the control socket until the trusted side closes it."""
    linux.adopt_orphans()
    linux.die_with_parent()
    control = socket.socket(fileno=control_fd)
    walls = {"files": landlock.version() > 0, "network": _leave_network()}
    _warm_up()
    shell = make_shell()
    gc.collect()
    gc.freeze()
    control.send(wire.pack({"ready": True, "walls": walls}))
    running: set[int] = set()
    while True:
        data, fds, _, _ = socket.recv_fds(control, 65536, _MAX_FDS)
        if not data:
            return
        request = wire.unpack(data)
        if request["op"] == "run":
            pid = os.fork()
            if pid == 0:
                control.close()
                child.main(shell, request["folder"], [socket.socket(fileno=fd) for fd in fds])
            for fd in fds:
                os.close(fd)
            running.add(pid)
            control.send(wire.pack({"pid": pid}))
        elif request["op"] == "stop":
            _signal(request["pid"], signal.SIGKILL)
            control.send(wire.pack({"stopped": True}))
        else:
            running.discard(request["pid"])
            control.send(wire.pack({"status": _end(request["pid"], running)}))


def _leave_network() -> bool:
    """Enter a network namespace without interfaces; False where the system refuses.

    As root directly, else inside a user namespace of our own (network_namespaces(7),
    user_namespaces(7)); must come before any thread is started.
    """
    for namespaces in (linux.CLONE_NEWNET, linux.CLONE_NEWUSER | linux.CLONE_NEWNET):
        with contextlib.suppress(OSError):
            linux.unshare(namespaces)
            return True
    return False


def _warm_up() -> None:
    """Import what a notebook needs; never run ``backward`` here: its threads do not fork."""
    import matplotlib.pyplot
    import numpy
    import torch

    # The first optimizer imports over 800 modules: a second that each child would pay.
    import torch._dynamo
    import torch.nn.functional
    import torch.optim

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    torch.rand(2, 2) @ torch.rand(2, 2)
    numpy.zeros(1)
    matplotlib.pyplot.close("all")


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _end(pid: int, running: set[int]) -> int:
    """End a submission with all its processes; return the wait status of its first one.

    Whatever it left comes to us, the subreaper; processes in the groups of ``running``
    submissions stay.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _signal(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    while left := [one for one in _children() if _group(one) not in running]:
        for child_pid in left:
            _signal(child_pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child_pid, 0)
    return status


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text(encoding="ascii").split()]


if __name__ == "__main__":
    main(int(sys.argv[1]))
