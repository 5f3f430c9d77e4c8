"""Opening a link in the platform: who is let in, what is stored, and what is refused."""

import base64
import dataclasses
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from autograder.lms.database import open_database, reading, writing
from autograder.lms.lti.id_token import LONGEST
from autograder.lms.lti.launch import LaunchError, finish
from autograder.lms.lti.registrations import MOST_ORIGINS, remove
from autograder.lms.schema import (
    Base,
    Context,
    Deployment,
    Enrolment,
    Identity,
    Link,
    Login,
    Registration,
    WebSession,
)
from tests.lms.tokens import (
    AGS,
    BASE_URL,
    CLIENT,
    DEPLOYMENT,
    ISSUER,
    LMS,
    MISSING,
    NRPS,
    ROLE,
    SETTINGS,
    Pages,
    Signer,
    World,
    refusal,
    rows,
    serving,
)

HOUR = 3600.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "course.lti"


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    with serving() as served:
        yield served


@pytest.fixture
def world(tmp_path: Path, folder: Path, pages: Pages) -> Iterator[World]:
    """A tool and a platform."""
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    yield World(engine, folder, pages)
    engine.dispose()


@pytest.fixture
def any_world(engine: Engine, folder: Path, pages: Pages) -> World:
    """A tool and a platform; with SQLite, then with Postgres."""
    return World(engine, folder, pages)


@pytest.fixture(scope="module")
def one_world(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, pages: Pages
) -> Iterator[World]:
    """A tool for all tests of refusals, which store nothing."""
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('database') / 'lms.db'}")
    yield World(engine, folder, pages)
    engine.dispose()


@pytest.fixture
def refusing(one_world: World) -> Iterator[World]:
    """A tool in which nothing must be stored by a test but logins."""
    one_world.publish(one_world.signer)
    before = stored(one_world.engine)
    yield one_world
    assert stored(one_world.engine) == before


def stored(engine: Engine) -> dict[str, int]:
    with reading(engine) as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
            if name != "login"
        }


def signed_otherwise(token: str, header: Mapping[str, Any], signature: bytes) -> str:
    """The claims of a token, with another header and signature."""
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    last = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return f"{first}.{token.split('.')[1]}.{last}"


# the login


def test_a_login_sends_the_browser_to_the_platform_with_what_the_standard_asks_for(
    world: World,
) -> None:
    begun = world.begin()
    target = urlsplit(begun.redirect_url)
    asked = {name: values[0] for name, values in parse_qs(target.query).items()}
    nonce = asked.pop("nonce")
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{LMS}/auth"
    assert asked == {
        "from": "tool",
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": CLIENT,
        "redirect_uri": f"{BASE_URL}/lti/launch",
        "login_hint": "user 7",
        "lti_message_hint": "link 3",
        "state": begun.state,
    }
    assert len(nonce) >= 32
    assert begun.expires == world.clock.now + 600


def test_no_two_logins_have_a_state_or_a_nonce_in_common(world: World) -> None:
    logins = [world.begin() for _ in range(5)]
    nonces = {dict(parse_qsl(urlsplit(one.redirect_url).query))["nonce"] for one in logins}
    assert len({one.state for one in logins}) == len(nonces) == 5


def test_a_login_without_client_id_is_of_the_issuers_only_client(world: World) -> None:
    assert f"client_id={CLIENT}&" in world.begin(client_id="").redirect_url


def test_a_login_without_client_id_is_refused_where_the_issuer_has_several(world: World) -> None:
    world.register(client_id="client-8")
    with pytest.raises(LaunchError, match="no client_id") as caught:
        world.begin(client_id="")
    assert caught.value.status == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": ""},
        {"client_id": "client-9"},
        {"iss": "x\0"},
        {"client_id": "\0"},
        {"login_hint": ""},
        {"login_hint": "\0"},
        {"lti_message_hint": "x" * 9000},
        {"iss": "\ud800"},
    ],
    ids=str,
)
def test_a_login_that_is_of_no_registered_platform_or_not_complete_is_refused(
    any_world: World, changes: dict[str, str]
) -> None:
    with pytest.raises(LaunchError) as caught:
        any_world.begin(**changes)
    assert caught.value.status in (400, 403)
    assert rows(any_world.engine, Login) == []


def test_logins_that_are_over_are_forgotten(any_world: World) -> None:
    old = any_world.begin()
    any_world.clock.now += 601
    any_world.begin()
    assert old.state not in [one.state for one in rows(any_world.engine, Login)]


