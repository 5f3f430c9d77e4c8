"""The inner walls: what a submission's process puts around itself before its first cell."""

import contextlib
import functools
import itertools
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from autograder.runner import landlock, linux, seccomp, walls
from autograder.runner import limits as limits_module
from autograder.runner.limits import Limits
from autograder.runner.outer_walls import HOME, PRIVATE, SYSTEM, first_free_id

_SUBMISSION_IDS: Final = 10_000
_FIRST_SUBMISSION: Final = 1000
_LANDLOCK_KEEPS_SIGNALS: Final = 6
"""The ABI from which Landlock keeps signals inside."""
NOTEBOOK: Final = f"{PRIVATE}/notebook"
"""The working folder of a submission, inside the private folder."""


@dataclass(frozen=True)
class Surroundings:
    """What the warm process knows about the walls that every submission inherits."""

    outer: frozenset[str]
    """The outer walls that stand."""
    readable: Sequence[str]
    """Files and folders that a submission may read."""
    data_bytes: int
    """Private writable memory of the warm process."""
    without: frozenset[str] = frozenset()
    """Walls not to build, for tests and benchmarks."""
    first_id: int | None = None
    """The first of the ids that submissions may get; None where they keep that of the user."""
    by_root: bool = False
    """Whether that user is the machine's root."""


_serial = itertools.count(os.getpid() * 131)  # where warm processes share a range of ids


def next_id(first: int | None) -> int | None:
    """An id that no other running submission of this warm process has."""
    return None if first is None else first + next(_serial) % _SUBMISSION_IDS


def ids_for_submissions(
    outer: Collection[str], readable: Sequence[str], uid_map: str
) -> int | None:
    """The first id that submissions may get, where this process may give them one.

    Args:
        outer: the outer walls that stand.
        readable: files and folders that a submission must be able to read.
        uid_map: this process's id map.
    """
    ids = sum(int(line.split()[2]) for line in uid_map.splitlines())
    if os.geteuid() != 0 or ids < _FIRST_SUBMISSION + _SUBMISSION_IDS:
        return None
    if walls.USER in outer:
        return _FIRST_SUBMISSION
    reachable = walls.ROOT in outer or all(_reachable_for_all(path) for path in readable)
    return first_free_id(uid_map) + _FIRST_SUBMISSION if reachable else None


def _reachable_for_all(path: str) -> bool:
    parts = os.path.realpath(path).split("/")
    above = ["/".join(parts[:end]) or "/" for end in range(1, len(parts) + 1)]
    return all(os.stat(one).st_mode & 0o001 for one in above if os.path.isdir(one))


@dataclass(frozen=True)
class Place:
    """What one submission is given."""

    limits: Limits
    folder: str
    """Its private folder, used where none can be mounted."""
    own_id: int | None
    """The user and group that it becomes, if any."""
    doors: Sequence[int]
    """Descriptors of the control groups to enter, which are closed."""
    caps: Sequence[str]
    """The walls that those groups are."""


def raise_walls(around: Surroundings, place: Place) -> list[str]:
    """Put every wall around the calling process that the system has; their names.

    Args:
        around: what stands already.
        place: what the submission is given.

    Raises:
        OSError: a wall that should stand here cannot be raised.
    """
    raised = [walls.SUBPROCESS, *sorted(around.outer)]
    own_id, folder = place.own_id, place.folder
    for door in place.doors:
        os.write(door, b"0")
        os.close(door)
    raised += place.caps
    private = _mount_folder(around, place.limits, own_id, raised)
    if own_id is not None and not private:
        os.chown(folder, own_id, own_id)
    os.chdir(NOTEBOOK if private else folder)
    if walls.RLIMITS not in around.without:
        tasks = _tasks_of_others(around.outer, own_id, place.limits.processes)
        limits_module.apply(place.limits, around.data_bytes, tasks)
        raised.append(walls.RLIMITS)
    if walls.CAPABILITIES not in around.without:
        linux.bound_capabilities()
    _become(own_id, raised)
    if own_id is not None or not around.by_root:
        raised.append(walls.NOT_ROOT)
    if walls.CAPABILITIES not in around.without:
        linux.keep_capabilities(())
        linux.gain_no_privileges()
        raised += [walls.CAPABILITIES, walls.PRIVILEGES]
    _restrict_files(around, PRIVATE if private else folder, private, raised)
    _filter_system_calls(around, private, raised)
    return raised


