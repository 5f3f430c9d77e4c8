"""Frames between the trusted side and a process that runs student code.

A frame is

* the length of all that follows but itself (four bytes, big-endian),
* the length of the header (four bytes, big-endian),
* the header: JSON in UTF-8, ``[lengths of the buffers, document]``,
* the buffers' bytes, one buffer after the other.

``bytes`` and texts longer than ``MAX_TEXT`` characters are no part of the header. Each is a
buffer, and ``{"$bytes": 2}`` or ``{"$text": 2}`` stands in its place in the document for the
buffer of that index. A dict of the document that looks like such a reference travels as
``{"$dict": ...}``. Lone surrogates are encoded as any other character ("surrogatepass").

The form is chosen for a hostile peer. What can grow while it is read, a document of many small
objects, is only in the header, and that is short: a compact binary format would let tens of
millions of empty dicts, or a few bytes that claim a long list, through. The long parts are only
ever copied. A buffer may be referred to once, or a small header could multiply a large buffer
in everything that is made of the document later. So ``unpack`` allocates at most 64 bytes for
each byte of the header and 6 for each byte of the buffers (a text in UTF-8 may need four times
its size). Lengths, nesting and integers are bounded, every read has a deadline, and memory grows
with what came and not with what was claimed. Nothing is ever unpickled.
"""

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

MAX_FRAME: Final = 64 * 1024 * 1024
"""Largest frame in bytes, without its first four, that either side sends or accepts."""
MAX_HEADER: Final = 1024 * 1024
"""Largest header of a frame in bytes."""
MAX_TEXT: Final = 256
"""Texts of more characters than this leave the header."""
MAX_NESTING: Final = 200
"""Lists and dicts of a document may be nested this deep."""

_LENGTH: Final = struct.Struct(">I")
_CHUNK: Final = 1 << 20
_SHORT: Final = 1 << 16
_LATE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
_LOOK_SHARE: Final = 4.0
_MOST_LOOK_SECONDS: Final = 1.0
"""A look that takes long is followed by a pause of several times as long, up to this."""
_BYTES: Final = "$bytes"
_TEXT: Final = "$text"
_DICT: Final = "$dict"
_MARKS: Final = frozenset({_BYTES, _TEXT, _DICT})
_INTEGERS: Final = range(-(2**63), 2**64)


class WireError(Exception):
    """The peer broke the protocol: a frame too long, malformed or of the wrong form."""


class WireClosed(WireError):
    """The peer closed its end, usually because its process ended."""


class WireTimeout(WireError):
    """The peer did not answer before the deadline."""


class Channel:
    """One end of a stream socket that carries frames."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setblocking(False)
        self.on_wait: Callable[[], None] | None = None
        """Called a few times a second while frames pass or are waited for; may raise."""
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def send(self, document: Any, timeout: float = 30.0) -> None:
        """Send one document.

        Raises:
            WireError: it cannot be represented or is over a cap, see ``pack``.
            WireClosed: the peer has gone.
            WireTimeout: the peer did not read it within ``timeout`` seconds.
        """
        data = pack(document)
        deadline = time.monotonic() + timeout
        length = _LENGTH.pack(len(data))
        # a short frame goes in one piece, so that it wakes the reader once
        for piece in (length + data,) if len(data) < _SHORT else (length, data):
            self._write(memoryview(piece), deadline)

    def _write(self, view: memoryview, deadline: float) -> None:
        while view:
            self._look()
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline)
            except OSError as error:
                raise WireClosed("the other process ended") from error

    def receive(self, timeout: float) -> Any:
        """Receive one document within ``timeout`` seconds.

        Raises:
            WireClosed: the peer closed before a whole frame came.
            WireTimeout: the frame was not complete in time.
            WireError: the frame is longer than allowed or malformed.
        """
        deadline = time.monotonic() + timeout
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > MAX_FRAME:
            raise WireError(f"a frame of {length} bytes is over the cap of {MAX_FRAME}")
        return unpack(self._read(length, deadline))

    def _read(self, size: int, deadline: float) -> bytearray:
        """Read exactly ``size`` bytes; memory grows with what came, not with what was claimed."""
        data = bytearray()
        while len(data) < size:
            self._look()
            try:
                chunk = self._sock.recv(min(_CHUNK, size - len(data)))
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)
                continue
            except OSError as error:
                raise WireClosed("the other process ended") from error
            if not chunk:
                raise WireClosed("the other process ended")
            data += chunk
            # What lies in the socket at the deadline is still read, but a peer that always has
            # one more byte ready, so that we never wait, must not keep us here.
            if time.monotonic() > deadline + _LATE_SECONDS:
                raise WireTimeout("the other process did not answer in time")
        return data

    def _wait(self, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._sock, event)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(min(left, _LOOK_SECONDS) * 1000):
                return
            self._look()
        raise WireTimeout("the other process did not answer in time")

    def _look(self) -> None:
        """Call ``on_wait`` when it is time, also if the peer never lets us wait."""
        if self.on_wait is not None and time.monotonic() >= self._next_look:
            began = time.monotonic()
            self.on_wait()
            took = time.monotonic() - began
            pause = max(_LOOK_SECONDS, min(_LOOK_SHARE * took, _MOST_LOOK_SECONDS))
            self._next_look = began + took + pause

    def fileno(self) -> int:
        """The socket's descriptor, to wait for frames with others."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close this end."""
        self._sock.close()