# the launch


def test_a_student_is_let_in_and_all_of_it_is_stored(any_world: World) -> None:
    launch = any_world.launch()
    assert (launch.role, launch.deep_link) == ("student", None)
    assert launch.target == f"{BASE_URL}/assignments/one"
    assert launch.expires == any_world.clock.now + 8 * HOUR
    (context,), (link,) = rows(any_world.engine, Context), rows(any_world.engine, Link)
    assert (context.context, context.deployment, context.title) == (
        "course-1",
        "1",
        "Deep Learning",
    )
    assert (context.memberships_url, context.line_items_url) == (f"{LMS}/members", f"{LMS}/items")
    assert context.scopes == ["https://purl.imsglobal.org/spec/lti-ags/scope/score"]
    assert (link.resource_link, link.title, link.assignment) == ("link-3", "Sheet 1", "one")
    assert link.line_item == f"{LMS}/items/3"
    (identity,) = rows(any_world.engine, Identity)
    assert (identity.sub, identity.student, identity.seen) == ("user-7", "ana", any_world.clock.now)
    assert (identity.name, identity.email) == ("Ana López", "ana@uni.example")
    (enrolment,) = rows(any_world.engine, Enrolment)
    assert (enrolment.role, enrolment.active) == ("student", True)


def test_of_a_session_only_the_tokens_hash_is_stored(world: World) -> None:
    launch = world.launch()
    (session,) = rows(world.engine, WebSession)
    assert session.token_hash == hashlib.sha256(launch.session_token.encode()).hexdigest()
    assert len(launch.session_token) >= 43
    assert len(session.csrf) >= 43
    assert session.csrf != launch.session_token
    assert (session.role, session.expires) == ("student", world.clock.now + 8 * HOUR)
    assert session.link_id == rows(world.engine, Link)[0].id


def test_sessions_that_are_over_are_forgotten(any_world: World) -> None:
    first = any_world.launch()
    any_world.clock.now += 8 * HOUR
    any_world.launch()
    hashed = hashlib.sha256(first.session_token.encode()).hexdigest()
    assert hashed not in [one.token_hash for one in rows(any_world.engine, WebSession)]


def test_a_second_launch_changes_what_is_known_and_makes_nothing_twice(any_world: World) -> None:
    first = any_world.launch()
    any_world.clock.now += 5
    second = any_world.launch(
        email="ana@new.example",
        context={"id": "course-1", "title": "Deep Learning II"},
        roles=[ROLE + "Instructor"],
    )
    assert second.identity.id == first.identity.id
    assert second.identity.student == "ana"
    assert rows(any_world.engine, Identity)[0].email == "ana@new.example"
    assert rows(any_world.engine, Context)[0].title == "Deep Learning II"
    assert [one.role for one in rows(any_world.engine, Enrolment)] == ["teacher"]
    assert len(rows(any_world.engine, Link)) == 1
    assert len(rows(any_world.engine, WebSession)) == 2


def test_what_a_launch_does_not_say_stays_as_it_was(world: World) -> None:
    world.launch()
    bare = {"name": MISSING, "given_name": MISSING, "family_name": MISSING, "email": MISSING}
    world.launch(**{**bare, AGS: MISSING, NRPS: MISSING, "context": {"id": "course-1"}})
    (context,), (link,), (identity,) = (
        rows(world.engine, Context),
        rows(world.engine, Link),
        rows(world.engine, Identity),
    )
    assert (context.title, context.line_items_url) == ("Deep Learning", f"{LMS}/items")
    assert (context.memberships_url, link.line_item) == (f"{LMS}/members", f"{LMS}/items/3")
    assert len(context.scopes) == 1
    assert (identity.name, identity.email) == ("Ana López", "ana@uni.example")


def test_a_user_without_name_and_address_is_let_in(world: World) -> None:
    bare = {"name": MISSING, "given_name": MISSING, "family_name": MISSING, "email": MISSING}
    launch = world.launch(**bare)
    assert launch.identity.student.startswith("student-")
    assert launch.identity.name == ""


def test_who_was_taken_off_the_roster_and_comes_back_is_in_the_course_again(world: World) -> None:
    world.launch()
    with writing(world.engine) as session:
        session.scalars(select(Enrolment)).one().active = False
    world.launch()
    assert rows(world.engine, Enrolment)[0].active


