"""A release takes the place of the one before when it is whole, and else leaves it as it was.

nbgrader removes a release before it generates the new one, and again where that fails.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from nbgrader.converters import GenerateAssignment

from autograder.bridge.files import replace_folder

_NEW: Final = ".autograder-new"
_OLD: Final = ".autograder-old"
"""Folders beside the releases: what is being generated, and what gives place to it."""
_OTHER_CELLS: Final = "because there are submissions associated with it"
"""What nbgrader says where cells or notebooks came or went after submissions were graded."""


class GenerateBeside(GenerateAssignment):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's own generation of a release, into a folder beside the releases."""

    @property
    def _output_directory(self) -> str:
        return f"{self.coursedir.release_directory}/{_NEW}"


@contextmanager
def replacing(directory: Any, assignment: str) -> Iterator[None]:
    """Put what ``GenerateBeside`` makes meanwhile into the release's place, unless it fails.

    A kill leaves the old release or the new one; between two renamings neither is in its place,
    and then the next time puts the old one back first.

    Args:
        directory: nbgrader's ``CourseDirectory``.
        assignment: which one is released.
    """
    released: str = directory.release_directory
    steps = (released, f"{released}/{_NEW}", f"{released}/{_OLD}")
    place, new, old = (Path(directory.format_path(step, ".", assignment)) for step in steps)
    if old.exists() and not os.path.lexists(place):
        old.rename(place)
    try:
        shutil.rmtree(old, ignore_errors=True)  # of a run that was killed after it was done
        yield
        replace_folder(new, place, old)
        if directory.groupshared:
            root = Path(directory.format_path(released, ".", "."))
            with suppress(PermissionError):  # the folder is another teacher's
                root.chmod(root.stat().st_mode | 0o2770)
    finally:
        done = [new, old] if os.path.lexists(place) else [new]
        for folder in done:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # it is not there, or another assignment is in it
                folder.parent.rmdir()


def other_cells_told(log: str, assignment: str) -> str:
    """What to do where nbgrader refuses to release other cells than were graded, or nothing."""
    if _OTHER_CELLS not in log:
        return ""
    return (
        f"{assignment} cannot be released with other cells or notebooks than before: the gradebook "
        "has submissions, which were graded with the cells of the last release. The release and "
        "the grades are as they were. Either take back what was added, removed or renamed in the "
        "source; or note the points and comments that were given by hand, which this loses, and "
        f"run `nbgrader db assignment remove {assignment} --force`, which forgets all grades of "
        f"the assignment, then `autograder release {assignment}` and "
        f"`autograder grade {assignment}`, which gives the automatic scores again"
    )
