"""A submission that is graded on another machine, and what comes back of it."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from autograder.bridge import record
from autograder.bridge.course import Course, CourseError
from autograder.bridge.exporter import SubmissionExporter
from autograder.bridge.files import has_links, replace_folder
from autograder.bridge.handin import HandIn, Person
from autograder.bridge.parcels import pack, unpack, unpack_files
from autograder.bridge.record import Record

_RECORD: Final = ".autograder.record.json"
_PAGE: Final = ".autograder.page."
_BESIDE: Final = ".graded-"
_MIB: Final = 1024 * 1024
_READ_MIB: Final = 32
"""No grading reads larger files of a student, unless the course lets them in."""


def pack_submission(course: Course, assignment: str, student: str) -> bytes:
    """What a student has handed in, as bytes.

    Raises:
        ParcelError: it is too much.
        OSError: it cannot be read.
    """
    folder = course.folder("submitted", assignment, student)
    links = has_links(folder, course.root)
    return pack(folder, as_links=links, largest_file=_read_bytes(course))


def _read_bytes(course: Course) -> int:
    """How large a student's file may be that a grading of the course reads."""
    usual = SubmissionExporter.other_file_mib.default_value
    configured = course.app.config.SubmissionExporter.get("other_file_mib", usual)
    return max(_READ_MIB, int(configured)) * _MIB


def unpack_submission(course: Course, assignment: str, student: str, parcel: bytes) -> None:
    """Put what a student has handed in where a grading looks for it; nothing is there yet.

    Raises:
        ParcelError: what came is damaged.
        OSError: it cannot be written.
    """
    unpack(parcel, course.folder("submitted", assignment, student))


def remove_submission(course: Course, assignment: str, student: str) -> None:
    """Remove all that a grading on this machine has left of a submission."""
    for step in ("submitted", "autograded", "feedback"):
        shutil.rmtree(course.folder(step, assignment, student), ignore_errors=True)
    record.path_of(course.root, assignment, student).unlink(missing_ok=True)


def hand_in_facts(hand_in: HandIn) -> dict[str, Any]:
    """What goes with an attempt besides its notebooks, as plain data."""
    facts = asdict(hand_in)
    del facts["notebooks"]
    return facts


def hand_in_from(facts: Mapping[str, Any], parcel: bytes) -> HandIn:
    """An attempt from its facts and its notebooks, as ``pack_files`` packed them.

    Raises:
        ParcelError: what came is damaged.
    """
    given = dict(facts)
    person = Person(**given.pop("person"))
    return HandIn(**given, person=person, notebooks=unpack_files(parcel))


def pack_graded(
    course: Course, assignment: str, student: str, pages: Mapping[str, bytes] | None = None
) -> bytes:
    """The autograded notebooks with the record of their grading, as bytes.

    The assignment's own files beside them are left out: who gets it has them.

    Args:
        course: the course.
        assignment: whose.
        student: whose.
        pages: of the feedback, HTML by notebook.

    Raises:
        ParcelError: it is too much.
        OSError: it cannot be read.
    """
    folder = course.folder("autograded", assignment, student)
    shutil.copyfile(record.path_of(course.root, assignment, student), folder / _RECORD)
    for name, html in (pages or {}).items():
        (folder / f"{_PAGE}{name}").write_bytes(html)
    return pack(folder, without=course.folder("source", assignment))


def keep_graded(
    course: Course, assignment: str, student: str, parcel: bytes, *, inputs: str, stamp: str
) -> dict[str, bytes]:
    """Put what was graded elsewhere into the course's folders, as if it had been graded here.

    Args:
        course: the course.
        assignment: whose.
        student: whose.
        parcel: as ``pack_graded`` made it.
        inputs: a digest of all that the grading depended on, as this machine reckons it.
        stamp: a digest of what was handed in.

    Returns:
        The pages of the feedback that came with it, HTML by notebook.

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
        pages = {page.name.removeprefix(_PAGE): page.read_bytes() for page in new.glob(f"{_PAGE}*")}
        for name in pages:
            (new / f"{_PAGE}{name}").unlink()
        path.unlink(missing_ok=True)  # before the rest goes, lest a kill leave it alone
        replace_folder(new, place, Path(work, "old"))
    kept.inputs, kept.submission = inputs, stamp
    kept.write(path)
    return pages
