"""Files that an LMS exported, filled in with grades so that it can import them again.

Rows and columns stay as they are; only cells of grades are written. Whose row is whose is found by
the ids that both know, the surest first, and by the name last.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias, TypeVar

from autograder.lms.gradefiles.rows import (
    GradeFileError,
    Item,
    Row,
    exact,
    maximum_text,
    named,
    points_text,
)

Cells: TypeAlias = list[str]
Warn: TypeAlias = Callable[[str], object]
_T = TypeVar("_T")
_DELIMITERS: Final = (",", ";", "\t")
_BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_IMPORTED: Final = re.compile(r"(.+)_([0-9]{1,20})")
"""What `autograder import` makes of a name and the number of an LMS."""


@dataclass
class Table:
    """Cells, and how they are written as a file."""

    rows: list[Cells]
    """The first one is the header."""
    delimiter: str = ","
    all_quoted: bool = False
    newline: str = "\r\n"
    encoding: str = "utf-8"

    def write(self) -> bytes:
        """The file."""
        lines = []
        for row in self.rows:
            line = io.StringIO(newline="")
            # with this ending, and no other, the writer quotes both characters of it
            writer = csv.writer(
                line,
                delimiter=self.delimiter,
                lineterminator="\r\n",
                quoting=csv.QUOTE_ALL if self.all_quoted else csv.QUOTE_MINIMAL,
            )
            writer.writerow(row)
            lines.append(line.getvalue().removesuffix("\r\n") + self.newline)
        return "".join(lines).encode(self.encoding, "replace")


def read_table(data: bytes, is_header: Callable[[Cells], bool], label: str) -> Table:
    """Read what an LMS exported, separated by commas, semicolons or tabs.

    Raises:
        GradeFileError: it is no such file.
    """
    text, encoding = _decoded(data, label)
    first = text.lstrip("\r\n")
    choices = [(len(header), d) for d in _DELIMITERS if is_header(header := _header(first, d))]
    if not choices:
        raise GradeFileError(
            f"this is no file of grades from {label}: its first line is not the header that "
            f"{label} exports. Export it again, and do not change that line"
        )
    _width, delimiter = max(choices)
    try:
        rows = [row for row in _reader(text, delimiter) if any(row)]
    except csv.Error as error:
        raise GradeFileError(f"the file from {label} is damaged: {error}. Export it again") from (
            error
        )
    width = max(map(len, rows))
    return Table(
        [row + [""] * (width - len(row)) for row in rows],
        delimiter,
        all_quoted=first.startswith('"'),
        newline="\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n",
        encoding=encoding,
    )


def _decoded(data: bytes, label: str) -> tuple[str, str]:
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise GradeFileError(f"this is a workbook: export it from {label} as CSV instead")
    encoding = next((e for mark, e in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise GradeFileError(
            f"the file from {label} is no text in UTF-8 or UTF-16: export it again, and do not "
            "save it with a spreadsheet program in between"
        ) from error


def _reader(text: str, delimiter: str) -> Iterable[Cells]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _header(text: str, delimiter: str) -> Cells:
    """The first row; nothing if it cannot be read so."""
    try:
        return next(iter(_reader(text, delimiter)), [])
    except csv.Error:
        return []


# Whose row is whose


@dataclass(frozen=True)
class Key:
    """Something by which a student is known to the LMS and to us."""

    theirs: Callable[[Cells], str]
    ours: Callable[[Row], str]
    agree: Callable[[Cells, Row], bool] = field(default=lambda cells, row: True)
    """Whether nothing else speaks against it."""


def match(keys: Sequence[Key], theirs: Sequence[Cells], ours: Sequence[Row]) -> dict[int, Row]:
    """Find the students of an LMS's rows.

    A key counts only where one row and one student have it: two students of the same name are told
    apart by another key, or not at all.

    Returns:
        By the position of the LMS's row.
    """
    found: dict[int, Row] = {}
    taken: set[str] = set()
    for key in keys:
        left = _unique((key.theirs(cells), place) for place, cells in enumerate(theirs))
        right = _unique((key.ours(row), row) for row in ours)
        for value in left.keys() & right.keys():
            place, row = left[value], right[value]
            if place in found or row.student in taken or not key.agree(theirs[place], row):
                continue
            found[place] = row
            taken.add(row.student)
    return found


def _unique(pairs: Iterable[tuple[str, _T]]) -> dict[str, _T]:
    """What has a value that nothing else has; upper case is as lower case."""
    found: dict[str, list[_T]] = {}
    for value, one in pairs:
        if value := _normal(value):
            found.setdefault(value, []).append(one)
    return {value: ones[0] for value, ones in found.items() if len(ones) == 1}


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _words(name: str) -> str:
    """A name whatever the order of its parts: ``Gil, Ana`` as ``Ana Gil``."""
    return " ".join(sorted(_normal(name.replace(",", " ")).split()))


def _cell(header: Cells, *names: str) -> Callable[[Cells], str]:
    """The cell below the first header of one of these names; nothing where there is none."""
    place = next((i for i, text in enumerate(header) if _normal(text) in names), None)
    return lambda cells: "" if place is None else cells[place]


def _names(of_row: Callable[[Cells], str]) -> list[Key]:
    return [
        Key(lambda cells: _words(of_row(cells)), lambda row: _words(row.name)),
        Key(
            lambda cells: _words(of_row(cells)),
            lambda row: _words(f"{row.given_name} {row.family_name}"),
        ),
    ]


def _imported(number: Callable[[Cells], str], name: Callable[[Cells], str]) -> Key:
    """The number that `autograder import` has put behind the student's name."""

    def ours(row: Row) -> str:
        made = _IMPORTED.fullmatch(row.bare_id)
        return made[2] if made else ""

    def agree(cells: Cells, row: Row) -> bool:
        made = _IMPORTED.fullmatch(row.bare_id)
        letters = _letters(made[1]) if made else ""
        return _in_order(_letters(name(cells))[: len(letters)], letters)

    return Key(number, ours, agree)


