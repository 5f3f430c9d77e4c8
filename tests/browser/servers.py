"""The tool and a platform over TLS, each a site of its own, as browsers meet them in a frame.

The platform is at ``https://127.0.0.1``, the tool at ``https://localhost``: different sites for a
browser, which then treats the tool's cookies as a third party's. The tool is started by its command
and stands behind a server that ends TLS, as it does in use.
"""

import asyncio
import contextlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import jwt
import trustme
import uvicorn
from starlette.applications import Starlette

from autograder.bridge.course import Course
from autograder.demo_platform.app import create_platform
from autograder.demo_platform.state import Platform
from tests.bench.commands import environment
from tests.sample_class.build import notebook_of
from tests.sample_class.demo import copy_course

ASSIGNMENT: Final = "gradientes"
_START_SECONDS: Final = 120.0
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Servers:
    """What runs."""

    course: Path
    platform: Platform
    tool: str
    """The tool's URL for browsers."""
    certificates: Path
    """The certificates that must be trusted."""

    def autograder(self, *arguments: str) -> str:
        """Run a command on the course; what it prints."""
        command = [sys.executable, "-m", "autograder", "--course", str(self.course), *arguments]
        return subprocess.run(
            command, env=_trusting(self.certificates), check=True, capture_output=True, text=True
        ).stdout

    def notebook(self, student: str) -> bytes:
        """What one of the sample class hands in."""
        return notebook_of(self.course, ASSIGNMENT, student)

    def after_login(self, path: str) -> str:
        """Where the tool's login leads from a link of the platform's; its cookies are not kept."""
        trusted = ssl.create_default_context(cafile=self.certificates)
        with httpx.Client(verify=trusted) as client:
            to_tool = client.get(f"{self.platform.url}{path}").headers["location"]
            return str(client.get(to_tool).headers["location"])

    def trust_tool(self) -> None:
        """Have the platform know the tool's keys: its own requests trust other authorities."""
        trusted = ssl.create_default_context(cafile=self.certificates)
        answer = httpx.get(f"{self.tool}/lti/jwks.json", verify=trusted)
        for key in jwt.PyJWKSet.from_dict(answer.raise_for_status().json()).keys:
            known = f"{self.tool}/lti/jwks.json", key.key_id or ""
            self.platform.tool_keys.known[known] = key

    def invitation(self) -> str:
        """A URL by which a platform registers itself with the tool."""
        said = self.autograder("lms", "invite", "Demonstration", "--url", self.tool)
        found = re.search(r"https://\S+/lti/register/\S+", said)
        assert found is not None, said
        return found[0]


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """A course with one assignment released, the tool and a platform."""
    authority = trustme.CA()
    certificates = folder / "trusted.pem"
    authority.cert_pem.write_to_path(str(certificates))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    course = copy_course(_made(folder / "course"))
    Course(course).release(ASSIGNMENT)
    plain, outside, platform_port = _free_port(), _free_port(), _free_port()
    tool, url = f"https://localhost:{outside}", f"https://127.0.0.1:{platform_port}"
    app = create_platform(url)
    with (
        _platform(app, platform_port, context),
        _tls(outside, plain, context),
        _tool(course, plain, tool, certificates),
    ):
        yield Servers(course, app.state.platform, tool, certificates)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _trusting(certificates: Path) -> dict[str, str]:
    return {**environment(), "REQUESTS_CA_BUNDLE": str(certificates)}


@contextmanager
def _platform(app: Starlette, port: int, context: ssl.SSLContext) -> Iterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    config.load()
    config.ssl = context
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _wait_until(lambda: server.started, thread.is_alive)
        yield
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def _tool(course: Path, port: int, url: str, certificates: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "autograder", "--course", str(course), "serve"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--url", url], env=_trusting(certificates)
    )
    try:
        _wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health"),
                    lambda: process.poll() is None)  # fmt: skip
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def _wait_until(done: Callable[[], bool], lives: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_SECONDS
    while not done():
        if not lives() or time.monotonic() > end:
            raise RuntimeError("a server does not start")
        time.sleep(0.05)


@contextmanager
def _tls(outside: int, inside: int, context: ssl.SSLContext) -> Iterator[None]:
    """End TLS on one port and pass on what comes to another."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, TimeoutError, ssl.SSLError):
            return  # one side has gone, or does not say goodbye; the other is closed below
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, back = await asyncio.open_connection("127.0.0.1", inside)
        await asyncio.gather(pump(reader, back), pump(to, writer))

    loop, started = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", outside, ssl=context):
            started.set()
            await asyncio.Event().wait()

    def run() -> None:  # in a thread of its own, as Playwright has a loop in the test's
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(serve())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        _wait_until(started.is_set, thread.is_alive)
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
