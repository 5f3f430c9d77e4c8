"""Reads the grades of an assignment by the indexes that the gradebook has.

nbgrader's tables have one index on grades and one on comments, by cell and then by notebook of a
submission. A query that comes from submissions looks at every grade of every assignment; one that
names the assignment's cells looks only at theirs. Rows are plain ones where a connection is given:
a class has tens of thousands, and to make a session's of them takes longer than to read them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nbgrader.api import Assignment, BaseCell, Notebook, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

_PAGES_AT_ONCE: Final = 1000
"""Submitted notebooks that are named in one query."""
Source = Connection | Session


@dataclass(frozen=True)
class Cells:
    """The cells of an assignment."""

    assignment: str
    """Its id."""
    notebooks: Sequence[str]
    """The ids of its notebooks."""
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By the id of a cell: its notebook's name, and its own."""


@dataclass(frozen=True)
class Page:
    """The notebook of a submission."""

    student: str
    penalty: float
    """The points taken for being late."""


@dataclass(frozen=True)
class Pages:
    """Notebooks of submissions to an assignment."""

    rows: dict[str, Page]
    """By their ids."""
    every: bool
    """Whether they are all that there were, so that a query need not name them."""


def cells_of(source: Source, assignment: str) -> Cells | None:
    """The cells of an assignment; None where the gradebook does not have it.

    Args:
        source: where to read.
        assignment: its name.
    """
    query = (
        select(Assignment.id, Notebook.id, Notebook.name, BaseCell.id, BaseCell.name)
        .select_from(Assignment)
        .outerjoin(Notebook, Notebook.assignment_id == Assignment.id)
        .outerjoin(BaseCell, BaseCell.notebook_id == Notebook.id)
        .where(Assignment.name == assignment)
    )
    rows = source.execute(query).all()
    if not rows:
        return None
    notebooks = {row[1]: row[2] for row in rows if row[1] is not None}
    names = {row[3]: (row[2], row[4]) for row in rows if row[3] is not None}
    return Cells(rows[0][0], tuple(notebooks), names)


def submissions_of(
    source: Source, cells: Cells, students: Sequence[str] | None, *columns: Any
) -> Any:
    """Rows of submissions: the student, and what else is asked for.

    Args:
        source: where to read.
        cells: of the assignment.
        students: whose; None for all.
        columns: of ``SubmittedAssignment``.
    """
    query = select(SubmittedAssignment.student_id, *columns)
    return source.execute(query.where(*_whose(cells, students))).all()


def pages_of(source: Source, cells: Cells, students: Sequence[str] | None) -> Pages:
    """The notebooks of submissions.

    Args:
        source: where to read.
        cells: of the assignment.
        students: whose; None for all.
    """
    query = (
        select(
            SubmittedNotebook.id,
            SubmittedAssignment.student_id,
            SubmittedNotebook.late_submission_penalty,
        )
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .where(*_whose(cells, students), SubmittedNotebook.notebook_id.in_(cells.notebooks))
    )
    rows = {
        page: Page(student, float(penalty or 0.0))
        for page, student, penalty in source.execute(query).all()
    }
    return Pages(rows, every=students is None)


def _whose(cells: Cells, students: Sequence[str] | None) -> list[Any]:
    of_these: list[Any] = [SubmittedAssignment.assignment_id == cells.assignment]
    if students is not None:
        of_these.append(SubmittedAssignment.student_id.in_(students))
    return of_these


def rows_of(source: Source, cells: Cells, pages: Pages, query: Any, kind: Any) -> Iterator[Any]:
    """The rows of a query of grades or comments that are of some notebooks of submissions.

    Others may store meanwhile: what is of notebooks that were not there when ``pages`` was read is
    left out.

    Args:
        source: where to read.
        cells: of the assignment.
        pages: whose rows are wanted.
        query: what to select of ``kind``, its ``notebook_id`` first.
        kind: nbgrader's ``Grade`` or ``Comment``.
    """
    of_cells = query.where(kind.cell_id.in_(list(cells.names)))
    if pages.every:
        yield from (row for row in source.execute(of_cells).all() if row[0] in pages.rows)
        return
    ids = list(pages.rows)
    for start in range(0, len(ids), _PAGES_AT_ONCE):
        part = ids[start : start + _PAGES_AT_ONCE]
        yield from source.execute(of_cells.where(kind.notebook_id.in_(part))).all()
