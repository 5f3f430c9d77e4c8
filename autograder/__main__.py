"""The program ``autograder``: a signal ends it without a traceback, while it starts as well."""

import signal
import sys
from collections.abc import Callable
from typing import Final

from autograder import INTERRUPTED

_ELSEWHERE: Final = (
    "autograder: grading needs Linux, whose walls keep submissions apart: on Windows use WSL 2, on "
    "macOS a virtual machine or a container. `import autograder.cuda` works here too"
)
_MADE_OF: Final = ("click", "rich")
"""Packages without which not even `autograder doctor` runs."""


def main() -> None:
    """Run the command line."""
    if sys.platform != "linux":
        sys.exit(_ELSEWHERE)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # as a scheduler ends what runs
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        command = _command()  # takes most of a second
        command()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second one must not disturb the end
        sys.exit(INTERRUPTED)


def _command() -> Callable[[], None]:
    """The command line; ends the program where what it is made of is missing."""
    try:
        from autograder.cli import main as command
    except ModuleNotFoundError as error:
        if error.name not in _MADE_OF:
            raise
        name = error.name
        sys.exit(f"autograder: the package {name!r} is not installed: pip install {name}")
    return command


if __name__ == "__main__":
    main()
