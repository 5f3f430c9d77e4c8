"""What of a hand-in is taken, and under which name."""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Final

from autograder.bridge.files import TIMESTAMP
from autograder.classwork import limits
from autograder.classwork.archive import UNREADABLE, is_junk, split, zip_members
from autograder.classwork.gathering import File, Work
from autograder.classwork.layouts import Place, meant_notebook
from autograder.classwork.limits import Budget, Refused
from autograder.classwork.names import shown

Placed = dict[tuple[str, ...], File]
_CHUNK: Final = 64 * 1024
_COMPARED: Final = 8
"""So many files of one name are looked at whether they are the same."""


@dataclass
class HandIn:
    """What is put into one student's folder."""

    student: str
    works: list[Work]
    is_known: bool = True
    """Whether it is known that all of it is one person's, and not only that ids are alike."""
    notes: list[str] = field(default_factory=list)


def choose(hand_in: HandIn, expected: Sequence[str], budget: Budget) -> Placed:
    """Where each file of a hand-in goes, with notes on what is renamed or left out.

    Raises:
        Refused: it cannot be told, or may not be taken.
    """
    work = _only_one(hand_in)
    hand_in.notes += work.notes
    if work.faults:
        more = len(work.faults) - 1
        raise Refused(work.faults[0] + (f" (and {more} more like this)" if more else ""))
    _limit_count(work.files)
    files = _latest(hand_in, _unpacked(work, budget), expected)
    files = _unwrapped(files)
    placed = _notebooks(hand_in, [one for one in files if one.is_notebook], expected, budget)
    for one in files:
        if one.parts[0] == TIMESTAMP:  # else students would say when it came in
            hand_in.notes.append(f"the student's own {TIMESTAMP} was left out")
        elif not one.is_notebook:
            if one.parts in placed:
                raise Refused(f"{one.name!r} comes twice")
            placed[one.parts] = one
    for parts in placed:
        if any(parts[:count] in placed for count in range(1, len(parts))):
            raise Refused(f"{shown('/'.join(parts))!r} lies in a folder named like a file")
    return placed


def _only_one(hand_in: HandIn) -> Work:
    """The one that counts; files beside each other that are named after a student are one."""
    works = hand_in.works
    if len(works) == 1:
        return works[0]
    if hand_in.is_known and {work.sender.layout for work in works} <= {"file", "Classroom"}:
        whole = Work(works[0].sender)
        for work in works:
            whole.files += work.files
            whole.faults += work.faults
            whole.notes += work.notes
        return whole
    names = ", ".join(repr(shown(one)) for one in sorted(work.sender.label for work in works))
    raise Refused(
        f"{names} are of one student id, and nothing tells which counts: take away or rename all "
        "but one, or say it with --map"
    )


def _limit_count(files: Sequence[File]) -> None:
    if len(files) > limits.STUDENT_FILES:
        raise Refused(f"more than {limits.STUDENT_FILES} files for one student")


def _unpacked(work: Work, budget: Budget) -> list[File]:
    """The files, with the content of each zip that holds notebooks in its place, one level deep."""
    result: list[File] = []
    for one in work.files:
        is_zip = one.parts[-1].lower().endswith(".zip")
        inner = _inner_files(work, one, budget) if is_zip else []
        result += inner or [one]
        _limit_count(result)
    return result


def _inner_files(work: Work, file: File, budget: Budget) -> list[File]:
    """The files in a student's own zip; none when it holds no notebook."""
    content = io.BytesIO()
    copy(file, content, budget)
    with _reading(file):
        members = zip_members(zipfile.ZipFile(content))
    folder = Work(work.sender)
    for member in members:
        parts, fault = split(member.name)
        if fault or not is_junk(parts):
            named = replace(member, name=f"{'/'.join(file.parts)}: {member.name}")
            folder.add(Place(work.sender, parts, file.version), named, fault or member.fault)
    if not any(one.is_notebook for one in folder.files) and not folder.faults:
        budget.spend(-len(content.getvalue()))  # it is kept as it is, and counted then
        return []
    if folder.faults:
        raise Refused(folder.faults[0])
    return [replace(one, parts=(*file.parts[:-1], *one.parts)) for one in _unwrapped(folder.files)]


