"""Unpack what an LMS exports of a class into nbgrader's folder of submissions.

Everything inside an export was named and written by students, so names, kinds and sizes are
checked before and while anything is written, and each student's folder appears whole or not at all.
"""

import errno
import fcntl
import io
import os
import re
import secrets
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, Final, Literal

from autograder.bridge.course import Course, CourseError
from autograder.bridge.files import TIMESTAMP, detour

MIB: Final = 1024 * 1024
FILE_BYTES: Final = 20 * MIB
"""What one file may hold; nbgrader's notebooks are a thousandth of it."""
STUDENT_BYTES: Final = 50 * MIB
STUDENT_FILES: Final = 200
ARCHIVE_BYTES: Final = 4096 * MIB
ARCHIVE_MEMBERS: Final = 20_000
NAME_BYTES: Final = 200
LEVELS: Final = 8

# In both patterns the first match from the left counts: only the rest is the student's to name.
_MOODLE: Final = re.compile(
    r"(?P<name>.+?)_(?P<id>[0-9]{1,20})_assignsubmission_(?P<kind>file|onlinetext)_?(?P<rest>.*)"
)
_CANVAS: Final = re.compile(
    r"(?:(?:LATE_)?(?P<anonym>anon_[A-Za-z0-9]{1,20})"
    r"|(?P<name>\w+?)_(?:LATE_)?(?P<user>[0-9]{1,20}))"
    r"_(?P<file>[0-9]{1,20})_(?P<rest>.+)"
)
_COPY: Final = re.compile(r"(?:-[0-9]{1,3}| ?\([0-9]{1,3}\))$")
_STUDENT: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,59}")
_FOLDED: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_JUNK: Final = {"__MACOSX", ".DS_Store", ".ipynb_checkpoints"}
_LAYOUTS: Final = "give Moodle's or Canvas's export, or STUDENT/NOTEBOOK.ipynb"
_TEMPORARY: Final = ".collect-"
_UNREADABLE: Final = (  # what zipfile is known to raise for content that is not as it says
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

Outcome = Literal["collected", "replaced", "already there", "refused"]


@dataclass
class Received:
    """What became of one student's submission, or of a file that belongs to none."""

    student: str
    """Empty when no student can be told."""
    outcome: Outcome
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Refused(Exception):
    """One student's submission is not taken; the message says why."""


@dataclass(frozen=True)
class _Member:
    """An entry of an archive or a folder; its content is read later, if at all."""

    name: str
    open: Callable[[], IO[bytes]]
    folder: bool = False
    fault: str = ""


@dataclass(frozen=True)
class _Owner:
    """Whose a member is, by its name alone."""

    student: str
    origin: str
    """What the export calls the student."""
    parts: tuple[str, ...]
    """The member's name within what the student handed in; none when it is not to be taken."""
    version: tuple[int, int] = (-1, 0)
    """Canvas's number of the file and of its copy: the higher, the later."""
    note: str = ""


@dataclass(frozen=True)
class _File:
    parts: tuple[str, ...]
    member: _Member
    version: tuple[int, int] = (-1, 0)

    @property
    def name(self) -> str:
        return _shown("/".join(self.parts))

    @property
    def stem(self) -> str:
        return self.parts[-1][: -len(".ipynb")]

    @property
    def notebook(self) -> bool:
        return self.parts[-1].lower().endswith(".ipynb")


@dataclass
class _HandIn:
    """All that one student handed in."""

    student: str
    origins: set[str] = field(default_factory=set)
    files: list[_File] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    names: set[tuple[object, ...]] = field(default_factory=set)


@dataclass
class _Budget:
    """The bytes that may still be unpacked, counted as they come and not as declared."""

    archive: int
    student: int = 0

    def spend(self, count: int) -> None:
        self.archive -= count
        self.student -= count
        if self.student < 0:
            raise _Refused(f"more than {STUDENT_BYTES // MIB} MiB for one student")
        if self.archive < 0:
            raise _Refused(f"the whole class takes more than {ARCHIVE_BYTES // MIB} MiB")


@dataclass
class _Run:
    """One run of the command."""

    course: Course
    assignment: str
    replacing: bool
    place: Path | None = None
    """The temporary folder; None writes nothing."""
    budget: _Budget = field(default_factory=lambda: _Budget(ARCHIVE_BYTES))


def collect(
    course: Course,
    assignment: str,
    path: Path,
    *,
    replacing: bool = False,
    dry_run: bool = False,
) -> list[Received]:
    """Put the submissions in ``path``, an archive or a folder, below ``submitted``.

    Raises:
        CourseError: nothing can be collected at all: no such assignment, no whole archive.
    """
    course.require(assignment)
    run = _Run(course, assignment, replacing)
    with _members(course, path) as members:
        hand_ins, strays = _by_student(members, assignment, course.notebooks(assignment))
        if not hand_ins and not strays:
            raise CourseError(f"{path} holds no submissions")
        with _workplace(course, dry_run) as run.place:
            taken = [_take(run, one) for _student, one in sorted(hand_ins.items())]
    return taken + strays


# Reading an export


@contextmanager
def _members(course: Course, path: Path) -> Iterator[list[_Member]]:
    if path.is_dir():
        if course.root.is_relative_to(path.resolve()):
            raise CourseError(f"{path} holds the course itself: give the folder of the export")
        yield _limited(path, _folder_members(path, ""))
        return
    if not path.is_file():
        raise CourseError(f"{path} is neither a folder nor a file: give what the LMS exported")
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise CourseError(
            f"{path} is not a whole zip archive: download it from the LMS again, "
            "or unpack it and give the folder"
        ) from error
    with archive:
        yield _limited(path, _zip_members(archive))


def _limited(path: Path, found: Iterable[_Member]) -> list[_Member]:
    members = list(islice(found, ARCHIVE_MEMBERS + 1))
    if len(members) > ARCHIVE_MEMBERS:
        raise CourseError(
            f"{path} holds more than {ARCHIVE_MEMBERS} files and folders: collect it in parts"
        )
    return members


def _zip_members(archive: zipfile.ZipFile) -> list[_Member]:
    return [
        _Member(name, _zip_opener(archive, info), name.endswith(("/", "\\")), _zip_fault(info))
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


def _folder_members(folder: Path, prefix: str, level: int = 1) -> Iterator[_Member]:
    """The entries of a folder on disk and of the folders in it; links are not followed."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name, path = prefix + entry.name, Path(entry.path)
        mode = entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            fault = "" if stat.S_ISREG(mode) else _kind_fault(stat.S_IFMT(mode))
            yield _Member(name, _file_opener(path), fault=fault)
        elif not os.access(path, os.R_OK | os.X_OK):
            yield _Member(name, _file_opener(path), fault="cannot be read")
        else:
            yield _Member(name, _file_opener(path), folder=True)
            if level <= LEVELS:
                yield from _folder_members(path, f"{name}/", level + 1)


def _file_opener(path: Path) -> Callable[[], IO[bytes]]:
    def opener() -> IO[bytes]:
        # what was a file a moment ago may be a link or a pipe by now: neither follow nor wait
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise ValueError("no regular file")
        return open(number, "rb")

    return opener


def _split(name: str) -> tuple[tuple[str, ...], str]:
    """A name's parts, and what is wrong with it."""
    name = name.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    return parts, "has an absolute name" if name.startswith("/") else _name_fault(parts)


def _name_fault(parts: tuple[str, ...]) -> str:
    if not parts:
        return "has no name"
    if re.match("[A-Za-z]:", parts[0]) or any(re.fullmatch("[A-Za-z]:", part) for part in parts):
        return "has a name with a drive letter"
    if {"", ".", ".."} & set(parts):
        return "has a name that leads out of its folder"
    if any(unicodedata.category(char) in ("Cc", "Cs") for part in parts for char in part):
        return "has a name with control characters"
    if any(len(part.encode()) > NAME_BYTES for part in parts):
        return f"has a name of more than {NAME_BYTES} bytes"
    if len(parts) > LEVELS:
        return f"lies more than {LEVELS} levels deep"
    return ""


def _junk(parts: tuple[str, ...]) -> bool:
    return any(part in _JUNK or part.startswith("._") for part in parts)


def _shown(name: str) -> str:
    """A name that is safe to print: no control characters, not endless."""
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in name[:120]
    )
    return text if len(name) <= 120 else f"{text}…"


# Whose is what


def _by_student(
    members: list[_Member], assignment: str, expected: list[str]
) -> tuple[dict[str, _HandIn], list[Received]]:
    """Each student's files, and the entries that belong to nobody."""
    split = [(member, *_split(member.name)) for member in members]
    split = [one for one in split if one[2] or not _junk(one[1])]
    wrapper = _wrapper(
        [parts for member, parts, fault in split if not (fault or member.folder)],
        assignment,
        expected,
    )
    hand_ins: dict[str, _HandIn] = {}
    strays = []
    for member, whole, name_fault in split:
        parts = whole[1:] if whole[:1] == (wrapper,) else whole
        if member.folder and not parts:
            continue
        fault = name_fault or member.fault
        absolute = member.name.startswith(("/", "\\"))
        owner = None if absolute else _owner(parts, member.folder, assignment, expected)
        if owner is None:
            if fault or not member.folder:
                reason = fault or f"belongs to no student: {_LAYOUTS}"
                strays.append(Received("", "refused", [], [f"{_shown(member.name)!r} {reason}"]))
            continue
        _add(hand_ins.setdefault(owner.student, _HandIn(owner.student)), owner, member, fault)
    return hand_ins, strays


def _add(hand_in: _HandIn, owner: _Owner, member: _Member, fault: str) -> None:
    """Put a member to its student's files, or what is wrong with it to the faults."""
    hand_in.origins.add(owner.origin)
    if owner.note and owner.note not in hand_in.notes:
        hand_in.notes.append(owner.note)
    if not fault and (member.folder or not owner.parts):
        return
    fault = fault or _name_fault(owner.parts)
    name = (*owner.parts, owner.version)
    if not fault and name in hand_in.names:
        fault = "comes twice"
    hand_in.names.add(name)
    if fault:
        hand_in.faults.append(f"{_shown(member.name)!r} {fault}")
    elif not _junk(owner.parts):
        hand_in.files.append(_File(owner.parts, member, owner.version))


def _wrapper(names: list[tuple[str, ...]], assignment: str, expected: list[str]) -> str:
    """The one folder around the whole export, if there is such a folder."""
    tops = {parts[0] for parts in names}
    if len(tops) != 1 or any(len(parts) == 1 for parts in names):
        return ""
    top = tops.pop()
    below = [parts[1:] for parts in names]
    if _MOODLE.fullmatch(top):
        return ""
    if any(_MOODLE.fullmatch(one[0]) or _CANVAS.fullmatch(one[0]) for one in below):
        return top
    notebooks = [one for one in below if one[-1].endswith(".ipynb")]
    beside = [one[0] for one in notebooks if len(one) == 1]
    if beside:  # several STUDENT.ipynb, or the notebook of one student?
        known = {f"{name}.ipynb" for name in expected}
        return top if len(beside) > 1 and not known & set(beside) else ""
    inner = {one[0] for one in notebooks}
    return top if inner and assignment not in inner else ""


def _owner(
    parts: tuple[str, ...], folder: bool, assignment: str, expected: list[str]
) -> _Owner | None:
    """Whose a member is, in Moodle's, Canvas's or the plain layout; None when nobody's."""
    if _name_fault(parts[:1]):
        return None
    top, below = parts[0], parts[1:]
    if found := _MOODLE.fullmatch(top):
        inside = (*((found["rest"],) if found["rest"] else ()), *below)
        typed = found["kind"] == "onlinetext"
        note = "text typed into Moodle was left out" if typed else ""
        student = _student(found["name"], found["id"])
        origin = f"{found['name']}_{found['id']}"
        return _Owner(student, origin, () if typed else inside, note=note)
    if not folder and (found := _CANVAS.fullmatch(top)):
        user = found["user"] or found["anonym"]
        copy = re.search(r"[-(]([0-9]{1,3})\)?\.\w+$", found["rest"])
        version = (int(found["file"]), int(copy[1]) if copy else 0)
        note = "late, says Canvas" if "LATE_" in top[: found.start("file")] else ""
        student = _student(found["name"] or "", user.lower())
        return _Owner(student, f"{found['name']}_{user}", (found["rest"], *below), version, note)
    if below or folder:
        inside = below[1:] if below[:1] == (assignment,) and len(below) > 1 else below
        return _plain(top, top, inside)
    if top.endswith(".ipynb") and len(expected) == 1:
        return _plain(top.removesuffix(".ipynb"), top, (top,))
    return None


def _plain(name: str, origin: str, parts: tuple[str, ...]) -> _Owner | None:
    student = name if _STUDENT.fullmatch(name) else _slug(name)[:60]
    note = "" if student == name else f"handed in as {_shown(name)!r}"
    return _Owner(student, origin, parts, note=note) if student else None


def _student(name: str, number: str) -> str:
    """A student id from a name and an LMS's own id, which is kept whole."""
    return f"{_slug(name)[: 59 - len(number)] or 'student'}_{number}"


def _slug(name: str) -> str:
    """A name in lower-case ASCII, with hyphens for what has no place in a folder's name."""
    folded = unicodedata.normalize("NFKD", name.casefold().translate(_FOLDED))
    ascii_only = folded.encode("ascii", "ignore").decode("ascii")
    return re.sub("[^a-z0-9._-]+", "-", ascii_only).strip("._-")


# What of it is taken, and under which name


def _chosen(hand_in: _HandIn, expected: list[str], budget: _Budget) -> dict[tuple[str, ...], _File]:
    """Where each file of a submission goes, with notes on what is renamed or left out."""
    if len(hand_in.origins) > 1:
        names = ", ".join(repr(_shown(one)) for one in sorted(hand_in.origins))
        raise _Refused(f"{names} give the same student id: rename all but one of them")
    if hand_in.faults:
        more = len(hand_in.faults) - 1
        raise _Refused(hand_in.faults[0] + (f" (and {more} more like this)" if more else ""))
    _limit_count(hand_in.files)
    files = _latest(hand_in, _unpacked(hand_in.files, budget), expected)
    files = _unwrapped(files)
    placed = _notebooks(hand_in, [one for one in files if one.notebook], expected)
    for one in files:
        if one.parts[0] == TIMESTAMP:  # else students would say when it came in
            hand_in.notes.append(f"the student's own {TIMESTAMP} was left out")
        elif not one.notebook:
            if one.parts in placed:
                raise _Refused(f"{one.name!r} comes twice")
            placed[one.parts] = one
    for parts in placed:
        if any(parts[:count] in placed for count in range(1, len(parts))):
            raise _Refused(f"{_shown('/'.join(parts))!r} lies in a folder named like a file")
    return placed


def _limit_count(files: list[_File]) -> None:
    if len(files) > STUDENT_FILES:
        raise _Refused(f"more than {STUDENT_FILES} files for one student")


def _unpacked(files: list[_File], budget: _Budget) -> list[_File]:
    """The files, with the content of each zip that holds notebooks in its place, one level deep."""
    result = []
    for one in files:
        inner = _inner_files(one, budget) if one.parts[-1].lower().endswith(".zip") else []
        result += inner or [one]
        _limit_count(result)
    return result


def _inner_files(file: _File, budget: _Budget) -> list[_File]:
    """The files in a student's own zip; none when it holds no notebook."""
    content = io.BytesIO()
    _copy(file, content, budget)
    with _reading(file):
        members = _zip_members(zipfile.ZipFile(content))
    folder = _HandIn("")
    for member in members:
        parts, fault = _split(member.name)
        if fault or not _junk(parts):
            named = replace(member, name=f"{'/'.join(file.parts)}: {member.name}")
            _add(folder, _Owner("", "", parts, file.version), named, fault or member.fault)
    if not any(one.notebook for one in folder.files) and not folder.faults:
        budget.spend(-len(content.getvalue()))  # it is kept as it is, and counted then
        return []
    if folder.faults:
        raise _Refused(folder.faults[0])
    return [replace(one, parts=(*file.parts[:-1], *one.parts)) for one in _unwrapped(folder.files)]


def _unwrapped(files: list[_File]) -> list[_File]:
    """Without the one folder around all of them."""
    if len({one.parts[0] for one in files}) == 1 and all(len(one.parts) > 1 for one in files):
        return [replace(one, parts=one.parts[1:]) for one in files]
    return files


def meant_notebook(stem: str, expected: list[str]) -> str:
    """The notebook that a copy's name stands for: Canvas's ``one-1``, a browser's ``one (1)``."""
    while stem not in expected and (found := _COPY.search(stem)):
        stem = stem[: found.start()]
    return stem


def _latest(hand_in: _HandIn, files: list[_File], expected: list[str]) -> list[_File]:
    """Without what a student handed in again through Canvas, which counts its files upwards."""
    versions: dict[tuple[str, ...], list[_File]] = {}
    for one in files:
        name = f"{meant_notebook(one.stem, expected)}.ipynb" if one.notebook else one.parts[-1]
        versions.setdefault((*one.parts[:-1], name), []).append(one)
    result = []
    for group in versions.values():
        last = max(one.version for one in group)
        result += [one for one in group if one.version == last]
        hand_in.notes += [
            f"{one.name!r} was handed in again: the latest is taken"
            for one in group
            if one.version != last
        ]
    return result


def _notebooks(
    hand_in: _HandIn, found: list[_File], expected: list[str]
) -> dict[tuple[str, ...], _File]:
    """The notebooks of a submission under the names that the assignment gives them."""
    if len(found) == 1 and len(expected) == 1:
        chosen = {expected[0]: found[0]}
    else:
        chosen = {
            name: one for name in expected if (one := _match(name, found, expected)) is not None
        }
    if not chosen:
        what = ", ".join(repr(one.name) for one in found[:5]) or "no notebook"
        names = ", ".join(f"{name}.ipynb" for name in expected)
        raise _Refused(f"{what} handed in, {names} expected")
    placed: dict[tuple[str, ...], _File] = {(f"{name}.ipynb",): one for name, one in chosen.items()}
    for parts, one in placed.items():
        if one.parts != parts:
            hand_in.notes.append(f"{one.name!r} was renamed to {parts[0]!r}")
    hand_in.notes += [
        f"{one.name!r} is no notebook of the assignment or a copy: left out"
        for one in found
        if one not in placed.values()
    ]
    hand_in.notes += [f"no {name}.ipynb" for name in expected if name not in chosen]
    return placed


def _match(name: str, found: list[_File], expected: list[str]) -> _File | None:
    """The notebook that is meant by a name of the assignment: the very name before copies."""
    exact = [one for one in found if one.parts == (f"{name}.ipynb",)]
    meant = exact or [one for one in found if meant_notebook(one.stem, expected) == name]
    if len(meant) > 1:
        names = ", ".join(repr(one.name) for one in meant[:5])
        raise _Refused(f"{names} could each be {name}.ipynb")
    return meant[0] if meant else None


# Writing


def _take(run: _Run, hand_in: _HandIn) -> Received:
    """Store one student's submission, or say why not; without a ``place``, only check it."""
    student, run.budget.student = hand_in.student, STUDENT_BYTES
    destination = run.course.folder("submitted", run.assignment, student)
    there = os.path.lexists(destination)
    if there and not run.replacing:
        return Received(student, "already there", notes=["left alone; --replace takes this one"])
    new = run.place / ".new" if run.place else None
    try:
        submitted = run.course.root / run.course.directory.submitted_directory
        if reason := detour(submitted, destination):
            raise _Refused(reason)
        placed = _chosen(hand_in, run.course.notebooks(run.assignment), run.budget)
        for parts, one in placed.items():
            _write(new, parts, one, run.budget)
    except _Refused as refused:
        if new and new.exists():
            shutil.rmtree(new)
        return Received(student, "refused", notes=[str(refused)])
    if run.place and new:
        _install(new, destination, run.place / ".old" / student / run.assignment)
    files = [_shown("/".join(parts)) for parts in placed]
    return Received(student, "replaced" if there else "collected", files, hand_in.notes)


def _write(new: Path | None, parts: tuple[str, ...], file: _File, budget: _Budget) -> None:
    if fault := _name_fault(parts):
        raise _Refused(f"{_shown('/'.join(parts))!r} {fault}")
    if not new:
        _copy(file, None, budget)
        return
    path = new.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as sink:
        _copy(file, sink, budget)


def _copy(file: _File, sink: IO[bytes] | None, budget: _Budget) -> None:
    size = 0
    with _reading(file):
        source = file.member.open()
    with source:
        while True:
            with _reading(file):
                chunk = source.read(64 * 1024)
            if not chunk:
                return
            size += len(chunk)
            if size > FILE_BYTES:
                raise _Refused(f"{file.name!r} holds more than {FILE_BYTES // MIB} MiB")
            budget.spend(len(chunk))
            if sink:
                sink.write(chunk)


@contextmanager
def _reading(file: _File) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise _Refused(f"{file.name!r} is damaged or cannot be read") from error


@contextmanager
def _workplace(course: Course, dry_run: bool) -> Iterator[Path | None]:
    """A temporary folder beside the students' folders, for this run alone."""
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
        raise CourseError("another `autograder collect` is running: wait for it") from error
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


def _install(new: Path, destination: Path, old: Path) -> None:
    """Put the folder into its place; a kill between the two moves is mended by ``_clear``."""
    if os.path.lexists(destination):
        old.parent.mkdir(parents=True, exist_ok=True)
        os.rename(destination, old)
    destination.parent.mkdir(parents=True, exist_ok=True)
    os.rename(new, destination)
