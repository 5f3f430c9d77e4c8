"""The server's process: pages, grading and deliveries, from the start to the end of all three."""

import gc
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from typing import Any, Final

import uvicorn
from sqlalchemy import Engine

from autograder import pool
from autograder.bridge.course import Course, CourseError
from autograder.bridge.totals import read_facts
from autograder.demo_platform import NewLink, create_platform, registration_facts
from autograder.lms.handins.grading import GradingService
from autograder.lms.lti import tool
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.services.outbox import Outbox
from autograder.lms.services.platform import services
from autograder.lms.settings import Serve
from autograder.plain import bracketed
from autograder.web.app import create_app
from autograder.web.background import Deliveries
from autograder.web.state import AppState

_GRACE_SECONDS: Final = 10
"""What requests may take that are under way when the server ends."""
_START_SECONDS: Final = 20.0


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Raises:
        CourseError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise CourseError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}. "
            "Another port is chosen with --port"
        ) from error


def own_url(listening: socket.socket) -> str:
    """The URL of a server on this machine, where nobody gave another one.

    Raises:
        CourseError: others reach it as well, so they must use TLS and a name.
    """
    host, port = listening.getsockname()[:2]
    if not ip_address(host).is_loopback:
        raise CourseError(
            f"{host} can be reached by others, and students' browsers need TLS: put a web server "
            "with TLS in front, and say its address with --url, such as "
            "--url https://grader.example"
        )
    return f"http://{bracketed(host)}:{port}"


def serve(
    engine: Engine,
    course: Course,
    settings: Serve,
    keys: Keys,
    *,
    listening: socket.socket,
    base_url: str,
    jobs: int,
    graded_by: pool.Serving = pool.serve,
    demo_port: int | None,
    say: Callable[[AppState], None],
) -> None:
    """Serve a course until a signal ends it: SIGTERM, or Ctrl-C.

    What is under way is finished or put back, so that the next start goes on with it.

    Args:
        engine: the database.
        course: the course.
        settings: the rules.
        keys: the tool's keys.
        listening: where browsers, or the web server in front, connect.
        base_url: where browsers reach the tool.
        jobs: submissions that are graded at once.
        graded_by: what has them graded: processes here, or workers elsewhere.
        demo_port: where the demonstration's platform listens; None for none.
        say: is told when all is ready.

    Raises:
        CourseError: the course cannot be served, or is served already.
    """
    settings.url = base_url
    of = services(engine, keys)
    deliveries = Deliveries(engine, Outbox(engine, of))
    grading = GradingService(engine, course, settings, jobs=jobs, serve=graded_by)
    state = AppState(
        engine, course, settings, keys, of, base_url,
        grading=grading, deliveries=deliveries, jobs=jobs,
    )  # fmt: skip
    app = create_app(state)
    with ExitStack() as ends:
        if demo_port is not None:
            state.demo = ends.enter_context(_demo(engine, course, base_url, demo_port))
        grading.start()
        ends.callback(grading.stop)
        deliveries.start()
        ends.callback(deliveries.stop)
        ends.callback(state.close)
        with pool.Stopping():  # takes the signal that uvicorn raises once more when it has ended
            server = _Server(_config(app))
            server.ready = lambda: say(state)
            server.run([listening])


class _Server(uvicorn.Server):
    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        # What is imported stays. Else the garbage collector looks through it again and again while
        # the thousands of rows of a large class are read: a sixth of such a page's time.
        gc.freeze()
        if self.started:
            self.ready()


def _config(app: Any) -> uvicorn.Config:
    """Without a log of requests: their addresses have students' ids in them."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


@contextmanager
def _demo(engine: Engine, course: Course, base_url: str, port: int) -> Iterator[str]:
    """The demonstration's platform, with which the tool is registered; its URL."""
    listening = listen("127.0.0.1", port)
    url = own_url(listening)
    facts = registration_facts(url)
    add(
        engine,
        RegistrationFacts(
            facts.issuer, facts.client_id, facts.auth_login_url, facts.auth_token_url,
            facts.key_set_url, name="Demonstration", deployments=[facts.deployment],
        ),
    )  # fmt: skip
    app = create_platform(url, base_url, links=list(_links(course, base_url)), custom=tool.CUSTOM)
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)


def _links(course: Course, base_url: str) -> Iterator[NewLink]:
    """A link for each released assignment."""
    for name in course.assignments():
        try:
            points = read_facts(course, name).maximum
        except CourseError:
            continue
        yield NewLink(
            name,
            points=points or None,
            url=f"{base_url}/lti/launch",
            custom={"assignment": name},
            resource=name,
        )


def write_log(level: int) -> None:
    """Write what goes on to standard error."""
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
