"""Platforms that the tool is registered with, by hand and by invitation."""

import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from autograder.lms import fetch
from autograder.lms.addresses import is_safe, origin_of, path_below
from autograder.lms.database import open_database, reading, writing
from autograder.lms.lti.dynamic import CLOSE_MESSAGE, register_dynamically
from autograder.lms.lti.registrations import (
    RegistrationError,
    RegistrationFacts,
    add,
    find,
    invite,
    list_registrations,
    remove,
)
from autograder.lms.schema import (
    Audit,
    Context,
    Delivery,
    Deployment,
    Enrolment,
    Identity,
    Invitation,
    Link,
    Registration,
    WebSession,
)
from tests.lms.tokens import Clock, Pages, rows, serving

BASE_URL = "https://grader.example"
FACTS = RegistrationFacts(
    issuer="https://lms.example",
    client_id="client-7",
    auth_login_url="https://lms.example/auth",
    auth_token_url="https://lms.example/token",
    key_set_url="https://lms.example/keys",
    name="Moodle",
    deployments=("1",),
)
PLATFORM = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"


# addresses


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://LMS.example/x?y#z", "https://lms.example"),
        ("https://lms.example:443/", "https://lms.example"),
        ("http://lms.example:443/", "http://lms.example:443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
        ("https://lms_1.example", "https://lms_1.example"),
        *(
            (url, None)
            for url in (
                "", "lms.example", "//lms.example", "ftp://lms.example", "javascript:alert(1)",
                "https://", "https://a b", "https://a;b", "https://a,b", "https://a'b",
                "https://*.example", "https://user@lms.example", "https://lms.example:99999",
                "https://lms.example:x", "https://[::1", "https://lms.example/\nx",
                "https://lms.exämple", "https://lms.example/" + "x" * 3000,
            )
        ),
    ],
)  # fmt: skip
def test_an_origin_is_what_a_browser_calls_it(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://lms.example/x", True),
        ("http://127.0.0.1:8000/x", True),
        ("http://127.9.9.9/x", True),
        ("http://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://lms.example/x", False),
        ("http://localhost.evil.example/x", False),
        ("http://127.0.0.1.evil.example/x", False),
        ("http://127.0.0.1@evil.example/x", False),
        ("http://0.0.0.0/x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_an_address_is_safe_over_tls_or_on_this_machine(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://grader.example/course", "/"),
        ("https://GRADER.example:443/course/a/b?c", "/a/b"),
        ("https://grader.example/courses", None),
        ("https://grader.example/", None),
        ("http://grader.example/course/a", None),
    ],
)
def test_a_path_is_below_another_or_it_is_not(url: str, path: str | None) -> None:
    assert path_below(url, "https://grader.example/course") == path


# by hand


def test_a_platform_is_registered_and_listed(engine: Engine) -> None:
    number = add(engine, FACTS)
    (listed,) = list_registrations(engine)
    assert (listed.id, listed.issuer, listed.client_id) == (
        number, "https://lms.example", "client-7",
    )  # fmt: skip
    assert (listed.name, listed.deployments, listed.courses) == ("Moodle", ("1",), 0)
    assert rows(engine, Registration)[0].origins == ["https://lms.example"]
    assert [one.action for one in rows(engine, Audit)] == ["register"]


def test_the_same_client_is_changed_and_not_registered_twice(engine: Engine) -> None:
    number = add(engine, FACTS)
    changed = dataclasses.replace(
        FACTS, key_set_url="https://lms.example/new-keys", name="", deployments=("1", "2")
    )
    assert add(engine, changed) == number
    (listed,) = list_registrations(engine)
    assert listed.key_set_url == "https://lms.example/new-keys"
    assert (listed.name, listed.deployments) == ("Moodle", ("1", "2"))


