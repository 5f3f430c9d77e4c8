"""Whether a registration works: each step against the platform, and how to mend what fails."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests
from sqlalchemy import Engine, select

from autograder.lms.addresses import AddressError, require_safe
from autograder.lms.database import reading
from autograder.lms.fetch import FetchError, fetch_json
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import deployments_of
from autograder.lms.outgoing import Outgoing, reason_of
from autograder.lms.schema import Context, Link, Registration
from autograder.lms.services.ags import NoAnswerError
from autograder.lms.services.platform import (
    LINE_ITEM_READING_SCOPE,
    LINE_ITEM_SCOPE,
    MEMBERS_SCOPE,
    RESULT_SCOPE,
    SCORE_SCOPE,
    PlatformServices,
    services,
)
from autograder.lms.services.tokens import TokenRefusedError

_NEEDS: Final[Mapping[str, str]] = {
    SCORE_SCOPE: "scores cannot be sent",
    RESULT_SCOPE: "a score whose answer was lost is sent twice",
    MEMBERS_SCOPE: "the roster cannot be read",
}
"""What each scope is for, by what is not possible without it."""
_SKEW_SECONDS: Final = 30.0
_MOST_CONTEXTS: Final = 20


@dataclass(frozen=True)
class Step:
    """One thing that was tried."""

    name: str
    ok: bool
    told: str
    """What was found; where it failed, why and how to mend it."""


def check(
    engine: Engine,
    keys: Keys,
    registration_id: int,
    *,
    base_url: str = "",
    clock: Callable[[], float] = time.time,
) -> Iterator[Step]:
    """Try all that a platform has to do for this tool; nothing there is changed.

    Args:
        engine: the database.
        keys: the tool's keys.
        registration_id: the registration.
        base_url: where the platform reaches this tool; empty if that is not known.
        clock: the time, in UTC seconds since 1970.
    """
    with reading(engine) as session:
        row = session.get(Registration, registration_id)
        if row is None:
            yield Step(
                "registration",
                False,
                f"there is no registration {registration_id}; see `autograder lms list`",
            )
            return
        deployments = deployments_of(session, registration_id)
        contexts = session.scalars(
            select(Context).where(Context.registration_id == row.id).order_by(Context.id)
        ).all()
    yield _registration(row, deployments)
    addresses = list(_addresses(row))
    yield from addresses
    if not all(step.ok for step in addresses):
        return
    yield _key_set(row)
    yield from _login_page(row, clock)
    service = services(engine, keys)(registration_id)
    tokens = list(_tokens(service, f"{base_url.rstrip('/')}/lti/jwks.json" if base_url else ""))
    yield from tokens
    if not any(step.ok for step in tokens):
        return
    if not contexts:
        yield Step("course", False, "nobody has opened the tool from the platform yet: do so once")
    for context in contexts[:_MOST_CONTEXTS]:
        yield from _course(engine, service, context)


def _registration(row: Registration, deployments: Sequence[str]) -> Step:
    told = f"{row.issuer}, client {row.client_id}"
    if not deployments:
        return Step("registration", True, f"{told}; the first launch brings its deployment")
    return Step("registration", True, f"{told}, deployments {', '.join(deployments)}")


def _addresses(row: Registration) -> Iterator[Step]:
    """The platform's addresses as such."""
    urls = {
        "login address": row.auth_login_url,
        "token address": row.auth_token_url,
        "key set address": row.key_set_url,
    }
    for name, url in urls.items():
        try:
            require_safe(f"the {name}", url)
        except AddressError as error:
            yield Step(name, False, f"{error}. Register the platform with the right one")
        else:
            yield Step(name, True, url)


def _key_set(row: Registration) -> Step:
    """The platform's public keys (RFC 7517)."""
    name = "platform's keys"
    try:
        told = fetch_json(row.key_set_url)
    except (FetchError, AddressError) as error:
        return Step(
            name,
            False,
            f"{error}. Without it no launch can be checked: compare the address with the one that "
            "the platform shows, and let this machine reach it",
        )
    found: Any = told.get("keys")
    usable = [
        key
        for key in (found if isinstance(found, list) else [])
        if isinstance(key, dict) and key.get("kty") == "RSA" and key.get("n") and key.get("kid")
    ]
    if usable:
        return Step(name, True, f"{len(usable)} RSA {'key' if len(usable) == 1 else 'keys'}")
    return Step(
        name, False, f"{row.key_set_url} has no RSA key with a name (kid): is it the key set's?"
    )