def _unwrapped(files: list[File]) -> list[File]:
    """Without the one folder around all of them."""
    if len({one.parts[0] for one in files}) == 1 and all(len(one.parts) > 1 for one in files):
        return [replace(one, parts=one.parts[1:]) for one in files]
    return files


def _latest(hand_in: HandIn, files: list[File], expected: Sequence[str]) -> list[File]:
    """Without what a student handed in again through Canvas, which counts its files upwards."""
    versions: dict[tuple[str, ...], list[File]] = {}
    for one in files:
        name = f"{meant_notebook(one.stem, expected)}.ipynb" if one.is_notebook else one.parts[-1]
        versions.setdefault((*one.parts[:-1], name), []).append(one)
    result = []
    for group in versions.values():
        last = max(one.version for one in group)
        kept = [one for one in group if one.version == last]
        result += kept
        hand_in.notes += [
            f"{one.name!r} was handed in again: the latest is taken, {kept[0].name!r}, which "
            "Canvas has numbered after it"
            for one in group
            if one.version != last
        ]
    return result


def _notebooks(
    hand_in: HandIn, found: list[File], expected: Sequence[str], budget: Budget
) -> Placed:
    """The notebooks of a hand-in under the names that the assignment gives them."""
    if len(found) == 1 and len(expected) == 1:
        chosen = {expected[0]: found[0]}
    else:
        chosen = {
            name: one
            for name in expected
            if (one := _match(hand_in, name, found, expected, budget)) is not None
        }
    if not chosen:
        what = ", ".join(repr(one.name) for one in found[:5]) or "no notebook"
        names = ", ".join(f"{name}.ipynb" for name in expected)
        raise Refused(f"{what} handed in, {names} expected")
    placed: Placed = {(f"{name}.ipynb",): one for name, one in chosen.items()}
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


def _match(
    hand_in: HandIn, name: str, found: list[File], expected: Sequence[str], budget: Budget
) -> File | None:
    """The notebook that is meant by a name of the assignment: the very name before copies."""
    exact = [one for one in found if one.parts == (f"{name}.ipynb",)]
    meant = exact or [one for one in found if _means(one, name, expected)]
    if len(meant) > 1:
        names = ", ".join(repr(one.name) for one in meant[:5])
        if not _are_alike(meant, budget):
            raise Refused(
                f"{names} could each be {name}.ipynb, and nothing tells which is the later: take "
                "away all but one"
            )
        hand_in.notes.append(f"{names} are the same file: one of them is taken")
    return meant[0] if meant else None


def _means(file: File, name: str, expected: Sequence[str]) -> bool:
    return file.means == name or meant_notebook(file.stem, expected) == name


def _are_alike(files: Sequence[File], budget: Budget) -> bool:
    """Whether files are the same byte for byte, so that it does not matter which is taken."""
    if len(files) > _COMPARED:
        return False
    digests = set()
    for one in files:
        content = io.BytesIO()
        copy(one, content, budget)
        budget.spend(-len(content.getvalue()))  # the one that is taken is counted then
        digests.add(hashlib.sha256(content.getvalue()).digest())
    return len(digests) == 1


# Reading


def copy(file: File, sink: IO[bytes] | None, budget: Budget) -> None:
    """Write a file's content, or without a ``sink`` only read it.

    Raises:
        Refused: it is damaged or too large.
    """
    size = 0
    with _reading(file):
        source = file.member.open()
    with source:
        while True:
            with _reading(file):
                chunk = source.read(_CHUNK)
            if not chunk:
                return
            size += len(chunk)
            if size > limits.FILE_BYTES:
                raise Refused(
                    f"{file.name!r} holds more than {limits.FILE_BYTES // limits.MIB} MiB"
                )
            budget.spend(len(chunk))
            if sink:
                sink.write(chunk)


@contextmanager
def _reading(file: File) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise Refused(f"{file.name!r} is damaged or cannot be read") from error
