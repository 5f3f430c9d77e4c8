"""Who is in the class: a list that an LMS or a person wrote, or the gradebook's students.

Moodle's participants, gradebook and grading worksheet, Canvas's gradebook, Classroom's grades and
any CSV with a header in English or Spanish are read.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from autograder.bridge.course import CourseError
from autograder.bridge.students import Enrolled
from autograder.classwork.names import id_of, slug, words
from autograder.classwork.tables import Row, Table, cell_of, read_table
from autograder.plain import one_line

_T = TypeVar("_T")
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "student id", "studentid", "id alumno", "id de alumno", "id estudiante",
           "id de estudiante", "id del estudiante"),
    "username": ("username", "user name", "login", "login id", "sis login id", "netid", "user",
                 "usuario", "nombre de usuario"),
    "idnumber": ("sis user id", "sis id", "id number", "idnumber", "student number",
                 "numero de id", "numero id", "matricula", "numero de matricula", "expediente",
                 "numero de expediente", "numero de alumno", "numero de estudiante", "nia", "niu",
                 "legajo", "codigo", "dni"),
    "email": ("email", "e mail", "mail", "email address", "e mail address", "correo",
              "correo electronico", "direccion de correo", "direccion email",
              "direccion de correo electronico"),
    "given": ("first name", "firstname", "first", "given name", "nombre", "nombres"),
    "family": ("last name", "lastname", "last", "surname", "family name", "apellido", "apellidos",
               "apellido s"),
    "name": ("name", "full name", "fullname", "student name", "student", "nombre completo",
             "nombre completo con enlace", "apellidos y nombre", "nombre y apellidos", "alumno",
             "alumna", "estudiante", "first name last name", "first name surname",
             "nombre apellido s", "nombre apellidos"),
    "number": ("lms user id",),
    "participant": ("identifier", "identificador"),
    "status": ("status", "estatus", "estado"),
}  # fmt: skip
"""Headers without accents and signs, by what is below them; the first column that fits counts."""
_WANTED: Final = "id,first_name,last_name,email"
_KEYS: Final = ("id", "username", "idnumber", "email", "number", "participant")
SAFE_ID: Final = re.compile(r"\w[\w.@+-]{0,99}")
"""What can be a folder's name, and is no pattern of nbgrader's."""
_NO_ID: Final = re.compile(r"\w{1,2}|[0-9]{1,4}|[0-9]+[.,][0-9]+|.*@.*")
"""Points, marks, counts and further addresses differ by student as well."""
_ROUNDED: Final = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_NO_STUDENT: Final = {("points", "possible"), ("date",), ("points",), ("class", "average"),
                      ("fecha",), ("puntos",), ("media", "de", "la", "clase")}  # fmt: skip
"""What Canvas and Classroom have below the header that is no student."""
_TEST_STUDENTS: Final = {("student", "test"), ("test", "student")}
_LATE: Final = re.compile(r"\b(?:late|despu[eé]s|tarde|retraso)\b", re.IGNORECASE)
"""How Moodle's worksheet says it; it says `overdue` and `retrasada` of what was not handed in."""


@dataclass(frozen=True)
class Person:
    """A student: all by which an export may name one, as far as it is known."""

    student: str
    """The id in the gradebook."""
    username: str = ""
    idnumber: str = ""
    """The university's own id, Canvas's SIS user id."""
    email: str = ""
    number: str = ""
    """The LMS's number of the user."""
    participant: str = ""
    """Moodle's number of the student in one assignment, which the names of its folders have."""
    given: str = ""
    family: str = ""
    name: str = ""
    late: bool | None = None
    """None: the list does not say."""
    also: str = ""
    """The id that the list gives to somebody whom the gradebook knows by another."""

    @property
    def full_name(self) -> str:
        """The name, the given one first where it is known which that is."""
        return " ".join(filter(None, (self.given, self.family))) or self.name

    def enrolled(self) -> Enrolled:
        """What the gradebook is to keep."""
        given, family = self.given, self.family
        if self.name and not (given or family):
            family, comma, given = (part.strip() for part in self.name.partition(","))
            if not comma:
                given, _space, family = (part.strip() for part in self.name.partition(" "))
        return Enrolled(self.student, given, family, self.email, self.number)


