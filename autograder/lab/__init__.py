"""JupyterLab for a course: an extension of Jupyter's server, and how the server is started.

nbgrader brings its own extensions: Create Assignment, formgrader, assignment list, course list and
validate. This room starts a server with all of them, and mends what does not fit a course with
hidden graders. ``c.ServerApp.jpserver_extensions = {"autograder.lab": True}`` in
``jupyter_server_config.py`` brings the same to a server that is started otherwise, such as a hub's.
"""

from pathlib import Path
from typing import Any, Final

EXTENSION: Final = "autograder.lab"
"""What Jupyter's server knows this by; extensions are loaded by name, so before nbgrader's."""
_FRONT_END: Final = Path(__file__).with_name("labextensions")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": EXTENSION}]


def _link_jupyter_server_extension(server: Any) -> None:
    """Let JupyterLab, which is linked later, find what belongs to it."""
    server.config.LabApp.extra_labextensions_path.append(str(_FRONT_END))


def _load_jupyter_server_extension(server: Any) -> None:
    from autograder.lab.gradebook import read_anew
    from autograder.lab.validation import explain_validation

    explain_validation(server)
    read_anew()


async def _start_jupyter_server_extension(server: Any) -> None:
    """Replace what nbgrader's extensions have put into the server while they were loaded."""
    from autograder.lab.assignments import keep_apart

    keep_apart(server)
