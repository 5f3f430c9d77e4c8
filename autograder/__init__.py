"""Grade nbgrader courses: student code in one process, hidden pytest graders in another."""

__version__ = "0.1.0"
INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells give it."""
