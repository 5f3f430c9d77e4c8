"""Whether this machine and this course can grade, and how to mend what is in the way."""

from collections.abc import Iterator
from pathlib import Path

from autograder.doctor.findings import Check, Look, State, safely
from autograder.doctor.walls import Standing, examine, require_walls

__all__ = ["Check", "Standing", "State", "examine", "examine_all", "require_walls"]


def examine_all(root: Path) -> Iterator[tuple[str, list[Check]]]:
    """Look at everything, area by area; nothing is written, and nothing is raised.

    Args:
        root: the course's folder, or any other one.
    """
    from autograder.doctor import jupyter, machine, python, walls

    def course() -> Iterator[Check]:
        from autograder.doctor.course import checks  # nbgrader may be missing

        yield from checks(root)

    looks: dict[str, dict[str, Look]] = {
        "Python": {
            "interpreter": python.interpreter,
            "packages": python.packages,
            "torch": python.torch,
            "extras": python.extras,
        },
        "machine": {
            "system": machine.system,
            "memory": lambda: machine.memory(root),
            "disk": lambda: machine.disk(root),
            "temporary files": machine.temporary,
            "time zone": machine.clock,
        },
        "Jupyter": {
            "kernel": jupyter.kernel,
            "nbgrader's pages": jupyter.server_extensions,
            "nbgrader in JupyterLab": jupyter.lab_extension,
        },
        "course": {"course": course},
        "walls around a submission": {"walls": walls.checks},
    }
    for area, named in looks.items():
        yield area, [check for name, look in named.items() for check in safely(name, look)]
