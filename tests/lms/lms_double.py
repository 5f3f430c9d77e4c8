"""The demonstration's platform speaking as real LMSs do, over a network that fails.

Moodle's dialect is as in ``mod/lti/service`` of Moodle 4.5 and as seen on one; Canvas's as in
``app/controllers/lti/ims`` of canvas-lms.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from autograder.demo_platform.dialect import Dialect, RefusalError
from autograder.demo_platform.gradebook import Gradebook, LineItem, Score
from autograder.demo_platform.people import Role
from autograder.demo_platform.state import Platform

CANVAS_SUBMISSION: Final = "https://canvas.instructure.com/lti/submission"
_LONGEST_WAIT: Final = 10.0


class Moodle(Dialect):
    """Moodle 4.5."""

    id_token_seconds = 60
    item_query = "type_id=1"

    def roles(self, role: Role) -> list[str]:
        return [{"teacher": "Instructor", "student": "Learner"}[role]]

    def check_content_type(self, got: str, wanted: str) -> None:
        if got != wanted:
            raise RefusalError(400, "")

    def check_accept(self, accept: str, offered: str) -> None:
        if accept not in ("", offered):
            raise RefusalError(400, "No context or unsupported content type")

    def check_line_item(self, item: LineItem) -> None:
        if len(item.label) > 255:
            raise RefusalError(500, "Error writing to database")

    def check_score(self, book: Gradebook, item: LineItem, score: Score, *, student: bool) -> None:
        if not student:
            raise RefusalError(400, "Incorrect score received")
        before = book.scores.get((item.id, score.user))
        if before and int(score.timestamp.timestamp()) <= int(before.timestamp.timestamp()):
            raise RefusalError(409, "Refusing score with an earlier timestamp for item 1 and user")

    def points(self, item: LineItem, score: Score) -> float | None:
        points = super().points(item, score)
        return None if points is None else round(min(points, item.maximum), 5)

    def score_answer(self, result_url: str) -> Response:
        return Response()

    def result(self, item: LineItem, score: Score) -> dict[str, Any] | None:
        if self.points(item, score) is not None:
            return super().result(item, score)
        return {} if score.comment else None

    def page_link(self, next_page: str) -> str:
        """With typographic quotes, as no parser expects them."""
        first = next_page.partition("&page=")[0]
        header = f"<{first}>; rel=“first”, <{next_page}>; rel=“next”, <{next_page}>; rel=“last”"
        return header.encode().decode("latin-1")


@dataclass
class Canvas(Dialect):
    """Canvas."""

    attempts: int | None = None
    """How many attempts an assignment allows; None for any number."""
    used: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many of them each user has used, by line item and user."""

    def check_content_type(self, got: str, wanted: str) -> None:
        if got not in (wanted, "application/json"):
            raise RefusalError(415, f"{got} is not understood")

    def check_accept(self, accept: str, offered: str) -> None:
        pass

    def check_score(self, book: Gradebook, item: LineItem, score: Score, *, student: bool) -> None:
        if not student:
            raise RefusalError(422, "User not found in course or is not a student")
        before = book.scores.get((item.id, score.user))
        if before is not None and before.timestamp > score.timestamp:
            raise RefusalError(
                400, f"Provided timestamp of {score.timestamp} before last updated timestamp"
            )
        if self._is_new(score):
            used = self.used.get((item.id, score.user), 0)
            if self.attempts is not None and used >= self.attempts:
                raise RefusalError(422, "The maximum number of allowed attempts has been reached")
            self.used[item.id, score.user] = used + 1

    @staticmethod
    def _is_new(score: Score) -> bool:
        """Whether it is of a new attempt: it is unless it says otherwise."""
        submission = score.body.get(CANVAS_SUBMISSION)
        return not isinstance(submission, dict) or submission.get("new_submission", True) is True

    def score_answer(self, result_url: str) -> Response:
        return JSONResponse({"resultUrl": result_url})

    def result(self, item: LineItem, score: Score) -> dict[str, Any] | None:
        told = super().result(item, score) or {}
        return {"resultScore": None, "resultMaximum": None, **told}


FAULTS: Final = (
    "lost", "answer lost", "late", "doubled", "broken off", "broken off after", "half an answer",
    "500", "stored and 500", "429", "token expired",
)  # fmt: skip


class Faults:
    """An application over a network on which the requests to services get lost, late or doubled."""

    def __init__(
        self, app: Starlette, chance: random.Random, share: float, kinds: tuple[str, ...] = FAULTS
    ) -> None:
        """Put the network before an application.

        Args:
            app: the platform.
            chance: what decides.
            share: the share of requests to which something happens; none once it is 0.
            kinds: what happens, each as often as the others.
        """
        self.share = share
        self.happened: list[str] = []
        self._app = app
        self._platform: Platform = app.state.platform
        self._chance = chance
        self._kinds = kinds
        self._next: list[str] = []
        self._late: list[tuple[Scope, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(("/scores", "/results")):
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        await self._let_late_ones_arrive()
        if self._chance.random() >= self.share:
            await self._do(scope, body, send)
            return
        if not self._next:
            self._next = self._chance.sample(self._kinds, len(self._kinds))
        kind = self._next.pop()
        self.happened.append(kind)
        await self._fail(kind, scope, body, receive, send)

    async def _fail(
        self, kind: str, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        if kind == "late":
            self._late.append((scope, body))
        if kind in ("answer lost", "broken off after", "half an answer", "stored and 500"):
            await self._do(scope, body, _into_nothing)
        if kind in ("lost", "late", "answer lost"):
            async with asyncio.timeout(_LONGEST_WAIT):
                while (await receive())["type"] != "http.disconnect":
                    pass
        elif kind in ("broken off", "broken off after"):
            scope["state"]["transport"].abort()
        elif kind == "half an answer":
            start = {"type": "http.response.start", "status": 200}
            await send({**start, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
        elif kind in ("500", "stored and 500"):
            await Response("<h1>Error</h1>", 500)(scope, receive, send)
        elif kind == "429":
            await Response("slow down", 429, {"Retry-After": "30"})(scope, receive, send)
        elif kind == "doubled":
            await self._do(scope, body, send)
            self._late.append((scope, body))
        elif kind == "token expired":
            self._platform.tokens.clear()
            await self._do(scope, body, send)

    async def _let_late_ones_arrive(self) -> None:
        for waiting in list(self._late):
            if self.share == 0 or self._chance.random() < 0.3:
                self._late.remove(waiting)
                await self._do(*waiting, _into_nothing)

    async def _do(self, scope: Scope, body: bytes, send: Send) -> None:
        """Let the platform do what was asked."""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(dict(scope), receive, send)


async def _into_nothing(_message: MutableMapping[str, Any]) -> None:
    """Drop an answer."""


class _Breakable(H11Protocol):
    """Lets an application break off the connection of a request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


@contextmanager
def running(make: Callable[[str], ASGIApp]) -> Iterator[str]:
    """Run an application on loopback while it is needed; its URL.

    Args:
        make: makes the application that is at a URL.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(
                make(url),
                http=_Breakable,
                lifespan="off",
                log_level="critical",
                timeout_graceful_shutdown=1,
                log_config=None,
            )
        )
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(_LONGEST_WAIT)