def _letters(name: str) -> str:
    """The letters of a name that are left in a folder's name."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in folded if c.isascii() and c.isalnum())


def _in_order(part: str, whole: str) -> bool:
    """Whether all letters are there in this order; ``ø`` is lost in one and ``o`` in the other."""
    rest = iter(whole)
    return all(letter in rest for letter in part)


# What the exports look like


@dataclass(frozen=True)
class Column:
    """A column that grades can be written into."""

    place: int
    header: str
    titles: frozenset[str]
    """What the assignment is called there."""
    maximum: float | None = None
    """As far as the file tells."""
    only: bool = False
    """The whole file is of one assignment, and this is its column."""


def _column(place: int, header: str, *titles: str, maximum: float | None = None) -> Column:
    return Column(place, header, frozenset(map(_normal, (header, *titles))), maximum)


class Layout:
    """What an LMS exports."""

    label: ClassVar[str]
    clamps: ClassVar[bool] = False
    """Whether more points than the maximum must not be written."""

    def is_header(self, header: Cells) -> bool:
        """Whether a first line is one of this LMS."""
        raise NotImplementedError

    def prepare(self, table: Table) -> None:
        """Let the file be written as this LMS needs it."""

    def is_student(self, cells: Cells) -> bool:
        """Whether a row below the header is one of a student."""
        return True

    def stays(self, cell: str) -> bool:
        """Whether what is in a cell must not be overwritten."""
        return False

    def columns(self, table: Table) -> list[Column]:
        """The columns for grades."""
        raise NotImplementedError

    def keys(self, header: Cells) -> list[Key]:
        """What students are found by, the surest first."""
        raise NotImplementedError


class Canvas(Layout):
    """Canvas's gradebook: https://github.com/instructure/canvas-lms, gradebook_exporter.rb."""

    label = "Canvas"
    _TITLE: Final = re.compile(r"(.*)\s\((\d+)\)")
    _TOTAL: Final = re.compile(
        r"(?:Current|Final) (?:Score|Points|Grade)|Override (?:Score|Grade|Status)"
    )
    _NO_STUDENT: Final = re.compile(r"\s*(Muted|Manual Posting.*)?\s*", re.IGNORECASE)

    def is_header(self, header: Cells) -> bool:
        """``Student`` or both names, ``ID``, and ``Section`` before the assignments."""
        return header[:1] in (["Student"], ["LastName"]) and {"ID", "Section"} <= set(header)

    def prepare(self, table: Table) -> None:
        """Canvas reads UTF-8; it finds no first header behind a byte order mark."""
        table.encoding, table.all_quoted = "utf-8", False

    def is_student(self, cells: Cells) -> bool:
        """Below the header may be a row of what is posted by hand; then come the points."""
        if "Points Possible" in cells[0]:
            return False
        return not all(self._NO_STUDENT.fullmatch(cell) for cell in cells)

    def stays(self, cell: str) -> bool:
        """Excused (``EX``), or not assigned to this student (``N/A``)."""
        return cell.strip().upper() in ("EX", "N/A")

    def columns(self, table: Table) -> list[Column]:
        """Those behind ``Section`` that the import takes: no totals, nothing read only."""
        header = table.rows[0]
        points = next((row for row in table.rows if "Points Possible" in row[0]), [])
        found = []
        for place in range(header.index("Section") + 1, len(header)):
            most = points[place] if points else ""
            if "read only" not in most and not self._TOTAL.search(header[place]):
                known = self._TITLE.fullmatch(header[place])
                title = known[1] if known else header[place]
                found.append(_column(place, header[place], title, maximum=_number(most)))
        return found

    def keys(self, header: Cells) -> list[Key]:
        """In Canvas's own order; a login may be an e-mail address."""
        number, login = _cell(header, "id"), _cell(header, "sis login id")
        sis = _cell(header, "sis user id")
        parts = _cell(header, "firstname"), _cell(header, "lastname", "student")
        return [
            Key(number, lambda row: row.user),
            Key(sis, lambda row: row.person),
            Key(login, lambda row: row.login),
            Key(login, lambda row: row.email),
            Key(login, lambda row: row.bare_id),
            Key(sis, lambda row: row.bare_id),
            _imported(number, lambda cells: f"{parts[1](cells)}{parts[0](cells)}"),
            *_names(lambda cells: f"{parts[0](cells)} {parts[1](cells)}"),
        ]