def pack(document: Any) -> bytes:
    """Serialise a document of plain data: a frame without its first length.

    Plain data are None, bool, int (64 bits), float, str, bytes, and lists, tuples (they arrive
    as lists) and dicts with text keys of them.

    Raises:
        WireError: it holds something else, is nested deeper than ``MAX_NESTING``, its header is
            longer than ``MAX_HEADER`` or the whole than ``MAX_FRAME``.
    """
    buffers: list[bytes] = []
    try:
        plain = _take_out(document, buffers, 0)
        text = json.dumps(
            [[len(buffer) for buffer in buffers], plain],
            ensure_ascii=False,  # else two lone surrogates could arrive as one character
            check_circular=False,
            separators=(",", ":"),
        )
        header = text.encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise WireError(f"not plain data: {type(error).__name__}") from error
    if len(header) > MAX_HEADER:
        raise WireError(f"a header of {len(header)} bytes is over the cap of {MAX_HEADER}")
    size = _LENGTH.size + len(header) + sum(map(len, buffers))
    if size > MAX_FRAME:
        raise WireError(f"a frame of {size} bytes is over the cap of {MAX_FRAME}")
    return b"".join([_LENGTH.pack(len(header)), header, *buffers])


def _take_out(node: Any, buffers: list[bytes], depth: int) -> Any:
    """A copy of a document for the header; what does not belong there goes to ``buffers``."""
    if isinstance(node, str):
        if len(node) <= MAX_TEXT:
            return node
        return _refer(_TEXT, node.encode("utf-8", "surrogatepass"), buffers)
    if node is None or isinstance(node, (bool, float)):
        return node
    if isinstance(node, int):
        return _integer(node)
    if isinstance(node, (bytes, bytearray)):
        return _refer(_BYTES, bytes(node), buffers)
    _check_depth(depth)
    if isinstance(node, (list, tuple)):
        return [_take_out(item, buffers, depth + 1) for item in node]
    if not isinstance(node, dict):
        raise WireError(f"not plain data: {type(node).__name__}")
    plain = {}
    for key, value in node.items():
        if not isinstance(key, str):
            raise WireError("not plain data: a key that is no text")
        plain[key] = _take_out(value, buffers, depth + 1)
    return {_DICT: plain} if len(plain) == 1 and not _MARKS.isdisjoint(plain) else plain


def _refer(mark: str, data: bytes, buffers: list[bytes]) -> dict[str, int]:
    buffers.append(data)
    return {mark: len(buffers) - 1}


def _integer(number: int) -> int:
    if number not in _INTEGERS:
        raise WireError("an integer of more than 64 bits")
    return number


def _check_depth(depth: int) -> None:
    if depth >= MAX_NESTING:
        raise WireError(f"nested deeper than {MAX_NESTING}")


def unpack(data: bytes | bytearray) -> Any:
    """Read a document of plain data from what ``pack`` made.

    Raises:
        WireError: the bytes are no frame, or it is over a cap.
    """
    try:
        return _document(memoryview(data))
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError(f"not a frame: {type(error).__name__}") from error


def _document(data: memoryview) -> Any:
    if not _LENGTH.size <= len(data) <= MAX_FRAME:
        raise WireError("a frame too short or too long")
    (size,) = _LENGTH.unpack_from(data)
    if size > MAX_HEADER:
        raise WireError(f"a header of {size} bytes is over the cap of {MAX_HEADER}")
    rest = data[_LENGTH.size :]
    if size > len(rest):
        raise WireError("a header longer than its frame")
    header = json.loads(str(rest[:size], "utf-8", "surrogatepass"))
    if type(header) is not list or len(header) != 2:
        raise WireError("a malformed header")
    lengths, document = header
    return _put_back(document, _Buffers(rest[size:], lengths), 0)


class _Buffers:
    """The buffers of a frame that is being read; each can be taken once."""

    def __init__(self, data: memoryview, lengths: Any) -> None:
        if type(lengths) is not list:
            raise WireError("malformed buffers")
        if not all(type(length) is int and length >= 0 for length in lengths):
            raise WireError("a buffer's length is no natural number")
        if sum(lengths) != len(data):
            raise WireError("the buffers do not fill the frame")
        self._data = data
        self._lengths = lengths
        self._ends = list(accumulate(lengths))
        self._taken = bytearray(len(lengths))

    def take(self, index: Any) -> memoryview:
        """The buffer of this index, if nothing has referred to it yet."""
        if type(index) is not int or not 0 <= index < len(self._lengths):
            raise WireError("a reference to no buffer")
        if self._taken[index]:
            raise WireError("two references to one buffer")
        self._taken[index] = 1
        end = self._ends[index]
        return self._data[end - self._lengths[index] : end]


def _put_back(node: Any, buffers: _Buffers, depth: int) -> Any:
    """The document with its buffers in place of the references to them.

    Works in place, since a copy of a header's worth of objects would double the memory.
    """
    kind = type(node)
    if kind is int:
        return _integer(node)
    if kind is list:
        _check_depth(depth)
        for index, item in enumerate(node):
            node[index] = _put_back(item, buffers, depth + 1)
    elif kind is dict:
        if len(node) == 1:
            ((key, content),) = node.items()
            if key == _BYTES:
                return bytes(buffers.take(content))
            if key == _TEXT:
                return str(buffers.take(content), "utf-8", "surrogatepass")
            if key == _DICT:
                node = content
                if type(node) is not dict:
                    raise WireError("a malformed dict")
        _check_depth(depth)
        for key, value in node.items():  # the keys stay, so the dict may change meanwhile
            node[key] = _put_back(value, buffers, depth + 1)
    return node
