"""Whose an entry of an export is, by its name: what Moodle, Canvas, Classroom and teachers write.

Moodle's names are made in ``mod/assign/classes/downloader.php`` (before 4.0 in
``mod/assign/locallib.php``), Canvas's in ``lib/content_zipper.rb``; Classroom's copies lie in
Google Drive as ``NAME - TITLE``.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from autograder.classwork.archive import name_fault
from autograder.classwork.names import ID, id_of, slug, words

Layout = Literal["Moodle", "Canvas", "Classroom", "folder", "file"]
Words = tuple[str, ...]

# In both patterns the first match from the left counts: only the rest is the student's to name.
# Canvas keeps the marks of an alphabet's vowels, which are no `\w` in Python.
MOODLE: Final = re.compile(
    r"(?P<name>.+?)(?:_(?P<id>[0-9]{1,20}))?"
    r"_assignsubmission_(?P<kind>[a-z]{1,40}?)(?:_(?P<rest>.*))?"
)
CANVAS: Final = re.compile(
    r"(?:(?:(?P<late>LATE|late)_)?(?P<anonym>anon_[A-Za-z0-9]{1,20})"
    r"|(?P<name>(?:\w|[^\x00-\x7f])+?)_(?:(?P<late_too>LATE|late)_)?(?P<user>[0-9]{1,20}))"
    r"_(?:(?P<file>[0-9]{1,20})_(?P<rest>.+)|(?P<typed>text|link)\.html)"
)
_HIDDEN: Final = {"participant", "participante"}
"""What Moodle puts in the place of names, in English and Spanish."""
_COPY: Final = re.compile(
    r"(?:-[0-9]{1,3}| ?\([0-9]{1,3}\)|-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$"
)
"""A number, or what Canvas takes after seven of them."""
_COPIED: Final = re.compile(r"(?:copy of|copia de) ", re.IGNORECASE)
_OF_A_COPY: Final = re.compile(r"[ _-]+(?:copy|copia)(?: [0-9]{1,3})?$", re.IGNORECASE)


@dataclass(frozen=True)
class Sender:
    """Whom entries come from, as far as their names tell."""

    layout: Layout
    label: str
    """What the export calls the student; other entries of the same student have the same."""
    student: str
    """The id that is made of it where there is no roster; may be empty."""
    name: str = ""
    """A person's name; of a folder or a file, what it is called."""
    number: str = ""
    """The LMS's own number: Moodle's of the participant, Canvas's of the user."""
    hidden: bool = False
    """The LMS does not tell who it is."""


@dataclass(frozen=True)
class Place:
    """Where an entry belongs."""

    sender: Sender
    parts: tuple[str, ...]
    """The entry's name within what the student handed in; none when it is not to be taken."""
    version: tuple[int, int] = (-1, 0)
    """Canvas's number of the file and of its copy: the higher, the later."""
    means: str = ""
    """The notebook of the assignment that a file named after a student stands for."""
    note: str = ""
    late: bool | None = None
    """None: the export does not say."""


@dataclass(frozen=True)
class Task:
    """The assignment that is looked for."""

    assignment: str
    notebooks: Sequence[str]
    with_roster: bool = False
    """Whether files beside each other may be told apart by a list of students."""

    @property
    def names(self) -> list[Words]:
        """The words by which a file may say that it is of this assignment."""
        return [words(name) for name in (self.assignment, *self.notebooks)]


def place_of(parts: tuple[str, ...], folder: bool, task: Task) -> Place | None:
    """Whose an entry is; None when nobody's."""
    if name_fault(parts[:1]):
        return None
    place = _place(parts, folder, task)
    if place is None or (not place.sender.student and not task.with_roster):
        return None
    return place


def _place(parts: tuple[str, ...], folder: bool, task: Task) -> Place | None:
    # archives that were packed again on macOS have accents apart from their letters
    top, below = unicodedata.normalize("NFC", parts[0]), parts[1:]
    if found := MOODLE.fullmatch(top):
        return _of_moodle(found, below)
    if not folder and (found := CANVAS.fullmatch(top)):
        return _of_canvas(found, below)
    if below or folder:
        inside = below[1:] if below[:1] == (task.assignment,) and len(below) > 1 else below
        return Place(Sender("folder", parts[0], _plain_id(top), top), inside)
    return _of_file(parts[0], task)


