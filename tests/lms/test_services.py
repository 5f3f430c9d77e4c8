"""Requests to platforms: what is sent, exactly, and what is made of whatever comes back."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import RegistrationFacts, add, remove
from autograder.lms.outgoing import Outgoing
from autograder.lms.schema import Delivery
from autograder.lms.services.ags import Answer, NoAnswerError, Result, Score
from autograder.lms.services.outbox import Key, Outbox
from autograder.lms.services.platform import (
    LINE_ITEM_SCOPE,
    MEMBERS_SCOPE,
    RESULT_SCOPE,
    SCORE_SCOPE,
    LineItem,
    Member,
    services,
)
from autograder.lms.services.tokens import Tokens
from tests.lms.http_double import Asked, Told, serving
from tests.lms.service_world import World, world_of

SCORE_TYPE = "application/vnd.ims.lis.v1.score+json"
ITEM_TYPE = "application/vnd.ims.lis.v2.lineitem+json"
ITEMS_TYPE = "application/vnd.ims.lis.v2.lineitemcontainer+json"
RESULTS_TYPE = "application/vnd.ims.lis.v2.resultcontainer+json"
MEMBERS_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
SCORE = Score("ana", 7.5, 10.0, "", 1_800_000_000_007, new_submission=False)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.open(tmp_path_factory.mktemp("keys") / "lti")


@pytest.fixture
def world(keys: Keys) -> Iterator[World]:
    with world_of(keys) as made:
        yield made


# Scores


def test_a_score_is_sent_as_the_specification_has_it(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(200))
    score = Score("ana", 7.5, 10.0, "Look: https://tool.invalid", 1_800_000_000_007, False)
    assert world.services.post(world.url("/items/7"), score) == Answer(200)
    asked = world.double.asked[-1]
    assert asked.headers["Content-Type"] == SCORE_TYPE
    assert world.tokens.allows(asked, SCORE_SCOPE)
    assert asked.json() == {
        "userId": "ana",
        "scoreGiven": 7.5,
        "scoreMaximum": 10.0,
        "comment": "Look: https://tool.invalid",
        "timestamp": "2027-01-15T08:00:00.007Z",
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
    }


def test_without_a_comment_none_is_sent(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(200))
    world.services.post(world.url("/items/7"), SCORE)
    assert "comment" not in world.double.asked[-1].json()


def test_a_line_item_with_a_query_keeps_it_behind_the_path(world: World) -> None:
    world.tell("POST", "/mod/lti/services.php/2/lineitems/7/lineitem/scores", Told(200))
    world.tell("GET", "/mod/lti/services.php/2/lineitems/7/lineitem/results", Told(200, []))
    item = world.url("/mod/lti/services.php/2/lineitems/7/lineitem?type_id=1")
    world.services.post(item, SCORE)
    world.services.results(item, "ana ñ&1")
    sent, read = (one for one in world.double.asked if one.path != "/token")
    assert sent.query == {"type_id": "1"}
    assert read.query == {"type_id": "1", "user_id": "ana ñ&1"}


def test_only_canvas_is_told_that_it_is_no_new_attempt(keys: Keys) -> None:
    extension = "https://canvas.instructure.com/lti/submission"
    for product, told in (("canvas", {"new_submission": False}), ("moodle", None), ("", None)):
        with world_of(keys, product=product) as world:
            world.tell("POST", "/items/7/scores", Told(200))
            world.services.post(world.url("/items/7"), SCORE)
            assert world.double.asked[-1].json().get(extension) == told, product


def test_no_request_says_how_long_a_page_is_to_be(world: World) -> None:
    world.tell("GET", "/items", Told(200, []))
    world.tell("GET", "/items/7/results", Told(200, []))
    world.tell("GET", "/members", Told(200, {"members": []}))
    world.services.line_items(world.url("/items"))
    world.services.results(world.url("/items/7"), "ana")
    world.services.members(world.url("/members"), "link 1")
    assert len(world.double.asked) == 6
    assert not [one for one in world.double.asked if "limit" in one.target]


def test_each_service_is_asked_for_its_own_type(world: World) -> None:
    world.tell("GET", "/items", Told(200, []))
    world.tell("GET", "/items/7", Told(200, {"id": "7", "label": "x", "scoreMaximum": 1}))
    world.tell("GET", "/items/7/results", Told(200, []))
    world.tell("GET", "/members", Told(200, {"members": []}))
    world.services.line_items(world.url("/items"))
    world.services.line_item(world.url("/items/7"))
    world.services.results(world.url("/items/7"), "ana")
    world.services.members(world.url("/members"))
    accepted = {one.path: one.headers["Accept"] for one in world.double.asked}
    assert accepted | {"/token": ""} == {
        "/token": "",
        "/items": ITEMS_TYPE,
        "/items/7": ITEM_TYPE,
        "/items/7/results": RESULTS_TYPE,
        "/members": MEMBERS_TYPE,
    }


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("17", 17, 17),
        (" 17 ", 17, 17),
        (formatdate(4_000_000_000, usegmt=True), 86_400, 86_400),
        (formatdate(0, usegmt=True), 0, 0),
        ("99999999999", 86_400, 86_400),
        ("-5", None, None),
        ("soon", None, None),
        ("nan", None, None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None, None),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999999", None, None),
        ("", None, None),
    ],
)
def test_the_outbox_learns_how_long_to_wait(
    world: World, header: str, least: float | None, most: float | None
) -> None:
    world.tell("POST", "/items/7/scores", Told(429, b"slow down", {"Retry-After": header}))
    answer = world.services.post(world.url("/items/7"), SCORE)
    assert (answer.status, answer.text) == (429, "slow down")
    assert answer.retry_after == least == most


def test_canvas_saying_forbidden_for_too_many_requests_is_asked_again_later(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(403, b"403 Forbidden (Rate Limit Exceeded)\n"))
    assert world.services.post(world.url("/items/7"), SCORE).status == 429


def test_of_an_error_page_a_teacher_sees_the_title(world: World) -> None:
    page = b"<html><title>Server\n Error (500)</title><body><h1>x" + b"y" * 5000
    world.tell("POST", "/items/7/scores", Told(500, page, {"Content-Type": "text/html"}))
    assert world.services.post(world.url("/items/7"), SCORE) == Answer(500, "Server Error (500)")


# Results


def test_results_are_those_of_the_user_as_the_platform_has_them(world: World) -> None:
    told = [
        {"userId": "ana", "resultScore": 0.83, "resultMaximum": 1},
        {"userId": "luis", "resultScore": 1, "resultMaximum": 1},
        {"userId": "ana", "resultScore": "7,5", "resultMaximum": "10"},
        {"userId": "ana", "resultScore": None, "resultMaximum": None},
        {"resultScore": "3", "resultMaximum": True},
        "garbage",
        {},
    ]
    world.tell("GET", "/items/7/results", Told(200, told))
    assert world.services.results(world.url("/items/7"), "ana") == [
        Result(0.83, 1.0),
        Result(None, 10.0),
        Result(None, None),
        Result(3.0, None),
        Result(None, None),
    ]


def test_a_user_whose_id_is_a_number_to_the_platform_is_the_same(world: World) -> None:
    told = [{"userId": 17, "resultScore": 1, "resultMaximum": 2}]
    world.tell("GET", "/items/7/results", Told(200, told))
    assert world.services.results(world.url("/items/7"), "17") == [Result(1.0, 2.0)]


@pytest.mark.parametrize("status", [403, 404, 405, 410])
def test_where_results_are_not_to_be_read_there_are_none(world: World, status: int) -> None:
    world.tell("GET", "/items/7/results", Told(status))
    assert world.services.results(world.url("/items/7"), "ana") == []


def test_where_the_scope_of_results_is_not_offered_there_are_none(world: World) -> None:
    world.tokens.offers = (SCORE_SCOPE,)
    assert world.services.results(world.url("/items/7"), "ana") == []


@pytest.mark.parametrize(
    "told",
    [Told(500), Told(429), Told(200, b"<html>"), Told(200, {}), Told(200, b""), Told(302)],
)
def test_what_is_no_list_of_results_says_nothing(world: World, told: Told) -> None:
    world.tell("GET", "/items/7/results", told)
    with pytest.raises(NoAnswerError):
        world.services.results(world.url("/items/7"), "ana")


# Pages


@pytest.mark.parametrize(
    "header",
    [
        '<{next}>; rel="next"',
        "<{next}>; rel=next",
        "<{next}>;rel='next'",
        '<{next}>; rel="last next"',
        '<{next}>; title="a, b"; REL="Next"',
        '<{first}>; rel="first", <{next}>; rel="next", <{first}>; rel="last"',
        "<{first}>; rel=“first”, <{next}>; rel=“next”",
        '{next}; rel="next"',
        '{first}; rel="first", {next}; rel="next"',
        '</items/7/results?page=2>; rel="next"',
        '<?page=2>; rel="next"',
    ],
)
def test_the_next_page_is_found_however_it_is_named(world: World, header: str) -> None:
    first, following = world.url("/items/7/results?page=1,2"), world.url("/items/7/results?page=2")
    named = header.replace("{next}", following).replace("{first}", first)
    link = {"Link": named.encode().decode("latin-1")}

    def page(asked: Asked) -> Told:
        number = 1.0 if asked.query.get("page") == "2" else 0.0
        told = [{"userId": "ana", "resultScore": number, "resultMaximum": 1}]
        return Told(200, told, {} if number else link)

    world.answers["GET", "/items/7/results"] = page
    found = world.services.results(world.url("/items/7"), "ana")
    assert [one.given for one in found] == [0.0, 1.0]


@pytest.mark.parametrize(
    "header",
    ['<{url}>; rel="prev"', '<{url}/next>; rel="differences"', '<{url}>; title="next"', ""],
)
def test_other_links_lead_nowhere(world: World, header: str) -> None:
    link = {"Link": header.replace("{url}", world.url("/members"))}
    world.tell("GET", "/members", Told(200, {"members": [{"user_id": "a"}]}, link))
    assert len(world.services.members(world.url("/members"))) == 1


@pytest.mark.parametrize("header", ['rel="next"; url=/members/2', '<https://[x/2>; rel="next"'])
def test_a_next_page_that_cannot_be_found_is_no_end_of_the_roster(
    world: World, header: str
) -> None:
    link = {"Link": header}
    world.tell("GET", "/members", Told(200, {"members": [{"user_id": "a"}]}, link))
    with pytest.raises(NoAnswerError, match="next page"):
        world.services.members(world.url("/members"))


def test_a_roster_with_a_page_missing_is_none(world: World) -> None:
    link = {"Link": f'<{world.url("/members/2")}>; rel="next"'}
    world.tell("GET", "/members", Told(200, {"members": [{"user_id": "a"}]}, link))
    world.tell("GET", "/members/2", Told(503))
    with pytest.raises(NoAnswerError, match="503"):
        world.services.members(world.url("/members"))


def test_no_token_goes_to_another_server_for_the_next_page(world: World) -> None:
    with serving(lambda _asked: Told(200, [])) as other:
        link = {"Link": f'<{other.url}/items>; rel="next"'}
        world.tell("GET", "/items", Told(200, [], link))
        with pytest.raises(NoAnswerError, match="another server"):
            world.services.line_items(world.url("/items"))
        assert other.asked == []


def test_pages_without_an_end_are_left(world: World) -> None:
    def page(asked: Asked) -> Told:
        number = int(asked.query.get("page", "1"))
        return Told(200, [], {"Link": f'<{world.url(f"/items?page={number + 1}")}>; rel="next"'})

    world.answers["GET", "/items"] = page
    world.services.most_pages = 5
    with pytest.raises(NoAnswerError, match="without an end"):
        world.services.line_items(world.url("/items"))
    assert len(world.double.of("GET", "/items")) == 5


def test_a_page_that_follows_itself_is_read_once(world: World) -> None:
    world.tell("GET", "/items", Told(200, [], {"Link": f'<{world.url("/items")}>; rel="next"'}))
    with pytest.raises(NoAnswerError, match="without an end"):
        world.services.line_items(world.url("/items"))
    assert len(world.double.of("GET", "/items")) == 1


# Tokens


def test_a_token_is_asked_for_with_the_key_in_use(keys: Keys, tmp_path: Path) -> None:
    own = Keys.open(tmp_path / "keys")
    with world_of(own, audience="https://lms.invalid/token") as world:
        world.tell("POST", "/items/7/scores", Told(200))
        world.services.post(world.url("/items/7"), SCORE)
        form = world.double.of("POST", "/token")[0].form
        assert form["grant_type"] == "client_credentials"
        assert (
            form["client_assertion_type"]
            == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        )
        assert form["scope"] == SCORE_SCOPE
        kid = jwt.get_unverified_header(form["client_assertion"])["kid"]
        assert kid == own.current.kid

        world.services.drop_token()
        world.tokens.public_pem = own.rotate().public_pem
        assert world.services.post(world.url("/items/7"), SCORE).status == 200
        later = world.double.of("POST", "/token")[1].form["client_assertion"]
        assert jwt.get_unverified_header(later)["kid"] == own.current.kid != kid


@pytest.mark.parametrize(
    ("expires_in", "used"),
    [(3600, 3540.0), ("3600", 3540.0), (50, 25.0), (None, 240.0), ("soon", 240.0), (0, 240.0)],
)
def test_a_token_serves_until_shortly_before_its_end(
    world: World, expires_in: object, used: float
) -> None:
    now = [1000.0]
    world.tokens.expires_in = expires_in
    tokens = Tokens(world.services.client, world.keys, Outgoing, lambda: now[0])
    first = tokens.get(SCORE_SCOPE)
    now[0] += used - 0.1
    assert tokens.get(SCORE_SCOPE) == replace(first, is_new=False)
    now[0] += 0.2
    assert tokens.get(SCORE_SCOPE).is_new and len(world.tokens.given) == 2


def test_each_scope_has_a_token_of_its_own(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(200))
    world.tell("GET", "/items/7/results", Told(200, []))
    for _ in range(2):
        world.services.post(world.url("/items/7"), SCORE)
        world.services.results(world.url("/items/7"), "ana")
    assert world.tokens.given == [SCORE_SCOPE, RESULT_SCOPE]


def test_two_clients_of_one_issuer_share_no_token(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(200))
    world.services.post(world.url("/items/7"), SCORE)
    other = world.new_services(client_id="another")
    with pytest.raises(NoAnswerError, match="invalid_client"):
        other.post(world.url("/items/7"), SCORE)
    assert len(world.double.of("POST", "/items/7/scores")) == 1


def test_reading_with_a_token_that_is_good_no_more_goes_on_with_a_new_one(world: World) -> None:
    def items(asked: Asked) -> Told:
        return Told(200, []) if world.tokens.allows(asked, LINE_ITEM_SCOPE) else Told(401)

    world.answers["GET", "/items"] = items
    world.services.line_items(world.url("/items"))
    world.tokens.expired = {f"token-1|{LINE_ITEM_SCOPE}"}
    assert world.services.line_items(world.url("/items")) == []
    assert len(world.tokens.given) == 2


def test_a_token_of_which_a_platform_says_forbidden_is_good_no_more(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(200), Told(403, b"Invalid token"), Told(200))
    assert world.services.post(world.url("/items/7"), SCORE).status == 200
    assert world.services.post(world.url("/items/7"), SCORE).status == 401
    world.services.drop_token()
    assert world.services.post(world.url("/items/7"), SCORE).status == 200


def test_what_is_forbidden_with_a_new_token_is_forbidden(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(200), Told(403, b"no"))
    assert world.services.post(world.url("/items/7"), SCORE).status == 200
    assert world.services.post(world.url("/items/7"), SCORE).status == 401
    world.services.drop_token()
    assert world.services.post(world.url("/items/7"), SCORE) == Answer(403, "no")


def test_a_platform_that_takes_no_token_is_not_asked_for_ever(world: World) -> None:
    world.tell("GET", "/items", Told(401, b"no"))
    with pytest.raises(NoAnswerError, match="401: no"):
        world.services.line_items(world.url("/items"))
    assert len(world.double.of("GET", "/items")) == 2


def test_the_outbox_learns_that_a_token_is_good_no_more(world: World) -> None:
    world.tell("POST", "/items/7/scores", Told(401), Told(200))
    assert world.services.post(world.url("/items/7"), SCORE).status == 401
    world.services.drop_token()
    assert world.services.post(world.url("/items/7"), SCORE).status == 200
    assert len(world.tokens.given) == 2


@pytest.mark.parametrize(
    "told",
    [
        Told(400, {"error": "invalid_client"}),
        Told(200, b"no JSON"),
        Told(200, []),
        Told(200, {"expires_in": 3600}),
        Told(200, {"access_token": None}),
        Told(302, b"", {"Location": "/elsewhere"}),
        Told(503),
    ],
)
def test_without_a_token_the_score_waits_and_says_why(world: World, told: Told) -> None:
    world.double.answering = lambda _asked: told
    with pytest.raises(NoAnswerError, match="access token"):
        world.services.post(world.url("/items/7"), SCORE)
    assert [one.path for one in world.double.asked] == ["/token"]


@pytest.mark.parametrize(
    "told",
    [
        Told(400, {"error": "invalid_scope"}),
        Told(200, {"access_token": "x", "scope": "something/else"}),
        Told(200, {"access_token": "x", "scope": ""}),
    ],
)
def test_a_platform_that_offers_no_scores_stops_the_outbox(world: World, told: Told) -> None:
    world.double.answering = lambda _asked: told
    answer = world.services.post(world.url("/items/7"), SCORE)
    assert answer.status == 403 and SCORE_SCOPE in answer.text


def test_without_a_token_results_say_nothing(world: World) -> None:
    world.tokens.client_id = "another"
    with pytest.raises(NoAnswerError, match="invalid_client"):
        world.services.results(world.url("/items/7"), "ana")


# Line items


def test_a_line_item_is_made_as_the_specification_has_it(world: World) -> None:
    made = {"id": world.url("/items/9"), "label": "Tensors", "scoreMaximum": 10, "x": 1}
    world.tell("POST", "/items", Told(201, made))
    item = LineItem("Tensors", 10.0, resource="tensores", tag="grade", link="link 1")
    assert world.services.create_line_item(world.url("/items?type_id=1"), item) == LineItem(
        "Tensors", 10.0, world.url("/items/9"), "tensores", "grade", "link 1"
    )
    asked = world.double.asked[-1]
    assert asked.headers["Content-Type"] == ITEM_TYPE and asked.query == {"type_id": "1"}
    assert asked.body == (
        b'{"label": "Tensors", "scoreMaximum": 10, "resourceId": "tensores", "tag": "grade", '
        b'"resourceLinkId": "link 1"}'
    )


def test_what_a_line_item_does_not_have_is_not_sent(world: World) -> None:
    world.tell("POST", "/items", Told(201, {"id": "9"}))
    world.services.create_line_item(world.url("/items"), LineItem("x", 2.5))
    assert world.double.asked[-1].json() == {"label": "x", "scoreMaximum": 2.5}


def test_a_line_item_whose_address_comes_in_a_header_has_it(world: World) -> None:
    world.tell("POST", "/items", Told(201, {"label": "x"}, {"Location": "/items/9"}))
    made = world.services.create_line_item(world.url("/items"), LineItem("x", 1))
    assert made.url == world.url("/items/9")


@pytest.mark.parametrize("url", ["", "https://[x", "https://x/\0", "https://x/\ud800", "/" * 3000])
def test_a_line_item_without_an_address_that_can_be_used_is_none(world: World, url: str) -> None:
    header = {"Location": "https://[x"}
    world.tell("POST", "/items", Told(201, {"label": "x", "id": url}, header))
    with pytest.raises(NoAnswerError, match="without its address"):
        world.services.create_line_item(world.url("/items"), LineItem("x", 1))


def test_changing_a_line_item_leaves_the_rest_and_sends_no_null(world: World) -> None:
    before = {
        "id": world.url("/items/9"),
        "label": "x",
        "scoreMaximum": 1,
        "startDateTime": None,
        "submissionReview": {"reviewableStatus": []},
        "tag": "",
    }
    world.tell("GET", "/items/9", Told(200, before))
    world.tell("PUT", "/items/9", Told(200))
    changed = world.services.update_line_item(world.url("/items/9"), maximum=12.0)
    assert (changed.label, changed.maximum) == ("x", 12.0)
    asked = world.double.asked[-1]
    assert asked.headers["Content-Type"] == ITEM_TYPE
    expected = {name: value for name, value in before.items() if value is not None}
    assert asked.json() == expected | {"scoreMaximum": 12}


def test_line_items_are_read_from_all_pages_with_whatever_they_lack(world: World) -> None:
    link = {"Link": f'<{world.url("/items?page=2")}>; rel="next"'}
    pages = (
        Told(200, [{"id": "items/1", "label": "a", "scoreMaximum": "10"}], link),
        Told(200, [{"ltiLinkId": 3, "resourceId": None}, None]),
    )
    world.tell("GET", "/items", *pages)
    assert world.services.line_items(world.url("/items")) == [
        LineItem("a", 10.0, world.url("/items/1")),
        LineItem("", 0.0, link="3"),
    ]


def test_one_line_item_with_an_odd_address_hides_no_other(world: World) -> None:
    told = [{"id": "https://[x", "label": "odd"}, {"id": "items/1", "label": "a"}]
    world.tell("GET", "/items", Told(200, told))
    found = world.services.line_items(world.url("/items"))
    assert [one.url for one in found] == ["", world.url("/items/1")]


# Members


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud800"])
def test_a_text_that_no_database_takes_counts_as_none(world: World, odd: str) -> None:
    told = [{"user_id": "u1", "name": odd, "email": "ana@uni.example"}, {"user_id": odd}]
    world.tell("GET", "/members", Told(200, {"members": told}))
    (member,) = world.services.members(world.url("/members"))
    assert (member.user, member.name, member.email) == ("u1", "", "ana@uni.example")


def test_members_have_what_the_platform_tells_of_them(world: World) -> None:
    told = [
        {
            "status": "Active",
            "user_id": "u1",
            "roles": ["Learner"],
            "name": " Ana Ruiz ",
            "given_name": "Ana",
            "family_name": "Ruiz",
            "email": "ana@uni.invalid",
            "lis_person_sourcedid": "1234",
            "ext_user_username": "aruiz",
        },
        {"user_id": 2, "status": "Inactive"},
        {"user_id": "u3", "roles": "Learner", "name": None, "email": {}},
        {"name": "nobody"},
        7,
    ]
    world.tell("GET", "/members", Told(200, {"members": told}))
    assert world.services.members(world.url("/members")) == [
        Member(
            "u1", ("Learner",), True, "Ana Ruiz", "Ana", "Ruiz", "ana@uni.invalid", "1234", "aruiz"
        ),
        Member("2", (), active=False),
        Member("u3", ()),
    ]
    assert world.tokens.given == [MEMBERS_SCOPE]


@pytest.mark.parametrize("body", [{}, {"members": None}, [], b""])
def test_what_is_no_roster_is_not_an_empty_one(world: World, body: object) -> None:
    world.tell("GET", "/members", Told(200, body))
    with pytest.raises(NoAnswerError):
        world.services.members(world.url("/members"))


# The network


def test_a_score_that_was_stored_before_the_answer_got_lost_is_not_sent_again(
    keys: Keys, engine: Engine
) -> None:
    with world_of(keys, session=lambda: Outgoing(read_seconds=0.5)) as world:
        stored: list[Any] = []

        def scores(asked: Asked) -> Told:
            stored.append(asked.json())
            return Told(hangs=len(stored) == 1)

        world.answers["POST", "/items/7/scores"] = scores
        world.answers["GET", "/items/7/results"] = lambda _asked: Told(
            200, [{"userId": "ana", "resultScore": 75, "resultMaximum": 100}] if stored else []
        )
        key = Key(1, "1", world.url("/items/7"), "ana")
        now = [1_800_000_000.0]
        outbox = Outbox(engine, lambda _registration: world.services, lambda: now[0])
        outbox.release(key, 7.5, 10)
        outbox.deliver()
        assert _delivery(engine) == ("due", f"{key.line_item}/scores: it does not answer in time")
        now[0] += 60
        outbox.deliver()
        assert _delivery(engine) == ("delivered", "") and len(stored) == 1


def test_a_platform_with_a_later_score_gets_one_with_a_later_timestamp(
    world: World, engine: Engine
) -> None:
    newest = ["2027-01-15T08:00:02.000Z"]

    def scores(asked: Asked) -> Told:
        if asked.headers["Content-Type"] != SCORE_TYPE:
            return Told(400)
        if asked.json()["timestamp"] <= newest[0]:
            return Told(409, b"Refusing score with an earlier timestamp")
        newest[0] = asked.json()["timestamp"]
        return Told(200)

    world.answers["POST", "/items/7/scores"] = scores
    world.tell("GET", "/items/7/results", Told(200, []))
    outbox = Outbox(engine, lambda _registration: world.services, lambda: 1_800_000_000.0)
    outbox.release(Key(1, "1", world.url("/items/7"), "ana"), 0.1, 2.5)
    outbox.deliver()
    assert _delivery(engine) == ("delivered", "")
    assert newest == ["2027-01-15T08:00:03.000Z"]


def _delivery(engine: Engine) -> tuple[str, str]:
    with Session(engine) as session:
        row = session.query(Delivery).one()
        return row.state, row.error


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (Told(hangs=True), "in time"),
        (Told(200, b"[]", drips=True), "took longer"),
        (Told(200, b"x" * 5000), "longer than 4096 bytes"),
        (
            Told(200, gzip.compress(b"x" * 50_000_000), {"Content-Encoding": "gzip"}),
            "longer than 4096 bytes",
        ),
        (Told(200, b"[]", {"Content-Encoding": "gzip"}), "connection|request fails"),
        (Told(200, b"[", {"Content-Length": "2"}), "connection|request fails"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_none(keys: Keys, told: Told, why: str) -> None:
    with world_of(keys, session=lambda: Outgoing(0.5, 0.8, 4096)) as world:
        world.tell("GET", "/items", told)
        with pytest.raises(NoAnswerError, match=why):
            world.services.line_items(world.url("/items"))


def test_a_platform_that_is_not_there_is_said_to_be_so(world: World) -> None:
    with serving(lambda _asked: Told(200)) as gone:
        pass
    with pytest.raises(NoAnswerError, match="connection fails"):
        world.services.post(f"{gone.url}/items/7", SCORE)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_takes_the_token_or_the_score_elsewhere(world: World, status: int) -> None:
    with serving(lambda _asked: Told(200, [])) as other:
        told = Told(status, b"", {"Location": f"{other.url}/x"})
        world.tell("POST", "/items/7/scores", told)
        world.tell("GET", "/items", told)
        answer = world.services.post(world.url("/items/7"), SCORE)
        assert answer.status == status and f"{other.url}/x" in answer.text
        with pytest.raises(NoAnswerError, match="do not follow"):
            world.services.line_items(world.url("/items"))
        world.services.drop_token()
        world.double.answering = lambda _asked: told
        with pytest.raises(NoAnswerError, match="access token"):
            world.services.post(world.url("/items/7"), SCORE)
        assert other.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "http://lms.invalid/items/7",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/items/7",
        "http://127.0.0.1@lms.invalid/items/7",
        "http://127.0.0.1:99999/items/7",
        "file:///etc/passwd",
        "ftp://127.0.0.1/items/7",
        "//127.0.0.1/items/7",
        "items/7",
        "",
    ],
)
def test_only_https_and_this_machine_are_asked(world: World, address: str) -> None:
    with pytest.raises(NoAnswerError):
        world.services.post(address, SCORE)
    assert [one.path for one in world.double.asked] == ["/token"]


def test_the_users_own_settings_take_no_request_and_no_token_elsewhere(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    world.tell("POST", "/items/7/scores", Told(200, b"", {"Set-Cookie": "a=b"}))
    for _ in range(2):
        assert world.services.post(world.url("/items/7"), SCORE).status == 200
    for asked in world.double.asked:
        assert not asked.headers.get("Authorization", "").startswith("Basic")
        assert asked.headers.get("Cookie") is None


# Registrations


def test_services_follow_what_is_registered(world: World, engine: Engine) -> None:
    facts = RegistrationFacts(
        "https://lms.invalid",
        "tool",
        "https://lms.invalid/login",
        world.url("/token"),
        "https://lms.invalid/keys",
        product="Canvas",
    )
    number = add(engine, facts)
    of = services(engine, world.keys)
    first = of(number)
    assert of(number) is first and first.client.product == "canvas"

    add(engine, RegistrationFacts(**{**vars(facts), "auth_token_url": world.url("/other")}))
    assert of(number) is not first
    assert of(number).client.token_url == world.url("/other")

    remove(engine, number)
    answer = of(number).post(world.url("/items/7"), SCORE)
    assert answer.status == 410 and "removed" in answer.text
    assert of(number).results(world.url("/items/7"), "ana") == []
    assert world.double.asked == []
