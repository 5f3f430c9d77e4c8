"""The machine: its system, memory, disk and clock."""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from autograder.cores import usable_cores
from autograder.doctor.findings import Check, State
from autograder.runner.limits import Limits

_MIB: Final = 1024 * 1024
_GIB: Final = 1024 * _MIB
_LEAST_DISK: Final = 256 * _MIB
"""With less room not even a few submissions can be stored."""
_CALM_DISK: Final = 2 * _GIB
_LEAST_FILES: Final = 10_000


def system() -> Iterator[Check]:
    """The system, and how many submissions are graded at once."""
    if sys.platform != "linux":
        mend = "grade on Linux, in a virtual machine or a container for example"
        yield Check("system", "failed", f"{platform.system()}: the walls need Linux", mend)
        return
    cores = usable_cores()
    yield Check("system", "ok", f"Linux {platform.release()} on {platform.machine()}")
    yield Check("cores", "ok", f"{cores}: so many submissions are graded at once")


def memory(root: Path) -> Iterator[Check]:
    """Whether as many submissions as are graded at once may use what they may."""
    left = _memory_left()
    if left is None:
        yield Check("memory", "warning", "the system does not say how much is left")
        return
    each = _limits(root).memory_mib * _MIB
    cores = usable_cores()
    told = f"{_size(left)} left; a submission may add {_size(each)}, and {cores} are graded at once"
    state: State = "ok" if left >= each * cores else "warning" if left >= each else "failed"
    fewer = max(1, left // each)
    mend = f"grade with --jobs {fewer}, or lower c.Jail.memory_mib" if state != "ok" else ""
    yield Check("memory", state, told, mend)


def disk(root: Path) -> Iterator[Check]:
    """The room for what is graded."""
    yield _room("disk", root.resolve(), "make room where the course is")


def temporary() -> Iterator[Check]:
    """The folder for temporary files: that it can be written to, and its room."""
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        told = f"{folder} cannot be written to: {error.strerror}"
        yield Check("temporary files", "failed", told, "set TMPDIR to a folder of yours")
        return
    yield _room("temporary files", folder, "make room there, or set TMPDIR to another folder")


def clock() -> Iterator[Check]:
    """The machine's time zone: times in messages are told in it."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if name and not name.startswith("/"):
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            told = f"TZ={name} is no time zone that this machine knows; it counts as UTC"
            mend = "set TZ to a name such as America/Bogota, or install tzdata"
            yield Check("time zone", "warning", told, mend)
            return
    now = time.localtime()
    yield Check("time zone", "ok", f"{now.tm_zone}, {time.strftime('%z', now)}")


def _limits(root: Path) -> Limits:
    """The limits of submissions: the course's, or those by default where it cannot be opened."""
    try:
        from autograder.bridge.course import Course, CourseError
    except ImportError:  # of packages that are missing, which is told elsewhere
        return Limits()
    try:
        return Course(root).settings.limits("")
    except CourseError:
        return Limits()


def _room(name: str, folder: Path, mend: str) -> Check:
    free = shutil.disk_usage(folder).free
    facts = os.statvfs(folder)
    told = f"{_size(free)} free at {folder}"
    few = facts.f_files > 0 and facts.f_favail < _LEAST_FILES
    if few:
        told += f", and room for {facts.f_favail} files only"
    if free < _LEAST_DISK:
        return Check(name, "failed", told, mend)
    return (
        Check(name, "warning", told, mend) if few or free < _CALM_DISK else Check(name, "ok", told)
    )


def _memory_left() -> int | None:
    """The bytes that processes may still use: of the machine, and of the cgroups around them."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    facts = dict(line.split(":", 1) for line in lines)
    left = int(facts["MemAvailable"].split()[0]) * 1024
    return min([left, *_left_in_cgroups()])


def _left_in_cgroups() -> Iterator[int]:
    """What is left to each cgroup around this process that has a limit (cgroup v2)."""
    mount = Path("/sys/fs/cgroup")
    try:
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    except OSError:
        return
    folder = mount / own.lstrip("/")
    for one in (folder, *folder.parents):
        try:
            most = (one / "memory.max").read_text().strip()
            used = int((one / "memory.current").read_text())
            cache = dict(line.split() for line in (one / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if most != "max":
            yield max(0, int(most) - used + int(cache.get("inactive_file", 0)))


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count // _MIB} MiB"
