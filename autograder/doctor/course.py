"""The course: its configuration, folders, gradebook, secret and exchange."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute
from traitlets import TraitError
from traitlets.utils.importstring import import_item

from autograder.bridge import record
from autograder.bridge.course import Course, CourseError
from autograder.bridge.execute import JailedExecute
from autograder.bridge.gradebook import problem_of, schema_of
from autograder.bridge.keyfile import DamagedKeyError, read_key
from autograder.bridge.preprocessors import RunGraders
from autograder.doctor.findings import Check, Look, safely
from autograder.plain import counted

_CONFIG: Final = "nbgrader_config.py"
_WRITTEN: Final = ("release", "submitted", "autograded", "feedback")
"""The steps whose folders are made and written to."""


def checks(root: Path) -> Iterator[Check]:
    """All that there is to say of the course in a folder."""
    if not (root / _CONFIG).is_file():
        yield Check(
            "course",
            "warning",
            f"{root.resolve()} is no course: it has no {_CONFIG}",
            "to look at one, change to its folder or give it with --course",
        )
        return
    try:
        course = Course(root)
    except CourseError as error:
        yield Check("configuration", "failed", str(error), f"correct {_CONFIG}")
        return
    looks: dict[str, Look] = {
        "configuration": lambda: [_engine(course)],
        "source": lambda: [_source(course)],
        "folders": lambda: [_folder(name, folder) for name, folder in _folders(course)],
        "graders": lambda: [_graders(course)],
        "gradebook": lambda: _gradebook(course),
        "secret": lambda: [_secret(course)],
        "exchange": lambda: [_exchange(course)],
        "time zone": lambda: [_time_zone(course)],
    }
    for name, look in looks.items():
        yield from safely(name, look)


def require_engine(course: Course) -> None:
    """See that submissions run behind walls.

    Raises:
        CourseError: the configuration leaves nbgrader's own runner in its place, which has none.
    """
    if (found := _engine(course)).state == "failed":
        raise CourseError(f"{course.root / _CONFIG}: {found.found}. {found.mend}")


def _engine(course: Course) -> Check:
    """What runs submissions: nbgrader's own preprocessor would run them without walls."""
    try:
        kinds = _preprocessors(course)
    except (TraitError, ImportError, TypeError) as error:
        return Check("configuration", "failed", str(error), f"Correct {_CONFIG}")
    if any(issubclass(one, Execute) and not issubclass(one, JailedExecute) for one in kinds):
        return Check(
            "configuration",
            "failed",
            "submissions would be run by nbgrader itself, without walls",
            "Add `from autograder.bridge import configure` and `configure(get_config())`",
        )
    what = (
        "hidden graders"
        if any(issubclass(one, RunGraders) for one in kinds)
        else "the tests in the notebooks' cells"
        if any(issubclass(one, JailedExecute) for one in kinds)
        else "preprocessors of its own"
    )
    return Check("configuration", "ok", f"{course.root / _CONFIG}: graded by {what}")


def _preprocessors(course: Course) -> list[type[Any]]:
    """What a submission goes through, as it is configured.

    Raises:
        TraitError: no list is configured.
        ImportError: one of them is not there.
        TypeError: one is no class.
    """
    configured = Autograde(coursedir=course.directory, parent=course.app).autograde_preprocessors
    kinds = [import_item(one) if isinstance(one, str) else one for one in configured]
    for kind in kinds:
        if not isinstance(kind, type):
            raise TypeError(f"c.Autograde.autograde_preprocessors: {kind} is no preprocessor")
    return kinds


def _source(course: Course) -> Check:
    folder = course.folder("source", ".")
    names = course.assignments()
    if not names:
        mend = f"put a notebook into {folder}/NAME/NAME.ipynb"
        return Check("source", "failed", f"no assignments in {folder}", mend)
    if not os.access(folder, os.R_OK | os.X_OK):
        return Check("source", "failed", f"{folder} cannot be read", _rights(folder))
    return Check("source", "ok", f"{counted(len(names), 'assignment')}: {', '.join(names)}")


