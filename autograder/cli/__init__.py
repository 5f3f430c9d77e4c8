"""The command ``autograder``: parse, call, print."""

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder.cli import checking, course, grading  # noqa: F401  # they add their commands
from autograder.cli.base import main as main
