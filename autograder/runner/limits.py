"""What a submission may use, and how the kernel is told."""

import resource
from dataclasses import asdict, dataclass
from typing import Any

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits of one submission. The defaults suit an ordinary course notebook."""

    cell_seconds: float = 10.0
    """Wall-clock seconds that one cell may take."""
    submission_seconds: float = 60.0
    """Wall-clock seconds that all cells together may take."""
    call_seconds: float = 5.0
    """Wall-clock seconds that one call of a student's function by a grader may take."""
    grading_seconds: float = 120.0
    """Wall-clock seconds that the submission may keep its graders waiting, all together."""
    memory_mib: int = 1024
    """Memory that the submission may add to the warm process's own, in MiB."""
    disk_mib: int = 256
    """Size of all files that the submission may write, in MiB."""
    files: int = 4096
    """Number of files and folders that the submission may make."""
    open_files: int = 256
    """Descriptors that one of its processes may have open."""
    processes: int = 64
    """Processes and threads that the submission may have at once."""
    output_kib: int = 64
    """Output of one cell that is kept, in KiB; sixteen times as much ends the cell."""

    def to_wire(self) -> dict[str, Any]:
        """The limits as plain data."""
        return asdict(self)


def apply(limits: Limits, data_bytes: int, tasks: int) -> None:
    """Set the kernel's limits on the calling process; its later children inherit them.

    Memory is capped as data (``RLIMIT_DATA``), not as address space, since torch reserves far
    more address space than it ever uses.

    Args:
        limits: the submission's.
        data_bytes: private writable memory that the process was forked with.
        tasks: processes and threads of its user that are not the submission's.
    """
    _lower(resource.RLIMIT_DATA, data_bytes + limits.memory_mib * MIB)
    _lower(resource.RLIMIT_FSIZE, limits.disk_mib * MIB)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_NPROC, tasks + limits.processes)
    _lower(resource.RLIMIT_MEMLOCK, 1 * MIB)
    _lower(resource.RLIMIT_CORE, 0)


def lower_cpu(seconds: float) -> None:
    """End the calling process after this much more CPU time (``RLIMIT_CPU``)."""
    _lower(resource.RLIMIT_CPU, int(seconds) + 1)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
