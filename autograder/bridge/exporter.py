"""Reads a submitted notebook whatever it is: an unreadable one becomes a notebook that says so."""

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.v4 import new_markdown_cell, new_notebook

from autograder.messages import translate as _

MAX_NOTEBOOK_MIB: Final = 20
"""Largest submitted notebook that is read."""
METADATA: Final = "autograder"
"""Our key in the metadata of autograded notebooks and cells."""


class UnreadableNotebook(Exception):
    """A submitted file is no notebook that can be graded; the message is for the student."""


class SubmissionExporter(NotebookExporter):
    """nbconvert's notebook exporter, with a reader that no submitted file can break."""

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> Any:
        """Convert a file; one that cannot be read becomes a notebook that gives the reason."""
        resources = dict(resources or {})
        path = Path(filename)
        resources.setdefault("metadata", {}).update(name=path.stem, path=str(path.parent))
        try:
            notebook = read_submission(path)
            if getattr(self.parent, "_sanitizing", True):  # first reading: nothing is ours yet
                _drop_our_metadata(notebook)
        except UnreadableNotebook as error:
            self.log.warning("%s: %s", filename, error)
            notebook = placeholder(str(error))
        return self.from_notebook_node(notebook, resources=resources, **kw)


def _drop_our_metadata(notebook: Any) -> None:
    """Forget results that a student wrote into the notebook's metadata."""
    for holder in (notebook, *notebook.cells):
        holder.metadata.pop(METADATA, None)


def placeholder(reason: str) -> Any:
    """A notebook that stands for one that cannot be read; its grade cells are restored later."""
    notebook = new_notebook()
    notebook.metadata[METADATA] = {"problem": reason}
    title = _("This notebook could not be graded")
    notebook.cells.append(new_markdown_cell(f"## {title}\n\n{reason}", id="autograder-problem"))
    return notebook


def read_submission(path: Path) -> Any:
    """Read a submitted notebook as nbformat 4.

    Raises:
        UnreadableNotebook: it is not a regular file, too large, or no valid notebook.
    """
    document = _parse(_read_bytes(path))
    try:
        notebook = nbformat.reads(json.dumps(document), as_version=4)
        for cell in notebook.cells:
            _tidy(cell)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat's readers raise whatever a malformed file provokes
        raise UnreadableNotebook(
            _("The file is not a valid Jupyter notebook ({kind}).", kind=type(error).__name__)
        ) from error
    return notebook


def _read_bytes(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnreadableNotebook(
            _("The file is a link or cannot be opened; hand in the notebook itself.")
        ) from error
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadableNotebook(_("This is not a file; hand in the notebook itself."))
        if facts.st_size > MAX_NOTEBOOK_MIB * 1024 * 1024:
            size = round(facts.st_size / 1024 / 1024)
            raise UnreadableNotebook(
                _(
                    "The file has {size} MB, more than the {limit} MB allowed. Clear the outputs "
                    "and hand it in again.",
                    size=size,
                    limit=MAX_NOTEBOOK_MIB,
                )
            )
        return file.read(MAX_NOTEBOOK_MIB * 1024 * 1024 + 1)


def _parse(data: bytes) -> Any:
    if not data.strip():
        raise UnreadableNotebook(_("The file is empty."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableNotebook(
            _("The file is not UTF-8 text: it is damaged or not a notebook.")
        ) from error
    try:
        document = json.loads(text, parse_constant=lambda constant: None)
    except (ValueError, RecursionError) as error:
        raise UnreadableNotebook(
            _("The file is not a complete notebook: it is damaged, cut short or of another kind.")
        ) from error
    if not isinstance(document, dict) or not ("cells" in document or "worksheets" in document):
        raise UnreadableNotebook(_("The file is not a Jupyter notebook."))
    return document


def _tidy(cell: Any) -> None:
    """Drop what later steps would stumble over; a student's outputs are not used anyway."""
    if cell.get("cell_type") == "code":
        cell["outputs"] = []
        cell["execution_count"] = None
    if isinstance(cell.get("source"), str):  # lone surrogates fit in no UTF-8 file
        cell["source"] = cell["source"].encode("utf-8", "replace").decode("utf-8")
    cell.pop("attachments", None)
