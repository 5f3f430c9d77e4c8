"""The demonstration's platform: what every platform must do, and refuse."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pylti1p3.deep_link import DeepLink
from pylti1p3.deep_link_resource import DeepLinkResource
from pylti1p3.dynamic_registration import DynamicRegistration
from pylti1p3.exception import LtiServiceException
from pylti1p3.lineitem import LineItem
from pylti1p3.message_validators import get_validators
from pylti1p3.names_roles import NamesRolesProvisioningService

from autograder.demo_platform import (
    PEOPLE,
    Person,
    create_platform,
    registration_facts,
)
from autograder.demo_platform.names import (
    AGS_CLAIM,
    AGS_SCOPES,
    CLAIM,
    DEEP_LINKING,
    LINE_ITEM_TYPE,
    MEMBERS_SCOPE,
    NRPS_CLAIM,
    RESULT_SCOPE,
    SCOPES,
    SCORE_SCOPE,
    SCORE_TYPE,
)
from tests.lms.tool_double import (
    ANA,
    TEACHER,
    Connector,
    Swap,
    Tool,
    World,
    form_of,
    grade,
    world_of,
)


@pytest.fixture
def world(tool: Tool, swap: Swap) -> Iterator[World]:
    with world_of(tool, swap) as world:
        yield world


# Pages


def test_each_page_says_that_it_is_a_demonstration_with_invented_people(world: World) -> None:
    begun = world.begin(f"/people/{ANA}/links/link-ps1/open")
    pages = [
        "/", f"/people/{TEACHER}", f"/people/{ANA}", f"/people/{ANA}/links/link-ps1",
        f"/people/{TEACHER}/gradebook", f"/people/{ANA}/gradebook", f"/people/{TEACHER}/tools",
        "/people/nobody", "/nowhere", f"/people/{ANA}/add/demonstration",
        str(httpx.URL("/auth", params=world.asking(begun))),
    ]  # fmt: skip
    for page in pages:
        answer = world.browser.get(page, headers={"Accept": "text/html"})
        assert "the course and its people are invented" in answer.text, page
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"], page


def test_a_student_finds_the_assignments_and_only_a_teacher_can_add_one(world: World) -> None:
    student, teacher = (world.browser.get(f"/people/{who}").text for who in (ANA, TEACHER))
    assert "Tensors &amp; loops" in student and "Add an assignment" not in student
    assert "Add an assignment" in teacher
    assert world.browser.get(f"/people/{ANA}/add/demonstration").status_code == 403


def test_the_course_may_show_the_tools_pages_in_a_frame_and_no_others(world: World) -> None:
    page = world.browser.get(f"/people/{ANA}/links/link-ps1")
    assert f'<iframe src="{world.url}/people/{ANA}/links/link-ps1/open?in=iframe"' in page.text
    policy = page.headers["content-security-policy"]
    assert f"frame-src 'self' {world.tool.url};" in policy and "default-src 'none'" in policy


@pytest.mark.parametrize("url", ["https://lms.example", "http://192.0.2.7:8001", "http:///x", ""])
def test_it_runs_on_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 or localhost only"):
        create_platform(url)


def test_a_tool_on_another_host_would_lose_its_cookies_in_a_frame_and_is_refused() -> None:
    with pytest.raises(ValueError, match="on the same host"):
        create_platform("http://127.0.0.1:1", "http://localhost:2")


@pytest.mark.parametrize(
    ("client", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:1", 200),
        ("::1", "localhost", 200),
        ("192.0.2.7", "127.0.0.1:1", 403),
        ("127.0.0.1", "lms.example", 403),
    ],
)
def test_other_machines_and_other_names_of_this_one_get_nothing(
    client: str, host: str, status: int
) -> None:
    async def ask() -> int:
        transport = httpx.ASGITransport(create_platform("http://127.0.0.1:1"), client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as browser:
            return (await browser.get("/", headers={"Host": host})).status_code

    assert asyncio.run(ask()) == status


# Messages


@pytest.mark.parametrize(("person", "role"), [(TEACHER, "Instructor"), (ANA, "Learner")])
def test_a_link_that_is_opened_brings_a_signed_message_with_all_that_lti_asks_for(
    world: World, person: str, role: str
) -> None:
    claims = world.claims(f"/people/{person}/links/link-ps1/open?in=iframe")
    (validator,) = [one for one in get_validators() if one.can_validate(claims)]
    assert validator.validate(claims)
    assert claims["sub"] == person and claims["nonce"] == "the nonce"
    assert [name.rpartition("#")[2] for name in claims[CLAIM + "roles"]] == [role]
    assert claims[CLAIM + "custom"] == {"assignment": "ps1"}
    assert claims[CLAIM + "launch_presentation"]["document_target"] == "iframe"
    assert claims[AGS_CLAIM]["lineitem"] == f"{world.url}/course/line-items/link-ps1"
    assert set(claims[AGS_CLAIM]["scope"]) == set(AGS_SCOPES)
    assert claims[NRPS_CLAIM]["context_memberships_url"] == f"{world.url}/course/members"
    assert claims["email"].endswith("@example.org")


def test_a_private_persons_name_and_e_mail_stay_in_the_platform(world: World) -> None:
    world.platform.people[ANA] = Person(ANA, "Ana", "Beltrán", "abeltran", private=True)
    claims = world.claims(f"/people/{ANA}/links/link-ps1/open")
    assert claims["sub"] == ANA and not {"name", "given_name", "email"} & set(claims)


def test_a_message_goes_on_with_a_button_where_there_is_no_script(world: World) -> None:
    begun = world.begin(f"/people/{ANA}/links/link-ps1/open")
    page = world.browser.post("/auth", data=world.asking(begun))
    assert form_of(page.text).has_button and form_of(page.text).action == world.redirect_uri
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "http://127.0.0.1:9/lti/launch"},
        {"redirect_uri": ""},
        {"client_id": "another"},
        {"client_id": ""},
    ],
)
def test_nothing_is_sent_to_where_a_tool_is_not_registered(
    world: World, wrong: dict[str, str]
) -> None:
    begun = world.begin(f"/people/{ANA}/links/link-ps1/open")
    page = world.browser.get("/auth", params=world.asking(begun, **wrong))
    assert page.status_code == 400 and form_of(page.text).action == ""


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"login_hint": TEACHER}, "login_required"),
        ({"lti_message_hint": "another"}, "login_required"),
        ({"login_hint": ""}, "invalid_request"),
        ({"nonce": ""}, "invalid_request"),
        ({"response_type": "code"}, "invalid_request"),
        ({"response_mode": "query"}, "invalid_request"),
        ({"prompt": "login"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_request"),
    ],
)
def test_an_authentication_request_that_is_wrong_gets_an_error_and_no_id_token(
    world: World, wrong: dict[str, str], error: str
) -> None:
    begun = world.begin(f"/people/{ANA}/links/link-ps1/open")
    form = form_of(world.browser.get("/auth", params=world.asking(begun, **wrong)).text)
    assert form.fields["error"] == error and form.fields["state"] == "the state"
    assert "id_token" not in form.fields


def test_a_message_that_was_begun_an_hour_ago_cannot_be_had_any_more(world: World) -> None:
    begun = world.begin(f"/people/{ANA}/links/link-ps1/open")
    world.platform.clock = lambda: time.time() + 3601
    form = form_of(world.browser.get("/auth", params=world.asking(begun)).text)
    assert form.fields["error"] == "login_required"


def test_a_variable_in_a_custom_parameter_is_replaced_where_the_tool_may_know_it(
    world: World,
) -> None:
    tool = world.platform.tools["demonstration"]
    custom = {"login": "$User.username", "link": "$ResourceLink.id", "other": "$Other.thing"}
    world.platform.tools["demonstration"] = replace(tool, custom=custom)
    path = f"/people/{ANA}/links/link-ps1/open"
    told = {"assignment": "ps1", "link": "link-ps1", "other": "$Other.thing"}
    assert world.claims(path)[CLAIM + "custom"] == told | {"login": "abeltran"}
    world.platform.people[ANA] = Person(ANA, "Ana", "Beltrán", "abeltran", private=True)
    assert world.claims(path)[CLAIM + "custom"] == told | {"login": "$User.username"}


# Deep linking


def deep_link(world: World) -> tuple[str, dict[str, Any]]:
    """A deep linking request of the teacher's: where to answer, and an answer with one link."""
    claims = world.claims(f"/people/{TEACHER}/add/demonstration")
    (validator,) = [one for one in get_validators() if one.can_validate(claims)]
    assert validator.validate(claims)
    settings = claims[DEEP_LINKING + "deep_linking_settings"]
    column = LineItem().set_score_maximum(12.5).set_label("Week 2").set_resource_id("ps2")
    link = DeepLinkResource().set_url(f"{world.tool.url}/lti/launch").set_title("Gradients")
    link.set_custom_params({"assignment": "ps2"}).set_lineitem(column.set_tag("grade"))
    answer = DeepLink(world.tool.registration(world.url), "1", settings)
    return settings["deep_link_return_url"], dict(answer.get_message_jwt([link]))