class OpenEdx(Layout):
    """Open edX's bulk grades: https://github.com/openedx/edx-bulk-grades, GradeCSVProcessor."""

    label = "Open edX"
    clamps = True
    _NEW: Final = "new_override-"

    def is_header(self, header: Cells) -> bool:
        """The two columns that the import requires, and one for new grades."""
        of_grades = any(text.startswith(self._NEW) for text in header)
        return {"user_id", "course_id"} <= set(header) and of_grades

    def prepare(self, table: Table) -> None:
        """A byte order mark would be a part of the first header."""
        table.encoding = "utf-8"

    def columns(self, table: Table) -> list[Column]:
        """The new grades of each subsection, whose name is in the rows."""
        header = table.rows[0]
        found = []
        for place, text in enumerate(header):
            if text.startswith(self._NEW):
                short = text.removeprefix(self._NEW)
                name = _cell(header, _normal(f"name-{short}"))
                title = next((name(row) for row in table.rows[1:] if name(row)), "")
                found.append(_column(place, text, short, *([title] if title else ())))
        return found

    def keys(self, header: Cells) -> list[Key]:
        """``student_key`` is the id that the university gave."""
        login = _cell(header, "username")
        return [
            Key(_cell(header, "user_id"), lambda row: row.user),
            Key(login, lambda row: row.login),
            Key(_cell(header, "student_key"), lambda row: row.person),
            Key(login, lambda row: row.bare_id),
        ]


class Blackboard(Layout):
    """Blackboard's grade center, or Ultra's gradebook, downloaded to work offline."""

    label = "Blackboard"
    _ITEM: Final = re.compile(r"(.*\S)\s*\[([^\[\]]*)\]\s*\|\s*\d+")
    _POINTS: Final = re.compile(r"\d+(?:[.,]\d+)?")
    _LOGIN: Final = ("username", "nombre de usuario")

    def is_header(self, header: Cells) -> bool:
        """Users are found by their user name, says Blackboard's help."""
        return any(_normal(text) in self._LOGIN for text in header)

    def columns(self, table: Table) -> list[Column]:
        """Columns that have an id of Blackboard's; one without it would be made anew."""
        found = []
        for place, text in enumerate(table.rows[0]):
            if item := self._ITEM.fullmatch(text.strip()):
                most = self._POINTS.search(item[2])
                maximum = _number(most[0]) if most else None
                found.append(_column(place, text, item[1], maximum=maximum))
        return found

    def keys(self, header: Cells) -> list[Key]:
        """The user name, then the university's id."""
        login, person = _cell(header, *self._LOGIN), _cell(header, "student id")
        given, family = _cell(header, "first name"), _cell(header, "last name")
        return [
            Key(login, lambda row: row.login),
            Key(person, lambda row: row.person),
            Key(login, lambda row: row.bare_id),
            Key(person, lambda row: row.bare_id),
            *_names(lambda cells: f"{given(cells)} {family(cells)}"),
        ]


