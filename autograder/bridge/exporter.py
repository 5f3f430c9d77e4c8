"""Reads a submission whatever it is: an unreadable notebook becomes a notebook that says so.

Of a student's notebook only the cells' types, sources, ids and claimed grade_ids are kept; of the
other files only plain ones of bounded size. Nothing else of theirs reaches nbgrader.
"""

import fnmatch
import glob
import json
import os
import re
import shutil
import stat
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.utils import parse_utc
from traitlets import Integer

from autograder.messages import set_language
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
MAX_OTHER_FILES: Final = 500
METADATA: Final = "autograder"
"""Our key in the metadata of autograded notebooks and cells."""

_CELL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OUR_IDS: Final = ("autograder-", "restored-", "cell-")
_OLD_TYPES: Final = {"heading": "markdown", "html": "markdown"}
_LANGUAGE: Final = {"name": "python", "pygments_lexer": "ipython3", "file_extension": ".py"}
_TIMESTAMP: Final = "timestamp.txt"
_NAMES_TOLD: Final = 8


class UnreadableNotebook(Exception):
    """A submitted file is no notebook that can be graded; the message is for the student."""


class SubmissionExporter(NotebookExporter):
    """nbconvert's notebook exporter, with a reader that no submitted file can break.

    Made by nbgrader's ``Autograde``, it also shows that converter a clean copy of the
    submission's other files in place of the submitted ones.
    """

    other_file_mib = Integer(10, help="Largest other file that is kept, in MiB.").tag(config=True)
    other_files_mib = Integer(
        50, help="Most that a submission's other files may have together, in MiB."
    ).tag(config=True)

    def __init__(self, config: Any = None, **kw: Any) -> None:
        """Prepare the converter that makes this exporter, if it is nbgrader's ``Autograde``."""
        super().__init__(config=config, **kw)
        self._other_files: _OtherFiles | None = None
        # RunGraders sets it too, but by then this has already written for the student
        set_language(self.config.get("RunGraders", {}).get("language", "es"))
        if isinstance(self.parent, Autograde):
            _find_assignments(self.parent)
            self._guard(self.parent)

    def _guard(self, converter: Any) -> None:
        """Let the converter copy other files, and read the time stamp, from a clean copy.

        nbgrader has no hook between finding a submission and copying its files, and copies
        with links followed. Both steps ask ``_format_source`` for the folder.
        """
        original = converter._format_source

        def format_source(assignment_id: str, student_id: str, escape: bool = False) -> str:
            path: str = original(assignment_id, student_id, escape=escape)
            if escape or not converter._sanitizing:
                return path
            directory = converter.coursedir
            master = directory.format_path(directory.source_directory, ".", assignment_id)
            if self._other_files is None or self._other_files.source != Path(path):
                self._forget_other_files()
                self._other_files = self._copy_other_files(directory, Path(path), Path(master))
            return str(self._other_files.copy)

        converter._format_source = format_source

    def _copy_other_files(self, directory: Any, source: Path, master: Path) -> "_OtherFiles":
        files = _OtherFiles(
            source,
            master,
            file_bytes=min(self.other_file_mib * 1024**2, directory.max_file_size * 1000),
            bytes_left=min(self.other_files_mib * 1024**2, directory.max_dir_size * 1000),
            ignore=[*directory.ignore, "*.ipynb"],
        )
        weakref.finalize(self, shutil.rmtree, files.copy, True)  # when no notebook is converted
        if not _has_links(source, Path(directory.root)):
            files.copy_all()
        if files.left_out:
            self.log.warning("%s: left out %s", source, files.told())
        return files

    def _forget_other_files(self) -> None:
        if self._other_files is not None:
            shutil.rmtree(self._other_files.copy, ignore_errors=True)

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> Any:
        """Convert a file; one that cannot be read becomes a notebook that gives the reason."""
        resources = dict(resources or {})
        path = Path(filename)
        resources.setdefault("metadata", {}).update(name=path.stem, path=str(path.parent))
        if getattr(self.parent, "_sanitizing", True):
            notebook = self._read_first(path)
        else:  # what the first reading wrote, with our results in it
            notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        return self.from_notebook_node(notebook, resources=resources, **kw)

    def _read_first(self, path: Path) -> Any:
        self._forget_other_files()  # they were copied before the first notebook is converted
        try:
            directory = getattr(self.parent, "coursedir", None)
            if directory is not None and _has_links(path.parent, Path(directory.root)):
                raise UnreadableNotebook(_("The folder is a link; hand in the notebook itself."))
            notebook = read_submission(path)
        except UnreadableNotebook as error:
            self.log.warning("%s: %s", path, error)
            notebook = placeholder(str(error))
        if self._other_files is not None and self._other_files.left_out:
            note = _("Files left out: {names}.", names=self._other_files.told())
            notebook.metadata.setdefault(METADATA, NotebookNode())["notes"] = [note]
        return notebook


