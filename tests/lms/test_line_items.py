"""The column of the LMS's gradebook that a link's scores go to."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, select

from autograder.lms.database import reading, writing
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.schema import Context, Delivery, Link
from autograder.lms.services import outbox
from autograder.lms.services.line_items import LineItemError, ensure_line_item
from autograder.lms.services.platform import LINE_ITEM_READING_SCOPE, LINE_ITEM_SCOPE, services
from tests.lms.http_double import Asked, Told
from tests.lms.service_world import World, world_of

ISSUER = "https://lms.invalid"


@pytest.fixture
def engine(sqlite: Engine) -> Engine:
    return sqlite


@dataclass
class Columns:
    """A platform with line items, and a link of its course."""

    engine: Engine
    platform: World

    def __post_init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.platform.double.answering = self.answer
        self.services = services(self.engine, self.platform.keys)
        token_url = self.platform.url("/token")
        add(
            self.engine,
            RegistrationFacts(ISSUER, "tool", f"{ISSUER}/login", token_url, f"{ISSUER}/keys"),
        )
        with writing(self.engine) as session:
            context = Context(
                registration_id=1,
                deployment="1",
                context="course",
                line_items_url=self.platform.url("/items"),
                scopes=[LINE_ITEM_SCOPE],
            )
            session.add(context)
            session.flush()
            session.add(Link(context_id=context.id, resource_link="link", assignment="tensores"))

    def answer(self, asked: Asked) -> Told:
        """The container and its items."""
        if asked.path == "/token":
            return self.platform.tokens.answer(asked, self.platform.url("/token"))
        if (asked.method, asked.path) == ("POST", "/items"):
            self.put(f"/items/{len(self.items) + 1}", **asked.json())
            return Told(201, list(self.items.values())[-1])
        if asked.path == "/items":
            return Told(200, list(self.items.values()))
        if asked.path not in self.items:
            return Told(404, b"no such line item")
        if asked.method == "PUT":
            self.put(asked.path, **asked.json())
        return Told(200, self.items[asked.path])

    def put(self, path: str, **item: Any) -> str:
        self.items[path] = {**item, "id": self.platform.url(path)}
        return self.platform.url(path)

    def ensure(self, points: float = 10.0, **options: Any) -> str:
        return ensure_line_item(self.engine, self.services, 1, points, **options)

    @property
    def link(self) -> Link:
        with reading(self.engine) as session:
            return session.get_one(Link, 1)

    def change(self, kind: type[Any], **values: Any) -> None:
        """Change our row of the link or of the course."""
        with writing(self.engine) as session:
            for name, value in values.items():
                setattr(session.get_one(kind, 1), name, value)

    def refuse(self, status: str = "404") -> None:
        """A score to the link's line item was refused."""
        key = outbox.Key(1, "1", self.link.line_item, "ana")
        with writing(self.engine) as session:
            outbox.release(session, key, 7.0, 10.0, "late")
        with writing(self.engine) as session:
            row = session.scalars(select(Delivery)).one()
            row.state, row.error = "stopped", f"{status}: not here"

    def asked(self) -> list[tuple[str, str]]:
        return [(one.method, one.path) for one in self.platform.double.asked]


@pytest.fixture
def columns(keys: Keys, engine: Engine) -> Iterator[Columns]:
    with world_of(keys) as platform:
        yield Columns(engine, platform)


def test_a_link_without_a_line_item_gets_one_that_is_its_own(columns: Columns) -> None:
    url = columns.ensure(7.5)
    assert columns.items == {
        "/items/1": {
            "id": url,
            "label": "tensores",
            "scoreMaximum": 8,
            "resourceId": "tensores",
            "tag": "grade",
            "resourceLinkId": "link",
        }
    }
    assert (columns.link.line_item, columns.link.maximum) == (url, 8.0)


def test_a_line_item_that_is_known_is_not_asked_for(columns: Columns) -> None:
    columns.ensure()
    before = len(columns.asked())
    columns.ensure()
    assert len(columns.asked()) == before and len(columns.items) == 1


def test_the_launchs_line_item_is_left_as_it_is(columns: Columns) -> None:
    columns.change(Link, line_item="https://lms.invalid/items/9")
    assert columns.ensure(3) == "https://lms.invalid/items/9"
    assert columns.asked() == [] and columns.link.maximum is None


def test_a_title_too_long_for_a_label_is_cut(columns: Columns) -> None:
    columns.change(Link, title="á" * 200)
    columns.ensure()
    assert columns.items["/items/1"]["label"] == "á" * 100


def test_a_line_item_follows_the_points_of_the_assignment(columns: Columns) -> None:
    url = columns.ensure(10)
    columns.items["/items/1"]["startDateTime"] = None
    assert columns.ensure(12.5) == url
    assert columns.items["/items/1"]["scoreMaximum"] == 13
    assert columns.items["/items/1"]["resourceLinkId"] == "link"
    assert columns.link.maximum == 13.0


def test_one_that_was_made_before_and_forgotten_here_is_found_again(columns: Columns) -> None:
    url = columns.ensure(10)
    columns.change(Link, line_item="", maximum=None)
    columns.put("/items/2", label="x", resourceLinkId="another", resourceId="tensores", tag="grade")
    assert columns.ensure(12) == url
    assert len(columns.items) == 2 and columns.items["/items/1"]["scoreMaximum"] == 12


