"""Streams and events of an emulated device: all work is done when a call returns."""

from __future__ import annotations

import inspect
import itertools
import time
from types import TracebackType
from typing import Any, Final, Self

import torch

from autograder.cuda import state
from autograder.cuda.patches import Patches

_ids: Final = itertools.count(1)


def _base(name: str) -> Any:
    """The class that torch wants a stream or an event to have as its base: none since 2.6."""
    base = getattr(getattr(torch, "_streambase", None), name, None)
    return base if inspect.isabstract(base) else object


_StreamBase: Final[Any] = _base("_StreamBase")
_EventBase: Final[Any] = _base("_EventBase")


class Stream(_StreamBase):  # type: ignore[misc]
    """``torch.cuda.Stream``: what is put on it has ended already."""

    def __init__(self, device: object = None, priority: int = 0, **kwargs: Any) -> None:
        """Make a stream on a device, by default the current one."""
        self.device_index = state.cuda_index(device)
        self.priority = priority
        self.cuda_stream = self.stream_id = next(_ids)

    @property
    def device(self) -> torch.device:
        """Whose stream it is."""
        return state.device_at(self.device_index)

    def synchronize(self) -> None:
        """Wait for its work, which has ended."""

    def query(self) -> bool:
        """Whether its work has ended."""
        return True

    def is_capturing(self) -> bool:
        """Whether its work is recorded as a CUDA graph: never."""
        return False

    def wait_stream(self, stream: object) -> None:
        """Have it wait for another stream's work."""

    def wait_event(self, event: object) -> None:
        """Have it wait for an event."""

    def record_event(self, event: Event | None = None) -> Event:
        """An event that is recorded on it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.stream_id == self.stream_id

    def __hash__(self) -> int:
        return hash(self.stream_id)

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"

    def __enter__(self) -> Self:
        _enter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _leave()


class Event(_EventBase):  # type: ignore[misc]
    """``torch.cuda.Event``: times are those of the process."""

    def __init__(
        self,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
    ) -> None:
        self._timed = enable_timing
        self._time: float | None = None

    def record(self, stream: object = None) -> None:
        """Take the time."""
        self._time = time.perf_counter()

    def wait(self, stream: object = None) -> None:
        """Have a stream wait for it."""

    def query(self) -> bool:
        """Whether it has happened."""
        return True

    def synchronize(self) -> None:
        """Wait until it has happened."""

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another.

        Raises:
            ValueError: one of them was not recorded, or takes no time.
        """
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._time is None or end_event._time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event._time - self._time) * 1e3

    def __repr__(self) -> str:
        return "<torch.cuda.Event uninitialized>" if self._time is None else "<torch.cuda.Event>"


class StreamContext:
    """``torch.cuda.stream(...)``: the stream is the current one inside."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        _enter(self.stream)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _leave()


_default: Final[dict[int, Stream]] = {}


def _chosen(stream: Stream | None) -> dict[int, Stream]:
    more = {} if stream is None else {stream.device_index: stream}
    return {**state.current.streams[-1], **more}


def _enter(stream: Stream | None) -> None:
    state.current.streams = (*state.current.streams, _chosen(stream))


def _leave() -> None:
    state.current.streams = state.current.streams[:-1] or ({},)


def default_stream(device: object = None) -> Stream:
    """A device's default stream."""
    index = state.cuda_index(device)
    if index not in _default:
        stream = Stream(index)
        stream.cuda_stream = stream.stream_id = 0
        _default[index] = stream
    return _default[index]


def current_stream(device: object = None) -> Stream:
    """The stream that a device's work is put on."""
    index = state.cuda_index(device)
    stream: Stream = state.current.streams[-1].get(index, default_stream(index))
    return stream


def set_stream(stream: Stream | None) -> None:
    """Make a stream its device's current one."""
    state.current.streams = (*state.current.streams[:-1], _chosen(stream))


def stream(stream: Stream | None) -> StreamContext:
    """A block in which a stream is the current one."""
    return StreamContext(stream)


def generic(original: Any, own: type) -> Any:
    """``torch.Stream`` or ``torch.Event``, which take the kind of device as an argument.

    Args:
        original: torch's class.
        own: the class of the emulated devices.
    """

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, (original, own))

        def __call__(cls, device: Any = None, *args: Any, **kwargs: Any) -> Any:
            if device is not None and state.index_for(device) < 0:
                return original(device, *args, **kwargs)
            if own is Stream:
                return Stream(device, *args, **kwargs)
            return Event(*args, **kwargs)

    return Kind(original.__name__, (), {"__doc__": original.__doc__})


def install(patches: Patches) -> None:
    """Put them in the place of torch's."""
    patches.replace(torch, "Stream", generic(torch.Stream, Stream))
    patches.replace(torch, "Event", generic(torch.Event, Event))
