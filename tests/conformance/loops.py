"""An event loop for some runs alone, and what asyncio complains of in it."""

import asyncio
import contextvars
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from jupyter_core.utils import ensure_event_loop

Result = TypeVar("Result")


def alone(do: Callable[[], Result]) -> tuple[Result, list[str]]:
    """Do something with a loop of its own; the result, and asyncio's complaints.

    nbclient runs every notebook of a process in one loop, and leaves tasks in it when a notebook
    ends early. What they do while a later notebook runs would be put down to that one.
    """
    gc.freeze()  # what was there before need not be looked at, which takes long
    try:
        with _complaints() as complaints:
            result = contextvars.copy_context().run(_with_own_loop, do)
            gc.collect()  # a task complains when it is collected
    finally:
        gc.unfreeze()
    return result, complaints


def _with_own_loop(do: Callable[[], Result]) -> Result:
    """In a context in which no loop has been made, nbclient makes one."""
    loop = ensure_event_loop()
    try:
        return do()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()
        asyncio.set_event_loop(None)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What asyncio says of tasks that were left alone with their errors, or never ended.

    It is kept from pytest, which would format tracebacks while objects are being collected: in
    Python 3.11 that can break a parser at work (gh-106905).
    """
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            said.append(f"{record.getMessage().splitlines()[0]}: {error!r}")

    log, handler = logging.getLogger("asyncio"), Handler(logging.ERROR)
    log.addHandler(handler)
    log.propagate = False
    try:
        yield said
    finally:
        log.propagate = True
        log.removeHandler(handler)
