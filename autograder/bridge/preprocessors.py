"""The preprocessors that nbgrader's Autograde converter calls."""

import atexit
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float, Unicode

from autograder.bridge.database import store
from autograder.bridge.files import read_plain_files
from autograder.bridge.inputs import environment
from autograder.bridge.lookups import all_grade_cells
from autograder.bridge.notebooks import METADATA
from autograder.bridge.outputs import (
    explain_errors,
    read_result,
    write_outcome,
    write_result,
)
from autograder.bridge.provenance import MADE_BY, made_by
from autograder.bridge.record import digest, keep_checks, known_checks
from autograder.bridge.sections import headings
from autograder.bridge.seeds import Secret, read_secret, secret_path
from autograder.bridge.settings import Jail
from autograder.bridge.stopped import stopped_answers, told_as_stopped, told_as_unreadable
from autograder.grading.cells import code_cells, points_of, read_code_cells
from autograder.grading.client import Graded, GradingProcess
from autograder.grading.names import defined_names
from autograder.grading.results import CellResult
from autograder.messages import in_language
from autograder.runner.limits import MIB, Limits
from autograder.runner.warm import Packages

_FILES_BYTES: Final = 48 * MIB
"""Files beside a notebook that its cells can read, all together: they fit one frame."""
_processes: dict[tuple[Path, Path, Packages], GradingProcess] = {}


def grading_process(course: Path, graders: Path, packages: Packages) -> GradingProcess:
    """The grading process of a course, one for the life of this process."""
    key = (course, graders, packages)
    if key not in _processes:
        _processes[key] = GradingProcess(course, graders, packages)
        atexit.register(_processes[key].stop)
    return _processes[key]


def stop_grading_processes(course: Path) -> None:
    """End the grading processes of a course: its next grading collects the graders anew."""
    for key in [key for key in _processes if key[0] == course]:
        process = _processes.pop(key)
        atexit.unregister(process.stop)
        process.stop()


def _grade_id(cell: NotebookNode) -> str | None:
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return grade_id if isinstance(grade_id, str) else None