def placeholder(reason: str) -> Any:
    """A notebook that stands for one that cannot be read; its grade cells are restored later."""
    notebook = new_notebook()
    notebook.metadata[METADATA] = {"problem": reason}
    title = _("This notebook could not be graded")
    notebook.cells.append(new_markdown_cell(f"## {title}\n\n{reason}", id="autograder-problem"))
    return notebook


# --- folders -----------------------------------------------------------------------------------


def _find_assignments(converter: Any) -> None:
    """Find the converter's notebooks again, with names of folders taken as they are.

    nbgrader takes each folder's name for a glob pattern: for a student ``[a]`` it converts the
    notebooks of ``a``, and a name with a line break ends the run of the whole class.
    """
    directory = converter.coursedir
    wanted = converter._format_source(directory.assignment_id, directory.student_id)
    literal = glob.has_magic(directory.student_id) and directory.student_id != "*"
    folders = [wanted] if literal and os.path.isdir(wanted) else glob.glob(wanted)
    named = re.compile(
        converter._format_source("(?P<assignment_id>.*)", "(?P<student_id>.*)", escape=True)
    )
    converter.assignments = {}
    for folder in folders:
        if not named.fullmatch(folder):
            converter.log.error("%r is passed over: rename the folder", folder)
            continue
        pattern = os.path.join(glob.escape(folder), f"{directory.notebook_id}.ipynb")
        if found := glob.glob(pattern):
            converter.assignments[folder] = found
    if not converter.assignments:
        raise NbGraderException(f"No notebooks were found in {wanted!r}")


def _has_links(folder: Path, root: Path) -> bool:
    """Is a folder, or one between the course's ``submitted`` and it, a link?"""
    try:
        parts = folder.relative_to(root).parts
    except ValueError:
        return folder.is_symlink()
    # the first, `submitted` itself, is the teacher's
    return any(root.joinpath(*parts[:count]).is_symlink() for count in range(2, len(parts) + 1))


@dataclass
class _OtherFiles:
    """A submission's files that are no notebooks, copied where nbgrader can copy them safely."""

    source: Path
    master: Path
    """The assignment's own files, which nbgrader copies over the student's."""
    file_bytes: int
    bytes_left: int
    ignore: list[str]
    files_left: int = MAX_OTHER_FILES
    left_out: list[str] = field(default_factory=list)
    copy: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="autograder-files-")))

    def copy_all(self) -> None:
        """Copy what can be kept; ``left_out`` has the names of the rest."""
        folders = [Path()]
        while folders:
            folder = folders.pop()
            try:
                entries = sorted(os.scandir(self.source / folder), key=lambda entry: entry.name)
            except OSError:
                self.left_out.append(str(folder))
                continue
            for entry in entries:
                place = folder / entry.name
                if self._is_ignored(place):
                    continue
                if self.files_left <= 0:
                    self.left_out.append("…")
                    return
                self.files_left -= 1
                if entry.is_dir(follow_symlinks=False) and self._may_be_folder(place):
                    folders.append(place)
                elif not self._copy_file(place):
                    self.left_out.append(str(place))

    def told(self) -> str:
        """The names of what was left out, for a person."""
        names = [re.sub(r"[^\w./ …-]", "?", name)[:60] for name in self.left_out]
        return ", ".join(names[:_NAMES_TOLD]) + (" …" if len(names) > _NAMES_TOLD else "")

    def _is_ignored(self, place: Path) -> bool:
        """Nothing to copy, and nothing to tell the student."""
        if any(fnmatch.fnmatch(place.name, pattern) for pattern in self.ignore):
            return True
        # a page with the notebook's name would lie where the feedback has to be written
        return place.suffix == ".html" and (self.master / place).with_suffix(".ipynb").exists()

    def _may_be_folder(self, place: Path) -> bool:
        blocked = self.master / place  # a file of the assignment's has to go there
        # nbgrader takes the names of folders for glob patterns
        return not _is_ours(place) and not blocked.is_file() and not glob.has_magic(place.name)

    def _copy_file(self, place: Path) -> bool:
        if _is_ours(place) or (self.master / place).is_dir():
            return False
        data = _read_plain_file(self.source / place, min(self.file_bytes, self.bytes_left))
        if data is None or (place == Path(_TIMESTAMP) and not _is_timestamp(data)):
            return False
        self.bytes_left -= len(data)
        copy = self.copy / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
        return True


