"""What a submission uses of memory and disk, measured where the kernel cannot cap it.

Stands in for the mounted folder and the memory cgroup: while the trusted side waits for a
submission it looks at both, a few times a second, so that a limit is overrun by what can be
written in that time at most. What cannot be seen from outside is refused to a submission:
anonymous shared memory, larger buffers of sockets, and descriptors on their way through a socket
(``seccomp``), and to move a file to another folder while we look (``landlock``).
"""

import contextlib
import functools
import os
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autograder.runner import walls
from autograder.runner.limits import MIB, Limits
from autograder.runner.processes import descendants, kill
from autograder.runner.wire import WireError

_EXTRA_MIB: Final = 128
"""Room for pages that differ from the warm process's without the submission's doing."""
_SOCKET_BYTES: Final = 256 * 1024
"""What a socket may hold, at most: its buffer, of the size that every socket begins with."""


class LimitReached(WireError):
    """The submission has more on the disk than its limit."""


class Usage:
    """Watches one submission."""

    def __init__(
        self,
        standing: Collection[str],
        warm: int,
        others: Collection[int],
        folder: str,
        limits: Limits,
    ):
        """Find out what must be measured.

        Args:
            standing: the walls around the submission.
            warm: the process from which all of its processes descend.
            others: processes below that one which are not its own.
            folder: its private folder on the disk.
            limits: its limits.
        """
        self._folder = None if walls.FOLDER in standing else os.path.realpath(folder)
        self._memory = walls.MEMORY not in standing
        self._warm = warm
        self._others = frozenset(others)
        if self._memory:
            _in_memory(self._others)
        self._limits = limits
        self._forgiven = (0, 0)
        """Bytes and entries in the folder that count no more."""
        self.out_of_memory = False
        """Whether one of its processes was killed for want of memory."""

    def check(self) -> None:
        """Look once; as the kernel would, kill the largest process where memory is over its limit.

        Raises:
            LimitReached: there is more on the disk than may be.
        """
        if self._folder is None and not self._memory:
            return
        every = descendants(self._warm)
        own = [pid for pid in every if pid not in self._others]
        held = Held.by(own)
        if self._memory:
            self._check_memory(held, own, every)
        if self._folder is not None:
            self._check_folder(self._folder, held, own)

    def forgive(self) -> None:
        """What is on the disk now counts no more: the cell that made it has been ended.

        Else the graders could not ask for what was right before it.
        """
        if self._folder is not None:
            found = folder_usage(self._folder, 2 * self._limits.files)
            self._forgiven = found or self._forgiven

    def _check_folder(self, folder: str, held: "Held", own: Collection[int]) -> None:
        size, count = self._forgiven
        found = folder_usage(folder, count + self._limits.files)
        if found is None or hidden_files(folder, held, own):
            raise LimitReached("a part of the folder cannot be measured")
        size = found[0] + sum(held.deleted.values()) - size
        count = found[1] + len(held.deleted) - count
        if size > self._limits.disk_mib * MIB or count > self._limits.files:
            raise LimitReached("over the limit of the disk")

    def _check_memory(self, held: "Held", own: Collection[int], every: Collection[int]) -> None:
        most = (self._limits.memory_mib + _EXTRA_MIB) * MIB - len(held.sockets) * _SOCKET_BYTES
        # Pages that forks share are counted for each here, and only once in the slow sum.
        if sum(_each(own, _anonymous).values()) <= most:
            return
        share = _each(every, _proportional)
        over = sum(share.values()) - _in_memory(self._others) - most
        for pid in sorted(share.keys() & set(own), key=share.__getitem__, reverse=True):
            if over <= 0:
                break
            self.out_of_memory = True
            kill(pid)
            over -= share[pid]


@dataclass
class Held:
    """What processes keep by open descriptors only."""

    sockets: set[int] = field(default_factory=set)
    """Inodes of sockets."""
    deleted: dict[int, int] = field(default_factory=dict)
    """Files without a name: inode to bytes on the disk."""

    @classmethod
    def by(cls, pids: Iterable[int]) -> "Held":
        """What these processes have open."""
        held = cls()
        for pid in pids:
            with contextlib.suppress(OSError):  # it may end while we look
                for name in os.listdir(f"/proc/{pid}/fd"):
                    held._note(f"/proc/{pid}/fd/{name}")
        return held

    def _note(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # it may be closed while we look
            found = os.stat(path)
            if stat.S_ISSOCK(found.st_mode):
                self.sockets.add(found.st_ino)
            elif stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                self.deleted[found.st_ino] = found.st_blocks * 512


def folder_usage(folder: str, most: int) -> tuple[int, int] | None:
    """Bytes and entries below a folder; stops counting a little after ``most`` entries.

    None where a part of it cannot be seen: a folder that is closed even to its owner, or a path
    longer than the system takes.
    """
    size = count = 0
    left = [folder]
    while left and count <= most:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    count += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):  # removed while we look
            continue
        except OSError:
            return None
    return size, count


def hidden_files(folder: str, held: Held, pids: Iterable[int]) -> bool:
    """Whether a file of the folder has neither a name nor a descriptor, only a mapping."""
    for pid in pids:
        with contextlib.suppress(OSError):  # it may end while we look
            for line in Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines():
                if line.endswith(" (deleted)") and f" {folder}/" in line:
                    inode = int(line.split()[4])  # the device may be that below an overlay
                    if inode not in held.deleted:
                        return True
    return False


@functools.lru_cache(maxsize=1)
def _in_memory(pids: frozenset[int]) -> int:
    """What processes had in memory when this was first asked: it takes milliseconds to find out."""
    return sum(_each(pids, _proportional).values())


def _each(pids: Iterable[int], measure: Callable[[int], int]) -> dict[int, int]:
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
            found[pid] = measure(pid)  # it may end while we look
    return found


def _anonymous(pid: int) -> int:
    """Memory of a process that no file stands behind, shared or not with other processes."""
    statm = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return (int(statm[1]) - int(statm[2])) * os.sysconf("SC_PAGESIZE")


def _proportional(pid: int) -> int:
    """The same, shared pages divided by those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    kib = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    return kib["Pss_Anon"] * 1024
