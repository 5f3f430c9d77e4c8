"""Landlock: the process that runs a submission opens only files that it may see.

No library on PyPI covers the kernel's present interface, so this is the whole of what is needed:
three system calls, as described in Documentation/userspace-api/landlock.rst of the Linux kernel.
"""

import contextlib
import os
import struct
from collections.abc import Sequence
from typing import Final

from autograder.runner import linux

# The numbers are the same on every architecture (asm-generic/unistd.h).
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14
_IOCTL_DEVICE: Final = 1 << 15
_FIRST_RIGHTS: Final = (1 << 13) - 1  # all that ABI 1 knows
_MAKE_DEVICE: Final = 1 << 6 | 1 << 11  # character, block
_NETWORK: Final = 3  # binding and connecting TCP
_SCOPES: Final = 3  # abstract Unix sockets, signals


def version() -> int:
    """The kernel's Landlock ABI; 0 where there is none."""
    try:
        return linux.system_call(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(read: Sequence[str], write: Sequence[str], move: bool) -> None:
    """Leave the calling process, and all that it forks, only these files.

    Args:
        read: files and folders to read and to load libraries from; missing ones are skipped.
        write: folders to read and write.
        move: whether a file may be moved or linked from one folder to another (``EXDEV``).

    From ABI 4 on no TCP port can be bound or reached, and from ABI 6 on no signal and no
    abstract Unix socket outside the restricted processes.

    Raises:
        OSError: the kernel refuses.
    """
    abi = version()
    handled = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        handled |= right if abi >= since else 0
    attributes = struct.pack("=Q", handled)
    attributes += struct.pack("=Q", _NETWORK) if abi >= 4 else b""
    attributes += struct.pack("=Q", _SCOPES) if abi >= 6 else b""
    denied = _EXECUTE | _IOCTL_DEVICE | _MAKE_DEVICE | (0 if move else _REFER)
    ruleset = linux.system_call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in read:
            with contextlib.suppress(FileNotFoundError):
                _allow(ruleset, path, _READ_FILE | _READ_DIR | _EXECUTE)
        for path in write:
            _allow(ruleset, path, handled & ~denied)
        _allow(ruleset, os.devnull, _READ_FILE | _WRITE_FILE)
        linux.gain_no_privileges()
        linux.system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
        rule = struct.pack("=Qi", rights, descriptor)
        linux.system_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