class RunGraders(Jail, NbGraderPreprocessor):  # type: ignore[misc]
    """Run the notebook in the warm process and its hidden graders in the grading process.

    Takes the place of nbgrader's Execute. Grade cells that have hidden graders get their score
    and checks as outputs; all other cells, grade cells with in-cell tests among them, get what
    they wrote.
    """

    graders = Unicode(
        "tests/graders", help="Folder of the hidden graders, one sub-folder per assignment."
    ).tag(config=True)
    corpus = Unicode(
        "tests/solutions_corpus",
        help="Folder of solutions to try the graders on, one sub-folder per assignment.",
    ).tag(config=True)
    secret_file = Unicode(
        "",
        help="File with the secret that hidden inputs are made from, outside the course's folder; "
        "by default in the user's data folder, one for each course_id. Made where there is none.",
    ).tag(config=True)
    check_seconds = Float(
        20.0, min=0.1, help="Seconds that one hidden check may take by itself."
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Run and grade one notebook."""
        grade_cells = self._grade_cells(resources["nbgrader"]["assignment"])
        store()  # nobody must wait for the database while cells run
        language = self.language_of(resources["nbgrader"]["student"])
        with in_language(language):
            self._grade(nb, resources, language, grade_cells)
        return nb, resources

    def _grade(
        self, nb: NotebookNode, resources: Any, language: str, grade_cells: set[str]
    ) -> None:
        facts = resources["nbgrader"]
        course = Path.cwd()  # nbgrader's converters run in the course's root
        cells = code_cells(nb)
        limits = self.limits(facts["assignment"])
        secret = self.secret()
        seed = secret.seed(facts["assignment"], facts["student"])
        files = read_plain_files(Path(resources["metadata"]["path"]), _FILES_BYTES, _FILES_BYTES)
        packages = self.packages(for_graders=True)
        names = self._names(facts["assignment"], facts["notebook"])
        unpaid = [[cell.source, cell.grade_id, cell.solution] for cell in cells]
        cells_key, files_key = digest(unpaid), digest(_beside(files))
        settings = {
            "check_seconds": self.check_seconds,
            "allow_unsafe": self.allow_unsafe,
            "language": language,
            "names": digest(None if names is None else sorted(names)),
        }
        graded = grading_process(course, course / self.graders, packages).grade(
            facts["assignment"],
            cells,
            limits,
            seed=seed,
            files=files,
            names=names,
            grade_cells=grade_cells,
            run_key=digest(cells_key, files_key, asdict(limits), seed, settings, environment()),
            known=known_checks(facts["notebook"]),
            language=language,
            check_seconds=self.check_seconds,
            allow_unsafe=self.allow_unsafe,
        )
        keep_checks(facts["notebook"], _kept(graded))
        self._write(nb, graded, facts["assignment"], limits)
        nb.metadata.setdefault(METADATA, {})[MADE_BY] = made_by(
            versions=graded.versions,
            cells=cells_key,
            points=points_of(cells),
            files=files_key,
            secret=secret.fingerprint,
            seed=seed,
            limits=limits,
            settings=settings,
            packages=tuple(packages),
        )
        nb.metadata[METADATA]["graded"] = True
        _say_notes(nb)

    def _write(self, nb: NotebookNode, graded: Graded, assignment: str, limits: Limits) -> None:
        """Write into each code cell what became of it."""
        hints, lesson = self.hints_for(assignment), headings(nb.cells)
        nodes = [cell for cell in nb.cells if cell.cell_type == "code"]
        unreadable = "problem" in nb.metadata.get(METADATA, {})
        results = _results(nodes, graded, unreadable)
        for node, outcome in zip(nodes, graded.outcomes, strict=True):
            result = results.get(_grade_id(node) or "")
            if result is not None and utils.is_grade(node):
                write_result(node, result, hints, lesson)
            elif not unreadable:  # else the released cell, of which nothing is to be said
                write_outcome(node, outcome, limits)
        if self.explain_errors and not unreadable:
            explain_errors(nb, graded.outcomes)

    def secret_path(self) -> Path:
        """Where the course's secret is."""
        directory = self._coursedir()
        return secret_path(self.secret_file, directory.course_id, Path(directory.root))

    def _coursedir(self) -> Any:
        owner: Any = self
        while not hasattr(owner, "coursedir"):  # a command of nbgrader's, above the exporter
            owner = owner.parent
        return owner.coursedir

    def _names(self, assignment: str, notebook: str) -> frozenset[str] | None:
        """The names that the teacher's own notebook defines, if it is there."""
        directory = self._coursedir()
        folder = directory.format_path(directory.source_directory, ".", assignment)
        path = Path(folder, f"{notebook}.ipynb")
        return _names_in(path, path.stat().st_mtime_ns) if path.is_file() else None

    def _grade_cells(self, assignment: str) -> set[str]:
        """The grade cells of all notebooks of an assignment, as released or in the source."""
        directory = self._coursedir()
        with Gradebook(directory.db_url, directory.course_id) as gradebook:
            found = all_grade_cells(gradebook, assignment)
        source = Path(directory.format_path(directory.source_directory, ".", assignment))
        for path in source.glob("*.ipynb"):  # a new exercise may wait for the release
            found |= _grade_cells_in(path, path.stat().st_mtime_ns)
        return found

    def secret(self) -> Secret:
        """The secret that hidden inputs are made from.

        Raises:
            SecretError: it cannot be read or made.
        """
        return read_secret(self.secret_path())


@functools.lru_cache(maxsize=64)
def _names_in(path: Path, changed: int) -> frozenset[str] | None:
    try:
        return defined_names(read_code_cells(path))
    except (OSError, ValueError):
        return None


@functools.lru_cache(maxsize=64)
def _grade_cells_in(path: Path, changed: int) -> frozenset[str]:
    try:
        return frozenset(points_of(read_code_cells(path)))
    except (OSError, ValueError):  # `autograder check` says so
        return frozenset()


def _results(
    nodes: Sequence[NotebookNode], graded: Graded, unreadable: bool
) -> dict[str, CellResult]:
    """By grade cell, its result as it is to be told."""
    if unreadable:
        return {result.grade_id: told_as_unreadable(result) for result in graded.results}
    stopped = stopped_answers(nodes, graded.outcomes)
    return {
        result.grade_id: told_as_stopped(result) if result.grade_id in stopped else result
        for result in graded.results
    }


def _beside(files: Mapping[str, bytes]) -> dict[str, str]:
    """A digest of each file beside a notebook."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def _kept(graded: Graded) -> dict[str, tuple[str, dict[str, Any]]]:
    """The results that may be used again, each with what it depended on."""
    checks = [check for result in graded.results for check in result.checks]
    return {
        check.node_id: (graded.keys[check.node_id], asdict(check))
        for check in checks
        if check.node_id in graded.keys
    }


def _say_notes(nb: NotebookNode) -> None:
    """Show at the top of the notebook what was put back."""
    notes = nb.metadata[METADATA].get("notes", [])
    if notes and "problem" not in nb.metadata[METADATA]:
        text = "\n".join(f"- {note}" for note in notes)
        nb.cells.insert(0, new_markdown_cell(text, id="autograder-notes"))


class MarkFaults(NbGraderPreprocessor):  # type: ignore[misc]
    """Mark grade cells one of whose graders failed as needing a person's review."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Mark the faulty grade cells of one notebook."""
        results = filter(None, map(read_result, nb.cells))
        faulty = [result.grade_id for result in results if result.needs_review]
        if not faulty:
            return nb, resources
        facts = resources["nbgrader"]
        with Gradebook(facts["db_url"]) as gradebook:
            for grade_id in faulty:
                try:
                    grade = gradebook.find_grade(
                        grade_id, facts["notebook"], facts["assignment"], facts["student"]
                    )
                except MissingEntry:
                    continue
                grade.needs_manual_grade = True
            gradebook.db.commit()
        return nb, resources


class StoreGrades(NbGraderPreprocessor):  # type: ignore[misc]
    """Store a notebook's scores: the last step, so that all of them are there or none."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Store what the steps before have told the gradebook."""
        store()
        return nb, resources
