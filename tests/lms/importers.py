"""How LMSs read a file of grades, written from their importers' code and documentation.

None of it uses the code under test. What an importer would take for something else than it is, or
refuse, fails here.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Grades = dict[str, dict[str, str]]
"""By user, then by column; empty: no grade."""


class RefusedError(Exception):
    """The importer ends, or takes a cell for what it is not."""


def rows_of(text: str, delimiter: str) -> list[list[str]]:
    """The rows; readers of PHP and Java take a backslash before a quotation mark as its escape."""
    if '\\"' in text:
        raise RefusedError("PHP's or Java's reader sees other cells")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    if len({len(row) for row in rows}) != 1:
        raise RefusedError("rows have different numbers of columns")
    return rows


# Canvas: lib/gradebook_importer.rb


@dataclass
class CanvasRow:
    name: str
    id: str
    sis_user_id: str
    sis_login_id: str
    grades: dict[str, str]


@dataclass
class CanvasFile:
    points: dict[str, str]
    students: list[CanvasRow]


def canvas_import(data: bytes) -> CanvasFile:
    text = data.decode("utf-8")
    rows = [row for row in rows_of(text, _canvas_delimiter(text)) if not _only_separators(row)]
    header = rows[0]
    names = 1 if header[0] == "Student" else 2
    if names == 2 and header[:2] != ["LastName", "FirstName"]:
        raise RefusedError("InvalidHeaderRow")
    if header[names] != "ID":
        raise RefusedError("InvalidHeaderRow")
    at = names + 1
    sis_user = sis_login = -1
    if header[at] == "SIS Login ID":
        sis_login, at = at, at + 1
    elif header[at] == "SIS User ID" and header[at + 1] == "SIS Login ID":
        sis_user, sis_login, at = at, at + 1, at + 2
        at += header[at] == "Integration ID"
        at += header[at] == "Root Account"
    if header[at] != "Section":
        raise RefusedError("InvalidHeaderRow")
    totals = re.compile("(Current|Final|Override) (Score|Points|Grade|Status)")
    columns = [i for i in range(at + 1, len(header)) if not totals.search(header[i])]
    found = CanvasFile({}, [])
    for row in rows[1:]:
        if "Points Possible" in row[0]:
            if found.points:
                raise RefusedError("a second row of points")
            found.points = {header[i]: row[i] for i in columns}
        elif not all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", cell) for cell in row):
            name = row[0] if names == 1 else f"{row[1]} {row[0]}"
            user, login = (row[i] if i >= 0 else "" for i in (sis_user, sis_login))
            grades = {header[i]: row[i] for i in columns}
            found.students.append(CanvasRow(name, row[names], user, login, grades))
    return found


def _canvas_delimiter(text: str) -> str:
    """Of the first three lines, not rows: the delimiter that gives the same count in each."""
    lines = io.StringIO(text, newline="").readlines()[:3]
    counts = {}
    for delimiter in ";,":
        try:
            found = {
                len(next(csv.reader([line], delimiter=delimiter, strict=True), []))
                for line in lines
            }
        except csv.Error:
            found = set()
        counts[delimiter] = found.pop() if len(found) == 1 else 0
    return ";" if counts[";"] > counts[","] else ","


def _only_separators(row: Sequence[str]) -> bool:
    return not any(cell.strip(" ") for cell in row)


# Moodle: grade/import/csv/classes/load_data.php


def moodle_import(
    data: bytes, map_from: str, users: Mapping[str, str], items: Sequence[str]
) -> Grades:
    """Import with one column mapped to the user; ``users``: its values, and whose they are."""
    text = data.decode("utf-8-sig")
    rows = rows_of(text.replace("\r\n", "\n"), ",")
    header = [cell.strip() for cell in rows[0]]
    at = header.index(map_from)
    found: Grades = {}
    for row in rows[1:]:
        if not row[at].strip():
            raise RefusedError("an empty cell: Moodle gives this row to the student before it")
        if row[at].strip() not in users:
            raise RefusedError(f"user mapping error: {row[at]}")
        grades = {}
        for item in items:
            value = row[header.index(item)].strip()
            if value not in ("", "-"):
                if float(value) > 100:
                    raise RefusedError("the grade is too large")
                grades[item] = value
        found[users[row[at].strip()]] = grades
    return found


# Open edX: bulk_grades/api.py, GradeCSVProcessor


def open_edx_import(data: bytes, course: str) -> dict[str, tuple[str, float]]:
    """By user_id: the subsection whose score is overridden, and the points."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    if not {"user_id", "course_id"} <= set(reader.fieldnames or ()):
        raise RefusedError("missing column")
    found: dict[str, tuple[str, float]] = {}
    for row in reader:
        if row["course_id"] != course:
            raise RefusedError("wrong course id")
        for key, value in row.items():
            if key.startswith("new_override-") and value.strip():
                # the last one of a row is kept, and the others are lost
                found[row["user_id"]] = (key.split("-", 1)[1], float(value))
                if float(value) < 0:
                    raise RefusedError("grade must be positive")
    return found


# Blackboard: help.blackboard.com, "Work offline with grade data"


def blackboard_import(data: bytes) -> Grades:
    """By user name and id of the column; a column without an id would be made anew."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    else:
        text = data.decode("utf-8-sig")
    tabs = "\t" in text.split("\n", 1)[0]
    if not tabs and any(line and not line.startswith('"') for line in text.splitlines()[:1]):
        raise RefusedError("with commas each cell must be quoted")
    rows = rows_of(text, "\t" if tabs else ",")
    header = rows[0]
    user = header.index("Username")
    ids = {}
    for i, name in enumerate(header):
        if "[Total Pts:" in name:
            known = re.search(r"\|(\d+)$", name)
            ids[i] = known[1] if known else name
    return {row[user]: {key: row[i] for i, key in ids.items()} for row in rows[1:]}


# Sakai: gradebookng ImportGradesHelper.java


def sakai_import(data: bytes, delimiter: str = ",") -> tuple[Grades, dict[str, str]]:
    """By user and title; then the points of the titles that say them."""
    rows = rows_of(data.decode("utf-8"), delimiter)
    titles: dict[int, str] = {}
    points: dict[str, str] = {}
    for i, name in enumerate(rows[0][2:], 2):
        head = name.strip()
        if not head:
            raise RefusedError("a blank heading")
        if re.fullmatch("#.+", head) or re.fullmatch(r"\* (.+)", head):
            continue
        item = re.fullmatch(r"([^\[]+)(\[(\d+([\.,]\d\d?)?)\])?", head)
        if not item:
            raise RefusedError(f"an invalid heading: {head}")
        if item[1].strip() in titles.values():
            raise RefusedError("the same heading twice")
        titles[i] = item[1].strip()
        points |= {item[1].strip(): item[3]} if item[3] else {}
    body = [row for row in rows[1:] if row[0].strip()]
    if len({row[0].strip() for row in body}) != len(body):
        raise RefusedError("the same user twice")
    return {row[0].strip(): {title: row[i] for i, title in titles.items()} for row in body}, points


# A spreadsheet program that a teacher opens the file with


def formulas(data: bytes, delimiters: str = ",;\t") -> Iterator[str]:
    """Cells that a spreadsheet would compute: a formula with a call, or a command."""
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    for delimiter in delimiters:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            for cell in row:
                if (
                    re.match(r"\s*[=+\-@|%＝＋－＠]", cell)
                    and re.search(r"[(|!*/+&^<>=:]", cell[1:])
                ) or re.match(r"\s*[=|%＝＋－＠]", cell):
                    yield cell
