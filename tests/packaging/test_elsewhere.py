"""On macOS and Windows: students have the emulated CUDA device, the command says why it ends."""

import subprocess
import sys
from typing import Final

import pytest

from tests.packaging.installed import ROOT

MODULES_OF_UNIX: Final = (
    *("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"),
)
"""What Python has not on Windows."""
_WITHOUT: Final = f"""
import sys
for name in {MODULES_OF_UNIX}:
    sys.modules[name] = None  # an import of it raises ImportError
"""
_EXERCISE: Final = """
import torch
import autograder.cuda
autograder.cuda.enable(quiet=True)
print((torch.ones(2, device="cuda") * 2).device)
"""
_COMMAND: Final = """
import sys
sys.platform = "PLATFORM"
from autograder.__main__ import main
sys.argv = ["autograder", "grade"]
main()
"""


def run(code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_students_have_the_cuda_device_without_any_module_of_unix() -> None:
    done = run(f"import torch{_WITHOUT}{_EXERCISE}")  # torch has its own ways where it runs
    assert (done.stdout, done.returncode) == ("cuda:0\n", 0), done.stderr


def test_the_cuda_device_imports_nothing_of_the_rest() -> None:
    done = run(
        "import sys, autograder.cuda\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('autograder.')}\n"
        "print(sorted(rooms))"
    )
    assert done.stdout == "['cuda', 'messages']\n", done.stderr


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_command_says_that_it_needs_linux(platform: str) -> None:
    done = run(_COMMAND.replace("PLATFORM", platform))
    assert done.returncode == 1
    assert done.stderr.startswith("autograder: grading needs Linux")
    assert done.stderr.count("\n") == 1
