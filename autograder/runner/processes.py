"""Processes as proc(5) shows them: those below another one, and how to end them for sure."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has forked and that it has not waited for."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while we look
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def descendants(pid: int) -> list[int]:
    """All processes below a process."""
    found: list[int] = []
    left = [pid]
    while left:
        new = [one for one in children(left.pop()) if one not in found]
        found += new
        left += new
    return found


def ids_in_namespaces(pid: int) -> list[int]:
    """A process's id in each pid namespace that it is in, ours first; empty once it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith("NSpid:"):
                return [int(field) for field in line.split()[1:]]
    return []


def has_ended(pid: int) -> bool:
    """Whether no thread of a process runs any more; it may still wait for its parent's notice."""
    return _threads_after_the_first(pid) == 0


def hides_behind_a_thread(pid: int) -> bool:
    """Whether a process's first thread has ended and another has not: /proc shows nothing then."""
    return bool(_threads_after_the_first(pid))


def _threads_after_the_first(pid: int) -> int | None:
    """Threads that run on after a process's first one has ended; None if that has not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2][:1]
        return len(os.listdir(f"/proc/{pid}/task")) - 1 if state in ("Z", "X") else None
    except OSError:
        return 0


def freeze(find: Callable[[], Iterable[int]]) -> set[int]:
    """Stop processes until ``find`` finds none that is not; what was found.

    To kill processes one by one is a race that a fork bomb wins, since each makes room for
    another. A stopped one keeps its place.
    """
    stopped: set[int] = set()
    while new := set(find()) - stopped:
        for pid in new:
            send(pid, signal.SIGSTOP)
        stopped |= new
    return stopped


def end_all(find: Callable[[], Iterable[int]]) -> set[int]:
    """Kill the processes that ``find`` finds, however fast they fork; what was found."""
    found = freeze(find)
    for pid in found:
        send(pid, signal.SIGKILL)
    return found


def end_all_below() -> None:
    """Kill all that the calling process and its descendants have forked, and wait for its end.

    It must be a subreaper (``linux.adopt_orphans``), so that what loses its parent comes to it.
    """
    own = os.getpid()
    end_all(lambda: descendants(own))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def end(pid: int) -> None:
    """Kill a child process and wait for its end."""
    send(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
