"""What a submission uses of memory and disk, measured where the kernel cannot cap it.

Stands in for the mounted folder and the memory cgroup: while the trusted side waits for a
submission it looks at both, a few times a second, so that a limit is overrun by what can be
written in that time at most.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from autograder.runner import walls
from autograder.runner.limits import MIB, Limits
from autograder.runner.outcome import Status
from autograder.runner.wire import WireError

_EXTRA_MIB: Final = 128
"""Room for pages that differ from the warm process's without the submission's doing."""


class LimitReached(WireError):
    """The submission uses more than its limit."""

    def __init__(self, limit: Status) -> None:
        super().__init__(f"over the limit of {limit}")
        self.limit: Status = limit


class Usage:
    """Watches one submission."""

    def __init__(self, standing: Collection[str], warm: int | None, folder: str, limits: Limits):
        """Find out what must be measured.

        Args:
            standing: the walls around the submission.
            warm: the process from which all of its processes descend.
            folder: its private folder on the disk.
            limits: its limits.
        """
        self._folder = None if walls.FOLDER in standing else folder
        self._warm = None if walls.MEMORY in standing else warm
        self._limits = limits
        self._before = max(_each(descendants(warm), _resident), default=0) if warm else 0
        """What the warm process has in memory, which a submission shares."""

    def check(self) -> None:
        """Look once.

        Raises:
            LimitReached: it uses more than it may.
        """
        if self._folder is not None:
            size, count = _folder_usage(self._folder, self._limits.files)
            if size > self._limits.disk_mib * MIB or count > self._limits.files:
                raise LimitReached("disk")
        if self._warm is not None:
            most = (self._limits.memory_mib + self._limits.disk_mib + _EXTRA_MIB) * MIB
            pids = descendants(self._warm)
            # Pages that forks share are counted for each here, and only once in the slow sum.
            added = sum(max(0, one - self._before) for one in _each(pids, _resident))
            if added > most and sum(_each(pids, _proportional)) - self._before > most:
                raise LimitReached("memory")


def _folder_usage(folder: str, most: int) -> tuple[int, int]:
    """Bytes and entries below a folder; stops counting a little after ``most`` entries."""
    size = count = 0
    left = [folder]
    while left and count <= most:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                count += 1
                size += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
    return size, count


def descendants(pid: int) -> list[int]:
    """All processes below a process, from proc(5)'s ``children``."""
    found: list[int] = []
    left = [pid]
    while left:
        with contextlib.suppress(OSError):  # it may end while we look
            path = Path("/proc", str(left.pop()), "task")
            for task in path.iterdir():
                left += map(int, (task / "children").read_text(encoding="ascii").split())
        found += [one for one in left if one not in found]
    return found


def _each(pids: Iterable[int], measure: Callable[[int], int]) -> Iterator[int]:
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
            yield measure(pid)  # it may end while we look


def _resident(pid: int) -> int:
    statm = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(statm[1]) * os.sysconf("SC_PAGESIZE")


def _proportional(pid: int) -> int:
    """Memory that no file stands behind, shared pages divided by those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    kib = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return (kib["Pss_Anon"] + kib["Pss_Shmem"]) * 1024