def _login_page(row: Registration, clock: Callable[[], float]) -> Iterator[Step]:
    """Where browsers are sent to log in, and the clock of the machine that answers there."""
    try:
        with Outgoing() as session:
            response = session.get(row.auth_login_url)
    except requests.RequestException as error:
        told = f"{row.auth_login_url}: {reason_of(error)}. Browsers may reach it all the same"
        yield Step("login page", False, told)
        return
    # It is asked without what a launch brings, so most answer that something is missing.
    status = response.status_code
    if status == 404 or status >= 500:
        yield Step(
            "login page",
            False,
            f"{row.auth_login_url} answers {status}: compare it with the address that the platform "
            "shows",
        )
    else:
        yield Step("login page", True, f"it answers ({status})")
    yield from _clocks(response.headers.get("Date", ""), clock())


def _clocks(date: str, now: float) -> Iterator[Step]:
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    apart = now - theirs
    if abs(apart) <= _SKEW_SECONDS:
        yield Step("clocks", True, "this machine's and the platform's agree")
    else:
        yield Step(
            "clocks",
            False,
            f"this machine's is {abs(apart):.0f} seconds {'ahead of' if apart > 0 else 'behind'} "
            "the platform's, so that launches and tokens are refused: set it by NTP",
        )


def _tokens(service: PlatformServices, jwks_url: str) -> Iterator[Step]:
    """A token of each scope; one of the two for line items is enough."""
    line_items = [_token(service, s, jwks_url) for s in (LINE_ITEM_SCOPE, LINE_ITEM_READING_SCOPE)]
    making, reading_only = line_items
    if making.ok or not reading_only.ok:
        yield making
    else:
        told = "line items can be read but not made: each activity must be a graded one in the LMS"
        yield Step(reading_only.name, True, told)
    for scope in _NEEDS:
        yield _token(service, scope, jwks_url)


def _token(service: PlatformServices, scope: str, jwks_url: str) -> Step:
    name = f"token for {scope.rpartition('/')[2]}"
    try:
        service.token(scope)
    except TokenRefusedError as error:
        if error.of_scope:
            without = _NEEDS.get(scope, "line items cannot be made")
            told = f"the platform does not offer it: {without}. Enable it in the tool's settings"
            return Step(name, False, f"{told} there")
        keys = f"the tool's key set, {jwks_url}," if jwks_url else "the tool's key set"
        return Step(
            name,
            False,
            f"{error}. The platform must be able to read {keys} and know the client as "
            f"{service.client.client_id}",
        )
    except NoAnswerError as error:
        return Step(name, False, f"{error}. Let this machine reach it")
    return Step(name, True, "the platform gives it")


def _course(engine: Engine, service: PlatformServices, context: Context) -> Iterator[Step]:
    """What the platform gives for one of its courses."""
    course = context.title or context.context
    may_read = LINE_ITEM_SCOPE in context.scopes or LINE_ITEM_READING_SCOPE in context.scopes
    if may_read and context.line_items_url:
        yield _tried(f"line items of {course}", lambda: _line_items(service, context))
    with reading(engine) as session:
        items = session.scalars(
            select(Link.line_item).where(Link.context_id == context.id, Link.line_item != "")
        ).all()
    if items and RESULT_SCOPE in context.scopes:
        yield _tried(f"results of {course}", lambda: _results(service, items[0]))
    if context.memberships_url:
        yield _tried(f"roster of {course}", lambda: _members(service, context))
    else:
        told = "the platform offers none for this course: enable Names and Role Provisioning there"
        yield Step(f"roster of {course}", False, told)


def _tried(name: str, ask: Callable[[], str]) -> Step:
    try:
        return Step(name, True, ask())
    except NoAnswerError as error:
        return Step(name, False, f"{error}. Enable the service in the tool's settings there")


def _line_items(service: PlatformServices, context: Context) -> str:
    reading_only = LINE_ITEM_SCOPE not in context.scopes
    return f"{len(service.line_items(context.line_items_url, reading_only=reading_only))} found"


def _results(service: PlatformServices, line_item: str) -> str:
    return f"{len(service.read_results(line_item))} found"


def _members(service: PlatformServices, context: Context) -> str:
    members = service.members(context.memberships_url)
    unnamed = sum(1 for member in members if not (member.name or member.family_name))
    told = f"{len(members)} members"
    if unnamed:
        told += f", {unnamed} of them without a name: the platform does not share it with this tool"
    return told
