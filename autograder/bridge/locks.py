"""One lock for each submission: two commands on a course do not do the same work at once."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK_FILE: Final = ".autograder.lock"
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def submission_lock(course: Path, assignment: str, student: str) -> Iterator[None]:
    """Wait until no other process works on a submission, and keep others from it meanwhile.

    It is one byte of one file in the course's folder: the kernel takes the lock from a process
    that is killed, and nothing has to be cleaned up. It holds between processes only, and only
    on one submission at a time: to close the file would end all that this process has (fcntl(2)).
    """
    offset = int.from_bytes(hashlib.sha256(f"{assignment}/{student}".encode()).digest()[:6], "big")
    descriptor = os.open(course / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, offset)
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # some network file systems; then nothing is kept out
                raise
        yield
    finally:
        os.close(descriptor)
