"""What a monitoring system reads of a worker and of the queue, in Prometheus's text format.

To scale, start more workers while ``autograder_queue_oldest_seconds`` is more than a student
should wait. Every worker tells of the whole queue, so one of them is enough to ask.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    make_wsgi_app,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from autograder.workers import queue
from autograder.workers.worker import Observer

_URGENCIES: Final = {queue.STUDENT_WAITS: "student", queue.CLASS: "class", queue.AGAIN: "again"}
_SECONDS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300)
_log: Final = logging.getLogger(__name__)


class Metrics(Observer):
    """Counts what one worker does."""

    def __init__(self, engine: Engine, walls: Mapping[str, bool], silent_seconds: float) -> None:
        """Begin with nothing done.

        Args:
            engine: the queue's database.
            walls: which walls stand around submissions here.
            silent_seconds: a worker that says nothing for so long is dead.
        """
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "autograder_grading_seconds", "Seconds from taking a submission to its stored result.",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._failures = Counter(
            "autograder_failures", "Gradings that failed, by whether they are tried again.",
            ["set_aside"], registry=self.registry,
        )  # fmt: skip
        self._lost = Counter(
            "autograder_lost", "Gradings that another worker had taken over meanwhile.",
            registry=self.registry,
        )  # fmt: skip
        self._refused = Gauge(
            "autograder_refused_versions", "Versions of courses that cannot be graded here.",
            registry=self.registry,
        )  # fmt: skip
        wall = Gauge(
            "autograder_wall", "Whether a wall stands around submissions here.", ["wall"],
            registry=self.registry,
        )  # fmt: skip
        for name, stands in walls.items():
            wall.labels(name).set(stands)
        self.registry.register(_OfQueue(engine, silent_seconds))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def graded(self, seconds: float) -> None:
        """A submission was graded."""
        self._seconds.observe(seconds)

    def failed(self, set_aside: bool) -> None:
        """A grading failed."""
        self._failures.labels(str(set_aside).lower()).inc()

    def lost(self) -> None:
        """A submission was another worker's when it was graded."""
        self._lost.inc()

    def refuses(self, bundles: Mapping[str, str]) -> None:
        """What this worker does not grade, and why."""
        self._refused.set(len(bundles))


class _OfQueue(Collector):
    """Asks the queue whenever somebody asks for the metrics."""

    def __init__(self, engine: Engine, silent_seconds: float) -> None:
        self._engine = engine
        self._silent_seconds = silent_seconds

    def describe(self) -> Iterable[Any]:
        """Nothing, so that the queue is not asked when the metrics are registered."""
        return ()

    def collect(self) -> Iterator[Any]:
        """The queue's length, the age of its oldest, what is set aside, and who works."""
        up = GaugeMetricFamily("autograder_queue_up", "Whether the queue's database answers.")
        try:
            load = queue.load(self._engine)
            workers = queue.workers(self._engine, self._silent_seconds)
        except SQLAlchemyError as error:
            _log.warning("the queue does not answer: %s", type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _told_of(load)
        alive = GaugeMetricFamily("autograder_workers", "Workers that live.")
        alive.add_metric([], len(workers))
        yield alive
        places = GaugeMetricFamily(
            "autograder_worker_places", "Submissions that living workers grade at once."
        )
        places.add_metric([], sum(at_once for _name, at_once, _refuses in workers))
        yield places


def _told_of(load: Iterable[queue.Load]) -> Iterator[Any]:
    now = time.time()
    length = GaugeMetricFamily(
        "autograder_queue_length", "Submissions by urgency and state.", labels=["urgency", "state"]
    )
    oldest = GaugeMetricFamily(
        "autograder_queue_oldest_seconds", "Age of the oldest one that waits.", labels=["urgency"]
    )
    found = {(one.urgency, one.state): one for one in load}
    for urgency, name in _URGENCIES.items():
        for state in ("waiting", "grading", "set aside"):
            one = found.get((urgency, state))
            length.add_metric([name, state.replace(" ", "_")], 0 if one is None else one.count)
        waiting = found.get((urgency, "waiting"))
        oldest.add_metric([name], 0.0 if waiting is None else max(0.0, now - waiting.oldest))
    yield length
    yield oldest


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: they come every few seconds."""


def serve(metrics: Metrics, address: str, port: int, is_healthy: Callable[[], bool]) -> WSGIServer:
    """Answer ``/metrics`` and ``/health`` in a thread.

    Args:
        metrics: what to tell.
        address: where to listen; IPv6 where it has a colon.
        port: the port; 0: any that is free.
        is_healthy: whether ``/health`` answers 200, else 503.

    Raises:
        OSError: it cannot listen there.
    """
    told = make_wsgi_app(metrics.registry)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            answer: Iterable[bytes] = told(environ, start)
            return answer
        if path == "/health":
            healthy = is_healthy()
            status = "200 OK" if healthy else "503 Service Unavailable"
            start(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [b"ready\n" if healthy else b"the database is away\n"]
        start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"there are /metrics and /health\n"]

    made = _Server6 if ":" in address else _Server
    server = make_server(address, port, app, made, _Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
