"""A new course: the few files that make a folder one."""

import os
from pathlib import Path
from string import Template
from typing import Final

from autograder.authoring.files import write_together
from autograder.bridge.course import CourseError
from autograder.plain import one_line

_CONFIG: Final = Template('''\
"""The course's configuration: nbgrader's own options, and those of the grader."""

from autograder.bridge import configure

c = get_config()
configure(c)

c.CourseDirectory.course_id = $course_id
c.RunGraders.language = "$language"  # of what students read: "en" or "es"
''')
_PYTEST: Final = """\
# `pytest tests/graders` tries the graders on the source notebooks.
[pytest]
addopts = --import-mode=importlib
pythonpath = .
"""
_IGNORED: Final = """\
# What students hand in, and what is made of it, stays on this machine.
/submitted/
/autograded/
/feedback/
/reports/
/preview/
/grades.csv
/gradebook.db*
/lms.db*
/lms-demo.db*
/.autograder/
/.autograder.lock
/.autograder.serve.lock
.nbgrader.log
.ipynb_checkpoints/
__pycache__/
"""


def new_course(folder: Path, language: str) -> list[Path]:
    """Make a folder a course; the files that were written.

    What makes it one is ``nbgrader_config.py``. Settings of pytest and Git that are there already
    are left as they are.

    Args:
        folder: the folder, which need not be there.
        language: that of what students read, one of `autograder.messages.LANGUAGES`.

    Raises:
        CourseError: it is a course already, or the folder's name cannot be a course's.
        OSError: a file cannot be written.
    """
    folder = folder.absolute()
    config = folder / "nbgrader_config.py"
    if os.path.lexists(config):
        raise CourseError(
            f"{folder} is a course already: make an assignment in it with "
            "`autograder new assignment NAME`"
        )
    if folder.name != one_line(folder.name).strip() or not folder.name:
        raise CourseError(f"{folder.name!r} cannot be the name of a course: take another one")
    text = _CONFIG.substitute(course_id=_quoted(folder.name), language=language)
    new = {
        folder / "pytest.ini": _PYTEST,
        folder / ".gitignore": _IGNORED,
    }
    wanted = {path: content for path, content in new.items() if not os.path.lexists(path)}
    wanted[config] = text
    write_together({path: content.encode() for path, content in wanted.items()}, {})
    return list(wanted)


def _quoted(text: str) -> str:
    """The text as a literal of Python, in double quotes as a formatter writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
