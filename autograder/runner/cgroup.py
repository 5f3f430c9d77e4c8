"""Control groups: caps on the memory and the processes of a whole submission.

Both versions are used as they are found: version 2 where the group of this process is delegated
to it, version 1 where its folders can be written, which mostly means as root. From the kernel's
Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. All of this runs on the trusted side; a
submission only inherits descriptors of ``cgroup.procs``, writes itself into them and closes them.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from autograder.runner.limits import MIB, Limits

_EXTRA_MIB: Final = 128
"""Room for pages of the warm process that a submission copies, before the cap holds."""
_REMOVE_SECONDS: Final = 2.0
_LEAF: Final = "autograder-main"
_count = itertools.count()


@dataclass(frozen=True)
class Controllers:
    """Where groups for submissions can be made: a parent folder for each controller."""

    parents: Mapping[str, Path]
    """``memory`` and ``pids`` to a folder; one and the same folder in version 2."""
    version: int

    def group(self, limits: Limits) -> "Group":
        """Make the group of one submission.

        Raises:
            OSError: the system refuses.
        """
        name = f"autograder-{os.getpid()}-{next(_count)}"
        folders = {controller: parent / name for controller, parent in self.parents.items()}
        group = Group(folders, self.version)
        try:
            for folder in set(folders.values()):
                folder.mkdir()
            group.cap(limits)
        except OSError:
            group.remove()
            raise
        return group

    def sweep(self) -> None:
        """Remove groups that grading processes which were killed have left."""
        for parent in set(self.parents.values()):
            for folder in parent.glob("autograder-*-*"):
                pid = folder.name.split("-")[1]
                if pid.isdigit() and not Path("/proc", pid).exists():
                    with contextlib.suppress(OSError):  # something in it still runs
                        folder.rmdir()


class Group:
    """The control group of one submission."""

    def __init__(self, folders: Mapping[str, Path], version: int) -> None:
        self._folders = folders
        self._version = version

    @property
    def controllers(self) -> Sequence[str]:
        """The controllers that cap it: ``memory``, ``pids`` or both."""
        return sorted(self._folders)

    def cap(self, limits: Limits) -> None:
        """Write the limits."""
        memory = (limits.memory_mib + limits.disk_mib + _EXTRA_MIB) * MIB
        if "memory" in self._folders:
            folder = self._folders["memory"]
            if self._version == 2:
                _write(folder / "memory.max", memory)
                with contextlib.suppress(OSError):  # a kernel without swap accounting
                    _write(folder / "memory.swap.max", 0)
            else:
                _write(folder / "memory.limit_in_bytes", memory)
                with contextlib.suppress(OSError):
                    _write(folder / "memory.memsw.limit_in_bytes", memory)
        if "pids" in self._folders:
            _write(self._folders["pids"] / "pids.max", limits.processes)

    def doors(self) -> list[int]:
        """Descriptors through which a process of one thread enters by writing ``0``.

        Close them after use. In version 1 a thread that moves itself skips a lock of the whole
        system, which costs five milliseconds each time.
        """
        name = "cgroup.procs" if self._version == 2 else "tasks"
        folders = sorted(set(self._folders.values()))
        return [os.open(one / name, os.O_WRONLY | os.O_CLOEXEC) for one in folders]

    def out_of_memory(self) -> bool:
        """Whether the kernel ended one of its processes for want of memory."""
        if "memory" not in self._folders:
            return False
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        text = (self._folders["memory"] / name).read_text(encoding="ascii")
        counts = dict(line.split() for line in text.splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def end(self) -> None:
        """Kill every process in it, also ones that are just being forked."""
        if "pids" in self._folders:  # from now on nothing in it can fork
            _write(self._folders["pids"] / "pids.max", 0)
        for folder in set(self._folders.values()):
            for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)

    def remove(self) -> None:
        """Remove the group; its processes must have ended, which the kernel may notice late."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        left = {folder for folder in self._folders.values() if folder.is_dir()}
        while left and time.monotonic() < deadline:
            for folder in sorted(left):
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    left.remove(folder)
            if left:
                time.sleep(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
        self.remove()


def find() -> Controllers | None:
    """Where this process can make groups; None where it can make none."""
    try:
        return _version_2() or _version_1()
    except (OSError, ValueError, KeyError):
        return None  # no cgroup file systems, or in a form that we do not know


def _version_2() -> Controllers | None:
    own = _own_folders().get("")
    if own is None:
        return None
    offered = set((own / "cgroup.controllers").read_text(encoding="ascii").split())
    wanted = sorted(offered & {"memory", "pids"})
    if not wanted or not os.access(own / "cgroup.subtree_control", os.W_OK):
        return None
    if own.name == _LEAF:  # another grading process of this command was here before
        own = own.parent
    enabled = set((own / "cgroup.subtree_control").read_text(encoding="ascii").split())
    if not set(wanted) <= enabled:
        _make_room(own)
        _write(own / "cgroup.subtree_control", " ".join(f"+{one}" for one in wanted))
    return Controllers(dict.fromkeys(wanted, own), 2)


def _make_room(own: Path) -> None:
    """Move the processes of a group into a leaf: only an empty one can have capped children."""
    leaf = own / _LEAF
    leaf.mkdir(exist_ok=True)
    for pid in (own / "cgroup.procs").read_text(encoding="ascii").split():
        with contextlib.suppress(ProcessLookupError):
            _write(leaf / "cgroup.procs", pid)


def _version_1() -> Controllers | None:
    own = _own_folders()
    parents: dict[str, Path] = {
        name: own[name]
        for name in ("memory", "pids")
        if name in own and os.access(own[name], os.W_OK)
    }
    return Controllers(parents, 1) if parents else None


def _own_folders() -> dict[str, Path]:
    """This process's folder for each controller of version 1, and under ``""`` of version 2."""
    paths: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _number, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    folders: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _dash, rest = line.partition(" - ")
        root, mount_point = fields.split()[3:5]
        kind, _source, options = rest.split(" ", 2)
        names = {"cgroup2": [""], "cgroup": options.split(",")}.get(kind, [])
        for name in names:
            if name in paths:
                folders[name] = Path(mount_point) / os.path.relpath(paths[name], root)
    return folders


def _write(path: Path, value: object) -> None:
    path.write_text(str(value), encoding="ascii")
