"""New assignments and exercises: whole and working at once, or not made at all."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from autograder.authoring import texts
from autograder.authoring.files import Changed, write_together
from autograder.authoring.names import Exercise, Place, check_name, title_of
from autograder.bridge.course import Course, CourseError
from autograder.messages import in_language

_SOLUTIONS = '"""Reference solutions of the course: what the graders compare with."""\n'


def new_assignment(course: Course, name: str, title: str = "") -> list[Path]:
    """Make an assignment without exercises; the files that were written.

    Raises:
        CourseError: it cannot have this name, or is there already.
        OSError: a file cannot be written.
    """
    check_name("assignment", name)
    place = Place(course, name)
    _require_free(course, place)
    with in_language(course.settings.language):
        made = texts.notebook(title_of(name, title))
    new = {
        place.notebook: _notebook_bytes(made),
        place.reference: texts.reference_module(name).encode(),
        **_package(place),
    }
    write_together(new, {})
    return list(new)


def _require_free(course: Course, place: Place) -> None:
    """Refuse an assignment that another one would be taken for."""
    for known in course.assignments():
        if known == place.assignment:
            raise CourseError(
                f"there is an assignment {known!r} already: add exercises to it with "
                f"`autograder new exercise {known} EXERCISE`"
            )
        if Place(course, known).module.lower() == place.module.lower():
            raise CourseError(
                f"{place.assignment!r} and the assignment {known!r} would share the reference "
                f"solutions in {place.reference}: choose another name"
            )


def _package(place: Place) -> dict[Path, bytes]:
    """What makes ``solutions`` a package, if it is none yet."""
    path = place.reference.parent / "__init__.py"
    return {} if path.exists() else {path: _SOLUTIONS.encode()}


def new_exercise(
    course: Course, assignment: str, name: str, *, title: str = "", points: float = 1
) -> list[Path]:
    """Add an exercise to an assignment's notebook; the files that were written.

    It is a small one that works, to be changed: cells at the end of the notebook, a reference
    solution, graders, and a corpus of solutions.

    Raises:
        CourseError: it cannot have this name, something of it is there already, or the notebook
            or the reference solutions cannot be added to.
        OSError: a file cannot be read or written.
    """
    course.require(assignment)
    check_name("assignment", assignment)
    place = Place(course, assignment)
    exercise = Exercise.of(assignment, name, title, points)
    with in_language(course.settings.language):
        new: dict[Path, bytes] = {
            place.grader(exercise.grade_id): texts.grader(exercise, place.module).encode(),
            place.corpus(exercise.grade_id): texts.corpus(exercise, assignment).encode(),
            **_package(place),
        }
        changed = {}
        if place.reference.exists():
            changed[place.reference] = _with_reference(place.reference, exercise)
        else:
            module = f"{texts.reference_module(assignment)}\n\n{texts.reference(exercise)}"
            new[place.reference] = module.encode()
        changed[place.notebook] = _with_cells(place.notebook, exercise)  # the last to be written
    write_together(new, changed)
    return [*new, *changed]


def _with_reference(path: Path, exercise: Exercise) -> Changed:
    """The module with the reference solution of an exercise at its end."""
    before = path.read_bytes()
    try:
        text = before.decode()
        names = {getattr(node, "name", None) for node in ast.parse(text).body}
    except (SyntaxError, ValueError) as error:
        raise CourseError(f"{path} is no Python to add to: {error}") from error
    if exercise.function in names:
        raise CourseError(
            f"{path} defines `{exercise.function}` already: choose another name for the exercise"
        )
    after = f"{text.rstrip()}\n\n\n{texts.reference(exercise)}"
    return Changed(before, after.encode())


def _with_cells(path: Path, exercise: Exercise) -> Changed:
    """The notebook with the cells of an exercise at its end."""
    if not path.is_file():
        raise CourseError(
            f"there is no {path}: an assignment to which exercises are added has a notebook of "
            "its own name"
        )
    before = path.read_bytes()
    notebook = _read(path, before)
    ids = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells}
    ids |= {cell.get("id") for cell in notebook.cells}
    added = texts.cells(exercise)
    taken = sorted({cell.id for cell in added} & ids)
    if taken:
        raise CourseError(
            f"{path} has a cell {taken[0]!r} already: choose another name for the exercise"
        )
    if notebook.nbformat_minor < 5:  # its cells have no ids
        for cell in added:
            del cell["id"]
    notebook.cells += added
    return Changed(before, _notebook_bytes(notebook))


def _read(path: Path, data: bytes) -> Any:
    """The notebook in a file, of a format that can be added to as it is."""
    mend = "open it in JupyterLab, save it there, and try again"
    try:
        found: Mapping[str, Any] = json.loads(data)
        if found["nbformat"] != 4:
            raise CourseError(f"{path} is of the old notebook format {found['nbformat']}: {mend}")
        notebook = nbformat.reads(data.decode(), as_version=4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise CourseError(f"{path} is no sound notebook ({reason}): {mend}") from error
    return notebook


def _notebook_bytes(notebook: Any) -> bytes:
    return f"{nbformat.writes(notebook)}\n".encode()
