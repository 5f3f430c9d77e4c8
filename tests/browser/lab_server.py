"""JupyterLab with a course of one assignment, as its teacher starts it."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.bench.commands import environment
from tests.sample_class.demo import copy_course

ASSIGNMENT: Final = "tensores"
_TOKEN: Final = "of-the-tests"
_START_SECONDS: Final = 120.0
_PER_ASSIGNMENT: Final = ("source/*", "tests/graders/*", "solutions/[a-z]*.py")


@dataclass(frozen=True)
class Lab:
    """What runs."""

    course: Path
    home: Path
    """The folder that everything else of the user's is in."""
    port: int

    @property
    def exchange(self) -> Path:
        """Where assignments and submissions are exchanged."""
        return self.home / "data" / "autograder" / "exchange"

    @property
    def student(self) -> str:
        """By which id nbgrader knows who hands in here: the user's own."""
        return pwd.getpwuid(os.getuid()).pw_name

    def address(self, path: str = "lab") -> str:
        """An address of the server, with the token."""
        return f"http://127.0.0.1:{self.port}/{path}?token={_TOKEN}&reset"


def own(home: Path) -> dict[str, str]:
    """The environment of a user who has nothing yet."""
    names = {"HOME": ".", "XDG_DATA_HOME": "data", "IPYTHONDIR": "ipython"} | {
        f"JUPYTER_{kind}_DIR": f"jupyter-{kind}".lower() for kind in ("CONFIG", "DATA", "RUNTIME")
    }
    return {**environment(), **{name: str(home / place) for name, place in names.items()}}


def one_assignment(folder: Path) -> Path:
    """Copy the course, with one of its assignments and nothing released."""
    folder.mkdir()
    copy_course(folder)
    shutil.rmtree(folder / "release")
    for pattern in _PER_ASSIGNMENT:
        for path in folder.glob(pattern):
            if path.stem != ASSIGNMENT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    """Start it for a new user with a course, on a free port."""
    home = folder / "home"
    home.mkdir()
    course = one_assignment(folder / "course")
    command = [sys.executable, "-m", "autograder", "--course", str(course), "lab", "--port", "0",
               "--no-browser"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--IdentityProvider.token={_TOKEN}"],
            env=own(home), stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Lab(course, home, _port(process, home, folder / "log"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _port(process: "subprocess.Popen[bytes]", home: Path, log: Path) -> int:
    """Where the server listens, when it answers; it says so in a file of its own."""
    told = home / "jupyter-runtime" / f"jpserver-{process.pid}.json"
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if told.exists() and (text := told.read_text()):
            port = int(text.partition('"port": ')[2].partition(",")[0])
            if _answers(f"http://127.0.0.1:{port}/api"):
                return port
        time.sleep(0.05)
    raise RuntimeError(f"JupyterLab does not start:\n{log.read_text()[-3000:]}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False
