"""Open edX's own code takes what this tool sends, and this tool what it sends."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from autograder.bridge.course import Course
from autograder.lms.database import reading, writing
from autograder.lms.lti.deep_links import DeepLinkItem, deep_link_response
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.launch import Launch, LaunchError, LoginBegun, begin_login, finish
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.schema import Context, Delivery, Link
from autograder.lms.services.ags import Answer, NoAnswerError, Result, Score
from autograder.lms.services.checks import check
from autograder.lms.services.line_items import LineItemError, ensure_line_item
from autograder.lms.services.outbox import Key, Outbox
from autograder.lms.services.platform import (
    LINE_ITEM_READING_SCOPE,
    LINE_ITEM_SCOPE,
    RESULT_SCOPE,
    SCORE_SCOPE,
    LineItem,
    Member,
    PlatformServices,
    services,
)
from autograder.lms.services.roster import sync
from autograder.lms.services.tokens import Client
from tests.lms.http_double import Told, serving
from tests.lms.openedx import COURSE, Form, OpenEdx, Placement, open_edx

TOOL: Final = "http://127.0.0.1:8000"
"""Where browsers would reach the tool; here its functions are called."""
NOW: Final = 1_800_000_000_000
MEMBERSHIP: Final = "http://purl.imsglobal.org/vocab/lis/v2/membership"


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    return sqlite


@pytest.fixture(scope="module")
def edx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenEdx]:
    with open_edx(tmp_path_factory.mktemp("openedx")) as edx:
        edx.enrol("ana", "student", name="Ana Ruiz", email="ana@uni.invalid")
        edx.enrol("luis", "student", name="Luis Gil", email="luis@uni.invalid")
        edx.enrol("marta", "instructor", name="Marta Sanz", email="marta@uni.invalid")
        edx.enrol("carla", "student", "Community TA", name="Carla", email="carla@uni.invalid")
        yield edx


@dataclass
class World:
    """A component of a course, and this tool's services for it."""

    edx: OpenEdx
    keys: Keys
    placement: Placement

    def __post_init__(self) -> None:
        self.sub = {name: one["sub"] for name, one in self.edx.people().items()}
        client = Client(1, self.placement.client_id, self.placement.auth_token_url)
        self.services = PlatformServices(client, self.keys)

    @property
    def grades(self) -> dict[str, tuple[float, float]]:
        return self.edx.grades(self.placement.block)

    def score(
        self, user: str, given: float, maximum: float = 10.0, later: int = 0, comment: str = ""
    ) -> Score:
        return Score(self.sub.get(user, user), given, maximum, comment, NOW + later, False)

    def post(self, *score: Any, to: str = "", **options: Any) -> Answer:
        item = to or self.placement.line_item
        return self.services.post(item, self.score(*score, **options))

    def results(self, user: str) -> list[Result]:
        return list(self.services.results(self.placement.line_item, self.sub.get(user, user)))

    def register(self, engine: Engine, **changes: str) -> int:
        facts = RegistrationFacts(
            self.placement.issuer,
            self.placement.client_id,
            self.placement.auth_login_url,
            self.placement.auth_token_url,
            self.placement.key_set_url,
            deployments=[self.placement.deployment],
        )
        return add(engine, replace(facts, **changes))

    def link(self, engine: Engine, scopes: list[str]) -> int:
        """The rows that a launch would have made, without the line item."""
        number = self.register(engine)
        with writing(engine) as session:
            context = Context(
                registration_id=number,
                deployment=self.placement.deployment,
                context=COURSE,
                memberships_url=self.placement.memberships,
                line_items_url=self.placement.line_items,
                scopes=scopes,
            )
            session.add(context)
            session.flush()
            link = Link(
                context_id=context.id,
                resource_link=self.placement.block,
                title="Tensors",
                assignment="tensores",
            )
            session.add(link)
            session.flush()
            return link.id


def place(
    edx: OpenEdx, keys: Keys, request: pytest.FixtureRequest, name: str = "", **settings: Any
) -> World:
    """A component of its own for a test, which may have more by other names."""
    name = f"{name} {request.node.name}".translate(str.maketrans("[]- ", "____"))[-200:]
    about = {
        "lti_1p3_oidc_url": f"{TOOL}/lti/login",
        "lti_1p3_launch_url": f"{TOOL}/lti/launch",
        "lti_1p3_tool_public_key": keys.current.public_pem,
        "lti_advantage_deep_linking_enabled": True,
        "lti_advantage_deep_linking_launch_url": f"{TOOL}/lti/launch",
        "ask_to_send_username": True,
        "ask_to_send_full_name": True,
        "ask_to_send_email": True,
    }
    return World(edx, keys, edx.place(name, **(about | settings)))


