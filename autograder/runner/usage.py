"""What a submission uses of memory and disk, measured where the kernel cannot cap it.

Stands in for the mounted folder and the memory cgroup: while the trusted side waits for a
submission it looks at both, a few times a second, so that a limit is overrun by what can be
written in that time at most. What cannot be seen from outside is refused to a submission:
anonymous shared memory, larger buffers of sockets, and descriptors on their way through a socket
(``seccomp``), and to move a file to another folder while we look (``landlock``).
"""

import contextlib
import functools
import itertools
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autograder.runner import walls
from autograder.runner.limits import MIB, Limits
from autograder.runner.linux import looking_as
from autograder.runner.processes import freeze, hides_behind_a_thread, send
from autograder.runner.tree import Tree
from autograder.runner.wire import WireError

_EXTRA_MIB: Final = 256
"""Room for pages that differ from the warm process's without the submission's doing."""
_SOCKET_BYTES: Final = 256 * 1024
"""What a socket may hold, at most: its buffer, of the size that every socket begins with."""
_MAPS_BYTES: Final = 1024 * 1024
"""A process with more than this to read of its mappings takes too long to look through."""
_VANISHED: Final = (FileNotFoundError, NotADirectoryError)


class LimitReached(WireError):
    """The submission has more on the disk than its limit."""


class Usage:
    """Watches one submission."""

    def __init__(
        self,
        standing: Collection[str],
        tree: Tree,
        folder: str,
        limits: Limits,
        own_id: int | None = None,
    ):
        """Find out what must be measured.

        Args:
            standing: the walls around the submission.
            tree: its processes.
            folder: its private folder on the disk.
            limits: its limits.
            own_id: the user that it is, if it is one of its own.
        """
        self._folder = None if walls.FOLDER in standing else os.path.realpath(folder)
        self._memory = walls.MEMORY not in standing
        self._tree = tree
        self._limits = limits
        self._look_as = None if walls.USER in standing else own_id
        if self._memory:
            _in_memory(tree.others)
        self._forgiven = (0, 0)
        """Bytes and entries in the folder that count no more."""
        self.out_of_memory = False
        """Whether one of its processes was killed for want of memory."""

    def check(self) -> None:
        """Look once; as the kernel would, kill processes where memory is over its limit.

        Raises:
            LimitReached: there is more on the disk than may be.
        """
        if self._folder is None and not self._memory:
            return
        own = self._tree.own()
        for pid in own:
            if hides_behind_a_thread(pid):
                send(pid, signal.SIGKILL)
        with looking_as(self._look_as):
            held = Held.by(own)
        if self._memory:
            for pid in self._memory_hogs(held, own):
                self.out_of_memory = True
                send(pid, signal.SIGKILL)
        if self._folder is not None and self._over_disk(self._folder, held, own):
            raise LimitReached("over the limit of the disk")

    def forgive(self) -> None:
        """What is on the disk now counts no more: the cell that made it has been ended.

        Else the graders could not ask for what was right before it. Where a part cannot be
        measured, everything is removed.
        """
        if self._folder is None:
            return
        found = folder_usage(self._folder, 2 * self._limits.files)
        if found is None:
            empty(self._folder)
            found = (0, 0)
        with looking_as(self._look_as):
            held = Held.by(self._tree.own())
        self._forgiven = found[0] + sum(held.deleted.values()), found[1] + len(held.deleted)

    def _over_disk(self, folder: str, held: "Held", own: Collection[int]) -> bool:
        size, count = self._forgiven
        found = self._measured(folder, count + self._limits.files)
        with looking_as(self._look_as):
            if found is None or hidden_files(folder, held, own):
                return True
        size = found[0] + sum(held.deleted.values()) - size
        count = found[1] + len(held.deleted) - count
        return size > self._limits.disk_mib * MIB or count > self._limits.files

    def _measured(self, folder: str, most: int) -> tuple[int, int] | None:
        """Bytes and entries of the folder, which stands still if it is moved about meanwhile."""
        try:
            return folder_usage(folder, most, notice=True)
        except Moved:
            stopped = freeze(self._tree.own)
            try:
                return folder_usage(folder, most)
            finally:
                for pid in stopped:
                    send(pid, signal.SIGCONT)

    def _memory_hogs(self, held: "Held", own: Collection[int]) -> list[int]:
        """The processes to kill: what is no checkpoint first, the largest first."""
        most = (self._limits.memory_mib + _EXTRA_MIB) * MIB - len(held.sockets) * _SOCKET_BYTES
        # Pages that forks share are counted for each here, and only once in the slow sum.
        if sum(_each(own, _anonymous).values()) <= most:
            return []
        with looking_as(self._look_as):
            share = _each(own, _proportional)
        others = sum(_each(self._tree.others, _proportional).values())
        over = sum(share.values()) + others - _in_memory(self._tree.others) - most
        victims = []
        for pid in sorted(own, key=lambda pid: (self._tree.kept(pid), -share.get(pid, 0))):
            if over <= 0:
                break
            victims.append(pid)
            over -= share.get(pid, 0)
        return victims


class Moved(Exception):
    """Something was removed or renamed while its folder was read."""


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


def folder_usage(folder: str, most: int, notice: bool = False) -> tuple[int, int] | None:
    """Bytes and entries below a folder; stops counting a little after ``most`` entries.

    None where a part of it cannot be seen: a folder that is closed even to its owner, or a path
    longer than the system takes.

    Args:
        folder: its path.
        most: entries after which to stop.
        notice: whether it matters when something vanishes meanwhile, or it just counts nothing.

    Raises:
        Moved: something vanished, and ``notice`` is True.
    """
    size = count = 0
    left = [folder]
    while left and count <= most:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in itertools.islice(entries, most + 2):
                    count += 1
                    size += _bytes_on_disk(entry, notice)
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except _VANISHED as error:
            if notice:
                raise Moved from error
        except OSError:
            return None
    return size, count


def _bytes_on_disk(entry: os.DirEntry[str], notice: bool) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError as error:
        if notice:
            raise Moved from error
        return 0


def empty(folder: str) -> None:
    """Remove what is in a folder, however deep or closed it is."""
    for command in (["chmod", "-R", "u+rwX"], ["find"]):
        more = ["-mindepth", "1", "-delete"] if command == ["find"] else []
        subprocess.run([*command, folder, *more], stderr=subprocess.DEVNULL, check=False)


def hidden_files(folder: str, held: Held, pids: Iterable[int]) -> bool:
    """Whether a file of the folder has neither a name nor a descriptor, only a mapping.

    A process with so many mappings that it takes long to see is taken to have one.
    """
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as maps:
            lines = maps.read(_MAPS_BYTES).decode("utf-8", "replace").splitlines()
            if maps.read(1):
                return True
            for line in lines:
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
    text = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    kib = dict(line.split(":\t", 1) for line in text.splitlines())
    return sum(int(kib[name].split()[0]) for name in ("RssAnon", "VmSwap", "VmPTE")) * 1024


def _proportional(pid: int) -> int:
    """The same, shared pages divided by those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    kib = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    tables = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").partition("VmPTE:")[2]
    return (kib["Pss_Anon"] + kib.get("SwapPss", 0) + int(tables.split()[0])) * 1024
