"""What a student reads who presses Validate.

nbgrader runs the notebook with its visible checks, shows the code of each that fails with a
traceback, and else says that the notebook passes all the tests. Where hidden graders decide, that
is not so. Here a failed check is told by the name of its exercise and its message, and what passes
is called what it is; ``labextensions`` puts those sentences into nbgrader's dialog.
"""

import html
import json
import re
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import nbformat
from jupyter_server.utils import url_path_join
from nbconvert.filters import strip_ansi
from nbgrader.apps import NbGrader
from nbgrader.server_extensions.validate_assignment.handlers import ValidateAssignmentHandler

from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.restore import grade_id_of
from autograder.messages import N_, in_language
from autograder.messages import translate as _

_PAGE_CONFIG: Final = "autograderSentences"
"""Where the front end finds the sentences."""
NOT_SAVED: Final = N_(
    "Your work could not be saved, so nothing was handed in: save it (Ctrl+S) and try again."
)
_HEADING: Final = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)
_RAISED: Final = re.compile(r"^(?P<name>[A-Za-z_][\w.]*): (?P<told>.*)\Z", re.MULTILINE | re.DOTALL)
"""The end of a traceback; the lines before it begin with numbers, arrows or other words."""
_TYPES: Final = ("code", "markdown", "raw")


def explain_validation(server: Any) -> None:
    """Answer Validate in a server's pages; before nbgrader's extension is loaded."""
    pages = server.web_app.settings.setdefault("page_config_data", {})
    with in_language(_language()):
        pages[_PAGE_CONFIG] = json.dumps(_sentences())
    url = url_path_join(server.web_app.settings["base_url"], "/assignments/validate")
    server.web_app.add_handlers(".*$", [(url, _Handler)])  # of two, the first is asked


def _language() -> str:
    """The language that the course in this folder is configured to have."""
    app = NbGrader()
    app.load_config_file()
    language: str = RunGraders(config=app.config).language
    return language


def _sentences() -> dict[str, str]:
    """What nbgrader's dialog says, and what stands in its place; and what we say ourselves."""
    changed = _("The type of this cell was changed; it must stay as it was:")
    return {
        "Validation Results": _("Results of the checks"),
        "Success! Your notebook passes all the tests.": _(
            "The visible checks pass. Grading checks more, also with data that is not shown here."
        ),
        "The following cell failed:": _("This check does not pass yet:"),
        "The source of the following cell has changed, but it should not have!": _(
            "This cell was changed; it must stay as it was:"
        ),
        "There was an error running the validate command:": _("The checks could not be run:"),
        "Not saved": _(NOT_SAVED),
    } | {
        f"The following {now} cell has changed to a {then} cell, but it should not have!": changed
        for now, then in permutations(_TYPES, 2)
    }


class _Handler(ValidateAssignmentHandler):  # type: ignore[misc]
    """nbgrader's, with failed checks told in a line each."""

    def validate_notebook(self, path: str) -> dict[str, Any]:
        """Run a notebook's visible checks."""
        answer: dict[str, Any] = super().validate_notebook(path)
        if answer["success"] and answer["value"].get("failed"):
            exercises = exercises_of(Path(self.root_dir, path))
            answer["value"]["failed"] = [
                told(failed, exercises) for failed in answer["value"]["failed"]
            ]
        return answer


def exercises_of(notebook: Path) -> dict[str, str]:
    """The name of each grade cell's exercise, by the cell's source: the last heading above it."""
    found: dict[str, str] = {}
    heading = ""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and (headings := _HEADING.findall(cell.source)):
            heading = headings[-1]
        elif grade_id := grade_id_of(cell):
            found[cell.source.strip()] = heading or grade_id
    return found


def told(failed: dict[str, str], exercises: dict[str, str]) -> dict[str, str]:
    """A check that failed, as nbgrader's dialog shows it, in words for a beginner."""
    raised = _RAISED.search(strip_ansi(failed["raw_error"]))
    if raised is None:  # no exception: then what nbgrader says is short
        return failed | {"source": exercises.get(failed["source"], failed["source"])}
    text = raised["told"] if raised["name"] == "AssertionError" else raised[0].rstrip(": ")
    return {
        "source": exercises.get(failed["source"], failed["source"]),
        "error": html.escape(text),
        "raw_error": text,
    }
