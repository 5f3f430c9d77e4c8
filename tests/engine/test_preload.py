"""What the warm process imports beforehand, and what it refuses to."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.bridge.packages import imports_of, packages_of
from autograder.runner.jailed_kernel import JailedKernel
from autograder.runner.limits import Limits
from autograder.runner.warm import FOR_GRADERS, Packages, WarmProcess, WarmProcessError
from tests.engine.kernels import outputs_of


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import numpy", {"numpy"}),
        ("import numpy as np, torch.nn as nn  # both", {"numpy", "torch.nn"}),
        ("  from sklearn.linear_model import Ridge", {"sklearn.linear_model"}),
        ("def f():\n\timport pandas", {"pandas"}),
        ("%matplotlib inline\n!pip install x\nimport a; b", {"a"}),
        ("from . import near\nfrom .near import x", set()),
        ("# import commented\ntext = 'import quoted'", set()),
        ("import", set()),
    ],
)
def test_imports_are_found_whatever_else_is_in_a_cell(code: str, found: set[str]) -> None:
    assert imports_of(code) == found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source/one"
    folder.mkdir(parents=True)
    cells = ["import json\nimport numpy as np", "import matplotlib.pyplot as plt, helper, missing"]
    nbformat.write(new_notebook(cells=list(map(new_code_cell, cells))), folder / "one.ipynb")
    (folder / "helper.py").write_text("")
    (folder / "broken.ipynb").write_text("{")
    return tmp_path / "source"


def test_by_default_the_installed_packages_are_preloaded_that_the_course_imports(
    source: Path,
) -> None:
    assert packages_of(None, source) == Packages(found=("matplotlib.pyplot", "numpy"))
    assert set(FOR_GRADERS.asked) <= set(packages_of(None, source, for_graders=True))


def test_what_is_configured_takes_the_place_of_what_is_found(source: Path) -> None:
    assert packages_of(("nbformat",), source) == Packages(asked=("nbformat",))
    assert list(packages_of((), source)) == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages beside those that are installed."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "threaded.py").write_text(
        "import threading, time\nwait = threading.Thread(target=time.sleep, args=(60,))\n"
        "wait.daemon = True\nwait.start()"
    )
    (packages / "broken.py").write_text("raise RuntimeError('no licence')")
    (packages / "plain.py").write_text("loaded = 1")
    monkeypatch.syspath_prepend(packages)
    for path in (tmp_path, packages, *tmp_path.parents[:2]):
        path.chmod(0o755)
    return packages


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("threaded", r"threaded cannot be preloaded: .*starts 1 thread.*c\.Jail\.preload"),
        ("broken", "RuntimeError: no licence"),
        ("nowhere", "ModuleNotFoundError"),
    ],
)
def test_a_package_that_was_asked_for_and_does_not_fit_is_an_error_with_its_reason(
    folder: Path, package: str, reason: str
) -> None:
    process = WarmProcess(serves="kernel", packages=Packages(asked=("plain", package)))
    with pytest.raises(WarmProcessError, match=reason):
        process.start()
    process.stop()


@pytest.fixture
def warm(folder: Path) -> Iterator[WarmProcess]:
    found = Packages(found=("plain", "threaded", "nowhere"))
    process = WarmProcess(serves="kernel", packages=found)
    yield process
    process.stop()


def test_of_what_was_found_only_what_fits_is_preloaded_and_the_rest_still_works(
    warm: WarmProcess,
) -> None:
    code = "import sys\nbefore = 'plain' in sys.modules, 'threaded' in sys.modules\n"
    with JailedKernel.start(warm, Limits(), seed=1, allow_unsafe=True) as kernel:
        shown = outputs_of(kernel, code + "import plain, threaded\nbefore, plain.loaded")
    assert shown[-1]["data"]["text/plain"] == "((True, False), 1)"
    assert set(warm.unfit) == {"threaded", "nowhere"}


def test_a_package_that_opens_a_gpu_is_refused(folder: Path) -> None:
    """No machine of ours has one: the look at open devices is shown another kind of device."""
    (folder / "device.py").write_text("file = open('/dev/full')")
    code = (
        f"import os, re, sys; sys.path.insert(0, {str(folder)!r})\n"
        "from autograder.runner import preload\npreload._DEVICE = re.compile('/dev/full')\n"
        "preload.preload(['device'], os.open('/proc', os.O_PATH | os.O_DIRECTORY))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UnfitError: importing it opens /dev/full" in done.stderr
