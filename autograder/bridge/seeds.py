"""Seeds of submissions, and the secret that those of hidden inputs are made from.

Hidden inputs must be the same whenever a submission is graded, other for each submission, and
nothing that a student can compute. So their seed is an HMAC (RFC 2104) of the assignment and the
student with a secret of the course, which lies in a file outside the course's folder: that one is
often a repository.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from autograder.bridge.keyfile import DamagedKeyError, make_key, read_key, replace_key

_SUFFIX: Final = ".secret"
_ELSEWHERE: Final = "Give another file with c.RunGraders.secret_file in nbgrader_config.py"


class SecretError(OSError):
    """The secret cannot be used; the message says which file, why and how to mend it."""


def public_seed(assignment: str, student: str) -> int:
    """A seed from what anybody knows, for what is not hidden."""
    return _number(hashlib.sha256(f"{assignment}/{student}".encode()).digest())


@dataclass(frozen=True)
class Secret:
    """The secret of a course."""

    key: bytes = field(repr=False)

    def seed(self, assignment: str, student: str) -> int:
        """The seed of a submission's hidden inputs."""
        return _number(hmac.digest(self.key, f"{assignment}/{student}".encode(), "sha256"))

    @property
    def fingerprint(self) -> str:
        """What tells one secret from another, and says nothing of it."""
        return hmac.digest(self.key, b"fingerprint", "sha256").hex()[:16]


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:6], "big")


def secret_path(configured: str, course_id: str, root: Path) -> Path:
    """Where the secret of a course is: as configured, or in the user's data folder.

    What is configured may begin with ``~``, or be relative to the course's folder ``root``.

    The data folder is that of the XDG Base Directory Specification: ``$XDG_DATA_HOME``, by
    default ``~/.local/share``.
    """
    if configured:
        return root / Path(configured).expanduser()
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    name = quote(course_id, safe="") or "course"
    return Path(home).expanduser() / "autograder" / f"{name}{_SUFFIX}"


def read_secret(path: Path) -> Secret:
    """The secret in a file; it is made where there is none yet.

    Raises:
        SecretError: the file cannot be read or made, or holds no secret.
    """
    _write(make_key, path)
    try:
        return Secret(read_key(path))
    except DamagedKeyError as error:
        raise SecretError(
            f"{path} holds no secret: put a backup of it there, or make a new one with "
            "`autograder secret --rotate`"
        ) from error
    except (OSError, ValueError) as error:
        raise SecretError(
            f"the secret of the course cannot be read: {error}. {_ELSEWHERE}"
        ) from error


def rotate_secret(path: Path) -> Secret:
    """Put a new secret in the place of the one in a file.

    Raises:
        SecretError: it cannot be written.
    """
    _write(replace_key, path)
    return read_secret(path)


def _write(key: Callable[[Path], None], path: Path) -> None:
    try:
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SecretError:
    return SecretError(
        f"the secret of the course cannot be written to {path}: {error.strerror}. {_ELSEWHERE}"
    )
