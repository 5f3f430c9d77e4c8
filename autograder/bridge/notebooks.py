"""Read a submitted notebook whatever it is.

Only the cells' types, sources, ids, pasted pictures and claimed grade_ids are kept; nothing else
of a student's notebook reaches nbgrader.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from autograder.bridge.files import open_plain_file
from autograder.messages import translate as _

MAX_NOTEBOOK_MIB: Final = 20
"""Largest submitted notebook that is read."""
MAX_DEPTH: Final = 64
"""Deepest nesting of a submitted notebook's JSON."""
MAX_CELLS: Final = 5000
MAX_CODE_KIB: Final = 128
"""Longest source of a code cell; highlighting in the feedback takes quadratic time."""
MAX_ALL_CODE_KIB: Final = 512
MAX_TEXT_KIB: Final = 16
"""Longest source of a text cell that is kept; rendering takes quadratic time."""
MAX_ALL_TEXT_KIB: Final = 512
MAX_PICTURES_KIB: Final = 8 * 1024
"""Room for the pictures that were pasted into texts, as they are encoded."""
METADATA: Final = "autograder"
"""Our key in the metadata of autograded notebooks and cells."""
PROBLEM_CELL: Final = "autograder-problem"
"""The id of the cell that says why a notebook could not be read."""

_PICTURES: Final = ("image/png", "image/jpeg", "image/gif")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]*=*\s*")
_CELL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OUR_IDS: Final = ("autograder-", "restored-", "cell-")
_OLD_TYPES: Final = {"heading": "markdown", "html": "markdown"}
_LANGUAGE: Final = {"name": "python", "pygments_lexer": "ipython3", "file_extension": ".py"}


class UnreadableNotebook(Exception):
    """A submitted file is no notebook that can be graded; the message is for the student."""


class DamagedNotebook(UnreadableNotebook):
    """It is not what Jupyter saves: something happened to it on its way."""


def placeholder(reason: str, damaged: bool = False) -> Any:
    """A notebook that stands for one that cannot be read; its grade cells are restored later.

    Args:
        reason: why it cannot, which says itself what to do unless it is damaged.
        damaged: whether it is.
    """
    notebook = new_notebook()
    notebook.metadata[METADATA] = {"problem": reason}
    title = _("This notebook could not be graded")
    told = [f"## {title}", reason]
    if damaged:
        told.append(
            _(
                "Open your copy in JupyterLab, see that it is all there, save it "
                "and hand it in again."
            )
        )
    notebook.cells.append(new_markdown_cell("\n\n".join(told), id=PROBLEM_CELL))
    return notebook


def read_submission(path: Path) -> Any:
    """Read a submitted notebook as nbformat 4.

    Raises:
        UnreadableNotebook: it is not a regular file, too large, or no valid notebook.
    """
    return parse_submission(_read_bytes(path))


def parse_submission(data: bytes) -> Any:
    """The notebook in the bytes of a submitted file, as nbformat 4.5, built anew.

    It has the cells' types, sources and ids, the pictures pasted into texts and the grade_ids that
    they claim, and none of the other metadata and outputs.

    Raises:
        UnreadableNotebook: this is no notebook, or one beyond the limits.
    """
    document = _parse(data)
    cells = _listed_cells(document)
    if len(cells) > MAX_CELLS:
        raise UnreadableNotebook(
            _(
                "The notebook has {count} cells, more than the {limit} allowed.",
                count=len(cells),
                limit=MAX_CELLS,
            )
        )
    notebook = new_notebook(metadata=NotebookNode(language_info=NotebookNode(_LANGUAGE)))
    used: set[str] = set()
    budget = _Budget()
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            raise _damaged(number)
        notebook.cells.append(_rebuilt(cell, number, used, budget))
    return notebook


def _read_bytes(path: Path) -> bytes:
    try:
        file = open_plain_file(path)
    except OSError as error:
        raise UnreadableNotebook(
            _("The file is a link or cannot be opened; hand in the notebook itself.")
        ) from error
    if file is None:
        raise UnreadableNotebook(_("This is not a file; hand in the notebook itself."))
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_NOTEBOOK_MIB * 1024 * 1024:
            raise UnreadableNotebook(
                _(
                    "The file has {size} MB, more than the {limit} MB allowed. Clear the outputs "
                    "and hand it in again.",
                    size=round(size / 1024 / 1024),
                    limit=MAX_NOTEBOOK_MIB,
                )
            )
        return file.read(MAX_NOTEBOOK_MIB * 1024 * 1024)


