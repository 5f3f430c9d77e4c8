"""The way from a platform into the tool, as a browser goes it: login, launch, registration."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from limits import parse
from sqlalchemy import select

from autograder.demo_platform import PEOPLE, NewLink, Platform, create_platform, registration_facts
from autograder.lms.database import open_database, reading, writing
from autograder.lms.lti import registrations, tool
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.schema import Context, Identity, Registration, WebSession
from autograder.lms.services.platform import services
from autograder.web.app import create_app
from autograder.web.background import tidy_up
from autograder.web.limiting import LIMITS
from autograder.web.state import AppState
from tests.lms.lms_double import running
from tests.lms.small_class import World, make_world, wait_for
from tests.lms.tool_double import ANA, TEACHER, Form, Swap, form_of, swapping
from tests.lms.web_world import text_of, tool_keys

TLS_URL: Final = "https://127.0.0.1"


@dataclass
class Way:
    """A platform, the tool, and a browser between them."""

    world: World
    state: AppState
    platform: Platform
    browser: TestClient

    def login(self, who: str, link: str = "") -> Response:
        """Open a link in the platform; the tool's answer to the login that it begins."""
        path = f"links/{link}/open" if link else "add/demonstration"
        begun = httpx.get(f"{self.platform.url}/people/{who}/{path}", trust_env=False)
        answer: Response = self.browser.get(begun.headers["location"])
        return answer

    def message(self, login: Response) -> Form:
        """The form with which the platform answers a login."""
        page = httpx.get(login.headers["location"], trust_env=False)
        form = form_of(page.text, "/lti/launch")
        assert form.fields, page.text
        return form

    def launch(self, who: str, link: str = "") -> Response:
        """Open a link in the platform, as far as to the tool's answer to the launch."""
        form = self.message(self.login(who, link))
        answer: Response = self.browser.post(form.action, data=form.fields)
        return answer

    def first_page(self, who: str, link: str = "") -> Response:
        """What somebody sees who opens a link."""
        answer = self.launch(who, link)
        assert answer.status_code == 303, answer.text
        page: Response = self.browser.get(answer.headers["location"])
        return page


@pytest.fixture
def swap() -> Iterator[Swap]:
    with swapping() as swap:
        yield swap


@pytest.fixture(params=[""])
def way(
    request: pytest.FixtureRequest, template: Path, tmp_path: Path, swap: Swap
) -> Iterator[Way]:
    """The tool is served, as the platform reads its keys; the browser asks it within this process.

    The parameter is another URL under which the tool knows itself.
    """
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    world = make_world(template, tmp_path / "course", engine)
    world.clock.now = time.time()
    keys = tool_keys(template.parent / "keys")
    states: list[AppState] = []

    def make(url: str) -> FastAPI:
        of = services(engine, keys)
        known_as = request.param or url
        states.append(AppState(engine, world.course, world.settings, keys, of, known_as))
        states[0].clock = world.clock
        return create_app(states[0])

    with running(make) as url:
        state = states[0]
        platform = platform_for(swap, request.param or url, state)
        browser = TestClient(create_app(state), base_url=state.base_url, follow_redirects=False)
        yield Way(world, state, platform, browser)
        state.close()
    engine.dispose()


def platform_for(swap: Swap, tool_url: str, state: AppState) -> Platform:
    """A platform with two links, which the tool is registered with."""
    links = [
        NewLink("Tensors", points=10, custom={"assignment": "one"}),
        NewLink("Something new", points=10),
    ]
    app = create_platform(swap.url, tool_url, links=links, custom=tool.CUSTOM)
    swap.app = app
    facts = registration_facts(swap.url)
    known = RegistrationFacts(
        facts.issuer, facts.client_id, facts.auth_login_url, facts.auth_token_url,
        facts.key_set_url, deployments=[facts.deployment],
    )  # fmt: skip
    add(state.engine, known)
    platform: Platform = app.state.platform
    return platform


LINK: Final = "link-Tensors"
NEW_LINK: Final = "link-Something-new"


def test_a_student_lands_at_the_assignment(way: Way) -> None:
    page = way.first_page(ANA, LINK)
    assert page.status_code == 200 and page.url.path == "/assignments/one"
    assert PEOPLE[1].family in text_of(page) and "<h1>Tensors</h1>" in page.text


def test_a_teacher_lands_at_the_class_and_the_roster_is_read(way: Way) -> None:
    page = way.first_page(TEACHER, LINK)
    assert page.url.path == "/teacher/one"
    wait_for(lambda: way.world.all_of(Context)[0].synced)
    names = {one.family_name for one in way.world.all_of(Identity)}
    assert {person.family for person in PEOPLE if person.family} & names
    assert PEOPLE[1].family in text_of(way.browser.get("/teacher/one"))


