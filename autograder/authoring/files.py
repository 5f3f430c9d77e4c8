"""Write several files of a course together: all of them or none, and never over another's."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autograder.bridge.course import CourseError

_NEVER_RELEASED: Final = ".ipynb_checkpoints"
"""Whatever else lies beside a notebook nbgrader releases: after a kill, also the solutions."""


@dataclass(frozen=True)
class Changed:
    """A file that is there and gets another content."""

    before: bytes
    """What was read: if it is no longer so, somebody else has written meanwhile."""
    after: bytes


def write_together(new: Mapping[Path, bytes], changed: Mapping[Path, Changed]) -> None:
    """Write new files, then changed ones; what was written is taken back if one cannot be.

    Only a kill or a power failure in between can leave a part, and then no file is half written.

    Raises:
        CourseError: a new file is there already, or a changed one is not as it was read.
        OSError: a file cannot be written.
    """
    for path in new:
        _refuse_existing(path)
    with contextlib.ExitStack() as undo:
        partials = {path: undo.enter_context(_beside(path, data)) for path, data in new.items()}
        after = {
            path: undo.enter_context(_beside(path, change.after))
            for path, change in changed.items()
        }
        written = undo.enter_context(contextlib.ExitStack())
        for path, partial in partials.items():
            _link(partial, path)
            written.callback(path.unlink)
        for path, partial in after.items():
            _require_unchanged(path, changed[path].before)
            os.replace(partial, path)
            written.callback(path.write_bytes, changed[path].before)
        written.pop_all()


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise CourseError(
            f"{path} is there already, and nothing is overwritten: "
            "choose another name, or remove it"
        )


@contextlib.contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file with the content, beside its place; folders that were made for it go if it failed."""
    folder = path.parent / _NEVER_RELEASED if path.suffix == ".ipynb" else path.parent
    made = _make_folders(folder)
    partial = folder / f".{path.name}.{secrets.token_hex(4)}.partial"
    try:
        partial.write_bytes(data)
        if path.exists():
            partial.chmod(path.stat().st_mode & 0o777)
        yield partial
    finally:
        partial.unlink(missing_ok=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # it is used now
                folder.rmdir()


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; those that were made, the highest first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _link(partial: Path, path: Path) -> None:
    """Give the file its name, which must be free at this moment."""
    try:
        os.link(partial, path)
    except FileExistsError:
        _refuse_existing(path)
    except OSError:  # a file system without hard links
        with path.open("xb") as file:
            file.write(partial.read_bytes())


def _require_unchanged(path: Path, before: bytes) -> None:
    if path.read_bytes() != before:
        raise CourseError(f"{path} was changed meanwhile, and is left as it is: try again")
