"""Files for their owner only, made once and whole or not at all, and those with a random key.

Their folder is the caller's to make.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
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
    if not os.path.lexists(path):
        write_private(path, _new_key())


def replace_key(path: Path) -> None:
    """Put a new key in the place of what is in a file.

    Raises:
        OSError: it cannot be written.
    """
    with _written_beside(path, _new_key()) as partial:
        partial.replace(path)


def write_private(path: Path, data: bytes) -> bool:
    """Write a file for its owner only, whole or not at all, and never in the place of another one.

    Returns:
        Whether it was written; no if there is one already.

    Raises:
        OSError: it cannot be written.
    """
    with _written_beside(path, data) as partial:
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
    return True


def _new_key() -> bytes:
    return f"{secrets.token_hex(_BYTES)}\n".encode("ascii")


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside a file's place, which is removed if it is not moved there."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)
