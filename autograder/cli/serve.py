"""The command that serves a course to learning platforms."""

import importlib.util
import logging
from typing import TYPE_CHECKING, Final

import click

from autograder.cli.base import jobs_option, main, print_line, print_warning, unsafe_option
from autograder.cli.lms import db_option, opened_course, url_option

if TYPE_CHECKING:  # slow to import, or not installed
    from sqlalchemy import Engine

    from autograder.bridge.course import Course
    from autograder.pool import Serving
    from autograder.web.state import AppState

_NEEDED: Final = ("fastapi", "limits", "python_multipart", "uvicorn")
_LAST_PORT: Final = 65_535
_DEMO_DATABASE: Final = "lms-demo.db"


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, _LAST_PORT), default=8000, show_default=True,
    help="Port to listen at; 0: any that is free.",
)  # fmt: skip
@url_option
@db_option
@jobs_option
@click.option(
    "--demo", is_flag=True,
    help="Also start a tiny learning platform of invented people, to try it all on this machine.",
)  # fmt: skip
@click.option(
    "--workers", is_flag=True,
    help="Have `autograder worker` grade, on any machines, instead of this one. Needs Postgres.",
)  # fmt: skip
@unsafe_option
@click.option("--verbose", is_flag=True, help="Log each request, without names and ids.")
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    host: str,
    port: int,
    url: str,
    db: str,
    jobs: int,
    demo: bool,
    workers: bool,
    allow_unsafe: bool,
    verbose: bool,
) -> None:
    """Serve the course to Moodle, Canvas, Open edX and others.

    Students hand in there, submissions are graded, and grades are delivered. Browsers must reach
    it over TLS, so a web server with TLS stands in front; --url is its address. Ctrl-C or SIGTERM
    ends it; what is left is done with the next start.

    \b
    Examples:
      autograder serve --demo
      autograder serve --url https://grader.example
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    from autograder.bridge.course import CourseError

    if missing:
        raise CourseError(
            f"`autograder serve` needs packages that are not installed ({', '.join(missing)}): "
            "pip install 'pytorch-autograder[lms]'"
        )
    if demo and port == _LAST_PORT:
        raise CourseError(
            "the demonstration's platform listens at the port after --port, and "
            f"{_LAST_PORT} is the last one: choose another"
        )
    if demo and not db:
        db = f"sqlite:///{(ctx.obj / _DEMO_DATABASE).resolve()}"
    with opened_course(ctx, db, url) as opened:
        from autograder import doctor, pool
        from autograder.doctor.course import require_engine
        from autograder.lms.settings import serve_settings
        from autograder.web import server

        course = opened.course
        listening = server.listen(host, port)
        base_url = server.own_url(listening) if demo or not opened.url else opened.url
        require_engine(course)
        course.settings.secret()  # one error now, rather than one for each submission
        if allow_unsafe:
            course.allow_unsafe()
        lacking = doctor.require_walls(course.settings.allow_unsafe)
        if lacking:
            print_warning(f"UNSAFE: without {', '.join(lacking)}", strong=True)
        _see_to_release(course, release=demo)
        graded_by = _workers(course, opened.engine) if workers else pool.serve
        server.write_log(logging.INFO if verbose else logging.WARNING)
        server.serve(
            opened.engine,
            course,
            serve_settings(course),
            opened.keys,
            listening=listening,
            base_url=base_url,
            jobs=jobs,
            graded_by=graded_by,
            demo_port=(port + 1 if port else 0) if demo else None,
            say=_say,
        )
    print_line("ended; what is left is done with the next start")


def _workers(course: "Course", engine: "Engine") -> "Serving":
    """What has workers grade.

    Raises:
        CourseError: the database is not one that workers can take from.
    """
    from autograder.workers import remote, serving  # needs what only the extra `workers` installs

    url = engine.url.render_as_string(hide_password=False)
    return serving.serving(remote.open_for(course, url))


def _see_to_release(course: "Course", *, release: bool) -> None:
    """Release the assignments that are not in the gradebook yet, or name them.

    Nobody can open one that is not there, and what a gradebook is wrong with is no reason not to
    begin: grading waits for it.
    """
    from autograder.bridge.course import CourseError
    from autograder.bridge.totals import read_deadlines

    try:
        known = read_deadlines(course)
    except CourseError as error:
        print_warning(str(error))
        return
    missing = [name for name in course.assignments() if name not in known]
    if missing and not release:
        print_warning(
            f"not in the gradebook, so nobody can open them: {', '.join(missing)}. "
            f"Run `autograder release {' '.join(missing)}`"
        )
        return
    for name in missing:
        try:
            course.release(name)
        except CourseError as error:
            print_warning(f"{name} is not released, so nobody can open it: {error}")
        else:
            print_line(f"released {name}, which was not in the gradebook")


def _say(state: "AppState") -> None:
    """Tell a teacher where to go."""
    from autograder.lms.lti.registrations import list_registrations

    print_line(f"serving {state.course.root} at {state.base_url}")
    if state.demo:
        print_line(
            f"open {state.demo} in a browser: a small platform of invented people, on this machine "
            "only. What they hand in goes into this course"
        )
    elif not list_registrations(state.engine):
        print_line("no learning platform is connected yet: see `autograder lms --help`")
    print_line("Ctrl-C ends it")
