"""nbgrader's Execute with a forked, jailed process in the place of a fresh kernel."""

import atexit
import copy
import os
import sys
from pathlib import Path
from typing import Any, Final

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import Execute
from traitlets import Bool, Float, Integer

from autograder.bridge.files import read_plain_files
from autograder.bridge.kernel import JailedKernelManager
from autograder.bridge.seeds import public_seed
from autograder.bridge.settings import Jail
from autograder.messages import refusal_texts, set_language
from autograder.runner.jailed_kernel import JailedKernel
from autograder.runner.limits import MIB
from autograder.runner.warm import Packages, WarmProcess

_LARGEST_FILE: Final = 50 * MIB
"""Larger files do not fit the wire."""
_OURS: Final = ("python", f"python{sys.version_info[0]}")
"""What Jupyter takes for the kernel of its own environment, whether installed or not."""
_TOLD: Final = {
    "program": "other programs",
    "network": "the network",
    "workers": "worker processes",
}
_processes: dict[Packages, WarmProcess] = {}


class UnsuitedNotebookError(Exception):
    """The notebook needs what a forked process cannot give; the message says what to do."""


def warm_process(packages: Packages) -> WarmProcess:
    """The warm process that has these packages, one for the life of this process."""
    if packages not in _processes:
        _processes[packages] = WarmProcess(serves="kernel", packages=packages)
        atexit.register(_processes[packages].stop)
    return _processes[packages]


class JailedExecute(Jail, Execute):  # type: ignore[misc]
    """Execute a notebook as nbgrader's Execute does, in a jailed process forked from a warm one.

    All that is configured for ``Execute`` holds. Tests in the notebook's cells share their
    process with what the student wrote, as with nbgrader's own.
    """

    submission_seconds = Float(600.0, min=1.0, help="Seconds that all cells may take.").tag(
        config=True
    )
    output_kib = Integer(10 * 1024, min=1, help="Output of a cell that is kept, in KiB.").tag(
        config=True
    )
    fall_back = Bool(
        False,
        help="Run notebooks that cannot be forked (other kernels, other programs, the network) "
        "with a fresh kernel, as nbgrader does: unjailed, so only for people whom you trust.",
    ).tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: Any, km: Any = None
    ) -> tuple[NotebookNode, Any]:
        """Execute one notebook.

        Raises:
            UnsuitedNotebookError: it needs another kernel, and ``fall_back`` is False.
        """
        set_language(self.language_of(resources.get("nbgrader", {}).get("student", "")))
        if problem := _kernel_problem(nb):
            return self._without_fork(nb, resources, problem)
        untouched = copy.deepcopy(nb) if self.fall_back else nb
        manager = JailedKernelManager(
            lambda folder: self._start(folder, resources), self.submission_seconds
        )
        try:
            done: tuple[NotebookNode, Any] = super().preprocess(nb, resources, manager)
        finally:
            manager.cleanup_resources()
        if not manager.refused:
            return done
        asked = ", ".join(_TOLD[one] for one in sorted(manager.refused))
        problem = f"it asks for what no submission gets: {asked}"
        if self.fall_back:
            nb.update(untouched)
            return self._without_fork(nb, resources, problem)
        self.log.warning("%s; c.JailedExecute.fall_back runs it unjailed", problem)
        return done

    def _without_fork(
        self, nb: NotebookNode, resources: Any, problem: str
    ) -> tuple[NotebookNode, Any]:
        if not self.fall_back:
            raise UnsuitedNotebookError(
                f"the notebook cannot be run in a forked process: {problem}. To run such notebooks "
                "with a fresh kernel, unjailed, set c.JailedExecute.fall_back = True"
            )
        self.log.warning("with a fresh kernel, unjailed: %s", problem)
        done: tuple[NotebookNode, Any] = Execute.preprocess(self, nb, resources)
        return done

    def _start(self, folder: str, resources: Any) -> JailedKernel:
        facts = resources.get("nbgrader", {})
        assignment, student = facts.get("assignment", ""), facts.get("student", "")
        limits = self.limits(assignment)
        files = {}
        if folder:
            files = read_plain_files(Path(folder), _LARGEST_FILE, limits.disk_mib * MIB // 2)
        return JailedKernel.start(
            warm_process(self.packages()),
            limits,
            seed=public_seed(assignment, student),
            files=files,
            texts=refusal_texts(),
            allow_unsafe=self.allow_unsafe,
        )


def _kernel_problem(nb: NotebookNode) -> str:
    """Why a notebook's kernel is not the one that is forked, or nothing."""
    name = nb.metadata.get("kernelspec", {}).get("name", "python3")
    if name in _OURS:
        return ""
    try:
        found = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        return f"there is no kernel {name!r}"
    if found.language != "python" or "ipykernel" not in " ".join(found.argv):
        return f"its kernel {name!r} is not ipykernel"
    program = found.argv[0]
    if os.path.isabs(program) and Path(program).parent != Path(sys.executable).parent:
        return f"its kernel {name!r} belongs to another environment, {Path(program).parent}"
    return ""
