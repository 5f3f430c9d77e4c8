"""What a student reads who presses Validate.

nbgrader runs the notebook with its visible checks, and where none fails it says that the notebook
passes all the tests. Where hidden graders decide, that is not so. Here what passes is called what
it is, by sentences that ``labextensions`` puts into nbgrader's dialog; ``validator`` tells of the
checks that fail.
"""

import json
from itertools import permutations
from typing import Any, Final

from jupyter_server.utils import url_path_join
from nbgrader.apps import NbGrader
from nbgrader.server_extensions.validate_assignment import handlers

from autograder.bridge.preprocessors import RunGraders
from autograder.lab.validator import ExplainingValidator
from autograder.messages import N_, in_language
from autograder.messages import translate as _

_PAGE_CONFIG: Final = "autograderSentences"
"""Where the front end finds the sentences."""
NOT_SAVED: Final = N_(
    "Your work could not be saved, so nothing was handed in: save it (Ctrl+S) and try again."
)
MORE: Final = N_("Grading checks more than this, also with data that is not shown here.")
_TYPES: Final = ("code", "markdown", "raw")
_DIED: Final = "DeadKernelError"


def explain_validation(server: Any) -> None:
    """Answer Validate in a server's pages."""
    pages = server.web_app.settings.setdefault("page_config_data", {})
    with in_language(_language()):
        pages[_PAGE_CONFIG] = json.dumps(_sentences())
    handlers.Validator = ExplainingValidator  # the handler cannot be given another
    url = url_path_join(server.web_app.settings["base_url"], "/assignments/validate")
    server.web_app.add_handlers(".*$", [(url, Handler)])  # of two, the first is asked


class Handler(handlers.ValidateAssignmentHandler):  # type: ignore[misc]
    """nbgrader's, with a sentence in the place of its traceback where the kernel died."""

    def validate_notebook(self, path: str) -> dict[str, Any]:
        """Run a notebook's visible checks."""
        answer: dict[str, Any] = super().validate_notebook(path)
        if not answer["success"] and _DIED in answer["value"]:
            with in_language(_language()):
                answer["value"] = _("Your notebook's process ended or did not answer.")
        return answer


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
        "The following cell failed:": _("These checks do not pass yet:"),
        "More": _(MORE),
        "The source of the following cell has changed, but it should not have!": _(
            "This cell was changed; it must stay as it was:"
        ),
        "There was an error running the validate command:": _("The checks could not be run:"),
        "Not saved": _(NOT_SAVED),
    } | {
        f"The following {now} cell has changed to a {then} cell, but it should not have!": changed
        for now, then in permutations(_TYPES, 2)
    }