def _parse(data: bytes) -> dict[str, Any]:
    if not data.strip():
        raise DamagedNotebook(_("The file is empty."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedNotebook(
            _("The file is not UTF-8 text: it is damaged or not a notebook.")
        ) from error
    try:
        document = json.loads(text, parse_int=_parse_int)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise DamagedNotebook(
            _("The file is not a complete notebook: it is damaged, cut short or of another kind.")
        ) from error
    if not isinstance(document, dict) or not ("cells" in document or "worksheets" in document):
        raise DamagedNotebook(_("The file is not a Jupyter notebook."))
    _check_depth(document)
    return document


def _parse_int(digits: str) -> int | None:
    """An integer of JSON; Python refuses, and takes quadratic time for, thousands of digits."""
    return int(digits) if len(digits) < 20 else None


def _check_depth(document: Any) -> None:
    level = [document]
    for _depth in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> UnreadableNotebook:
    return UnreadableNotebook(
        _("The file has more than {limit} levels of nested data.", limit=MAX_DEPTH)
    )


def _damaged(number: int) -> DamagedNotebook:
    return DamagedNotebook(_("Cell {number} of the notebook is damaged.", number=number))


def _listed_cells(document: dict[str, Any]) -> list[Any]:
    """The cells of a notebook of any format; before 4 they stood in worksheets."""
    version = document.get("nbformat")
    if isinstance(version, int) and version > 4:
        raise UnreadableNotebook(
            _("The notebook has format {version}, which is newer than 4.", version=version)
        )
    lists = [document.get("cells", [])]
    if "cells" not in document:
        sheets = document["worksheets"]
        sheets = sheets if isinstance(sheets, list) else [sheets]
        lists = [sheet.get("cells", []) if isinstance(sheet, dict) else None for sheet in sheets]
    if not all(isinstance(cells, list) for cells in lists):
        raise DamagedNotebook(_("The file is not a Jupyter notebook."))
    return [cell for cells in lists for cell in cells]


@dataclass
class _Budget:
    """Characters that the sources of a notebook may still have."""

    code: int = MAX_ALL_CODE_KIB * 1024
    text: int = MAX_ALL_TEXT_KIB * 1024
    pictures: int = MAX_PICTURES_KIB * 1024

    def take_code(self, source: str, number: int) -> str:
        self.code -= len(source)
        if len(source) > MAX_CODE_KIB * 1024 or self.code < 0:
            raise UnreadableNotebook(
                _(
                    "Cell {number} is too long: a cell may have {limit} KiB of code and all "
                    "cells together {total} KiB.",
                    number=number,
                    limit=MAX_CODE_KIB,
                    total=MAX_ALL_CODE_KIB,
                )
            )
        return source

    def take_text(self, source: str) -> str:
        kept = source[: min(MAX_TEXT_KIB * 1024, self.text)]
        self.text -= len(kept)
        if len(kept) == len(source):
            return source
        return f"{kept}\n\n" + _("[The text is too long and was cut here.]")


def _rebuilt(cell: dict[str, Any], number: int, used: set[str], budget: _Budget) -> NotebookNode:
    """A valid cell with what is kept of a student's."""
    kind = cell.get("cell_type")
    kind = _OLD_TYPES.get(kind, kind) if isinstance(kind, str) else "raw"
    kind = kind if kind in ("code", "markdown") else "raw"  # raw is at least shown
    source = _source(cell, number)
    node = NotebookNode(cell_type=kind, id=_cell_id(cell, number, used), metadata=NotebookNode())
    grade_id = _claimed(cell)
    if grade_id is not None:
        node.metadata["nbgrader"] = NotebookNode(grade_id=grade_id)
    if kind == "markdown" and (pictures := _pictures(cell, budget)):
        node["attachments"] = pictures
    if kind == "code":
        node.update(execution_count=None, outputs=[])
        node["source"] = budget.take_code(source, number)
    elif grade_id is not None:  # may be a code cell whose type was changed
        node["source"] = budget.take_code(source, number)
    else:
        node["source"] = budget.take_text(source)
    return node


def _pictures(cell: dict[str, Any], budget: _Budget) -> NotebookNode:
    """The pictures that were pasted into a text, as far as there is room for them."""
    kept = NotebookNode()
    attached = cell.get("attachments")
    for name, forms in attached.items() if isinstance(attached, dict) else ():
        for kind in _PICTURES:
            data = forms.get(kind) if isinstance(forms, dict) else None
            if isinstance(data, str) and _BASE64.fullmatch(data) and len(data) <= budget.pictures:
                budget.pictures -= len(data)
                kept[_clean(name)] = NotebookNode({kind: data})
                break
    return kept


def _source(cell: dict[str, Any], number: int) -> str:
    """The source of a cell of any format, as text that fits in a UTF-8 file."""
    source = next((cell[key] for key in ("source", "input", "code", "text") if key in cell), "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise _damaged(number)
    if cell.get("cell_type") == "heading":
        level = cell.get("level")
        source = "#" * (level if isinstance(level, int) and 0 < level < 7 else 1) + " " + source
    return _clean(source)


def _clean(text: str) -> str:
    """The text without lone surrogates, which fit in no file, and without NUL."""
    text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _cell_id(cell: dict[str, Any], number: int, used: set[str]) -> str:
    """The cell's id if it is valid, unique and none of ours, or one made of its number."""
    found = cell.get("id")
    if (
        not isinstance(found, str)
        or not _CELL_ID.fullmatch(found)
        or found in used
        or found.startswith(_OUR_IDS)
    ):
        found = f"cell-{number}"
    used.add(found)
    return found


def _claimed(cell: dict[str, Any]) -> str | None:
    """The grade_id that a cell claims to have; ``RestoreCells`` knows whether there is one."""
    facts: Any = cell.get("metadata")
    for key in ("nbgrader", "grade_id"):
        facts = facts.get(key) if isinstance(facts, dict) else None
    return _clean(facts) if isinstance(facts, str) and 0 < len(facts) < 1000 else None