def test_the_same_user_in_two_courses_is_one_student_with_two_enrolments(world: World) -> None:
    world.launch()
    world.launch(context={"id": "course-2"}, resource_link={"id": "link-9"})
    assert len(rows(world.engine, Identity)) == 1
    assert len(rows(world.engine, Enrolment)) == len(rows(world.engine, Context)) == 2


def test_users_of_two_platforms_with_the_same_id_are_two_students(world: World) -> None:
    world.launch()
    world.register(issuer="https://second.example")
    begun = world.begin(iss="https://second.example")
    second = world.open(begun, world.token(begun, iss="https://second.example"))
    assert second.identity.student != "ana"
    assert len(rows(world.engine, Identity)) == 2


def test_tenants_with_one_issuer_are_told_apart_by_their_client(world: World) -> None:
    other = Signer("tenant-8")
    url = world.pages.put("/tenant-8", {"keys": [other.public()]})
    world.register(client_id="client-8", key_set_url=url, deployments=("1",))
    begun = world.begin(client_id="client-8")
    refusal(world, begun, world.token(begun, aud="client-8"))  # signed by the first tenant
    world.open(begun, other.sign(world.claims(begun, aud="client-8")))
    (context,) = rows(world.engine, Context)
    assert context.registration_id != world.registration


def test_an_audience_may_be_a_list_of_the_one_client(world: World) -> None:
    assert world.launch(aud=[CLIENT], azp=CLIENT).role == "student"


@pytest.mark.parametrize(
    "changes",
    [{"exp": -59}, {"iat": 59, "exp": 119}, {"nbf": 59}],
    ids=str,
)
def test_clocks_may_differ_by_less_than_a_minute(world: World, changes: dict[str, float]) -> None:
    at = {name: world.clock.now + seconds for name, seconds in changes.items()}
    if "iat" not in at:
        at["iat"] = world.clock.now - 60
    assert world.launch(**at).role == "student"


def test_a_teaching_assistant_comes_in_as_a_teacher(world: World) -> None:
    role = "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"
    assert world.launch(roles=[role]).role == "teacher"


def test_a_link_is_opened_by_its_custom_parameter_where_its_address_names_no_assignment(
    world: World,
) -> None:
    launch = world.launch(target_link_uri=f"{BASE_URL}/lti/launch", custom={"assignment": "two"})
    assert launch.link is not None
    assert launch.link.assignment == "two"


@pytest.mark.parametrize(
    ("target", "custom"),
    [
        ("/", []),
        ("/lti/launch", {}),
        ("/lti/launch", {"assignment": "$Assignment"}),
        ("/assignments/", {"assignment": 7}),
        ("/assignments/..", {"assignment": ".."}),
        ("/assignments/a%2Fb", {"assignment": "a/b"}),
        ("/assignments/%00", {"assignment": "\0"}),
        ("/elsewhere/assignments/one", None),
    ],
    ids=str,
)
def test_a_link_that_names_no_assignment_waits_for_a_teacher_to_choose(
    world: World, target: str, custom: Any
) -> None:
    world.launch(target_link_uri=BASE_URL + target, custom=custom)
    name = rows(world.engine, Link)[0].assignment
    assert name in ("", "$Assignment")
    assert "/" not in name


def test_an_assignment_that_the_course_does_not_have_is_not_taken(world: World) -> None:
    begun = world.begin()
    world.open(begun, world.token(begun), assignments=["two"])
    assert rows(world.engine, Link)[0].assignment == ""
    begun = world.begin()
    world.open(begun, world.token(begun), assignments=["one", "two"])
    assert rows(world.engine, Link)[0].assignment == "one"


def test_a_link_keeps_the_assignment_that_it_has(world: World) -> None:
    world.launch()
    world.launch(target_link_uri=f"{BASE_URL}/assignments/two")
    assert rows(world.engine, Link)[0].assignment == "one"


def test_an_assignments_name_is_decoded(world: World) -> None:
    world.launch(target_link_uri=f"{BASE_URL}/assignments/hoja%201/")
    assert rows(world.engine, Link)[0].assignment == "hoja 1"


def test_pages_of_the_platform_may_show_ours_and_no_others(world: World) -> None:
    world.launch(
        launch_presentation={"return_url": "https://school.lms.example:8443/back?x=1"},
        tool_platform={"url": "https://School.LMS.example/", "product_family_code": "canvas"},
    )
    (registration,) = rows(world.engine, Registration)
    assert registration.origins == [
        "https://lms.example",
        "https://school.lms.example:8443",
        "https://school.lms.example",
    ]
    assert registration.product == "canvas"


