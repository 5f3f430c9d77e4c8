"""The entries of an export, a zip archive or a folder, and what is wrong with each."""

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final

from autograder.bridge.course import Course, CourseError
from autograder.classwork import limits

UNREADABLE: Final = (  # what zipfile is known to raise for content that is not as it says
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)
_JUNK: Final = {"__MACOSX", ".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Member:
    """An entry of an archive or a folder; its content is read later, if at all."""

    name: str
    open: Callable[[], IO[bytes]]
    folder: bool = False
    fault: str = ""


@contextmanager
def members_of(course: Course, path: Path, but: Collection[Path] = ()) -> Iterator[list[Member]]:
    """All entries of an export, for as long as they may be read.

    Args:
        course: the course, which is no export of its own.
        path: an archive or a folder.
        but: files that belong to no student, such as a roster beside the notebooks.

    Raises:
        CourseError: it is neither, or holds too much.
    """
    if path.is_dir():
        if course.root.is_relative_to(path.resolve()):
            raise CourseError(f"{path} holds the course itself: give the folder of the export")
        apart = {one.resolve() for one in but}
        yield _limited(path, _folder_members(path, "", apart))
        return
    if not path.is_file():
        raise CourseError(f"{path} is neither a folder nor a file: give what the LMS exported")
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise CourseError(
            f"{path} is not a whole zip archive: download it from the LMS again, "
            "or unpack it and give the folder"
        ) from error
    with archive:
        yield _limited(path, zip_members(archive))


def _limited(path: Path, found: Iterable[Member]) -> list[Member]:
    members = list(islice(found, limits.ARCHIVE_MEMBERS + 1))
    if len(members) > limits.ARCHIVE_MEMBERS:
        raise CourseError(
            f"{path} holds more than {limits.ARCHIVE_MEMBERS} files and folders: import it in parts"
        )
    return members


def zip_members(archive: zipfile.ZipFile) -> list[Member]:
    """The entries of an archive."""
    return [
        Member(name, _zip_opener(archive, info), name.endswith(("/", "\\")), _zip_fault(info))
        for info in archive.infolist()
        for name in (_zip_name(info),)
    ]


def _zip_name(info: zipfile.ZipInfo) -> str:
    """A member's name as written; ``info.filename`` is already cut at a NUL."""
    name = info.orig_filename
    if info.flag_bits & 0x800:
        return name
    try:  # macOS writes UTF-8 without saying so
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _zip_fault(info: zipfile.ZipInfo) -> str:
    """Why a member cannot be taken, as far as the archive's directory says."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return _kind_fault(kind)
    if info.flag_bits & 0x41:
        return "is encrypted"
    # zipfile puts no bound on what a chunk of bzip2 or LZMA becomes, and no LMS writes them
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in an unknown way"
    return ""


def _kind_fault(kind: int) -> str:
    return "is a link" if kind == stat.S_IFLNK else "is no regular file"


def _folder_members(
    folder: Path, prefix: str, apart: Collection[Path], level: int = 1
) -> Iterator[Member]:
    """The entries of a folder on disk and of the folders in it; links are not followed."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name, path = prefix + entry.name, Path(entry.path)
        mode = entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            if apart and stat.S_ISREG(mode) and path.resolve() in apart:
                continue
            fault = "" if stat.S_ISREG(mode) else _kind_fault(stat.S_IFMT(mode))
            yield Member(name, _file_opener(path), fault=fault)
        elif not os.access(path, os.R_OK | os.X_OK):
            yield Member(name, _file_opener(path), fault="cannot be read")
        else:
            yield Member(name, _file_opener(path), folder=True)
            if level <= limits.LEVELS:
                yield from _folder_members(path, f"{name}/", apart, level + 1)


def _file_opener(path: Path) -> Callable[[], IO[bytes]]:
    def opener() -> IO[bytes]:
        # what was a file a moment ago may be a link or a pipe by now: neither follow nor wait
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise ValueError("no regular file")
        return open(number, "rb")

    return opener


# Names


def split(name: str) -> tuple[tuple[str, ...], str]:
    """A name's parts, and what is wrong with it."""
    name = name.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    return parts, "has an absolute name" if name.startswith("/") else name_fault(parts)


def name_fault(parts: tuple[str, ...]) -> str:
    """Why nothing may be stored under a name; empty if it may."""
    if not parts:
        return "has no name"
    if re.match("[A-Za-z]:", parts[0]) or any(re.fullmatch("[A-Za-z]:", part) for part in parts):
        return "has a name with a drive letter"
    if {"", ".", ".."} & set(parts):
        return "has a name that leads out of its folder"
    if any(unicodedata.category(char) in ("Cc", "Cs") for part in parts for char in part):
        return "has a name with control characters"
    if any(len(part.encode()) > limits.NAME_BYTES for part in parts):
        return f"has a name of more than {limits.NAME_BYTES} bytes"
    if len(parts) > limits.LEVELS:
        return f"lies more than {limits.LEVELS} levels deep"
    return ""


def is_junk(parts: tuple[str, ...]) -> bool:
    """Whether a program left it behind: nobody handed it in."""
    return any(part in _JUNK or part.startswith("._") for part in parts)