def test_a_link_that_a_teacher_chose_stands_in_the_course_with_its_column(world: World) -> None:
    to, answer = deep_link(world)
    taken = world.browser.post(to, data={"JWT": world.tool.sign(answer)})
    assert taken.status_code == 303
    assert "Gradients" in world.browser.get(taken.headers["location"]).text
    assert "Week 2" in world.browser.get(f"/people/{TEACHER}/gradebook").text
    link = list(world.platform.links.values())[-1]
    (item,) = world.platform.gradebook.of_link(link.id)
    assert (item.maximum, item.resource, item.tag) == (12.5, "ps2", "grade")
    claims = world.claims(f"/people/{ANA}/links/{link.id}/open")
    assert claims[CLAIM + "custom"] == {"assignment": "ps2"}
    assert claims[AGS_CLAIM]["lineitem"].endswith(item.id)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"aud": ["https://lms.example"]},
        {"exp": 1},
        {"exp": None},
        {CLAIM + "message_type": "LtiResourceLinkRequest"},
        {CLAIM + "deployment_id": "2"},
        {DEEP_LINKING + "data": "another"},
        {DEEP_LINKING + "data": None},
        {DEEP_LINKING + "content_items": "all"},
    ],
)
def test_an_answer_with_something_wrong_in_it_adds_nothing(
    world: World, change: dict[str, Any]
) -> None:
    to, answer = deep_link(world)
    wrong = {name: value for name, value in (answer | change).items() if value is not None}
    refused = world.browser.post(to, data={"JWT": world.tool.sign(wrong)})
    assert refused.status_code in (400, 404) and len(world.platform.links) == 1


