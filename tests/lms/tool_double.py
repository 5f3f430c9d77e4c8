"""A tool as small as can be, and the browser that goes between it and a platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pylti1p3.assignments_grades import AssignmentsGradesService
from pylti1p3.grade import Grade
from pylti1p3.registration import Registration
from pylti1p3.service_connector import ServiceConnector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from autograder.demo_platform import (
    PEOPLE,
    NewLink,
    Person,
    Platform,
    create_platform,
    registration_facts,
)
from autograder.demo_platform.dialect import Dialect
from autograder.demo_platform.names import AGS_CLAIM, SCOPES
from tests.lms.lms_double import running

TEACHER, ANA = PEOPLE[0].id, PEOPLE[1].id
Network = Callable[[Starlette], ASGIApp]


class Connector(ServiceConnector):
    """The client of pylti1p3, which remembers its tokens here."""

    def __init__(self, registration: Registration) -> None:
        super().__init__(registration)
        self.cached: dict[str, str] = {}

    def _get_cached_access_token(self, scope_key: str) -> str | None:
        return self.cached.get(scope_key)

    def _cache_access_token(self, scope_key: str, access_token: str, expires_in: float) -> None:
        self.cached[scope_key] = access_token


@dataclass
class Tool:
    """A tool's keys, and the URLs that a platform asks it for."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    got: list[dict[str, str]] = field(default_factory=list)
    """What came to its registration URL."""

    def make(self, url: str) -> Starlette:
        self.url = url
        return Starlette(
            routes=[Route("/lti/jwks.json", self._jwks), Route("/lti/register/{token}", self._note)]
        )

    def _jwks(self, _request: Request) -> Response:
        return JSONResponse({"keys": self.registration("").get_jwks()})

    def _note(self, request: Request) -> Response:
        self.got.append(dict(request.query_params))
        return Response("registering")

    def sign(self, claims: dict[str, Any], key: rsa.RSAPrivateKey | None = None) -> str:
        return jwt.encode(claims, key or self.key, "RS256", headers={"kid": self.kid})

    def unsigned(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, "", "none", headers={"kid": self.kid})

    @cached_property
    def kid(self) -> str:
        kid = self.registration("").get_kid()
        assert kid is not None
        return kid

    @cached_property
    def private_pem(self) -> str:
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private.decode()

    def registration(self, platform_url: str) -> Registration:
        facts = registration_facts(platform_url)
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        registration = Registration()
        registration.set_issuer(facts.issuer).set_client_id(facts.client_id)
        registration.set_auth_token_url(facts.auth_token_url)
        registration.set_tool_private_key(self.private_pem).set_tool_public_key(public.decode())
        return registration


@dataclass
class World:
    """A platform with one link, its tool, and a browser."""

    tool: Tool
    url: str
    platform: Platform
    browser: httpx.Client

    @property
    def redirect_uri(self) -> str:
        return f"{self.tool.url}/lti/launch"

    def begin(self, path: str) -> dict[str, str]:
        """Open a link; what the tool's login gets."""
        answer = self.browser.get(path)
        assert answer.status_code == 303
        to = urlsplit(answer.headers["location"])
        assert f"{to.scheme}://{to.netloc}{to.path}" == f"{self.tool.url}/lti/login"
        return {name: values[0] for name, values in parse_qs(to.query).items()}

    def asking(self, begun: dict[str, str], **other: str) -> dict[str, str]:
        """The authentication request of a tool that a login has come to."""
        asked = {
            "scope": "openid", "response_type": "id_token", "response_mode": "form_post",
            "prompt": "none", "client_id": begun["client_id"], "redirect_uri": self.redirect_uri,
            "login_hint": begun["login_hint"], "lti_message_hint": begun["lti_message_hint"],
            "state": "the state", "nonce": "the nonce",
        }  # fmt: skip
        return {name: value for name, value in (asked | other).items() if value}

    def claims(self, path: str) -> dict[str, Any]:
        """Open a link, and go on as a tool does, to what is in the id_token."""
        form = form_of(self.browser.get("/auth", params=self.asking(self.begin(path))).text)
        assert form.action == self.redirect_uri and form.fields["state"] == "the state"
        keys = jwt.PyJWKSet.from_dict(self.browser.get("/keys").json())
        told: dict[str, Any] = jwt.decode(
            form.fields["id_token"], keys.keys[0], ["RS256"], audience="demonstration",
            issuer=self.url,
        )  # fmt: skip
        return told

    def services(self) -> AssignmentsGradesService:
        claims = self.claims(f"/people/{ANA}/links/link-ps1/open")
        return AssignmentsGradesService(
            Connector(self.tool.registration(self.url)), claims[AGS_CLAIM]
        )

    def assertion(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": "demonstration", "sub": "demonstration", "aud": f"{self.url}/token", "iat": now,
            "exp": now + 60, "jti": f"{time.time_ns()}",
        } | other  # fmt: skip

    def token(self, assertion: str, **other: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": " ".join(SCOPES),
        }
        return self.browser.post("/token", data=form | other)

    def headers(self, *scopes: str) -> dict[str, str]:
        """The authorization of a tool with these scopes."""
        token = self.token(self.tool.sign(self.assertion()), scope=" ".join(scopes))
        return {"Authorization": f"Bearer {token.json()['access_token']}"}


@dataclass
class Form:
    """A form of a page."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    has_button: bool = False


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(of["action"]))
        elif self.found and tag == "input" and of.get("type") not in ("checkbox", "file"):
            self.found[-1].fields[of["name"]] = of.get("value", "")
        elif self.found and tag == "button":
            self.found[-1].has_button = True


def form_of(page: str, ending: str = "") -> Form:
    """The first form of a page whose address ends so; an empty one if there is none."""
    return next((form for form in _Forms(page).found if form.action.endswith(ending)), Form())


def grade(given: float, user: str = ANA, **other: Any) -> Grade:
    """A score of the student for pylti1p3's client."""
    made = Grade().set_score_given(given).set_score_maximum(10).set_user_id(user)
    made.set_activity_progress("Completed").set_grading_progress("FullyGraded")
    made.set_timestamp(other.get("timestamp", "2027-01-15T10:00:00.000Z"))
    return made.set_comment(other.get("comment", ""))


class Swap:
    """A server's application that each test puts its own into the place of."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app: ASGIApp = Response(status_code=503)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@contextmanager
def swapping() -> Iterator[Swap]:
    """Run a server whose application can be another one for each test."""
    made: list[Swap] = []

    def make(url: str) -> Swap:
        made.append(Swap(url))
        return made[0]

    with running(make):
        yield made[0]


@contextmanager
def tool_running() -> Iterator[Tool]:
    """Run a tool."""
    tool = Tool()
    with running(tool.make):
        yield tool


@contextmanager
def world_of(
    tool: Tool,
    swap: Swap,
    dialect: Dialect | None = None,
    *,
    network: Network = lambda app: app,
    people: Iterable[Person] = PEOPLE,
) -> Iterator[World]:
    """A new platform with one link in the place of the one before.

    Args:
        tool: its tool.
        swap: its server.
        dialect: how it answers.
        network: puts something before it.
        people: who is in its course.
    """
    link = NewLink("Tensors & loops", 20, custom={"assignment": "ps1"}, resource="ps1")
    app = create_platform(swap.url, tool.url, people, links=[link], dialect=dialect)
    swap.app = network(app)
    with httpx.Client(base_url=swap.url, trust_env=False) as browser:
        yield World(tool, swap.url, app.state.platform, browser)
