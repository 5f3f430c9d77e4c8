"""The program ``autograder``: Ctrl-C ends it without a traceback, while it starts as well."""

import signal
import sys
from typing import Final

from autograder import INTERRUPTED

_ELSEWHERE: Final = (
    "autograder: grading needs Linux, whose walls keep submissions apart: on Windows use WSL 2, on "
    "macOS a virtual machine or a container. `import autograder.cuda` works here too"
)


def main() -> None:
    """Run the command line."""
    if sys.platform != "linux":
        sys.exit(_ELSEWHERE)
    try:
        from autograder.cli import main as command  # takes most of a second

        command()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not disturb the end
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
