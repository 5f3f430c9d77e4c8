"""Become what a mode of the corpus asks for: another user, or a system that refuses namespaces."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autograder.runner import linux, seccomp

ROOM: Final = Path(__file__).parents[2]
_ORDINARY: Final = {"user": 23_456, "bare": 23_457, "defenceless": 23_458}
"""A user of its own for each mode: the limit of processes counts all that a user has."""
_NAMESPACE_CALLS: Final = ("unshare", "setns", "mount", "umount2", "pivot_root", "mount_setattr")


_CONTAINER_CAPABILITIES: Final = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
"""What Docker leaves root by default, as in capabilities(7); not CAP_SYS_PTRACE, for one."""
_BY_ROOT: Final = ("root", "container")


def available(mode: str) -> bool:
    """Whether this process can enter a mode."""
    return mode not in _BY_ROOT or os.geteuid() == 0


def enter(mode: str) -> None:
    """Enter a mode, for good."""
    if mode != "root" and os.geteuid() == 0:
        _make_reachable([sys.base_prefix, sys.prefix, str(ROOM)])
    if mode == "container":
        linux.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0)
        linux.keep_capabilities(_CONTAINER_CAPABILITIES)
        refuse(_NAMESPACE_CALLS)
    elif mode != "root" and os.geteuid() == 0:
        os.setgroups([])
        own = _ORDINARY[mode]
        os.setresgid(own, own, own)
        os.setresuid(own, own, own)
        os.environ["HOME"] = "/tmp"
    if mode == "bare":
        refuse(_NAMESPACE_CALLS)
    if mode == "defenceless":
        refuse((*_NAMESPACE_CALLS, "landlock_create_ruleset", "seccomp"))


def refuse(calls: Sequence[str]) -> None:
    """Have the kernel refuse system calls, as container engines do with those of namespaces."""
    linux.gain_no_privileges()
    linux.filter_system_calls(seccomp.packed(seccomp.refusing(calls)))


def _make_reachable(folders: list[str]) -> None:
    """Let every user reach folders below one that is closed, in a mount namespace of our own."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    for folder in folders:
        closed = _first_closed(folder)
        if closed is not None:
            _show_only(closed, [one for one in folders if one.startswith(f"{closed}/")])


def _first_closed(folder: str) -> str | None:
    parts = Path(folder).parts
    above = [str(Path(*parts[:end])) for end in range(1, len(parts) + 1)]
    return next((one for one in above if not os.stat(one).st_mode & 0o001), None)


def _show_only(closed: str, folders: list[str]) -> None:
    held = [os.open(folder, os.O_PATH) for folder in folders]
    linux.mount("tmpfs", closed, "tmpfs", 0, "mode=755")
    for folder, descriptor in zip(folders, held, strict=True):
        os.makedirs(folder)
        source = f"/proc/self/fd/{descriptor}"
        linux.mount(source, folder, None, linux.MS_BIND | linux.MS_REC)
        os.close(descriptor)
