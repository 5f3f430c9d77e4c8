"""The command that grades what is queued for several machines."""

import importlib.util
import logging
from pathlib import Path
from typing import Final

import click

from autograder.cli.base import jobs_option, main, print_line, print_warning, unsafe_option
from autograder.plain import bracketed

_NEEDED: Final = ("procrastinate", "prometheus_client", "psycopg")
_LAST_PORT: Final = 65_535


def _address(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[str, int] | None:
    """An address and a port, as they are written in one."""
    if not text:
        return None
    address, _colon, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > _LAST_PORT:
        raise click.BadParameter("give ADDRESS:PORT, such as 127.0.0.1:9464")
    return address.strip("[]") or "127.0.0.1", int(port)


@main.command(fails="it could not begin; the message says why and how to mend it")
@click.option(
    "--db",
    metavar="URL",
    envvar="AUTOGRADER_DB",
    show_envvar=True,
    default="",
    help="The Postgres database with the queue and the gradebook.",
)
@jobs_option
@click.option(
    "--metrics",
    metavar="ADDRESS:PORT",
    default="",
    callback=_address,
    help="Answer /metrics, for Prometheus, and /health there.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where courses are kept between runs (default: the user's cache folder).",
)
@click.option(
    "--dead-after",
    metavar="SECONDS",
    type=click.FloatRange(2, 3600),
    default=30.0,
    show_default=True,
    help="Take a worker for dead that has said nothing for so long; the same for all workers.",
)
@unsafe_option
def worker(
    *,
    db: str,
    jobs: int,
    metrics: tuple[str, int] | None,
    cache: Path | None,
    dead_after: float,
    allow_unsafe: bool,
) -> None:
    """Grade what is queued, on as many machines as you like.

    Start it on each: `grade --db` and `serve --workers` fill the queue. It needs no course and no
    shared folder: what it grades comes from the database. It grades only courses whose packages
    are installed here in the same versions, and says which it does not. Ctrl-C or SIGTERM: what
    runs is finished, and nothing new is taken; a second one ends it at once, and other workers
    grade what was cut.

    \b
    Examples:
      AUTOGRADER_DB=postgresql://grader@db.example/course autograder worker
      autograder worker --db postgresql:///course --jobs 8 --metrics 127.0.0.1:9464
    """
    from autograder.bridge.course import CourseError

    if not db:
        raise click.UsageError("give --db, or set AUTOGRADER_DB")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CourseError(
            f"`autograder worker` needs packages that are not installed ({', '.join(missing)}): "
            "pip install 'pytorch-autograder[workers]'"
        )
    from autograder.database import DatabaseError

    try:
        _work(db, jobs, metrics, cache, dead_after=dead_after, allow_unsafe=allow_unsafe)
    except DatabaseError as error:
        raise CourseError(str(error)) from error
    print_line("ended; what is left is graded by other workers, or by the next one")


def _work(
    db: str,
    jobs: int,
    address: tuple[str, int] | None,
    cache: Path | None,
    *,
    dead_after: float,
    allow_unsafe: bool,
) -> None:
    from autograder.bridge.course import CourseError
    from autograder.doctor import walls
    from autograder.workers import metrics
    from autograder.workers.database import database_url, open_queue
    from autograder.workers.worker import GradingWorker, default_cache

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # what matters is told by ours
    url = database_url(db)
    standing = walls.examine()
    if lacking := walls.require_walls(allow_unsafe, standing):
        print_warning(f"UNSAFE: without {', '.join(lacking)}", strong=True)
    engine = open_queue(url)
    observer = metrics.Metrics(engine, {wall.name: wall.stands for wall in standing}, dead_after)
    kept = cache or default_cache()
    try:
        working = GradingWorker(
            engine, url, kept, jobs=jobs, dead_seconds=dead_after,
            allow_unsafe=allow_unsafe, observer=observer,
        )  # fmt: skip
    except OSError as error:
        raise CourseError(
            f"the folder for courses, {kept}, cannot be made: {error.strerror}: give another one "
            "with --cache"
        ) from error
    if address is not None:
        host = bracketed(address[0])
        try:
            server = metrics.serve(observer, *address, working.is_healthy)
        except OSError as error:
            raise CourseError(
                f"--metrics {host}:{address[1]} cannot be used: {error.strerror or error}: "
                "give an address of this machine and a port that is free"
            ) from error
        print_line(f"metrics: http://{host}:{server.server_port}/metrics")
    working.run(lambda: print_line(f"worker {working.name}: grades up to {jobs} at once"))
