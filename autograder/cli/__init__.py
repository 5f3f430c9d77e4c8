"""The command ``autograder``: parse, call, print."""

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder.cli import (  # noqa: F401  # they add their commands
    authoring,
    checking,
    course,
    diagnosis,
    gradebook,
    grading,
    importing,
    lab,
    lms,
    lms_add,
    serve,
    shells,
    workers,
)
from autograder.cli.base import main as main
