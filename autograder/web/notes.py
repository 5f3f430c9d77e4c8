"""What a teacher reads once on the next page, after a form was taken."""

import threading
from dataclasses import dataclass
from typing import Final, Literal

_MOST_SESSIONS: Final = 500


@dataclass(frozen=True)
class Note:
    """One sentence or more."""

    told: str
    kind: Literal["good", "warn", "bad"] = "good"


class Notes:
    """Notes by session, in this process's memory."""

    def __init__(self) -> None:
        self._notes: dict[str, list[Note]] = {}
        self._lock = threading.Lock()

    def add(self, session: str, *notes: Note) -> None:
        """Keep notes for the next page of a session."""
        with self._lock:
            self._notes.setdefault(session, []).extend(notes)
            while len(self._notes) > _MOST_SESSIONS:
                del self._notes[next(iter(self._notes))]

    def take(self, session: str) -> list[Note]:
        """The notes for a session, which are then gone."""
        with self._lock:
            return self._notes.pop(session, [])