def _is_ours(place: Path) -> bool:
    """Would a file lie where the engine writes its own, next to the autograded notebooks?"""
    return place.parts[0].startswith(".autograder")


def _read_plain_file(path: Path, limit: int) -> bytes | None:
    """The bytes of a file, None for a link, a pipe, a device or a file that is too large."""
    try:
        file = _open_plain_file(path)
    except OSError:
        return None
    if file is None:
        return None
    with file:
        if os.fstat(file.fileno()).st_size > limit:
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def _open_plain_file(path: Path) -> BinaryIO | None:
    """Open a file without following a link or waiting for a pipe; None for a folder or a device.

    Raises:
        OSError: it is a link or cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return open(descriptor, "rb")


def _is_timestamp(data: bytes) -> bool:
    """Is this a time that nbgrader can read?"""
    try:
        text = data.decode()
        return len(text) < 100 and (not text.strip() or parse_utc(text.strip()) is not None)
    except Exception:  # dateutil raises many kinds; nbgrader would fail at each of them
        return False


# --- notebooks ---------------------------------------------------------------------------------


def read_submission(path: Path) -> Any:
    """Read a submitted notebook as nbformat 4.

    Raises:
        UnreadableNotebook: it is not a regular file, too large, or no valid notebook.
    """
    return parse_submission(_read_bytes(path))


def parse_submission(data: bytes) -> Any:
    """The notebook in the bytes of a submitted file, as nbformat 4.5, built anew.

    It has the cells' types, sources and ids and the grade_ids that they claim, and none of the
    other metadata, outputs and attachments.

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
        file = _open_plain_file(path)
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
        raise UnreadableNotebook(_("The file is empty."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableNotebook(
            _("The file is not UTF-8 text: it is damaged or not a notebook.")
        ) from error
    try:
        document = json.loads(text, parse_int=_parse_int)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise UnreadableNotebook(
            _("The file is not a complete notebook: it is damaged, cut short or of another kind.")
        ) from error
    if not isinstance(document, dict) or not ("cells" in document or "worksheets" in document):
        raise UnreadableNotebook(_("The file is not a Jupyter notebook."))
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


def _damaged(number: int) -> UnreadableNotebook:
    return UnreadableNotebook(_("Cell {number} of the notebook is damaged.", number=number))


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
        raise UnreadableNotebook(_("The file is not a Jupyter notebook."))
    return [cell for cells in lists for cell in cells]


@dataclass
class _Budget:
    """Characters that the sources of a notebook may still have."""

    code: int = MAX_ALL_CODE_KIB * 1024
    text: int = MAX_ALL_TEXT_KIB * 1024

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
    if kind == "code":
        node.update(execution_count=None, outputs=[])
        node["source"] = budget.take_code(source, number)
    elif grade_id is not None:  # may be a code cell whose type was changed
        node["source"] = budget.take_code(source, number)
    else:
        node["source"] = budget.take_text(source)
    return node


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
