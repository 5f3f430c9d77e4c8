"""The web application on a small course, with people of two courses of a platform logged in."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from autograder.lms.database import writing
from autograder.lms.lti.keys import Keys
from autograder.lms.schema import (
    Context,
    Deployment,
    Enrolment,
    Identity,
    Link,
    Registration,
    Role,
    WebSession,
)
from autograder.lms.services.ags import Answer, NoAnswerError, Result, Score
from autograder.web import sessions
from autograder.web.app import create_app
from autograder.web.state import AppState
from tests.lms.small_class import DEADLINE, World, make_world

URL: Final = "http://127.0.0.1:8000"
ORIGIN: Final = "https://lms.example"
_HOURS: Final = 8 * 3600.0
PEOPLE: Final[dict[str, tuple[int, Role, bool]]] = {
    "ana": (1, "student", True),
    "luis": (1, "student", True),
    "gone": (1, "student", False),
    "profe": (1, "teacher", True),
    "elsa": (2, "student", True),
    "other-teacher": (2, "teacher", True),
}
"""The platform's course of each, the role, and whether they still are in it."""


class NoPlatform:
    """A platform that does not answer."""

    def post(self, line_item: str, score: Score) -> Answer:
        raise NoAnswerError("there is no platform in this test")

    def results(self, line_item: str, user: str) -> Sequence[Result]:
        raise NoAnswerError("there is no platform in this test")

    def drop_token(self) -> None:
        """There is none."""


@dataclass
class WebWorld:
    """The application, and what a test does with it."""

    world: World
    state: AppState
    app: FastAPI

    def __post_init__(self) -> None:
        self.identities: dict[str, int] = {}

    def close(self) -> None:
        """End what the application began."""
        self.state.close()
        self.engine.dispose()

    @property
    def engine(self) -> Engine:
        """The database."""
        return self.world.engine

    def anybody(self) -> TestClient:
        """A browser that nobody is logged in with."""
        return TestClient(self.app, base_url=URL, follow_redirects=False)

    def login(
        self,
        who: str,
        link: int | None = 1,
        *,
        role: Role | None = None,
        context: int | None = None,
        deep_link: dict[str, Any] | None = None,
    ) -> "Browser":
        """A browser that somebody has come with from a link."""
        token = secrets.token_urlsafe(16)
        where, usual, _active = PEOPLE[who]
        with writing(self.engine) as session:
            made = WebSession(
                token_hash=sessions.token_hash(token),
                identity_id=self.identities[who],
                context_id=context or where,
                link_id=link if link is None or where == 1 or context else 3,
                role=role or usual,
                csrf=secrets.token_urlsafe(16),
                expires=self.world.clock() + _HOURS,
                deep_link=deep_link,
            )
            session.add(made)
        client = self.anybody()
        client.cookies.set(sessions.cookie_name(self.state), token)
        return Browser(client, made.csrf)

    def hand_in(self, who: str, x: float = 7, *, graded: bool = False) -> int:
        """Hand in without the pages; the attempt's id."""
        made = self.world.hand_in(who, x)
        if graded:
            self.world.grade_here()
        return made.id


@dataclass
class Browser:
    """Somebody's browser."""

    client: TestClient
    csrf: str

    def get(self, path: str, **options: Any) -> Response:
        """Load a page."""
        answer: Response = self.client.get(path, **options)
        return answer

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Response:
        """Send a form with its token."""
        form = {"csrf": self.csrf} | (data or {})
        answer: Response = self.client.post(path, data=form, **options)
        return answer

    def hand_in(self, notebook: bytes, name: str = "one.ipynb", path: str = "one") -> Response:
        """Hand in a notebook by the form."""
        files = [("files", (name, notebook, "application/octet-stream"))]
        return self.post(f"/assignments/{path}/submissions", files=files)


@cache
def tool_keys(folder: Path) -> Keys:
    """The tool's keys, which take a moment to make: the same for all tests of a module."""
    return Keys.open(folder)


def make_web_world(template: Path, folder: Path, engine: Engine, url: str = URL) -> WebWorld:
    """A copy of the course with people in two courses of a platform."""
    world = make_world(template, folder, engine)
    world.set_deadline(DEADLINE)
    state = AppState(
        engine=engine,
        course=world.course,
        settings=world.settings,
        keys=tool_keys(template.parent / "keys"),
        services=lambda _registration: NoPlatform(),  # type: ignore[arg-type, return-value]
        base_url=url,
        clock=world.clock,
    )
    made = WebWorld(world, state, create_app(state))
    with writing(engine) as session:
        _platform(session)
        for who, (context, role, active) in PEOPLE.items():
            made.identities[who] = _person(session, who, context, role, active)
    return made


def _platform(session: Session) -> None:
    urls = dict.fromkeys(("auth_login_url", "auth_token_url", "key_set_url"), f"{ORIGIN}/x")
    session.add(
        Registration(
            id=1, issuer=ORIGIN, client_id="c", name="Campus", product="moodle", origins=[ORIGIN],
            created=0.0, **urls,
        )
    )  # fmt: skip
    session.flush()
    session.add(Deployment(registration_id=1, deployment="1"))
    for number, title in ((1, "Deep learning"), (2, "Somebody else’s course")):
        session.add(
            Context(
                id=number, registration_id=1, deployment="1", context=f"course-{number}",
                title=title, memberships_url=f"{ORIGIN}/members/{number}",
            )
        )  # fmt: skip
    session.flush()
    for number, context, assignment in ((1, 1, "one"), (2, 1, ""), (3, 2, "one"), (4, 1, "two")):
        session.add(
            Link(
                id=number, context_id=context, resource_link=f"link-{number}",
                title="Task 1: tensors" if number == 1 else "", assignment=assignment,
                line_item=f"{ORIGIN}/items/{number}" if assignment else "",
            )
        )  # fmt: skip


def _person(session: Session, who: str, context: int, role: Role, active: bool) -> int:
    made = Identity(
        issuer=ORIGIN, deployment="1", sub=f"sub-{who}", student=who,
        name=f"{who.title()} Pérez", email=f"{who}@uni.example",
    )  # fmt: skip
    session.add(made)
    session.flush()
    session.add(Enrolment(context_id=context, identity_id=made.id, role=role, active=active))
    return made.id


def text_of(response: Response) -> str:
    """What a page says, without its tags."""
    reader = _Text()
    reader.feed(response.text)
    return re.sub(r"\s+", " ", " ".join(reader.parts))


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
