"""A teacher's word on whose a file is: read from a list, and a list to fill in."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autograder.bridge.course import CourseError
from autograder.classwork.gathering import Work
from autograder.classwork.matching import Matcher
from autograder.classwork.names import shown, words
from autograder.classwork.roster import SAFE_ID, Person
from autograder.classwork.tables import cell_of, read_table, written

LEFT_OUT: Final = "-"
_WANTED: Final = "file,student"
_FILE: Final = ("file", "archivo", "fichero")
_STUDENT: Final = ("student", "estudiante", "alumno")


@dataclass
class _Said:
    line: int
    students: list[str] = field(default_factory=list)


@dataclass
class Settled:
    """What a teacher has said of files."""

    path: Path
    said: dict[str, _Said] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def students_of(self, work: Work) -> list[str] | None:
        """The ids that were given to a hand-in by any of its names in the export.

        Returns:
            Nobody where it is to be left out; None where nothing was said.

        Raises:
            CourseError: its files are given to different students, and an LMS says they are one's.
        """
        keys = {_key(name) for name in (*work.entries, work.sender.label)} & self.said.keys()
        self.used |= keys
        said = sorted((self.said[key] for key in keys), key=lambda one: one.line)
        for one in said:
            if set(one.students) != set(said[0].students):
                raise CourseError(
                    f"{self.path}, lines {said[0].line} and {one.line}: these are files of one "
                    f"student, {shown(work.sender.label)}, and are given to different ones"
                )
        return [one for one in said[0].students if one != LEFT_OUT] if said else None

    def require_used(self) -> None:
        """Make sure that every file of the list was there.

        Raises:
            CourseError: one was not.
        """
        for key, said in self.said.items():
            if key not in self.used:
                raise CourseError(
                    f"{self.path}, line {said.line}: {key!r} is not in the export: name the file "
                    "or the folder as the export does, or take the line away"
                )


def read_map(path: Path, matcher: Matcher | None) -> Settled:
    """Read whose files are: rows of ``file,student``; several rows of a file are a group's.

    Args:
        path: the list; a row without a student says nothing, ``-`` leaves the file out.
        matcher: knows the students; without a roster any id is one.

    Raises:
        CourseError: it is no such list, or names nobody.
    """
    table = read_table(path, lambda text: _header(text) in (*_FILE, *_STUDENT), _WANTED)
    header = [_header(text) for text in table.header]
    places = [
        next((place for place, text in enumerate(header) if text in names), None)
        for names in (_FILE, _STUDENT)
    ]
    file_place, student_place = places
    if file_place is None or student_place is None:
        raise CourseError(f"{path} needs the columns {_WANTED}")
    settled = Settled(path)
    for row in table.rows:
        is_left_out = row.cells[student_place : student_place + 1] == [LEFT_OUT]
        student = LEFT_OUT if is_left_out else cell_of(table, row, student_place)
        if not student:
            continue
        where = f"{path}, line {row.line}"
        key = _key(cell_of(table, row, file_place))
        said = settled.said.setdefault(key, _Said(row.line))
        said.students.append(student if is_left_out else _student(where, student, matcher))
        if len(said.students) > 1 and LEFT_OUT in said.students:
            raise CourseError(f"{where}: {key!r} is left out and a student's as well")
    return settled


def _header(text: str) -> str:
    return " ".join(words(text))


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().strip("/")


def _student(where: str, text: str, matcher: Matcher | None) -> str:
    if matcher is None:
        if SAFE_ID.fullmatch(text):
            return text
        raise CourseError(f"{where}: {shown(text)!r} cannot be a student's id")
    people = matcher.by_id(text)
    if len(people) != 1:
        many = "more than one student" if people else "no student"
        raise CourseError(f"{where}: {shown(text)!r} is {many} of the roster: give an id of it")
    return people[0].student


def require_free(path: Path) -> None:
    """Make sure that a list may be written, before anything else is done.

    Raises:
        CourseError: there is something in its place already, or no folder for it.
    """
    if path.exists() or path.is_symlink():
        raise CourseError(f"{path} is there already: give another name for the list")
    if not path.parent.is_dir():
        raise CourseError(f"{path} cannot be written: there is no folder {path.parent}")


def write_map(path: Path, rows: Iterable[tuple[str, Sequence[Person], str]]) -> None:
    """Write a list of files with nobody in it yet, and who comes into question for each.

    Raises:
        CourseError: it cannot be written.
    """
    table = [("file", "student", "candidates", "reason")]
    for name, people, reason in rows:
        told = "; ".join(f"{one.student} ({one.full_name})" for one in people)
        table.append((name, "", told, reason))
    try:
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            file.write(written(table))
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}") from error
