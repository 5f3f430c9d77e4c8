"""Commands that connect a course with learning platforms; they need the extra ``lms``."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from autograder.cli.base import (
    Number,
    Table,
    answer,
    console,
    course_of,
    json_option,
    main,
    print_line,
)
from autograder.cli.status import Status

if TYPE_CHECKING:  # slow to import, or not installed
    from sqlalchemy import Engine

    from autograder.bridge.course import Course
    from autograder.lms.lti.keys import Keys

_NEEDED: Final = ("alembic", "pylti1p3")
_DAY: Final = 24 * 3600.0
_MOODLE_PLACE: Final = (
    "Site administration > Plugins > Activity modules > External tool > Manage tools"
)

db_option = click.option("--db", metavar="URL", default="", help="SQLAlchemy URL of the database.")
url_option = click.option(
    "--url", metavar="URL", default="", help="Where browsers reach the tool (default: c.Serve.url)."
)


@main.group()
def lms() -> None:
    """Connect the course with Moodle, Canvas, Open edX and others.

    They speak LTI 1.3.

    \b
    Examples:
      autograder lms invite Moodle
      autograder lms add --canvas school.instructure.com --client-id 10000000000042
      autograder lms check
    """


@dataclass(frozen=True)
class Opened:
    """A course with the tool's database and keys."""

    course: "Course"
    engine: "Engine"
    keys: "Keys"
    url: str
    """Where browsers reach the tool; empty where nobody said it."""

    def base_url(self) -> str:
        """Where browsers reach the tool.

        Raises:
            CourseError: nobody said it.
        """
        if not self.url:
            from autograder.bridge.course import CourseError

            raise CourseError(
                "the platform must know where the tool is: set c.Serve.url in nbgrader_config.py "
                "or give --url, such as --url https://grader.example"
            )
        return self.url


@contextmanager
def opened_course(ctx: click.Context, db: str, url: str = "") -> Iterator[Opened]:
    """Open what the commands work on; what can be mended is told in one line."""
    _require_extra()
    from autograder.bridge.course import CourseError
    from autograder.database import DatabaseError
    from autograder.lms.addresses import AddressError, require_safe
    from autograder.lms.database import open_database
    from autograder.lms.lti.keys import Keys, folder_of
    from autograder.lms.lti.registrations import RegistrationError
    from autograder.lms.settings import serve_settings

    course = course_of(ctx)
    settings = serve_settings(course)
    try:
        base_url = (url or settings.url).rstrip("/")
        if base_url:
            require_safe("the tool's URL", base_url)
        engine = open_database(db or settings.database_url(course.root))
        try:
            yield Opened(course, engine, Keys.open(folder_of(course)), base_url)
        finally:
            engine.dispose()
    except (AddressError, DatabaseError, RegistrationError) as error:
        raise CourseError(str(error)) from error


def _require_extra() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        from autograder.bridge.course import CourseError

        raise CourseError(
            f"the commands for LMSs need packages that are not installed ({', '.join(missing)}): "
            "pip install 'pytorch-autograder[lms]'"
        )


@lms.command("list")
@db_option
@json_option
@click.pass_context
def list_command(ctx: click.Context, db: str) -> None:
    """List the platforms that the course is connected with.

    \b
    Example: autograder lms list
    """
    with opened_course(ctx, db) as opened:
        from autograder.lms.lti.registrations import list_registrations

        registered = list_registrations(opened.engine)
    table = Table(Number("number"), "name", "issuer", "client id", "deployments", Number("courses"))
    for one in registered:
        table.add(
            str(one.id), one.name or one.product, one.issuer, one.client_id,
            "\n".join(one.deployments), str(one.courses),
        )  # fmt: skip
    if registered:
        console.print(table)
    else:
        print_line("connected with nobody yet: autograder lms add --help")
    answer(
        {
            "platforms": [
                {
                    "number": one.id,
                    "name": one.name,
                    "product": one.product,
                    "issuer": one.issuer,
                    "client_id": one.client_id,
                    "deployments": list(one.deployments),
                    "courses": one.courses,
                }
                for one in registered
            ]
        }
    )


