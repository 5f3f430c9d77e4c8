"""A file with a random key: made once for its owner only, whole or not at all.

Its folder is the caller's to make.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

_BYTES: Final = 32


class DamagedKeyError(ValueError):
    """A file that should hold a key holds something else."""


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no text that a key could be.
        DamagedKeyError: it holds no key of the right length.
    """
    text = path.read_text(encoding="ascii")
    try:
        key = bytes.fromhex(text.strip())
    except ValueError as error:
        raise DamagedKeyError(str(error)) from error
    if len(key) != _BYTES:
        raise DamagedKeyError(f"{len(key)} bytes, not {_BYTES}")
    return key


def make_key(path: Path) -> None:
    """Make a key, unless there is one: also not if another process makes one meanwhile.

    Raises:
        OSError: it cannot be written.
    """
    if os.path.lexists(path):
        return
    partial = _write_new(path)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)  # never replaces one that is there
    finally:
        partial.unlink(missing_ok=True)


def replace_key(path: Path) -> None:
    """Put a new key in the place of what is in a file.

    Raises:
        OSError: it cannot be written.
    """
    partial = _write_new(path)
    try:
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _write_new(path: Path) -> Path:
    """Write a new key beside its place."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)  # of a process that was killed
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_hex(_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
    return partial
