"""Notice that a teacher has saved a notebook, a grader, a reference solution or the settings.

The few files of an assignment are looked at twice a second: that works on every file system, also
where no notice of changes comes from, as on a network's.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from autograder.bridge.course import Course
from autograder.grading.dependencies import imported

Change = Literal["notebook", "graders", "settings"]
"""What was saved; the later in this list, the more has to be done anew."""
_SECONDS: Final = 0.5
_CONFIG: Final = ("nbgrader_config.py", "nbgrader_config.json")
_OF_PYTEST: Final = ("pytest.ini", "conftest.py")
_Version = tuple[int, int]


def settings_version(root: Path) -> Mapping[Path, _Version]:
    """What tells one state of a course's settings from another."""
    return _versions(root / name for name in _CONFIG)


def wait_for_settings(root: Path, before: Mapping[Path, _Version]) -> None:
    """Wait until a course's settings are others than they were, and written to their end."""
    now = before
    while now == before or now != settings_version(root):
        now = settings_version(root)
        time.sleep(_SECONDS)


def _versions(paths: Iterable[Path]) -> dict[Path, _Version]:
    """The files that there are, each with its version."""
    found = {}
    for path in paths:
        try:
            facts = path.stat()
        except OSError:  # it has just gone, or is being replaced
            continue
        found[path] = (facts.st_mtime_ns, facts.st_size)
    return found


@dataclass
class Watch:
    """The files of an assignment, as they were when they were last looked at."""

    course: Course
    assignment: str
    _seen: Mapping[Path, _Version] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with how they are now."""
        self._seen = self._look()

    def changes(self) -> Iterator[Change]:
        """Wait for changes, one after another, each when it has been written to its end."""
        while True:
            time.sleep(_SECONDS)
            if change := self.change():
                yield change

    def change(self) -> Change | None:
        """What has changed since the last look, if anything; waits while it still changes."""
        before, now = self._seen, self._look()
        if now == before:
            return None
        while True:
            time.sleep(_SECONDS / 5)
            later = self._look()
            if later == now:
                break
            now = later
        self._seen = now
        names = {path for path in {*before, *now} if before.get(path) != now.get(path)}
        if names & {self.course.root / name for name in _CONFIG}:
            return "settings"
        source = self.course.folder("source", self.assignment)
        return "notebook" if all(path.is_relative_to(source) for path in names) else "graders"

    def _look(self) -> dict[Path, _Version]:
        return _versions(self._files())

    def _files(self) -> Iterator[Path]:
        root = self.course.root
        yield from (root / name for name in (*_CONFIG, *_OF_PYTEST))
        source = self.course.folder("source", self.assignment)
        yield from (path for path in source.rglob("*") if not _is_passing(path, source))
        yield from (root / "solutions").rglob("*.py")
        graders = self.course.graders / self.assignment
        yield from (folder / "conftest.py" for folder in graders.parents if folder != root)
        found = [path for path in graders.rglob("*") if not _is_passing(path, graders)]
        yield from found
        yield from imported(root, *(path for path in found if path.suffix == ".py"))


def _is_passing(path: Path, folder: Path) -> bool:
    """Whether a path is a folder, or a file that editors and Python make by the way."""
    parts = path.relative_to(folder).parts
    hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
    return hidden or path.name.endswith("~") or path.is_dir()
