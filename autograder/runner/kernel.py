"""A submission's process in the place of a Jupyter kernel: ipykernel's own, without its sockets.

It runs one cell at a time, as it is asked to, and sends as data what a kernel publishes: the
outputs are those of ipykernel because ipykernel makes them. What cells it will be asked to run
later it does not know.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from traitlets.config import Config

from autograder.runner import inner_walls, refusals
from autograder.runner.limits import Limits
from autograder.runner.settle import settle
from autograder.runner.wire import Channel, WireClosed, WireError

_IDLE_SECONDS: Final = 24 * 3600.0
_FLUSH_SECONDS: Final = 0.2
"""As often as ipykernel sends what was printed."""
_DEBUGGER: Final = "debugpy"

_kernel: Any = None


class _Publisher(Session):
    """Sends what a kernel publishes, and its replies, over the wire."""

    channel: Channel | None = None
    _one_at_a_time = threading.Lock()

    def send(self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None,
             ident: Any = None, *args: Any, **kwargs: Any) -> Any:  # fmt: skip
        """Send a message, as ``Session.send`` does."""
        message = msg_or_type
        if isinstance(message, str):
            message = self.msg(message, content, parent)
        if self.channel is not None:
            with self._one_at_a_time:
                self._tell(message["msg_type"], message["parent_header"], message["content"])
        return message

    def _tell(self, kind: str, parent: dict[str, Any], content: Any) -> None:
        assert self.channel is not None
        text = json.dumps(content, default=json_default, ensure_ascii=False, skipkeys=True)
        about = {"parent": str(parent.get("msg_id", "")), "refused": sorted(refusals.refused)}
        try:
            self.channel.send({"type": kind, "content": text} | about)
        except WireClosed:
            os._exit(0)
        except WireError:  # the frame would be too long
            left_out = {"name": "stderr", "text": "[An output that was too large was left out.]\n"}
            self.channel.send({"type": "stream", "content": json.dumps(left_out)} | about)


class _Flusher:
    """Stands for ipykernel's thread that publishes; flushes what is printed now and then."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []
        self._wake = threading.Event()

    def start(self) -> None:
        """Start to flush, in the process that runs the cells."""
        threading.Thread(target=self._flush, daemon=True).start()

    def schedule(self, do: Callable[[], None]) -> None:
        """Do it now: there is no thread to wait for."""
        do()

    def call_later(self, delay: float, flush: Callable[[], None]) -> None:
        """Flush soon."""
        self._due.append(flush)
        self._wake.set()

    def _flush(self) -> NoReturn:
        while True:
            self._wake.wait()
            time.sleep(_FLUSH_SECONDS)
            self._wake.clear()
            due, self._due = self._due, []
            for flush in due:
                flush()


def prepare() -> None:
    """Make the kernel, once, in the warm process; children inherit it by fork."""
    global _kernel
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    if importlib.util.find_spec(_DEBUGGER):
        sys.modules[_DEBUGGER] = None  # type: ignore[assignment]  # it wants sockets and threads
        sys.breakpointhook = _no_debugger  # nor does it stop where nobody has attached to it
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp

    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    app = IPKernelApp.instance(config=config)  # where ipykernel looks for its kernel
    _kernel = app.kernel = IPythonKernel.instance(
        parent=app, session=_Publisher(), user_ns=None, log=logging.getLogger("kernel")
    )
    sys.modules.pop(_DEBUGGER, None)
    shell = app.shell = _kernel.shell
    app.init_pdb()
    shell.extension_manager.load_extension("storemagic")
    for name in ("system", "system_piped", "system_raw"):
        setattr(type(shell), name, _refuse_program)
    _kernel.shell_channel_thread = SimpleNamespace(parent_thread=threading.main_thread())


def _no_debugger(*args: object, **kwargs: object) -> None:
    """What ``breakpoint()`` does."""


