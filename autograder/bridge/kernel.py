"""A jailed kernel as nbclient sees kernels: a manager, a client and two channels.

nbclient alone decides what becomes of a message, a limit of time, an error or a dead kernel; here
is only where its messages come from.
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from queue import Empty
from typing import Any, Final

from jupyter_client.session import Session

from autograder.runner.jailed_kernel import JailedKernel, Message

_LOOK_SECONDS: Final = 0.2
_INFO_ID: Final = "kernel-info"
_LANGUAGE: Final = {
    "name": "python",
    "version": sys.version.split()[0],
    "mimetype": "text/x-python",
    "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
    "pygments_lexer": f"ipython{sys.version_info[0]}",
    "nbconvert_exporter": "python",
    "file_extension": ".py",
}
"""What ipykernel says of its language."""


class _Channel:
    """The messages of one of a kernel's channels, in their order."""

    def __init__(
        self, arrival: Callable[[float], Any], send: Callable[[dict[str, Any]], None]
    ) -> None:
        self.messages: deque[dict[str, Any]] = deque()
        self._arrival = arrival
        self.send = send

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message within ``timeout`` seconds.

        Raises:
            queue.Empty: none came.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.messages:
            left = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise Empty
            await self._arrival(min(left, _LOOK_SECONDS))
        return self.messages.popleft()


class JailedKernelClient:
    """The client of a jailed kernel, as far as nbclient uses one."""

    def __init__(self, kernel: JailedKernel, seconds: float) -> None:
        """Connect to a kernel, which may run for so many seconds in all."""
        self._kernel = kernel
        self._deadline = time.monotonic() + seconds
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where the kernel's descriptor is watched, while it is."""
        self.allow_stdin = False
        self.session = Session()
        self.shell_channel = _Channel(self._arrival, self._tell)
        self.iopub_channel = _Channel(self._arrival, self._tell)

    def start_channels(self) -> None:
        """Nothing to start."""

    def stop_channels(self) -> None:
        """Watch the kernel no longer; what nbclient has left waiting for a message is cancelled."""
        self._closed = True
        self._forget()

    def wait_for_ready(self, timeout: float | None = None) -> None:
        """It is ready since it was forked."""

    def is_alive(self) -> bool:
        """Whether the kernel can still answer."""
        return self._kernel.alive

    def kernel_info(self) -> str:
        """Ask what language it speaks; the request's id."""
        content = {"status": "ok", "language_info": dict(_LANGUAGE)}
        self._sort(Message("kernel_info_reply", _INFO_ID, content))
        return _INFO_ID

    def execute(self, code: str, store_history: bool = True, stop_on_error: bool = True) -> str:
        """Ask for a cell to be run; the request's id."""
        return self._kernel.execute(code)

    def _tell(self, message: dict[str, Any]) -> None:
        """Pass on what nbclient's half of a widget says."""
        self._kernel.tell(message["msg_type"], message["content"])

    async def _arrival(self, seconds: float) -> None:
        """Wait until something came, or for so many seconds."""
        if self._closed:
            raise asyncio.CancelledError
        if not self._kernel.alive:
            await asyncio.sleep(seconds)
            return
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        self._waiting.add(arrived)
        self._watch(loop)
        try:
            await asyncio.wait([arrived], timeout=seconds)
        finally:
            self._waiting.discard(arrived)
            if not self._waiting:
                self._forget()
        if not arrived.done():
            self._look()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is None:
            self._loop = loop
            loop.add_reader(self._kernel.fileno(), self._receive)

    def _forget(self) -> None:
        """Watch the descriptor no longer: always before it is closed, or its number is reused."""
        if self._loop is not None:
            self._loop.remove_reader(self._kernel.fileno())
            self._loop = None

    def _look(self) -> None:
        if self._closed or not self._kernel.alive:
            return
        if time.monotonic() > self._deadline:
            self._kernel.end()
        else:
            self._kernel.check()
        if not self._kernel.alive:
            self._forget()

    def _receive(self) -> None:
        """Take a message off the wire and wake who waits."""
        message = self._kernel.receive()
        if not self._kernel.alive:
            self._forget()
        if message is not None:
            self._sort(message)
        for arrived in self._waiting:
            if not arrived.done():
                arrived.set_result(None)

    def _sort(self, message: Message) -> None:
        reply = message.kind.endswith("_reply")
        channel = self.shell_channel if reply else self.iopub_channel
        channel.messages.append(
            {
                "header": {"msg_type": message.kind},
                "msg_type": message.kind,
                "parent_header": {"msg_id": message.parent},
                "content": message.content,
                "metadata": {},
                "buffers": [],
            }
        )


class JailedKernelManager:
    """The manager of one jailed kernel, as far as nbclient uses one."""

    ipykernel = False  # it takes no arguments

    def __init__(self, start: Callable[[str], JailedKernel], seconds: float) -> None:
        """Remember how to start a kernel in a folder, and how many seconds it may run."""
        self._start = start
        self._seconds = seconds
        self._kernel: JailedKernel | None = None
        self._client: JailedKernelClient | None = None
        self.refused: set[str] = set()
        """What notebooks asked for that no submission gets."""

    @property
    def has_kernel(self) -> bool:
        """Whether one has been started and not been shut down."""
        return self._kernel is not None

    def start_kernel(self, *, cwd: str = "", extra_arguments: object = ()) -> None:
        """Start one, with the files of a folder beside its notebook."""
        self._kernel = self._start(cwd)

    def client(self) -> JailedKernelClient:
        """A client of the kernel."""
        assert self._kernel is not None
        self._client = JailedKernelClient(self._kernel, self._seconds)
        return self._client

    def is_alive(self) -> bool:
        """Whether the kernel can still answer."""
        return self._kernel is not None and self._kernel.alive

    def interrupt_kernel(self) -> None:
        """Interrupt the running cell."""
        if self._kernel is not None:
            self._kernel.interrupt()

    def shutdown_kernel(self, now: bool = False) -> None:
        """End every process of the kernel's."""
        self.cleanup_resources()

    def cleanup_resources(self) -> None:
        """End every process of the kernel's, if it has not been done."""
        if self._client is not None:
            self._client.stop_channels()
            self._client = None
        if self._kernel is not None:
            self.refused |= self._kernel.refused
            self._kernel.close()
            self._kernel = None
