"""Ways to spoil a notebook or its file. Each function returns what ``Case.spoil`` takes."""

import copy
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode, v3, v4

from tests.sample_class.model import POINTS, Answers, Draft, Spoil, serialise

_HUGE = 50 * 1024 * 1024


# --- finding cells ---------------------------------------------------------------------------


def grade_id_of(cell: NotebookNode) -> str | None:
    """The cell's ``grade_id``, None for a plain cell."""
    found = cell.metadata.get("nbgrader", {}).get("grade_id")
    return None if found is None else str(found)


def position(notebook: NotebookNode, grade_id: str) -> int:
    """Where the cell with a ``grade_id`` stands.

    Raises:
        LookupError: the notebook has no such cell.
    """
    for index, cell in enumerate(notebook.cells):
        if grade_id_of(cell) == grade_id:
            return index
    raise LookupError(f"no cell with grade_id {grade_id}")


def _solution(grade_id: str) -> str:
    return f"{grade_id}-solucion"


def _grade_cells(draft: Draft) -> Iterator[NotebookNode]:
    for grade_id in POINTS[draft.assignment]:
        yield draft.notebook.cells[position(draft.notebook, grade_id)]


def _first_code_cell(notebook: NotebookNode) -> NotebookNode:
    found: NotebookNode = next(cell for cell in notebook.cells if cell.cell_type == "code")
    return found


# --- spoiling code ---------------------------------------------------------------------------


def extra_cell(grade_id: str, source: str, name: str) -> Spoil:
    """Add a plain code cell before the solution cell of an exercise."""

    def change(draft: Draft) -> None:
        cell = v4.new_code_cell(source, id=name)
        draft.notebook.cells.insert(position(draft.notebook, _solution(grade_id)), cell)

    return change


def before_everything(source: str) -> Spoil:
    """Put code at the top of the first code cell, before the imports."""

    def change(draft: Draft) -> None:
        cell = _first_code_cell(draft.notebook)
        cell.source = f"{source}\n{cell.source}"

    return change


# --- spoiling what nbgrader knows of a notebook ------------------------------------------------


def delete(*grade_ids: str) -> Spoil:
    """Delete grade cells; without arguments, all of them."""

    def change(draft: Draft) -> None:
        gone = grade_ids or tuple(POINTS[draft.assignment])
        cells = draft.notebook.cells
        draft.notebook.cells = [cell for cell in cells if grade_id_of(cell) not in gone]

    return change


def edit_checks(source: str) -> Spoil:
    """Replace the source of every grade cell."""

    def change(draft: Draft) -> None:
        for cell in _grade_cells(draft):
            cell.source = source

    return change


def change_metadata(**values: object) -> Spoil:
    """Set values in the nbgrader metadata of every grade cell."""

    def change(draft: Draft) -> None:
        for cell in _grade_cells(draft):
            cell.metadata.nbgrader.update(values)

    return change


def rename(grade_id: str, name: str) -> Spoil:
    """Give a grade cell another ``grade_id``."""

    def change(draft: Draft) -> None:
        cell = draft.notebook.cells[position(draft.notebook, grade_id)]
        cell.metadata.nbgrader["grade_id"] = name

    return change


def strip_metadata(draft: Draft) -> None:
    """Lose the nbgrader metadata of every grade cell, as some editors do on copying."""
    for cell in list(_grade_cells(draft)):
        del cell.metadata["nbgrader"]


def answer_elsewhere(grade_id: str) -> Spoil:
    """Move the answer to a plain cell of the student's own; the solution cell is gone."""

    def change(draft: Draft) -> None:
        cells = draft.notebook.cells
        index = position(draft.notebook, _solution(grade_id))
        cells[index] = v4.new_code_cell(cells[index].source, id="mi-celda")

    return change


def duplicate(grade_id: str) -> Spoil:
    """Copy an exercise's solution cell and grade cell, metadata and all, behind themselves."""

    def change(draft: Draft) -> None:
        cells = draft.notebook.cells
        for name in (_solution(grade_id), grade_id):
            index = position(draft.notebook, name)
            again = copy.deepcopy(cells[index])
            again["id"] = f"{again.get('id', name)}-copia"
            cells.insert(index + 1, again)

    return change


def other_kernel(draft: Draft) -> None:
    """Name a kernel of another language, which is not installed."""
    draft.notebook.metadata["kernelspec"] = {
        "display_name": "Julia 1.10",
        "language": "julia",
        "name": "julia-1.10",
    }
    draft.notebook.metadata["language_info"] = {"name": "julia", "file_extension": ".jl"}


# --- spoiling files --------------------------------------------------------------------------


def only_another_file(draft: Draft) -> None:
    """Hand in a text file and no notebook."""
    draft.without_notebook = True
    draft.files["respuestas.txt"] = b"Lo entrego por correo, no me deja subirlo.\n"


def extra_notebook(draft: Draft) -> None:
    """Hand in a second notebook, a scratch copy that the assignment does not know."""
    scratch = v4.new_notebook(metadata=copy.deepcopy(draft.notebook.metadata))
    scratch.cells = [v4.new_code_cell("1 / 0", id="prueba")]
    draft.files["borrador.ipynb"] = serialise(scratch)


def foreign_notebook(assignment: str, answers: Answers) -> Spoil:
    """Hand in the solved notebook of another assignment under this one's name."""

    def change(draft: Draft) -> None:
        draft.notebook.cells = [
            v4.new_code_cell(
                "import matplotlib.pyplot as plt\nimport numpy as np\nimport torch", id="importar"
            )
        ]
        for grade_id, points in POINTS[assignment].items():
            for name, source, facts in (
                (_solution(grade_id), answers[grade_id], {"grade": False, "solution": True}),
                (grade_id, "print('ok')", {"grade": True, "solution": False, "points": points}),
            ):
                metadata = facts | {
                    "grade_id": name,
                    "locked": facts["grade"],
                    "task": False,
                    "schema_version": 3,
                }
                cell = v4.new_code_cell(source, id=name, metadata={"nbgrader": metadata})
                draft.notebook.cells.append(cell)

    return change


def truncated(draft: Draft) -> None:
    """Cut the file in the middle, as a broken upload does."""
    whole = serialise(draft.notebook)
    draft.files[draft.name] = whole[: len(whole) // 2]


def file_of(data: bytes) -> Spoil:
    """Hand in these bytes as the notebook."""

    def change(draft: Draft) -> None:
        draft.files[draft.name] = data

    return change


def old_format(draft: Draft) -> None:
    """Save in nbformat 3, as Jupyter did before 2015."""
    old = nbformat.convert(draft.notebook, 3)
    draft.files[draft.name] = f"{v3.writes_json(old)}\n".encode()


def not_utf8(draft: Draft) -> None:
    """Save in Latin-1, with letters that are then not UTF-8."""
    draft.notebook.cells.append(v4.new_markdown_cell("¿Y la función? Año, señal", id="nota"))
    text = serialise(draft.notebook).decode()
    draft.files[draft.name] = text.encode("latin-1", errors="replace")


def linked_to(target: str) -> Spoil:
    """Hand in a symbolic link; ``{assignment}`` in the target stands for the assignment."""

    def change(draft: Draft) -> None:
        draft.links[draft.name] = target.format(assignment=draft.assignment)

    return change


def huge(draft: Draft) -> None:
    """Save an output of 50 MB in the first code cell."""
    output = v4.new_output("stream", name="stdout", text="0.2158 " * (_HUGE // 7))
    _first_code_cell(draft.notebook).outputs = [output]
