"""A submission that is graded on another machine, and what comes back of it."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from autograder.bridge import record
from autograder.bridge.course import Course, CourseError
from autograder.bridge.files import has_links, replace_folder
from autograder.bridge.parcels import pack, unpack
from autograder.bridge.record import Record

_RECORD: Final = ".autograder.record.json"
_BESIDE: Final = ".graded-"


def pack_submission(course: Course, assignment: str, student: str) -> bytes:
    """What a student has handed in, as bytes.

    Raises:
        ParcelError: it is too much.
        OSError: it cannot be read.
    """
    folder = course.folder("submitted", assignment, student)
    return pack(folder, as_links=has_links(folder, course.root))


def unpack_submission(course: Course, assignment: str, student: str, parcel: bytes) -> None:
    """Put what a student has handed in where a grading looks for it, and nothing else of theirs.

    Raises:
        ParcelError: what came is damaged.
        OSError: it cannot be written.
    """
    remove_submission(course, assignment, student)
    unpack(parcel, course.folder("submitted", assignment, student))


def remove_submission(course: Course, assignment: str, student: str) -> None:
    """Remove all that a grading on this machine has left of a submission."""
    for step in ("submitted", "autograded", "feedback"):
        shutil.rmtree(course.folder(step, assignment, student), ignore_errors=True)
    record.path_of(course.root, assignment, student).unlink(missing_ok=True)


def pack_graded(course: Course, assignment: str, student: str) -> bytes:
    """The autograded notebooks with the record of their grading, as bytes.

    The assignment's own files beside them are left out: who gets it has them.

    Raises:
        ParcelError: it is too much.
        OSError: it cannot be read.
    """
    folder = course.folder("autograded", assignment, student)
    shutil.copyfile(record.path_of(course.root, assignment, student), folder / _RECORD)
    return pack(folder, without=course.folder("source", assignment))


def keep_graded(
    course: Course, assignment: str, student: str, parcel: bytes, *, inputs: str, stamp: str
) -> None:
    """Put what was graded elsewhere into the course's folders, as if it had been graded here.

    Args:
        course: the course.
        assignment: whose.
        student: whose.
        parcel: as ``pack_graded`` made it.
        inputs: a digest of all that the grading depended on, as this machine reckons it.
        stamp: a digest of what was handed in.

    Raises:
        ParcelError: what came is damaged.
        CourseError: something is in the way.
        OSError: it cannot be written.
    """
    place = course.folder("autograded", assignment, student)
    path = record.path_of(course.root, assignment, student)
    above = course.root / str(course.directory.autograded_directory)
    above.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        raise CourseError(f"{place} is a link: remove it")
    with tempfile.TemporaryDirectory(prefix=_BESIDE, dir=above) as work:
        new = Path(work, "new")
        unpack(parcel, new, course.folder("source", assignment))
        kept = Record.read(new / _RECORD)
        (new / _RECORD).unlink(missing_ok=True)
        path.unlink(missing_ok=True)  # before the rest goes, lest a kill leave it alone
        replace_folder(new, place, Path(work, "old"))
    kept.inputs, kept.submission = inputs, stamp
    kept.write(path)
