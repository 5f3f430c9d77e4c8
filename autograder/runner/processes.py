"""The processes below a process, from proc(5)'s ``children``."""

import contextlib
import os
import signal
from pathlib import Path


def children(pid: int) -> list[int]:
    """The processes that any thread of a process has forked and that it has not waited for."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while we look
        for task in Path("/proc", str(pid), "task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
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


def end_all_below() -> None:
    """Kill what the calling process and what it forked have forked, until nothing is left.

    It must be a subreaper (``linux.adopt_orphans``), so that what loses its parent comes to it.
    """
    while left := descendants(os.getpid()):
        for pid in left:
            end(pid)


def end(pid: int) -> None:
    """Kill a process, if it is still there, and take note of its end if it is a child."""
    kill(pid)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def kill(pid: int) -> None:
    """Kill a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
