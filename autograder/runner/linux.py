"""The Linux calls that Python's standard library lacks, each as the manual page describes it."""

import contextlib
import ctypes
import os
import platform
import signal
import struct
from collections.abc import Collection, Iterator
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_LAST_CAPABILITY: Final = 63  # the kernel answers EINVAL above its own last one
_CAPABILITY_VERSION_3: Final = 0x20080522

_MADV_COLLAPSE: Final = 25

_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_GET_ACTION_AVAIL: Final = 2
_SECCOMP_RET_KILL_PROCESS: Final = 0x80000000

_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
# These are the same on every architecture (asm-generic/unistd.h).
_PIDFD_OPEN: Final = 434
_CLOSE_RANGE: Final = 436
_MOUNT_SETATTR: Final = 442

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Get a signal when the thread that made this process ends (prctl(2), PR_SET_PDEATHSIG)."""
    _prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, by)


@contextlib.contextmanager
def looking_as(user: int | None) -> Iterator[None]:
    """Reach files, and what /proc shows of processes, as another user does (setfsuid(2)).

    Only root becomes another one; nobody can send signals to the calling process for it.
    """
    if user is None or os.geteuid() != 0:
        yield
        return
    for call in (_libc.setfsgid, _libc.setfsuid):
        call(user)
    try:
        yield
    finally:
        for call in (_libc.setfsuid, _libc.setfsgid):
            call(0)


def be_looked_at() -> None:
    """Let processes of the same user look at this one; a change of ids forbids it (prctl(2))."""
    _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def gain_no_privileges() -> None:
    """Gain nothing from programs started later (prctl(2), PR_SET_NO_NEW_PRIVS)."""
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def bound_capabilities(but: Collection[int] = ()) -> None:
    """Let no program that is started later gain a capability (capabilities(7), bounding set).

    Only a process that has CAP_SETPCAP may; without it, no_new_privs has the same effect.

    Args:
        but: capabilities that it may gain.
    """
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in but and _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # EINVAL: past the last one; EPERM: it may not, see above


def keep_capabilities(kept: Collection[int]) -> None:
    """Give up every capability that this process has but these (capabilities(7)).

    Raises:
        OSError: the kernel refuses.
    """
    bound_capabilities(but=kept)
    _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    bits = sum(1 << one for one in kept)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    sets = struct.pack("=IIIIII", low, low, 0, high, high, 0)  # effective, permitted, inheritable
    system_call(_CAPSET[platform.machine()], header, sets)


def _prctl(what: str, option: int, value: int) -> None:
    _checked(_libc.prctl(option, value, 0, 0, 0), what)


def unshare(namespaces: int) -> None:
    """Enter new namespaces, given as ``CLONE_NEW…`` flags (unshare(2)).

    Raises:
        OSError: the system does not allow it.
    """
    _checked(_libc.unshare(namespaces), "unshare")


def pidfd_of(pid: int) -> int:
    """A descriptor that stands for a process (pidfd_open(2))."""
    return system_call(_PIDFD_OPEN, pid, 0)


def enter(descriptor: int, namespaces: int) -> None:
    """Enter the namespaces of the process that a descriptor stands for (setns(2))."""
    _checked(_libc.setns(descriptor, namespaces), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system (mount(2))."""
    text = [None if one is None else os.fsencode(one) for one in (source, target, kind)]
    result = _libc.mount(*text, ctypes.c_ulong(flags), options.encode() or None)
    _checked(result, f"mount {target}")


def restrict_mount(target: str, flags: int) -> None:
    """Add ``MS_…`` restrictions to a mount and all below it (mount_setattr(2), Linux 5.12).

    The values of ``MS_RDONLY``, ``MS_NOSUID``, ``MS_NODEV`` and ``MS_NOEXEC`` are those of
    ``MOUNT_ATTR_…``.
    """
    attributes = struct.pack("=QQQQ", flags, 0, 0, 0)
    path = os.fsencode(target)
    arguments = (_AT_FDCWD, path, _AT_RECURSIVE, attributes, len(attributes))
    system_call(_MOUNT_SETATTR, *arguments)


def change_root(new: str) -> None:
    """Make a mount the root and let go of the old one (pivot_root(2), its last example)."""
    os.chdir(new)
    system_call(_PIVOT_ROOT[platform.machine()], b".", b".")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def gather_in_huge_pages(address: int, length: int) -> None:
    """Gather a range of private memory into huge pages now (madvise(2), MADV_COLLAPSE, Linux 6.1).

    A process copies its page tables when it forks; those of huge pages are 512 times smaller.

    Raises:
        OSError: the kernel cannot, or not all of it.
    """
    result = _libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _MADV_COLLAPSE)
    _checked(result, "madvise")


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor above 2 except these (close_range(2); Linux 5.9)."""
    first = 3
    for descriptor in [*sorted(one for one in kept if one > 2), 2**31]:
        if first < descriptor:
            system_call(_CLOSE_RANGE, first, descriptor - 1, 0)
        first = descriptor + 1


def can_filter_system_calls() -> bool:
    """Whether the kernel takes seccomp filters that end a process (seccomp(2), Linux 4.14)."""
    try:
        action = struct.pack("I", _SECCOMP_RET_KILL_PROCESS)
        system_call(_SECCOMP[platform.machine()], _SECCOMP_GET_ACTION_AVAIL, 0, action)
    except (OSError, KeyError):
        return False
    return True


def filter_system_calls(program: bytes) -> None:
    """Put a seccomp filter, given as BPF instructions, on this process (seccomp(2)).

    Raises:
        OSError: the kernel refuses; it needs no_new_privs first.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    address = ctypes.addressof(buffer)
    fprog = struct.pack("HxxxxxxP", len(program) // 8, address)
    system_call(_SECCOMP[platform.machine()], _SECCOMP_SET_MODE_FILTER, 0, fprog)


def system_call(number: int, *args: int | bytes | None) -> int:
    """Make a system call that the C library has no name for; its result (syscall(2)).

    Raises:
        OSError: it failed.
    """
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide), f"system call {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result