@pytest.fixture
def world(edx: OpenEdx, keys: Keys, request: pytest.FixtureRequest) -> World:
    """A component whose line item the platform has made, as is Open edX's default."""
    return place(edx, keys, request, lti_advantage_ags_mode="declarative")


@pytest.fixture
def managing(edx: OpenEdx, keys: Keys, request: pytest.FixtureRequest) -> World:
    """A component whose line items are the tool's to make."""
    return place(edx, keys, request, lti_advantage_ags_mode="programmatic")


# Scores


def test_a_score_reaches_the_gradebook_and_can_be_read_back(world: World) -> None:
    assert world.post("ana", 7.5, comment="https://tool.invalid/feedback").status == 201
    assert world.grades == {"ana": (7.5, 10.0)}
    assert world.results("ana") == [Result(7.5, 10.0)]
    assert world.results("luis") == []


def test_a_later_score_takes_the_place_of_the_one_before(world: World) -> None:
    world.post("ana", 7.5)
    assert world.post("ana", 3.0, later=1).status == 201
    assert world.grades == {"ana": (3.0, 10.0)} and world.results("ana") == [Result(3.0, 10.0)]


@pytest.mark.parametrize("later", [0, -1])
def test_the_same_or_an_older_timestamp_is_refused_in_words_that_are_understood(
    world: World, later: int
) -> None:
    world.post("ana", 7.5)
    answer = world.post("ana", 3.0, later=later)
    assert answer.status == 400 and "timestamp" in answer.text
    assert world.grades == {"ana": (7.5, 10.0)}


def test_results_are_the_users_own_although_all_are_answered(world: World) -> None:
    world.post("ana", 7.5)
    world.post("luis", 2.0)
    assert world.results("luis") == [Result(2.0, 10.0)]
    assert len(world.services.read_results(world.placement.line_item)) == 2


def test_points_are_a_share_of_those_of_the_component(world: World) -> None:
    world.post("ana", 1.25, 2.5)
    world.post("luis", 30.0, 20.0)
    assert world.grades == {"ana": (5.0, 10.0), "luis": (10.0, 10.0)}


def test_a_user_whom_the_platform_does_not_know_is_an_error_that_keeps_nothing(
    world: World,
) -> None:
    for stranger in ("7c1f3c36-14a5-4b3e-8d0c-6a4c0c9a0f77", "no uuid"):
        assert world.post(stranger, 1.0).status == 500
        assert world.results(stranger) == []
    assert world.grades == {}


# Tokens