@pytest.mark.parametrize(
    "url",
    [
        "http://school.example/",
        "javascript:alert(1)",
        "https://evil.example; script-src *",
        "https://a.example,https://b.example",
        "https://*.example/",
        "https://user@evil.example/",
        "https:///x",
        "https://x:y/",
        "data:text/html,x",
        "",
        7,
    ],
    ids=str,
)
def test_what_is_no_address_of_a_page_gets_into_no_header(world: World, url: Any) -> None:
    world.launch(launch_presentation={"return_url": url})
    assert rows(world.engine, Registration)[0].origins == ["https://lms.example"]


def test_a_platform_cannot_bring_origins_without_end(world: World) -> None:
    for number in range(MOST_ORIGINS + 3):
        world.launch(tool_platform={"url": f"https://{number}.example"})
    assert len(rows(world.engine, Registration)[0].origins) == MOST_ORIGINS


def test_scores_are_never_sent_to_an_address_without_tls(world: World) -> None:
    world.launch(**{AGS: {"lineitem": "http://lms.example/1", "lineitems": "ftp://x", "scope": 7}})
    assert (
        rows(world.engine, Link)[0].line_item == rows(world.engine, Context)[0].line_items_url == ""
    )


def test_an_id_that_nbgrader_has_for_somebody_else_is_not_given(any_world: World) -> None:
    begun = any_world.begin()
    asked: list[list[str]] = []

    def others(ids: Any) -> set[str]:
        asked.append(list(ids))
        return {"ana"}

    first = any_world.open(begun, any_world.token(begun), others=others)
    begun = any_world.begin()
    any_world.open(begun, any_world.token(begun), others=others)
    assert first.identity.student.startswith("ana-")
    assert len(asked) == 1  # not for somebody who has an id already


def test_texts_of_a_platform_are_cut_and_cleaned(any_world: World) -> None:
    any_world.launch(
        name="A\0na\n" + "x" * 500, email=7, context={"id": "course-1", "title": "a\ud800b\0"}
    )
    assert rows(any_world.engine, Identity)[0].name.startswith("A na xxx")
    assert len(rows(any_world.engine, Identity)[0].name) == 255
    assert rows(any_world.engine, Context)[0].title == "a b"


def test_the_user_name_is_found_where_platforms_put_it(world: World) -> None:
    world.launch(sub="1", custom={"login": "alopez"})
    world.launch(sub="2", custom={"login": "$User.username"}, ext={"user_username": "Bob.B"})
    world.launch(sub="3", preferred_username="carla")
    world.launch(sub="4", lis={"person_sourcedid": "SIS 4"})
    students = [(one.student, one.login, one.person) for one in rows(world.engine, Identity)]
    assert students == [
        ("alopez", "alopez", ""),
        ("bob.b", "Bob.B", ""),
        ("carla", "carla", ""),
        ("ana", "", "SIS 4"),
    ]


# deployments


def test_the_first_launch_brings_the_deployment_where_none_is_known(any_world: World) -> None:
    remove(any_world.engine, any_world.registration)
    any_world.register(deployments=())
    any_world.launch(deployment_id="17")
    assert [one.deployment for one in rows(any_world.engine, Deployment)] == ["17"]
    begun = any_world.begin()
    error = refusal(any_world, begun, any_world.token(begun, deployment_id="18"))
    assert "--deployment 18" in error.detail
    assert [one.deployment for one in rows(any_world.engine, Deployment)] == ["17"]


def test_a_launch_whose_registration_is_removed_meanwhile_is_refused(any_world: World) -> None:
    begun = any_world.begin()
    token = any_world.token(begun)
    remove(any_world.engine, any_world.registration)
    assert "no registration" in refusal(any_world, begun, token).detail


# replays and other browsers


def test_a_message_is_good_once_in_the_same_browser(any_world: World) -> None:
    begun = any_world.begin()
    token = any_world.token(begun)
    any_world.open(begun, token)
    before = stored(any_world.engine)
    assert "no login that is open" in refusal(any_world, begun, token).detail
    assert stored(any_world.engine) == before


def test_a_message_is_good_in_no_other_browser(refusing: World) -> None:
    begun, other = refusing.begin(), refusing.begin()
    token = refusing.token(begun)
    error = refusal(refusing, begun, token, cookie=other.state)
    assert "another browser" in error.detail
    assert error.retry is None
    refusal(refusing, other, token)  # with its own state, and the nonce of the first one


