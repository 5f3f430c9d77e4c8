"""The doubles of LMSs answer as the LMSs do, and fail as networks do."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pylti1p3.exception import LtiServiceException
from pylti1p3.lineitem import LineItem
from starlette.applications import Starlette

from autograder.demo_platform import Person, registration_facts
from autograder.demo_platform.dialect import Dialect
from autograder.demo_platform.names import (
    AGS_CLAIM,
    AGS_SCOPES,
    LINE_ITEM_TYPE,
    MEMBERS_SCOPE,
    RESULTS_TYPE,
    SCORE_SCOPE,
    SCORE_TYPE,
)
from autograder.lms.database import open_database
from autograder.lms.lti.keys import Keys
from autograder.lms.outgoing import Outgoing
from autograder.lms.services.outbox import Key, Outbox
from autograder.lms.services.platform import PlatformServices
from autograder.lms.services.tokens import Client
from tests.lms.lms_double import CANVAS_SUBMISSION, FAULTS, Canvas, Faults, Moodle
from tests.lms.tool_double import (
    ANA,
    Network,
    Swap,
    Tool,
    World,
    grade,
    world_of,
)


@pytest.fixture
def moodle(tool: Tool, swap: Swap) -> Iterator[World]:
    with world_of(tool, swap, Moodle()) as world:
        yield world


@pytest.fixture
def canvas(tool: Tool, swap: Swap) -> Iterator[World]:
    with world_of(tool, swap, Canvas()) as world:
        yield world


@pytest.fixture(params=["moodle", "canvas"])
def either(request: pytest.FixtureRequest) -> World:
    world: World = request.getfixturevalue(request.param)
    return world


def post(
    world: World, body: dict[str, Any] | None = None, media_type: str = SCORE_TYPE
) -> httpx.Response:
    """Send a score of 7.5 points of 10, with other things in its body."""
    claims = world.claims(f"/people/{ANA}/links/link-ps1/open")
    path, mark, query = claims[AGS_CLAIM]["lineitem"].partition("?")
    return world.browser.post(
        f"{path}/scores{mark}{query}",
        content=json.dumps(json.loads(grade(7.5).get_value()) | (body or {})),
        headers=world.headers(SCORE_SCOPE) | {"Content-Type": media_type},
    )


def at(second: float) -> dict[str, str]:
    return {"timestamp": f"2027-01-15T10:00:{second:06.3f}Z"}


def test_moodle_says_nothing_about_a_score_that_it_has_stored(moodle: World) -> None:
    answer = post(moodle)
    assert (answer.status_code, answer.content) == (200, b"")


def test_canvas_says_where_the_result_is(canvas: World) -> None:
    answer = post(canvas)
    assert answer.status_code == 200 and answer.json()["resultUrl"].endswith(f"/results/{ANA}")


def test_moodle_wants_a_timestamp_that_is_a_second_later(moodle: World) -> None:
    answers = [post(moodle, at(second)) for second in (10.9, 10.95, 10.9, 9.0, 11.0)]
    assert [answer.status_code for answer in answers] == [200, 409, 409, 409, 200]


def test_canvas_wants_a_timestamp_that_is_not_earlier(canvas: World) -> None:
    answers = [post(canvas, at(second)) for second in (10.9, 10.9, 10.899, 10.901)]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 200]
    assert "timestamp" in answers[2].text


def test_a_pending_score_takes_the_grade_away(either: World) -> None:
    services = either.services()
    post(either, at(1))
    assert [result["resultScore"] for result in services.get_grades()] == [15.0]
    post(either, {"gradingProgress": "Pending"} | at(3))
    assert all(result["resultScore"] is None for result in services.get_grades())


def test_points_above_the_maximum_are_cut_by_moodle_and_kept_by_canvas(
    moodle: World, tool: Tool, swap: Swap
) -> None:
    post(moodle, {"scoreGiven": 12})
    assert [result["resultScore"] for result in moodle.services().get_grades()] == [20.0]
    with world_of(tool, swap, Canvas()) as canvas:
        post(canvas, {"scoreGiven": 12})
        assert [result["resultScore"] for result in canvas.services().get_grades()] == [24.0]


def test_an_unknown_user_is_refused(moodle: World, tool: Tool, swap: Swap) -> None:
    assert post(moodle, {"userId": "nobody"}).status_code == 400
    with world_of(tool, swap, Canvas()) as canvas:
        assert post(canvas, {"userId": "nobody"}).status_code == 422


def test_moodle_wants_exactly_the_media_types_of_the_specification(moodle: World) -> None:
    assert post(moodle, media_type="application/json").status_code == 400
    assert post(moodle, media_type=f"{SCORE_TYPE}; charset=utf-8").status_code == 200
    headers = moodle.headers(*AGS_SCOPES)
    for accept, status in ((LINE_ITEM_TYPE, 200), ("*/*", 400), ("application/json", 400)):
        item = moodle.browser.get(
            "/course/line-items/link-ps1?type_id=1", headers=headers | {"Accept": accept}
        )
        assert item.status_code == status


def test_canvas_takes_a_score_that_is_sent_as_json(canvas: World) -> None:
    assert post(canvas, media_type="application/json").status_code == 200


def test_moodles_line_items_have_a_query_that_must_stay(moodle: World) -> None:
    claims = moodle.claims(f"/people/{ANA}/links/link-ps1/open")
    assert claims[AGS_CLAIM]["lineitem"].endswith("/course/line-items/link-ps1?type_id=1")
    assert moodle.services().get_lineitem().get_label() == "Tensors & loops"
    headers = moodle.headers(*AGS_SCOPES)
    assert moodle.browser.get("/course/line-items/link-ps1", headers=headers).status_code == 404


def test_a_line_item_may_have_a_fraction_as_its_maximum(either: World) -> None:
    made = either.services().create_lineitem(LineItem().set_label("x").set_score_maximum(7.25))
    assert made.get_score_maximum() == 7.25


def test_a_long_label_breaks_moodle(moodle: World) -> None:
    services = moodle.services()
    services.create_lineitem(LineItem().set_label("x" * 250).set_score_maximum(1))
    with pytest.raises(LtiServiceException) as broken:
        services.create_lineitem(LineItem().set_label("x" * 300).set_score_maximum(1))
    assert broken.value.response.status_code == 500


@pytest.mark.parametrize(("name", "parsed"), [("moodle", False), ("canvas", True)])
def test_a_limit_on_line_items_brings_a_header_that_only_canvas_writes_well(
    request: pytest.FixtureRequest, name: str, parsed: bool
) -> None:
    world: World = request.getfixturevalue(name)
    services = world.services()
    services.create_lineitem(LineItem().set_label("second").set_score_maximum(1))
    url = f"{world.platform.items_url}?type_id=1&limit=1"
    items, next_page = services.get_lineitems_page(url)
    assert len(items) == 1 and (next_page is not None) is parsed
    assert len(services.get_lineitems_page()[0]) == 2


@pytest.mark.parametrize(("name", "short"), [("moodle", True), ("canvas", False)])
def test_moodles_roster_has_short_names_of_roles(
    request: pytest.FixtureRequest, name: str, short: bool
) -> None:
    world: World = request.getfixturevalue(name)
    roster = world.browser.get("/course/members", headers=_accepting(world)).json()
    roles = {role for member in roster["members"] for role in member["roles"]}
    assert (roles == {"Instructor", "Learner"}) is short
    assert all(role.startswith("http") for role in roles) is not short


def _accepting(world: World) -> dict[str, str]:
    media_type = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
    return world.headers(MEMBERS_SCOPE) | {"Accept": media_type}


def test_canvas_counts_a_score_as_an_attempt_unless_it_is_told(tool: Tool, swap: Swap) -> None:
    with world_of(tool, swap, Canvas(attempts=1)) as canvas:
        old, new = ({CANVAS_SUBMISSION: {"new_submission": new}} for new in (False, True))
        answers = [post(canvas, body) for body in (old, {}, old, new, {}, old)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 422, 422, 200]
    assert "attempts" in answers[3].text


# The network


def network_of(
    faults: list[Faults], chance: random.Random, share: float, kinds: tuple[str, ...] = FAULTS
) -> Network:
    """A network that fails, which can be found in a list."""

    def network(app: Starlette) -> Faults:
        faults.append(Faults(app, chance, share, kinds))
        return faults[0]

    return network


@pytest.mark.parametrize(
    ("kind", "seen", "stored"),
    [
        ("lost", httpx.ReadTimeout, (0, 0)),
        ("answer lost", httpx.ReadTimeout, (1, 1)),
        ("late", httpx.ReadTimeout, (0, 1)),
        ("doubled", 204, (1, 2)),
        ("broken off", httpx.RemoteProtocolError, (0, 0)),
        ("broken off after", httpx.RemoteProtocolError, (1, 1)),
        ("half an answer", httpx.RemoteProtocolError, (1, 1)),
        ("500", 500, (0, 0)),
        ("stored and 500", 500, (1, 1)),
        ("429", 429, (0, 0)),
        ("token expired", 401, (0, 0)),
    ],
)
def test_a_fault_does_what_it_is_called(
    tool: Tool, swap: Swap, kind: str, seen: int | type[Exception], stored: tuple[int, int]
) -> None:
    faults = list[Faults]()
    network = network_of(faults, random.Random(1), 1.0, (kind,))
    with world_of(tool, swap, network=network) as world:
        world.browser.timeout = httpx.Timeout(0.5 if seen is httpx.ReadTimeout else 5.0)
        if isinstance(seen, int):
            assert post(world).status_code == seen
        else:
            with pytest.raises((seen, httpx.ReadError)):
                post(world)
        assert len(world.platform.gradebook.accepted) == stored[0]
        faults[0].share = 0.0
        world.browser.timeout = httpx.Timeout(5.0)
        if kind == "token expired":
            assert not world.platform.tokens
        answer = world.browser.get(
            "/course/line-items/link-ps1/results", headers=world.headers(*AGS_SCOPES)
        )
        assert answer.status_code == 200
        assert len(world.platform.gradebook.accepted) == stored[1], "when all has arrived"


# The outbox


@dataclass
class Clock:
    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("dialect", [Dialect, Moodle, Canvas])
def test_after_150_deliveries_over_a_bad_network_platform_and_outbox_agree(
    tool: Tool, swap: Swap, tmp_path: Path, dialect: type[Dialect]
) -> None:
    chance, faults = random.Random(7), list[Faults]()
    people = [Person(str(n), "Student", str(n), f"student{n}") for n in range(50)]
    network = network_of(faults, chance, share=0.3)
    with world_of(tool, swap, dialect(), network=network, people=people) as world:
        outbox, clock = _outbox(world, tmp_path, "canvas" if dialect is Canvas else "")
        (item,) = world.platform.gradebook.items.values()
        url, released = world.platform.item_url(item), dict[str, float]()
        for _ in range(3):
            for person in people:
                released[person.id] = round(chance.uniform(0, 12), 2)
                outbox.release(Key(1, "1", url, person.id), released[person.id], 12)
            clock.now += chance.choice([0.0, 0.3, 60.0])
            _deliver_all(outbox, clock)
        assert set(faults[0].happened) == set(FAULTS), "everything has happened"
        faults[0].share = 0.0
        there = _results(world, url)  # whatever is still on its way arrives before this
        assert there == pytest.approx(
            {who: points / 12 for who, points in released.items()}, abs=1e-4
        )
        timestamps: dict[str, list[float]] = {}
        for _, score in world.platform.gradebook.accepted:
            timestamps.setdefault(score.user, []).append(score.timestamp.timestamp())
        assert all(times == sorted(times) for times in timestamps.values())
        if isinstance(world.platform.dialect, Canvas):
            assert not world.platform.dialect.used, "no score has used up an attempt"


def _outbox(world: World, folder: Path, product: str) -> tuple[Outbox, Clock]:
    """An outbox with its own services, which do not wait long."""
    facts = registration_facts(world.url)
    client = Client(1, facts.client_id, facts.auth_token_url, product=product)
    (folder / "0001.pem").write_text(world.tool.private_pem)
    keys = Keys.open(folder)
    services = PlatformServices(client, keys, lambda: Outgoing(read_seconds=0.1))
    clock = Clock()
    engine = open_database(f"sqlite:///{folder / 'lms.db'}")
    return Outbox(engine, lambda _registration: services, clock), clock


def _deliver_all(outbox: Outbox, clock: Clock) -> None:
    while (due := outbox.next_due()) is not None:
        clock.now = max(clock.now + 0.01, due)
        outbox.deliver()


def _results(world: World, line_item: str) -> dict[str, float]:
    """The share of the points that the platform has of each user."""
    path, _, query = line_item.partition("?")
    headers = world.headers(*AGS_SCOPES) | {"Accept": RESULTS_TYPE}
    results = world.browser.get(f"{path}/results?{query}", headers=headers).json()
    return {one["userId"]: one["resultScore"] / one["resultMaximum"] for one in results}
