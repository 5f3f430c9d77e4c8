"""What nbgrader's Autograde reads submissions with; an unreadable one says why it is."""

import json
import shutil
import weakref
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import NoneType
from typing import Any, Final

import nbformat
from nbconvert.exporters import Exporter, NotebookExporter
from nbformat.notebooknode import NotebookNode
from nbgrader.converters import Autograde
from traitlets import Integer

from autograder.bridge.database import one_gradebook
from autograder.bridge.files import OtherFiles, find_assignments, has_links
from autograder.bridge.notebooks import (
    METADATA,
    DamagedNotebook,
    UnreadableNotebook,
    placeholder,
    read_submission,
)
from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.schema import check_schemas_once
from autograder.messages import in_language, set_language
from autograder.messages import translate as _


def _in_one_gradebook(convert: Callable[[], None]) -> Callable[[], None]:
    """Let the steps of a whole conversion share a connection, as nbgrader has no hook for it."""

    def converted() -> None:
        with one_gradebook():
            convert()

    return converted


class _Notebook(NotebookNode):
    """A notebook that is copied as what it is, plain data: nbconvert copies it eight times."""

    def __deepcopy__(self, memo: Any) -> "_Notebook":
        return _Notebook({key: _copied(value) for key, value in self.items()})


def _copied(node: Any) -> Any:
    kind = type(node)
    if kind is NotebookNode:
        copy = NotebookNode()
        for key, value in node.items():
            dict.__setitem__(copy, key, _copied(value))  # nothing in it is left to convert
        return copy
    if kind is dict:
        return {key: _copied(value) for key, value in node.items()}
    if kind is list:
        return [_copied(item) for item in node]
    return node if kind in _ATOMS else deepcopy(node)


_ATOMS: Final = frozenset({str, int, float, bool, bytes, NoneType})


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
        self._other_files: OtherFiles | None = None
        self._sanitized: Any = None
        """The notebook that was sanitised and is converted next."""
        # RunGraders sets it too, but by then this has already written for the student
        self._settings = RunGraders(parent=self)
        set_language(self._settings.language)
        check_schemas_once()
        if isinstance(self.parent, Autograde):
            find_assignments(self.parent)
            self._guard(self.parent)
            self.parent.convert_notebooks = _in_one_gradebook(self.parent.convert_notebooks)

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

    def _copy_other_files(self, directory: Any, source: Path, master: Path) -> "OtherFiles":
        files = OtherFiles(
            source,
            master,
            file_bytes=min(self.other_file_mib * 1024**2, directory.max_file_size * 1000),
            bytes_left=min(self.other_files_mib * 1024**2, directory.max_dir_size * 1000),
            ignore=[*directory.ignore, "*.ipynb"],
        )
        weakref.finalize(self, shutil.rmtree, files.copy, True)  # when no notebook is converted
        if not has_links(source, Path(directory.root)):
            files.copy_all()
        if files.left_out:
            self.log.warning("%s: left out %s", source, files.told())
        return files

    def _forget_other_files(self) -> None:
        if self._other_files is not None:
            shutil.rmtree(self._other_files.copy, ignore_errors=True)

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> Any:
        """Convert a file; one that cannot be read becomes a notebook that gives the reason.

        All that is told on the way is in the student's language.
        """
        resources = dict(resources or {})
        student = resources.get("nbgrader", {}).get("student", "")
        with in_language(self._settings.language_of(student)):
            return self._from_filename(filename, resources, **kw)

    def _from_filename(self, filename: str, resources: dict[str, Any], **kw: Any) -> Any:
        path = Path(filename)
        resources.setdefault("metadata", {}).update(name=path.stem, path=str(path.parent))
        if getattr(self.parent, "_sanitizing", True):
            notebook = self._read_first(path)
        elif self._sanitized is not None:
            notebook = self._sanitized
        else:
            notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        return self.from_notebook_node(_Notebook(notebook), resources=resources, **kw)

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> Any:
        """Convert a notebook; what is sanitised is kept for the second conversion.

        As nbconvert's, without a second validation: ``optimistic_validation`` has done it.
        """
        notebook, resources = Exporter.from_notebook_node(self, nb, resources, **kw)
        resources["output_suffix"] = ".nbconvert"
        self._sanitized = None
        if isinstance(self.parent, Autograde) and self.parent._sanitizing:
            self._sanitized = notebook
            return json.dumps(notebook), resources  # replaced by the second conversion
        return nbformat.v4.writes(notebook) + "\n", resources

    def _read_first(self, path: Path) -> Any:
        self._forget_other_files()  # they were copied before the first notebook is converted
        try:
            directory = getattr(self.parent, "coursedir", None)
            if directory is not None and has_links(path.parent, Path(directory.root)):
                raise UnreadableNotebook(_("The folder is a link; hand in the notebook itself."))
            notebook = read_submission(path)
        except UnreadableNotebook as error:
            self.log.warning("%s: %s", path, error)
            notebook = placeholder(str(error), isinstance(error, DamagedNotebook))
        if self._other_files is not None and self._other_files.left_out:
            note = _("Files left out: {names}.", names=self._other_files.told())
            notebook.metadata.setdefault(METADATA, NotebookNode())["notes"] = [note]
        return notebook
