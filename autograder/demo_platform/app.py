"""The platform as an application for a web server on this machine."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from autograder.demo_platform import (
    ags,
    deep_linking,
    launch,
    nrps,
    pages,
    registration,
    tokens,
)
from autograder.demo_platform.dialect import Dialect, RefusalError
from autograder.demo_platform.people import PEOPLE, Person
from autograder.demo_platform.state import (
    CLIENT_ID,
    NewLink,
    Platform,
    Tool,
    is_loopback,
)


def create_platform(
    url: str,
    tool_url: str = "",
    people: Iterable[Person] = PEOPLE,
    *,
    links: Sequence[NewLink] = (),
    custom: Mapping[str, str] | None = None,
    dialect: Dialect | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The platform; its state is ``app.state.platform``.

    Args:
        url: where it is reached, without a slash at the end.
        tool_url: the tool that it has from the start, on the same host, so that browsers take both
            for one site; empty for none. What the tool must know is ``registration_facts(url)``.
        people: who is in its course.
        links: what is in its course from the start, each with an id that stays the same.
        custom: the tool's custom parameters, whose values may be variables of LTI's.
        dialect: how it answers where platforms differ.
        clock: the time, in seconds since 1970.

    Raises:
        ValueError: a URL is not of this machine, or they are not of the same host.
    """
    host = urlsplit(url).hostname
    if not is_loopback(host):
        raise ValueError(f"the demonstration runs on 127.0.0.1 or localhost only, not at {url!r}")
    if tool_url and urlsplit(tool_url).hostname != host:
        raise ValueError(f"{tool_url!r} must be on the same host as the demonstration, {host}")
    platform = Platform(url, {one.id: one for one in people}, dialect or Dialect(), clock)
    if tool_url:
        _add_tool(platform, tool_url, custom or {}, links)
    shown = pages.Pages(platform)
    routes: list[BaseRoute] = [
        *pages.routes(platform, shown),
        *launch.routes(platform, shown),
        *deep_linking.routes(platform, shown),
        *registration.routes(platform),
        *tokens.routes(platform),
        *ags.routes(platform),
        *nrps.routes(platform),
        Mount("/static", StaticFiles(directory=pages.FOLDER / "static")),
    ]

    def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):  # no such page, or no such method there
            error = RefusalError(error.status_code, error.detail)
        assert isinstance(error, RefusalError)
        if "text/html" in request.headers.get("accept", ""):
            return shown.told(None, f"This was refused: {error.reason}.", error.status)
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return JSONResponse({"error": error.reason}, error.status, headers)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(_OnlyHere)],
        exception_handlers={RefusalError: refused, HTTPException: refused},
    )
    app.state.platform = platform
    return app


def _add_tool(
    platform: Platform, tool_url: str, custom: Mapping[str, str], links: Sequence[NewLink]
) -> None:
    """Register the tool that is there from the start, by the URLs of this program's own tool."""
    launch_url = f"{tool_url}/lti/launch"
    tool = Tool(
        CLIENT_ID, "Autograder", f"{tool_url}/lti/login", (launch_url,),
        f"{tool_url}/lti/jwks.json", launch_url, launch_url, custom=custom,
    )  # fmt: skip
    platform.tools[tool.client_id] = tool
    for number, link in enumerate(links, 1):
        name = re.sub(r"[^A-Za-z0-9]+", "-", link.resource or link.title).strip("-")
        link_id = f"link-{name}"
        platform.add_link(
            tool, link, f"{link_id}-{number}" if link_id in platform.links else link_id
        )


class _OnlyHere:
    """Answers this machine only, under a name of its own (against DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            client = scope.get("client")
            host = urlsplit(f"//{Request(scope).headers.get('host', '')}").hostname
            if client is None or not is_loopback(client[0]) or not is_loopback(host):
                refusal = PlainTextResponse("This demonstration is for this machine only.\n", 403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
