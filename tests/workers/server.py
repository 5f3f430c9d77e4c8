"""A Postgres that can be killed, frozen and restarted, with its data kept."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.lms import postgres
from tests.workers.trees import signal_tree

_SETTINGS: Final = ("-c", "fsync=off", "-c", "max_connections=300")
"""What the kernel has is not lost with a process, so ``fsync`` is of no use here."""


class Server:
    """A server in a folder of its own."""

    def __init__(self, address: str = "127.0.0.1", networks: str = "127.0.0.1/32") -> None:
        """Make the data folder; ``start`` begins.

        Args:
            address: where it listens.
            networks: from where it lets everybody in.
        """
        programs = postgres.find()
        assert programs is not None, "Postgres is not installed (Debian's package: postgresql)"
        self._programs = programs
        self._address = address
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._user = None if os.geteuid() else "postgres"
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        subprocess.run(
            [programs / "initdb", "-D", self._data, "-U", "tests", "-A", "trust", "--no-sync"],
            check=True, capture_output=True, user=self._user, cwd=self._folder,
        )  # fmt: skip
        with open(self._data / "pg_hba.conf", "a") as rules:
            rules.write(f"host all all {networks} trust\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self._data, "-p", str(self._port),
                    "-h", self._address, "-k", str(self._folder), *_SETTINGS,
                ],
                stdout=log, stderr=log, user=self._user, cwd=self._folder,
            )  # fmt: skip
        for _ in range(600):
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
                signal.sigtimedwait([], 0.1)
            else:
                return
        raise AssertionError("Postgres does not start")

    def connect(self, database: str) -> "psycopg.Connection[Any]":
        """A connection of the test's own."""
        return psycopg.connect(
            host=self._address, port=self._port, user="tests", dbname=database, autocommit=True,
            connect_timeout=5,
        )  # fmt: skip

    def create(self, database: str) -> str:
        """Make an empty database; its URL."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return f"postgresql+psycopg://tests@{self._address}:{self._port}/{database}"

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """End it: at once with SIGQUIT; with SIGKILL as by a machine that is switched off."""
        assert self._process is not None
        if number == signal.SIGKILL:
            signal_tree(self._process.pid, signal.SIGKILL)
        else:
            self._process.send_signal(number)
        self._process.wait()

    def restart(self, number: signal.Signals) -> None:
        """End it and start it again with the same data."""
        self.stop(number)
        self.start()

    def freeze(self, frozen: bool) -> None:
        """Have all its processes stand still, as when a disk answers no more; or go on."""
        assert self._process is not None
        signal_tree(self._process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def remove(self) -> None:
        """End it, and remove its data."""
        if self._process is not None and self._process.poll() is None:
            self.freeze(False)
            self.stop()
        shutil.rmtree(self._folder)
