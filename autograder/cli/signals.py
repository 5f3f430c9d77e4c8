"""Ctrl-C, or SIGTERM: whether it came, since libraries catch the exception that it raises."""

import signal
import threading
from types import FrameType

_came = False


def begin() -> None:
    """Keep in mind from now on that it came; what is done with a signal elsewhere stays."""
    global _came
    _came = False
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.default_int_handler:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _came
    _came = True
    raise KeyboardInterrupt


def stop_if_came() -> None:
    """Raise ``KeyboardInterrupt`` where one has come and was lost on its way."""
    if _came:
        raise KeyboardInterrupt


def behind(error: BaseException | None) -> bool:
    """Whether it is behind an error, or came before: Python and libraries wrap or replace it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None or _came