@dataclass
class Roster:
    """The students of the class."""

    source: str
    """Where it is from: ``file`` or ``gradebook``."""
    people: list[Person]
    new: list[Enrolled] = field(default_factory=list)
    """Whom the gradebook does not have yet."""
    notes: list[str] = field(default_factory=list)


def of_gradebook(known: Sequence[Enrolled]) -> Roster | None:
    """The gradebook's students as a roster.

    Returns:
        None where it knows of nobody more than an id: then they are just who was graded before.
    """
    people = [
        Person(
            one.student,
            email=one.email,
            number=one.user,
            given=one.given_name,
            family=one.family_name,
        )
        for one in known
    ]
    named = any(one.email or one.number or one.full_name for one in people)
    return Roster("gradebook", people) if named else None


def of_file(path: Path, known: Sequence[Enrolled]) -> Roster:
    """A list of students, under the ids by which the gradebook knows them already.

    Raises:
        CourseError: it is no list of students, or contradicts itself.
    """
    table = read_table(path, _is_known, _WANTED)
    listed = _people(table)
    if not listed:
        raise CourseError(f"{path} has a header and no students below it")
    roster = Roster("file", [])
    if table.encoding == "cp1252":
        roster.notes.append(f"{path} is not in UTF-8: read as Windows-1252, as Excel writes it")
    if not any(one.is_own_id for one in listed) and (unused := _like_ids(table)):
        roster.notes.append(
            f"{path}: column {unused!r} is not known, and was not used; ids were made of names "
            "or addresses: if it is the id, call it `id`"
        )
    find = _finder(path, known, listed)
    claimed: dict[str, int] = {}
    for one in listed:
        person = one.person
        before = find(one)
        student = person.student if before is None else before.student
        if (line := claimed.setdefault(student, one.line)) != one.line:
            raise CourseError(
                f"{path}, lines {line} and {one.line}: both are {student!r} in the gradebook: "
                "correct the list or the gradebook's ids and addresses"
            )
        if before is None:
            roster.new.append(person.enrolled())
        else:
            roster.notes += _differences(person, before)
            also = "" if person.student == before.student else person.student
            person = replace(person, student=before.student, also=also)
        roster.people.append(person)
    return roster


# Reading a list


@dataclass(frozen=True)
class _Listed:
    """Somebody in a list."""

    person: Person
    line: int
    is_own_id: bool
    """Whether the list has an id for the gradebook, which need not be made of something else."""


def _is_known(text: str) -> bool:
    return any(_normal(text) in names for names in _FIELDS.values())


def _like_ids(table: Table) -> str:
    """The first column of an unknown name that has another text for each row, as ids are."""
    for place, title in enumerate(table.header):
        if not title.strip() or _is_known(title):
            continue
        values = [cell_of(table, row, place) for row in table.rows]
        is_like_ids = all(SAFE_ID.fullmatch(one) and not _NO_ID.fullmatch(one) for one in values)
        if is_like_ids and 1 < len(values) == len(set(values)):
            return one_line(title.strip())
    return ""


def _normal(text: str) -> str:
    return " ".join(words(text))


def _places(table: Table) -> dict[str, int]:
    """Which column has what."""
    header = [_normal(text) for text in table.header]
    places: dict[str, int] = {}
    for kind, names in _FIELDS.items():
        found = [place for place, text in enumerate(header) if text in names]
        if found:
            places[kind] = found[0]
    if {"id", "section"} <= set(header) and header[0] in ("student", "lastname"):
        places["number"] = places.pop("id")  # of Canvas's gradebook: its own number
    if "given" in places and not {"family", "name"} & places.keys():
        places["name"] = places.pop("given")  # a column `nombre` alone has all of it
    if not {*_KEYS, "name", "family"} & places.keys():
        raise CourseError(
            f"{table.path} has no column by which students are known: its first line should be a "
            f"header, such as {_WANTED}"
        )
    return places


