"""The demonstration as a new teacher clicks through it: from an empty course to a grade in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from autograder.demo_platform import PEOPLE, Platform, create_platform, registration_facts
from autograder.lms.database import open_database
from autograder.lms.lti import registrations, tool
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.registrations import RegistrationFacts
from autograder.lms.services.outbox import Outbox
from autograder.lms.services.platform import services
from autograder.web.app import create_app
from autograder.web.state import AppState
from tests.lms.lms_double import running
from tests.lms.small_class import World, make_world
from tests.lms.tool_double import ANA, TEACHER, Swap, form_of, swapping


@dataclass
class Demo:
    """The tool, the platform, and a browser whose user presses the buttons of pages on the way."""

    world: World
    state: AppState
    platform: Platform
    browser: httpx.Client

    def open(self, path: str) -> httpx.Response:
        """Open something of the platform's, and go on to where it leads."""
        return self.go_on(self.browser.get(f"{self.platform.url}{path}"))

    def go_on(self, page: httpx.Response) -> httpx.Response:
        """Press the one button of pages that only lead on."""
        while (form := form_of(page.text)).fields.keys() & {"id_token", "JWT"}:
            page = self.browser.post(form.action, data=form.fields)
        assert page.status_code == 200, page.text
        return page

    def send(
        self, page: httpx.Response, ending: str, files: Any = None, **more: str
    ) -> httpx.Response:
        """Send a form of a page."""
        form = form_of(page.text, ending)
        assert form.action, f"no form to {ending}"
        to = str(page.url.join(form.action))
        sent = self.browser.post(to, data=form.fields | more, files=files)
        return self.go_on(sent)

    def deliver(self) -> None:
        """Deliver what is due now."""
        Outbox(self.state.engine, self.state.services).deliver()


@pytest.fixture
def demo(template: Path, tmp_path: Path) -> Iterator[Demo]:
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    world = make_world(template, tmp_path / "course", engine)
    world.clock.now = time.time()
    keys = Keys.open(tmp_path / "keys")
    states: list[AppState] = []

    def make(url: str) -> FastAPI:
        of, world.settings.url = services(engine, keys), url
        states.append(AppState(engine, world.course, world.settings, keys, of, url))
        return create_app(states[0])

    with running(make) as url, swapping() as swap, httpx.Client(trust_env=False) as browser:
        browser.follow_redirects = True
        yield Demo(world, states[0], platform_of(swap, url, states[0]), browser)
        states[0].work.stop()
        states[0].rosters.stop()
    engine.dispose()


def platform_of(swap: Swap, tool_url: str, state: AppState) -> Platform:
    """The platform, with which the tool is registered."""
    app = create_platform(swap.url, tool_url, custom=tool.CUSTOM)
    swap.app = app
    facts = registration_facts(swap.url)
    known = RegistrationFacts(
        facts.issuer, facts.client_id, facts.auth_login_url, facts.auth_token_url,
        facts.key_set_url, deployments=[facts.deployment],
    )  # fmt: skip
    registrations.add(state.engine, known)
    platform: Platform = app.state.platform
    return platform


def test_a_new_teacher_gets_from_an_empty_course_to_a_grade_in_its_gradebook(demo: Demo) -> None:
    picker = demo.open(f"/people/{TEACHER}/add/demonstration")
    course = demo.send(picker, "/lti/deep-link", assignments="one")
    assert str(course.url) == f"{demo.platform.url}/people/{TEACHER}"
    (link,) = demo.platform.links.values()
    assert link.custom == {"assignment": "one"} and link.title in course.text

    task = demo.open(f"/people/{ANA}/links/{link.id}/open?in=iframe")
    assert task.url.path == "/assignments/one"
    notebook = ("one.ipynb", demo.world.notebook(7), "application/octet-stream")
    receipt = demo.send(task, "/submissions", files={"files": notebook})
    assert "one.ipynb" in receipt.text
    demo.world.grade_here()
    assert [row.student for row in demo.world.rows()] == [PEOPLE[1].login]

    table = demo.open(f"/people/{TEACHER}/links/{link.id}/open")
    assert table.url.path == "/teacher/one" and PEOPLE[1].family in table.text
    sure = demo.send(table, "/teacher/one/release", whom="all")
    demo.send(sure, "/teacher/one/release")
    assert "– / 10" in demo.open(f"/people/{TEACHER}/gradebook").text
    demo.deliver()
    gradebook = demo.open(f"/people/{ANA}/gradebook").text
    assert "7 / 10" in gradebook and "nothing yet" not in gradebook
    (score,) = demo.platform.gradebook.scores.values()
    assert demo.state.base_url in score.comment and score.comment in gradebook
    demo.deliver()
    assert len(demo.platform.gradebook.accepted) == 1


def test_a_tool_that_registers_itself_by_an_invitation_can_be_opened(demo: Demo) -> None:
    invitation = registrations.invite(demo.state.engine, "The demonstration")
    url = f"{demo.state.base_url}/lti/register/{invitation}"
    demo.open(f"/tools/register?url={url}")
    new = [one for one in demo.platform.tools if one != "demonstration"]
    assert len(new) == 1 and demo.platform.tools[new[0]].name == tool.NAME
    picker = demo.open(f"/people/{TEACHER}/add/{new[0]}")
    demo.send(picker, "/lti/deep-link", assignments="one")
    (link,) = demo.platform.links.values()
    assert link.client_id == new[0]
    task = demo.open(f"/people/{ANA}/links/{link.id}/open")
    assert task.url.path == "/assignments/one"
