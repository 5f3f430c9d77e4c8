"""Files of grades for LMSs: new ones, and the LMS's own export filled in.

What the importers expect was read in their code and documentation (docs/how-to/grade-files.md).
In every file missing work is an empty cell and never 0, and points have two decimals.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, get_args

from sqlalchemy import Engine, select

from autograder.lms.gradefiles.rows import (
    GradeFileError,
    Item,
    Row,
    Score,
    id_text,
    maximum_text,
    named,
    points_text,
    rows_of,
    shown_text,
    sortable_name,
    unsettled_of,
)
from autograder.lms.gradefiles.templates import LAYOUTS, Table, Warn, clamp, fill, warn_clamped
from autograder.lms.schema import Link

__all__ = [
    "KINDS",
    "NEED_TEMPLATE",
    "GradeFileError",
    "Kind",
    "Row",
    "Score",
    "content_type",
    "file_name",
    "grade_file",
    "rows_of",
    "titles_of",
]

Kind = Literal["canvas", "moodle", "openedx", "blackboard", "sakai"]
KINDS: Final = get_args(Kind)
NEED_TEMPLATE: Final = frozenset({"openedx"})
"""LMSs that know students only by numbers which nobody else has."""
_CSV: Final = "text/csv; charset=utf-8"
_OPEN_EDX_BYTES: Final = 2 * 1024 * 1024
_MOODLE_MOST: Final = 100


def grade_file(
    kind: str,
    rows: Sequence[Row],
    assignments: Sequence[str],
    template: bytes | None = None,
    *,
    called: Mapping[str, Sequence[str]] | None = None,
    warn: Warn = lambda _told: None,
) -> bytes:
    """Write the grades of some assignments as an LMS imports them.

    Args:
        kind: one of ``KINDS``.
        rows: the students, as from ``rows_of``.
        assignments: their names.
        template: what the LMS exported; its rows and columns are kept, and grades written into it.
        called: titles by which the LMS may know an assignment, the likeliest first.
        warn: is told what did not fit, in a sentence for a teacher.

    Raises:
        GradeFileError: there is no such file, or nothing to write into it.
    """
    if kind not in KINDS:
        raise GradeFileError(f"there is no file of grades for {kind!r}: choose {', '.join(KINDS)}")
    titles = {} if called is None else called
    items = _items(kind, rows, assignments)
    layout = LAYOUTS[kind]()
    if waiting := sorted({row.student for row in rows if _waits(row, items)}):
        warn(f"a person has still to give points, so there is no grade yet: {named(waiting)}")
    if unsettled := unsettled_of(rows, [item.name for item in items]):
        warn(unsettled)
    if kind == "moodle" and any(item.maximum > _MOODLE_MOST for item in items):
        warn(
            f"Moodle imports no points over {_MOODLE_MOST} into its gradebook unless its "
            "administrator allows unlimited grades"
        )
    if template is not None:
        made = fill(layout, template, rows, items, called=titles, warn=warn)
    elif kind in NEED_TEMPLATE:
        raise GradeFileError(
            f"{layout.label} knows students only by its own numbers: export the grades there, and "
            "give that file as the template"
        )
    else:
        heads = {item: (titles.get(item.name) or [item.name])[0] for item in items}
        made = _NEW[kind](rows, heads, warn).write()
    if kind == "openedx" and len(made) > _OPEN_EDX_BYTES:
        warn("Open edX takes files up to 2 MiB: import it in parts, each with the first line")
    return made


def titles_of(engine: Engine | None, assignments: Sequence[str]) -> dict[str, list[str]]:
    """What the LMS's courses call assignments, as launches told it, with their names last."""
    if engine is None:
        return {}
    from autograder.lms.database import reading  # needs what only the tool is installed with

    query = select(Link.assignment, Link.title).where(
        Link.assignment.in_(assignments), Link.title != ""
    )
    found: dict[str, list[str]] = {}
    with reading(engine) as session:
        for name, title in session.execute(query.distinct().order_by(Link.title)):
            found.setdefault(name, []).append(title)
    return {name: [*titles, name] for name, titles in found.items()}


def file_name(kind: str, assignments: Sequence[str]) -> str:
    """A name for a file of grades, such as ``tensores-canvas.csv``."""
    of = assignments[0] if len(assignments) == 1 else "grades"
    return f"{of}-{kind}.csv"


def content_type(kind: str) -> str:
    """The media type of a file of grades that has no template."""
    return _CSV


def _items(kind: str, rows: Sequence[Row], assignments: Sequence[str]) -> list[Item]:
    if not rows:
        raise GradeFileError("the gradebook has no students yet: there is nothing to write")
    if not assignments:
        raise GradeFileError("choose an assignment: there is nothing to write")
    if kind == "openedx" and len(assignments) > 1:
        # its import keeps one override of each row and drops the others without a word
        raise GradeFileError("Open edX imports one assignment at a time: choose one")
    items = []
    for name in dict.fromkeys(assignments):
        score = next((row.scores[name] for row in rows if name in row.scores), None)
        if score is None:
            raise GradeFileError(f"nothing is known of the points of assignment {name!r}")
        items.append(Item(name, score.maximum))
    return items