def test_the_key_that_signs_is_read_from_the_tools_key_set_even_after_a_change(
    edx: OpenEdx, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    keys = Keys.open(tmp_path / "keys")
    with serving(lambda _asked: Told(200, keys.jwks())) as tool:
        world = place(
            edx,
            keys,
            request,
            passport="by key set",
            lti_1p3_tool_key_mode="keyset_url",
            lti_1p3_tool_public_key="",
            lti_1p3_tool_keyset_url=f"{tool.url}/lti/jwks.json",
            lti_advantage_ags_mode="declarative",
        )
        assert world.post("ana", 1.0).status == 201
        keys.rotate()
        world.services.drop_token()
        assert world.post("ana", 2.0, later=1).status == 201
        assert len(tool.asked) == 2


def test_a_key_that_the_platform_does_not_know_gets_no_token(world: World, tmp_path: Path) -> None:
    stranger = PlatformServices(world.services.client, Keys.open(tmp_path / "keys"))
    with pytest.raises(NoAnswerError, match="invalid_client"):
        stranger.post(world.placement.line_item, world.score("ana", 1.0))
    assert world.grades == {}


def test_a_token_of_another_client_is_refused(
    edx: OpenEdx, keys: Keys, request: pytest.FixtureRequest, world: World
) -> None:
    other = place(
        edx, keys, request, "other", passport="another", lti_advantage_ags_mode="declarative"
    )
    assert other.placement.client_id != world.placement.client_id
    # whose key is not the component's
    assert other.services.post(world.placement.line_item, world.score("ana", 1.0)).status == 403
    assert world.grades == {}


def test_a_token_that_is_good_no_more_is_replaced_and_the_score_arrives(
    world: World, engine: Engine
) -> None:
    world.services._tokens._known[SCORE_SCOPE] = "of.last.week", float("inf")
    outbox = Outbox(engine, lambda _registration: world.services, lambda: NOW / 1000)
    outbox.release(Key(1, "1", world.placement.line_item, world.sub["ana"]), 2.0, 10)
    outbox.deliver()
    assert _delivery(engine).state == "delivered" and world.grades == {"ana": (2.0, 10.0)}


# Line items


def test_a_line_item_can_be_made_read_and_changed(managing: World) -> None:
    container, block = managing.placement.line_items, managing.placement.block
    wanted = LineItem("Tensors", 10.0, resource="tensores", tag="grade", link=block)
    made = managing.services.create_line_item(container, wanted)
    assert made == replace(wanted, url=made.url) and made.url.startswith(container)
    assert managing.services.line_items(container) == [made]

    changed = managing.services.update_line_item(made.url, label="Tensores", maximum=12.0)
    assert changed == replace(made, label="Tensores", maximum=12.0)
    assert managing.services.line_item(made.url) == changed


def test_a_line_item_as_the_platform_tells_it_is_not_what_it_takes(managing: World) -> None:
    made = managing.services.create_line_item(
        managing.placement.line_items, LineItem("x", 1, resource="x", link=managing.placement.block)
    )
    media_type = "application/vnd.ims.lis.v2.lineitem+json"
    token = managing.services.token(LINE_ITEM_SCOPE)
    headers = {"Authorization": f"Bearer {token}", "Accept": media_type}
    told = requests.get(made.url, headers=headers, timeout=30).json()
    assert told["startDateTime"] is None
    headers["Content-Type"] = media_type
    answer = requests.put(made.url, data=json.dumps(told), headers=headers, timeout=30)
    assert answer.status_code == 400 and "startDateTime" in answer.json()


@pytest.mark.parametrize(
    "item",
    [
        LineItem("x", 2.5, resource="x"),
        LineItem("x" * 101, 1, resource="x"),
        LineItem("x", 1, resource="x", tag="x" * 51),
    ],
)
def test_a_line_item_that_is_refused_says_why(managing: World, item: LineItem) -> None:
    with pytest.raises(NoAnswerError, match=r"answers 400: .*(integer|characters)"):
        managing.services.create_line_item(managing.placement.line_items, item)


def test_where_the_platform_makes_the_line_item_the_tool_may_only_read_it(world: World) -> None:
    found = world.services.line_items(world.placement.line_items, reading_only=True)
    assert [(one.url, one.link) for one in found] == [
        (world.placement.line_item, world.placement.block)
    ]


def test_a_line_item_of_no_link_takes_scores_that_the_gradebook_never_sees(
    managing: World,
) -> None:
    made = managing.services.create_line_item(
        managing.placement.line_items, LineItem("x", 10, resource="x")
    )
    assert managing.post("ana", 7.5, to=made.url).status == 201
    assert managing.grades == {}


def test_the_line_item_that_is_made_for_a_link_reaches_the_gradebook(
    managing: World, engine: Engine
) -> None:
    link = managing.link(engine, [LINE_ITEM_SCOPE, SCORE_SCOPE])
    of = services(engine, managing.keys)
    url = ensure_line_item(engine, of, link, 7.5)
    assert managing.post("ana", 7.5, 7.5, to=url).status == 201
    assert managing.grades == {"ana": (10.0, 10.0)}

    assert ensure_line_item(engine, of, link, 7.5) == url
    assert ensure_line_item(engine, of, link, 12) == url
    assert managing.services.line_items(managing.placement.line_items) == [
        LineItem("Tensors", 12.0, url, "tensores", "grade", managing.placement.block)
    ]


def test_the_line_item_of_the_platform_is_used_though_no_launch_named_it(
    world: World, engine: Engine
) -> None:
    link = world.link(engine, [LINE_ITEM_READING_SCOPE, SCORE_SCOPE])
    url = ensure_line_item(engine, services(engine, world.keys), link, 7.5)
    assert url == world.placement.line_item
    with reading(engine) as session:
        row = session.get_one(Link, link)
    assert row.line_item == url and row.maximum is None


def test_where_no_line_item_can_be_had_a_teacher_learns_what_to_do(
    managing: World, engine: Engine
) -> None:
    link = managing.link(engine, [SCORE_SCOPE])
    with pytest.raises(LineItemError, match="make the activity a graded one"):
        ensure_line_item(engine, services(engine, managing.keys), link, 7.5)


# The outbox


def test_a_released_score_arrives_and_so_does_each_correction(world: World, engine: Engine) -> None:
    outbox = Outbox(engine, lambda _registration: world.services, lambda: NOW / 1000)
    key = Key(1, "1", world.placement.line_item, world.sub["ana"])
    for given in (7.5, 2.0, 8.25):  # within the same millisecond
        outbox.release(key, given, 10, "https://tool.invalid/feedback")
        outbox.deliver()
        assert _delivery(engine).state == "delivered", _delivery(engine).error
        assert world.grades == {"ana": (given, 10.0)}


def test_a_score_older_than_the_platforms_arrives_with_a_later_timestamp(
    world: World, engine: Engine
) -> None:
    world.post("ana", 7.5, later=1500)
    outbox = Outbox(engine, lambda _registration: world.services, lambda: NOW / 1000)
    outbox.release(Key(1, "1", world.placement.line_item, world.sub["ana"]), 2.0, 10)
    outbox.deliver()
    assert _delivery(engine).state == "delivered" and world.grades == {"ana": (2.0, 10.0)}


def test_a_score_of_a_user_unknown_to_the_platform_is_never_said_to_have_arrived(
    world: World, engine: Engine
) -> None:
    now = [NOW / 1000]
    outbox = Outbox(engine, lambda _registration: world.services, lambda: now[0])
    outbox.release(Key(1, "1", world.placement.line_item, "a stranger"), 2.0, 10)
    for _ in range(3):
        outbox.deliver()
        now[0] += 10_000
        row = _delivery(engine)
        assert row.state == "due" and row.error.startswith("500"), row.error


def _delivery(engine: Engine) -> Delivery:
    with Session(engine) as session:
        return session.scalars(select(Delivery)).one()


# Roster


def test_the_roster_has_names_where_the_course_shares_them(edx: OpenEdx, world: World) -> None:
    edx.share_names(True)
    members = world.services.members(world.placement.memberships)
    assert {(one.user, one.name, one.email) for one in members} == {
        (sub, edx.people()[name]["name"], f"{name}@uni.invalid") for name, sub in world.sub.items()
    }
    roles = {one.user: set(one.roles) for one in members}
    assert roles[world.sub["ana"]] == {f"{MEMBERSHIP}#Learner"}
    assert roles[world.sub["marta"]] == {
        f"{MEMBERSHIP}#{r}" for r in ("Administrator", "Instructor")
    }
    assert f"{MEMBERSHIP}/Instructor#TeachingAssistant" in roles[world.sub["carla"]]

    edx.share_names(False)
    members = world.services.members(world.placement.memberships)
    assert Member(world.sub["ana"], (f"{MEMBERSHIP}#Learner",)) in members


def test_who_comes_and_who_leaves_is_seen_in_the_next_reading(
    edx: OpenEdx, world: World, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\n")
    course = Course(tmp_path)
    world.link(engine, [])
    edx.share_names(True)
    of = services(engine, world.keys)
    change = sync(engine, of, course, 1)
    assert (sorted(change.added), change.students, change.teachers) == (["ana", "luis"], 2, 2)

    edx.enrol("eva", "student", name="Eva Mora", email="eva@uni.invalid")
    edx.enrol("luis", name="Luis Gil", email="luis@uni.invalid")
    change = sync(engine, of, course, 1)
    edx.enrol("luis", "student", name="Luis Gil", email="luis@uni.invalid")
    edx.enrol("eva", name="Eva Mora", email="eva@uni.invalid")
    assert (change.added, change.left, change.students) == (["eva"], ["luis"], 2)
    with course.gradebook() as gradebook:
        found = gradebook.find_student("eva")
        assert (found.first_name, found.last_name) == ("Eva", "Mora")
        assert found.email == "eva@uni.invalid"
        assert {student.id for student in gradebook.students} == {"ana", "luis", "eva"}


# Launches


@dataclass
class Browser:
    """Somebody's browser on its way through a launch."""

    world: World
    engine: Engine

    def begin(self, user: str, *, deep: bool = False) -> tuple[LoginBegun, Form]:
        """Open the component, up to the form that goes to the tool."""
        link = self.world.edx.link(self.world.placement.block, user, deep=deep)
        assert link.startswith(f"{TOOL}/lti/login?")
        params = dict(parse_qsl(urlsplit(link).query))
        login = begin_login(self.engine, self.world.keys, params, TOOL)
        return login, self.world.edx.authorize(login.redirect_url)

    def finish(self, login: LoginBegun, form: Form, **fields: str) -> Launch:
        """Post the form."""
        assert form.url == f"{TOOL}/lti/launch"
        posted = {**form.fields, **fields}
        return finish(self.engine, self.world.keys, posted, login.state, TOOL)

    def launch(self, user: str, *, deep: bool = False) -> Launch:
        return self.finish(*self.begin(user, deep=deep))


def browser(world: World, engine: Engine) -> Browser:
    world.register(engine)
    return Browser(world, engine)


def test_a_student_opens_a_link_and_the_score_comes_back(world: World, engine: Engine) -> None:
    launch = browser(world, engine).launch("ana")
    assert launch.role == "student" and launch.deep_link is None
    assert (launch.identity.sub, launch.identity.student) == (world.sub["ana"], "ana")
    assert (launch.identity.name, launch.identity.email) == ("Ana Ruiz", "ana@uni.invalid")
    assert launch.context.context == COURSE and launch.context.title == "Deep Learning - Uni"
    assert launch.context.memberships_url == world.placement.memberships
    assert set(launch.context.scopes) == {LINE_ITEM_READING_SCOPE, RESULT_SCOPE, SCORE_SCOPE}
    assert launch.link is not None and launch.link.resource_link == world.placement.block
    assert launch.link.line_item == world.placement.line_item

    number = launch.context.registration_id
    outbox = Outbox(engine, services(engine, world.keys))
    key = Key(number, launch.context.deployment, launch.link.line_item, launch.identity.sub)
    outbox.release(key, 6.5, 10)
    outbox.deliver()
    assert world.grades == {"ana": (6.5, 10.0)}


def test_each_of_two_components_gets_a_line_item_that_the_gradebook_sees(
    edx: OpenEdx, keys: Keys, request: pytest.FixtureRequest, managing: World, engine: Engine
) -> None:
    other = place(edx, keys, request, name="other", lti_advantage_ags_mode="programmatic")
    first = browser(managing, engine).launch("ana")
    Browser(other, engine).launch("ana")
    assert first.link is not None and first.link.line_item == ""
    with writing(engine) as session:
        session.get_one(Link, first.link.id).assignment = "tensores"
    of = services(engine, keys)
    url = ensure_line_item(engine, of, first.link.id, 10)
    assert managing.post("ana", 4.0, to=url).status == 201
    assert managing.grades == {"ana": (4.0, 10.0)} and other.grades == {}

    again = Browser(managing, engine).launch("ana")
    assert again.link is not None and (again.link.line_item, again.link.maximum) == (url, 10.0)


@pytest.mark.parametrize("user", ["marta", "carla"])
def test_teachers_and_their_assistants_are_let_in_as_teachers(
    world: World, engine: Engine, user: str
) -> None:
    launch = browser(world, engine).launch(user)
    assert launch.role == "teacher" and launch.identity.sub == world.sub[user]


def test_a_message_lets_nobody_in_twice(world: World, engine: Engine) -> None:
    visitor = browser(world, engine)
    login, form = visitor.begin("ana")
    visitor.finish(login, form)
    with pytest.raises(LaunchError) as refused:
        visitor.finish(login, form)
    assert refused.value.status == 403


def test_a_message_for_another_browser_lets_nobody_in(world: World, engine: Engine) -> None:
    visitor = browser(world, engine)
    _, stolen = visitor.begin("marta")
    login, form = visitor.begin("ana")
    with pytest.raises(LaunchError):
        visitor.finish(login, stolen)
    with pytest.raises(LaunchError):  # nor with the state of one's own
        visitor.finish(login, form, id_token=stolen.fields["id_token"])
    assert visitor.finish(login, form).role == "student"


def test_a_message_that_was_changed_lets_nobody_in(world: World, engine: Engine) -> None:
    visitor = browser(world, engine)
    login, form = visitor.begin("ana")
    head, body, signature = form.fields["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["https://purl.imsglobal.org/spec/lti/claim/roles"] = [f"{MEMBERSHIP}#Instructor"]
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    for forged in (f"{head}.{changed}.{signature}", f"{head}.{body}.{signature[:-8]}AAAAAAAA"):
        with pytest.raises(LaunchError):
            visitor.finish(login, form, id_token=forged)
    assert visitor.finish(login, form).role == "student"


# Deep linking


def test_a_teacher_chooses_an_assignment_and_students_open_it(world: World, engine: Engine) -> None:
    visitor = browser(world, engine)
    launch = visitor.launch("marta", deep=True)
    assert launch.role == "teacher" and launch.link is None and launch.deep_link is not None
    item = DeepLinkItem("tensores", "Tensores y más", 7.5)
    url, message = deep_link_response(world.keys, launch.deep_link, [item], TOOL)

    world.edx.browser.cookies.clear()
    answer = world.edx.browser.post(url, data={"JWT": message}, timeout=30)
    assert answer.status_code == 403, "nobody is logged in"
    world.edx.log_in("ana")
    assert world.edx.browser.post(url, data={"JWT": message}, timeout=30).status_code == 403
    world.edx.log_in("marta")
    answer = world.edx.browser.post(url, data={"JWT": message}, timeout=30)
    assert answer.status_code == 200, answer.text

    opened = visitor.launch("ana")
    assert opened.link is not None and opened.link.assignment == "tensores"
    assert opened.target == f"{TOOL}/assignments/tensores"
    assert opened.link.line_item == world.placement.line_item


def test_an_answer_that_another_key_signs_is_refused(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    launch = browser(world, engine).launch("marta", deep=True)
    assert launch.deep_link is not None
    stranger = Keys.open(tmp_path / "keys")
    url, message = deep_link_response(stranger, launch.deep_link, [DeepLinkItem("x", "x")], TOOL)
    world.edx.log_in("marta")
    assert world.edx.browser.post(url, data={"JWT": message}, timeout=30).status_code == 403


# Checks


def test_a_registration_that_works_passes_each_step(world: World, engine: Engine) -> None:
    launch = browser(world, engine).launch("ana")
    world.edx.share_names(True)
    steps = list(check(engine, world.keys, launch.context.registration_id))
    assert [step for step in steps if not step.ok] == []
    assert [step.name for step in steps] == [
        "registration",
        "login address",
        "token address",
        "key set address",
        "platform's keys",
        "login page",
        "clocks",
        "token for lineitem",
        "token for score",
        "token for result.readonly",
        "token for contextmembership.readonly",
        "line items of Deep Learning - Uni",
        "results of Deep Learning - Uni",
        "roster of Deep Learning - Uni",
    ]
    assert steps[-1].told == "4 members"


def test_a_check_before_the_first_launch_says_what_is_missing(world: World, engine: Engine) -> None:
    number = world.register(engine)
    failed = [step for step in check(engine, world.keys, number) if not step.ok]
    assert [step.name for step in failed] == ["course"]


def test_a_check_with_a_key_that_the_platform_does_not_know_says_so(
    world: World, engine: Engine, tmp_path: Path
) -> None:
    number = world.register(engine)
    strange = Keys.open(tmp_path / "keys")
    failed = [step for step in check(engine, strange, number, base_url=f"{TOOL}/") if not step.ok]
    assert len(failed) == 4 and all(step.name.startswith("token for ") for step in failed)
    assert "invalid_client" in failed[0].told and f"{TOOL}/lti/jwks.json" in failed[0].told


def test_a_check_with_wrong_addresses_says_which_are_wrong(world: World, engine: Engine) -> None:
    wrong = f"{world.placement.issuer}/nowhere"
    number = world.register(engine, auth_login_url=wrong, auth_token_url=wrong, key_set_url=wrong)
    failed = {step.name: step.told for step in check(engine, world.keys, number) if not step.ok}
    assert {"platform's keys", "login page", "token for score"} <= set(failed)
    assert all(f"{wrong} answers 404" in told for told in failed.values())
