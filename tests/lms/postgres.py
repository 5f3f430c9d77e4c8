"""A real Postgres on loopback for the tests; its data end with it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

_PLACES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_START_SECONDS: Final = 60.0


def find() -> Path | None:
    """The folder of Postgres's programs, Debian's or whatever is on the path."""
    for place in _PLACES:
        if (place / "initdb").is_file():
            return place
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server; its URL, without a database's name at the end.

    Postgres refuses to run as root, so it then runs as another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = None if os.geteuid() else "postgres" if _is_user("postgres") else "nobody"
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "--no-sync"],
        check=True, capture_output=True, user=user, cwd=folder,
    )  # fmt: skip
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "fsync=off"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, user=user,
            cwd=folder,
        )  # fmt: skip
        try:
            _wait_for(port, process, folder / "log")
            yield f"postgresql+psycopg://tests@127.0.0.1:{port}/"
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: its data are thrown away
            process.wait()
            shutil.rmtree(folder)


def _is_user(name: str) -> bool:
    return name in {entry.pw_name for entry in pwd.getpwall()}


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="tests", dbname="postgres").close()
        except psycopg.OperationalError:  # not there yet, or still starting
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Postgres does not start: {log.read_text(errors='replace')}")
