"""The demonstration's platform and this tool, from registration to an assignment that is opened.

The platform shares no code with the tool and is strict; a browser goes between them.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from autograder.demo_platform import create_platform
from autograder.lms.database import open_database
from autograder.lms.lti.deep_links import DeepLinkItem, deep_link_response
from autograder.lms.lti.dynamic import register_dynamically
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.launch import Launch, LaunchError, begin_login, finish
from autograder.lms.lti.platform_keys import PlatformKeys
from autograder.lms.lti.registrations import invite
from tests.lms.lms_double import running

TEACHER, STUDENT = "2001", "2002"


@dataclass
class Browser:
    """A browser between the platform and the tool, which is called without a web server."""

    engine: Engine
    keys: Keys
    platform: str
    tool: str
    client_id: str = ""

    def __post_init__(self) -> None:
        self.http = httpx.Client(trust_env=False)
        self.platform_keys = PlatformKeys()

    def launch(self, begun: httpx.Response) -> Launch:
        """Follow a message that the platform has begun."""
        assert begun.status_code == 303
        target = urlsplit(begun.headers["location"])
        assert f"{target.scheme}://{target.netloc}{target.path}" == f"{self.tool}/lti/login"
        login = begin_login(self.engine, self.keys, dict(parse_qsl(target.query)), self.tool)
        page = self.http.get(login.redirect_url).text
        action, fields = form_in(page)
        assert action == f"{self.tool}/lti/launch"
        return finish(
            self.engine, self.keys, fields, login.state, self.tool,
            platform_keys=self.platform_keys,
        )  # fmt: skip

    def open(self, person: str, link: str) -> Launch:
        """Somebody opens a link."""
        return self.launch(self.http.get(f"{self.platform}/people/{person}/links/{link}/open"))

    def choose(self, person: str) -> Launch:
        """A teacher adds a link."""
        return self.launch(self.http.get(f"{self.platform}/people/{person}/add/{self.client_id}"))


def form_in(page: str) -> tuple[str, Mapping[str, str]]:
    action = re.search(r'<form[^>]*action="([^"]*)"', page)
    assert action, page
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return unescape(action[1]), {name: unescape(value) for name, value in fields}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """With a platform that has registered itself."""
    keys = Keys.open(tmp_path / "keys")
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")

    def key_set(_request: Request) -> JSONResponse:
        return JSONResponse(keys.jwks())

    tool_app = Starlette(routes=[Route("/lti/jwks.json", key_set)])
    with running(lambda _: tool_app) as tool, running(create_platform) as platform:
        opened = Browser(engine, keys, platform, tool)
        registration = f"{tool}/lti/register/{secrets.token_hex(4)}"
        begun = opened.http.get(
            f"{platform}/tools/register?{urlencode({'url': registration})}"
        ).headers["location"]
        sent = dict(parse_qsl(urlsplit(begun).query))
        register_dynamically(
            engine, invite(engine, "Demonstration"), sent["openid_configuration"],
            sent["registration_token"], tool,
        )  # fmt: skip
        with engine.connect() as connection:
            opened.client_id = str(
                connection.exec_driver_sql("SELECT client_id FROM registration").scalar_one()
            )
        yield opened
    engine.dispose()


def test_a_teacher_chooses_an_assignment_and_a_student_opens_it(browser: Browser) -> None:
    chosen = browser.choose(TEACHER)
    assert chosen.role == "teacher"
    assert chosen.deep_link is not None
    url, token = deep_link_response(
        browser.keys, chosen.deep_link, [DeepLinkItem("one", "Sheet 1", 10)], browser.tool
    )
    assert browser.http.post(url, data={"JWT": token}).status_code in (200, 303)
    page = browser.http.get(f"{browser.platform}/people/{STUDENT}").text
    (link,) = set(re.findall(rf"/people/{STUDENT}/links/([^/\"]+)/open", page))
    opened = browser.open(STUDENT, link)
    assert opened.role == "student"
    assert opened.link is not None
    assert opened.link.assignment == "one"
    assert opened.link.line_item.startswith(f"{browser.platform}/course/line-items/")
    assert opened.context.memberships_url == f"{browser.platform}/course/members"


def test_a_message_that_the_browser_keeps_is_good_once(browser: Browser) -> None:
    begun = browser.http.get(f"{browser.platform}/people/{TEACHER}/add/{browser.client_id}")
    query = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    login = begin_login(browser.engine, browser.keys, query, browser.tool)
    _, fields = form_in(browser.http.get(login.redirect_url).text)
    finish(browser.engine, browser.keys, fields, login.state, browser.tool)
    with pytest.raises(LaunchError):
        finish(browser.engine, browser.keys, fields, login.state, browser.tool)
