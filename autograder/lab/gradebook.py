"""The formgrader's gradebook, read anew in each request.

nbgrader's formgrader keeps one database session as long as the server runs, and such a session
shows each row as it was when it was first read. So a submission that is graded again, by the
formgrader itself or by a command, would go on having its old scores beside the new checks.
"""

from typing import Any, Final

from nbgrader.server_extensions.formgrader.base import BaseHandler

_BEGUN: Final = "_autograder_begun"


def read_anew() -> None:
    """Let the first look at the gradebook in a request see what has been stored by then."""
    opened = BaseHandler.gradebook.fget
    if getattr(opened, _BEGUN, False):  # in this process already
        return

    def gradebook(self: Any) -> Any:
        found = opened(self)
        if not getattr(self, _BEGUN, False):  # there is one handler for each request
            setattr(self, _BEGUN, True)
            found.db.rollback()
        return found

    setattr(gradebook, _BEGUN, True)
    BaseHandler.gradebook = property(gradebook)