def test_a_login_whose_cookie_does_not_come_back_can_begin_again_in_a_window(
    refusing: World,
) -> None:
    begun = refusing.begin(client_id="")
    for cookie in (None,):
        error = refusal(refusing, begun, refusing.token(begun), cookie=cookie)
        assert error.retry == {
            "iss": ISSUER,
            "client_id": CLIENT,
            "login_hint": "user 7",
            "target_link_uri": f"{BASE_URL}/assignments/one",
            "lti_message_hint": "link 3",
            "lti_deployment_id": DEPLOYMENT,
        }
        assert error.retry is not None
        assert refusing.begin(**error.retry).state != begun.state


def test_of_two_requests_at_once_with_one_message_one_is_let_in(any_world: World) -> None:
    begun = any_world.begin()
    token = any_world.token(begun)
    any_world.launch(sub="someone-else")  # so that keys are read and tables warm
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def open_at_once() -> None:
        start.wait()
        try:
            outcomes.append(any_world.open(begun, token).role)
        except LaunchError as error:
            outcomes.append(str(error.status))

    threads = [threading.Thread(target=open_at_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["403", "403", "403", "student"]
    assert len(rows(any_world.engine, WebSession)) == 2


def test_a_login_is_open_for_ten_minutes(refusing: World) -> None:
    begun = refusing.begin()
    refusing.clock.now += 600
    error = refusal(refusing, begun, refusing.token(begun))
    assert "no login that is open" in error.detail


@pytest.mark.parametrize("state", ["", "state-of-nobody", "x" * 300, "\0", "\ud800", "é"])
def test_a_state_of_no_login_is_refused(refusing: World, state: str) -> None:
    begun = refusing.begin()
    made_up = dataclasses.replace(begun, state=state)
    refusal(refusing, made_up, refusing.token(begun), cookie=begun.state)


@pytest.mark.parametrize("cookie", ["x", "\ud800", "é", "x" * 5000])
def test_a_cookie_that_is_not_the_logins_is_refused(refusing: World, cookie: str) -> None:
    begun = refusing.begin()
    assert "another browser" in refusal(refusing, begun, refusing.token(begun), cookie).detail


def test_the_platform_may_refuse_a_login(refusing: World) -> None:
    begun = refusing.begin()
    for code, told in (("login_required", "login_required"), ("<b>\n", "with error")):
        form = {"state": begun.state, "error": code, "error_description": "<b>"}
        with pytest.raises(LaunchError, match=told) as caught:
            finish(refusing.engine, refusing.keys, form, begun.state, BASE_URL)
        assert caught.value.status == 403


# signatures


def test_a_tampered_message_is_refused(refusing: World) -> None:
    begun = refusing.begin()
    head, _, signature = refusing.token(begun).split(".")
    claims = json.dumps(refusing.claims(begun, roles=[ROLE + "Instructor"])).encode()
    middle = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    assert "ignature" in refusal(refusing, begun, f"{head}.{middle}.{signature}").detail


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "RS512", "ES256", ""])
@pytest.mark.parametrize("signature", [b"", b"x" * 256])
def test_a_message_that_is_not_signed_with_rs256_is_refused(
    refusing: World, algorithm: str, signature: bytes
) -> None:
    begun = refusing.begin()
    header = {"alg": algorithm, "kid": refusing.signer.kid}
    error = refusal(refusing, begun, signed_otherwise(refusing.token(begun), header, signature))
    assert error.detail == "the id_token is not signed with RS256"


def test_a_message_signed_with_the_public_key_as_a_password_is_refused(refusing: World) -> None:
    begun = refusing.begin()
    public = refusing.signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "kid": refusing.signer.kid, "typ": "JWT"}
    unsigned = signed_otherwise(refusing.token(begun), header, b"").rstrip(".")
    for secret in (public, public.strip()):
        digest = hmac.digest(secret, unsigned.encode(), "sha256")
        refusal(refusing, begun, signed_otherwise(refusing.token(begun), header, digest))


