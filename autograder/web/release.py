"""What students download: the released notebook, or all released files as one archive."""

import hashlib
import os
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autograder.bridge.course import Course

_HIDDEN: Final = (".", "__pycache__")
_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""Of the files in an archive, so that the same files make the same archive."""


@dataclass(frozen=True)
class Release:
    """The released files of an assignment."""

    folder: Path
    paths: tuple[Path, ...]
    """Below the folder, sorted."""

    @property
    def name(self) -> str:
        """What the download is called."""
        return self.paths[0].name if self.is_single else f"{self.folder.name}.zip"

    @property
    def is_single(self) -> bool:
        """Whether it is one notebook, which needs no archive."""
        return len(self.paths) == 1

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum((self.folder / path).stat().st_size for path in self.paths)


def release_of(course: Course, assignment: str) -> Release | None:
    """The released files; None if nothing is released.

    Links are left out: they may lead out of the folder.
    """
    folder = course.folder("release", assignment)
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(_HIDDEN)]
        for name in names:
            path = Path(place, name)
            if not name.startswith(_HIDDEN) and path.is_file() and not path.is_symlink():
                found.append(path.relative_to(folder))
    if not any(path.suffix == ".ipynb" for path in found):
        return None
    return Release(folder, tuple(sorted(found)))


class Archives:
    """Archives of released files, made when first asked for and when files have changed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="autograder-archives-")
        self._lock = threading.Lock()

    def path(self, release: Release) -> Path:
        """The archive of a release."""
        facts = [str(release.folder)]
        for path in release.paths:
            found = (release.folder / path).stat()
            facts.append(f"{path} {found.st_size} {found.st_mtime_ns}")
        digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
        made = Path(self._folder.name) / f"{digest}.zip"
        with self._lock:
            if not made.is_file():
                partial = made.with_suffix(".partial")
                _write(release, partial)
                partial.replace(made)
        return made

    def close(self) -> None:
        """Remove all archives."""
        self._folder.cleanup()


def _write(release: Release, to: Path) -> None:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in release.paths:
            info = zipfile.ZipInfo(f"{release.folder.name}/{path.as_posix()}", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, (release.folder / path).read_bytes())