def test_the_roster_is_not_read_again_within_an_hour(way: Way) -> None:
    way.launch(TEACHER, LINK)
    wait_for(lambda: way.world.all_of(Context)[0].synced)
    before = way.world.clock.now
    for minutes, again in ((59, False), (61, True)):
        with writing(way.state.engine) as session:
            session.get_one(Context, 1).synced = before - 60 * minutes
        way.world.clock.now += 1
        assert way.launch(TEACHER, LINK).status_code == 303
        state = way.state.rosters.state(1)
        assert state is not None and (state.at > before) == again


def test_a_link_that_opens_nothing_yet_asks_the_teacher_and_tells_the_student(way: Way) -> None:
    page = way.first_page(TEACHER, NEW_LINK)
    assert page.url.path == "/teacher" and "Choose what “Something new” opens" in text_of(page)
    page = way.first_page(ANA, NEW_LINK)
    assert page.status_code == 404 and "not set up yet" in text_of(page)


def test_a_teacher_chooses_for_a_new_link_and_it_has_a_column(way: Way) -> None:
    page = way.first_page(TEACHER, NEW_LINK)
    form = form_of(page.text, "/links/1")
    answer = way.browser.post(form.action, data=form.fields | {"assignment": "two"})
    page = way.browser.get(answer.headers["location"])
    assert page.url.path == "/teacher/two" and "Scores cannot be sent" not in text_of(page)


