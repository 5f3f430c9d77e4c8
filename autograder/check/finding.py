"""What is told of something wrong with an assignment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something wrong with an assignment, and how to mend it."""

    assignment: str
    what: str
    mend: str
    where: str = ""
    """The file, below the course's folder, and the cell or line, where there is one."""