def _of_moodle(found: re.Match[str], below: tuple[str, ...]) -> Place:
    name, number, kind, rest = (found[key] or "" for key in ("name", "id", "kind", "rest"))
    hidden = words(name)[-1:] in {(word,) for word in _HIDDEN}
    label = f"{name}_{number}" if number else name
    sender = Sender("Moodle", label, id_of(name, number), name, number, hidden)
    if kind == "onlinetext":
        return Place(sender, (), note="text typed into Moodle was left out")
    if kind != "file":
        return Place(sender, (), note=f"what Moodle calls {kind!r} was left out")
    return Place(sender, (*((rest,) if rest else ()), *below))


def _of_canvas(found: re.Match[str], below: tuple[str, ...]) -> Place:
    number = found["user"] or found["anonym"]
    late = bool(found["late"] or found["late_too"])
    sender = Sender(
        "Canvas",
        f"{found['name']}_{number}" if found["name"] else number,
        id_of(found["name"] or "", number.lower()),
        found["name"] or "",
        found["user"] or "",
        hidden=not found["user"],
    )
    if found["typed"]:
        what = "text typed into Canvas" if found["typed"] == "text" else "a link given to Canvas"
        return Place(sender, (), note=f"{what} was left out", late=late)
    copy = re.search(r"[-(]([0-9]{1,3})\)?\.\w+$", found["rest"])
    version = (int(found["file"]), int(copy[1]) if copy else 0)
    return Place(sender, (found["rest"], *below), version, late=late)


def _of_file(name: str, task: Task) -> Place | None:
    """A file beside others that is named after a student, and perhaps after the assignment."""
    path = PurePosixPath(name)
    is_notebook = path.suffix.lower() == ".ipynb"
    if not task.with_roster and not (is_notebook and len(task.notebooks) == 1):
        return None
    means = _meant(path.stem, task.notebooks) if is_notebook else ""
    plain = uncopied(path.stem)
    person, dash, title = plain.partition(" - ")
    if dash and words(title) in task.names:
        sender = Sender("Classroom", name, _plain_id(person), person)
    else:
        sender = Sender("file", name, _plain_id(path.stem), path.stem)
    return Place(sender, (name,), means=means)


def _plain_id(name: str) -> str:
    return name if ID.fullmatch(name) else slug(name)[:60]


def _meant(stem: str, notebooks: Sequence[str]) -> str:
    """The notebook that a file named after a student stands for, if that can be told."""
    if len(notebooks) == 1:
        return notebooks[0]
    found = words(stem)
    named = [name for name in notebooks if contains(found, words(name))]
    longest = max((len(words(name)) for name in named), default=0)
    likely = [name for name in named if len(words(name)) == longest]
    return likely[0] if len(likely) == 1 else ""


def contains(whole: Words, part: Words) -> bool:
    """Whether words follow each other among others."""
    return bool(part) and any(
        whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1)
    )


def uncopied(stem: str) -> str:
    """A name without what Drive, a browser or a computer adds to that of a copy."""
    while True:
        shorter = _COPIED.sub("", stem, count=1) if _COPIED.match(stem) else stem
        shorter = _OF_A_COPY.sub("", _COPY.sub("", shorter.rstrip()))
        if shorter == stem or not shorter:
            return stem
        stem = shorter


def meant_notebook(stem: str, expected: Sequence[str]) -> str:
    """The notebook that a copy's name stands for: Canvas's ``one-1``, a browser's ``one (1)``."""
    while stem not in expected and (found := _COPY.search(stem)):
        stem = stem[: found.start()]
    return stem


def wrapper_of(names: Sequence[tuple[str, ...]], task: Task) -> str:
    """The one folder around the whole export, if there is such a folder."""
    tops = {parts[0] for parts in names}
    if len(tops) != 1 or any(len(parts) == 1 for parts in names):
        return ""
    top = tops.pop()
    below = [parts[1:] for parts in names]
    if MOODLE.fullmatch(top):
        return ""
    if any(MOODLE.fullmatch(one[0]) or CANVAS.fullmatch(one[0]) for one in below):
        return top
    notebooks = [one for one in below if one[-1].endswith(".ipynb")]
    beside = [one[0] for one in notebooks if len(one) == 1]
    if beside:  # several STUDENT.ipynb, or the notebook of one student?
        known = {f"{name}.ipynb" for name in task.notebooks}
        return top if len(beside) > 1 and not known & set(beside) else ""
    inner = {one[0] for one in notebooks}
    return top if inner and task.assignment not in inner else ""