def test_a_password_that_a_platform_publishes_as_a_key_is_not_taken(refusing: World) -> None:
    secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
    refusing.pages.put(
        "/keys", {"keys": [{"kty": "oct", "k": secret, "kid": "shared", "alg": "HS256"}]}
    )
    refusing.ticks.now += 1000
    begun = refusing.begin()
    token = jwt.encode(refusing.claims(begun), b"s" * 32, "HS256", headers={"kid": "shared"})
    refusal(refusing, begun, token)
    refusing.ticks.now += 1000


def test_a_key_of_another_algorithm_is_not_taken(refusing: World) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    refusing.pages.put("/keys", {"keys": [{**public, "kid": "curve", "alg": "ES256"}]})
    refusing.ticks.now += 1000
    begun = refusing.begin()
    token = jwt.encode(refusing.claims(begun), private, "ES256", headers={"kid": "curve"})
    refusal(refusing, begun, token)
    refusing.ticks.now += 1000


def test_a_message_signed_by_somebody_else_under_the_platforms_kid_is_refused(
    refusing: World,
) -> None:
    begun = refusing.begin()
    stranger = Signer(refusing.signer.kid)
    assert "ignature" in refusal(refusing, begun, stranger.sign(refusing.claims(begun))).detail


def test_a_key_that_the_message_brings_itself_is_not_used(refusing: World) -> None:
    begun = refusing.begin()
    stranger = Signer("stranger")
    url = refusing.pages.put("/stranger", {"keys": [stranger.public()]})
    brought = {"jwk": stranger.public(), "jku": url, "x5u": url}
    refusal(refusing, begun, stranger.sign(refusing.claims(begun), **brought))
    assert refusing.pages.count("/stranger") == 0


@pytest.mark.parametrize("kid", [None, "", 7, ["a"], "unknown", "x" * 300])
def test_a_message_without_a_known_kid_is_refused(refusing: World, kid: Any) -> None:
    begun = refusing.begin()
    header = {"alg": "RS256", **({} if kid is None else {"kid": kid})}
    refusal(refusing, begun, signed_otherwise(refusing.token(begun), header, b"x" * 256))


def test_a_message_that_needs_an_extension_is_refused(refusing: World) -> None:
    begun = refusing.begin()
    token = refusing.signer.sign(refusing.claims(begun), crit=["x"], x=1)
    assert "critical extension" in refusal(refusing, begun, token).detail


# claims


@pytest.mark.parametrize(
    "name",
    [
        "iss", "aud", "sub", "nonce", "iat", "exp", "message_type", "version", "deployment_id",
        "target_link_uri", "roles", "resource_link", "context",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [MISSING, None, -7, "", [], {}, {"id": ""}, "\0", True], ids=str)
def test_a_message_without_a_claim_that_is_needed_is_refused(
    refusing: World, name: str, value: Any
) -> None:
    begun = refusing.begin()
    refusal(refusing, begun, refusing.token(begun, **{name: value}))


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": f"{ISSUER}/"}, "issuer"),
        ({"aud": "client-9"}, "client"),
        ({"aud": ["client-9"]}, "client"),
        ({"aud": [CLIENT, "client-9"]}, "others"),
        ({"aud": ["client-9", CLIENT]}, "others"),
        ({"aud": [CLIENT, "client-9"], "azp": CLIENT}, "others"),
        ({"azp": "client-9"}, "azp"),
        ({"aud": [CLIENT], "azp": "client-9"}, "azp"),
        ({"nonce": "of another login"}, "Nonce"),
        ({"deployment_id": "2"}, "deployment"),
        ({"version": "1.1"}, "1.3.0"),
        ({"version": "LTI-1p3"}, "1.3.0"),
        ({"message_type": "LtiSubmissionReviewRequest"}, "type"),
        ({"message_type": "DataPrivacyLaunchRequest"}, "type"),
        ({"message_type": "LtiDeepLinkingResponse"}, "type"),
        ({"message_type": "ltiresourcelinkrequest"}, "type"),
        ({"target_link_uri": "https://other.example/assignments/one"}, "another tool"),
        ({"target_link_uri": "https://grader.example/courses/assignments/one"}, "another tool"),
        ({"target_link_uri": "http://grader.example/course/assignments/one"}, "another tool"),
        ({"target_link_uri": "https://grader.example:444/course/"}, "another tool"),
        ({"target_link_uri": "https://grader.example@evil.example/course/"}, "another tool"),
        ({"target_link_uri": "/course/assignments/one"}, "another tool"),
        ({"resource_link": {"id": "x" * 256}}, "resource_link"),
        ({"resource_link": {"title": "no id"}}, "resource_link"),
        ({"sub": "x" * 256}, "sub"),
        ({"roles": [ROLE + "Learner", 7]}, "roles"),
    ],
    ids=str,
)
def test_a_message_that_says_something_wrong_is_refused(
    refusing: World, changes: dict[str, Any], detail: str
) -> None:
    begun = refusing.begin()
    error = refusal(refusing, begun, refusing.token(begun, **changes))
    assert detail in error.detail
    assert error.told


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [
        ({"exp": -60.0, "iat": -120.0}, "expired"),
        ({"exp": -86400.0, "iat": -86460.0}, "expired"),
        ({"iat": 61.0, "exp": 120.0}, "from now"),
        ({"iat": 1e9, "exp": 2e9}, "from now"),
        ({"nbf": 61.0}, "not valid yet"),
        ({"iat": 30.0, "exp": 20.0}, "before it was made"),
    ],
    ids=str,
)
def test_a_message_of_another_time_is_refused(
    refusing: World, seconds: dict[str, float], detail: str
) -> None:
    begun = refusing.begin()
    at = {name: refusing.clock.now + more for name, more in seconds.items()}
    assert detail in refusal(refusing, begun, refusing.token(begun, **at)).detail


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -1, 10**400, "soon", [1], True], ids=lambda v: str(v)[:9]
)
def test_a_time_that_is_none_is_refused(refusing: World, name: str, value: Any) -> None:
    begun = refusing.begin()
    assert (
        f"the claim {name}"
        in refusal(refusing, begun, refusing.token(begun, **{name: value})).detail
    )


