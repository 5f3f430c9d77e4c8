"""A real Postgres on loopback for the tests; its data end with it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

_PLACES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_START_SECONDS: Final = 60.0
_SETTINGS: Final = ("-c", "fsync=off", "-c", "max_connections=300")
"""What the kernel has is not lost with a process, so ``fsync`` is of no use here."""


def find() -> Path | None:
    """The folder of Postgres's programs, Debian's or whatever is on the path."""
    for place in _PLACES:
        if (place / "initdb").is_file():
            return place
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


GUARDED: Final = "guarded"
"""A user whom the server asks for a password; a test makes it."""


class Server:
    """A server on a port of its own, which can be stopped and started again.

    Postgres refuses to run as root, so it then runs as another user.
    """

    def __init__(
        self,
        programs: Path,
        folder: Path,
        address: str = "127.0.0.1",
        network: str = "",
        settings: Sequence[str] = (),
    ) -> None:
        """Make its data in a folder.

        Args:
            programs: the folder of Postgres's programs.
            folder: where its data will be.
            address: where it listens.
            network: from where it lets everybody in, besides this machine.
            settings: further options of its command.
        """
        self._settings = (*_SETTINGS, *settings)
        self._programs, self._folder, self._address = programs, folder, address
        self._user = None if os.geteuid() else "postgres" if _is_user("postgres") else "nobody"
        if self._user is not None:
            shutil.chown(folder, self._user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "tests", "-A", "trust", "--no-sync"],
            check=True, capture_output=True, user=self._user, cwd=folder,
        )  # fmt: skip
        hba = folder / "data/pg_hba.conf"
        rule = f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n"
        if network:
            rule += f"host all all {network} trust\n"
        hba.write_text(rule + hba.read_text())
        self.url = f"postgresql+psycopg://tests@{address}:{self._port}/"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = self._folder
        options = ["-p", str(self._port), "-h", self._address, "-k", str(folder)]
        with open(folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", folder / "data", *options, *self._settings],
                stdout=log, stderr=log, user=self._user, cwd=folder,
            )  # fmt: skip
        _wait_for(self.url, self._process, folder / "log")

    def stop(self) -> None:
        """Stop it at once, as by a crash: connections end."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        return new_database(self.url)


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    """A server that runs; its data end with it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        made = Server(programs, folder)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server; its URL, without a database's name at the end."""
    with running(programs) as made:
        yield made.url


def new_database(server_url: str) -> str:
    """The URL of a new, empty database of a server."""
    name = f"test_{uuid.uuid4().hex}"
    execute(f"{server_url}postgres", f'CREATE DATABASE "{name}"')  # no quotes in a name of ours
    return f"{server_url}{name}"


def execute(url: str, *statements: str) -> None:
    """Run SQL as somebody else would, each statement by itself."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """What somebody else sees in a database."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def _is_user(name: str) -> bool:
    return name in {entry.pw_name for entry in pwd.getpwall()}


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            rows(f"{url}postgres", "SELECT 1")
        except psycopg.OperationalError:  # not there yet, or still starting
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Postgres does not start: {log.read_text(errors='replace')}")
