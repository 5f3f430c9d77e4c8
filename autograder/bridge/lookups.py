"""Finds the gradebook's rows among those that are loaded, where nbgrader queries for each again.

A conversion asks for the same assignment, notebook and student many times, and for each cell by
itself. While ``Lookups`` are in place a row is asked for once, and the cells, grades and comments
of a notebook all at once.
"""

from collections.abc import Callable
from typing import Any, Final

from nbgrader.api import Assignment, BaseCell, Comment, Grade, Gradebook, GradeCell, Notebook

_ROWS: Final = (
    "find_assignment",
    "find_notebook",
    "find_student",
    "find_submission",
    "find_submission_notebook",
)


class Lookups:
    """What has been found so far."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Any] = {}
        self._own: dict[str, Callable[..., Any]] = {}

    def put_in_place(self) -> None:
        """Have every ``Gradebook`` look here first."""
        for name in _ROWS:
            self._replace(name, self._remembered)
        self._replace("find_source_cell", self._from(_source_cells))
        self._replace("find_graded_cell", self._from(grade_cells))
        self._replace("find_grade", self._from(_grades))
        self._replace("find_comment", self._from(_comments))

    def remove(self) -> None:
        """Have nbgrader query again."""
        for name, own in self._own.items():
            setattr(Gradebook, name, own)
        self._own = {}
        self.forget()

    def forget(self) -> None:
        """Forget what was found: rows may have changed or gone."""
        self._found = {}

    def _replace(self, name: str, make: Callable[[Callable[..., Any]], Any]) -> None:
        self._own[name] = getattr(Gradebook, name)
        setattr(Gradebook, name, make(self._own[name]))

    def _remembered(self, own: Callable[..., Any]) -> Any:
        """A method that finds one row, and asks once."""

        def find(gradebook: Any, *names: Any) -> Any:
            key = (own, gradebook.engine, *names)
            if key not in self._found:
                self._found[key] = own(gradebook, *names)
            return self._found[key]

        return find

    def _from(self, load: Callable[..., dict[str, Any]]) -> Any:
        """A way to make a method that finds a row of a notebook by its cell's name."""

        def make(own: Callable[..., Any]) -> Any:
            def find(gradebook: Any, name: str, *place: Any) -> Any:
                key = (load, gradebook.engine, *place)
                if key not in self._found:
                    self._found[key] = load(gradebook, *place)
                row = self._found[key].get(name)
                return own(gradebook, name, *place) if row is None else row

            return find

        return make


def _source_cells(gradebook: Any, notebook: str, assignment: str) -> dict[str, Any]:
    cells = gradebook.find_notebook(notebook, assignment).source_cells
    return {cell.name: cell for cell in cells}


def grade_cells(gradebook: Any, notebook: str, assignment: str) -> dict[str, Any]:
    """The cells of a notebook that have automatic points, by name, with one query."""
    row = gradebook.find_notebook(notebook, assignment)
    cells = gradebook.db.query(GradeCell).filter(GradeCell.notebook_id == row.id)
    return {cell.name: cell for cell in cells}


def all_grade_cells(gradebook: Any, assignment: str) -> set[str]:
    """The names of the cells of all notebooks of an assignment that have automatic points."""
    query = gradebook.db.query(GradeCell.name).join(Notebook, Notebook.id == GradeCell.notebook_id)
    of_this = query.join(Assignment, Assignment.id == Notebook.assignment_id)
    return {name for (name,) in of_this.filter(Assignment.name == assignment)}


def _grades(gradebook: Any, notebook: str, assignment: str, student: str) -> dict[str, Any]:
    return _of_cells(Grade, gradebook, notebook, assignment, student)


def _comments(gradebook: Any, notebook: str, assignment: str, student: str) -> dict[str, Any]:
    return _of_cells(Comment, gradebook, notebook, assignment, student)


def _of_cells(kind: Any, gradebook: Any, *place: str) -> dict[str, Any]:
    """A submitted notebook's rows of a kind, by the names of their cells."""
    row = gradebook.find_submission_notebook(*place)
    query = gradebook.db.query(kind, BaseCell.name).join(BaseCell, BaseCell.id == kind.cell_id)
    return {name: found for found, name in query.filter(kind.notebook_id == row.id)}