@pytest.mark.parametrize(
    "roles",
    [
        [],
        [ROLE + "Mentor"],
        ["Observer"],
        ["http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor"],
        ["http://purl.imsglobal.org/vocab/lis/v2/institution/person#Student"],
    ],
    ids=str,
)
def test_who_is_neither_teacher_nor_student_of_the_course_is_not_let_in(
    refusing: World, roles: list[str]
) -> None:
    begun = refusing.begin()
    error = refusal(refusing, begun, refusing.token(begun, roles=roles))
    assert error.status == 403
    assert "role" in error.detail


def test_a_refusal_says_nothing_of_the_user_in_the_log(refusing: World) -> None:
    begun = refusing.begin()
    changed: list[dict[str, Any]] = [
        {"aud": "client-9"}, {"roles": []}, {"context": {}}, {"deployment_id": "2"},
    ]  # fmt: skip
    for changes in changed:
        error = refusal(refusing, begun, refusing.token(begun, **changes))
        for personal in ("user-7", "Ana", "ana@uni.example", "user 7"):
            assert personal not in error.detail


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "...", "a.b.c", "a" * 100, "é.é.é", "\0", "x" * (LONGEST + 1),
        base64.urlsafe_b64encode(b"[]").decode() + ".e30.x",
        base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"platform-1"}').decode() + ".W10.x",
        base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"platform-1"}').decode()
        + "." + base64.urlsafe_b64encode(b"[" * 50_000).decode() + ".x",
    ],
    ids=lambda token: token[:20],
)  # fmt: skip
def test_what_is_no_jwt_is_refused(refusing: World, token: str) -> None:
    refusal(refusing, refusing.begin(), token)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
CLAIMS = (
    "iss", "aud", "azp", "sub", "iat", "exp", "nbf", "nonce", "name", "given_name", "email",
    "message_type", "version", "deployment_id", "target_link_uri", "roles", "resource_link",
    "context", "custom", "lis", "ext", "tool_platform", "launch_presentation", AGS, NRPS, SETTINGS,
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.dictionaries(st.sampled_from(CLAIMS), json_values, min_size=1, max_size=4))
def test_whatever_a_platform_signs_somebody_is_let_in_or_refused(
    one_world: World, changes: dict[str, Any]
) -> None:
    one_world.publish(one_world.signer)
    begun = one_world.begin()
    try:
        launch = one_world.open(begun, one_world.token(begun, **changes))
    except LaunchError as error:
        assert 400 <= error.status < 500
    else:
        assert launch.role == "student"
        assert launch.context.deployment == DEPLOYMENT


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(header=json_values, body=json_values, signature=st.binary(max_size=8))
def test_whatever_a_browser_posts_is_refused_if_the_platform_did_not_sign_it(
    refusing: World, header: Any, body: Any, signature: bytes
) -> None:
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    refusal(refusing, refusing.begin(), token)