def test_an_answer_that_was_tampered_with_adds_nothing(world: World) -> None:
    to, answer = deep_link(world)
    head, body, signature = world.tool.sign(answer).split(".")
    other = jwt.utils.base64url_encode(json.dumps({**answer, "nonce": "other"}).encode()).decode()
    forged = world.tool.sign(answer, rsa.generate_private_key(65537, 2048))
    unsigned = world.tool.unsigned(answer)
    for token in (f"{head}.{other}.{signature}", f"{head}.{body}.", forged, unsigned, "x", ""):
        assert world.browser.post(to, data={"JWT": token}).status_code == 400
    assert len(world.platform.links) == 1


def test_an_answer_is_taken_once(world: World) -> None:
    to, answer = deep_link(world)
    assert world.browser.post(to, data={"JWT": world.tool.sign(answer)}).status_code == 303
    assert world.browser.post(to, data={"JWT": world.tool.sign(answer)}).status_code == 400
    assert len(world.platform.links) == 2


def test_a_link_to_elsewhere_is_refused(world: World) -> None:
    to, answer = deep_link(world)
    answer[DEEP_LINKING + "content_items"][0]["url"] = "https://elsewhere.example/"
    assert world.browser.post(to, data={"JWT": world.tool.sign(answer)}).status_code == 400
    assert len(world.platform.links) == 1


def test_a_teacher_reads_what_the_tool_says_went_wrong(world: World) -> None:
    to, answer = deep_link(world)
    answer |= {DEEP_LINKING + "content_items": [], DEEP_LINKING + "errormsg": "No <assignments>."}
    page = world.browser.post(to, data={"JWT": world.tool.sign(answer)}).text
    assert "No &lt;assignments&gt;." in page


# Tokens


