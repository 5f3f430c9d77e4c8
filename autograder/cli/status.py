"""The exit statuses of all commands, for scripts."""

from enum import IntEnum

from autograder import INTERRUPTED as _INTERRUPTED


class Status(IntEnum):
    """What a command's exit status says; `docs/reference/command-line.md` documents it."""

    DONE = 0
    """All that was asked for is done, and nothing was found."""
    FAILED = 1
    """Something was not done, or something was found that needs somebody."""
    USAGE = 2
    """The command was given what it does not take; nothing was begun."""
    INTERRUPTED = _INTERRUPTED
    """Ctrl-C or SIGTERM; what was finished is stored."""


FAILED_BY_DEFAULT = "it could not be done; the message says why and how to mend it"
"""What status 1 of a command says that does not say it itself."""


def statuses(failed: str) -> list[tuple[str, str]]:
    """The statuses as the help of a command lists them; ``failed``: what 1 says there."""
    return [
        (str(Status.DONE.value), "done"),
        (str(Status.FAILED.value), failed),
        (str(Status.USAGE.value), "wrong use of the command; nothing was begun"),
        (str(Status.INTERRUPTED.value), "interrupted; what was finished is stored"),
    ]
