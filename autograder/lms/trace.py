"""What a log may say of an error: where it happened, and nobody's name."""

import os
import traceback
from typing import Final

_OURS: Final = f"{os.sep}autograder{os.sep}"


def trace(error: BaseException) -> str:
    """Where an error happened, without its message, which may have somebody's name in it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in frame.filename]
    shown = [*ours[-4:], *([frames[-1]] if frames and frames[-1] not in ours else [])]
    places = [f"{frame.filename}:{frame.lineno} ({frame.name})" for frame in reversed(shown)]
    return f"{type(error).__name__} at {', called from '.join(places)}"