@lms.command("check", fails="a step failed, or no platform is registered")
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@db_option
@url_option
@json_option
@click.pass_context
def check_command(ctx: click.Context, numbers: tuple[int, ...], db: str, url: str) -> None:
    """Try connections step by step, and say how to mend what fails.

    Without a number, all of them.

    \b
    Example: autograder lms check 1
    """
    tried: list[dict[str, Any]] = []
    with opened_course(ctx, db, url) as opened:
        from autograder.bridge.course import CourseError
        from autograder.lms.lti.registrations import list_registrations
        from autograder.lms.services.checks import check

        chosen = numbers or tuple(one.id for one in list_registrations(opened.engine))
        if not chosen:
            raise CourseError("no platform is registered: autograder lms add --help")
        for number in chosen:
            print_line(f"registration {number}", "bold")
            steps = []
            for step in check(opened.engine, opened.keys, number, base_url=opened.url):
                sign, style = ("✔", "green") if step.ok else ("✘", "red")
                print_line(f"{sign} {step.name:15} {step.told}", style)
                steps.append({"name": step.name, "ok": step.ok, "told": step.told})
            tried.append({"number": number, "steps": steps})
    answer({"registrations": tried})
    if not all(step["ok"] for one in tried for step in one["steps"]):
        sys.exit(Status.FAILED)


@lms.command()
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@db_option
@click.pass_context
def remove(ctx: click.Context, number: int, yes: bool, db: str) -> None:
    """Forget a platform.

    Nobody comes in from it any more, and no score is sent to it. Submissions, grades and the ids
    of students stay.

    \b
    Example: autograder lms remove 2
    """
    with opened_course(ctx, db) as opened:
        from autograder.lms.lti.registrations import list_registrations
        from autograder.lms.lti.registrations import remove as remove_registration

        found = [one for one in list_registrations(opened.engine) if one.id == number]
        if found and not yes:
            told = f"{found[0].issuer} ({found[0].client_id}), with {found[0].courses} courses"
            click.confirm(f"Forget {told}?", abort=True)
        remove_registration(opened.engine, number)
        print_line(f"removed registration {number}")


@lms.command()
@click.argument("name", default="")
@click.option(
    "--days", type=click.FloatRange(0, 365, min_open=True), default=7.0, show_default=True,
    help="How long it may be used.",
)  # fmt: skip
@db_option
@url_option
@click.pass_context
def invite(ctx: click.Context, *, name: str, days: float, db: str, url: str) -> None:
    """Print an address with which one platform registers itself.

    That is Moodle's way, and Canvas's. Anybody who has the address can connect a platform with
    the course: give it to nobody but the platform's administrator.

    \b
    Example: autograder lms invite "Moodle of the faculty"
    """
    with opened_course(ctx, db, url) as opened:
        print_invitation(opened, name, days)


def print_invitation(opened: Opened, name: str, days: float) -> None:
    """Make an invitation and print what to do with it."""
    from autograder.lms.lti.registrations import invite as make_invitation
    from autograder.lms.lti.tool import REGISTER_PATH

    base_url = opened.base_url()
    token = make_invitation(opened.engine, name, days * _DAY)
    print_line(f"{base_url}{REGISTER_PATH}/{token}")
    print_line(
        f"For one platform, within {days:g} days, while the tool runs. Moodle: {_MOODLE_PLACE}: "
        "paste it as the tool URL, add LTI Advantage, and activate the tool. Canvas: "
        "Admin > Apps > Manage > Install a new app > Dynamic Registration."
    )


@lms.command("rotate-key")
@click.option("--retire", metavar="KID", help="Publish an older key no longer, and make none.")
@click.pass_context
def rotate_key(ctx: click.Context, retire: str | None) -> None:
    """Make a new key to sign with.

    The older ones stay published until they are retired. A server that runs uses it at once.
    Retire older keys after a day, or at once if they may have become known.

    \b
    Examples:
      autograder lms rotate-key
      autograder lms rotate-key --retire 3mZ…
    """
    _require_extra()
    from autograder.lms.lti.keys import Keys, folder_of

    keys = Keys.open(folder_of(course_of(ctx)))
    if retire is None:
        keys.rotate()
    else:
        keys.retire(retire)
    *older, current = keys.published
    print_line(f"{keys.folder}\nin use     {current.kid}")
    for key in reversed(older):
        print_line(f"published  {key.kid}")
