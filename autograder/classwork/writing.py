"""Each student's folder below ``submitted``: it appears whole or not at all, also after a kill."""

import errno
import fcntl
import io
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from autograder.bridge.course import Course, CourseError
from autograder.bridge.files import detour, replace_folder
from autograder.classwork import limits
from autograder.classwork.archive import name_fault
from autograder.classwork.choosing import HandIn, Placed, choose, copy
from autograder.classwork.gathering import File
from autograder.classwork.limits import Budget, Refused
from autograder.classwork.looking import Cells, cells_of, is_readable, look_at
from autograder.classwork.names import shown

Outcome = Literal["imported", "replaced", "already there", "refused"]
_TEMPORARY: Final = ".import-"
_OF_THE_NAME: Final = {
    errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL,
}  # fmt: skip
"""What a disk says of a name, such as one that differs from another in upper case alone."""


@dataclass
class Taken:
    """What became of a student's hand-in."""

    outcome: Outcome
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Writer:
    """One run of the command."""

    course: Course
    assignment: str
    replacing: bool
    place: Path | None = None
    """The temporary folder; None writes nothing."""
    budget: Budget = field(default_factory=lambda: Budget(limits.ARCHIVE_BYTES))

    def take(self, hand_in: HandIn) -> Taken:
        """Store one student's hand-in, or say why not; without a ``place``, only check it."""
        student, self.budget.student = hand_in.student, limits.STUDENT_BYTES
        destination = self.course.folder("submitted", self.assignment, student)
        there = os.path.lexists(destination)
        if there and not self.replacing:
            return Taken("already there", notes=["left alone; --replace takes this one"])
        new = self.place / ".new" if self.place else None
        try:
            submitted = self.course.root / self.course.directory.submitted_directory
            if reason := detour(submitted, destination):
                raise Refused(reason)
            placed = choose(hand_in, self.course.notebooks(self.assignment), self.budget)
            for parts, one in placed.items():
                self._write(new, parts, one)
            for name in self.course.notebooks(self.assignment):
                parts = (f"{name}.ipynb",)
                if parts in placed:
                    self._look(hand_in, destination / parts[0], self._content(new, placed, parts))
        except Refused as refused:
            if new and new.exists():
                shutil.rmtree(new)
            left_out = [note for work in hand_in.works for note in work.notes]
            return Taken("refused", notes=[str(refused), *left_out])
        if self.place and new:
            # a kill between its two moves is mended by `_clear`
            replace_folder(new, destination, self.place / ".old" / student / self.assignment)
        files = [shown("/".join(parts)) for parts in placed]
        return Taken("replaced" if there else "imported", files, hand_in.notes)

    @cached_property
    def _cells(self) -> Cells:
        return cells_of(self.course, self.assignment)

    def _look(self, hand_in: HandIn, before: Path, data: bytes) -> None:
        """Note what grading would say of a notebook.

        Raises:
            Refused: it cannot be graded, and what it would replace can.
        """
        found = look_at(data, self._cells)
        if found.unreadable and is_readable(before):
            raise Refused(
                f"{before.name} cannot be graded, and the one that is there can, so that one is "
                f"kept: {found.unreadable}"
            )
        if found.unreadable:
            hand_in.notes.append(f"{before.name} cannot be graded: {found.unreadable}")
        if found.is_foreign:
            hand_in.notes.append(
                f"{before.name} has none of this assignment's cells: another assignment's?"
            )

    def _content(self, new: Path | None, placed: Placed, parts: tuple[str, ...]) -> bytes:
        """What a file holds that was written or, in a dry run, only read."""
        if new:
            return new.joinpath(*parts).read_bytes()
        content = io.BytesIO()
        copy(placed[parts], content, Budget(limits.FILE_BYTES, limits.FILE_BYTES))
        return content.getvalue()

    def _write(self, new: Path | None, parts: tuple[str, ...], file: File) -> None:
        if fault := name_fault(parts):
            raise Refused(f"{shown('/'.join(parts))!r} {fault}")
        if not new:
            copy(file, None, self.budget)
            return
        path = new.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            sink = path.open("xb")
        except OSError as error:
            if error.errno not in _OF_THE_NAME:
                raise
            told = f"{shown('/'.join(parts))!r} cannot be stored: {error.strerror}"
            raise Refused(told) from error
        with sink:
            copy(file, sink, self.budget)


@contextmanager
def workplace(course: Course, dry_run: bool) -> Iterator[Path | None]:
    """A temporary folder beside the students' folders, for this run alone.

    Raises:
        CourseError: another run has one.
    """
    if dry_run:
        yield None
        return
    submitted = course.root / course.directory.submitted_directory
    submitted.mkdir(parents=True, exist_ok=True)
    lock = os.open(submitted, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(lock)
        for leftover in submitted.glob(f"{_TEMPORARY}*"):
            if leftover.is_dir() and not leftover.is_symlink():
                _clear(course, leftover)
        place = submitted / f"{_TEMPORARY}{secrets.token_hex(4)}"
        place.mkdir()
        try:
            yield place
        finally:
            _clear(course, place)
    finally:
        os.close(lock)


def _lock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CourseError("another `autograder import` is running: wait for it") from error
    except OSError as error:  # some network file systems lock no folders: then nothing guards
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
            raise


def _clear(course: Course, place: Path) -> None:
    """Remove a temporary folder, after giving back what was moved aside and not yet replaced."""
    for old in place.glob(".old/*/*"):
        destination = course.folder("submitted", old.name, old.parent.name)
        if not os.path.lexists(destination):
            old.rename(destination)
    shutil.rmtree(place)