class Sakai(Layout):
    """Sakai's gradebook: https://github.com/sakaiproject/sakai, ImportGradesHelper.java."""

    label = "Sakai"
    _ITEM: Final = re.compile(r"([^\[]+)(?:\[(\d+(?:[.,]\d\d?)?)\])?")

    def is_header(self, header: Cells) -> bool:
        """The first two columns are users and names, whatever they are called."""
        return len(header) > 2 and any(map(self._ITEM.fullmatch, header[2:]))

    def columns(self, table: Table) -> list[Column]:
        """``Title [20]``; ``* Title`` has comments, and what begins with ``#`` is ignored."""
        found = []
        for place, text in enumerate(table.rows[0][2:], 2):
            item = self._ITEM.fullmatch(text.strip())
            if item and not text.startswith(("#", "* ")):
                title, most = item[1].strip(), _number(item[2] or "")
                found.append(_column(place, text, title, maximum=most))
        return found

    def keys(self, header: Cells) -> list[Key]:
        """The user's id, which may be an e-mail address."""
        return [
            Key(lambda cells: cells[0], lambda row: row.login),
            Key(lambda cells: cells[0], lambda row: row.bare_id),
            Key(lambda cells: cells[0], lambda row: row.email),
            Key(lambda cells: cells[0], lambda row: row.person),
            *_names(lambda cells: cells[1]),
        ]


class Moodle(Layout):
    """An assignment's grading worksheet, or an export of the whole gradebook.

    Moodle writes headers in the teacher's language; English and Spanish are known here.
    """

    label = "Moodle"
    clamps = True
    _NUMBER: Final = ("identifier", "identificador")
    _EMAIL: Final = (
        "email address",
        "dirección de correo",
        "dirección email",
        "correo electrónico",
    )
    _LOGIN: Final = ("username", "nombre de usuario")
    _PERSON: Final = ("id number", "número de id", "idnumber")
    _NAME: Final = ("full name", "nombre completo", "nombre completo con enlace")
    _GIVEN: Final = ("first name", "nombre")
    _FAMILY: Final = ("last name", "surname", "apellido(s)", "apellidos")
    _GRADE: Final = ("grade", "calificación")
    _REAL: Final = re.compile(r"(?:[^:]+: )?(.+?)(?: \((?:Real)\))?")
    _NO_POINTS: Final = re.compile(
        r".*\((?:Percentage|Letter|Feedback|Porcentaje|Letra|Retroalimentación|Comentarios)\)"
    )

    def is_header(self, header: Cells) -> bool:
        """Any of the columns that users can be found by."""
        known = {*self._NUMBER, *self._EMAIL, *self._LOGIN, *self._PERSON}
        return any(_normal(text) in known for text in header)

    def columns(self, table: Table) -> list[Column]:
        """The worksheet's grade; elsewhere what is called like an assignment."""
        header = table.rows[0]
        if _normal(header[0]) in self._NUMBER:
            return [
                Column(place, text, frozenset(), only=True)
                for place, text in enumerate(header)
                if _normal(text) in self._GRADE
            ]
        return [
            _column(place, text, real[1], text.removesuffix(" (Real)"))
            for place, text in enumerate(header)
            if not self._NO_POINTS.fullmatch(text) and (real := self._REAL.fullmatch(text))
        ]

    def keys(self, header: Cells) -> list[Key]:
        """E-mail address, user name and id number, then what the worksheet numbers."""
        email, login = _cell(header, *self._EMAIL), _cell(header, *self._LOGIN)
        person, number = _cell(header, *self._PERSON), _cell(header, *self._NUMBER)
        whole, given = _cell(header, *self._NAME), _cell(header, *self._GIVEN)
        family = _cell(header, *self._FAMILY)

        def name(cells: Cells) -> str:
            return whole(cells) or f"{given(cells)} {family(cells)}"

        return [
            Key(email, lambda row: row.email),
            Key(login, lambda row: row.login),
            Key(person, lambda row: row.person),
            Key(login, lambda row: row.bare_id),
            Key(person, lambda row: row.bare_id),
            _imported(lambda cells: re.sub(r"\D*", "", number(cells)), name),
            *_names(name),
        ]


LAYOUTS: Final[Mapping[str, type[Layout]]] = {
    "canvas": Canvas,
    "moodle": Moodle,
    "openedx": OpenEdx,
    "blackboard": Blackboard,
    "sakai": Sakai,
}


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


# Filling one in


