"""A platform that signs what a test tells it to, with its keys on a real server of this machine."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Engine, select

from autograder.lms.database import reading
from autograder.lms.lti.keys import Keys
from autograder.lms.lti.launch import Launch, LaunchError, LoginBegun, begin_login, finish
from autograder.lms.lti.platform_keys import PlatformKeys
from autograder.lms.lti.registrations import RegistrationFacts, add
from autograder.lms.schema import Base

CLAIM: Final = "https://purl.imsglobal.org/spec/lti/claim/"
AGS: Final = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NRPS: Final = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
SETTINGS: Final = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
ROLE: Final = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
BASE_URL: Final = "https://grader.example/course"
ISSUER: Final = "https://lms.example"
CLIENT: Final = "client-7"
DEPLOYMENT: Final = "1"
LMS: Final = "https://lms.example"
Row = TypeVar("Row", bound=Base)


class Missing(Enum):
    """A claim that is left out; its text, and so the names of tests, is the same in every run."""

    CLAIM = "missing"


MISSING: Final = Missing.CLAIM


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Signer:
    """A key of a platform's."""

    kid: str
    bits: int = 2048
    key: rsa.RSAPrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=self.bits)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """An id_token, whatever it says."""
        headers = {"kid": self.kid, **header}
        return jwt.PyJWS().encode(json.dumps(claims).encode(), self.key, "RS256", headers=headers)

    def public(self, **more: Any) -> dict[str, Any]:
        """The key as it is published."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**key, "kid": self.kid, "alg": "RS256", "use": "sig", **more}


@dataclass
class Pages:
    """What a server of this machine answers, by path, and what it was asked."""

    url: str
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def put(self, path: str, told: object, status: int = 200, **headers: str) -> str:
        """Let a path answer with JSON; its URL."""
        self.answers[path] = (status, json.dumps(told).encode(), headers)
        return f"{self.url}{path}"

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(one[1] == path for one in self.asked)


@contextmanager
def serving() -> Iterator[Pages]:
    """A server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            pages.asked.append((self.command, self.path, dict(self.headers.items()), body))
            status, content, headers = pages.answers.get(self.path, (404, b"{}", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pages = Pages(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield pages
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class World:
    """A tool with one registered platform, and the platform's keys."""

    engine: Engine
    folder: Path
    pages: Pages
    clock: Clock = field(default_factory=Clock)
    ticks: Clock = field(default_factory=Clock)
    """What the keys' cache takes for the time."""

    def __post_init__(self) -> None:
        self.signer = Signer("platform-1")
        self.publish(self.signer)
        self.platform_keys = PlatformKeys(clock=self.ticks)
        self.registration = self.register()

    @cached_property
    def keys(self) -> Keys:
        """The tool's."""
        return Keys.open(self.folder)

    def publish(self, *signers: Signer) -> None:
        """Let the platform publish these keys and no others."""
        self.pages.put("/keys", {"keys": [one.public() for one in signers]})

    def register(self, **changes: Any) -> int:
        """Register the platform."""
        facts: dict[str, Any] = {
            "issuer": ISSUER,
            "client_id": CLIENT,
            "auth_login_url": f"{LMS}/auth?from=tool",
            "auth_token_url": f"{LMS}/token",
            "key_set_url": f"{self.pages.url}/keys",
            "deployments": (DEPLOYMENT,),
        }
        return add(self.engine, RegistrationFacts(**{**facts, **changes}), clock=self.clock)

    def begin(self, **changes: str) -> LoginBegun:
        """The platform begins a login."""
        params = {
            "iss": ISSUER,
            "client_id": CLIENT,
            "login_hint": "user 7",
            "target_link_uri": f"{BASE_URL}/assignments/one",
            "lti_message_hint": "link 3",
            "lti_deployment_id": DEPLOYMENT,
        }
        return begin_login(
            self.engine, self.keys, {**params, **changes}, BASE_URL, clock=self.clock
        )

    def claims(self, begun: LoginBegun, **changes: Any) -> dict[str, Any]:
        """What the platform says; ``changes`` by the claims' short names, ``MISSING`` for none."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": "user-7",
            "iat": self.clock.now,
            "exp": self.clock.now + 60,
            "nonce": dict(parse_qsl(urlsplit(begun.redirect_url).query))["nonce"],
            "name": "Ana López",
            "given_name": "Ana",
            "family_name": "López",
            "email": "ana@uni.example",
            CLAIM + "message_type": "LtiResourceLinkRequest",
            CLAIM + "version": "1.3.0",
            CLAIM + "deployment_id": DEPLOYMENT,
            CLAIM + "target_link_uri": f"{BASE_URL}/assignments/one",
            CLAIM + "roles": [ROLE + "Learner"],
            CLAIM + "resource_link": {"id": "link-3", "title": "Sheet 1"},
            CLAIM + "context": {"id": "course-1", "title": "Deep Learning", "label": "DL"},
            AGS: {
                "scope": ["https://purl.imsglobal.org/spec/lti-ags/scope/score"],
                "lineitems": f"{LMS}/items",
                "lineitem": f"{LMS}/items/3",
            },
            NRPS: {"context_memberships_url": f"{LMS}/members", "service_versions": ["2.0"]},
        }
        for name, value in changes.items():
            full = name if name in _PLAIN or name.startswith("https:") else CLAIM + name
            claims[full] = value
            if value is MISSING:
                del claims[full]
        return claims

    def token(self, begun: LoginBegun, **changes: Any) -> str:
        """What the platform says, signed."""
        return self.signer.sign(self.claims(begun, **changes))

    def open(self, begun: LoginBegun, token: str, cookie: str | None = "", **more: Any) -> Launch:
        """The browser brings a token; by default it sends the login's cookie."""
        return finish(
            self.engine,
            self.keys,
            {"state": begun.state, "id_token": token},
            begun.state if cookie == "" else cookie,
            BASE_URL,
            clock=self.clock,
            platform_keys=self.platform_keys,
            **more,
        )

    def launch(self, **changes: Any) -> Launch:
        """A whole launch."""
        begun = self.begin()
        return self.open(begun, self.token(begun, **changes))

    def choose(self, settings: Mapping[str, Any] | None = None, **changes: Any) -> Launch:
        """A whole deep linking request of a teacher's."""
        told = {
            "deep_link_return_url": f"{LMS}/chosen?course=1",
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe"],
            "data": "csrf 5",
            **(settings or {}),
        }
        return self.launch(
            **{
                "message_type": "LtiDeepLinkingRequest",
                "resource_link": MISSING,
                "roles": [ROLE + "Instructor"],
                SETTINGS: {name: value for name, value in told.items() if value is not MISSING},
                **changes,
            }
        )


def rows(engine: Engine, table: type[Row]) -> list[Row]:
    """All rows of a table, in the order in which they came."""
    with reading(engine) as session:
        order = list(table.__table__.primary_key)
        return list(session.scalars(select(table).order_by(*order)))


def refusal(world: World, begun: LoginBegun, token: str, cookie: str | None = "") -> LaunchError:
    """What a browser is told that must not be let in."""
    with pytest.raises(LaunchError) as caught:
        world.open(begun, token, cookie)
    assert 400 <= caught.value.status < 500
    return caught.value


_PLAIN: Final = (
    "iss", "aud", "azp", "sub", "iat", "exp", "nbf", "nonce", "name", "given_name", "family_name",
    "email", "preferred_username",
)  # fmt: skip