def test_the_platforms_own_for_the_link_is_used_and_not_changed(columns: Columns) -> None:
    url = columns.put("/items/1", label="Activity", scoreMaximum=100, resourceLinkId="link")
    assert columns.ensure(10) == url
    assert columns.items["/items/1"]["scoreMaximum"] == 100 and columns.link.maximum is None


def test_among_several_of_the_platforms_none_is_guessed(columns: Columns) -> None:
    for number in (1, 2):
        columns.put(f"/items/{number}", label="x", scoreMaximum=1, resourceLinkId="link")
    assert columns.ensure() == columns.platform.url("/items/3")


def test_where_line_items_can_only_be_read_the_platforms_own_is_found(columns: Columns) -> None:
    columns.platform.tokens.offers = (LINE_ITEM_READING_SCOPE,)
    columns.change(Context, scopes=[LINE_ITEM_READING_SCOPE])
    url = columns.put("/items/1", label="x", scoreMaximum=1, resourceLinkId="link")
    assert columns.ensure() == url


@pytest.mark.parametrize("scopes", [[], [LINE_ITEM_READING_SCOPE]])
def test_where_none_can_be_had_a_teacher_learns_what_to_do(
    columns: Columns, scopes: list[str]
) -> None:
    columns.change(Context, scopes=scopes)
    with pytest.raises(LineItemError, match=r"'tensores'.*make the activity a graded one"):
        columns.ensure()
    assert columns.link.line_item == ""


def test_a_platform_that_refuses_is_quoted(columns: Columns) -> None:
    columns.platform.tokens.offers = ()
    with pytest.raises(LineItemError, match="invalid_scope"):
        columns.ensure()


def test_a_link_that_opens_nothing_has_no_line_item(columns: Columns) -> None:
    columns.change(Link, assignment="")
    with pytest.raises(LineItemError, match="opens no assignment"):
        columns.ensure()
    with pytest.raises(LineItemError, match="no link 5"):
        ensure_line_item(columns.engine, columns.services, 5, 1)


def test_one_that_was_deleted_in_the_lms_is_made_again_and_gets_the_scores(
    columns: Columns,
) -> None:
    columns.ensure()
    columns.refuse()
    columns.items.clear()
    columns.put("/items/7", label="another", scoreMaximum=1)
    renewed = columns.ensure()
    assert renewed == columns.platform.url("/items/2") == columns.link.line_item
    with reading(columns.engine) as session:
        (row,) = session.scalars(select(Delivery)).all()
    assert (row.line_item, row.user, row.given, row.maximum, row.comment, row.state) == (
        renewed, "ana", 7.0, 10.0, "late", "due",
    )  # fmt: skip


@pytest.mark.parametrize("status", ["404", "403"])
def test_one_that_is_there_stays_although_a_score_was_refused(
    columns: Columns, status: str
) -> None:
    """Platforms say 404 of users whom they do not know, too."""
    url = columns.ensure()
    columns.refuse(status)
    assert columns.ensure() == url
    with reading(columns.engine) as session:
        assert session.scalars(select(Delivery)).one().state == "stopped"


def test_what_was_made_for_another_assignment_of_the_link_is_not_taken(columns: Columns) -> None:
    columns.ensure()
    columns.change(Link, assignment="gradientes", line_item="", maximum=None)
    assert columns.ensure() == columns.platform.url("/items/2")
    assert columns.items["/items/2"]["resourceId"] == "gradientes"


def test_the_launchs_line_item_is_asked_about_and_not_changed(columns: Columns) -> None:
    url = columns.put("/items/1", label="Activity", scoreMaximum=100, resourceLinkId="link")
    columns.change(Link, line_item=url)
    columns.refuse()
    assert columns.ensure(10) == url
    assert columns.asked()[-1] == ("GET", "/items/1")
    assert columns.items["/items/1"]["scoreMaximum"] == 100 and columns.link.maximum is None


def test_one_that_was_deleted_is_made_again_when_the_points_change(columns: Columns) -> None:
    columns.ensure(10)
    columns.items.clear()
    columns.put("/items/7", label="another", scoreMaximum=1)
    assert columns.ensure(12) == columns.platform.url("/items/2")


def test_a_platform_that_is_down_costs_no_line_item(columns: Columns) -> None:
    url = columns.ensure()
    columns.refuse()
    columns.platform.double.answering = lambda _asked: Told(503)
    with pytest.raises(LineItemError, match="503"):
        columns.ensure()
    assert columns.link.line_item == url


def test_a_link_with_a_container_of_its_own_has_its_line_item_there(columns: Columns) -> None:
    columns.change(Link, line_items_url=columns.platform.url("/items"))
    columns.change(Context, line_items_url=columns.platform.url("/of-another-link"))
    assert columns.ensure() == columns.platform.url("/items/1")


def test_two_who_need_it_at_once_get_the_same(columns: Columns) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(columns.ensure())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [columns.platform.url("/items/1")] * 4 and len(columns.items) == 1


def test_the_launch_that_brings_one_meanwhile_is_right(columns: Columns) -> None:
    theirs = "https://lms.invalid/items/of-the-launch"
    answer = columns.platform.double.answering

    def answering(asked: Asked) -> Told:
        if asked.method == "POST" and asked.path == "/items":
            columns.change(Link, line_item=theirs)
        return answer(asked)

    columns.platform.double.answering = answering
    assert columns.ensure() == theirs and columns.link.line_item == theirs
    assert columns.link.maximum is None