def _people(table: Table) -> list[_Listed]:
    places = _places(table)
    rows = [
        (row, {kind: cell_of(table, row, place) for kind, place in places.items()})
        for row in table.rows
        if not _is_no_student(row, places)
    ]
    local: dict[str, set[str]] = defaultdict(set)
    for _row, cells in rows:
        if not cells.get("email") and "@" in cells.get("username", ""):
            cells["email"] = cells["username"]
        email = cells.get("email", "").casefold()
        local[email.partition("@")[0]].add(email)
    found: dict[str, _Listed] = {}
    for row, cells in rows:
        if not any(cells.get(kind) for kind in (*_KEYS, "name", "given", "family")):
            continue
        one = _listed(table, row, cells, local)
        twin = found.setdefault(one.person.student.casefold(), one)
        if twin.person != one.person:
            raise CourseError(
                f"{table.path}, lines {twin.line} and {one.line}: both are "
                f"{twin.person.student!r}: give each student an id of their own"
            )
    return list(found.values())


def _is_no_student(row: Row, places: dict[str, int]) -> bool:
    """Whether a row tells of assignments, or is Canvas's test student."""

    def cell(kind: str) -> str:
        place = places.get(kind, len(row.cells))
        return row.cells[place] if place < len(row.cells) else ""

    name = words(f"{cell('family')} {cell('given')} {cell('name')}")
    if "number" in places and name in _TEST_STUDENTS:
        return True
    return name in _NO_STUDENT and not any(cell(kind).strip() for kind in _KEYS)


def _listed(table: Table, row: Row, cells: dict[str, str], local: dict[str, set[str]]) -> _Listed:
    where = f"{table.path}, line {row.line}"
    for kind in ("id", "username", "idnumber", "number"):
        if _ROUNDED.fullmatch(cells.get(kind, "")):
            raise CourseError(
                f"{where}: a spreadsheet has rounded {cells[kind]!r}: export the list again, and "
                "do not save it with a spreadsheet in between"
            )
    status = cells.get("status", "")
    facts = {kind: cells.get(kind, "") for kind in ("username", "idnumber", "email", "number",
                                                    "given", "family", "name")}  # fmt: skip
    student, is_own = _id(where, cells, local)
    person = Person(
        student,
        **facts,
        participant="".join(re.findall("[0-9]+", cells.get("participant", ""))),
        late=bool(_LATE.search(status)) if status else None,
    )
    return _Listed(person, row.line, is_own)


def _id(where: str, cells: dict[str, str], local: dict[str, set[str]]) -> tuple[str, bool]:
    """The id of somebody in the gradebook, and whether the list has it as it is."""
    if own := cells.get("id", ""):
        if not SAFE_ID.fullmatch(own):
            raise CourseError(
                f"{where}: {own[:40]!r} cannot be an id: use letters, digits and . _ - @ +"
            )
        return own, True
    for kind in ("username", "idnumber"):
        text = cells.get(kind, "")
        if SAFE_ID.fullmatch(text) and "@" not in text:
            return text, True
    if number := cells.get("number", "") or cells.get("participant", ""):
        made = _numbered(cells, number)
    elif email := cells.get("email", "").casefold():
        name = email.partition("@")[0]
        made = slug(name if len(local.get(name, ())) <= 1 else email)[:60]
    else:
        made = slug(_name(cells))[:60]
    if not made:
        raise CourseError(
            f"{where}: no id can be made for {_name(cells)[:40]!r}: add a column `id`"
        )
    return made, False


def _numbered(cells: dict[str, str], number: str) -> str:
    """The id that is made of an export's names where there is no list."""
    digits = "".join(re.findall("[0-9]+", number))
    if cells.get("number"):
        return id_of("".join(words(_name(cells, family_first=True))), digits)
    return id_of(_name(cells) or number.rstrip("0123456789 "), digits)


