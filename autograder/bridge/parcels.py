"""Folders as bytes: submissions that go to another machine, and what was graded that comes back.

A parcel is a zip archive with a list. Nothing in it is trusted with a path: names are checked when
it is opened. What is no plain file goes as a name only, and so does what a student has handed in
that is too large to be read by any grading: in its place the other side has a link to nowhere, or
an empty file of the same size, of which a grading says the same.
"""

import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

_LIST: Final = "parcel.json"
_FILES: Final = "files/"
_NOWHERE: Final = "nothing-is-here"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same folder gives the same bytes."""
LARGEST: Final = 128 * 1024 * 1024
"""Of all files together."""
MOST_FILES: Final = 2000
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, struct.error,
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError,
)  # fmt: skip
"""What reading an archive raises, and taking its list for what it should be."""


class ParcelError(ValueError):
    """A folder cannot be sent, or what came is no parcel; the message says why."""


def can_send(name: str) -> bool:
    """Is a file's name one that an archive can hold?"""
    return name.isprintable() and name.encode("utf-8", "ignore").decode() == name


def pack(
    folder: Path,
    without: Path | None = None,
    *,
    as_links: bool = False,
    largest_file: int | None = None,
) -> bytes:
    """A folder as bytes; the same folder gives the same bytes.

    Args:
        folder: what to send; links in it are not followed.
        without: a folder that the other side has as well: of files that are the same there only
            the name is sent.
        as_links: whether the folder itself is behind a link, so that nothing in it is read.
        largest_file: a file of more bytes, which no grading reads, is sent as its size; None
            where each is needed as it is.

    Raises:
        ParcelError: there is too much in it.
        OSError: it cannot be read.
    """
    odd: list[str] = []
    huge: dict[str, int] = {}
    same: list[str] = []
    plain: dict[str, bytes] = {}
    left = LARGEST
    for name, facts in _entries(folder):
        path = folder / name
        if as_links or not stat.S_ISREG(facts.st_mode) or not can_send(name):
            odd.append(name)
        elif without is not None and _is_same(without / name, path):
            same.append(name)
        elif largest_file is not None and facts.st_size > largest_file:
            huge[name] = facts.st_size
        else:
            left -= facts.st_size
            plain[name] = b"" if left < 0 else path.read_bytes()
        if left < 0 or len(plain) + len(odd) + len(huge) > MOST_FILES:
            raise ParcelError(
                f"{folder} has more than {LARGEST // 2**20} MB or {MOST_FILES} files, which is "
                "too much to send: remove what is not needed"
            )
    return _archive({"odd": odd, "huge": huge, "same": same}, plain)


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Files as bytes, by their names; the same files give the same bytes."""
    return _archive({"odd": [], "huge": {}, "same": []}, dict(sorted(files.items())))


def unpack_files(parcel: bytes) -> dict[str, bytes]:
    """The files of a parcel, by their names.

    Raises:
        ParcelError: it is no parcel, damaged, too large, or has a name that leads elsewhere.
    """
    with _opened(parcel) as archive:
        return {_checked(name).as_posix(): data for name, data in _files_of(archive)}


def unpack(parcel: bytes, folder: Path, base: Path | None = None) -> None:
    """Write what a parcel holds into an empty folder.

    Args:
        parcel: as ``pack`` made it.
        folder: where to write; it is made.
        base: the folder that was ``without`` when it was packed.

    Raises:
        ParcelError: it is no parcel, damaged, too large, or wants to write elsewhere.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(parcel) as archive:
        facts = json.loads(_read(archive, archive.getinfo(_LIST), LARGEST))
        for name, data in _files_of(archive, len(facts["odd"]) + len(facts["huge"])):
            _write(folder, name, data)
        for name in facts["same"]:
            if base is None:
                raise ParcelError("it builds on a folder that is not there")
            _write(folder, name, (base / _checked(name)).read_bytes())
        for name in facts["odd"]:
            _place(folder, name).symlink_to(_NOWHERE)
        for name, size in facts["huge"].items():
            with open(_place(folder, name), "xb") as file:
                file.truncate(int(size))


@contextmanager
def _opened(parcel: bytes) -> Iterator[zipfile.ZipFile]:
    """A parcel's archive, of which all that is wrong is one error.

    Raises:
        ParcelError: it is no archive, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(parcel)) as archive:
            yield archive
    except ParcelError:
        raise
    except _DAMAGED as error:
        raise ParcelError(f"what came is damaged: {error}") from error


def _files_of(archive: zipfile.ZipFile, others: int = 0) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, as many and as large as ``pack`` sends.

    Args:
        archive: the parcel's.
        others: so many more come without their bytes.

    Raises:
        ParcelError: there is too much in it.
    """
    entries = [entry for entry in archive.infolist() if entry.filename != _LIST]
    if len(entries) + others > MOST_FILES:
        raise ParcelError(f"what came has more than {MOST_FILES} files")
    left = LARGEST
    for entry in entries:
        data = _read(archive, entry, left)
        left -= len(data)
        yield entry.filename.removeprefix(_FILES), data


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The bytes of an entry, whatever it says of their number."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ParcelError("what came is damaged: it is packed in another way")
    with archive.open(entry) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ParcelError(f"what came has more than {LARGEST // 2**20} MB")
    return data


def _entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    """All that is no folder, by its path, sorted; links to folders are no folders."""
    found: list[tuple[str, os.stat_result]] = []
    left = [folder]
    while left:
        for entry in os.scandir(left.pop()):
            if entry.is_dir(follow_symlinks=False):
                left.append(Path(entry.path))
            else:
                name = Path(entry.path).relative_to(folder).as_posix()
                found.append((name, entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda one: one[0])


def _is_same(one: Path, other: Path) -> bool:
    return (
        one.is_file()
        and one.stat().st_size == other.stat().st_size
        and one.read_bytes() == other.read_bytes()
    )


def _archive(facts: dict[str, Any], plain: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        listed = json.dumps(facts, sort_keys=True)
        archive.writestr(zipfile.ZipInfo(_LIST, _EPOCH), listed, zipfile.ZIP_DEFLATED)
        for name, data in plain.items():
            archive.writestr(zipfile.ZipInfo(_FILES + name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _checked(name: str) -> Path:
    """A name that stays below its folder.

    Raises:
        ParcelError: it does not.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise ParcelError(f"the name {name!r} leads out of its folder")
    return Path(*parts)


def _place(folder: Path, name: str) -> Path:
    path = folder / _checked(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write(folder: Path, name: str, data: bytes) -> None:
    with open(_place(folder, name), "xb") as file:  # so it follows no link that is there
        file.write(data)
