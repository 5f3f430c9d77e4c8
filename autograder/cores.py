"""How many cores there are for this process."""

import os


def usable_cores() -> int:
    """The cores that this process may use; a container may have fewer than its machine."""
    return len(os.sched_getaffinity(0))
