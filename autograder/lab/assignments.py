"""The list of assignments of a student who works on the teacher's machine.

nbgrader reads where the exchange is only from files named ``nbgrader_config``, and fetches into
the folder that the server shows: among the course's own folders, where a fetched assignment named
``tests`` could not be told from the graders. Here what the server's command line says counts too,
below those files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nbgrader.server_extensions.assignment_list.handlers import AssignmentList
from traitlets.config import Config

_MANAGER: Final = "assignment_list_manager"


def keep_apart(server: Any) -> None:
    """Let a server's list of assignments use the server's own configuration of the exchange."""
    manager = _AssignmentList(parent=server)
    manager.root_dir = server.root_dir
    server.web_app.settings[_MANAGER] = manager


class _AssignmentList(AssignmentList):  # type: ignore[misc]
    """nbgrader's, with the exchange and the student's folder from the command line."""

    def load_config(self) -> Config:
        """The configuration, with an absolute folder for what is fetched."""
        config = Config({"Exchange": dict(self.parent.config.Exchange)})
        config.merge(super().load_config())
        folder = config.Exchange.get("assignment_dir", ".")
        config.Exchange.assignment_dir = str(Path(self.root_dir, folder))
        return config

    @contextmanager
    def get_assignment_dir_config(self) -> Iterator[Config]:
        """The same: nbgrader's would change to the folder, and stay there after an error."""
        yield self.load_config()
