"""How JupyterLab is started for a course."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from autograder.bridge.course import Course, CourseError
from autograder.lab import EXTENSION

_EXTENSIONS: Final = (
    EXTENSION,
    *(f"nbgrader.server_extensions.{name}" for name in (
        "assignment_list", "course_list", "formgrader", "validate_assignment"
    )),
)  # fmt: skip
_STUDENT: Final = "student"
"""The folder in the course's where assignments are fetched to that a teacher tries as a student."""
_EXCHANGE_MODE: Final = 0o777
"""What nbgrader wants: on a machine of many, everybody hands in there."""
_OWN_MODE: Final = 0o700


def exchange_of(course: Course) -> Path:
    """The folder that assignments and submissions are exchanged through.

    As configured with ``c.Exchange.root``, or ``autograder/exchange`` in the user's data folder,
    which nobody else can enter.
    """
    if configured := course.app.config.Exchange.get("root"):
        return Path(str(configured))
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "autograder" / "exchange"


def prepare(course: Course) -> None:
    """Make the folders that nbgrader expects to be there.

    Raises:
        CourseError: they cannot be made, or the course has no id, without which nothing can be
            released.
    """
    if not course.directory.course_id:
        raise CourseError(
            f"{course.root / 'nbgrader_config.py'} gives the course no id, under which assignments "
            'are released: add c.CourseDirectory.course_id = "NAME"'
        )
    if "root" not in course.app.config.Exchange:
        _make_exchange(exchange_of(course))
    if "assignment_dir" not in course.app.config.Exchange:
        (course.root / _STUDENT).mkdir(exist_ok=True)


def _make_exchange(folder: Path) -> None:
    try:
        folder.parent.mkdir(mode=_OWN_MODE, parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        folder.chmod(_EXCHANGE_MODE)  # `mkdir` takes the umask away
    except OSError as error:
        raise CourseError(
            f"the exchange folder {folder} cannot be made: {error.strerror}. "
            "Give another one with c.Exchange.root in nbgrader_config.py"
        ) from error


def command(course: Course, *, port: int, browser: bool, options: Sequence[str] = ()) -> list[str]:
    """The command that starts JupyterLab, to be run in the course's folder.

    Args:
        course: what it shows.
        port: where it listens, or the next one that is free; 0: any.
        browser: whether it opens a browser.
        options: more options of Jupyter's, which count more.
    """
    given = [
        f"--ServerApp.root_dir={course.root}",
        f"--ServerApp.port={port}",
        *(f"--ServerApp.jpserver_extensions={name}=True" for name in _EXTENSIONS),
        # what files named `nbgrader_config` say counts more than these three
        f"--Exchange.root={exchange_of(course)}",
        f"--Exchange.assignment_dir={course.root / _STUDENT}",
        "--FormgradeExtension.debug=False",  # it shows the whole configuration, with the token
    ]
    if not browser:
        given.append("--no-browser")
    if os.geteuid() == 0:  # where a whole machine is one teacher's, as in a container
        given.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *given, *options]
