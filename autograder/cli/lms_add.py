"""The command that registers a platform by hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from autograder.cli.base import print_line
from autograder.cli.lms import (
    Opened,
    db_option,
    lms,
    opened_course,
    print_invitation,
    url_option,
)

if TYPE_CHECKING:  # slow to import, or not installed
    from autograder.lms.lti.registrations import RegistrationFacts

_CANVAS_CLOUD: Final = ".instructure.com"


@lms.command()
@click.option("--canvas", metavar="HOST", default="", help="A Canvas of the cloud: its host.")
@click.option("--moodle", metavar="URL", default="", help="A Moodle, which registers itself.")
@click.option("--issuer", default="", help="The platform's issuer, or platform id.")
@click.option("--client-id", default="", help="What the platform calls this tool.")
@click.option("--login-url", default="", help="Its authentication (authorization) URL.")
@click.option("--token-url", default="", help="Its access token URL.")
@click.option("--jwks-url", default="", help="Its public key set's URL.")
@click.option("--audience", default="", help="Of access tokens, where it is not the token URL.")
@click.option(
    "--deployment",
    "deployments",
    multiple=True,
    metavar="ID",
    help="A deployment id; again for more.",
)
@click.option("--name", default="", help="How you call the platform.")
@db_option
@url_option
@click.pass_context
def add(
    ctx: click.Context, /, *, db: str, url: str, moodle: str, canvas: str, **given: Any
) -> None:
    """Register a platform by hand, or change what is known of it.

    Without --client-id, what to enter in the platform is printed first. Deployments are added to
    those that are known; where none is, the first launch brings one.

    \b
    Examples:
      autograder lms add --moodle https://moodle.example
      autograder lms add --canvas school.instructure.com --client-id 10000000000042
      autograder lms add --issuer https://lms.example --client-id 5f0c… --deployment 1 \\
        --login-url https://lms.example/auth --token-url https://lms.example/token \\
        --jwks-url https://lms.example/keys
    """
    with opened_course(ctx, db, url) as opened:
        if moodle:
            print_invitation(opened, given["name"] or urlsplit(moodle).hostname or moodle, 7.0)
            return
        _print_addresses(opened.base_url(), canvas=bool(canvas))
        if not given["client_id"]:
            print_line("\nThen register it: repeat this command with --client-id.")
            return
        from autograder.lms.lti.registrations import add as add_registration

        number = add_registration(opened.engine, _facts(opened, canvas, given))
        print_line(f"\nregistration {number}; try it: autograder lms check {number}")


def _facts(opened: Opened, canvas: str, given: Mapping[str, Any]) -> "RegistrationFacts":
    """What was given, completed by what Canvas says of its cloud or by what is known already."""
    from autograder.lms.lti.registrations import RegistrationFacts

    known = _canvas_facts(canvas) if canvas else _known_facts(opened, given)
    names = {
        "issuer": "issuer", "login_url": "auth_login_url", "token_url": "auth_token_url",
        "jwks_url": "key_set_url",
    }  # fmt: skip
    told = {name: given[option] or known.get(name, "") for option, name in names.items()}
    lacking = [f"--{option.replace('_', '-')}" for option, name in names.items() if not told[name]]
    if lacking:
        from autograder.bridge.course import CourseError

        raise CourseError(f"a platform that is not known needs {', '.join(lacking)} as well")
    return RegistrationFacts(
        **told,
        client_id=given["client_id"],
        auth_audience=given["audience"] or known.get("auth_audience", ""),
        name=given["name"] or known.get("name", ""),
        product=known.get("product", ""),
        deployments=tuple(given["deployments"]),
        origins=(f"https://{canvas}",) if canvas else (),
    )


def _known_facts(opened: Opened, given: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a client that is registered already."""
    from autograder.lms.database import reading
    from autograder.lms.lti.registrations import find

    with reading(opened.engine) as session:
        row = find(session, given["issuer"], given["client_id"])
    names = ("auth_login_url", "auth_token_url", "key_set_url", "auth_audience", "name", "product")
    return {} if row is None else {name: getattr(row, name) for name in names}


def _canvas_facts(host: str) -> dict[str, str]:
    """Addresses of Canvas's cloud, the same for all of its tenants.

    From Canvas's documentation, "Configuring LTI Advantage Tools"; a tenant's test and beta
    environments have their own.
    """
    if "/" in host or not urlsplit(f"//{host}").hostname:
        from autograder.bridge.course import CourseError

        raise CourseError(f"--canvas takes a host, such as school{_CANVAS_CLOUD}, not {host!r}")
    kind = next((f"{one}." for one in ("beta", "test") if f".{one}{_CANVAS_CLOUD}" in host), "")
    server = f"https://sso.{kind}canvaslms.com"
    return {
        "issuer": f"https://canvas.{kind}instructure.com",
        "auth_login_url": f"{server}/api/lti/authorize_redirect",
        "auth_token_url": f"{server}/login/oauth2/token",
        "key_set_url": f"{server}/api/lti/security/jwks",
        "name": host,
        "product": "canvas",
    }


def _print_addresses(base_url: str, *, canvas: bool = False) -> None:
    """What the platform's administrator enters there."""
    from autograder.lms.lti import tool
    from autograder.lms.lti.logins import LAUNCH_PATH

    addresses = {
        "Login URL (OpenID Connect initiation)": tool.LOGIN_PATH,
        "Redirect URL": LAUNCH_PATH,
        "Target link, tool or launch URL": LAUNCH_PATH,
        "Deep linking (content selection) URL": LAUNCH_PATH,
        "Public key set (JWKS) URL": tool.KEYS_PATH,
        **({"Canvas: configuration by URL": tool.CANVAS_PATH} if canvas else {}),
    }
    print_line("Enter in the platform:")
    for what, path in addresses.items():
        print_line(f"  {what:38} {base_url}{path}")
    if canvas:
        print_line(
            "In Canvas: Admin > Developer Keys > + LTI Key > Enter URL; then Settings > Apps > "
            "+ App > By Client ID."
        )
