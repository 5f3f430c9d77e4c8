"""A server that answers what a test tells it to, and notes what it was asked.

For what real platforms were seen to do, and can hardly be made to do when a test needs it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import jwt
from requests.structures import CaseInsensitiveDict

_LONGEST_WAIT: Final = 20.0


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int = 200
    body: bytes | object = b""
    """Bytes as they are, anything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    """Whether it never comes: the request is taken, and then there is silence."""
    drips: bool = False
    """Whether it comes byte by byte, without an end."""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Answering = Callable[[Asked], Told]


@dataclass
class Double:
    """The server."""

    url: str
    answering: Answering
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def of(self, method: str, path: str) -> list[Asked]:
        """The requests of a path."""
        return [one for one in self.asked if (one.method, one.path) == (method, path)]


@contextmanager
def serving(answering: Answering) -> Iterator[Double]:
    """Have a server on this machine answer as it is told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    double = Double(f"http://127.0.0.1:{server.server_port}", answering)
    server.double = double  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        double.over.set()
        server.shutdown()
        thread.join(_LONGEST_WAIT)
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        double: Double = self.server.double  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length", "0"))
        asked = Asked(
            self.command,
            self.path,
            CaseInsensitiveDict(self.headers.items()),
            self.rfile.read(length),
        )
        double.asked.append(asked)
        told = double.answering(asked)
        if told.hangs:
            double.over.wait(_LONGEST_WAIT)
            self.close_connection = True
            return
        self.send_response_only(told.status)
        headers = dict(told.headers)
        if told.drips:
            self.close_connection = True
        else:
            headers.setdefault("Content-Length", str(len(told.content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(told.content)
        if told.drips:
            self._drip(double)
        elif int(headers["Content-Length"]) > len(told.content):
            self.close_connection = True

    def _drip(self, double: Double) -> None:
        """Send a byte again and again, until nobody listens."""
        try:
            while not double.over.wait(0.02):
                self.wfile.write(b" ")
        except OSError:
            return

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""


@dataclass
class TokenEndpoint:
    """Gives tokens to whom it knows, as the IMS Security Framework 1.0 has it."""

    public_pem: str
    client_id: str = "tool"
    offers: tuple[str, ...] | None = None
    """The scopes that it gives; None for all."""
    expires_in: object = 3600
    given: list[str] = field(default_factory=list)
    """The scopes of the tokens that it has given, in order."""
    expired: set[str] = field(default_factory=set)
    """Tokens that are good no more."""

    def answer(self, asked: Asked, audience: str) -> Told:
        """Give a token, or say why not."""
        form = asked.form
        try:
            claims = jwt.decode(
                form["client_assertion"],
                self.public_pem,
                algorithms=["RS256"],
                audience=audience,
                options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
            )
        except jwt.InvalidTokenError as error:
            return Told(400, {"error": "invalid_client", "error_description": str(error)})
        if claims["iss"] != self.client_id or claims["sub"] != self.client_id:
            return Told(400, {"error": "invalid_client"})
        scopes = form["scope"].split()
        if self.offers is not None and not set(scopes) <= set(self.offers):
            return Told(400, {"error": "invalid_scope"})
        self.given.append(form["scope"])
        body: dict[str, object] = {
            "access_token": f"token-{len(self.given)} {form['scope']}".replace(" ", "|"),
            "token_type": "Bearer",
            "scope": form["scope"],
        }
        return Told(
            200, body | ({} if self.expires_in is None else {"expires_in": self.expires_in})
        )

    def allows(self, asked: Asked, scope: str) -> bool:
        """Whether a request has a token of a scope."""
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        return token.endswith(f"|{scope}") and token not in self.expired