def _folders(course: Course) -> Iterator[tuple[str, Path]]:
    """What commands write to, besides the gradebook."""
    for step in _WRITTEN:
        yield step, course.root / getattr(course.directory, f"{step}_directory")
    yield "records", course.root / record.FOLDER


def _folder(name: str, folder: Path) -> Check:
    """A folder that commands write to; it is made by the first that does."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return Check(name, "failed", f"{there} is no folder", f"move {there} away")
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        return Check(name, "failed", f"this user cannot write to {there}", _rights(there))
    told = f"{folder}" if there == folder else f"{folder} will be made when it is needed"
    return Check(name, "ok", told)


def _rights(path: Path) -> str:
    return f"give this user the rights: chown or chmod {path}, or run as its owner"


def _graders(course: Course) -> Check:
    folder = course.graders
    if not folder.is_dir():
        mend = "write graders there, or set c.RunGraders.graders; see docs/how-to/graders.md"
        return Check("graders", "warning", f"there is no folder {folder}", mend)
    without = [name for name in course.assignments() if not any((folder / name).glob("*.py"))]
    if without:
        told = f"none in {folder} for {', '.join(without)}"
        return Check("graders", "warning", told, "`autograder check` says what each one needs")
    return Check("graders", "ok", f"{folder}")


def _gradebook(course: Course) -> Iterator[Check]:
    """Whether scores can be stored, and by which version of nbgrader it was made."""
    url = course.directory.db_url
    if problem := problem_of(url, ()):
        what, _separator, mend = problem.rpartition(": ")
        yield Check("gradebook", "failed", what, mend)
        return
    schema, known = schema_of(url)
    if schema is None:
        told = "there is none yet; the first release makes it"
        yield Check("gradebook", "ok", told)
        return
    unknown = [name for name in course.assignments() if problem_of(url, [name])]
    if unknown:
        told = f"does not know {', '.join(unknown)}"
        yield Check("gradebook", "warning", told, f"autograder release {' '.join(unknown)}")
    else:
        yield Check("gradebook", "ok", f"can be read and written, schema {schema}")
    if schema != known:
        told = f"its schema is {schema}, that of this nbgrader {known}"
        mend = "copy gradebook.db, then run `nbgrader db upgrade` in the course's folder"
        yield Check("gradebook's schema", "warning", told, mend)


def _secret(course: Course) -> Check:
    path = course.settings.secret_path()
    try:
        read_key(path)
    except FileNotFoundError:
        return Check("secret", "ok", f"{path} will be made when it is needed")
    except (DamagedKeyError, ValueError):
        mend = "put a backup of it there, or run `autograder secret --rotate`"
        return Check("secret", "failed", f"{path} holds no secret", mend)
    except OSError as error:
        return Check("secret", "failed", f"{path}: {error.strerror}", _rights(path))
    return Check("secret", "ok", f"{path}: keep a backup of it")


def _exchange(course: Course) -> Check:
    """nbgrader's exchange, where the course uses it."""
    from nbgrader.exchange.default import Exchange

    root = Path(Exchange(coursedir=course.directory, parent=course.app).root)
    if "root" not in course.app.config.get("Exchange", {}):
        told = f"not set: `autograder lab` has one of its own, nbgrader's commands use {root}"
        return Check("exchange", "ok", told)
    if not root.is_dir():
        told = f"{root} is not there: needed only for nbgrader's own handing out and in"
        return Check("exchange", "warning", told, f"mkdir -p {root} && chmod ugo+rwx {root}")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return Check("exchange", "warning", f"this user cannot write to {root}", _rights(root))
    return Check("exchange", "ok", f"{root}")


def _time_zone(course: Course) -> Check:
    """The zone in which due dates are told."""
    name = course.app.config.get("Exchange", {}).get("timezone")
    mend = "set c.Exchange.timezone in nbgrader_config.py, such as 'America/Bogota'"
    if name is None:
        return Check("time zone", "warning", "not set, so due dates are in UTC", mend)
    try:
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        return Check("time zone", "failed", f"there is no time zone {name!r}", mend)
    return Check("time zone", "ok", str(name))