def test_the_cookie_of_a_login_is_its_own_and_gone_after_the_launch(way: Way) -> None:
    first, second = way.login(ANA, LINK), way.login(TEACHER, LINK)
    names = [one.headers["set-cookie"].split("=")[0] for one in (first, second)]
    assert names[0] != names[1] and all(name.startswith("lti-") for name in names)
    assert "Max-Age=600; Path=/; HttpOnly; SameSite=Lax" in first.headers["set-cookie"]
    for login in (first, second):  # both tabs arrive
        form = way.message(login)
        answer = way.browser.post(form.action, data=form.fields)
        assert answer.status_code == 303
        assert f"{names.pop(0)}=; Max-Age=0" in str(answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize("way", [TLS_URL], indirect=True)
def test_over_tls_the_cookie_of_a_login_comes_back_in_a_frame(way: Way) -> None:
    cookie = way.login(ANA, LINK).headers["set-cookie"]
    assert cookie.startswith("__Host-lti-")
    assert cookie.endswith("Path=/; HttpOnly; Secure; SameSite=None; Partitioned")


def test_a_browser_that_keeps_no_cookies_in_frames_is_offered_a_window(way: Way) -> None:
    form = way.message(way.login(ANA, LINK))
    way.browser.cookies.clear()
    page = way.browser.post(form.action, data=form.fields)
    assert page.status_code == 403 and "keeps no cookies" in text_of(page)
    again = re.search(r'href="(/lti/login[^"]+)" target="_blank"', page.text)
    assert again is not None and "Open in a new window" in text_of(page)
    login = way.browser.get(again[1].replace("&amp;", "&"))
    form = way.message(login)
    assert way.browser.post(form.action, data=form.fields).status_code == 303


def test_a_message_that_comes_twice_is_refused_the_second_time(way: Way) -> None:
    form = way.message(way.login(ANA, LINK))
    cookies = dict(way.browser.cookies)
    assert way.browser.post(form.action, data=form.fields).status_code == 303
    way.browser.cookies.update(cookies)
    page = way.browser.post(form.action, data=form.fields)
    assert page.status_code == 403 and "This login is over" in text_of(page)
    assert "For teachers and administrators" in text_of(page)


def test_a_platform_whose_clock_is_off_is_told_to_the_one_who_runs_it(way: Way) -> None:
    form = way.message(way.login(ANA, LINK))
    way.world.clock.now += 590
    page = way.browser.post(form.action, data=form.fields)
    assert page.status_code == 403
    student, _, administrator = text_of(page).partition("For teachers and administrators")
    assert "Open the assignment from your course again" in student
    assert "clock" in administrator or "expired" in administrator


def test_an_unknown_platform_is_told_with_what_to_do(way: Way) -> None:
    page = way.browser.get("/lti/login", params={"iss": "https://x.example", "login_hint": "1"})
    assert page.status_code == 403 and "is not connected" in text_of(page)
    assert "autograder lms list" in text_of(page)


@pytest.mark.parametrize("value", ["a\0b", "x" * 70_000, "a\nb"])
def test_what_no_platform_sends_is_refused(way: Way, value: str) -> None:
    if len(value) < 1000:
        answer = way.browser.get("/lti/login", params={"iss": value})
        assert answer.status_code == 400
    for path in ("/lti/login", "/lti/launch"):
        assert way.browser.post(path, data={"iss": value, "state": value}).status_code == 400


def test_logins_without_end_are_slowed_down(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "login", parse("3/minute"))
    found = [way.browser.get("/lti/login").status_code for _ in range(5)]
    assert found == [403, 403, 403, 429, 429]


# Deep linking


def test_a_teacher_chooses_what_a_new_link_opens_and_the_platform_gets_it(way: Way) -> None:
    page = way.first_page(TEACHER)
    assert page.url.path == "/lti/deep-link" and "4 points" in text_of(page)
    form = form_of(page.text, "/lti/deep-link")
    none = way.browser.post(form.action, data=form.fields)
    assert none.status_code == 422 and "Choose an assignment" in text_of(none)
    page = way.browser.post(form.action, data=form.fields | {"assignments": "two"})
    answer = form_of(page.text)
    policy = page.headers["content-security-policy"]
    assert f"form-action 'self' {way.platform.url}" in policy
    done = httpx.post(answer.action, data=answer.fields, trust_env=False)
    assert done.status_code in (200, 303), done.text
    made = [link for link in way.platform.links.values() if link.custom == {"assignment": "two"}]
    assert len(made) == 1
    assert way.first_page(ANA, made[0].id).url.path == "/assignments/two"


def test_of_two_requests_each_is_answered_from_its_own_page(way: Way) -> None:
    first = form_of(way.first_page(TEACHER).text, "/lti/deep-link")
    second = form_of(way.first_page(TEACHER).text, "/lti/deep-link")
    token = {"csrf": second.fields["csrf"], "assignments": "two"}
    answer = way.browser.post(first.action, data=first.fields | token)
    assert answer.status_code == 409 and "Begin again" in text_of(answer)
    assert way.browser.post(second.action, data=second.fields | token).status_code == 200


def test_a_choice_can_be_cancelled(way: Way) -> None:
    page = way.first_page(TEACHER)
    form = form_of(page.text, "/lti/deep-link")
    page = way.browser.post(form.action, data=form.fields | {"cancel": "yes"})
    assert page.status_code == 200 and "Nothing was chosen" in text_of(page)
    answer = form_of(page.text)
    before = set(way.platform.links)
    httpx.post(answer.action, data=answer.fields, trust_env=False)
    assert set(way.platform.links) == before


# What platforms read


def test_platforms_find_keys_and_configuration(way: Way) -> None:
    answer = way.browser.get("/lti/jwks.json")
    assert answer.json()["keys"][0]["kid"] == way.state.keys.current.kid
    assert "d" not in answer.json()["keys"][0], "nothing private"
    assert answer.headers["cache-control"] == "public, max-age=300"
    canvas = way.browser.get("/lti/canvas.json").json()
    assert canvas["oidc_initiation_url"] == f"{way.state.base_url}/lti/login"


def test_a_platform_registers_itself_and_the_page_says_that_it_may_be_closed(way: Way) -> None:
    with reading(way.state.engine) as session:
        before = session.scalars(select(Registration)).all()
    token = registrations.invite(way.state.engine, "Campus", clock=way.world.clock)
    begun = httpx.get(
        f"{way.platform.url}/tools/register",
        params={"url": f"{way.state.base_url}/lti/register/{token}"},
        trust_env=False,
    )
    path = begun.headers["location"]
    assert "openid_configuration=" in path
    page = way.browser.get(path)
    assert page.status_code == 200, text_of(page)
    assert "is connected" in text_of(page) and "/static/close.js" in page.text
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(way.platform.url))
    policy = page.headers["content-security-policy"]
    assert re.search(rf"frame-ancestors [^;]*{re.escape(origin)}", policy)
    assert len(way.world.all_of(Registration)) == len(before) + 1


@pytest.mark.parametrize("configuration", ["", "http://169.254.169.254/x", "file:///etc/passwd"])
def test_a_registration_that_cannot_be_says_why(way: Way, configuration: str) -> None:
    page = way.browser.get("/lti/register/none", params={"openid_configuration": configuration})
    assert page.status_code == 400 and "this invitation is not valid" in text_of(page)
    assert "169.254" not in page.headers["content-security-policy"]


def test_sessions_that_are_over_are_removed(way: Way) -> None:
    way.launch(ANA, LINK)
    tidy_up(way.state.engine, way.world.clock.now + 7 * 3600)
    assert len(way.world.all_of(WebSession)) == 1
    tidy_up(way.state.engine, way.world.clock.now + 9 * 3600)
    assert not way.world.all_of(WebSession)
