"""What a submission may use, and how the kernel is told."""

import resource
from dataclasses import asdict, dataclass
from typing import Any

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits of one submission. The defaults suit an ordinary course notebook."""

    cell_seconds: float = 10.0
    """Wall-clock seconds that one cell may take."""
    submission_seconds: float = 60.0
    """Wall-clock seconds that all cells together may take."""
    call_seconds: float = 5.0
    """Wall-clock seconds that one call of a student's function by a grader may take."""
    memory_mib: int = 1024
    """Memory that the submission may add to the warm process's own, in MiB."""
    output_kib: int = 64
    """Output of one cell that is kept, in KiB; sixteen times as much ends the cell."""
    file_mib: int = 64
    """Size of the largest file that the submission may write, in MiB."""
    open_files: int = 256

    def to_wire(self) -> dict[str, Any]:
        """The limits as plain data."""
        return asdict(self)


def apply(limits: Limits) -> None:
    """Set the kernel's limits on the calling process; its later children inherit them.

    Memory is capped as data (``RLIMIT_DATA``), not as address space, since torch reserves far
    more address space than it ever uses.
    """
    data = _data_bytes() + limits.memory_mib * _MIB
    _lower(resource.RLIMIT_DATA, data)
    _lower(resource.RLIMIT_FSIZE, limits.file_mib * _MIB)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _data_bytes() -> int:
    """Size of the private writable memory of this process, from proc(5)'s ``statm``."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[5]) * resource.getpagesize()
