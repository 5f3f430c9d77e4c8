"""One lock for each submission: two commands on a course do not do the same work at once.

Between processes of a machine it is a byte of a file; between machines that share a gradebook in
Postgres it is one of that server's advisory locks as well.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from autograder.bridge.gradebook import engine_of, is_postgres

LOCK_FILE: Final = ".autograder.lock"
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def submission_lock(
    course: Path, assignment: str, student: str, db_url: str = ""
) -> Iterator[None]:
    """Wait until no other process works on a submission, and keep others from it meanwhile.

    It is one byte of one file in the course's folder: the kernel takes the lock from a process
    that is killed, and nothing has to be cleaned up. It holds between processes only, and only
    on one submission at a time: to close the file would end all that this process has (fcntl(2)).

    Args:
        course: the course's folder.
        assignment: the submission's.
        student: whose it is.
        db_url: the gradebook's; in Postgres it keeps processes of other machines away, too.

    Raises:
        DBAPIError: Postgres cannot be reached.
        OSError: the file cannot be opened.
    """
    number = hashlib.sha256(f"{assignment}/{student}".encode()).digest()
    with _file_lock(course, int.from_bytes(number[:6], "big")):
        if db_url and is_postgres(make_url(db_url)):
            with _postgres_lock(db_url, int.from_bytes(number[:8], "big", signed=True)):
                yield
        else:
            yield


@contextmanager
def _postgres_lock(db_url: str, number: int) -> Iterator[None]:
    """A lock in Postgres, which ends with the connection, however that ends.

    A connection that is lost meanwhile is no error: the gradebook's own tells it, and whoever gets
    the lock then cannot spoil more than time: each grading is one transaction.
    """
    engine = engine_of(db_url).execution_options(isolation_level="AUTOCOMMIT")
    connection = engine.connect()
    try:
        connection.execute(select(func.pg_advisory_lock(number)))
        yield
    finally:
        connection.invalidate()  # to close it is to unlock, without a word to a server that is gone


@contextmanager
def _file_lock(course: Path, offset: int) -> Iterator[None]:
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
