"""A look at processes, for tests."""

from pathlib import Path


def command_line(pid: int) -> str:
    """What a process was started with, its arguments apart by spaces; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
