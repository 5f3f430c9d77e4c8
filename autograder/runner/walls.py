"""The walls that can stand around a submission: their names, what each is for, the minimum."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

SUBPROCESS: Final = "separate process"
USER: Final = "user namespace"
MOUNT: Final = "mount namespace"
PID: Final = "pid namespace"
IPC: Final = "ipc namespace"
UTS: Final = "uts namespace"
NET: Final = "net namespace"
CGROUP: Final = "cgroup namespace"
ROOT: Final = "read-only root"
FOLDER: Final = "capped folder"
UID: Final = "own uid"
NOT_ROOT: Final = "not root"
CAPABILITIES: Final = "no capabilities"
PRIVILEGES: Final = "no new privileges"
LANDLOCK: Final = "Landlock"
SECCOMP: Final = "seccomp"
RLIMITS: Final = "rlimits"
MEMORY: Final = "memory cgroup"
PIDS: Final = "pids cgroup"

_NAMESPACES: Final = (
    "allow user namespaces for this user (sysctl user.max_user_namespaces, and on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0), or give the container CAP_SYS_ADMIN"
)
_CGROUPS: Final = (
    "run as root, or in a delegated cgroup: systemd-run --user --scope -p Delegate=yes autograder …"
)


@dataclass(frozen=True)
class Wall:
    """A wall: what it keeps from a submission, and what to do where it is missing."""

    holds: str
    mend: str
    instead: str = ""
    """What does a part of its work where it is missing."""


WALLS: Final[Mapping[str, Wall]] = {
    SUBPROCESS: Wall("the memory of the graders", ""),
    USER: Wall("the machine from the powers of root", _NAMESPACES, "own uid, no capabilities"),
    MOUNT: Wall("the machine's mounts", _NAMESPACES, "Landlock"),
    PID: Wall("other processes; all of a submission end at once", _NAMESPACES, "Landlock"),
    IPC: Wall("the shared memory and queues of others", _NAMESPACES, "seccomp"),
    UTS: Wall("the machine's name", _NAMESPACES, "seccomp"),
    NET: Wall("the network, loopback and abstract sockets", _NAMESPACES, "seccomp"),
    CGROUP: Wall("the names of cgroups", _NAMESPACES),
    ROOT: Wall(
        "every file but those of interpreter, packages and system libraries",
        f"needs Linux 5.12 or newer; {_NAMESPACES}",
        "Landlock",
    ),
    FOLDER: Wall(
        "the disk: bytes and number of files are capped",
        _NAMESPACES,
        "the folder is measured while cells run",
    ),
    UID: Wall(
        "files and processes of the user who grades",
        "run as root; where namespaces are missing, the interpreter must be readable for all",
        "namespaces, Landlock",
    ),
    NOT_ROOT: Wall(
        "the machine from what root may without any power, such as processes without number",
        "make the interpreter and the packages readable for all users (also the folders that they "
        "are in), or grade as an ordinary user",
    ),
    CAPABILITIES: Wall(
        "the machine from the powers of root", "report it: this should stand everywhere"
    ),
    PRIVILEGES: Wall("the machine from setuid programs", "report it: this should stand everywhere"),
    LANDLOCK: Wall(
        "files, on its own beside the root; other processes from signals from ABI 6 on",
        "needs Linux 5.13 or newer with landlock in its list of security modules (lsm=)",
        "read-only root",
    ),
    SECCOMP: Wall(
        "the kernel from rare system calls; no socket, no other program",
        "needs Linux on x86_64 or aarch64 with CONFIG_SECCOMP_FILTER",
    ),
    RLIMITS: Wall(
        "memory, by a cap on the data of each process; size and number of open files", "report it"
    ),
    MEMORY: Wall("memory, by a cap on all processes together", _CGROUPS, "memory is measured"),
    PIDS: Wall("the machine from too many processes and threads", _CGROUPS, "RLIMIT_NPROC"),
}


def missing_for_untrusted(raised: Collection[str]) -> list[str]:
    """What is missing of the minimum for submissions of people one does not trust.

    The minimum is: a process apart that is not root's, no network, and no file but its own.
    """
    lacking = []
    if not {NET, SECCOMP} & set(raised):
        lacking.append(f"no network ({NET} or {SECCOMP})")
    if not {ROOT, LANDLOCK} & set(raised):
        lacking.append(f"no file access beyond its own ({ROOT} or {LANDLOCK})")
    lacking += [one for one in (SUBPROCESS, NOT_ROOT) if one not in raised]
    return lacking
