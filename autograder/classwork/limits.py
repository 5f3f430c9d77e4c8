"""How much a class may hand in, and what says that some of it is not taken."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
FILE_BYTES = 20 * MIB
"""What one file may hold; nbgrader's notebooks are a thousandth of it."""
STUDENT_BYTES = 50 * MIB
STUDENT_FILES = 200
ARCHIVE_BYTES = 4096 * MIB
ARCHIVE_MEMBERS = 20_000
NAME_BYTES: Final = 200
LEVELS: Final = 8


class Refused(Exception):
    """One student's submission is not taken; the message says why."""


@dataclass
class Budget:
    """The bytes that may still be unpacked, counted as they come and not as declared."""

    archive: int
    student: int = 0

    def spend(self, count: int) -> None:
        """Count bytes; a negative number gives some back.

        Raises:
            Refused: these are too many.
        """
        self.archive -= count
        self.student -= count
        if self.student < 0:
            raise Refused(f"more than {STUDENT_BYTES // MIB} MiB for one student")
        if self.archive < 0:
            raise Refused(f"the whole class takes more than {ARCHIVE_BYTES // MIB} MiB")
