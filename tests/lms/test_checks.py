"""What ``autograder lms check`` finds, and how it says to mend that."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest
from sqlalchemy import Engine

from autograder.lms.database import writing
from autograder.lms.lti.keys import Keys
from autograder.lms.schema import Context, Deployment, Link, Registration
from autograder.lms.services.checks import Step, check
from autograder.lms.services.platform import (
    LINE_ITEM_READING_SCOPE,
    LINE_ITEM_SCOPE,
    MEMBERS_SCOPE,
    RESULT_SCOPE,
    SCORE_SCOPE,
)
from tests.lms.http_double import Told
from tests.lms.service_world import World, world_of

NOW = 1_800_000_000.0


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    return sqlite


@dataclass
class Connected:
    """A platform that does all it has to, with a course from which the tool was opened."""

    engine: Engine
    platform: World

    def __post_init__(self) -> None:
        url = self.platform.url
        with writing(self.engine) as session:
            session.add(
                Registration(
                    issuer="https://lms.invalid",
                    client_id="tool",
                    auth_login_url=url("/login"),
                    auth_token_url=url("/token"),
                    key_set_url=url("/keys"),
                    created=NOW,
                )
            )
            session.flush()
            context = Context(
                registration_id=1,
                deployment="1",
                context="course",
                title="Deep Learning",
                line_items_url=url("/items"),
                memberships_url=url("/members"),
                scopes=[LINE_ITEM_SCOPE, RESULT_SCOPE, SCORE_SCOPE],
            )
            session.add_all([Deployment(registration_id=1, deployment="1"), context])
            session.flush()
            session.add(Link(context_id=context.id, resource_link="l", line_item=url("/items/1")))
        public_keys = self.platform.keys.jwks()
        self.platform.tell("GET", "/keys", Told(200, public_keys))
        date = formatdate(NOW + 5, usegmt=True)
        self.platform.tell("GET", "/login", Told(400, b"login_hint is missing", {"Date": date}))
        self.platform.tell("GET", "/items", Told(200, [{"id": url("/items/1")}]))
        self.platform.tell("GET", "/items/1/results", Told(200, []))
        members = [{"user_id": "a", "name": "Ana"}, {"user_id": "b"}]
        self.platform.tell("GET", "/members", Told(200, {"members": members}))

    def change(self, kind: type[Any], **values: Any) -> None:
        with writing(self.engine) as session:
            for name, value in values.items():
                setattr(session.get_one(kind, 1), name, value)

    def steps(self, number: int = 1) -> dict[str, Step]:
        steps = check(self.engine, self.platform.keys, number, clock=lambda: NOW)
        return {step.name: step for step in steps}

    def failed(self, number: int = 1) -> dict[str, str]:
        return {name: step.told for name, step in self.steps(number).items() if not step.ok}


@pytest.fixture
def lms(keys: Keys, engine: Engine) -> Iterator[Connected]:
    with world_of(keys) as platform:
        yield Connected(engine, platform)


def test_a_platform_that_does_all_passes_and_is_only_read(lms: Connected) -> None:
    assert lms.failed() == {}
    told = {name: step.told for name, step in lms.steps().items()}
    assert told["registration"] == "https://lms.invalid, client tool, deployments 1"
    assert told["platform's keys"] == "1 RSA key"
    assert told["line items of Deep Learning"] == "1 found"
    assert told["roster of Deep Learning"].startswith("2 members, 1 of them without a name")
    sent = {one.path for one in lms.platform.double.asked if one.method != "GET"}
    assert sent == {"/token"}


def test_an_unknown_registration_is_said_to_be_so(lms: Connected) -> None:
    assert list(lms.failed(7)) == ["registration"]


@pytest.mark.parametrize("url", ["http://lms.invalid/token", "lms.invalid/token", ""])
def test_an_address_that_cannot_be_used_ends_the_check(lms: Connected, url: str) -> None:
    lms.change(Registration, auth_token_url=url)
    assert list(lms.failed()) == ["token address"]
    assert lms.platform.double.asked == []


@pytest.mark.parametrize(
    "told",
    [
        Told(404),
        Told(200, b"<html>"),
        Told(200, {}),
        Told(200, {"keys": [{"kty": "EC", "kid": "a", "n": "x"}]}),
        Told(200, {"keys": [{"kty": "RSA", "n": "x"}]}),
        Told(200, {"keys": None}),
    ],
)
def test_a_key_set_without_a_usable_key_fails(lms: Connected, told: Told) -> None:
    lms.platform.tell("GET", "/keys", told)
    assert list(lms.failed()) == ["platform's keys"]


@pytest.mark.parametrize(("status", "ok"), [(200, True), (302, True), (405, True), (404, False)])
def test_the_login_page_is_there_even_if_it_misses_what_a_launch_brings(
    lms: Connected, status: int, ok: bool
) -> None:
    lms.platform.tell("GET", "/login", Told(status))
    assert lms.steps()["login page"].ok is ok


@pytest.mark.parametrize(("apart", "told"), [(600, "behind"), (-600, "ahead of")])
def test_clocks_that_are_apart_are_noticed(lms: Connected, apart: float, told: str) -> None:
    date = formatdate(NOW + apart, usegmt=True)
    lms.platform.tell("GET", "/login", Told(400, b"", {"Date": date}))
    assert f"600 seconds {told} the platform's" in lms.failed()["clocks"]


def test_what_the_platform_does_not_offer_is_named_with_what_is_lost(lms: Connected) -> None:
    lms.platform.tokens.offers = (LINE_ITEM_READING_SCOPE, SCORE_SCOPE, RESULT_SCOPE)
    lms.change(Context, scopes=[LINE_ITEM_READING_SCOPE, SCORE_SCOPE, RESULT_SCOPE])
    failed = lms.failed()
    assert set(failed) == {"token for contextmembership.readonly", "roster of Deep Learning"}
    told = "the platform does not offer it: the roster cannot be read"
    assert failed["token for contextmembership.readonly"].startswith(told)
    assert "not made" in lms.steps()["token for lineitem.readonly"].told


def test_without_any_token_nothing_more_is_tried(lms: Connected) -> None:
    lms.platform.tokens.client_id = "another"
    failed = lms.failed()
    assert all(name.startswith("token for ") for name in failed) and len(failed) == 4
    assert "know the client as tool" in failed["token for score"]
    assert lms.platform.double.of("GET", "/members") == []


def test_a_service_that_fails_is_quoted(lms: Connected) -> None:
    lms.platform.tell("GET", "/items/1/results", Told(403, b"not for you"))
    assert "not for you" in lms.failed()["results of Deep Learning"]


def test_a_course_without_a_roster_is_one_to_mend(lms: Connected) -> None:
    lms.change(Context, memberships_url="")
    assert "enable Names and Role" in lms.failed()["roster of Deep Learning"]


def test_a_platform_that_was_never_opened_is_to_be_opened_once(lms: Connected) -> None:
    with writing(lms.engine) as session:
        session.delete(session.get_one(Link, 1))
        session.flush()
        session.delete(session.get_one(Context, 1))
    assert list(lms.failed()) == ["course"]


def test_a_platform_that_is_not_there_fails_without_an_error(lms: Connected) -> None:
    gone = "http://127.0.0.1:9/x"
    lms.change(Registration, auth_login_url=gone, auth_token_url=gone, key_set_url=gone)
    failed = lms.failed()
    assert {"platform's keys", "login page", "token for score"} <= set(failed)
    assert MEMBERS_SCOPE not in lms.platform.tokens.given