def fill(
    layout: Layout,
    data: bytes,
    rows: Sequence[Row],
    items: Sequence[Item],
    *,
    called: Mapping[str, Sequence[str]],
    warn: Warn,
) -> bytes:
    """Write grades into what an LMS exported.

    A cell is written only where there is a grade: nothing that the LMS has is removed.

    Args:
        layout: which LMS it is.
        data: what it exported.
        rows: the students.
        items: the assignments.
        called: titles by which the LMS may know an assignment, the likeliest first.
        warn: is told what did not fit.

    Raises:
        GradeFileError: it is no such file, or lacks an assignment or every student.
    """
    table = read_table(data, layout.is_header, layout.label)
    layout.prepare(table)
    places = _places(layout, table, items, called)
    body = [cells for cells in table.rows[1:] if layout.is_student(cells)]
    found = match(layout.keys(table.rows[0]), body, rows)
    graded = [row for row in rows if any(row.grade(item.name) is not None for item in items)]
    matched = {row.student for row in found.values()}
    missing = [row.student for row in graded if row.student not in matched]
    if graded and len(missing) == len(graded):
        raise GradeFileError(
            f"none of the {len(graded)} students who have a grade is in the file from "
            f"{layout.label}: is it of this course? They are {named(missing)}"
        )
    for item, column in places.items():
        _compare_maximum(layout, item, column, warn)
        _write_column(layout, item, column, [(body[i], row) for i, row in found.items()], warn)
    if missing:
        warn(f"not found in the file from {layout.label}, so without a grade: {named(missing)}")
    return table.write()


def _places(
    layout: Layout, table: Table, items: Sequence[Item], called: Mapping[str, Sequence[str]]
) -> dict[Item, Column]:
    columns = layout.columns(table)
    places: dict[Item, Column] = {}
    for item in items:
        wanted = [_normal(title) for title in called.get(item.name) or [item.name]]
        if len(items) == 1 and any(column.only for column in columns):
            found = [column for column in columns if column.only]
        else:
            by_title = ([c for c in columns if title in c.titles] for title in wanted)
            found = next(filter(None, by_title), [])
        if len(found) != 1 or found[0] in places.values():
            raise _no_column(layout, item, found, columns)
        places[item] = found[0]
    return places


def _no_column(
    layout: Layout, item: Item, found: Sequence[Column], columns: Sequence[Column]
) -> GradeFileError:
    has = named([repr(column.header) for column in (found or columns)]) or "none"
    what = "more than one column" if found else "no column"
    return GradeFileError(
        f"the file from {layout.label} has {what} for assignment {item.name!r}; its columns are "
        f"{has}. Say what it is called there (in the command: --column '{item.name}=TITLE'), or "
        "choose other assignments"
    )


def _compare_maximum(layout: Layout, item: Item, column: Column, warn: Warn) -> None:
    theirs = column.maximum
    if theirs is not None and round(theirs, 2) != round(item.maximum, 2):
        warn(
            f"{layout.label} counts {column.header!r} up to {maximum_text(theirs)} points, and "
            f"{item.name} has {maximum_text(item.maximum)}: make them equal in {layout.label} "
            "before you import"
        )


def _write_column(
    layout: Layout, item: Item, column: Column, pairs: Sequence[tuple[Cells, Row]], warn: Warn
) -> None:
    kept: list[str] = []
    clamped: list[str] = []
    for cells, row in pairs:
        points = row.grade(item.name)
        if points is None:
            continue
        if layout.stays(cells[column.place]):
            kept.append(row.student)
            continue
        if layout.clamps:
            points = clamp(points, item, row.student, clamped)
        cells[column.place] = points_text(points, item.maximum)
    if kept:
        warn(
            f"left as {layout.label} has them in {column.header!r}, excused or not assigned: "
            f"{named(sorted(kept))}"
        )
    warn_clamped(layout.label, item, clamped, warn)


def clamp(points: float, item: Item, student: str, clamped: list[str]) -> float:
    """Points that are not over the maximum; who had more is noted."""
    if exact(points) <= exact(item.maximum):
        return points
    clamped.append(student)
    return item.maximum


def warn_clamped(label: str, item: Item, clamped: Sequence[str], warn: Warn) -> None:
    """Say who has more points than the maximum, which this LMS does not take."""
    if clamped:
        warn(
            f"{label} takes no more than the maximum, so {item.name} was cut to "
            f"{maximum_text(item.maximum)} points: {named(sorted(clamped))}"
        )
