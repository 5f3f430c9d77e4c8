"""What a student handed in besides notebooks, and the folders that it lies in.

nbgrader copies other files with links followed, and takes folders' names for glob patterns; here
both are looked at first.
"""

import fnmatch
import glob
import os
import re
import stat
import tempfile
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from nbgrader.converters.base import NbGraderException
from nbgrader.utils import parse_utc

MAX_OTHER_FILES: Final = 500
TIMESTAMP: Final = "timestamp.txt"
"""nbgrader reads from it when a submission came in."""
_NAMES_TOLD: Final = 8


def find_assignments(converter: Any) -> None:
    """Find the converter's notebooks again, with names of folders taken as they are.

    nbgrader takes each folder's name for a glob pattern: for a student ``[a]`` it converts the
    notebooks of ``a``, and a name with a line break ends the run of the whole class.
    """
    directory = converter.coursedir
    wanted = converter._format_source(directory.assignment_id, directory.student_id)
    literal = glob.has_magic(directory.student_id) and directory.student_id != "*"
    folders = [wanted] if literal and os.path.isdir(wanted) else glob.glob(wanted)
    named = re.compile(
        converter._format_source("(?P<assignment_id>.*)", "(?P<student_id>.*)", escape=True)
    )
    converter.assignments = {}
    for folder in folders:
        if not named.fullmatch(folder):
            converter.log.error("%r is passed over: rename the folder", folder)
            continue
        pattern = os.path.join(glob.escape(folder), f"{directory.notebook_id}.ipynb")
        if found := glob.glob(pattern):
            converter.assignments[folder] = found
    if not converter.assignments:
        raise NbGraderException(f"No notebooks were found in {wanted!r}")


def detour(submitted: Path, folder: Path) -> str:
    """Why a submission cannot be put into a folder below ``submitted``; empty if it can.

    No link inside the folder of submissions may lead elsewhere.
    """
    parent = folder.parent
    if parent.resolve() != submitted.resolve() / parent.relative_to(submitted):
        return f"{parent} is a link: put a folder in its place"
    if parent.exists() and not parent.is_dir():
        return f"{parent} is no folder: move it away"
    return ""


def replace_folder(new: Path, place: Path, old: Path) -> None:
    """Put a folder into the place of another, which is put aside, or back if that fails.

    A kill between the two moves leaves nothing in the place.

    Args:
        new: the folder, on the same file system.
        place: where it is to be.
        old: where to put what is there now.

    Raises:
        OSError: it cannot be moved; what was in the place is there again.
    """
    there = os.path.lexists(place)
    if there:
        old.parent.mkdir(parents=True, exist_ok=True)
        os.rename(place, old)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(new, place)
    except BaseException:
        if there:
            os.rename(old, place)
        raise


def has_links(folder: Path, root: Path) -> bool:
    """Is a folder, or one between the course's ``submitted`` and it, a link?"""
    try:
        parts = folder.relative_to(root).parts
    except ValueError:
        return folder.is_symlink()
    # the first, `submitted` itself, is the teacher's
    return any(root.joinpath(*parts[:count]).is_symlink() for count in range(2, len(parts) + 1))


def _temporary_folder() -> Path:
    """A folder that is swept like those of warm processes when this process has been killed."""
    return Path(tempfile.mkdtemp(prefix=f"autograder-{os.getpid()}-files-"))


@dataclass
class OtherFiles:
    """A submission's files that are no notebooks, copied where nbgrader can copy them safely."""

    source: Path
    master: Path
    """The assignment's own files, which nbgrader copies over the student's."""
    file_bytes: int
    bytes_left: int
    ignore: list[str]
    files_left: int = MAX_OTHER_FILES
    left_out: list[str] = field(default_factory=list)
    copy: Path = field(default_factory=_temporary_folder)

    def copy_all(self) -> None:
        """Copy what can be kept; ``left_out`` has the names of the rest."""
        folders = [Path()]
        while folders:
            folder = folders.pop()
            try:
                entries = sorted(os.scandir(self.source / folder), key=lambda entry: entry.name)
            except OSError:
                self.left_out.append(str(folder))
                continue
            for entry in entries:
                place = folder / entry.name
                if self._is_ignored(place):
                    continue
                if self.files_left <= 0:
                    self.left_out.append("…")
                    return
                self.files_left -= 1
                if entry.is_dir(follow_symlinks=False) and self._may_be_folder(place):
                    folders.append(place)
                elif not self._copy_file(place):
                    self.left_out.append(str(place))

    def told(self) -> str:
        """The names of what was left out, for a person."""
        names = [re.sub(r"[^\w./ …-]", "?", name)[:60] for name in self.left_out]
        return ", ".join(names[:_NAMES_TOLD]) + (" …" if len(names) > _NAMES_TOLD else "")

    def _is_ignored(self, place: Path) -> bool:
        """Nothing to copy, and nothing to tell the student."""
        if any(fnmatch.fnmatch(place.name, pattern) for pattern in self.ignore):
            return True
        # a page with the notebook's name would lie where the feedback has to be written
        return place.suffix == ".html" and (self.master / place).with_suffix(".ipynb").exists()

    def _may_be_folder(self, place: Path) -> bool:
        blocked = self.master / place  # a file of the assignment's has to go there
        # nbgrader takes the names of folders for glob patterns
        return not _is_ours(place) and not blocked.is_file() and not glob.has_magic(place.name)

    def _copy_file(self, place: Path) -> bool:
        if _is_ours(place) or (self.master / place).is_dir():
            return False
        data = _read_plain_file(self.source / place, min(self.file_bytes, self.bytes_left))
        if data is None or (place == Path(TIMESTAMP) and not _is_timestamp(data)):
            return False
        self.bytes_left -= len(data)
        copy = self.copy / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
        return True


def _is_ours(place: Path) -> bool:
    """Would a file lie where the engine writes its own, next to the autograded notebooks?"""
    return place.parts[0].startswith(".autograder")


def _read_plain_file(path: Path, limit: int) -> bytes | None:
    """The bytes of a file, None for a link, a pipe, a device or a file that is too large."""
    try:
        file = open_plain_file(path)
    except OSError:
        return None
    if file is None:
        return None
    with file:
        if os.fstat(file.fileno()).st_size > limit:
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def read_plain_files(folder: Path, largest: int, most: int) -> dict[str, bytes]:
    """The files beside a notebook, without notebooks, links and what is ours.

    Args:
        folder: where the notebook is.
        largest: files of more bytes than this are left out.
        most: bytes of all of them together; what comes later is left out.

    Returns:
        Their contents, by their paths below the folder.
    """
    found: dict[str, bytes] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name).relative_to(folder)
            if _is_ours(path) or path.suffix == ".ipynb" or len(found) >= MAX_OTHER_FILES:
                continue
            data = _read_plain_file(folder / path, min(largest, most))
            if data is not None:
                most -= len(data)
                found[str(path)] = data
    return found


def open_plain_file(path: Path) -> BufferedReader | None:
    """Open a file without following a link or waiting for a pipe; None for a folder or a device.

    Raises:
        OSError: it is a link or cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return open(descriptor, "rb")


def _is_timestamp(data: bytes) -> bool:
    """Is this a time that nbgrader can read?"""
    try:
        text = data.decode()
        return len(text) < 100 and (not text.strip() or parse_utc(text.strip()) is not None)
    except Exception:  # dateutil raises many kinds; nbgrader would fail at each of them
        return False
