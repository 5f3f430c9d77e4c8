"""What cannot work in the jail fails at once and says so. Courtesy, no wall: the kernel refuses.

An audit hook (PEP 578) turns the attempt into an exception with a sentence for the student,
before the kernel answers with a number.
"""

import functools
import multiprocessing.process
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

_PROGRAMS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn"}
)
_NETWORK: Final = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
    }
)

TEXTS: Final = ("program", "network", "workers")
"""The sentences that the trusted side sends, in the language of the course."""

refused: set[str] = set()
"""What of ``TEXTS`` was asked for, and refused."""
_texts: dict[str, str] = {}


def explain(texts: Mapping[str, str]) -> None:
    """From now on answer what cannot work with these sentences (keys: ``TEXTS``)."""
    if not _texts:
        sys.addaudithook(_watch)
        multiprocessing.process.BaseProcess.start = _no_workers  # type: ignore[method-assign]
    _texts.update(texts)


def program_refused() -> NoReturn:
    """Refuse to start a program.

    Raises:
        PermissionError: always.
    """
    refused.add("program")
    raise PermissionError(_texts["program"])


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _PROGRAMS:
        program_refused()
    if event in _NETWORK or (event == "socket.__new__" and arguments[1] != socket.AF_UNIX):
        refused.add("network")
        raise PermissionError(_texts["network"])


def _no_workers(self: Any) -> NoReturn:
    """In the place of ``Process.start``: worker processes need what the jail does not give."""
    refused.add("workers")
    raise RuntimeError(_texts["workers"])


def look_before_pretending() -> None:
    """Where changing metadata is answered as done, a missing file must still be an error.

    ``Path.touch`` makes a file when it cannot change its times.
    """

    def looking(change: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(change)
        def changed(path: Any, *args: Any, **kwargs: Any) -> Any:
            os.stat(path, follow_symlinks=False)
            return change(path, *args, **kwargs)

        return changed

    for name in ("chmod", "chown", "utime"):
        setattr(os, name, looking(getattr(os, name)))
