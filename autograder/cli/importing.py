"""The command that takes in the work of a class."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from autograder.classwork.names import shown
from autograder.cli.base import (
    Table,
    answer,
    assignment_argument,
    console,
    course_of,
    json_option,
    main,
    print_error,
    print_line,
)
from autograder.cli.status import Status

if TYPE_CHECKING:  # slow to import
    from autograder.classwork.importing import Received, Report
    from autograder.classwork.roster import Person

_FILE = click.Path(path_type=Path, dir_okay=False)
_LATE = {True: "late", False: "no", None: ""}
_ENTRIES = 4
"""So many names in the export are shown of one student's."""
_STYLES = {"refused": "red", "already there": "dim"}


@main.command("import", fails="work was refused or could not be matched; see the list")
@assignment_argument
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The class: a list from Moodle, Canvas or Classroom, or any CSV with a header "
    "(default: the gradebook's students).",
)
@click.option(
    "--map",
    "said",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A CSV with the columns file,student that says whose files are.",
)
@click.option("--write-map", type=_FILE, help="Write what could not be matched, to fill in.")
@click.option("--replace", is_flag=True, help="Replace submissions that are already there.")
@click.option("--dry-run", is_flag=True, help="Show the same and store nothing.")
@json_option
@click.pass_context
def import_command(
    ctx: click.Context,
    *,
    assignment: str,
    path: Path,
    roster: Path | None,
    said: Path | None,
    write_map: Path | None,
    replace: bool,
    dry_run: bool,
) -> None:
    """Put the work of a class below submitted/, matched to students.

    PATH is what Moodle, Canvas or Classroom let you download, as the archive or the folder it was
    unpacked to, or any folder of notebooks or of students' folders. What cannot be matched is
    listed and not guessed.

    \b
    Examples:
      autograder import tensores ~/Downloads/tensores.zip --dry-run
      autograder import tensores ~/Downloads/tensores.zip --roster class.csv
      autograder import tensores entregas/ --roster class.csv --write-map whose.csv
      autograder import tensores entregas/ --roster class.csv --map whose.csv
    """
    from autograder.classwork.importing import import_work
    from autograder.classwork.settling import require_free

    if write_map is not None:
        require_free(write_map)
    report = import_work(
        course_of(ctx), assignment, path,
        roster=roster, said=said, replacing=replace, dry_run=dry_run,
    )  # fmt: skip
    is_written = _write_map(report, write_map)
    _print(report, dry_run, write_map if is_written else None)
    if not dry_run and any(one.outcome in ("imported", "replaced") for one in report.received):
        print_line(f"next: autograder grade {assignment}")
    answer(_document(report, assignment, dry_run))
    if not report.is_whole:
        print_error("not all of it was taken; see the list")
        sys.exit(Status.FAILED)


def _write_map(report: "Report", path: Path | None) -> bool:
    from autograder.classwork.settling import write_map

    rows = [(one.entry, one.candidates, one.reason) for one in report.unmatched if one.is_work]
    if path is None or not rows:
        return False
    write_map(path, rows)
    return True


def _document(report: "Report", assignment: str, dry_run: bool) -> dict[str, Any]:
    """The report as JSON: docs/reference/command-line.md documents it."""
    roster = report.roster
    return {
        "assignment": assignment,
        "dry_run": dry_run,
        "complete": report.is_whole,
        "roster": roster and {
            "from": roster.source,
            "students": len(roster.people),
            "added": [one.student for one in roster.new],
        },
        "submissions": [
            {
                "student": one.student,
                "outcome": one.outcome,
                "from": one.entries,
                "matched_by": None if one.how == "no roster" else one.how,
                "late": one.late,
                "files": one.files,
                "notes": one.notes,
            }
            for one in report.received
        ],
        "unmatched": [
            {
                "file": shown(one.entry),
                "reason": one.reason,
                "candidates": [person.student for person in one.candidates],
            }
            for one in report.unmatched
        ],
        "missing": [one.student for one in report.missing],
        "left_out": [shown(one) for one in report.left_out],
        "notes": report.notes,
    }  # fmt: skip


def _print(report: "Report", dry_run: bool, written: Path | None) -> None:
    console.print(_table(report.received))
    _print_list(
        "Not matched, so not taken:",
        [
            f"{shown(one.entry)}: {one.reason}"
            + (f"; could be {', '.join(map(_named, one.candidates))}" if one.candidates else "")
            for one in report.unmatched
        ],
    )
    if any(one.is_work for one in report.unmatched):
        mend = f"fill in {written}" if written else "write a list to fill in with --write-map FILE"
        print_line(f"  To say whose these are, {mend}, and give it with --map.")
    _print_list("Left out, as the list says:", [shown(one) for one in report.left_out])
    _print_list("Nothing handed in:", [_named(one) for one in report.missing])
    for note in report.notes:
        print_line(f"Note: {note}")
    print_line(_summary(report, dry_run))


def _table(received: list["Received"]) -> Table:
    table = Table("handed in as", "student", "matched by", "late", "outcome", "files and notes")
    for one in received:
        table.add(
            ("\n".join(one.entries[:_ENTRIES]) + ("\n…" * (len(one.entries) > _ENTRIES))),
            one.student,
            "–" if one.how == "no roster" else one.how,
            Text(_LATE[one.late], "yellow" if one.late else ""),
            Text(one.outcome, _STYLES.get(one.outcome, "")),
            "\n".join([*one.files, *one.notes]),
        )
    return table


def _summary(report: "Report", dry_run: bool) -> str:
    count = Counter(one.outcome for one in report.received)
    told = [
        f"{count['imported']} imported, {count['replaced']} replaced, "
        f"{count['already there']} already there, {count['refused']} refused, "
        f"{len(report.unmatched)} not matched"
    ]
    if report.roster is not None:
        told.append(f"{len(report.missing)} of {len(report.roster.people)} students missing")
        if report.roster.new:
            told.append(f"{len(report.roster.new)} students new in the gradebook")
    if dry_run:
        told.append("nothing was stored: this was a dry run")
    return "; ".join(told)


def _named(person: "Person") -> str:
    return shown(f"{person.student} ({person.full_name})" if person.full_name else person.student)


def _print_list(title: str, lines: list[str]) -> None:
    if lines:
        print_line(title)
        for line in lines:
            print_line(f"  {line}")
