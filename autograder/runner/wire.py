"""Frames between the trusted side and a process that runs student code.

A frame is a four-byte big-endian length and one msgpack document of that length. Both are
bounded, and every read has a deadline, so that a peer that lies about a length, nests without
end or drips its reply byte by byte costs a bounded amount of memory and time. Nothing is ever
unpickled.
"""

import select
import socket
import struct
import time
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

MAX_FRAME: Final = 96 * 1024 * 1024
"""Largest document in bytes that either side sends or accepts."""

_LENGTH: Final = struct.Struct(">I")
_CHUNK: Final = 1 << 20


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

    def send(self, document: Any, timeout: float = 30.0) -> None:
        """Send one document.

        Raises:
            WireError: it cannot be represented or is longer than ``MAX_FRAME``.
            WireClosed: the peer has gone.
            WireTimeout: the peer did not read it within ``timeout`` seconds.
        """
        data = pack(document)
        deadline = time.monotonic() + timeout
        view = memoryview(_LENGTH.pack(len(data)) + data)
        while view:
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
            WireError: the frame is longer than allowed or is not msgpack.
        """
        deadline = time.monotonic() + timeout
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > MAX_FRAME:
            raise WireError(f"a frame of {length} bytes is over the cap of {MAX_FRAME}")
        return unpack(self._read(length, deadline))

    def _read(self, size: int, deadline: float) -> bytes:
        """Read exactly ``size`` bytes; memory grows with what came, not with what was claimed."""
        data = bytearray()
        while len(data) < size:
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
        return bytes(data)

    def _wait(self, event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._sock, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise WireTimeout("the other process did not answer in time")

    def close(self) -> None:
        """Close this end."""
        self._sock.close()


def pack(document: Any) -> bytes:
    """Serialise a document of plain data.

    Raises:
        WireError: it holds something else, or is longer than ``MAX_FRAME``.
    """
    try:
        data = msgpack.packb(document, unicode_errors="surrogatepass")
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"not plain data: {error}") from error
    if len(data) > MAX_FRAME:
        raise WireError(f"a frame of {len(data)} bytes is over the cap of {MAX_FRAME}")
    return bytes(data)


def unpack(data: bytes) -> Any:
    """Read a document of plain data.

    Raises:
        WireError: the bytes are not one msgpack document, or it is nested too deeply.
    """
    try:
        return msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise WireError(f"not a frame: {type(error).__name__}") from error
