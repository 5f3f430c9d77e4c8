"""Links that a teacher chooses here, and what Canvas is told of this tool."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest

from autograder.lms.database import open_database
from autograder.lms.lti.deep_links import DeepLinkError, DeepLinkItem, deep_link_response
from autograder.lms.lti.launch import LaunchError
from autograder.lms.lti.tool import canvas_configuration
from autograder.lms.schema import Link, Registration, WebSession
from tests.lms.tokens import (
    BASE_URL,
    CLAIM,
    CLIENT,
    DEPLOYMENT,
    ISSUER,
    LMS,
    MISSING,
    ROLE,
    SETTINGS,
    World,
    rows,
    serving,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "course.lti"


@pytest.fixture
def world(tmp_path: Path, folder: Path) -> Iterator[World]:
    """A tool and a platform."""
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    with serving() as pages:
        yield World(engine, folder, pages)
    engine.dispose()


def answer(
    world: World, settings_: Mapping[str, Any], *items: DeepLinkItem
) -> tuple[str, dict[str, Any]]:
    url, token = deep_link_response(world.keys, settings_, items, BASE_URL)
    (key,) = jwt.PyJWKSet.from_dict(world.keys.jwks()).keys
    assert jwt.get_unverified_header(token)["kid"] == key.key_id
    return url, jwt.decode(token, key, ["RS256"], audience=ISSUER, issuer=CLIENT)


def test_a_teacher_who_chooses_gets_a_session_that_can_answer(world: World) -> None:
    launch = world.choose()
    assert (launch.role, launch.link) == ("teacher", None)
    (session,) = rows(world.engine, WebSession)
    assert session.deep_link == launch.deep_link
    assert session.deep_link is not None
    url, claims = answer(world, session.deep_link, DeepLinkItem("hoja 1", "Sheet 1", 7.5))
    assert url == f"{LMS}/chosen?course=1"
    assert claims[CLAIM + "message_type"] == "LtiDeepLinkingResponse"
    assert claims[CLAIM + "version"] == "1.3.0"
    assert claims[CLAIM + "deployment_id"] == DEPLOYMENT
    assert claims["https://purl.imsglobal.org/spec/lti-dl/claim/data"] == "csrf 5"
    assert claims["nonce"]
    assert claims["https://purl.imsglobal.org/spec/lti-dl/claim/content_items"] == [
        {
            "type": "ltiResourceLink",
            "title": "Sheet 1",
            "url": f"{BASE_URL}/assignments/hoja%201",
            "custom": {"assignment": "hoja 1"},
            "lineItem": {
                "scoreMaximum": 8,
                "label": "Sheet 1",
                "tag": "hoja 1",
                "resourceId": "hoja 1",
            },
        }
    ]


def test_what_a_chosen_link_says_comes_back_when_it_is_opened(world: World) -> None:
    launch = world.choose()
    assert launch.deep_link is not None
    _, claims = answer(world, launch.deep_link, DeepLinkItem("hoja ñ", "Sheet"))
    (item,) = claims["https://purl.imsglobal.org/spec/lti-dl/claim/content_items"]
    world.launch(target_link_uri=item["url"], custom=item["custom"])
    assert rows(world.engine, Link)[0].assignment == "hoja ñ"


def test_columns_are_what_every_platform_takes(world: World) -> None:
    launch = world.choose({"accept_multiple": "true"})
    assert launch.deep_link is not None
    items = [
        DeepLinkItem("a" * 120, "t" * 200, 10),
        DeepLinkItem("b", "B", 0),
        DeepLinkItem("c", "C"),
    ]
    _, claims = answer(world, launch.deep_link, *items)
    long, *others = claims["https://purl.imsglobal.org/spec/lti-dl/claim/content_items"]
    assert len(long["lineItem"]["label"]) == 100
    assert len(long["lineItem"]["tag"]) == 50
    assert isinstance(long["lineItem"]["scoreMaximum"], int)
    assert ["lineItem" in one for one in others] == [False, False]


def test_a_platform_that_takes_no_columns_gets_none(world: World) -> None:
    launch = world.choose({"accept_lineitem": False})
    assert launch.deep_link is not None
    _, claims = answer(world, launch.deep_link, DeepLinkItem("one", "One", 10))
    (item,) = claims["https://purl.imsglobal.org/spec/lti-dl/claim/content_items"]
    assert "lineItem" not in item


def test_a_platform_that_takes_one_link_gets_no_two(world: World) -> None:
    launch = world.choose()
    assert launch.deep_link is not None
    with pytest.raises(DeepLinkError, match="one assignment at a time"):
        answer(world, launch.deep_link, DeepLinkItem("a", "A"), DeepLinkItem("b", "B"))


def test_a_request_without_data_is_answered_without(world: World) -> None:
    launch = world.choose({"data": MISSING})
    assert launch.deep_link is not None
    _, claims = answer(world, launch.deep_link)
    assert "https://purl.imsglobal.org/spec/lti-dl/claim/data" not in claims
    assert claims["https://purl.imsglobal.org/spec/lti-dl/claim/content_items"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"deep_link_return_url": MISSING},
        {"deep_link_return_url": "javascript:alert(1)"},
        {"deep_link_return_url": "http://lms.example/chosen"},
        {"accept_types": ["link"]},
        {"accept_types": MISSING},
        {"accept_presentation_document_targets": []},
    ],
    ids=str,
)
def test_a_request_that_cannot_be_answered_is_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(LaunchError) as caught:
        world.choose(wrong)
    assert 400 <= caught.value.status < 500


def test_a_student_chooses_no_links(world: World) -> None:
    with pytest.raises(LaunchError, match="no teacher") as caught:
        world.choose(roles=[ROLE + "Learner"])
    assert caught.value.status == 403


def test_a_request_without_settings_is_refused(world: World) -> None:
    with pytest.raises(LaunchError, match="deep_linking_settings"):
        world.choose(None, **{SETTINGS: MISSING})


def test_the_page_to_which_the_choice_goes_back_may_show_ours(world: World) -> None:
    world.choose({"deep_link_return_url": "https://tenant.example/chosen"})
    assert "https://tenant.example" in rows(world.engine, Registration)[0].origins


def test_canvas_is_configured_by_one_address() -> None:
    told = canvas_configuration(BASE_URL)
    assert told["oidc_initiation_url"] == f"{BASE_URL}/lti/login"
    assert told["target_link_uri"] == f"{BASE_URL}/lti/launch"
    assert told["public_jwk_url"] == f"{BASE_URL}/lti/jwks.json"
    assert len(told["scopes"]) == 4
    (extension,) = told["extensions"]
    assert extension["platform"] == "canvas.instructure.com"
    assert extension["privacy_level"] == "public"
    assert extension["domain"] == "grader.example"
    placements = extension["settings"]["placements"]
    assert [one["placement"] for one in placements] == ["assignment_selection", "link_selection"]
    assert {one["message_type"] for one in placements} == {"LtiDeepLinkingRequest"}
    assert json.loads(json.dumps(told)) == told
