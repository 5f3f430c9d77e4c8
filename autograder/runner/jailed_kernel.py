"""The trusted side's handle on a submission's process that runs cells when asked to.

What it publishes are a Jupyter kernel's messages, made valid here whatever it sent: the types and
contents of https://jupyter-client.readthedocs.io/en/stable/messaging.html.
"""

import json
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from autograder.runner.events import valid_count, valid_text
from autograder.runner.limits import Limits
from autograder.runner.refusals import TEXTS
from autograder.runner.warm import ENGLISH, Run, WarmProcess, send_job
from autograder.runner.wire import Channel, WireError

_FRAME_SECONDS: Final = 5.0
"""What a frame may take from its first byte to its last."""
_MAX_DEPTH: Final = 50
_MAX_LINES: Final = 2000


@dataclass(frozen=True)
class Message:
    """A message of the kernel, of a known type and with valid content."""

    kind: str
    """Its type: ``stream``, ``execute_reply`` …"""
    parent: str
    """The id of the request that it belongs to."""
    content: dict[str, Any]


class JailedKernel:
    """A submission that has no cells yet. Close it after use."""

    def __init__(self, run: Run, channel: Channel, limits: Limits) -> None:
        self._run = run
        self._channel = channel
        self._limits = limits
        self._room = 0
        self.alive = True
        """Whether its process can still answer."""
        self.refused: set[str] = set()
        """What the notebook asked for that no submission gets (``refusals.TEXTS``)."""

    @classmethod
    def start(
        cls,
        warm: WarmProcess,
        limits: Limits,
        *,
        seed: int,
        files: Mapping[str, bytes] | None = None,
        texts: Mapping[str, str] = ENGLISH,
        allow_unsafe: bool = False,
    ) -> Self:
        """Fork a submission's process that waits for cells.

        Args:
            warm: a warm process that serves ``kernel``.
            limits: what the submission may use.
            seed: its random seed.
            files: what lies beside the notebook: relative paths and contents.
            texts: what students read where something cannot work.
            allow_unsafe: go on even where the walls against strangers cannot be had.

        Raises:
            JailError: the minimum of walls does not stand.
            WarmProcessError: the warm process itself failed.
        """
        run, channel, _ = warm.begin(limits, 0, 0, allow_unsafe)
        kernel = cls(run, channel, limits)
        try:
            send_job(channel, {"seed": seed}, texts, files or {})
        except WireError:
            kernel.end()
        except BaseException:
            kernel.close()
            raise
        return kernel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the submission and remove its folder."""
        self.alive = False
        self._channel.close()
        self._run.close()

    def fileno(self) -> int:
        """A descriptor that is readable when there is a message, or the process has ended."""
        return self._channel.fileno()

    def execute(self, code: str) -> str:
        """Ask for a cell to be run; the request's id."""
        request_id = secrets.token_hex(8)
        self._room = self._limits.output_kib * 1024
        try:
            self._channel.send({"id": request_id, "code": code})
        except WireError:
            self.end()
        return request_id

    def tell(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message of a widget's other half (``comm_msg``), heard when no cell runs."""
        try:
            self._channel.send({"kind": kind, "content": content})
        except WireError:
            self.end()

    def receive(self) -> Message | None:
        """The next message, when the descriptor is readable; None for one that is dropped."""
        try:
            frame = self._channel.receive(_FRAME_SECONDS)
            message = _message(frame)
        except WireError:
            self.end()
            return None
        self.refused |= _refused(frame)
        return self._within_limit(message)

    def _within_limit(self, message: Message) -> Message | None:
        """The message, if the cell's output has room for it; the first that has not is told."""
        if message.kind in ("status", "execute_reply", "clear_output"):
            return message
        before = self._room
        self._room -= _size(message.content)
        if self._room >= 0:
            return message
        if before < 0:
            return None
        text = f"[The output is longer than {self._limits.output_kib} KiB and was cut here.]\n"
        return Message("stream", message.parent, {"name": "stderr", "text": text})

    def check(self) -> None:
        """Look at what it uses, where nothing caps it; end it where that is too much."""
        assert self._run.usage is not None
        try:
            self._run.usage.check()
        except WireError:
            self.end()

    def interrupt(self) -> None:
        """Interrupt the running cell."""
        self._run.interrupt()

    def end(self) -> None:
        """End its processes; what it has sent can no longer be received."""
        self.alive = False
        self._run.close()


def _refused(frame: dict[str, Any]) -> set[str]:
    told = frame.get("refused")
    return set(TEXTS).intersection(told) if isinstance(told, list) else set()


def _size(content: Any) -> int:
    """Characters in a message's content."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, dict):
        return sum(map(len, content)) + sum(map(_size, content.values()))
    return sum(map(_size, content)) if isinstance(content, list) else 8


def _message(frame: Any) -> Message:
    """What the process sent as a valid message.

    Raises:
        WireError: it is none.
    """
    if not isinstance(frame, dict) or not isinstance(frame.get("content"), str):
        raise WireError("no message")
    kind = frame.get("type")
    try:
        content = _plain(json.loads(frame["content"]))
    except (ValueError, RecursionError) as error:
        raise WireError(f"no message: {type(error).__name__}") from error
    if not isinstance(kind, str) or kind not in _CONTENTS or not isinstance(content, dict):
        raise WireError("no message of a kernel")
    return Message(kind, valid_text(frame.get("parent"), 100), _CONTENTS[kind](content))


def _plain(node: Any, depth: int = 0) -> Any:
    """JSON that any file can hold: valid texts, finite numbers, a bounded depth."""
    if depth > _MAX_DEPTH:
        raise WireError("nested too deeply")
    if isinstance(node, str):
        return valid_text(node, len(node))
    if isinstance(node, dict):
        return {valid_text(key): _plain(value, depth + 1) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item, depth + 1) for item in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def _text(content: dict[str, Any], name: str) -> str:
    found = content.get(name)
    return found if isinstance(found, str) else ""


def _stream(content: dict[str, Any]) -> dict[str, Any]:
    name = "stderr" if content.get("name") == "stderr" else "stdout"
    return {"name": name, "text": _text(content, "text")}


def _error(content: dict[str, Any]) -> dict[str, Any]:
    trace = content.get("traceback")
    lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
    return {
        "ename": _text(content, "ename"),
        "evalue": _text(content, "evalue"),
        "traceback": lines[:_MAX_LINES],
    }


def _display(content: dict[str, Any]) -> dict[str, Any]:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return {
        "data": _bundle(content.get("data")),
        "metadata": _dict(content.get("metadata")),
        "transient": {"display_id": display_id} if isinstance(display_id, str) else {},
    }


def _bundle(data: Any) -> dict[str, Any]:
    """A MIME bundle as nbformat allows it: text, or anything where the type is JSON."""
    return {
        mime: value if _is_json(mime) or isinstance(value, str) else json.dumps(value)
        for mime, value in _dict(data).items()
    }


def _is_json(mime: str) -> bool:
    return mime == "application/json" or (mime.startswith("application/") and mime[-5:] == "+json")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _reply(content: dict[str, Any]) -> dict[str, Any]:
    status = "ok" if content.get("status") == "ok" else "error"
    facts = {"status": status, "execution_count": valid_count(content.get("execution_count"))}
    return facts | (_error(content) if status == "error" else {})


def _status(content: dict[str, Any]) -> dict[str, Any]:
    return {"execution_state": "idle" if content.get("execution_state") == "idle" else "busy"}


_CONTENTS: Final[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "status": _status,
    "execute_input": lambda content: {
        "execution_count": valid_count(content.get("execution_count"))
    },
    "execute_reply": _reply,
    "stream": _stream,
    "error": _error,
    "display_data": _display,
    "update_display_data": _display,
    "execute_result": lambda content: (
        _display(content) | {"execution_count": valid_count(content.get("execution_count"))}
    ),
    "clear_output": lambda content: {"wait": content.get("wait") is True},
    "comm_open": dict,
    "comm_msg": dict,
    "comm_close": dict,
}