def test_one_issuer_has_many_clients_and_a_client_many_deployments(engine: Engine) -> None:
    first = add(engine, FACTS)
    second = add(engine, dataclasses.replace(FACTS, client_id="client-8", deployments=("1", "9")))
    with reading(engine) as session:
        assert getattr(find(session, FACTS.issuer, "client-7"), "id", None) == first
        assert getattr(find(session, FACTS.issuer, "client-8"), "id", None) == second
        assert find(session, FACTS.issuer, None) is None
        assert find(session, FACTS.issuer, "client-9") is None
        assert find(session, "https://other.example", "client-7") is None
    assert [one.deployments for one in list_registrations(engine)] == [("1",), ("1", "9")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "x\0"}, "issuer"),
        ({"client_id": " "}, "client id"),
        ({"client_id": "x" * 256}, "client id"),
        ({"deployments": ("1", "")}, "deployment"),
        ({"auth_login_url": ""}, "login URL"),
        ({"auth_login_url": "http://lms.example/auth"}, "login URL"),
        ({"auth_token_url": "lms.example/token"}, "token URL"),
        ({"key_set_url": "file:///keys"}, "key set"),
        ({"name": "x" * 256}, "name"),
        ({"auth_audience": "x" * 3000}, "audience"),
    ],
    ids=str,
)
def test_what_cannot_be_right_is_not_registered(
    engine: Engine, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(RegistrationError, match=told):
        add(engine, dataclasses.replace(FACTS, **changes))
    assert list_registrations(engine) == []


def test_a_platform_that_is_removed_leaves_the_students_and_nothing_else(engine: Engine) -> None:
    kept = add(engine, dataclasses.replace(FACTS, client_id="client-8"))
    number = add(engine, FACTS)
    with writing(engine) as session:
        identity = Identity(issuer=FACTS.issuer, deployment="1", sub="7", student="ana")
        contexts = [
            Context(registration_id=one, deployment="1", context="c") for one in (kept, number)
        ]
        session.add_all([identity, *contexts])
        session.flush()
        for context in contexts:
            link = Link(context_id=context.id, resource_link="l")
            session.add(link)
            session.flush()
            session.add_all([
                Enrolment(context_id=context.id, identity_id=identity.id, role="student"),
                WebSession(
                    token_hash=f"{context.id}", identity_id=identity.id, context_id=context.id,
                    link_id=link.id, role="student", csrf="c", expires=1.0,
                ),
                Delivery(
                    registration=context.registration_id, deployment="1", line_item="i",
                    user="7", given=1.0, maximum=2.0,
                ),
            ])  # fmt: skip
    remove(engine, number)
    assert [one.id for one in list_registrations(engine)] == [kept]
    assert [one.student for one in rows(engine, Identity)] == ["ana"]
    for table in (Context, Link, Enrolment, WebSession, Deployment, Delivery):
        assert len(rows(engine, table)) == 1
    assert rows(engine, Delivery)[0].registration == kept


def test_what_is_not_registered_cannot_be_removed(engine: Engine) -> None:
    with pytest.raises(RegistrationError, match="no registration 9"):
        remove(engine, 9)


# invitations


def moodle(url: str) -> dict[str, Any]:
    """What Moodle says of itself, as in ``mod/lti/openid-configuration.php``."""
    return {
        "issuer": url,
        "token_endpoint": f"{url}/mod/lti/token.php",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "jwks_uri": f"{url}/mod/lti/certs.php",
        "authorization_endpoint": f"{url}/mod/lti/auth.php",
        "registration_endpoint": f"{url}/mod/lti/openid-registration.php",
        "scopes_supported": [
            "https://purl.imsglobal.org/spec/lti-ags/scope/score",
            "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
            "openid",
        ],
        "id_token_signing_alg_values_supported": ["RS256"],
        PLATFORM: {"product_family_code": "moodle", "version": "4.5.6"},
    }


ANSWER = {"client_id": "made-by-moodle", TOOL: {"deployment_id": "3"}}


class Invited:
    """A tool that has invited a platform."""

    def __init__(self, engine: Engine, pages: Pages) -> None:
        self.engine, self.pages, self.clock = engine, pages, Clock()
        self.token = invite(engine, "Moodle of the faculty", 60.0, clock=self.clock)
        self.config = moodle(pages.url)
        self.pages.put("/mod/lti/openid-registration.php", ANSWER)

    def register(self, url: str = "", token: str = "short lived") -> Any:
        url = url or self.pages.put("/config", self.config)
        return register_dynamically(self.engine, self.token, url, token, BASE_URL, clock=self.clock)

    def refused(self, match: str, url: str = "", token: str = "short lived") -> None:
        """The platform is not registered, and its administrator can try again."""
        with pytest.raises(RegistrationError, match=match):
            self.register(url, token)
        assert list_registrations(self.engine) == []
        assert rows(self.engine, Invitation)[0].used is None


@pytest.fixture
def invited(tmp_path: Path) -> Iterator[Invited]:
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    with serving() as pages:
        yield Invited(engine, pages)
    engine.dispose()


@pytest.fixture
def invited_anywhere(engine: Engine) -> Iterator[Invited]:
    """With SQLite, then with Postgres."""
    with serving() as pages:
        yield Invited(engine, pages)


def test_a_platform_registers_itself_with_an_invitation(invited_anywhere: Invited) -> None:
    done = invited_anywhere.register()
    (row,) = rows(invited_anywhere.engine, Registration)
    url = invited_anywhere.pages.url
    assert (row.id, row.issuer, row.client_id) == (done.registration_id, url, "made-by-moodle")
    assert row.auth_login_url == f"{url}/mod/lti/auth.php"
    assert row.auth_token_url == f"{url}/mod/lti/token.php"
    assert row.key_set_url == f"{url}/mod/lti/certs.php"
    assert (row.name, row.product) == ("Moodle of the faculty", "moodle")
    assert [one.deployment for one in rows(invited_anywhere.engine, Deployment)] == ["3"]
    assert (done.name, done.product, done.deployment) == ("Moodle of the faculty", "moodle", "3")
    assert CLOSE_MESSAGE == {"subject": "org.imsglobal.lti.close"}


def test_the_platform_is_told_what_this_tool_is(invited: Invited) -> None:
    invited.register()
    config, registration = invited.pages.asked
    assert config[0] == "GET"
    assert config[2]["Authorization"] == "Bearer short lived"  # Canvas answers nobody else
    assert registration[:2] == ("POST", "/mod/lti/openid-registration.php")
    assert registration[2]["Authorization"] == "Bearer short lived"
    assert registration[2]["Content-Type"] == "application/json"
    told = json.loads(registration[3])
    about = told.pop(TOOL)
    assert told == {
        "application_type": "web",
        "client_name": "Autograder",
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": f"{BASE_URL}/lti/login",
        "jwks_uri": f"{BASE_URL}/lti/jwks.json",
        "redirect_uris": [f"{BASE_URL}/lti/launch"],
        "response_types": ["id_token"],
        "scope": "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly "
        "https://purl.imsglobal.org/spec/lti-ags/scope/score",
        "token_endpoint_auth_method": "private_key_jwt",
    }
    assert about["domain"] == "grader.example"
    assert about["target_link_uri"] == f"{BASE_URL}/lti/launch"
    assert {"sub", "name", "email"} <= set(about["claims"])
    assert [one["type"] for one in about["messages"]] == [
        "LtiResourceLinkRequest",
        "LtiDeepLinkingRequest",
    ]
    assert about["custom_parameters"] == {"login": "$User.username"}


def test_canvas_is_asked_for_its_placements_and_its_users_names(invited: Invited) -> None:
    invited.config[PLATFORM]["product_family_code"] = "canvas"
    invited.config["authorization_server"] = "sso.canvaslms.com"
    del invited.config["scopes_supported"]
    invited.pages.put("/mod/lti/openid-registration.php", {"client_id": 10000000000042, TOOL: {}})
    done = invited.register()
    about = json.loads(invited.pages.asked[1][3])[TOOL]
    assert about["messages"][1]["placements"] == ["assignment_selection", "link_selection"]
    assert about["https://canvas.instructure.com/lti/privacy_level"] == "public"
    assert (done.product, done.deployment) == ("canvas", "")
    (row,) = rows(invited.engine, Registration)
    assert (row.client_id, row.auth_audience) == ("10000000000042", "")


def test_a_platform_may_have_a_server_for_tokens_with_a_name_of_its_own(invited: Invited) -> None:
    invited.config["authorization_server"] = "https://tokens.example/oauth"
    invited.register()
    assert rows(invited.engine, Registration)[0].auth_audience == "https://tokens.example/oauth"


def test_a_platform_may_send_no_registration_token(invited: Invited) -> None:
    invited.register(token="")
    assert "Authorization" not in invited.pages.asked[1][2]


def test_an_invitation_is_good_once(invited_anywhere: Invited) -> None:
    invited_anywhere.register()
    with pytest.raises(RegistrationError, match="used already"):
        invited_anywhere.register()
    assert len(list_registrations(invited_anywhere.engine)) == 1


def test_of_two_registrations_at_once_with_one_invitation_one_is_made(
    invited_anywhere: Invited,
) -> None:
    url = invited_anywhere.pages.put("/config", invited_anywhere.config)
    start = threading.Barrier(3)
    outcomes: list[str] = []

    def register_at_once() -> None:
        start.wait()
        try:
            outcomes.append(invited_anywhere.register(url).deployment)
        except RegistrationError:
            outcomes.append("refused")

    threads = [threading.Thread(target=register_at_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["3", "refused", "refused"]


def test_an_invitation_ends(invited_anywhere: Invited) -> None:
    invited_anywhere.clock.now += 60
    invited_anywhere.refused("too old")
    assert invited_anywhere.pages.asked == []


@pytest.mark.parametrize("token", ["", "made up", "\0", "\ud800", "é"])
def test_nobody_registers_without_an_invitation(invited_anywhere: Invited, token: str) -> None:
    invited_anywhere.token = token
    invited_anywhere.refused("not valid")
    assert invited_anywhere.pages.asked == []


def test_of_an_invitation_only_the_hash_is_stored(invited: Invited) -> None:
    assert len(invited.token) >= 43
    assert invited.token not in rows(invited.engine, Invitation)[0].token_hash


def test_invitations_that_are_over_are_forgotten(invited_anywhere: Invited) -> None:
    invited_anywhere.clock.now += 61
    invite(invited_anywhere.engine, "another", clock=invited_anywhere.clock)
    assert [one.name for one in rows(invited_anywhere.engine, Invitation)] == ["another"]


@pytest.mark.parametrize(
    "url",
    [
        "", "http://lms.example/config", "file:///etc/passwd", "javascript:alert(1)",
        "https://user:password@lms.example/", "ftp://127.0.0.1/", "http://127.0.0.1@lms.example/",
    ],
)  # fmt: skip
def test_a_configuration_is_read_over_tls_or_on_this_machine(invited: Invited, url: str) -> None:
    with pytest.raises(RegistrationError, match="begins with https"):
        register_dynamically(
            invited.engine, invited.token, url, "token", BASE_URL, clock=invited.clock
        )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"issuer": "https://other.example"}, "not on the host"),
        ({"issuer": "http://127.0.0.1:1"}, "not on the host"),
        ({"issuer": None}, "does not say the issuer"),
        ({"issuer": ["x"]}, "does not say the issuer"),
        ({"issuer": "http://lms.example"}, "begins with https"),
        ({"authorization_endpoint": None}, "authorization_endpoint must"),
        ({"token_endpoint": "http://lms.example/token"}, "token_endpoint must"),
        ({"jwks_uri": "file:///keys"}, "jwks_uri must"),
        ({"registration_endpoint": ""}, "registration_endpoint must"),
        ({"registration_endpoint": 7}, "registration_endpoint must"),
        ({"id_token_signing_alg_values_supported": ["ES256"]}, "RS256"),
        ({"id_token_signing_alg_values_supported": "RS256 not"}, "RS256"),
        ({PLATFORM: None}, "no LTI platform"),
    ],
    ids=str,
)
def test_a_platform_that_does_not_do_as_the_specification_says_is_not_registered(
    invited: Invited, changes: dict[str, Any], told: str
) -> None:
    invited.config |= changes
    invited.refused(told)
    assert invited.pages.count("/mod/lti/openid-registration.php") == 0
    invited.config = moodle(invited.pages.url)
    assert invited.register().deployment == "3"  # with the same invitation


