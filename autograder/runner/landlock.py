"""Landlock: the process that runs a submission opens only files that it may see.

No library on PyPI covers the kernel's present interface, so this is the whole of what is needed:
three system calls, as described in Documentation/userspace-api/landlock.rst of the Linux kernel.
"""

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# The numbers are the same on every architecture (asm-generic/unistd.h).
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_TRUNCATE: Final = 1 << 14
_IOCTL_DEVICE: Final = 1 << 15
_ALL_FILES: Final = (1 << 13) - 1
_DEVICES: Final = sum(1 << bit for bit in (6, 11))  # making character and block devices
_NETWORK: Final = 3  # binding and connecting TCP
_SCOPES: Final = 3  # abstract Unix sockets, signals

_SYSTEM: Final = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
)
_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The kernel's Landlock ABI; 0 where there is none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def readable() -> list[str]:
    """What a submission may read: the interpreter, its packages, system libraries, this room."""
    runner = str(Path(__file__).parent)
    return [sys.base_prefix, sys.prefix, runner, *_SYSTEM]


def restrict(read: Sequence[str], write: Sequence[str]) -> None:
    """Leave the calling process, and all that it forks, only these files.

    Args:
        read: files and folders to read and to load libraries from; missing ones are skipped.
        write: folders to read and write.

    From ABI 4 on no TCP port can be bound or reached, and from ABI 6 on no signal and no
    abstract Unix socket outside the restricted processes.

    Raises:
        OSError: the kernel refuses.
    """
    abi = version()
    handled = _ALL_FILES
    for since, right in ((2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        handled |= right if abi >= since else 0
    attributes = struct.pack("=Q", handled)
    attributes += struct.pack("=Q", _NETWORK) if abi >= 4 else b""
    attributes += struct.pack("=Q", _SCOPES) if abi >= 6 else b""
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in read:
            with contextlib.suppress(FileNotFoundError):
                _allow(ruleset, path, _READ_FILE | _READ_DIR | _EXECUTE)
        for path in write:
            _allow(ruleset, path, handled & ~(_EXECUTE | _IOCTL_DEVICE | _DEVICES))
        _allow(ruleset, os.devnull, _READ_FILE | _WRITE_FILE)
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
        rule = struct.pack("=Qi", rights, descriptor)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _call(number: int, *args: int | bytes) -> int:
    result = int(_libc.syscall(number, *args))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
