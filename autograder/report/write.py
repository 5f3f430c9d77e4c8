"""The report's files: one page and tables as CSV, written whole or not at all."""

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from autograder.bridge.course import Course, CourseError
from autograder.report.analysis import Report, analyse
from autograder.report.data import read_class
from autograder.report.page import render
from autograder.report.pseudonyms import pseudonyms, secret_of, under_pseudonyms
from autograder.runner.events import valid_text

PAGE: Final = "report.html"
Value: TypeAlias = str | float | int | None
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r\n|%＝＋－＠]")
"""The beginning of a text that a spreadsheet may take for a formula or a command."""


def write_report(
    course: Course, assignment: str, to: Path, *, hide_names: bool = False, key: Path | None = None
) -> Report:
    """Write the report of an assignment into a folder.

    Args:
        course: the course.
        assignment: the assignment's name.
        to: the folder; it is made if it is not there.
        hide_names: put pseudonyms in the place of the students' ids, and leave out what they wrote.
        key: a file to write that tells whose pseudonym is whose.

    Raises:
        CourseError: there is no such assignment, or something cannot be read or written.
    """
    data = read_class(course, assignment)
    names: dict[str, str] = {}
    if hide_names:
        names = pseudonyms([one.student for one in data.submissions], secret_of(course.root))
        data = under_pseudonyms(data, names)
    report = analyse(data, with_code=not hide_names)
    files = {to / name: text for name, text in contents(report).items()}
    if key is not None:
        if key.resolve().parent == to.resolve():
            raise CourseError(f"{key} would lie beside the report: write the key elsewhere")
        rows = sorted((pseudonym, student) for student, pseudonym in names.items())
        files[key] = _csv(("pseudonym", "student"), rows)
    _write_all(files, to, private=key)
    return report


def contents(report: Report) -> dict[str, str]:
    """The texts of the report's files, by name."""
    return {
        PAGE: render(report),
        "students.csv": _students(report),
        "exercises.csv": _exercises(report),
        "checks.csv": _checks(report),
        "diagnoses.csv": _csv(
            ("exercise", "diagnosis", "students", "share", "message"),
            ((r.exercise, r.diagnosis, r.students, r.share, r.message) for r in report.diagnoses),
        ),
        "errors.csv": _csv(
            ("exercise", "error", "limit", "students", "cells"),
            ((r.exercise, r.name, r.meaning, r.students, r.cells) for r in report.errors),
        ),
        "likeness.csv": _csv(
            ("student", "other", "likeness", "shared", "exercises"),
            (
                (r.first, r.second, r.likeness, r.shared, ", ".join(r.exercises))
                for r in report.likeness.pairs
            ),
        ),
    }


def _students(report: Report) -> str:
    names = [row.exercise.name for row in report.exercises]
    rows = (
        (
            row.student,
            row.state,
            row.total,
            "yes" if row.awaits_person else "no",
            *(_known(row.scores, name) for name in names),
        )
        for row in report.students
    )
    return _csv(("student", "state", "total", "awaits_person", *names), rows)


def _known(scores: Mapping[str, float], name: str) -> float | None:
    score = scores.get(name)
    return None if score is None or math.isnan(score) else score


def _exercises(report: Report) -> str:
    columns = (
        *("exercise", "points", "graded", "difficulty", "discrimination", "all_points", "part"),
        *("nothing", "not_attempted", "alpha_without", "grader_faults", "suspicious", "remarks"),
    )
    rows = (
        (
            row.exercise.name,
            row.exercise.points,
            row.item.count,
            row.item.difficulty,
            row.item.discrimination,
            row.outcomes["all points"],
            row.outcomes["a part"],
            row.outcomes["attempted, nothing"],
            row.outcomes["not attempted"],
            row.item.alpha_without,
            row.faults,
            "; ".join(row.suspicious),
            "; ".join(row.remarks),
        )
        for row in report.exercises
    )
    return _csv(columns, rows)


def _checks(report: Report) -> str:
    columns = (
        *("exercise", "check", "weight", "passed", "failed", "not_attempted", "faults"),
        *("pass_share", "discrimination", "suspicious"),
    )
    rows = (
        (
            row.exercise,
            row.title,
            row.weight,
            row.passed,
            row.failed,
            row.not_attempted,
            row.faults,
            row.pass_share,
            row.discrimination,
            "; ".join(row.suspicious),
        )
        for row in report.checks
    )
    return _csv(columns, rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """A table as CSV, in which no text is a formula; numbers stay numbers."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow([_harmless(name) for name in columns])
    for row in rows:
        writer.writerow(
            [_harmless("" if value is None else value) for value in row],
        )
    return text.getvalue()


def _harmless(value: str | float) -> str | float:
    """A value that a spreadsheet shows and does not compute."""
    if not isinstance(value, str):
        return round(value, 6) if isinstance(value, float) else value
    return f"'{value}" if _FORMULA.match(value) else value


def _write_all(files: Mapping[Path, str], folder: Path, private: Path | None) -> None:
    """Write all files beside their places first, and put them there when all are written."""
    partial = {path: path.with_name(f".{path.name}.{os.getpid()}.partial") for path in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            if path.is_dir():
                raise IsADirectoryError(f"{path} is a folder")
            mode = 0o600 if path == private else 0o666
            descriptor = os.open(partial[path], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(valid_text(text, len(text)))
        for path in files:
            partial[path].replace(path)
    except OSError as error:
        told = error.strerror or str(error)
        raise CourseError(f"cannot write the report to {folder}: {told}") from error
    finally:
        for path in partial.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
