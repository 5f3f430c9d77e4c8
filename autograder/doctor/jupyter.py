"""What Jupyter needs for an nbgrader course: the kernel, and nbgrader's extensions."""

import shutil
import sys
from collections.abc import Iterator
from typing import Final

from autograder.doctor.findings import Check

_KERNEL: Final = "python3"
_WITHOUT_KERNEL: Final = "grading does without it, JupyterLab does not"
_SERVER: Final = (
    "nbgrader.server_extensions.formgrader",
    "nbgrader.server_extensions.assignment_list",
    "nbgrader.server_extensions.course_list",
    "nbgrader.server_extensions.validate_assignment",
)
_LAB: Final = "@jupyter/nbgrader"
_VERSION: Final = sys.version_info
_THIS_PYTHON: Final = {"python", f"python{_VERSION[0]}", f"python{_VERSION[0]}.{_VERSION[1]}"}
"""What Jupyter replaces by the Python that it runs in itself."""


def kernel() -> Iterator[Check]:
    """The kernel that notebooks of the course name."""
    from jupyter_client.kernelspec import KernelSpecManager

    name, manager = f"kernel {_KERNEL}", KernelSpecManager()
    folder = manager.find_kernel_specs().get(_KERNEL)
    if folder is None:
        mend = "pip install --force-reinstall ipykernel"
        yield Check(name, "warning", f"not found; {_WITHOUT_KERNEL}", mend)
        return
    mend = f"move {folder} away: then this Python's own kernel is used"
    try:
        found = manager.get_kernel_spec(_KERNEL)
    except (ValueError, TypeError, OSError) as error:
        told = f"{folder} cannot be read ({error}); {_WITHOUT_KERNEL}"
        yield Check(name, "warning", told, mend)
        return
    program = found.argv[0] if found.argv else ""
    if program not in _THIS_PYTHON and shutil.which(program) is None:
        told = f"starts {program or 'nothing'}, which is not there; {_WITHOUT_KERNEL}"
        yield Check(name, "warning", told, mend)
        return
    yield Check(name, "ok", f"{found.display_name}, {found.resource_dir}")


def server_extensions() -> Iterator[Check]:
    """The pages that nbgrader adds to Jupyter's server, such as the formgrader."""
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
    enabled = manager.get_jpserver_extensions()
    missing = [name for name in _SERVER if not enabled.get(name)]
    if missing:
        yield Check(
            "nbgrader's pages",
            "warning",
            f"not enabled: {', '.join(name.rpartition('.')[2] for name in missing)}",
            f"jupyter server extension enable --sys-prefix {' '.join(missing)}",
        )
    else:
        yield Check("nbgrader's pages", "ok", "formgrader and the others are enabled")


def lab_extension() -> Iterator[Check]:
    """The menu and the side bar that nbgrader adds to JupyterLab."""
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_federated_extensions, get_page_config

    folders = jupyter_path("labextensions")
    installed = get_federated_extensions(folders).get(_LAB)
    if installed is None:
        mend = "pip install --force-reinstall --no-deps nbgrader"
        yield Check("nbgrader in JupyterLab", "warning", f"{_LAB} is not installed", mend)
        return
    disabled = get_page_config(folders).get("disabledExtensions", [])
    off = [name for name in disabled if name.partition(":")[0] == _LAB]  # it, or plugins of it
    if off:
        mend = f"jupyter labextension enable {' '.join(off)}"
        yield Check("nbgrader in JupyterLab", "warning", f"disabled: {', '.join(off)}", mend)
    else:
        yield Check("nbgrader in JupyterLab", "ok", f"enabled, {installed['ext_path']}")