def test_a_tool_gets_a_token_with_the_scopes_that_it_may_have(world: World) -> None:
    answer = world.token(
        world.tool.sign(world.assertion()), scope=f"{SCORE_SCOPE} https://other.example/scope"
    )
    told = answer.json()
    assert (answer.status_code, told["scope"]) == (200, SCORE_SCOPE)
    assert (told["token_type"].lower(), told["expires_in"]) == ("bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("assertion", "form", "error"),
    [
        ({"exp": 1}, {}, "invalid_client"),
        ({"exp": None}, {}, "invalid_client"),
        ({"aud": "https://other.example/token"}, {}, "invalid_client"),
        ({"iss": "another"}, {}, "invalid_client"),
        ({"sub": "another"}, {}, "invalid_client"),
        ({"jti": None}, {}, "invalid_client"),
        ({}, {"client_assertion": "none"}, "invalid_client"),
        ({}, {"grant_type": "password"}, "unsupported_grant_type"),
        ({}, {"client_assertion_type": "other"}, "invalid_request"),
        ({}, {"scope": "https://other.example/scope"}, "invalid_scope"),
        ({}, {"scope": ""}, "invalid_scope"),
    ],
)
def test_a_request_of_a_token_that_is_wrong_gets_none(
    world: World, assertion: dict[str, Any], form: dict[str, str], error: str
) -> None:
    claims = {k: v for k, v in world.assertion(**assertion).items() if v is not None}
    answer = world.token(world.tool.sign(claims), **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert not world.platform.tokens


def test_an_assertion_is_good_once_and_only_with_the_tools_own_key(world: World) -> None:
    assertion = world.tool.sign(world.assertion())
    assert world.token(assertion).status_code == 200
    assert world.token(assertion).json()["error"] == "invalid_client"
    other = world.tool.sign(world.assertion(), rsa.generate_private_key(65537, 2048))
    assert world.token(other).json()["error"] == "invalid_client"
    assert world.token(world.tool.unsigned(world.assertion())).json()["error"] == "invalid_client"


SERVICES = [
    ("GET", "/course/line-items", AGS_SCOPES[1]),
    ("POST", "/course/line-items", AGS_SCOPES[0]),
    ("GET", "/course/line-items/link-ps1", AGS_SCOPES[1]),
    ("PUT", "/course/line-items/link-ps1", AGS_SCOPES[0]),
    ("DELETE", "/course/line-items/link-ps1", AGS_SCOPES[0]),
    ("POST", "/course/line-items/link-ps1/scores", SCORE_SCOPE),
    ("GET", "/course/line-items/link-ps1/results", RESULT_SCOPE),
    ("GET", "/course/members", MEMBERS_SCOPE),
]


@pytest.mark.parametrize(("method", "path", "scope"), SERVICES)
def test_a_service_needs_its_scope_and_a_token_that_is_good_now(
    world: World, method: str, path: str, scope: str
) -> None:
    def ask(headers: dict[str, str]) -> httpx.Response:
        return world.browser.request(method, path, headers=headers)

    missing = ask({})
    assert missing.status_code == 401 and missing.headers["www-authenticate"] == "Bearer"
    assert ask({"Authorization": "Bearer invented"}).status_code == 401
    readers = {AGS_SCOPES[0]} if scope == AGS_SCOPES[1] else set()
    others = set(SCOPES) - {scope} - readers
    assert ask(world.headers(*others)).status_code == 403
    headers = world.headers(scope)
    assert ask(headers).status_code not in (401, 403)
    world.platform.clock = lambda: time.time() + 3601
    assert ask(headers).status_code == 401


# Grades and roster, with pylti1p3's own client


def test_a_score_that_arrives_is_in_the_gradebook_scaled_with_comment_and_time(
    world: World,
) -> None:
    services = world.services()
    services.put_grade(grade(7.5, comment="See <b>the feedback</b>"))
    page = world.browser.get(f"/people/{TEACHER}/gradebook").text
    assert "15 / 20" in page and "See &lt;b&gt;the feedback&lt;/b&gt;" in page
    assert time.strftime("%Y-%m-%d %H:") in page
    assert list(services.get_grades()) == [
        {
            "id": f"{world.url}/course/line-items/link-ps1/results/{ANA}",
            "scoreOf": f"{world.url}/course/line-items/link-ps1",
            "userId": ANA,
            "comment": "See <b>the feedback</b>",
            "resultScore": 15.0,
            "resultMaximum": 20.0,
        }
    ]


def test_a_student_sees_the_own_grades_only(world: World) -> None:
    services = world.services()
    for person, given in zip(PEOPLE[1:3], (3, 4), strict=True):
        services.put_grade(grade(given, person.id))
    page = world.browser.get(f"/people/{ANA}/gradebook").text
    assert "6 / 20" in page and "8 / 20" not in page and PEOPLE[2].family not in page


def test_an_earlier_score_is_refused_and_one_of_the_same_time_taken(world: World) -> None:
    services = world.services()
    services.put_grade(grade(7, timestamp="2027-01-15T10:00:00.500Z"))
    services.put_grade(grade(8, timestamp="2027-01-15T11:00:00.500+01:00"))
    with pytest.raises(LtiServiceException) as refused:
        services.put_grade(grade(1, timestamp="2027-01-15T10:00:00.499Z"))
    assert refused.value.response.status_code == 409
    assert [one["resultScore"] for one in services.get_grades()] == [16.0]


@pytest.mark.parametrize("user", [TEACHER, "nobody"])
def test_only_students_get_scores(world: World, user: str) -> None:
    with pytest.raises(LtiServiceException) as refused:
        world.services().put_grade(grade(7, user))
    assert refused.value.response.status_code == 404


def test_a_score_that_is_not_final_is_no_result_and_no_grade(world: World) -> None:
    services = world.services()
    services.put_grade(grade(7).set_grading_progress("Pending"))
    (result,) = services.get_grades()
    assert "resultScore" not in result
    assert "– / 20" in world.browser.get(f"/people/{ANA}/gradebook").text


WRONG_SCORES = [
    {"userId": None}, {"userId": 7}, {"scoreGiven": -1}, {"scoreGiven": "7"},
    {"scoreGiven": True}, {"scoreMaximum": None}, {"scoreMaximum": 0}, {"timestamp": None},
    {"timestamp": "yesterday"}, {"timestamp": "2027-01-15T10:00:00"}, {"comment": 7},
    {"activityProgress": "Done"}, {"gradingProgress": None},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_SCORES)
def test_a_score_that_is_wrong_is_not_stored(world: World, wrong: dict[str, Any]) -> None:
    body = json.loads(grade(7).get_value()) | wrong
    answer = world.browser.post(
        "/course/line-items/link-ps1/scores",
        content=json.dumps({name: value for name, value in body.items() if value is not None}),
        headers=world.headers(SCORE_SCOPE) | {"Content-Type": SCORE_TYPE},
    )
    assert answer.status_code == 400 and answer.json()["error"]
    assert not world.platform.gradebook.scores


def test_what_is_sent_or_asked_for_as_another_type_is_refused(world: World) -> None:
    headers = world.headers(*SCOPES)
    score, item = "/course/line-items/link-ps1/scores", "/course/line-items"
    for path in (score, item):
        for media_type in ("application/json", "", "text/plain"):
            sent = world.browser.post(
                path, content="{}", headers=headers | {"Content-Type": media_type}
            )
            assert sent.status_code == 415, (path, media_type)
    for path in (item, f"{item}/link-ps1", f"{item}/link-ps1/results", "/course/members"):
        for accept, status in (("text/csv", 406), ("*/*", 200), ("text/csv, application/*", 200)):
            asked = world.browser.get(path, headers=headers | {"Accept": accept})
            assert asked.status_code == status, (path, accept)
            assert status == 406 or asked.headers["content-type"].startswith("application/vnd.ims")


def test_a_tool_makes_finds_changes_and_removes_a_line_item(world: World) -> None:
    services = world.services()
    new = LineItem().set_label("Week 3").set_score_maximum(9.5).set_tag("grade")
    made = services.create_lineitem(new.set_resource_id("ps3").set_resource_link_id("link-ps1"))
    url, found = made.get_id(), services.find_lineitem_by_resource_id("ps3")
    assert url is not None and found is not None and found.get_id() == url
    body = json.loads(made.get_value()) | {"label": "Week 4", "scoreMaximum": 11}
    headers = world.headers(AGS_SCOPES[0]) | {"Content-Type": LINE_ITEM_TYPE}
    put = world.browser.put(url, content=json.dumps(body), headers=headers)
    assert put.status_code == 200 and services.get_lineitem(url).get_label() == "Week 4"
    moved = json.dumps(body | {"resourceLinkId": "other"})
    assert world.browser.put(url, content=moved, headers=headers).status_code == 400
    services.put_grade(grade(5), services.get_lineitem(url))
    assert world.browser.delete(url, headers=headers).status_code == 204
    assert world.browser.get(url, headers=headers).status_code == 404
    assert not world.platform.gradebook.scores


@pytest.mark.parametrize(
    "wrong",
    [{"label": ""}, {"scoreMaximum": 0}, {"scoreMaximum": "9"}, {"resourceLinkId": "another"}],
)
def test_a_line_item_that_is_wrong_is_not_made(world: World, wrong: dict[str, Any]) -> None:
    headers = world.headers(AGS_SCOPES[0]) | {"Content-Type": LINE_ITEM_TYPE}
    body = json.dumps({"label": "Week 3", "scoreMaximum": 9} | wrong)
    answer = world.browser.post("/course/line-items", content=body, headers=headers)
    assert answer.status_code in (400, 404) and len(world.platform.gradebook.items) == 1


def test_line_items_are_filtered_and_come_in_pages(world: World) -> None:
    services = world.services()
    for number in range(5):
        new = LineItem().set_label(f"Item {number}").set_score_maximum(1)
        services.create_lineitem(new.set_resource_id(f"r{number}").set_tag("odd" * (number % 2)))
    world.platform.page_size = 2
    labels = [item["label"] for item in services.get_lineitems()]
    assert labels == ["Tensors & loops", *[f"Item {number}" for number in range(5)]]
    headers = world.headers(AGS_SCOPES[1])
    for query, count in (("tag=odd", 2), ("resource_id=r3", 1), ("resource_link_id=link-ps1", 1)):
        page = world.browser.get(f"/course/line-items?{query}", headers=headers)
        assert len(page.json()) == count and "link" not in page.headers
    assert (
        "limit=1"
        in world.browser.get("/course/line-items?limit=1", headers=headers).headers["link"]
    )
    first = world.browser.get("/course/line-items?tag=odd&limit=1", headers=headers)
    second = world.browser.get(first.links["next"]["url"], headers=headers)
    assert [one.json()[0]["label"] for one in (first, second)] == ["Item 1", "Item 3"]
    for wrong in ("limit=0", "limit=x", "page=0"):
        assert world.browser.get(f"/course/line-items?{wrong}", headers=headers).status_code == 400


def test_the_roster_comes_in_pages(world: World) -> None:
    world.platform.page_size = 2
    claims = world.claims(f"/people/{TEACHER}/links/link-ps1/open")
    roster = NamesRolesProvisioningService(
        Connector(world.tool.registration(world.url)), claims[NRPS_CLAIM]
    )
    assert [one["user_id"] for one in roster.get_members()] == [person.id for person in PEOPLE]
    assert [one["name"] for one in roster.get_members("link-ps1")] == [p.name for p in PEOPLE]
    assert roster.get_context()["id"] == claims[CLAIM + "context"]["id"]
    headers = world.headers(MEMBERS_SCOPE)
    teachers = world.browser.get("/course/members?role=Instructor", headers=headers).json()
    assert [one["user_id"] for one in teachers["members"]] == [TEACHER]
    assert world.browser.get("/course/members?rlid=other", headers=headers).status_code == 404


# Dynamic registration


class Registering(DynamicRegistration):
    """A tool that registers itself with pylti1p3's client."""

    client_name = "Another tool"

    def __init__(self, tool_url: str, got: dict[str, str]) -> None:
        self.url, self.got = tool_url, got

    def get_initiate_login_uri(self) -> str:
        return f"{self.url}/login"

    def get_jwks_uri(self) -> str:
        return f"{self.url}/lti/jwks.json"

    def get_redirect_uris(self) -> list[str]:
        return [f"{self.url}/other"]

    def get_scopes(self) -> list[str]:
        return [SCORE_SCOPE, "https://other.example/scope"]

    def get_domain(self) -> str:
        return urlsplit(self.url).netloc

    def get_target_link_uri(self) -> str:
        return f"{self.url}/other"

    def get_messages(self) -> list[dict[str, str]]:
        return [{"type": "LtiDeepLinkingRequest", "target_link_uri": f"{self.url}/choose"}]

    def get_logo_uri(self) -> str:
        return f"{self.url}/logo"

    def get_openid_configuration_endpoint(self) -> str:
        return self.got["openid_configuration"]

    def get_registration_token(self) -> str:
        return self.got["registration_token"]

    def complete_registration(
        self, openid_configuration: dict[str, Any], openid_registration: dict[str, Any]
    ) -> dict[str, Any]:
        return {"platform": openid_configuration, "tool": openid_registration}


def begin_registration(world: World) -> dict[str, str]:
    answer = world.browser.get(
        "/tools/register", params={"url": f"{world.tool.url}/lti/register/x"}
    )
    assert answer.status_code == 303
    assert world.browser.get(answer.headers["location"]).text == "registering"
    return world.tool.got[-1]


def test_a_tool_registers_itself_and_a_teacher_can_add_its_links(world: World) -> None:
    registered = Registering(world.tool.url, begin_registration(world)).register()
    configuration, told = registered["platform"], registered["tool"]
    facts = registration_facts(world.url)
    assert configuration["issuer"] == facts.issuer
    assert configuration["authorization_endpoint"] == facts.auth_login_url
    assert configuration["token_endpoint"] == facts.auth_token_url
    assert configuration["jwks_uri"] == facts.key_set_url
    assert told["scope"] == SCORE_SCOPE and told["client_name"] == "Another tool"
    assert told["https://purl.imsglobal.org/spec/lti-tool-configuration"]["deployment_id"] == "1"
    assert "Add an assignment from Another tool" in world.browser.get(f"/people/{TEACHER}").text
    begun = world.browser.get(f"/people/{TEACHER}/add/{told['client_id']}").headers["location"]
    assert begun.startswith(f"{world.tool.url}/login?")
    assert parse_qs(urlsplit(begun).query)["target_link_uri"] == [f"{world.tool.url}/choose"]


def test_another_tools_line_items_are_not_there_for_it(world: World) -> None:
    registered = Registering(world.tool.url, begin_registration(world)).register()
    client_id = registered["tool"]["client_id"]
    token = world.token(world.tool.sign(world.assertion(iss=client_id, sub=client_id)))
    answer = world.browser.post(
        "/course/line-items/link-ps1/scores",
        content=grade(7).get_value(),
        headers={
            "Authorization": f"Bearer {token.json()['access_token']}",
            "Content-Type": SCORE_TYPE,
        },
    )
    assert answer.status_code == 404 and not world.platform.gradebook.scores


def test_a_registration_token_is_good_once_and_for_an_hour(world: World) -> None:
    got = begin_registration(world)
    Registering(world.tool.url, got).register()
    for again in (got, {**got, "registration_token": "invented"}):
        with pytest.raises(LtiServiceException) as refused:
            Registering(world.tool.url, again).register()
        assert refused.value.response.status_code == 401
    late = begin_registration(world)
    world.platform.clock = lambda: time.time() + 3601
    with pytest.raises(LtiServiceException):
        Registering(world.tool.url, late).register()


@pytest.mark.parametrize(
    "method", ["get_jwks_uri", "get_initiate_login_uri", "get_target_link_uri"]
)
def test_a_tool_that_is_not_on_this_machine_is_not_registered(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(Registering, method, lambda self: "https://tool.example/x")
    with pytest.raises(LtiServiceException):
        Registering(world.tool.url, begin_registration(world)).register()
    assert len(world.platform.tools) == 1


@pytest.mark.parametrize("url", ["https://tool.example/", "javascript:alert(1)", "", "//[x"])
def test_the_browser_is_sent_to_registration_urls_of_this_machine_only(
    world: World, url: str
) -> None:
    answer = world.browser.get("/tools/register", params={"url": url})
    assert answer.status_code == 400 and "location" not in answer.headers


def test_a_tool_whose_keys_cannot_be_read_gets_no_token_and_the_reason(world: World) -> None:
    tool = world.platform.tools["demonstration"]
    world.platform.tools["demonstration"] = replace(tool, key_set_url=f"{world.tool.url}/none")
    answer = world.token(world.tool.sign(world.assertion())).json()
    assert answer["error"] == "invalid_client" and "cannot be read" in answer["error_description"]