def test_an_issuer_has_no_query(invited: Invited) -> None:
    invited.config["issuer"] += "/?x=1"
    invited.refused("query")


@pytest.mark.parametrize("answer", [{}, {"client_id": ""}, {"client_id": ["x"]}, [], "x"], ids=str)
def test_a_registration_without_a_client_id_is_none(invited: Invited, answer: Any) -> None:
    invited.pages.put("/mod/lti/openid-registration.php", answer)
    invited.refused("client_id|no object")


def test_a_platform_that_refuses_is_quoted(invited: Invited) -> None:
    invited.pages.put("/mod/lti/openid-registration.php", "token_already_used", 401)
    invited.refused("answers 401: .*token_already_used")


def test_a_configuration_that_sends_elsewhere_is_not_followed(invited: Invited) -> None:
    there = invited.pages.put("/config", invited.config)
    here = invited.pages.put("/moved", {}, 302, Location=there)
    invited.refused("do not follow", here)
    assert invited.pages.count("/config") == 0


def test_a_registration_that_sends_elsewhere_is_not_followed(invited: Invited) -> None:
    there = invited.pages.put("/elsewhere", ANSWER)
    invited.pages.put("/mod/lti/openid-registration.php", {}, 307, Location=there)
    invited.refused("do not follow")
    assert invited.pages.count("/elsewhere") == 0


