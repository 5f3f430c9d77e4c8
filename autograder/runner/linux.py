"""The Linux calls that Python's standard library lacks, each as the manual page describes it."""

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Be killed when the thread that made this process ends (prctl(2), PR_SET_PDEATHSIG)."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")


def gain_no_privileges() -> None:
    """Gain nothing from programs started later (prctl(2), PR_SET_NO_NEW_PRIVS)."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def unshare(namespaces: int) -> None:
    """Enter new namespaces, given as ``CLONE_NEW…`` flags (unshare(2)).

    Raises:
        OSError: the system does not allow it.
    """
    _checked(_libc.unshare(namespaces), "unshare")


def system_call(number: int, *args: int | bytes | None) -> int:
    """Make a system call that the C library has no name for; its result (syscall(2)).

    Raises:
        OSError: it failed.
    """
    return _checked(_libc.syscall(number, *args), f"system call {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result