def _refuse_program(self: InteractiveShell, command: str) -> None:
    refusals.program_refused()


def main(channel: Channel, _grades: object, limits: Limits) -> NoReturn:
    """Serve in this freshly forked process until the channel closes, and end it.

    Args:
        channel: carries the job, then a request for each cell and what the kernel publishes.
        limits: the submission's limits.
    """
    try:
        settle(channel)
        _settle_shell()
        _connect(channel)
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        _kernel.io_loop = loop  # `exit` stops it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.run_until_complete(_serve(channel))
    except BaseException:
        os._exit(70)
    os._exit(0)


def _settle_shell() -> None:
    """What a kernel takes from the folder that it is started in."""
    folder = os.getcwd()
    sys.path.insert(0, "")
    shell = _kernel.shell
    shell.user_ns["_dh"][:] = [type(one)(folder) for one in shell.user_ns["_dh"][:1]]
    if folder == inner_walls.NOTEBOOK:  # else nothing can be written beside the notebook's folder
        profile = os.path.join(os.path.dirname(folder), "ipython", "profile_default")
        os.environ["IPYTHONDIR"] = os.path.dirname(profile)
        shell.profile_dir = ProfileDir(location=profile)
        shell.db = type(shell.db)(os.path.join(profile, "db"))


def _connect(channel: Channel) -> None:
    """Send what is printed, also by C code, and what is shown to the trusted side."""
    from ipykernel.iostream import OutStream

    _kernel.session.channel = channel
    flusher = _Flusher()
    flusher.start()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(null, descriptor)
        plain = os.fdopen(descriptor, "w", closefd=False, encoding="utf-8")
        setattr(sys, name, plain)  # where it looks for the descriptor to watch
        stream = OutStream(_kernel.session, _publishing(flusher), name, watchfd="force")
        setattr(sys, name, stream)
    os.dup2(null, 0)


def _publishing(flusher: _Flusher) -> Any:
    """The flusher as a kind of ipykernel's thread, which ``OutStream`` insists on."""
    from ipykernel.iostream import IOPubThread

    publishing: Any = object.__new__(IOPubThread)  # without its socket and its thread
    publishing.thread, publishing.io_loop, publishing.schedule = None, flusher, flusher.schedule
    return publishing


async def _serve(channel: Channel) -> None:
    """Run the cells that are asked for; tasks that they leave behind run meanwhile."""
    loop = asyncio.get_running_loop()
    while True:
        ready = asyncio.Event()
        loop.add_reader(channel.fileno(), ready.set)
        await ready.wait()
        loop.remove_reader(channel.fileno())
        try:
            request = channel.receive(_IDLE_SECONDS)
        except WireClosed:
            return
        if "code" in request:
            await _execute(request["id"], request["code"])
        else:
            _hear(request["kind"], request["content"])


def _hear(kind: str, content: dict[str, Any]) -> None:
    """Take a message of a widget's other half."""
    message = _kernel.session.msg(kind, content) | {"buffers": []}
    _kernel.shell_handlers[kind](None, [b""], message)


async def _execute(request_id: str, code: str) -> None:
    """Run a cell as ipykernel does when a client asks for it."""
    session = _kernel.session
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
               "allow_stdin": False, "stop_on_error": False}  # fmt: skip
    request = session.msg("execute_request", content, metadata={})
    request["header"]["msg_id"] = request_id
    _kernel.set_parent([b""], request, channel="shell")
    session.send(None, "status", {"execution_state": "busy"}, request)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        await _kernel.execute_request(None, [b""], request)
    except KeyboardInterrupt:  # it came between the cell and the reply
        session.send(None, "execute_reply", _interrupted(), request)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(Exception):  # what a cell has put in their place
        sys.stdout.flush()
        sys.stderr.flush()
    session.send(None, "status", {"execution_state": "idle"}, request)


def _interrupted() -> dict[str, Any]:
    return {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