def _mount_folder(
    around: Surroundings, limits: Limits, own_id: int | None, raised: list[str]
) -> bool:
    """Mount the capped folder, in a mount namespace of this process's own."""
    if walls.ROOT not in around.outer:
        return False
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWIPC)
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    owner = os.geteuid() if own_id is None else own_id
    options = f"size={limits.disk_mib}m,nr_inodes={limits.files},mode=700"
    linux.mount("tmpfs", PRIVATE, "tmpfs", flags, f"{options},uid={owner},gid={owner}")
    os.mkdir(NOTEBOOK, 0o700)
    os.chown(NOTEBOOK, owner, owner)
    raised.append(walls.FOLDER)
    return True


def _tasks_of_others(outer: Collection[str], own_id: int | None, processes: int) -> int:
    """How many tasks count against this user's limit that are not the submission's.

    A submission's own user has none; in a user namespace only the warm process counts; else
    everything that the user runs does, and submissions beside this one may start more.
    """
    if own_id is not None:
        return 0
    if walls.USER in outer:
        return 4
    own, tasks = os.getuid(), len(os.sched_getaffinity(0)) * processes
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):  # it may end while we count
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == own:
                tasks += len(os.listdir(f"/proc/{name}/task"))
    return tasks


def _become(own_id: int | None, raised: list[str]) -> None:
    """Become a user of one's own."""
    if own_id is None:
        return
    os.setgroups([])
    os.setresgid(own_id, own_id, own_id)
    os.setresuid(own_id, own_id, own_id)
    linux.die_with_parent()  # a change of ids forgets it
    linux.be_looked_at()  # by who measures it; nothing of its user's own could
    raised.append(walls.UID)


def _restrict_files(around: Surroundings, folder: str, private: bool, raised: list[str]) -> None:
    if walls.LANDLOCK not in around.without and landlock.version():
        # Where the folder is only measured, nothing must move behind the back of who measures.
        landlock.restrict(read=around.readable, write=[folder], move=private)
        raised.append(walls.LANDLOCK)


def _filter_system_calls(around: Surroundings, private: bool, raised: list[str]) -> None:
    if walls.SECCOMP in around.without or not seccomp.available():
        return
    kept_in = walls.PID in raised or walls.UID in raised
    if walls.LANDLOCK in raised and landlock.version() >= _LANDLOCK_KEEPS_SIGNALS:
        kept_in = True
    share_memory = walls.MEMORY in raised
    linux.filter_system_calls(_filter(private, share_memory, None if kept_in else os.getpid()))
    raised.append(walls.SECCOMP)


@functools.cache
def _filter(private: bool, share_memory: bool, signal_only: int | None) -> bytes:
    program = seccomp.program(
        change_metadata=private, share_memory=share_memory, signal_only=signal_only
    )
    return seccomp.packed(program)


def prepare(outer: Collection[str]) -> None:
    """Assemble in the warm process what every submission needs."""
    if seccomp.available():
        for share_memory in (True, False):
            _filter(walls.ROOT in outer, share_memory, None)


def readable_paths(
    outer: Collection[str], interpreter: Sequence[str], packages: Sequence[str], engine: str
) -> list[str]:
    """What a submission may read: interpreter, packages, system libraries, this room."""
    devices = ["/dev/full", "/dev/random", "/dev/urandom"]
    home = [HOME] if walls.ROOT in outer else []
    return [*interpreter, *packages, engine, *SYSTEM, *devices, *home]
