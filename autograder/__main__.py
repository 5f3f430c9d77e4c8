"""The program ``autograder``: Ctrl-C ends it without a traceback, while it starts as well."""

import signal
import sys

from autograder import INTERRUPTED


def main() -> None:
    """Run the command line."""
    try:
        from autograder.cli import main as command  # takes most of a second

        command()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not disturb the end
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