def test_an_answer_that_is_too_large_is_not_read(invited: Invited) -> None:
    invited.config["more"] = "x" * fetch.LARGEST
    invited.refused("longer than 1048576 bytes")


def test_a_platform_that_does_not_answer_is_not_waited_for(
    invited: Invited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_SILENT_SECONDS", 0.05)
    asked, over = threading.Event(), threading.Event()

    class Silent(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            asked.set()
            over.wait()
            return super().get(path, default)

    url = invited.pages.put("/config", invited.config)
    answers, invited.pages.answers = invited.pages.answers, Silent(invited.pages.answers)
    try:
        invited.refused("cannot be read", url)
    finally:
        over.set()
    assert asked.is_set()
    invited.pages.answers = answers


def test_an_answer_that_drips_is_not_waited_for(
    invited: Invited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_ALL_SECONDS", 0.0)
    invited.refused("took longer than")


@pytest.mark.parametrize("token", ["a\nX-Evil: 1", "a\r\nb", "x" * 20_000])
def test_a_registration_token_goes_into_one_header(invited: Invited, token: str) -> None:
    invited.refused("registration token", token=token)
    assert invited.pages.asked == []


def test_an_invitation_does_not_let_a_platform_replace_another_one(invited: Invited) -> None:
    facts = dataclasses.replace(FACTS, issuer=invited.pages.url, client_id="made-by-moodle")
    add(invited.engine, facts)
    with pytest.raises(RegistrationError, match="registered already"):
        invited.register()
    assert rows(invited.engine, Registration)[0].key_set_url == FACTS.key_set_url