def _name(cells: dict[str, str], *, family_first: bool = False) -> str:
    given, family = cells.get("given", ""), cells.get("family", "")
    parts = (family, given) if family_first else (given, family)
    return cells.get("name", "") or " ".join(filter(None, parts))


# Who is whom in the gradebook


def _finder(
    path: Path, known: Sequence[Enrolled], listed: Sequence[_Listed]
) -> Callable[[_Listed], Enrolled | None]:
    """A function that finds somebody of a list in the gradebook, where nothing is open.

    It raises a ``CourseError`` for an id that is another student's there.
    """
    ids = {one.student.casefold(): one for one in known}
    numbers = _unique((one.user, one) for one in known)
    emails = _unique((one.email.casefold(), one) for one in known)
    names = _unique((_sorted(f"{one.given_name} {one.family_name}"), one) for one in known)
    their_emails = _unique((one.person.email.casefold(), one) for one in listed)
    their_names = _unique((_sorted(one.person.full_name), one) for one in listed)

    def find(one: _Listed) -> Enrolled | None:
        person = one.person
        by_id = ids.get(person.student.casefold())
        if by_id is not None and not _is_other(one, by_id):
            return by_id
        found = numbers.get(person.number)
        if found is None and person.email.casefold() in their_emails:
            found = emails.get(person.email.casefold())
        name = _sorted(person.full_name)
        if found is None and not one.is_own_id and name in their_names:
            found = names.get(name)
            if found and person.email and found.email:
                found = None  # another address: a namesake
        if found is None and by_id is not None:
            raise _taken(path, one, by_id)
        return found

    return find


def _is_other(one: _Listed, known: Enrolled) -> bool:
    """Whether somebody of a list is not the student who has that id in the gradebook.

    An id that the list has is believed unless the whole name is another; one that is made of a
    name or an address is anybody's of that name.
    """
    person = one.person
    ours, theirs = (
        Counter(words(name))
        for name in (f"{known.given_name} {known.family_name}", person.full_name)
    )
    if person.email and person.email.casefold() == known.email.casefold():
        return False
    if one.is_own_id:
        return bool(ours and theirs) and not ours & theirs
    shorter = min(ours, theirs, key=Counter.total)
    if ours and theirs:
        return ours != theirs and not (shorter.total() > 1 and shorter == ours & theirs)
    return bool(person.email and known.email)


def _taken(path: Path, one: _Listed, known: Enrolled) -> CourseError:
    name = f"{known.given_name} {known.family_name}".strip() or known.email
    what = "" if one.is_own_id else ", made of the name or the address,"
    return CourseError(
        f"{path}, line {one.line}: the id {known.student!r}{what} is {name[:60]!r} in the "
        "gradebook: "
        + ("correct the one or the other" if one.is_own_id else "add a column `id` to the list")
    )


def _unique(pairs: Iterable[tuple[str, _T]]) -> dict[str, _T]:
    """What has a text that nothing else has."""
    found: dict[str, list[_T]] = defaultdict(list)
    for text, one in pairs:
        if text:
            found[text].append(one)
    return {text: ones[0] for text, ones in found.items() if len(ones) == 1}


def _sorted(name: str) -> str:
    return " ".join(sorted(words(name)))


def _differences(person: Person, before: Enrolled) -> list[str]:
    """What a list says otherwise than the gradebook, which stays as it is."""
    pairs = (
        (person.full_name, f"{before.given_name} {before.family_name}".strip()),
        (person.email, before.email),
    )
    told = [
        f"{before.student}: the gradebook has {ours!r}, the list {theirs!r}: left as it is"
        for theirs, ours in pairs
        if theirs and ours and _sorted(theirs) != _sorted(ours)
    ]
    if person.student != before.student:
        told.append(f"{person.student} in the list is {before.student} in the gradebook")
    return told