def _waits(row: Row, items: Sequence[Item]) -> bool:
    return any(item.name in row.scores and row.scores[item.name].needs_person for item in items)


# New files

_Heads = Mapping[Item, str]
"""What an assignment is called in the LMS."""


def _points(row: Row, item: Item) -> str:
    points = row.grade(item.name)
    return "" if points is None else points_text(points, item.maximum)


def _graded(rows: Sequence[Row], heads: _Heads) -> list[Row]:
    """Those who have a grade in any of these assignments."""
    return [row for row in rows if any(row.grade(item.name) is not None for item in heads)]


def _login(row: Row) -> str:
    """The user name in the LMS, which an id of nbgrader's is where a person chose it."""
    return id_text(row.login or row.bare_id)


def _canvas(rows: Sequence[Row], heads: _Heads, warn: Warn) -> Table:
    """``gradebook_importer.rb``: five columns of the student, then a row of points."""
    # a row whose first cell says so is one of points, be it a student's
    who = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
    body = [
        [
            shown_text(sortable_name(row)).replace("Points Possible", "Points possible"),
            row.user if row.user.isdecimal() else "",
            id_text(row.person),
            _login(row),
            "",
            *(_points(row, item) for item in heads),
        ]
        for row in rows
    ]
    most = ["    Points Possible", "", "", "", "", *(maximum_text(i.maximum) for i in heads)]
    return Table([[*who, *map(shown_text, heads.values())], most, *body])


def _moodle(rows: Sequence[Row], heads: _Heads, warn: Warn) -> Table:
    """Any columns do, and the teacher says which one tells users.

    A row whose cell is empty there is taken for one of the student before it (``load_data.php``),
    and an unknown user ends the whole import. So only columns are written that are full, and only
    students who have a grade.
    """
    graded = _graded(rows, heads)
    columns: dict[str, Callable[[Row], str]] = {
        "User ID": _moodle_number,
        "Username": _login,
        "ID number": lambda row: id_text(row.person),
        "Email address": lambda row: id_text(row.email),
    }
    known = max(([row for row in graded if of(row)] for of in columns.values()), key=len)
    if not known:
        raise GradeFileError(
            "no student has a grade yet whom Moodle could find by a user name, an id number or an "
            "e-mail address"
        )
    full = {head: of for head, of in columns.items() if all(map(of, known))}
    _warn_left_out("Moodle", graded, known, warn)
    clamped: dict[Item, list[str]] = {item: [] for item in heads}
    body = []
    for row in known:
        points = [
            ""
            if given is None
            else points_text(clamp(given, i, row.student, clamped[i]), i.maximum)
            for i in heads
            for given in (row.grade(i.name),)
        ]
        body.append([*(of(row) for of in full.values()), shown_text(row.name), *points])
    for item, students in clamped.items():
        warn_clamped("Moodle", item, students, warn)
    return Table([[*full, "Name", *map(shown_text, heads.values())], *body])


def _moodle_number(row: Row) -> str:
    """Moodle's own number of a user, which it also sends as the user of a launch."""
    number = row.user or (row.sub if row.product == "moodle" else "")
    return number if number.isdecimal() else ""


def _blackboard(rows: Sequence[Row], heads: _Heads, warn: Warn) -> Table:
    """Blackboard's help, *Work offline*: the user name is the key, and all cells are quoted."""
    known = [row for row in rows if _login(row)]
    _warn_left_out("Blackboard", _graded(rows, heads), known, warn)
    header = ["Last Name", "First Name", "Username", "Student ID"]
    header += [f"{shown_text(t)} [Total Pts: {maximum_text(i.maximum)}]" for i, t in heads.items()]
    body = [
        [
            shown_text(row.family_name or sortable_name(row)),
            shown_text(row.given_name if row.family_name else ""),
            _login(row),
            id_text(row.person),
            *(_points(row, item) for item in heads),
        ]
        for row in known
    ]
    return Table([header, *body], all_quoted=True)


def _sakai(rows: Sequence[Row], heads: _Heads, warn: Warn) -> Table:
    """``ImportGradesHelper.java``: user and name, then ``Title [20]`` with up to two decimals."""
    known = [row for row in rows if _login(row)]
    _warn_left_out("Sakai", _graded(rows, heads), known, warn)
    header = ["Student ID", "Name"]
    for item, title in heads.items():
        plain = title.replace("[", "(").replace("]", ")").lstrip("#* ") or item.name
        header.append(f"{shown_text(plain)} [{maximum_text(item.maximum, decimals=2)}]")
    body = [
        [_login(row), shown_text(sortable_name(row)), *(_points(row, item) for item in heads)]
        for row in known
    ]
    return Table([header, *body])


_NEW: Final[Mapping[str, Callable[[Sequence[Row], _Heads, Warn], Table]]] = {
    "canvas": _canvas,
    "moodle": _moodle,
    "blackboard": _blackboard,
    "sakai": _sakai,
}


def _warn_left_out(label: str, rows: Sequence[Row], kept: Sequence[Row], warn: Warn) -> None:
    there = {row.student for row in kept}
    if missing := [row.student for row in rows if row.student not in there]:
        warn(
            f"nothing is known here by which {label} could find them, so they are left out: "
            f"{named(missing)}"
        )
