"""A version of a course as bytes: all that grading needs, known by its hash.

It holds the configuration, the source notebooks, the hidden graders with what they import, and the
course's secret: who can read the queue can read what students must not. It holds nothing of
students, and no gradebook: that is the one of the queue's own database.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autograder.bridge import parcels
from autograder.bridge.course import Course, CourseError
from autograder.bridge.keyfile import write_private
from autograder.bridge.packages import imports_of
from autograder.bridge.parcels import ParcelError, pack, unpack
from autograder.bridge.scratch import json_of, write_config
from autograder.grading.dependencies import OF_THE_ROOT, imported
from autograder.workers.needs import distributions_of, needs

GRADEBOOK: Final = "AUTOGRADER_GRADEBOOK"
"""The variable of the environment with the gradebook's address, for a course from a bundle."""
_CONFIG: Final = "nbgrader_config.py"
_JSON: Final = "nbgrader_config.json"
_COURSE_CONFIG: Final = "autograder_course_config.py"
_SECRET: Final = ".autograder.secret"
_MIB: Final = 1024 * 1024
_NEEDS: Final = ".autograder.needs.json"
"""What workers must have is in the archive too, so that an upgrade makes another version."""


@dataclass(frozen=True)
class CourseBundle:
    """A version of a course, to be sent to workers."""

    course: str
    """The course's id."""
    needs: dict[str, str]
    content: bytes

    @property
    def hash(self) -> str:
        """What tells it from every other version, by its files or by what workers must have."""
        return hash_of(self.content)


def hash_of(content: bytes) -> str:
    """The hash by which a bundle is known."""
    return hashlib.sha256(content).hexdigest()


def course_id(course: Course) -> str:
    """The id under which a course's submissions are queued.

    Raises:
        CourseError: it has none.
    """
    if not course.directory.course_id:
        raise CourseError(
            f"{course.root / _CONFIG} gives the course no id, under which submissions are queued: "
            'add c.CourseDirectory.course_id = "NAME"'
        )
    return str(course.directory.course_id)


def make_bundle(course: Course) -> CourseBundle:
    """Gather what grading needs of a course.

    Raises:
        CourseError: it is too large, has no id, or a file whose name cannot be sent.
        SecretError: the secret cannot be read.
        OSError: a file cannot be read.
    """
    name = course_id(course)
    files = sorted(set(_files(course)))
    _require_sendable(course, files)
    wanted = needs(_packages(course, files))
    with tempfile.TemporaryDirectory(prefix="autograder-bundle-") as folder:
        root = Path(folder)
        for path in files:
            place = root / path.relative_to(course.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        (root / _CONFIG).rename(root / _COURSE_CONFIG)
        write_private(root / _SECRET, course.settings.secret().key.hex().encode("ascii"))
        (root / _NEEDS).write_text(json.dumps(wanted, sort_keys=True), encoding="utf-8")
        try:
            content = pack(root)
        except ParcelError as error:
            raise CourseError(_too_large(files)) from error
    return CourseBundle(name, wanted, content)


def _require_sendable(course: Course, files: list[Path]) -> None:
    """Make sure that files arrive as they are, before any of them is copied.

    Raises:
        CourseError: one would not.
    """
    for path in files:
        if not parcels.can_send(path.relative_to(course.root).as_posix()):
            raise CourseError(
                f"{str(path)!r} has a name that cannot be sent to workers: rename it, with letters "
                "and signs that can be seen"
            )
    if _size(files) > parcels.LARGEST or len(files) > parcels.MOST_FILES:
        raise CourseError(_too_large(files))


def _too_large(files: list[Path]) -> str:
    largest = max(files, key=_size_of)
    folder, count = Counter(path.parent for path in files).most_common(1)[0]
    return (
        "the course is too large to be sent to workers: what grading needs of it may have "
        f"{parcels.LARGEST // _MIB} MB and {parcels.MOST_FILES} files, and has "
        f"{_size(files) // _MIB} MB and {len(files)} files; the largest is {largest} "
        f"({_size_of(largest) // _MIB} MB), and most are in {folder} ({count}). Make them "
        "smaller, or put what is large where all workers can read it, outside the course"
    )


def _size(files: list[Path]) -> int:
    return sum(map(_size_of, files))


def _size_of(path: Path) -> int:
    return path.stat().st_size


def open_bundle(content: bytes, root: Path) -> None:
    """Make the folder of a course from a bundle; its gradebook is the one in ``GRADEBOOK``.

    Args:
        content: of the bundle.
        root: where; a folder that is not there yet.

    Raises:
        ParcelError: it is no bundle.
        OSError: it cannot be written.
    """
    unpack(content, root)
    settings = json_of(root / _JSON)
    (root / _JSON).unlink(missing_ok=True)  # nbgrader would prefer it to what is written here
    (root / _NEEDS).unlink(missing_ok=True)  # the database says it, before anything is fetched
    os.chmod(root / _SECRET, 0o600)
    write_config(
        root,
        root / _COURSE_CONFIG,
        settings,
        db_url=f"os.environ[{GRADEBOOK!r}]",
        secret=root / _SECRET,
    )


def _files(course: Course) -> Iterator[Path]:
    """The course's files that grading needs."""
    root = course.root
    if (root / _COURSE_CONFIG).exists():
        raise CourseError(f"{root / _COURSE_CONFIG} is in the way: rename it")
    yield from (root / name for name in (_CONFIG, _JSON, *OF_THE_ROOT) if (root / name).is_file())
    folders = [course.folder("source", name) for name in course.assignments()]
    folders.append(course.graders)
    code = [root / _CONFIG]
    for folder in folders:
        for path in _all_of(folder):
            if not path.is_relative_to(root):
                raise CourseError(f"{path} is outside the course's folder, so it cannot be sent")
            yield path
            if path.suffix == ".py":
                code.append(path)
    around = {above for path in code for above in path.parents if above.is_relative_to(root)}
    for above in around:
        yield from (above / name for name in ("conftest.py", "__init__.py")
                    if (above / name).is_file())  # fmt: skip
    modules = imported(root, *code)
    yield from modules
    for beside in {path.parent for path in modules} - {root}:  # such as data of the solutions
        yield from (path for path in beside.iterdir() if path.is_file() and path.suffix != ".pyc")


def _all_of(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one not in ("__pycache__", ".ipynb_checkpoints")]
        yield from (Path(place, name) for name in names if Path(place, name).is_file())


def _packages(course: Course, files: list[Path]) -> set[str]:
    """The installed distributions that the course's code and notebooks import."""
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files
             if path.suffix == ".py"]  # fmt: skip
    modules = {name.partition(".")[0] for text in texts for name in imports_of(text)}
    asked = course.settings.packages()
    modules |= {name.partition(".")[0] for name in (*asked.asked, *asked.found)}
    return distributions_of(modules - set(sys.stdlib_module_names))
