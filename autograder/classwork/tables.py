"""Lists that people and programs wrote as CSV, read with limits and one clear error."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from autograder.bridge.course import CourseError
from autograder.bridge.files import open_plain_file

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ROWS: Final = 20_000
MAX_COLUMNS: Final = 2_000
_DELIMITERS: Final = (",", ";", "\t", "|")
_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_QUOTED: Final = re.compile(r'="(.*)"', re.DOTALL)
"""How Canvas and people keep a text or leading zeros from a spreadsheet."""
_FORMULA: Final = re.compile(r"[=+\-@]")
_ESCAPED: Final = re.compile(r"'(?=[=+\-@'])")


@dataclass(frozen=True)
class Row:
    """A row below the header."""

    line: int
    """Where it ends in the file, counted from 1."""
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """What is in a file."""

    path: Path
    header: list[str]
    rows: list[Row]
    encoding: str


def read_table(path: Path, is_known: Callable[[str], bool], wanted: str) -> Table:
    """Read a file of rows below a header.

    Args:
        path: the file.
        is_known: whether a text of the header is one that is looked for, by which the header and
            what is between the cells are found.
        wanted: the header that is expected, for a person.

    Raises:
        CourseError: it is no such file, or too large.
    """
    text, encoding = _decoded(path, _bytes_of(path))
    first, _end, rest = text.partition("\n")
    # a spreadsheet may say first what is between its cells
    lines_before = 1 if re.fullmatch(r"sep=.", first.strip().strip('"')) else 0
    text = rest if lines_before else text
    found = {mark: sum(map(is_known, _header(text, mark))) for mark in _DELIMITERS}
    delimiter = max(found, key=lambda mark: found[mark])
    if not found[delimiter]:
        raise CourseError(
            f"{path} has no column that is known: its first line should be a header, such as "
            f"{wanted}"
        )
    rows = list(_rows(path, text, delimiter, lines_before))
    return Table(path, rows[0].cells, rows[1:], encoding)


def _bytes_of(path: Path) -> bytes:
    try:
        file = open_plain_file(path.resolve())
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from error
    if file is None:
        raise CourseError(f"{path} is no file: give a list of students saved as CSV")
    with file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise CourseError(
            f"{path} has more than {MAX_BYTES // 1024 // 1024} MiB, too much for a list of a "
            "class: is it the right file?"
        )
    return data


def _decoded(path: Path, data: bytes) -> tuple[str, str]:
    if data.startswith(_WORKBOOKS):
        raise CourseError(f"{path} is a workbook or an archive: save the list as CSV")
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    # cp1252 is what Excel writes in Western Europe where it does not write UTF-8
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise _no_text(path)
    if "\0" in text or any(char in text for char in "\x01\x02\x03\x04\x05\x06\x07\x08"):
        raise _no_text(path)
    if not text.strip():
        raise CourseError(f"{path} is empty")
    return text, encoding


def _no_text(path: Path) -> CourseError:
    return CourseError(f"{path} is no text: save the list as CSV in UTF-8")


def _header(text: str, delimiter: str) -> list[str]:
    """The first row; nothing if it cannot be read so."""
    try:
        return next((row for row in _reader(text, delimiter) if any(map(str.strip, row))), [])
    except csv.Error:
        return []


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _rows(path: Path, text: str, delimiter: str, lines_before: int) -> Iterator[Row]:
    """The header and the rows below it that are not empty."""
    reader = _reader(text, delimiter)
    width = count = 0
    try:
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            line, count = reader.line_num + lines_before, count + 1
            width = width or len(cells)
            if width > MAX_COLUMNS or count > MAX_ROWS:
                raise CourseError(
                    f"{path} has more than {MAX_ROWS} rows or {MAX_COLUMNS} columns, too much for "
                    "a list of a class: is it the right file?"
                )
            if any(map(str.strip, cells[width:])):
                raise CourseError(
                    f"{path}, line {line}: {len(cells)} cells below a header of {width}: put a "
                    f"cell that has {delimiter!r} in it between quotation marks"
                )
            yield Row(line, cells)
    except csv.Error as error:
        line = reader.line_num + lines_before
        raise CourseError(f"{path}, line {line}: it is damaged there: {error}") from error


def cell_of(table: Table, row: Row, place: int) -> str:
    """A cell's text, without what keeps a spreadsheet from computing it; empty for a ``-``.

    Raises:
        CourseError: the row ends before it, or the cell is a formula.
    """
    if place >= len(row.cells):
        raise CourseError(
            f"{table.path}, line {row.line}: {len(row.cells)} cells below a header of "
            f"{len(table.header)}: is the line broken in two?"
        )
    text = row.cells[place].strip()
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1].replace('""', '"').strip()
    elif _ESCAPED.match(text):
        return text[1:]
    elif text.startswith(("=", "@")):
        raise CourseError(
            f"{table.path}, line {row.line}: {text[:40]!r} is a formula, not a text: put what it "
            "stands for in its place"
        )
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise CourseError(
            f"{table.path}, line {row.line}: {text[:40]!r} has a line break or another control "
            "character in it"
        )
    return "" if text == "-" else text


def written(rows: Sequence[Sequence[str]]) -> str:
    """Rows as CSV in which a spreadsheet computes nothing; ``cell_of`` reads them back."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([f"'{cell}" if _FORMULA.match(cell) or cell[:1] == "'" else cell
                         for cell in row])  # fmt: skip
    return text.getvalue()
