"""What a submission's process tells of its cells, made valid whatever it sent."""

import itertools
from typing import Any, Final

from autograder.runner.outcome import STATUSES, CellOutcome
from autograder.runner.wire import WireError

_MIMES: Final = frozenset(
    {
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "image/png",
        "image/jpeg",
        "image/svg+xml",
        "application/json",
    }
)
_MAX_TEXT: Final = 4 * 1024 * 1024
MAX_CHARACTERS: Final = 12 * 1024 * 1024
"""Characters of all outputs of a submission that are kept."""


def index_of(event: dict[Any, Any], count: int) -> int:
    """Which of ``count`` cells an event is about.

    Raises:
        WireError: none of them.
    """
    index = event.get("cell")
    if type(index) is not int or not 0 <= index < count:
        raise WireError("an event of no cell")
    return index


def outcome_of(event: dict[Any, Any], room: int = MAX_CHARACTERS) -> CellOutcome:
    """The outcome of a cell; its outputs are valid nbformat.

    Args:
        event: what the submission's process sent.
        room: characters of output that are kept; from the first output that does not fit on,
            all are dropped.

    Raises:
        WireError: the event is not of the form of an outcome.
    """
    status = event.get("status")
    outputs = event.get("outputs", [])
    if not isinstance(status, str) or status not in STATUSES or not isinstance(outputs, list):
        raise WireError("a malformed outcome")
    clean = [output for output in map(_clean_output, outputs[:1000]) if output is not None]
    sizes = itertools.accumulate(size_of(output) for output in clean)
    kept = [output for output, size in zip(clean, sizes, strict=True) if size <= room]
    return CellOutcome(
        status=status,  # type: ignore[arg-type]  # one of STATUSES, see above
        outputs=kept,
        execution_count=valid_count(event.get("execution_count")),
        truncated=event.get("truncated") is True or len(kept) < len(clean),
    )


def size_of(output: dict[str, Any]) -> int:
    """Characters in an output that ``outcome_of`` made."""
    texts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
    return sum(map(len, texts)) + sum(map(len, output.get("data", {}).values()))


def _clean_output(output: Any) -> dict[str, Any] | None:
    """An output that is valid nbformat whatever the student's process sent, or None."""
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": valid_text(output.get("text"))}
    if kind == "error":
        lines = output.get("traceback")
        trace = [valid_text(line) for line in lines[:400]] if isinstance(lines, list) else []
        names = {key: valid_text(output.get(key)) for key in ("ename", "evalue")}
        return {"output_type": kind, "traceback": trace} | names
    if kind in ("display_data", "execute_result") and isinstance(output.get("data"), dict):
        data = {m: _clean_data(c) for m, c in output["data"].items() if m in _MIMES}
        clean: dict[str, Any] = {"output_type": kind, "data": data, "metadata": {}}
        if kind == "execute_result":
            clean["execution_count"] = valid_count(output.get("execution_count"))
        return clean
    return None


def valid_count(number: Any) -> int | None:
    """An execution count; None for what is none."""
    return number if type(number) is int and 0 <= number < 10**6 else None


def valid_text(text: Any, most: int = _MAX_TEXT) -> str:
    """Text of bounded length without lone surrogates, which no UTF-8 file can hold.

    What is no text is empty.
    """
    if not isinstance(text, str):
        return ""
    return text[:most].encode("utf-8", "replace").decode("utf-8")


def _clean_data(content: Any) -> Any:
    return valid_text(content) if isinstance(content, str) else valid_text(str(content))
