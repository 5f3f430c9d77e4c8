"""Pseudonyms in the place of students' ids, the same in every report of a course.

A pseudonym is a keyed digest (HMAC-SHA256) of the id. Its key is a random secret that lies in the
course's own folder and is written nowhere else; without it, not even a complete list of the ids
tells who is who.
"""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from autograder.bridge.course import CourseError
from autograder.bridge.keyfile import DamagedKeyError, make_key, read_key
from autograder.bridge.record import FOLDER
from autograder.report.data import ClassData

_FILE: Final = ".pseudonyms"
_LETTERS: Final = 8


def secret_of(course: Path) -> bytes:
    """The secret of a course; made by the first report that needs it.

    Raises:
        CourseError: it cannot be read or made.
    """
    path = course / FOLDER / _FILE
    try:
        path.parent.mkdir(exist_ok=True)
        make_key(path)
        return read_key(path)
    except DamagedKeyError as error:
        raise CourseError(f"{path} is damaged: remove it, and new pseudonyms are made") from error
    except (OSError, ValueError) as error:
        raise CourseError(f"cannot use the secret of the pseudonyms, {path}: {error}") from error


def pseudonyms(students: Collection[str], secret: bytes) -> dict[str, str]:
    """A pseudonym for each student."""
    length = _LETTERS
    while True:
        made = {student: _pseudonym(student, secret, length) for student in students}
        if len(set(made.values())) == len(made):
            return made
        length += 4


def _pseudonym(student: str, secret: bytes, length: int) -> str:
    data = student.encode("utf-8", "surrogateescape")
    return f"student-{hmac.new(secret, data, hashlib.sha256).hexdigest()[:length]}"


def under_pseudonyms(data: ClassData, names: dict[str, str]) -> ClassData:
    """The same class, in which nothing tells whose a submission is.

    Sorted by the pseudonyms, as the order of the ids would tell something.
    """
    submissions = [replace(one, student=names[one.student], problem="") for one in data.submissions]
    return replace(data, submissions=sorted(submissions, key=lambda one: one.student))
